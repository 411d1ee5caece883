"""Secrets out of texts: of whatever goes into a log, an exception or an event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

_SHORTEST_SECRET = 5
"""As in Airflow's own masking: taking shorter ones out of a text leaves nothing that can be read."""

Redact = Callable[[str], str]


def without(secrets: Iterable[str]) -> Redact:
    """Takes secrets out of a text: as they are, and as they stand in a URL or a form."""
    forms = {
        form
        for secret in secrets
        if len(secret) >= _SHORTEST_SECRET
        for form in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret))
    }
    longest_first = sorted(forms, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)", re.IGNORECASE)
    return lambda text: pattern.sub("***", text)


def redacted(value: Any, redact: Redact) -> Any:
    """A JSON value with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): redacted(item, redact) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted(item, redact) for item in value]
    return value
