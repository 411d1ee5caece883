"""Every check is run by somebody: on each change, or each night."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
# For people: they leave something running, make files, or are a part of what is run.
BY_HAND = {"help", "setup", "airflow", "refresh", "house", "clean"}


def test_every_command_of_the_makefile_is_run() -> None:
    commands = set(re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)) | {"clean"}
    run = (ROOT / ".ci" / "steps").read_text() + "".join(path.read_text() for path in WORKFLOWS.glob("*.yml"))
    assert commands - BY_HAND - set(re.findall(r"[a-z-]+", run)) == set()
