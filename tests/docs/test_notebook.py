"""The notebook's example runs, and draws. ``make test-optional`` installs what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

for _module in ("matplotlib", "pandas"):
    pytest.importorskip(_module)


def test_the_example_draws_a_picture(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "dev.notebook_picture", "--out", tmp_path], check=True, timeout=300)
    (picture,) = tmp_path.iterdir()
    assert picture.read_bytes().startswith(b"\x89PNG")
