"""The first example DAGs on a real Airflow: ``make demo``, and ``make airflow`` to stay and look around.

Without a connection of your own (``AIRFLOW_CONN_CRITEO_DEFAULT``) Criteo is the local sandbox.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dev.airflow_stack import AirflowStack, Change, StackError
from dev.system import accepts_connections, free_port

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".airflow"
EXAMPLES = {"example_criteo_report": "download", "example_criteo_one_task": "report"}
"""The DAGs that run, each with the task that writes the file."""
ROWS = 5
CONNECTION = "AIRFLOW_CONN_CRITEO_DEFAULT"
CONN_ID = "criteo_default"
CLIENT_ID = "criteo-sandbox"


@contextlib.contextmanager
def sandbox(output: Path) -> Iterator[dict[str, Any]]:
    """A Criteo sandbox in a process of its own; gives the fields of the connection to it."""
    port, secret = free_port(), secrets.token_hex(16)
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "airflow_provider_criteo.sandbox", "--port", str(port)),
                *("--client-id", CLIENT_ID, "--client-secret", secret, "--pending-seconds", "8"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 120
            while not accepts_connections(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StackError(f"the sandbox did not start:\n{output.read_text()}")
                time.sleep(0.1)
            print(f"Criteo:   the sandbox, http://127.0.0.1:{port}")
            yield {"conn_type": "criteo", "host": "127.0.0.1", "port": port, "login": CLIENT_ID, "password": secret}
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def criteo_connection(folder: Path) -> Iterator[dict[str, Any] | None]:
    """The connection to a sandbox; none where the caller has one of his own."""
    if os.environ.get(CONNECTION):
        print(f"Criteo:   as {CONNECTION} says")
        yield None
        return
    with sandbox(folder / "sandbox.log") as connection:
        yield connection


def in_environment(connection: dict[str, Any] | None, stay: bool) -> dict[str, str]:
    """The caller's own connection, or that to the sandbox, unless it is to be in the UI."""
    if connection is None:
        return {CONNECTION: os.environ[CONNECTION]}
    return {} if stay else {CONNECTION: json.dumps(connection)}


def add_connection(airflow: AirflowStack, connection: dict[str, Any]) -> None:
    """Put the connection where the UI lists it, and people can test it, change it and break it."""
    fields = {"connection_id": CONN_ID, **connection}
    try:
        airflow.rest("POST", "/connections", fields)
    except StackError:  # an earlier run has left one
        airflow.rest("PATCH", f"/connections/{CONN_ID}", fields)


def show_file(url: str) -> None:
    """Print where the report is and how it begins."""
    print(f"\n{url}")
    path = Path(url.removeprefix("file://"))
    if not path.is_file():
        return
    if path.suffix == ".parquet":
        show_table(path)
        return
    with path.open() as report:
        for line in itertools.islice(report, 1 + ROWS):
            print(f"  {line.rstrip()}")


def show_table(path: Path) -> None:
    """Print a table's columns, their types and its first rows."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    lines = [table.column_names, table.schema.types, *(row.values() for row in table.slice(0, ROWS).to_pylist())]
    texts = [["null" if value is None else str(value) for value in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for line in texts:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    print(f"  ({table.num_rows} rows)")


def run_example(airflow: AirflowStack, dag_id: str) -> bool:
    """Run the example, telling what happens; whether it succeeded."""
    started = time.monotonic()

    def tell(change: Change) -> None:
        print(f"  {time.monotonic() - started:5.1f} s  {change.task:10} {change.what}", flush=True)

    print(f"\n{dag_id}:", flush=True)
    run_id = airflow.trigger(dag_id)
    state = airflow.wait(dag_id, run_id, on_change=tell)
    print(f"  {time.monotonic() - started:5.1f} s  the run ended: {state}")
    if state == "success":
        show_file(str(airflow.xcom(dag_id, run_id, EXAMPLES[dag_id])))
        return True
    for ti in airflow.task_instances(dag_id, run_id):
        if ti.state == "failed":
            print(f"\nthe log of {ti.name}:\n{airflow.log(dag_id, run_id, ti.task_id, ti.try_number, ti.map_index)}")
    return False


def stay(airflow: AirflowStack, connection: dict[str, Any] | None) -> None:
    """Tell what there is to play with, and wait for Ctrl-C."""
    print(f"\nAirflow:  {airflow.url}  (no login needed)")
    if connection:
        print("Criteo:   for the form of another connection:")
        print(f"            Client ID      {connection['login']}\n            Client secret  {connection['password']}")
        print(f"            API host       {connection['host']}\n            API port       {connection['port']}")
        controls = f"http://{connection['host']}:{connection['port']}/_sandbox"
        print("          the next report fails after this (more: docs/sandbox.md):")
        print(
            f"            curl {controls}/next_job -H 'Content-Type: application/json' -d '{{\"outcome\": \"Failure\"}}'"
        )
    print(f"logs:     {airflow.home}\nCtrl-C stops it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
    print("\nstopping ...", flush=True)


def main() -> int:
    """Run the demo; 0 where the examples' runs succeeded."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stay", action="store_true", help="leave Airflow and its UI running until Ctrl-C")
    parser.add_argument("--port", type=int, help="of Airflow's UI (default: 8080 if it is free and --stay is given)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    home = HOME / ("airflow" if arguments.stay else "demo")
    port = arguments.port or (8080 if arguments.stay and not accepts_connections(8080) else None)
    print("starting Airflow ...", flush=True)
    try:
        with (
            criteo_connection(home) as connection,
            AirflowStack(
                home,
                ROOT / "airflow_provider_criteo" / "example_dags",
                env={
                    "CRITEO_LAKE": f"file://{home}/lake",
                    "AIRFLOW__API__DEFAULT_WRAP": "True",
                    **in_environment(connection, arguments.stay),
                },
                port=port,
                ui=arguments.stay,
            ) as airflow,
        ):
            print(f"Airflow:  {'.'.join(map(str, airflow.version))}, {airflow.url}")
            try:
                if connection and arguments.stay:
                    add_connection(airflow, connection)
                succeeded = all(run_example(airflow, dag_id) for dag_id in EXAMPLES)
                if arguments.stay:
                    stay(airflow, connection)
                    return 0
                return 0 if succeeded else 1
            except KeyboardInterrupt:
                print("\nstopping ...", flush=True)
                raise
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
