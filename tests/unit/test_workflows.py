"""Every check is run by somebody: on each change, or each night."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# For people: they leave something running, make files, or are a part of what is run.
BY_HAND = {"setup", "airflow", "refresh", "house", "clean"}


def made_by(workflow: Path) -> Iterator[str]:
    """The Make targets that a workflow names, in a step or in its matrix of targets."""
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        for step in job["steps"]:
            yield from re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))
        matrix = job.get("strategy", {}).get("matrix", {})
        yield from matrix["target"] if isinstance(matrix.get("target"), list) else ()
        yield from (cell["target"] for cell in matrix.get("include", ()) if "target" in cell)


def test_every_command_of_the_makefile_is_run() -> None:
    commands = set(re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = re.findall(r'^\w+="(.*)"$', (ROOT / ".ci" / "steps").read_text(), re.MULTILINE)
    run = {*" ".join(steps).split(), *(target for workflow in WORKFLOWS for target in made_by(workflow))}
    assert commands - run == BY_HAND
    assert run <= commands
