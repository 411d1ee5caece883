"""Sessions whose replies have an end: a socket's own timeout begins anew with every byte that comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError
from urllib3.poolmanager import PoolManager, pool_classes_by_scheme


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    name = (host or "").strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


@contextmanager
def ended_after(seconds: object, connection: socket.socket | None) -> Iterator[None]:
    """Shut a connection down when the block that reads from it takes longer.

    :param seconds: a number; for ever where it is none.
    :raises TimeoutError: the block took longer.
    """
    if connection is None or not isinstance(seconds, (int, float)):
        yield
        return
    late = threading.Event()

    # TLS within the TLS of a proxy has its socket inside.
    inner: socket.socket = getattr(connection, "socket", connection)

    def end() -> None:
        late.set()
        with suppress(OSError):
            # Not SSLSocket's own, which takes away what the reading thread works with.
            socket.socket.shutdown(inner, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError(f"no whole answer within {seconds:g} s")


def connection_of(response: requests.Response) -> socket.socket | None:
    """What a reply comes over, if it came over a session of ``new_session``."""
    return getattr(response.raw, "criteo_connection", None)


class _Deadline:
    """Has the status line and the headers come within the read timeout together."""

    sock: socket.socket | None
    timeout: Any

    def getresponse(self) -> Any:
        connection = self.sock
        with ended_after(self.timeout, connection):
            response = super().getresponse()  # type: ignore[misc]
        response.criteo_connection = connection
        return response

    def _tunnel(self) -> None:
        try:
            with ended_after(self.timeout, self.sock):
                super()._tunnel()  # type: ignore[misc]
        except TimeoutError as error:
            # Not a ReadTimeoutError: nothing was sent through the tunnel.
            raise ConnectTimeoutError(str(error)) from error


class _Connection(_Deadline, HTTPConnection):
    pass


class _SecureConnection(_Deadline, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        _watch(manager)
        return manager


def _watch(manager: PoolManager) -> None:
    if manager.pool_classes_by_scheme is pool_classes_by_scheme:  # those of a SOCKS proxy are its own
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Session(requests.Session):
    def resolve_redirects(self, *args: Any, yield_requests: bool = False, **kwargs: Any) -> Any:
        # Asked for a redirect that it is not to follow, requests reads its body whole, which may have no end.
        return iter(()) if yield_requests else super().resolve_redirects(*args, **kwargs)

    def merge_environment_settings(self, url: Any, proxies: Any, *args: Any, **kwargs: Any) -> Any:
        # What is plain http to this machine would be plain http to the proxy.
        if is_loopback(urlsplit(url).hostname):
            proxies = {"http": "", "https": "", **(proxies or {})}
        return super().merge_environment_settings(url, proxies, *args, **kwargs)


def new_session() -> requests.Session:
    """A session in which no reply's head takes longer than the read timeout, and no proxy is asked for this machine."""
    session = _Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    return session
