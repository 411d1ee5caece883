"""One poller per connection in a triggerer process: one client, one token, one queue for every job that waits."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_criteo.api.exceptions import AuthenticationError, RateLimitError, UnavailableError
from airflow_provider_criteo.api.models import RateLimit
from airflow_provider_criteo.api.quota import MOST_CONCURRENT, Pace
from airflow_provider_criteo.hooks.criteo import CriteoHook
from airflow_provider_criteo.triggers.queue import Call, TurnQueue
from airflow_provider_criteo.utils.connection import ConnectionSettings, cannot_look_up, client_of, mask_secret
from airflow_provider_criteo.utils.observability import counted_poll

if TYPE_CHECKING:
    from airflow_provider_criteo.api.client import CriteoClient
    from airflow_provider_criteo.api.models import ReportJob

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKUPS = 60.0
_LONGEST_CALL_TO_AIRFLOW = 30.0


class ConnectionPoller:
    """Lets the jobs of one connection poll in turn.

    Every call is made in a small thread pool: the event loop never waits for Criteo. All methods are called on the
    event loop.

    :param conn_id: the Airflow connection.
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._time = asyncio.get_running_loop().time
        self._users = 0
        self._settings: ConnectionSettings | None = None
        self._client: CriteoClient | None = None
        self._looked_up = float("-inf")
        self._lookup_lock = asyncio.Lock()
        self._threads = ThreadPoolExecutor(MOST_CONCURRENT, thread_name_prefix=f"criteo-{conn_id}")
        self._new_secrets: deque[str] = deque()
        self._queue = TurnQueue()

    async def get_report_job(self, report_id: str, report_type: str, api_version: str | None, due: float) -> ReportJob:
        """Ask for a job's state when it is this job's turn and the quota allows.

        :param due: epoch seconds since when the job has been due; the earliest goes first.
        :raises CriteoError: what the client raises.
        :raises UnavailableError: the connection cannot be looked up.
        """
        await self._current_client()
        pace = await self._queue.turn(Call.POLL, due)
        client = self._client
        assert client is not None
        try:
            return await self._in_thread(pace, client, report_id, report_type, api_version)
        except AuthenticationError:
            renewed = await self._current_client(anew=True)
            if renewed is client:
                raise
        return await self.get_report_job(report_id, report_type, api_version, due)

    async def turn(
        self, call: Call, due: float, refused: RateLimit | None = None, *, beyond_first_window: bool = False
    ) -> None:
        """Wait until a worker may make a call, and take it out of the quota.

        :param due: epoch seconds since when the call waits.
        :param refused: what Criteo said when it refused the call.
        :param beyond_first_window: whether a window's tasks before this one make their calls without a turn.
        :raises UnavailableError: the connection cannot be looked up.
        """
        await self._current_client()
        if refused is not None:
            self._queue.refused(refused)
        if beyond_first_window:
            self._queue.expect_calls(due)
        await self._queue.turn(call, due)

    def expect_call(self) -> None:
        """A worker is about to make a call without a turn."""
        self._queue.expect_call()

    async def was_made(self, at: float, *, with_others: bool) -> None:
        """A worker made a call without a turn.

        :param at: epoch seconds.
        :param with_others: whether a window's tasks beside this one make theirs without a turn, too.
        :raises UnavailableError: the connection cannot be looked up.
        """
        await self._current_client()
        self._queue.was_made(at)
        if with_others:
            self._queue.expect_calls(at)

    async def _in_thread(
        self, pace: Pace, client: CriteoClient, report_id: str, report_type: str, api_version: str | None
    ) -> ReportJob:
        rate: RateLimit | None = None
        limited = False

        def call() -> ReportJob:
            nonlocal rate
            try:
                with counted_poll():
                    return client.get_report_job(report_id, report_type, api_version=api_version)
            finally:
                rate = client.rate_limit
                if client is not self._client:
                    client.close()

        context = contextvars.copy_context()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, call)
        except RateLimitError as error:
            limited = True
            rate = RateLimit(error.limit, None, error.retry_after, error.reset_at)
            raise
        finally:
            pace.finished(rate, limited=limited)
            self._queue.let_go()
            await self._mask_new_secrets()

    # The connection

    async def _current_client(self, *, anew: bool = False) -> CriteoClient:
        """The client of the connection as it is now; looked up again now and then."""
        asked = self._time()
        async with self._lookup_lock:
            fresh = self._looked_up + (0.0 if anew else _SECONDS_BETWEEN_LOOKUPS) > asked
            if self._client is not None and fresh:
                return self._client
            try:
                settings = ConnectionSettings.from_connection(await _looked_up(self._conn_id))
            except UnavailableError as error:
                if self._client is None:
                    raise
                log.warning("%s\n  going on with what the connection was", error)
                self._looked_up = self._time()
                return self._client
            self._looked_up = self._time()
            if self._client is None or settings != self._settings:
                await self._follow(settings)
            await self._mask_new_secrets()
            assert self._client is not None
            return self._client

    async def _follow(self, settings: ConnectionSettings) -> None:
        loop = asyncio.get_running_loop()

        def run(call: Callable[[], Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(_in_airflows_thread(call), loop).result(_LONGEST_CALL_TO_AIRFLOW)

        client = await asyncio.to_thread(client_of, settings, self._new_secrets.append, run)
        if self._client is not None:
            log.info("Connection %r has changed; following it", self._conn_id)
            self._client.close()
        known, self._settings, self._client = self._settings, settings, client
        if known is None or known.application != settings.application:
            self._queue.follow(Pace(settings.calls_per_minute, documented=settings.quota, clock=self._time))

    async def _mask_new_secrets(self) -> None:
        while self._new_secrets:
            await _mask(self._new_secrets.popleft())

    # Life

    def enter(self) -> None:
        """One more trigger uses this poller."""
        self._users += 1

    def leave(self) -> bool:
        """One trigger less; whether it was the last, so that everything is closed."""
        self._users -= 1
        if self._users:
            return False
        self._queue.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()
            self._client = None  # so that a call still under way closes what it has opened
        return True


_pollers: dict[tuple[int, str], ConnectionPoller] = {}


@contextmanager
def use_poller(conn_id: str) -> Iterator[ConnectionPoller]:
    """The poller of a connection, for as long as the block lasts; the last to leave closes it."""
    key = (id(asyncio.get_running_loop()), conn_id)
    poller = _pollers.get(key)
    if poller is None:
        poller = _pollers[key] = ConnectionPoller(conn_id)
    poller.enter()
    try:
        yield poller
    finally:
        if poller.leave() and _pollers.get(key) is poller:
            del _pollers[key]


async def _looked_up(conn_id: str) -> Any:
    from airflow.providers.common.compat.sdk import Connection

    try:
        if hasattr(Connection, "aextra_dejson"):
            return await CriteoHook.aget_connection(conn_id)
        # Before Airflow 3.3.2 the asynchronous look-up masks with a blocking call, which can deadlock the loop.
        return await _in_airflows_thread(CriteoHook.get_connection, conn_id)
    except Exception as error:  # noqa: BLE001 - of whatever keeps connections
        # Airflow has the same exception for a connection that is not there and for a backend that does not answer.
        raise cannot_look_up(conn_id, error) from None


async def _mask(secret: str) -> None:
    try:
        from airflow.sdk.log import amask_secret
    except ImportError:
        await _in_airflows_thread(mask_secret, secret)
    else:
        await amask_secret(secret)


async def _in_airflows_thread(call: Callable[..., Any], *arguments: str) -> Any:
    """Make a blocking call that asks the triggerer's supervisor.

    From any other thread such a call reads the supervisor's answers on a loop of its own, and takes those that the
    triggerer waits for: Airflow 3.0 ends the triggerer then.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(call)(*arguments)
