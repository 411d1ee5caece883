"""The checks of one cell of the matrix; run by that cell's own Python, from the repository's root.

Writes ``{check: "ok" or what is wrong}`` as JSON into a file.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import airflow_provider_criteo
from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack

ROOT = Path(__file__).parents[2]
OK = "ok"
CONFORMANCE = {
    "test_imports": "imports",
    "test_provider_info": "metadata",
    "test_form": "form",
    "test_operators": "operators",
}


class WrongError(Exception):
    """What a check found."""


def conformance(home: Path) -> dict[str, str]:
    """``tests/conformance``, a check for each of its files."""
    report = home / "conformance.xml"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/conformance", "-q", "--tb=short", f"--junit-xml={report}"],
        cwd=ROOT,
        env=environment | {"AIRFLOW_HOME": str(home / "conformance")},
        capture_output=True,
        text=True,
    )
    if not report.exists():
        return {"imports": done.stdout + done.stderr}
    results = dict.fromkeys(CONFORMANCE.values(), "nothing was run")
    for case in ElementTree.parse(report).iter("testcase"):
        check = CONFORMANCE[case.get("classname", "").rpartition(".")[2]]
        wrong = [element for element in case if element.tag in ("failure", "error")]
        if wrong:
            before = "" if results[check] in (OK, "nothing was run") else results[check]
            results[check] = f"{before}\n{case.get('name')}: {wrong[0].text}".strip()
        elif results[check] == "nothing was run":
            results[check] = OK
    return results


def expect(holds: bool, what: str) -> None:
    """
    :raises WrongError: it does not hold.
    """
    if not holds:
        raise WrongError(what)


class Runs:
    """Reports on a real Airflow."""

    def __init__(self, stack: AirflowStack, sandbox: Sandbox, lake: Path) -> None:
        self.stack, self.sandbox, self.lake = stack, sandbox, lake
        self.run_ids: dict[str, str] = {}

    def trigger(self, dag_id: str) -> None:
        """Begin a run."""
        self.run_ids[dag_id] = self.stack.trigger(dag_id, {"destination": f"file://{self.lake}/{dag_id}.csv"})

    def check(self, dag_id: str) -> None:
        """Wait for the run, and look at what came of it.

        :raises WrongError: something else than it should be.
        """
        run_id = self.run_ids[dag_id]
        if self.stack.wait(dag_id, run_id, timeout=400) != "success":
            raise WrongError(self._logs(dag_id, run_id))
        with (self.lake / f"{dag_id}.csv").open(newline="") as file:
            expect(len(list(csv.DictReader(file))) == 10, "the file has not the report's ten rows")
        retried = [ti.name for ti in self.stack.task_instances(dag_id, run_id) if ti.try_number != 1]
        expect(not retried, f"a second try was needed: {retried}\n{self._logs(dag_id, run_id)}")
        rescheduled = {row.task_id for row in self.stack.reschedules(dag_id, run_id)}
        expect(rescheduled == ({"wait"} if dag_id == "reschedule" else set()), f"rescheduled: {rescheduled}")
        if dag_id != "reschedule":
            task_id = "wait" if dag_id == "deferred" else "report"
            expect("in the triggerer" in self.stack.log_text(dag_id, run_id, task_id), "it was not deferred")

    def _logs(self, dag_id: str, run_id: str) -> str:
        return "\n".join(
            f"-- {ti.name}: {ti.state}\n{self.stack.log_text(dag_id, run_id, ti.task_id, max(ti.try_number, 1))}"
            for ti in self.stack.task_instances(dag_id, run_id)
        )

    def deprecations(self) -> None:
        """Look for deprecations of the package's causing in all logs.

        :raises WrongError: there are some, or the canary is not among them.
        """
        found = {
            line.strip()
            for file in self.stack.files()
            for line in file.read_text(errors="replace").splitlines()
            if "airflow_provider_criteo" in line and ("DeprecationWarning" in line or "RemovedIn" in line)
        }
        ours = {line for line in found if "canary" not in line}
        expect(found != ours, "the canary is not in the logs")
        expect(not ours, "\n".join(sorted(ours)))


def on_airflow(home: Path, dag_ids: list[str]) -> dict[str, str]:
    """Real runs, at once, against the sandbox."""
    results: dict[str, str] = {}

    def record(check: str, action: Callable[[], None]) -> None:
        try:
            action()
            results[check] = OK
        except WrongError as wrong:
            results[check] = str(wrong)

    modules = [
        module.name for module in pkgutil.walk_packages(airflow_provider_criteo.__path__, "airflow_provider_criteo.")
    ]
    with (
        Sandbox(rate_limit=None, cache=False, pending_seconds=8) as sandbox,
        AirflowStack(
            home / "airflow",
            ROOT / "dev" / "matrix" / "dags",
            env={
                "AIRFLOW_CONN_CRITEO_DEFAULT": sandbox.connection(),
                "PYTHONWARNINGS": ",".join(f"always::DeprecationWarning:{module}" for module in modules),
            },
            timeout=300,
        ) as stack,
    ):
        runs = Runs(stack, sandbox, home)
        for dag_id in dag_ids:
            runs.trigger(dag_id)
        for dag_id in dag_ids:
            record(dag_id.replace("_", " "), lambda dag_id=dag_id: runs.check(dag_id))  # type: ignore[misc]
        record("no warnings", runs.deprecations)
    return results


def main() -> int:
    """Run the checks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    home: Path = arguments.home.absolute()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    results: dict[str, str] = {}
    try:
        if not arguments.quick:
            results |= conformance(home)
        results |= on_airflow(home, ["one_task"] if arguments.quick else ["reschedule", "deferred", "one_task"])
    except Exception:  # noqa: BLE001 - told in the table
        results["the cell"] = traceback.format_exc()
    (home / "results.json").write_text(json.dumps(results))
    return 0 if set(results.values()) == {OK} else 1


if __name__ == "__main__":
    sys.exit(main())
