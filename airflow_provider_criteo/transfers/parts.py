"""A report that is at Criteo's row cap, asked for in parts, which become one table.

The parts are the leaves of a binary tree over the request: the whole is ``""``, its halves ``"0"`` and ``"1"``, theirs
``"00"`` and so on. What a part asks for follows from the request and its name, so that a task that is deferred carries
the jobs of the parts alone, and a retry finds each job by its part's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_criteo.api.exceptions import RateLimitError
from airflow_provider_criteo.api.models import JobState, ReportJob
from airflow_provider_criteo.api.quota import CALLS_PER_MINUTE_OF_AN_ACCOUNT
from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.api.splitting import halves, why_whole
from airflow_provider_criteo.exceptions import InvalidInputError, RowCapError, as_task_exceptions
from airflow_provider_criteo.utils.arguments import SPLIT, is_final
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.deadline import Deadline

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_criteo.transfers.export import ExportsReport

MOST_PARTS = 64
_WHOLE = ""


def check_on_row_cap(task: Any) -> None:
    """Check that there is a table for parts to go to, as far as that is final.

    :raises InvalidInputError: there is none.
    """
    if task.on_row_cap == SPLIT and is_final(task.output_format, task) and not task.output_format:
        raise InvalidInputError(
            f"on_row_cap={SPLIT!r} and output_format={task.output_format!r}: parts become one table, not one of "
            "Criteo's files; set output_format to 'parquet', 'jsonl' or 'csv'"
        )


@dataclass(frozen=True)
class Parts:
    """The parts of a request.

    :param report_type: an id of the catalogue.
    :param attributes: of the whole request.
    :param jobs: of each part by its name; None where it has none yet.
    """

    report_type: str
    attributes: Mapping[str, Any]
    jobs: dict[str, ReportJob | None]

    @property
    def leaves(self) -> list[str]:
        """The parts that are not cut, in the order of their rows."""
        return sorted(name for name in self.jobs if f"{name}0" not in self.jobs)

    def attributes_of(self, name: str) -> Mapping[str, Any]:
        """What a part asks for."""
        attributes = self.attributes
        for which in name:
            cut = halves(self.report_type, attributes)
            assert cut is not None, "a part that there is was cut"
            attributes = cut[int(which)]
        return attributes

    def cut(self, name: str) -> None:
        """Make two parts of one.

        :raises RowCapError: it must not be cut, or there are too many already.
        """
        attributes = self.attributes_of(name)
        if halves(self.report_type, attributes) is None:
            raise self._at_cap(
                name, f"cannot be cut without changing its rows: {why_whole(self.report_type, attributes)}"
            )
        if len(self.leaves) >= MOST_PARTS:
            # Not at the top: a DAG file without tables needs nothing of them.
            from airflow_provider_criteo.utils.report_table import finer_split

            finer = finer_split(self.report_type, attributes)
            raise self._at_cap(name, f"is one of {MOST_PARTS} parts, which is the most; make tasks by {finer}")
        self.jobs.update({f"{name}0": None, f"{name}1": None})

    def _at_cap(self, name: str, reason: str) -> RowCapError:
        job = self.jobs[name]
        assert job is not None
        return RowCapError(
            f"report job {job.report_id} ({self.told(name)}) has as many rows as Criteo's cap, beyond "
            f"which it cuts without a word, and {reason}. Nothing was written.\n"
            "  What to do: ask for fewer ids or dimensions, or take what came, with on_row_cap='warn'."
        )

    def told(self, name: str) -> str:
        """A part for the log and errors."""
        asked = self.attributes_of(name)
        return f"{f'part {name}' if name else 'the whole'}: {asked.get('startDate')} to {asked.get('endDate')}"


class PartsOfReport:
    """What is done about the parts, one call of a task after the other, until they are a table.

    :param task: whose request it is.
    :param deadline: of all waits for the parts.
    :param parts: those that there are.
    :param may_download: whether the quota has been asked for the downloads.
    :param in_turn: whether the next create has had its turn.
    :param has_waited: whether a job has been waited for since the last creates.
    """

    def __init__(
        self,
        task: ExportsReport,
        context: Context,
        deadline: Deadline,
        parts: Parts,
        *,
        may_download: bool,
        in_turn: bool = False,
        has_waited: bool = False,
    ) -> None:
        self._task = task
        self._context = context
        self._deadline = deadline
        self._parts = parts
        self._may_download = may_download
        self._called_at: float | None = None
        self._calls_made = 0
        self._in_turn = in_turn
        self._has_waited = has_waited

    @classmethod
    def whole(
        cls,
        task: ExportsReport,
        context: Context,
        job: ReportJob,
        deadline: Deadline,
    ) -> PartsOfReport:
        """The report as one part, whose job is done."""
        parts = Parts(task.report_type, task.rendered_attributes(context), {_WHOLE: job})
        return cls(task, context, deadline, parts, may_download=True)

    @classmethod
    def carried(
        cls,
        task: ExportsReport,
        context: Context,
        carried: Mapping[str, Any],
        deadline: Deadline,
        ended: ReportJob | None = None,
    ) -> PartsOfReport:
        """What a deferred task goes on with.

        :param ended: the job that has been waited for.
        :raises InvalidInputError: the request is another one now.
        """
        parts = Parts(
            task.report_type,
            task.rendered_attributes(context),
            {name: ReportJob.from_json(job) if job else None for name, job in carried["parts"].items()},
        )
        if ended is not None:
            name = next(name for name, job in parts.jobs.items() if job and job.report_id == ended.report_id)
            parts.jobs[name] = ended
        turns = {"may_download": carried["may_download"], "in_turn": ended is None, "has_waited": ended is not None}
        self = cls(task, context, deadline, parts, **turns)
        if self._request != carried["request"]:
            raise InvalidInputError(
                "attributes render to another request than when the task was deferred, so that its parts are those of "
                "the other one; use data_interval_start or logical_date in templates, not the time of day"
            )
        return self

    def table(self) -> str:
        """The destination's URL, when all parts are below the cap and one table."""
        while True:
            for name in self._parts.leaves:
                self._create(name)
            for name in self._parts.leaves:
                self._wait_for(name)
            at_cap = [
                name for name, job in self._jobs().items() if get_report_type(job.report_type).is_at_cap(job.row_count)
            ]
            if not at_cap:
                try:
                    return self._downloaded()
                except RowCapError as error:
                    # Criteo did not tell the rows.
                    at_cap = [name for name, job in self._jobs().items() if job.report_id in error.report_ids]
            for name in at_cap:
                with as_task_exceptions():
                    self._parts.cut(name)
                self._task.log.info("At Criteo's row cap, to be asked for in halves: %s", self._parts.told(name))
            self._may_download = self._in_turn = self._has_waited = False

    def _jobs(self) -> dict[str, ReportJob]:
        return {name: job for name in self._parts.leaves if (job := self._parts.jobs[name]) is not None}

    def _create(self, name: str) -> None:
        if self._parts.jobs[name] is not None:
            return
        attributes = self._parts.attributes_of(name)
        self._parts.jobs[name] = self._task.created_in_turn(
            self._context, self._deadline, attributes, name, **self._state()
        )
        if not self._in_turn:
            self._called_at, self._calls_made = CLOCK.now(), self._calls_made + 1
        self._in_turn = False
        self._task.log.info("Asked for %s", self._parts.told(name))

    def _wait_for(self, name: str) -> None:
        job = self._parts.jobs[name]
        assert job is not None
        if job.state is JobState.DONE:
            return
        # While one is waited for, the others come on.
        self._parts.jobs[name] = self._task.waited_for(
            job,
            self._deadline,
            self._called_at,
            self._state(),
            at_once=self._has_waited,
            calls_made=self._calls_made,
        )
        self._has_waited = True

    def _downloaded(self) -> str:
        jobs = list(self._jobs().values())
        if self._task.deferrable and not self._may_download:
            self._may_download = True
            self._task.defer_to_queue("download", self._deadline, calls=len(jobs), **self._state())
        # After a refusal those that came have to come again: of more than a window has calls for, all might never come.
        most = min(self._task.hook.settings.quota, CALLS_PER_MINUTE_OF_AN_ACCOUNT)
        quota_wait = self._task.quota_wait if len(jobs) <= most else None
        try:
            return self._task.download_parts(self._context, jobs, quota_wait, self._parts.attributes)
        except RateLimitError as error:
            self._task.defer_to_queue("download", self._deadline, error, calls=len(jobs), **self._state())

    def _state(self) -> dict[str, Any]:
        """What of it is needed again: not what has been told already, so that 64 parts are a small event."""
        jobs = {name: replace(job, message="", problems=(), warnings=()) for name, job in self._jobs().items()}
        return {
            "parts": {name: jobs[name].to_json() if name in jobs else None for name in self._parts.jobs},
            "request": self._request,
            "may_download": self._may_download,
        }

    @property
    def _request(self) -> str:
        return self._task.request_hash(self._parts.attributes)
