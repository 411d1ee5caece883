"""What every way of waiting shares: what a poll means, and when the next one comes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_criteo.api import exceptions as api_exceptions
from airflow_provider_criteo.api.models import JobState, problem_lines
from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.exceptions import ReportExpiredError, ReportJobFailedError

if TYPE_CHECKING:
    from airflow_provider_criteo.api.models import ReportJob

SHORTEST_POLL_INTERVAL = 5.0
"""Seconds; Criteo asks not to poll more often than every 5 to 10 s:
https://developers.criteo.com/marketing-solutions/experimental/docs/mpo-real-time-asynchronous-api"""

_SHORTEST_SPREAD = 60.0
_LONGEST_SPREAD = 300.0


def require_done(job: ReportJob) -> bool:
    """Whether the job is done.

    :raises ReportJobFailedError: it ended without a file.
    """
    if job.state is JobState.FAILED:
        raise ReportJobFailedError(job)
    if job.state is JobState.EXPIRED:
        raise ReportExpiredError(job)
    return job.state is JobState.DONE


class WaitLog:
    """Tells of a wait what a human wants to follow: each change once, and what comes next.

    :param log: where to.
    :param report_id: of the job.
    """

    def __init__(self, log: Any, report_id: str) -> None:
        self.log = log
        self.report_id = report_id
        self._status = ""
        self._told: set[tuple[str, ...]] = set()

    def job(self, job: ReportJob, wait: float | None = None) -> None:
        """The job as a poll found it."""
        for warning in job.warnings:
            self._once(self.log.warning, f"Criteo warns about report job {self.report_id}: {warning}", warning.gist)
        if job.problems and job.state not in (JobState.FAILED, JobState.EXPIRED):
            lines = problem_lines(job.problems)
            message = f"Criteo tells of problems with report job {self.report_id}:{lines}"
            self._once(self.log.warning, message, *(problem.gist for problem in job.problems))
        if not get_report_type(job.report_type).knows(job.status):
            self._once(
                self.log.warning,
                f"Report job {self.report_id} has the status {job.status!r}, which is not known; waiting on",
            )
            return
        then = f"; next poll in {wait:.0f} s" if wait is not None and not job.state.is_terminal else ""
        if self._status != job.status:
            self._status = job.status
            self.log.info("Report job %s is %s%s", self.report_id, job.status, then)

    def fault(self, error: api_exceptions.CriteoError, wait: float | None = None) -> None:
        """A poll that told nothing of the job."""
        then = f"next poll in {wait:.0f} s" if wait is not None else "the next poll comes later"
        if isinstance(error, api_exceptions.RateLimitError):
            self.log.info("Criteo's quota: %s; %s", error.reason, then)
        else:
            self.log.warning("The wait goes on in spite of this: %s\n  %s", error, then)

    def _once(self, tell: Callable[[str], object], message: str, *key: str) -> None:
        key = key or (message,)
        if key not in self._told:
            self._told.add(key)
            tell(message)


def passing(error: api_exceptions.CriteoError) -> bool:
    """Whether a wait goes on in spite of the error."""
    return isinstance(
        error, (api_exceptions.RateLimitError, api_exceptions.TransientError, api_exceptions.ReportNotReadyError)
    )


def spread_after_reset(elapsed: float) -> float:
    """Seconds over which tasks that know nothing of each other come back after a used-up quota.

    Half of what the task has waited, so that the spread grows until the quota carries all that wait.

    :param elapsed: seconds the task has waited.
    """
    longest = min(max(_SHORTEST_SPREAD, elapsed / 2), _LONGEST_SPREAD)
    return random.uniform(0, longest)  # noqa: S311 - no cryptography


def backed_off(poll_interval: float, poll: int, max_wait: float | None, name: str) -> float:
    """Seconds until the poll after the nth, as Airflow's sensors compute ``exponential_backoff``.

    :param poll_interval: seconds.
    :param poll: the number of polls made.
    :param max_wait: seconds, at most.
    :param name: makes the jitter of one job differ from another's.
    """
    shortest = max(int(poll_interval * 2.0 ** min(poll - 2, 30)), 1)
    digest = int(hashlib.sha1(f"{name}#{poll}".encode(), usedforsecurity=False).hexdigest(), 16)
    wait = float(shortest + digest % shortest)
    return min(wait, max_wait) if max_wait else wait
