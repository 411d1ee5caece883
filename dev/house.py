"""How large the house is: what one call runs through, import circles, lines of code. ``make house`` prints it."""

from __future__ import annotations

import ast
import inspect
import io
import os
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_criteo"
SANDBOX = PACKAGE / "sandbox"
EXAMPLES = PACKAGE / "example_dags"
LATER_PARTS = (
    "api/tables/",
    "api/splitting.py",
    "transfers/parts.py",
    "api/limits.py",
    "api/accounts.py",
    "operators/accounts.py",
    "triggers/quota_turn.py",
    "triggers/queue.py",
    "utils/report_table.py",
)


def main() -> None:
    """Print the figures, each beside what it should be at most."""
    for name, figure, most in figures():
        print(f"{name:<58} {figure:>12} {most:>12}")


def figures() -> Iterator[tuple[str, str, str]]:
    """Name, figure, and what it should be at most."""
    yield "", "now", "at most"
    most = {"poke of a pending job": "50 / 10", "create": "60 / 11", "download": "75 / 13"}
    for name, call in calls().items():
        yield f"functions / files that one {name} runs", call.warm, most[name]
        yield "  the first of a process: client, token", call.first, ""
    circles = [" -> ".join(circle) for circle in import_circles()]
    yield f"import circles {circles or ''}", str(len(circles)), "0"
    modules = [path for path in PACKAGE.rglob("*.py") if not {SANDBOX, EXAMPLES} & set(path.parents)]
    later = [path for path in modules if str(path.relative_to(PACKAGE)).startswith(LATER_PARTS)]
    yield "code lines without the sandbox and the example DAGs", str(sum(map(code_lines, modules))), ""
    yield "  of them tables, splitting, accounts, the queue", str(sum(map(code_lines, later))), ""
    yield "  all others", str(sum(map(code_lines, set(modules) - set(later)))), "3300"
    yield "code lines of the sandbox", str(sum(map(code_lines, SANDBOX.rglob("*.py")))), "2200"
    yield "lines of reports.py", str(len((PACKAGE / "api" / "reports.py").read_text().splitlines())), "350"


class Call(NamedTuple):
    """What a call runs through: the first time in a process, and through a hook that has made it before."""

    first: str
    warm: str


def calls() -> dict[str, Call]:
    """What a task's poke, create and download run through."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    from airflow_provider_criteo.operators.report_job import CreateReportJobOperator, DownloadReportOperator
    from airflow_provider_criteo.sandbox import Sandbox
    from airflow_provider_criteo.sensors.report_job import ReportJobStatusSensor

    get_hook_lineage_collector()  # loads plugins, which is Airflow's
    attributes = {"advertiserIds": ["1"], "lookbackWindow": 60}
    with Sandbox(pending_seconds=3600, rate_limit=None) as sandbox, tempfile.TemporaryDirectory() as folder:
        os.environ["AIRFLOW_CONN_CRITEO_DEFAULT"] = sandbox.connection()
        context: Any = {"ti": _Task()}
        create = CreateReportJobOperator(task_id="create", attributes=attributes)
        created = _counted_twice(lambda: create.execute(context))
        report_id = sandbox.jobs()[0]["report_id"]
        sensor = ReportJobStatusSensor(task_id="wait", report_id=report_id, mode="poke")
        polled = _counted_twice(lambda: sensor.poke(context))
        sandbox.finish(report_id)
        load = DownloadReportOperator(task_id="load", report_id=report_id, destination=f"{folder}/report")
        loaded = _counted_twice(lambda: load.execute(context))
    return {"poke of a pending job": polled, "create": created, "download": loaded}


def _counted_twice(call: Callable[[], object]) -> Call:
    from airflow_provider_criteo.api import auth

    auth._token_source.cache_clear()  # as a new process has no token
    return Call(counted(call), counted(call))


class _Task:
    """As much of a task instance as the operators ask for."""

    max_tries = 0
    map_index = -1

    def xcom_push(self, key: str, value: Any) -> None:
        """Push nothing."""


def counted(call: Callable[[], object]) -> str:
    """The distinct named functions of the package, and their files, without the sandbox, that a call runs."""
    seen: set[tuple[str, int, str]] = set()

    def profile(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        path = Path(code.co_filename)
        # Modules and classes, which run when they are imported, are no functions; lambdas and comprehensions have no name.
        is_function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
        if event == "call" and is_function and PACKAGE in path.parents and SANDBOX not in path.parents:
            seen.add((code.co_filename, code.co_firstlineno, code.co_name))

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return f"{len(seen)} / {len({path for path, _, _ in seen})}"


def code_lines(path: Path) -> int:
    """Physical lines that hold code: no docstrings, comments, blanks."""
    source = path.read_text()
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        for first in node.body[:1]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
        for line in range(first.lineno, (first.end_lineno or first.lineno) + 1)
    }
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {line for token in tokens if token.type not in skipped for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - docstrings)


def import_circles() -> list[list[str]]:
    """Modules that import each other, imports within functions and for type checking included."""
    graph = {_module(path): set(_imports(path)) for path in PACKAGE.rglob("*.py")}
    return [sorted(group) for group in _strongly_connected(graph) if len(group) > 1]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            # A name of a package that is a module is that module; the package itself is not asked for anything.
            named = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            yield from (whole if _is_module(whole) else node.module for whole in named.values())
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def _strongly_connected(graph: dict[str, set[str]]) -> list[set[str]]:
    reach = {module: _reached(module, graph) for module in graph}
    groups = {frozenset({a, *(b for b in reach[a] if a in reach.get(b, ()))}) for a in graph}
    return [set(group) for group in groups]


def _reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for module in graph.get(waiting.pop(), ()):
            if module in graph and module not in found:
                found.add(module)
                waiting.append(module)
    return found


if __name__ == "__main__":
    main()
