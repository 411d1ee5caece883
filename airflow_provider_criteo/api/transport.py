"""One HTTP exchange: a request out, an ``Answer`` in, every failure of the network a ``TransientError``."""

from __future__ import annotations

import ssl
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from airflow_provider_criteo.api.answers import Answer, Redact
from airflow_provider_criteo.api.exceptions import TransientError
from airflow_provider_criteo.api.session import connection_of, ended_after, is_loopback

_LARGEST_REPLY = 32 * 1024 * 1024
_MOST_REDIRECTS = 3
_CHECK_NETWORK = (
    "check the host and the port of the connection, the proxy and the firewall; else let the task retry. "
    "https://status.criteo.com tells of outages."
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class _NoAuth(AuthBase):
    """Keeps requests from taking credentials out of a .netrc file."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


NO_AUTH = _NoAuth()


def exchange(
    session: requests.Session,
    method: str,
    url: str,
    *,
    request: str,
    timeout: tuple[float, float],
    redact: Redact,
    **options: Any,
) -> Answer:
    """Send a request and read its reply whole.

    :param session: to send it with.
    :param request: how messages name it: method, path, report id.
    :param timeout: connect and read timeouts, seconds; the whole body has to come within the latter.
    :param redact: takes secrets out of the reply's texts.
    :raises TransientError: no whole reply came; ``sent`` tells whether the request may have arrived.
    """
    with opened(session, method, url, request=request, timeout=timeout, redact=redact, **options) as response:
        return read_answer(response, request, timeout[1], redact)


@contextmanager
def opened(
    session: requests.Session,
    method: str,
    url: str,
    *,
    request: str,
    timeout: tuple[float, float],
    redact: Redact,
    **options: Any,
) -> Iterator[requests.Response]:
    """A reply whose body is still to be read; a GET follows a few redirects.

    No redirect leads from https to http, nor to plain http on another machine; none is followed for a POST.

    :raises TransientError: no reply came, or a redirect that must not be followed, or one that led to a refusal by
        another host: it never saw the token, so that its refusal tells nothing of the call.
    """
    home = urlsplit(url)[:2]
    for _ in range(_MOST_REDIRECTS + 1):
        with network_faults(request, timeout, redact):
            response = session.request(method, url, timeout=timeout, stream=True, allow_redirects=False, **options)
        with closing(response):
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target:
                # 416 tells of the part that was asked for, not of who asked.
                if urlsplit(url)[:2] != home and response.status_code >= 400 and response.status_code != 416:
                    reason = f"a redirect to {redact(str(urlsplit(url).hostname))}, which refused"
                    raise TransientError(response.status_code, (), request, reason=reason)
                yield response
                return
            url = _redirected(method, url, target, response.status_code, request, redact)
    raise TransientError(0, (), request, reason="too many redirects")


def _redirected(method: str, url: str, location: str, status: int, request: str, redact: Redact) -> str:
    try:
        target = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(target)
    except ValueError:
        raise TransientError(status, (), request, reason="a redirect to what is no URL") from None
    reason = f"a redirect to {redact(f'{there.scheme}://{there.hostname}')}"
    if method != "GET":
        raise TransientError(status, (), request, reason=f"{reason}, which is not followed for a {method}")
    if there.scheme not in ("https", "http") or (there.scheme == "http" and here.scheme == "https"):
        raise TransientError(status, (), request, reason=f"{reason}, which leaves https")
    if there.scheme == "http" and not is_loopback(there.hostname):
        raise TransientError(status, (), request, reason=f"{reason}, which is not encrypted")
    return target


def read_answer(response: requests.Response, request: str, seconds: float, redact: Redact) -> Answer:
    """Read an open reply whole, within so many seconds.

    :raises TransientError: its body did not come whole.
    """
    return Answer(response.status_code, response.headers, _body(response, seconds, request, redact), redact)


def _body(response: requests.Response, seconds: float, request: str, redact: Redact) -> bytes:
    body = bytearray()
    deadline = time.monotonic() + seconds
    with (
        network_faults(request, (seconds, seconds), redact, status=response.status_code),
        ended_after(seconds, connection_of(response)),
    ):
        while chunk := response.raw.read1(64 * 1024, decode_content=True):
            body += chunk
            if len(body) > _LARGEST_REPLY:
                raise TransientError(response.status_code, (), request, reason="the reply is larger than 32 MiB")
            # Where the connection is not known: a SOCKS proxy's, or an adapter of somebody else's.
            if time.monotonic() > deadline:
                raise TimeoutError
    return bytes(body)


@contextmanager
def network_faults(request: str, timeout: tuple[float, float], redact: Redact, status: int = 0) -> Iterator[None]:
    """Turns every failure of the network into a ``TransientError`` that names what was asked."""
    try:
        yield
    except (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError) as error:
        reason = f"no connection within {timeout[0]:g} s"
        raise TransientError(status, (), request, reason=reason, advice=_CHECK_NETWORK, sent=False) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
        raise TransientError(status, (), request, reason=f"no answer within {timeout[1]:g} s") from error
    except (urllib3.exceptions.LocationValueError, requests.exceptions.InvalidURL):
        # Their texts have the address, and a proxy's may have a password.
        reason = "an address cannot be read: that of the proxy, where one is set, or of a redirect"
        raise TransientError(status, (), request, reason=reason, sent=False) from None
    # ValueError: of requests, for a header that is no text
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        cause = _innermost(error)
        reason = f"the connection failed: {redact(f'{type(cause).__name__}: {cause}')}"
        sent = not _never_connected(error)
        fault = TransientError(status, (), request, reason=reason, advice="" if sent else _CHECK_NETWORK, sent=sent)
        shown = "".join(traceback.format_exception(error))
        raise fault from (error if redact(shown) == shown else None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        inner = [part for part in (getattr(seen, "reason", None), *seen.args) if isinstance(part, BaseException)]
        seen = inner[0] if inner else None


def _innermost(error: BaseException) -> BaseException:
    return list(_causes(error))[-1]


def _never_connected(error: BaseException) -> bool:
    return any(
        isinstance(
            cause, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError, ssl.SSLCertVerificationError)
        )
        for cause in _causes(error)
    )
