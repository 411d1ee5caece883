"""Runs in a process of its own, with an Airflow home of its own: what of the documentation needs Airflow.

Reads one JSON object from the file that its argument names, writes the results beside it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any


def run_dags(folder: Path, lake: Path) -> dict[str, dict[str, Any]]:
    """Run every DAG of a folder; by file name, its final state and the files it wrote."""
    import pendulum

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag

    results: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.py")):
        before = files_in(lake)
        try:
            bag = DagBag(dag_folder=str(path))
            if bag.import_errors:
                raise RuntimeError(str(bag.import_errors))
            (dag,) = bag.dags.values()
            conf = {"report_id": new_report()} if "report_id" in dag.params else None
            run = dag.test(logical_date=pendulum.datetime(2026, 11, 20, tz="UTC"), run_conf=conf)
            results[path.name] = {"state": str(run.state.value), "files": sorted(files_in(lake) - before)}
        except Exception:  # noqa: BLE001 - the test that asked for it shows it
            results[path.name] = {"state": traceback.format_exc(), "files": []}
    return results


def files_in(folder: Path) -> set[str]:
    """What is there and when it was written, so that a file written anew counts."""
    return {f"{path} {path.stat().st_mtime_ns}" for path in folder.rglob("*") if path.is_file()}


def new_report() -> str:
    """A report job that nothing in a DAG created."""
    from airflow_provider_criteo.hooks.criteo import CriteoHook

    return CriteoHook().create_report_job("mpo-realtime", {"advertiserIds": ["99"], "lookbackWindow": 61}).report_id


def read_connections(connections: dict[str, str]) -> dict[str, Any]:
    """What the provider makes of each connection: its settings without secrets, or what is wrong."""
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_criteo.utils.connection import ConnectionSettings

    results: dict[str, Any] = {}
    for name, text in connections.items():
        try:
            if text.lstrip().startswith("{"):
                connection = Connection.from_json(text, conn_id="documented")
            elif hasattr(Connection, "from_uri"):
                connection = Connection.from_uri(text, "documented")
            else:
                connection = Connection(conn_id="documented", uri=text)
            if connection.conn_type == "criteo":
                settings = ConnectionSettings.from_connection(connection)
                results[name] = [settings.client_id, settings.client_secret, settings.base_url]
            else:
                results[name] = [connection.conn_type]
        except Exception:  # noqa: BLE001 - the test that asked for it shows it
            results[name] = traceback.format_exc()
    return results


def parse_commands(commands: list[list[str]]) -> list[str | None]:
    """What Airflow's command line finds wrong with each command; None where nothing."""
    from airflow.cli.cli_parser import get_parser

    results: list[str | None] = []
    for command in commands:
        try:
            with contextlib.redirect_stderr(sys.stdout):
                get_parser().parse_args(command)
            results.append(None)
        except SystemExit as end:
            results.append(f"airflow {' '.join(command)} ends with {end.code}")
    return results


def main() -> None:
    """Do what is asked."""
    path = Path(sys.argv[1])
    asked = json.loads(path.read_text())
    results = {
        "connections": read_connections(asked["connections"]),
        "commands": parse_commands(asked["commands"]),
        "dags": run_dags(Path(asked["dags_folder"]), Path(asked["lake"])),
    }
    path.with_suffix(".results").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
