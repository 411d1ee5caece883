"""All benchmarks, and whether their limits are kept: ``python -m benchmarks``. The soak is one of its own."""

from __future__ import annotations

import sys

from benchmarks import download, imports, quota, scale
from benchmarks.common import machine, summary

print(machine())
sys.exit(not summary(figure for part in (imports, download, scale, quota) for figure in part.main()))
