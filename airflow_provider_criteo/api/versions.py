"""The one rule for API versions: which one a call is made in, and when the client moves on to the next.

Source: https://developers.criteo.com/criteo-apis/docs/versioning-policy
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from airflow_provider_criteo.api.answers import Answer, is_retired_route, shows_service
from airflow_provider_criteo.api.report_type import VERSION_ENDS

log = logging.getLogger(__name__)

_DAYS_OF_WARNING = 90

T = TypeVar("T")

_told_once: set[tuple[str, ...]] = set()


def warn_once(*key: str, message: str) -> None:
    """Warn of something once a process.

    :param key: what it is.
    """
    if key not in _told_once:
        _told_once.add(key)
        log.warning("%s", message)


class ServedVersions:
    """What a client knows of the versions that Criteo serves.

    :param today: the day in UTC, by which versions have ended.
    """

    def __init__(self, today: Callable[[], date]) -> None:
        self._today = today
        self._retired: set[tuple[str, str]] = set()

    def _warn_of_end(self, versions: Sequence[str]) -> None:
        end = VERSION_ENDS.get(versions[0])
        if end is None or (end - self._today()).days > _DAYS_OF_WARNING:
            return
        lasting = [version for version in versions[1:] if VERSION_ENDS.get(version, date.max) > end]
        then = (
            f"From then on {lasting[0]!r} is called, and there is nothing to do."
            if lasting
            else "Set api_version to a later one, on the connection or the operator."
        )
        message = f"Criteo serves api_version {versions[0]!r} until {end}. {then}"
        warn_once("end of version", versions[0], message=message)

    def ask(self, route: str, versions: Sequence[str], call: Callable[[str], tuple[Answer, T]]) -> tuple[Answer, T]:
        """Make a call in the first version that Criteo serves.

        A version is left for good only when another one has answered well.

        :param route: what is asked, to remember the versions that no longer serve it.
        :param versions: in order of preference.
        :param call: makes the call in a version.
        """
        self._warn_of_end(versions)
        left = [version for version in versions if (route, version) not in self._retired] or versions[-1:]
        gone: list[str] = []
        for version in left:
            answer, rest = call(version)
            if not is_retired_route(answer):
                break
            gone.append(version)
        if gone and shows_service(answer):
            self._retired.update((route, version) for version in gone)
            warn_once(
                "retired",
                gone[0],
                message=f"Criteo no longer serves this call on api_version {gone[0]!r}; it was made on {version!r}. "
                f"Set api_version to {version!r}, on the connection or the operator.",
            )
        return answer, rest
