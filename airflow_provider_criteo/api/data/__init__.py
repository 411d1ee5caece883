"""What Criteo documents, as data: made by ``dev/update_*.py``, read by client, sandbox and documentation alike."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def read(name: str) -> dict[str, Any]:
    """The content of a data file.

    :param name: without ``.json``.
    """
    content: dict[str, Any] = json.loads(files(__name__).joinpath(f"{name}.json").read_text("utf-8"))
    return content
