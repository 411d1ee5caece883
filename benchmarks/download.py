"""Download 2 GiB, beside ``curl -o``: ``python -m benchmarks.download``.

Both write the same file from the same server into the same folder, in turn; ours computes the SHA-256 on the way and
publishes the file in one step when it is on the disk, as it always does. The best of several runs counts: what is
slower than that is the machine's doing. ``curl`` is also shown with the ``fsync`` and the checksum that ours makes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from airflow_provider_criteo.api.reports import get_report_type
from benchmarks.common import Figure, child, heading, resident, run_alone, stopwatch, table, tell
from benchmarks.sandbox_process import SandboxProcess

GIB = 2**30
MIB = 2**20
BYTES = 2 * GIB


def main(runs: int = 5, size: int = BYTES) -> list[Figure]:
    """Measure and print."""
    heading(f"Download of {size / GIB:g} GiB")
    if shutil.which("curl") is None:
        print("curl is not here: nothing to compare with")
        return []
    names = ("curl -o", "curl -o, fsync", "curl -o, fsync, sha256sum", "criteo")
    seconds: dict[str, list[float]] = {name: [] for name in names}
    growth = 0.0
    with (
        SandboxProcess(pending_seconds=0, rate_limit=None, file_bytes=size) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        (report_id,) = sandbox.create_jobs(1)
        row = get_report_type("mpo-realtime")
        url = sandbox.url + row.output_url(row.version(None), report_id)
        token = sandbox.token()
        for _ in range(runs):
            curls, whole = _curl(url, token, Path(folder) / "curl.csv")
            ours = child("benchmarks.download", "--ours", report_id, f"{folder}/ours.csv", CRITEO=sandbox.connection)
            if ours["sha256"] != whole:
                raise RuntimeError("the file is not the one that curl got")
            for name, took in zip(names, (*curls, ours["seconds"]), strict=True):
                seconds[name].append(took)
            growth = max(growth, ours["growth"])
    best = {name: min(values) for name, values in seconds.items()}
    table(
        ("", "best", "MiB/s", "of curl's", "all runs, s"),
        (
            (
                name,
                f"{best[name]:.2f} s",
                f"{size / MIB / best[name]:.0f}",
                f"{best['curl -o'] / best[name]:.2f}",
                " ".join(f"{value:.2f}" for value in values),
            )
            for name, values in seconds.items()
        ),
    )
    print(f"SHA-256 alone, in memory: {_sha256_speed() / MIB:.0f} MiB/s. Our process grew by {growth:.1f} MiB at most.")
    ratio = best["curl -o"] / best["criteo"]
    return [
        Figure("download with checksum over curl -o, speed", ratio, 0.8, at_least=True),
        Figure("download, growth of memory", growth, 32, "MiB"),
    ]


def _curl(url: str, token: str, path: Path) -> tuple[tuple[float, float, float], str]:
    elapsed = stopwatch()
    subprocess.run(["curl", "-sS", "--fail", "-o", path, "-H", f"Authorization: Bearer {token}", url], check=True)
    took = elapsed()
    subprocess.run(["sync", path], check=True)
    took_with_sync = elapsed()
    told = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True)
    took_with_checksum = elapsed()
    path.unlink()
    return (took, took_with_sync, took_with_checksum), told.stdout.split()[0]


def _sha256_speed() -> float:
    block, digest, elapsed = bytes(MIB), hashlib.sha256(), stopwatch()
    for _ in range(512):
        digest.update(block)
    return 512 * MIB / float(elapsed())


def _ours(report_id: str, path: Path) -> None:
    import os

    from airflow_provider_criteo.api.client import CriteoClient

    fields = json.loads(os.environ["CRITEO"])
    with CriteoClient(fields["login"], fields["password"], base_url=fields["host"]) as client:
        job = client.get_report_job(report_id)
        before, peak = resident(), _Peak()
        elapsed = stopwatch()
        with peak:
            report = client.download_report(report_id, path, job=job)
        took = elapsed()
    path.unlink()
    tell({"seconds": took, "sha256": report.sha256, "growth": (peak.bytes - before) / MIB})


class _Peak:
    """The most memory that this process holds, looked at every 20 ms."""

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.bytes = max(self.bytes, resident())

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        _ours(sys.argv[2], Path(sys.argv[3]))
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--runs", type=int, default=5)
        parser.add_argument("--bytes", type=int, default=BYTES)
        given = parser.parse_args()
        run_alone(lambda: main(given.runs, given.bytes))
