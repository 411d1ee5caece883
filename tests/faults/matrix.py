"""The fault matrix: every fault, at each call, in each mode, once and for ever; many at a time in a few processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from one_run import Cell

_ENVIRONMENT = {
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    # Airflow's masker is slow with thousands of tokens.
    "AIRFLOW__LOGGING__MIN_LENGTH_MASKED_SECRET": "100000",
}

_PROCESSES = 2
_THREADS = 8


def cells(faults: Iterable[str], *, quick: bool = False) -> list[Cell]:
    """All combinations of these faults; quick: each at each call, once and for ever, in two of the modes in turn."""
    from one_run import MODES, Cell
    from right_ends import CALLS, TABLE

    ways = [(mode, forever) for mode in MODES for forever in (False, True)]
    happening = [
        (fault, call) for fault in faults for call, ends in zip(CALLS, TABLE[fault], strict=True) if ends is not None
    ]
    return [
        Cell(fault, call, mode, forever)
        for turn, (fault, call) in enumerate(happening)
        for number, (mode, forever) in enumerate(ways)
        if not quick or (number - turn) % 5 == 0
    ]


def played(chosen: list[Cell]) -> dict[Cell, str | None]:
    """What did not end right of each cell; None where all did."""
    # The longest first, and each process some of them.
    chosen = sorted(chosen, key=lambda cell: ("429" in cell.fault and cell.forever, cell.forever), reverse=True)
    shares = [chosen[number::_PROCESSES] for number in range(_PROCESSES)]
    with multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool:
        return {cell: wrong for share in pool.imap_unordered(_share, shares) for cell, wrong in share}


def _share(chosen: list[Cell]) -> list[tuple[Cell, str | None]]:
    os.environ.update(_ENVIRONMENT)
    import structlog
    from one_run import CLIENT_TIMEOUT, SECRET, OneRun

    import tests.support.hostile_wires  # noqa: F401 - it fills FAULTS
    from airflow_provider_criteo.sandbox import Sandbox
    from airflow_provider_criteo.sandbox.server import connection_json
    from airflow_provider_criteo.utils.clock import CLOCK
    from tests.support.virtual_time import FastTime

    fast = FastTime()
    CLOCK.now, CLOCK.sleep = fast.now, fast.sleep
    # Nobody reads the logs of thousands of tasks.
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    folder = Path(tempfile.mkdtemp(prefix="criteo-faults-"))
    count = min(_THREADS, len(chosen))
    sandboxes = [Sandbox(rate_limit=None).start() for _ in range(count)]
    queues = [list(enumerate(chosen))[number::count] for number in range(count)]
    # All connections before the first thread: the environment is no place for threads to write to.
    for sandbox, queue in zip(sandboxes, queues, strict=True):
        for number, _ in queue:
            for name, url in (("A", sandbox.url), ("B", sandbox.url.replace("127.0.0.1", "localhost"))):
                connection = connection_json(url, f"client-{number}", SECRET, timeout=CLIENT_TIMEOUT)
                os.environ[f"AIRFLOW_CONN_CRITEO_{number}_{name}"] = connection

    def play(sandbox: Sandbox, queue: list[tuple[int, Cell]]) -> list[tuple[Cell, str | None]]:
        results = []
        for number, cell in queue:
            conn_ids = (f"criteo_{number}_a", f"criteo_{number}_b")
            began = time.monotonic()
            try:
                run = OneRun(cell, sandbox, f"client-{number}", conn_ids, folder / str(number), fast)
                wrong = run.wrong()
            except Exception as error:  # noqa: BLE001 - one cell must not end the others
                wrong = f"the run itself broke: {error!r}"
            if os.environ.get("FAULT_MATRIX_TIMES"):
                print(f"{time.monotonic() - began:6.1f} s  {cell}", file=sys.stderr)
            results.append((cell, wrong))
        return results

    try:
        with ThreadPoolExecutor(count) as threads:
            return [result for results in threads.map(play, sandboxes, queues) for result in results]
    finally:
        with ThreadPoolExecutor(count) as threads:
            list(threads.map(Sandbox.stop, sandboxes))
        shutil.rmtree(folder)
