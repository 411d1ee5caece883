"""How long a call is made again: after passing faults a few times, after a used-up quota for some seconds."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_criteo.api.exceptions import CriteoApiError, RateLimitError, TransientError
from airflow_provider_criteo.api.quota import backoff

log = logging.getLogger(__name__)

LONGEST_QUOTA_WAIT = 75.0
"""Seconds that a create or a download waits in all for a used-up quota: a minute's window and some jitter."""

_TRIES = 4
_JITTER = 0.1

T = TypeVar("T")


def jittered(seconds: float) -> float:
    """A little longer, so that many who were told the same moment do not come back together."""
    return seconds + random.uniform(0, max(1.0, seconds * _JITTER))  # noqa: S311 - no cryptography


class Patience:
    """Waits after a failed try, or raises when there is no point in another.

    :param quota_wait: seconds to wait in all for a used-up quota.
    :param again: whether a passing fault allows another try.
    """

    def __init__(
        self,
        quota_wait: float = LONGEST_QUOTA_WAIT,
        again: Callable[[TransientError], bool] = lambda error: True,
    ) -> None:
        self._quota_left = quota_wait
        self._again = again
        self._faults = 0
        self._refusals = 0

    def wait_after(self, error: CriteoApiError, then: str = "trying again") -> None:
        """Sleep until the next try.

        :raises CriteoApiError: the error itself, if there should be no other try.
        """
        if isinstance(error, RateLimitError):
            self._refusals += 1
            wait = jittered(error.retry_after or backoff(self._refusals))
            self._quota_left -= wait
            if self._quota_left < 0:
                raise error
        elif isinstance(error, TransientError) and self._again(error):
            self._faults += 1
            wait = backoff(self._faults)
            if self._faults >= _TRIES:
                raise error
        else:
            raise error
        log.warning("%s\n%s in %.0f s", error, then.capitalize(), wait)
        time.sleep(wait)

    def renew(self) -> None:
        """Something was achieved: faults are counted anew."""
        self._faults = 0


def patiently(call: Callable[[], T], patience: Patience | None = None) -> T:
    """Make a call until it succeeds or patience ends."""
    patience = patience or Patience()
    while True:
        try:
            return call()
        except (RateLimitError, TransientError) as error:
            patience.wait_after(error)
