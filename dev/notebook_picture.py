"""The picture of the notebook example: ``python -m dev.notebook_picture [--out docs/images]``.

Runs the example of the documentation against a sandbox; needs what dev/notebook_requirements.txt names.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import matplotlib

from airflow_provider_criteo.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "guides" / "notebook.md"


def example() -> str:
    """The page's first block of code."""
    found = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def main() -> None:
    """Run the example and keep what it draws."""
    parser = argparse.ArgumentParser(prog="python -m dev.notebook_picture", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    folder = parser.parse_args().out
    matplotlib.use("agg")
    drawn: dict[str, Any] = {}
    with Sandbox(pending_seconds=0, done_at_creation=True) as sandbox, tempfile.TemporaryDirectory() as lake:
        os.environ |= {
            "CRITEO_CLIENT_ID": sandbox.client_id,
            "CRITEO_CLIENT_SECRET": sandbox.client_secret,
            "CRITEO_URL": sandbox.url,
        }
        exec(compile(example().replace("/tmp/criteo", lake), str(PAGE), "exec"), drawn)
    target = folder / "spend-by-day.png"
    # Without the version of what drew it: the same picture is the same file.
    drawn["axes"].figure.savefig(target, dpi=110, bbox_inches="tight", metadata={"Software": None})
    print(target)
    print(drawn["frame"].head())


if __name__ == "__main__":
    main()
