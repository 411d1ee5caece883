"""The one retry policy: after passing faults a few times, after a used-up quota for some seconds."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_criteo.api.exceptions import RateLimitError, TransientError
from airflow_provider_criteo.api.quota import backoff

log = logging.getLogger(__name__)

LONGEST_QUOTA_WAIT = 75.0
"""Seconds that a call waits in all for a used-up quota: a minute's window and some jitter."""

_TRIES = 4
_JITTER = 0.1

Sleep = Callable[[float], None]
T = TypeVar("T")


def jittered(seconds: float) -> float:
    """A little longer, so that many who were told the same moment do not come back together."""
    return seconds + random.uniform(0, max(1.0, seconds * _JITTER))  # noqa: S311 - no cryptography


class Retry:
    """Makes a call again where that helps: four tries in all, and some time for a used-up quota.

    :param quota_wait: seconds to wait in all for a used-up quota; a little over a minute where None. A service that
        says when to come back is waited for so long, too, whatever this is.
    :param again: whether a passing fault allows another try.
    :param sleep: waits for so many seconds.
    """

    def __init__(
        self,
        quota_wait: float | None = None,
        *,
        again: Callable[[TransientError], bool] = lambda error: True,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._quota_wait_left = LONGEST_QUOTA_WAIT if quota_wait is None else quota_wait
        self._told_wait_left = LONGEST_QUOTA_WAIT
        self._again = again
        self._sleep = sleep
        self._failures = 0

    def call(self, function: Callable[[], T]) -> T:
        """Call until it succeeds, or there is no point in another try.

        :raises CriteoApiError: the last try's.
        """
        while True:
            try:
                return function()
            except (RateLimitError, TransientError) as error:
                wait = self._wait_after(error)
            self._sleep(wait)

    def _wait_after(self, error: RateLimitError | TransientError) -> float:
        self._failures += 1
        if isinstance(error, TransientError) and (self._failures >= _TRIES or not self._again(error)):
            raise error
        wait = backoff(self._failures)
        if isinstance(error, RateLimitError):
            wait = jittered(max(error.retry_after or 0.0, wait))
            self._quota_wait_left -= wait
        elif error.retry_after is not None:
            wait = jittered(max(error.retry_after, wait))
            self._told_wait_left -= wait
        if min(self._quota_wait_left, self._told_wait_left) < 0:
            raise error
        log.warning("%s\nTrying again in %.0f s", error, wait)
        return wait
