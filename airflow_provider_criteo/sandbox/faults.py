"""What a fault is, the register of all kinds, and the plan of which happens when; ``app`` plays them.

``FAULTS`` has them all by name. Parameters of a fault are those of ``Play.params``: ``seconds``, ``at`` (a byte),
``limit``, ``code``, ``title``, ``detail``, ``word``, ``count``, ``url``, ``headers``, as its description says.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_criteo.sandbox.oauth import Tokens
from airflow_provider_criteo.sandbox.replies import Reply
from airflow_provider_criteo.sandbox.routes import CALLS, Call
from airflow_provider_criteo.sandbox.wire import Wire

ALL_CALLS = frozenset(CALLS)
JSON_CALLS = frozenset({"token", "create", "status"})
REPORT_CALLS = frozenset({"create", "status", "download"})
DOWNLOAD = frozenset({"download"})


@dataclass
class Play:
    """A fault being played.

    :param wire: the connection.
    :param call: the request.
    :param params: the fault's parameters.
    :param act: lets the call take effect.
    :param tokens: the sandbox's.
    :param acted: what the call would have been answered; None for faults that come before the call takes effect.
    """

    wire: Wire
    call: Call
    params: dict[str, Any]
    act: Callable[[], Reply]
    tokens: Tokens
    acted: Reply | None = None

    @property
    def reply(self) -> Reply:
        """What the call would have been answered."""
        return self.acted or self.act()

    def param(self, name: str, default: Any) -> Any:
        """A parameter of the fault."""
        value = self.params.get(name)
        return default if value is None else value


Player = Callable[[Play], Awaitable[Reply | None]]
"""Gives the answer to send, or None if it has dealt with the connection itself."""


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault.

    :param name: of it.
    :param description: what happens, and which parameters it takes.
    :param calls: with which calls it makes sense.
    :param acts: whether the call takes effect first: a job is made, a token is issued.
    :param play: does it.
    """

    name: str
    description: str
    calls: frozenset[str]
    acts: bool
    play: Player = field(repr=False)


FAULTS: dict[str, FaultKind] = {}
"""Every kind of fault, by name."""


def fault(
    name: str, description: str, calls: Iterable[str] = ALL_CALLS, *, acts: bool = False
) -> Callable[[Player], Player]:
    """Put a player into ``FAULTS``."""

    def register(play: Player) -> Player:
        FAULTS[name] = FaultKind(name, description, frozenset(calls), acts, play)
        return play

    return register


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
    :param report_type: only to calls for this report type, or one of the same path.
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
