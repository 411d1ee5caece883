"""One HTTP exchange: a request out, a reply in, every failure of the network a ``TransientError``.

What a reply means, that of a 429 too, is in ``answers``.
"""

from __future__ import annotations

import logging
import os
import platform
import ssl
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from airflow_provider_criteo import __version__
from airflow_provider_criteo.api.answers import Answer
from airflow_provider_criteo.api.exceptions import InvalidInputError, TransientError
from airflow_provider_criteo.api.models import one_line, shortened
from airflow_provider_criteo.api.redaction import Redact, without

DEFAULT_BASE_URL = "https://api.criteo.com"
_LARGEST_REPLY = 32 * 1024 * 1024
_MOST_REDIRECTS = 5
_CHECK_NETWORK = (
    "check the host and the port of the connection, the proxy and the firewall; else let the task retry. "
    "https://status.criteo.com tells of outages."
)
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    name = (host or "").strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def normalized_base_url(host: str) -> str:
    """Scheme, host and port of the API, from a host with or without scheme and port.

    :raises InvalidInputError: it is no host, has more than that, or would send the secret in clear.
    """
    url = host.strip() if host else ""
    shown = url.rpartition("@")[2]  # before it may be a secret
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        port = parts.port
    except ValueError:
        raise InvalidInputError(
            f"host={shown!r}: the port is no number from 1 to 65535, or a bracket is open"
        ) from None
    if not parts.hostname or any(character.isspace() for character in url):
        raise InvalidInputError(f"host={shown!r} is no host; allowed: {DEFAULT_BASE_URL} or a host of your own")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"):
        raise InvalidInputError(
            f"host={parts.hostname!r} has more than scheme, host and port; allowed: e.g. {DEFAULT_BASE_URL}"
        )
    if parts.scheme not in ("https", "http"):
        raise InvalidInputError(f"host={shown!r}: the scheme is {parts.scheme!r}; allowed: https")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise InvalidInputError(
            f"host={shown!r}: http would send the client secret in clear; allowed: https, or http to this machine"
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}" + (f":{port}" if port else "")


def user_agent(*products: str) -> str:
    """The User-Agent: the package's version, further products, Python's version."""
    own = f"airflow-provider-criteo/{__version__}"
    return " ".join((own, *products, f"python/{platform.python_version()}", f"requests/{requests.__version__}"))


class _NoAuth(AuthBase):
    """Keeps requests from taking credentials out of a .netrc file."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


NO_AUTH = _NoAuth()


class _WithoutSignatures(logging.Filter):
    """Takes the query out of what urllib3 logs of a request where we were redirected: it may be a signature.

    :ivar hosts: of those requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hosts: set[str | None] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, without the query."""
        parts = record.args
        if isinstance(parts, tuple) and any(isinstance(part, str) and self._is_of_host(part) for part in parts):
            record.args = tuple(part.partition("?")[0] if isinstance(part, str) else part for part in parts)
        return True

    def _is_of_host(self, text: str) -> bool:
        return text in self.hosts or any(host and f"//{host}" in text for host in self.hosts)


_WITHOUT_SIGNATURES = _WithoutSignatures()
for _name in ("urllib3.connectionpool", "urllib3.connection"):
    logging.getLogger(_name).addFilter(_WITHOUT_SIGNATURES)


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.max_redirects = _MOST_REDIRECTS

    def get_redirect_target(self, resp: requests.Response) -> Any:
        target = super().get_redirect_target(resp)
        if target and urlsplit(target).scheme == "http" and urlsplit(resp.url).scheme == "https":
            raise requests.exceptions.InvalidSchema("a redirect that leaves https")
        if target:
            _WITHOUT_SIGNATURES.hosts.add(urlsplit(urljoin(resp.url, target)).hostname)
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        # As requests does, but for credentials out of a .netrc file.
        if self.should_strip_auth(response.request.url, prepared_request.url):  # type: ignore[no-untyped-call] # of requests
            prepared_request.headers.pop("Authorization", None)

    def merge_environment_settings(self, url: Any, proxies: Any, *args: Any, **kwargs: Any) -> Any:
        # What is plain http to this machine would be plain http to the proxy.
        if is_loopback(urlsplit(url).hostname):
            proxies = {"http": "", "https": "", **(proxies or {})}
        return super().merge_environment_settings(url, proxies, *args, **kwargs)


def new_session() -> requests.Session:
    """A session that never leaves https, and asks no proxy for this machine."""
    return _Session()


def send(
    session: requests.Session,
    method: str,
    url: str,
    *,
    request: str,
    timeout: tuple[float, float],
    redact: Redact,
    **options: Any,
) -> requests.Response:
    """Send a request; the reply's body is still to be read. A GET follows redirects, a POST does not.

    :param session: to send it with.
    :param request: how messages name it: method, path, report id.
    :param timeout: connect and read timeouts, seconds.
    :param redact: takes secrets out of the reply's texts.
    :raises TransientError: no reply came (``sent`` tells whether the request may have arrived), or a redirect led to
        a refusal: that was not about the call.
    """
    with network_faults(request, timeout, redact):
        response = session.request(
            method, url, timeout=timeout, stream=True, allow_redirects=method == "GET", **options
        )
    if response.is_redirect:
        response.close()
        target = urljoin(url, response.headers["location"])
        reason = f"a redirect to {_host(target, redact)}, which is not followed for a {method}"
        raise TransientError(response.status_code, (), request, reason=reason)
    if response.status_code >= 400 and any(earlier.is_redirect for earlier in response.history):
        reason = f"a redirect to {_host(response.url, redact)}, which refused"
        answer = read(response, request, timeout, _without_query(response.url, redact))
        raise TransientError(response.status_code, answer.problems_of_error, request, reason=reason)
    return response


def _host(url: str, redact: Redact) -> str:
    return redact(str(urlsplit(url).hostname))  # no more of it: its query may be a signature


def _without_query(url: str, redact: Redact) -> Redact:
    """Takes the values of a URL's query, too, out of a text: a storage repeats a signature that it refuses."""
    without_values = without(value for _, value in parse_qsl(urlsplit(url).query))
    return lambda text: without_values(redact(text))


