"""What the benchmarks share: the machine, figures, tables, measuring in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".airflow" / "bench"


@dataclass(frozen=True)
class Figure:
    """A measured value beside the limit that it must keep.

    :param name: what was measured.
    :param value: what came out.
    :param limit: what it has to be.
    :param unit: of both.
    :param at_least: whether the limit is the least instead of the most.
    """

    name: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the value keeps the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self) -> tuple[str, ...]:
        """The figure as a table's row."""
        unit = f" {self.unit}" if self.unit else ""
        bound = "at least" if self.at_least else "at most"
        return self.name, f"{self.value:.3g}{unit}", f"{bound} {self.limit:g}{unit}", "yes" if self.kept else "NO"


def environment(**more: str) -> dict[str, str]:
    """This process's environment without its Airflow, with one of our own."""
    HOME.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTHONDONT"))}
    return {
        **kept,
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def machine() -> str:
    """What this ran on, in a few words."""
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {os.cpu_count()} cores of {_cpu()}, {_memory()} of memory, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, Airflow {version('apache-airflow')}, "
        f"requests {version('requests')}; load average at the start {os.getloadavg()[0]:.1f}"
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def heading(text: str) -> None:
    """A part's heading."""
    print(f"\n## {text}\n", flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    listed = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in listed) for index in range(len(columns))]
    for number, row in enumerate(listed):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if not number:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print(flush=True)


def summary(figures: Iterable[Figure]) -> bool:
    """Print the figures beside their limits; whether all are kept."""
    listed = list(figures)
    heading("Limits")
    table(("figure", "measured", "limit", "kept"), (figure.row() for figure in listed))
    return all(figure.kept for figure in listed)


def run_alone(benchmark: Any) -> None:
    """What ``python -m benchmarks.NAME`` does."""
    print(machine())
    sys.exit(not summary(benchmark()))


def child(module: str, *arguments: str, timeout: float = 3600, **variables: str) -> Any:
    """What a part of a benchmark measured in a process of its own, as the JSON of its last line."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment(**variables), timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def tell(result: Any) -> None:
    """Give a result to the process that waits in ``child``."""
    print("\n" + json.dumps(result), flush=True)


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def stopwatch() -> Any:
    """A function that tells the seconds since now."""
    began = time.perf_counter()
    return lambda: time.perf_counter() - began
