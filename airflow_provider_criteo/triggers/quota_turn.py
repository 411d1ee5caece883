"""``QuotaTurnTrigger``: waits without a worker until the quota has a call for it; the pace is in ``api.quota``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_criteo.api.exceptions import CriteoError, RateLimitError, UnavailableError
from airflow_provider_criteo.api.models import RateLimit
from airflow_provider_criteo.exceptions import as_task_exceptions
from airflow_provider_criteo.triggers.report_job import arguments_of, load_poller
from airflow_provider_criteo.utils import trigger_event
from airflow_provider_criteo.utils.clock import CLOCK
from airflow_provider_criteo.utils.deadline import Deadline

_SECONDS_AFTER_A_LOOKUP = 30.0


@dataclass(eq=False, repr=False)
class QuotaTurnTrigger(BaseTrigger):
    """Waits for a call's turn in the connection's queue, and takes it out of the quota; it makes no call itself.

    :param call: ``"create"`` or ``"download"``.
    :param criteo_conn_id: the Airflow connection.
    :param started: since when the call waits, epoch seconds; who waits longest goes first.
    :param end_time: when to give up, epoch seconds.
    :param of_execution: whether that is the task's ``execution_timeout``.
    :param limit: calls a window, where Criteo told it when it refused the call.
    :param refused_until: when a call may be made again, epoch seconds, where Criteo told it.
    :param carried: given back in the event.
    :param beyond_first_window: whether it was not tried, as a window's tasks before this one try without a turn.
    :param calls: how many calls are to be made then.
    """

    call: str
    criteo_conn_id: str
    started: float
    end_time: float
    of_execution: bool = False
    limit: int | None = None
    refused_until: float | None = None
    carried: dict[str, Any] | None = None
    beyond_first_window: bool = False
    calls: int = 1

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's
        self._away: UnavailableError | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again."""
        return "airflow_provider_criteo.triggers.quota_turn.QuotaTurnTrigger", arguments_of(self)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then tell that the turn has come, that the time is up, or why there can be no turn."""
        deadline = Deadline(self.started, self.end_time, self.of_execution)
        outcome = trigger_event.TURN
        try:
            with as_task_exceptions(self.criteo_conn_id):
                await asyncio.wait_for(self._turn(), max(self.end_time - CLOCK.now(), 0.0))
        except asyncio.TimeoutError:
            none_in_time = f"the quota had no call for this task within {deadline.timeout:g} s"
            outcome = trigger_event.refused(self._away or RateLimitError(reason=none_in_time))
        except CriteoError as error:
            outcome = trigger_event.refused(error)
        yield TriggerEvent(trigger_event.payload_of(outcome, deadline, self.carried))

    async def _turn(self) -> None:
        poller_module = await asyncio.to_thread(load_poller)
        with poller_module.use_poller(self.criteo_conn_id) as poller:
            call = poller_module.Call[self.call.upper()]
            refusal, left = self._refusal(), self.calls
            while left:
                self._away = None
                try:
                    await poller.turn(call, self.started, refusal, beyond_first_window=self.beyond_first_window)
                    refusal, left = None, left - 1
                except UnavailableError as error:
                    self._away = error
                    self.log.warning("%s\n  asking again in %.0f s", error, _SECONDS_AFTER_A_LOOKUP)
                    await asyncio.sleep(_SECONDS_AFTER_A_LOOKUP)
                    refusal = refusal and self._refusal()

    def _refusal(self) -> RateLimit | None:
        """What of the refusal is still true."""
        if self.refused_until is None or self.refused_until <= CLOCK.now():
            return None
        return RateLimit(limit=self.limit, reset_in=self.refused_until - CLOCK.now())