def read(response: requests.Response, request: str, timeout: tuple[float, float], redact: Redact) -> Answer:
    """Read an open reply whole, and close it.

    :raises TransientError: its body did not come whole, or is larger than 32 MiB.
    """
    with response, network_faults(request, timeout, redact, status=response.status_code):
        body = response.raw.read(_LARGEST_REPLY + 1, decode_content=True)
    if len(body) > _LARGEST_REPLY:
        raise TransientError(response.status_code, (), request, reason="the reply is larger than 32 MiB")
    return Answer(response.status_code, response.headers, body, redact, request)


@contextmanager
def network_faults(request: str, timeout: tuple[float, float], redact: Redact, status: int = 0) -> Iterator[None]:
    """Turns every failure of the network into a ``TransientError`` that names what was asked.

    The failure itself is not chained to it: its texts have whole URLs, whose queries may be signatures.
    """
    try:
        yield
    except (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
        reason = f"no connection within {timeout[0]:g} s"
        raise TransientError(status, (), request, reason=reason, advice=_CHECK_NETWORK, sent=False) from None
    except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        raise TransientError(status, (), request, reason=f"no answer within {timeout[1]:g} s") from None
    except (urllib3.exceptions.LocationValueError, requests.exceptions.InvalidURL):
        # Their texts have the address, and a proxy's may have a password.
        reason = "an address cannot be read: that of the proxy, where one is set, or of a redirect"
        raise TransientError(status, (), request, reason=reason, sent=False) from None
    # ValueError: of requests, for a header that is no text; the last two: of gzip, for a stream that is cut or garbled
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
        EOFError,
        zlib.error,
    ) as error:
        raise _connection_failed(error, request, redact, status) from None


def _connection_failed(error: Exception, request: str, redact: Redact, status: int) -> TransientError:
    cause = _innermost(error)
    said = shortened(one_line(redact(f"{type(cause).__name__}: {cause}")))  # an answer that is no HTTP is in it
    reason = f"the connection failed: {said}"
    sent = not (_never_connected(error) or _is_no_ca_bundle(error))
    return TransientError(status, (), request, reason=reason, advice="" if sent else _advice(error), sent=sent)


def _advice(error: Exception) -> str:
    bundle = next((f"{name}={os.environ[name]}" for name in _CA_VARIABLES if os.environ.get(name)), None)
    of_certificate = _is_no_ca_bundle(error) or isinstance(_innermost(error), ssl.SSLCertVerificationError)
    return f"mend or unset {bundle}; nothing was sent." if bundle and of_certificate else _CHECK_NETWORK


def _is_no_ca_bundle(error: Exception) -> bool:
    # The one OSError that requests raises as it is; those of the network it wraps. One that holds no certificate is
    # found by OpenSSL, before it connects.
    holds_none = getattr(_innermost(error), "reason", None) == "NO_CERTIFICATE_OR_CRL_FOUND"
    return holds_none or (type(error) is OSError and "TLS" in str(error))


def _innermost(error: BaseException) -> BaseException:
    return list(_causes(error))[-1]


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        inner = [part for part in (getattr(seen, "reason", None), *seen.args) if isinstance(part, BaseException)]
        seen = inner[0] if inner else None


def _never_connected(error: BaseException) -> bool:
    never = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError, ssl.SSLCertVerificationError)
    return any(isinstance(cause, never) for cause in _causes(error))
