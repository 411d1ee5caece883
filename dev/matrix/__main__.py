"""Run the package on every supported Airflow, on the Pythons that it allows, and print a table.

An environment a cell, in ``.venvs``, made by ``dev/setup.sh`` with the pins in ``dev/constraints``. A Python that is
not on this machine is reported as skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".airflow" / "matrix"
# dev/setup.sh reads these lines, too.
PYTHONS = {
    "2.11.2": ("3.10", "3.11", "3.12"),
    "3.0.6": ("3.10", "3.11", "3.12"),
    "3.1.8": ("3.10", "3.11", "3.12", "3.13"),
    "3.2.2": ("3.10", "3.11", "3.12", "3.13", "3.14"),
    "3.3.2": ("3.10", "3.11", "3.12", "3.13", "3.14"),
}
CHECKS = (
    *("imports", "metadata", "form", "operators"),
    *("reschedule", "deferred", "one task", "no warnings"),
)


@dataclass
class Cell:
    """An Airflow on a Python."""

    airflow: str
    python: str
    quick: bool = False
    skipped: str = ""
    seconds: float = 0.0
    results: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.airflow}-py{self.python}"

    @property
    def failed(self) -> bool:
        return not self.skipped and (not self.results or set(self.results.values()) != {"ok"})

    def row(self) -> list[str]:
        """The cell's row of the table."""
        if self.skipped:
            return [self.airflow, self.python, *["skipped"] * len(CHECKS), self.skipped]
        verdicts = ("-" if c not in self.results else "ok" if self.results[c] == "ok" else "FAILED" for c in CHECKS)
        return [self.airflow, self.python, *verdicts, f"{self.seconds:.0f} s"]


def interpreter(version: str) -> Path | None:
    """A working Python of that version: the first on PATH, or pyenv's newest."""
    found = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [Path(found)] if found else []
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python{version}"), key=lambda path: path.stat().st_mtime)[::-1]
    for candidate in candidates:
        # A version manager's shim may stand for a Python that is not there.
        if subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return candidate
    return None


def python_for(airflow: str) -> str:
    """The oldest Python that is here for the oldest Airflow, the newest for the others."""
    pythons = PYTHONS[airflow]
    wanted = pythons if airflow == next(iter(PYTHONS)) else pythons[::-1]
    return next((python for python in wanted if interpreter(python)), wanted[0])


def run(cell: Cell) -> None:
    """Make the cell's environment, and run its checks there."""
    python = interpreter(cell.python)
    if python is None:
        cell.skipped = f"no python{cell.python} here"
        return
    started = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment.get('PATH', '')}"
    folder = ROOT / ".venvs" / cell.name
    made = subprocess.run(
        ["dev/setup.sh", folder.relative_to(ROOT), cell.airflow, cell.python], cwd=ROOT, env=environment
    )
    if made.returncode:
        cell.results = {"setup": "the environment could not be made"}
        return
    home = HOME / cell.name
    arguments = [folder / "bin" / "python", "-m", "dev.matrix.cell", home, *(["--quick"] if cell.quick else [])]
    process = subprocess.Popen(arguments, cwd=ROOT, env=environment)
    try:
        process.wait()
    except BaseException:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    results = home / "results.json"
    cell.results = json.loads(results.read_text()) if results.exists() else {"the cell": "it told nothing"}
    cell.seconds = time.monotonic() - started


def chosen(only: list[str], quick: bool) -> Iterator[Cell]:
    """The cells to run; quick: the oldest and the newest in full, one run on each version between them."""
    if quick and not only:
        yield from _quick()
        return
    for airflow, pythons in PYTHONS.items():
        for python in pythons:
            cell = Cell(airflow, python, quick)
            if not only or cell.name in only or airflow in only:
                yield cell


def _quick() -> Iterator[Cell]:
    oldest, *_, newest = PYTHONS
    for airflow in PYTHONS:
        yield Cell(airflow, python_for(airflow), quick=airflow not in (oldest, newest))


def table(rows: list[list[str]]) -> str:
    """Rows with their columns in line."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def main() -> int:
    """Run the matrix; 0 where nothing failed and something was run."""
    parser = argparse.ArgumentParser(prog="python -m dev.matrix", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="CELL", help="e.g. 3.0.6-py3.12, or 3.0.6")
    parser.add_argument("--quick", action="store_true", help="oldest and newest in full, one task on the others")
    parser.add_argument("--list", action="store_true", help="run nothing, print the cells as JSON")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cells = list(chosen(arguments.only, arguments.quick))
    if not cells:
        parser.error(f"no such cell; valid: {', '.join(f'{a}-py{p}' for a, ps in PYTHONS.items() for p in ps)}")
    if arguments.list:
        print(json.dumps([{"airflow": cell.airflow, "python": cell.python} for cell in cells]))
        return 0
    for cell in cells:
        print(f"=== Airflow {cell.airflow}, Python {cell.python}", flush=True)
        run(cell)
        for check, result in cell.results.items():
            if result != "ok":
                print(f"--- {check}:\n{result}", flush=True)
    print("\n" + table([["Airflow", "Python", *CHECKS, ""], *(cell.row() for cell in cells)]))
    return 1 if any(cell.failed for cell in cells) or all(cell.skipped for cell in cells) else 0


if __name__ == "__main__":
    sys.exit(main())
