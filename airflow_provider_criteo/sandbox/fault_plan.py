"""The plan of which fault happens when."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_criteo.sandbox import fault_answers, fault_connections  # noqa: F401 - they fill FAULTS
from airflow_provider_criteo.sandbox.faults import ALL_CALLS, FAULTS, FaultKind
from airflow_provider_criteo.sandbox.routes import Call


def possible_calls(kind: FaultKind) -> frozenset[str]:
    """The calls that a fault can happen to: what can befall all of them befalls the list of accounts, too."""
    return kind.calls | {"accounts"} if kind.calls == ALL_CALLS else kind.calls


@dataclass
class PlannedFault:
    """A fault to come.

    :param kind: what happens.
    :param call: to which call: ``token``, ``create``, ``status``, ``download``, ``accounts`` or ``any``.
    :param times: how often; None for ever.
    :param after: how many such calls are let through first.
    :param probability: that it happens to a call.
    :param report_id: only to calls for this job.
    :param report_type: only to calls for this report type.
    :param params: of the kind.
    """

    kind: FaultKind
    call: str = "any"
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    report_id: str | None = None
    report_type: str | None = None
    params: dict[str, Any] = field(default_factory=dict)

    def concerns(self, call: Call) -> bool:
        """Whether it may happen to that call."""
        return (
            call.kind in possible_calls(self.kind)
            and self.call in ("any", call.kind)
            and self.times != 0
            and self.report_id in (None, call.report_id)
            and self.report_type in (None, *(row.id for row in call.rows))
        )


class FaultPlan:
    """The faults to come, the first planned first."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []
        self._random = random.Random(0)  # noqa: S311 - not for secrets

    def seed(self, seed: int) -> None:
        """Begin the random choices anew."""
        self._random.seed(seed)

    def add(self, kind: str, call: str = "any", **options: Any) -> None:
        """Plan a fault.

        :raises ValueError: there is no such kind, or it makes no sense for that call; the message has the valid ones.
        """
        if kind not in FAULTS:
            raise ValueError(f"kind={kind!r} is not a fault; valid: {', '.join(FAULTS)}")
        possible = possible_calls(FAULTS[kind])
        if call != "any" and call not in possible:
            raise ValueError(f"call={call!r} cannot have {kind!r}; valid: any, {', '.join(sorted(possible))}")
        self._planned.append(PlannedFault(FAULTS[kind], call, **options))

    def clear(self) -> None:
        """Plan nothing any more."""
        self._planned.clear()

    def pick(self, call: Call) -> PlannedFault | None:
        """The fault that happens to this call, if one does."""
        for planned in self._planned:
            if not planned.concerns(call):
                continue
            if planned.after > 0:
                planned.after -= 1
            elif self._random.random() < planned.probability:
                if planned.times is not None:
                    planned.times -= 1
                return planned
        return None
