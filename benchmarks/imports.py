"""What a DAG file pays for importing us, beside other providers: ``python -m benchmarks.imports``.

Each module is imported in a process of its own that has ``airflow.sdk`` already, as a DAG file's process has. The
median of many runs counts.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version

from benchmarks.common import Figure, child, heading, run_alone, table, tell

OURS = {
    "sensor": "airflow_provider_criteo.sensors.report_job",
    "operators": "airflow_provider_criteo.operators.report_job",
    "transfer": "airflow_provider_criteo.transfers.report_to_object_storage",
    "trigger": "airflow_provider_criteo.triggers.report_job",
}
PEERS = {
    "dbt-cloud's sensor": ("airflow.providers.dbt.cloud.sensors.dbt", "apache-airflow-providers-dbt-cloud"),
    "http's sensor": ("airflow.providers.http.sensors.http", "apache-airflow-providers-http"),
    "google campaign manager's sensor": (
        "airflow.providers.google.marketing_platform.sensors.campaign_manager",
        "apache-airflow-providers-google",
    ),
}


def main(runs: int = 15) -> list[Figure]:
    """Measure and print."""
    heading("Import, over airflow.sdk")
    ours = {name: _measured(module, runs) for name, module in OURS.items()}
    peers = {}
    for name, (module, distribution) in PEERS.items():
        try:
            peers[f"{name} ({version(distribution)})"] = _measured(module, max(runs // 3, 1))
        except PackageNotFoundError:
            print(f"{distribution} is not here: not measured")
    sensor = ours["sensor"][0]
    table(
        ("module", "median", "over our sensor's", "imports requests"),
        (
            (name, f"{seconds * 1000:.1f} ms", f"{seconds / sensor:.1f}", "yes" if with_requests else "no")
            for name, (seconds, with_requests) in {
                **{f"our {name}": got for name, got in ours.items()},
                **peers,
            }.items()
        ),
    )
    return [
        Figure("import of the sensor over airflow.sdk", sensor * 1000, 15, "ms"),
        Figure("our modules that import requests", sum(with_requests for _, with_requests in ours.values()), 0),
    ]


def _measured(module: str, runs: int) -> tuple[float, bool]:
    results = [child("benchmarks.imports", module) for _ in range(runs)]
    return statistics.median(result["seconds"] for result in results), any(result["requests"] for result in results)


def _import(module: str) -> None:
    import airflow.sdk  # noqa: F401 - a DAG file's process has it

    for lazy in ("BaseSensorOperator", "BaseOperator", "DAG"):
        getattr(sys.modules["airflow.sdk"], lazy)
    had = "requests" in sys.modules
    began = time.perf_counter()
    importlib.import_module(module)
    tell({"seconds": time.perf_counter() - began, "requests": "requests" in sys.modules and not had})


if __name__ == "__main__":
    if sys.argv[1:]:
        _import(sys.argv[1])
    else:
        run_alone(main)
