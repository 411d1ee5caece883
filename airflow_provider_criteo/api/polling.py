"""One wait: what a poll of a report job means, and when the next one comes. It does no I/O; a loop of a few lines does."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from logging import Logger
from typing import Any

from airflow_provider_criteo.api.exceptions import (
    CriteoApiError,
    CriteoError,
    RateLimitError,
    ReportJobFailedError,
    ReportJobNotFoundError,
    TransientError,
    UnavailableError,
    require_file,
)
from airflow_provider_criteo.api.models import JobState, ReportJob, is_status_word, problem_lines

SHORTEST_POLL_INTERVAL = 5.0
"""Seconds; Criteo asks not to poll more often than every 5 to 10 s:
https://developers.criteo.com/marketing-solutions/experimental/docs/mpo-real-time-asynchronous-api"""

_NEW_JOB_SECONDS = 60.0
"""For so long Criteo may not know a job that it has just created."""

_SHORTEST_SPREAD = 60.0
_LONGEST_SPREAD = 300.0


class Wait:
    """The wait for one report job: each poll's outcome in, seconds until the next one out.

    :param report_id: of the job.
    :param poll_interval: seconds between two polls.
    :param timeout: seconds of the whole wait; when they are over, it asks once more.
    :param started: when the wait began, by the clock; now where not given.
    :param exponential_backoff: whether the interval grows, as in Airflow's sensors.
    :param max_wait: the longest it grows to, seconds.
    :param begun: whether there was an earlier poll of this wait, after which it went on.
    :param in_queue: whether a queue paces the polls of all waits, so that a used-up quota costs this one no time.
    :param log: told of each change once, and of what comes next.
    :param clock: seconds.
    """

    def __init__(
        self,
        report_id: str,
        *,
        poll_interval: float,
        timeout: float,
        log: Logger | Any,
        started: float | None = None,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        begun: bool = False,
        in_queue: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.report_id = report_id
        self.job: ReportJob | None = None
        self._poll_interval = max(poll_interval, SHORTEST_POLL_INTERVAL)
        self._timeout = timeout
        self._exponential_backoff = exponential_backoff
        self._max_wait = max_wait
        self._begun = begun
        self._in_queue = in_queue
        self._log = log
        self._clock = clock
        self._started = clock() if started is None else started
        self._refused = False
        self._status = ""
        self._told: set[str] = set()

    # Outcomes of a poll

    def saw(self, job: ReportJob) -> float | None:
        """A poll found the job.

        :return: seconds until the next poll; None when the job is done.
        :raises ReportJobFailedError: it ended without a file.
        :raises TimeoutError: it has not ended in time.
        """
        self.job = job
        self._begun, self._refused = True, False
        self._tell_of_problems(job)
        if require_file(job):
            self._tell_of_status(job)
            return None
        wait = self._next(self.interval)
        self._tell_of_status(job, f"; next poll in {wait:.0f} s")
        return wait

    def failed(self, error: CriteoError) -> float:
        """A poll told nothing of the job.

        :return: seconds until the next poll.
        :raises CriteoError: the error itself, where it ends the wait.
        :raises TimeoutError: the time is up.
        """
        if isinstance(error, RateLimitError):
            wait = self._next(self._until_quota(error))
            self._begun = True
            self._log.info("Criteo's quota: %s; next poll in %.0f s", error.reason, wait)
            return wait
        if not self._may_pass(error):
            raise error
        wait = self._next(self.interval, error)
        self._begun = True
        self._log.warning("The wait goes on in spite of this: %s\n  next poll in %.0f s", error, wait)
        return wait

    def _may_pass(self, error: CriteoError) -> bool:
        if isinstance(error, UnavailableError):
            return self._begun  # else a connection that is misspelt would be waited for
        if isinstance(error, TransientError):
            return True
        if isinstance(error, ReportJobNotFoundError) and self.elapsed < _NEW_JOB_SECONDS:
            return True
        if isinstance(error, ReportJobFailedError) or not isinstance(error, CriteoApiError):
            return False
        # After the first poll a refusal has to be given twice: gateways and token services have bad minutes.
        twice, self._refused = self._refused, True
        return self._begun and not twice

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last answer was a refusal that has to be given twice."""
        return self._refused

    # Time

    def next_poll(self) -> float:
        """Seconds until the next poll, after one of which nothing is known.

        :raises TimeoutError: the time is up.
        """
        return self._next(self.interval)

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return self._clock() - self._started

    @property
    def interval(self) -> float:
        """Seconds from a poll made now until the next one."""
        if not self._exponential_backoff:
            return self._poll_interval
        total = 0.0
        for wait in self._growing_intervals():
            total += wait
            if total > self.elapsed:
                return wait
        raise AssertionError("the intervals end nowhere")

    def _growing_intervals(self) -> Iterator[float]:
        """As Airflow's sensors compute them: doubled from poll to poll, with a jitter that differs from job to job."""
        poll = 0
        while True:
            poll += 1
            shortest = max(int(self._poll_interval * 2.0 ** min(poll - 2, 30)), 1)
            digest = hashlib.sha1(f"{self.report_id}#{poll}".encode(), usedforsecurity=False).hexdigest()
            wait = float(shortest + int(digest, 16) % shortest)
            yield max(min(wait, self._max_wait or wait), SHORTEST_POLL_INTERVAL)

    def _until_quota(self, error: RateLimitError) -> float:
        if self._in_queue:
            return 0.0
        # Over half of what has been waited, so that tasks that know nothing of each other spread until the quota
        # carries them all.
        spread = min(max(_SHORTEST_SPREAD, self.elapsed / 2), _LONGEST_SPREAD)
        until_reset = (error.retry_after or 0.0) + random.uniform(0, spread)  # noqa: S311 - no cryptography
        return max(self.interval, until_reset)

    def _next(self, seconds: float, error: CriteoError | None = None) -> float:
        left = self._timeout - self.elapsed
        if left > 0:
            return min(seconds, left)
        is_fault = isinstance(error, TransientError) and not isinstance(error, UnavailableError)
        if error is not None and not is_fault:
            raise error
        raise TimeoutError(f"Report job {self.report_id} has not ended within {self._timeout:g} s.")

    # What a human wants to follow

    def _tell_of_problems(self, job: ReportJob) -> None:
        for warning in job.warnings_of_job:
            self._warn_once(warning.gist, f"Criteo warns about report job {self.report_id}: {warning}")
        if job.problems and job.state not in (JobState.FAILED, JobState.EXPIRED):
            gist = "".join(problem.gist for problem in job.problems)
            lines = problem_lines(job.problems)
            self._warn_once(gist, f"Criteo tells of problems with report job {self.report_id}:{lines}")
        if not is_status_word(job.status):
            message = f"Report job {self.report_id} has the status {job.status!r}, which is not known; waiting on"
            self._warn_once(job.status, message)

    def _warn_once(self, key: str, message: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._log.warning(message)

    def _tell_of_status(self, job: ReportJob, then: str = "") -> None:
        if self._status != job.status:
            self._status = job.status
            self._log.info("Report job %s is %s%s", self.report_id, job.status, then)


def polled(wait: Wait, get_report_job: Callable[[], ReportJob]) -> float | None:
    """Poll once.

    :return: seconds until the next poll; None when the job is done, and then ``wait.job``.
    :raises CriteoError: the wait has ended.
    :raises TimeoutError: the time is up.
    """
    try:
        job = get_report_job()
    except CriteoError as error:
        return wait.failed(error)
    return wait.saw(job)
