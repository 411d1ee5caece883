"""The newest refresh token in an Airflow Variable, for all processes of an Airflow."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any

from airflow_provider_criteo.api.exceptions import UnavailableError

log = logging.getLogger(__name__)

Run = Callable[[Callable[[], Any]], Any]
"""Makes a call that asks Airflow; a triggerer has to make it on a thread of its own."""


class VariableRefreshTokens:
    """Keeps the refresh token that Criteo gave last in a Variable, as long as the connection's stays what it was.

    Whoever may read the Variable may act for the account that gave its consent. It is never logged.

    :param name: of the Variable.
    :param first: the connection's refresh token: one that was put there by hand wins over what was kept before.
    :param run: makes the calls to Airflow.
    """

    def __init__(self, name: str, first: str, run: Run = lambda call: call()) -> None:
        self._name = name
        self._first = hashlib.sha256(first.encode()).hexdigest()
        self._run = run

    def newest(self) -> str | None:
        """The token that was kept last; None where there is none for the connection's.

        :raises UnavailableError: it cannot be looked up now.
        """
        try:
            text = self._run(self._read)
        except Exception as error:  # noqa: BLE001 - of whatever keeps Variables
            raise self._unavailable("it could not be read", error) from None
        try:
            kept = json.loads(text or "{}")
        except ValueError:
            log.warning("The Variable %r holds no refresh token as this provider keeps it; it is not used", self._name)
            return None
        matches = isinstance(kept, dict) and kept.get("connection") == self._first
        return str(kept["refresh_token"]) if matches and kept.get("refresh_token") else None

    def keep(self, refresh_token: str) -> None:
        """Keep a new token.

        :raises UnavailableError: it cannot be kept now.
        """
        value = json.dumps({"connection": self._first, "refresh_token": refresh_token})
        try:
            self._run(lambda: _variable().set(self._name, value))
        except Exception as error:  # noqa: BLE001 - of whatever keeps Variables
            raise self._unavailable("it could not be written", error) from None

    def _unavailable(self, what: str, error: Exception) -> UnavailableError:
        # No more than its name: its text may have the token.
        reason = f"{what}: {type(error).__name__}"
        return UnavailableError(request=f"Airflow's Variable {self._name!r}", reason=reason)

    def _read(self) -> Any:
        try:
            return _variable().get(self._name, default=None)
        except TypeError:  # Airflow 2
            return _variable().get(self._name, default_var=None)


def _variable() -> Any:
    from airflow.providers.common.compat.sdk import Variable

    return Variable
