"""What a fault is, and the register of all kinds; ``app`` plays them.

``FAULTS`` has them all by name. Parameters of a fault are those of ``Play.params``: ``seconds``, ``at`` (a byte),
``limit``, ``code``, ``title``, ``detail``, ``word``, ``count``, ``url``, ``headers``, as its description says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_criteo.sandbox.oauth import Tokens
from airflow_provider_criteo.sandbox.replies import Reply
from airflow_provider_criteo.sandbox.routes import CALLS, Call
from airflow_provider_criteo.sandbox.wire import Wire

ALL_CALLS = frozenset(CALLS)
JSON_CALLS = frozenset({"token", "create", "status"})
JOB_CALLS = frozenset({"create", "status"})
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
        assert self.acted is not None
        return self.acted

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
