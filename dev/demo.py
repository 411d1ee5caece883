"""The first example DAG on a real Airflow: ``make demo``, and ``make airflow`` to stay and look around.

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

from dev.airflow_stack import AirflowStack, Change, StackError
from dev.system import accepts_connections, free_port

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".airflow"
DAG_ID = "example_criteo_report"
CONNECTION = "AIRFLOW_CONN_CRITEO_DEFAULT"
CLIENT_ID = "criteo-sandbox"


@contextlib.contextmanager
def sandbox(output: Path) -> Iterator[str]:
    """A Criteo sandbox in a process of its own; gives the connection to it."""
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
            url = f"http://127.0.0.1:{port}"
            print(f"Criteo:   the sandbox, {url}")
            yield json.dumps({"conn_type": "criteo", "host": url, "login": CLIENT_ID, "password": secret})
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def criteo_connection(folder: Path) -> Iterator[str]:
    """The connection to run with: the caller's own, or one to a sandbox."""
    own = os.environ.get(CONNECTION)
    if own:
        print(f"Criteo:   as {CONNECTION} says")
        yield own
        return
    with sandbox(folder / "sandbox.log") as connection:
        yield connection


def show_file(airflow: AirflowStack, run_id: str) -> None:
    """Print where the report is and how it begins."""
    url = str(airflow.xcom(DAG_ID, run_id, "download"))
    print(f"\n{url}")
    path = Path(url.removeprefix("file://"))
    if path.is_file():
        with path.open() as report:
            for line in itertools.islice(report, 6):
                print(f"  {line.rstrip()}")


def run_example(airflow: AirflowStack) -> bool:
    """Run the example, telling what happens; whether it succeeded."""
    started = time.monotonic()

    def tell(change: Change) -> None:
        print(f"  {time.monotonic() - started:5.1f} s  {change.task:10} {change.what}", flush=True)

    print(f"\n{DAG_ID}:", flush=True)
    run_id = airflow.trigger(DAG_ID)
    state = airflow.wait(DAG_ID, run_id, on_change=tell)
    print(f"  {time.monotonic() - started:5.1f} s  the run ended: {state}")
    if state == "success":
        show_file(airflow, run_id)
        return True
    for ti in airflow.task_instances(DAG_ID, run_id):
        if ti.state == "failed":
            print(f"\nthe log of {ti.name}:\n{airflow.log(DAG_ID, run_id, ti.task_id, ti.try_number, ti.map_index)}")
    return False


def stay(airflow: AirflowStack) -> None:
    """Wait for Ctrl-C."""
    print(f"\nAirflow:  {airflow.url}  (no login needed)")
    print(f"logs:     {airflow.home}\nCtrl-C stops it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
    print("\nstopping ...", flush=True)


def main() -> int:
    """Run the demo; 0 where the example's run succeeded."""
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
                ROOT / "example_dags",
                env={CONNECTION: connection, "CRITEO_LAKE": f"file://{home}/lake"},
                port=port,
                ui=arguments.stay,
            ) as airflow,
        ):
            print(f"Airflow:  {'.'.join(map(str, airflow.version))}, {airflow.url}")
            succeeded = run_example(airflow)
            if arguments.stay:
                stay(airflow)
                return 0
            return 0 if succeeded else 1
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
