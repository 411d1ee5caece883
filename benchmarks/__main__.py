"""All benchmarks, and whether their limits are kept: ``python -m benchmarks``. The soak is one of its own."""

from __future__ import annotations

import sys

from benchmarks import download, imports, quota, scale, tables
from benchmarks.common import machine, summary

print(machine())
sys.exit(not summary(figure for part in (imports, download, tables, scale, quota) for figure in part.main()))
