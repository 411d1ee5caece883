"""All benchmarks, and whether their limits are kept: ``python -m benchmarks``.

The soak and the pipeline, which start a real Airflow, are ones of their own.
"""

from __future__ import annotations

import sys

from benchmarks import download, imports, quota, scale, simulation, tables
from benchmarks.common import machine, summary

print(machine())
sys.exit(
    not summary(figure for part in (imports, download, tables, scale, quota, simulation) for figure in part.main())
)
