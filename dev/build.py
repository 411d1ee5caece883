"""Build the wheel and the sdist and check what is in them: ``make build``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
PACKAGE = ROOT / "airflow_provider_criteo"


def problems_of_wheel(wheel: Path) -> list[str]:
    """What is missing from the wheel, and what has no place in it."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        entry_points = next((archive.read(n).decode() for n in names if n.endswith("/entry_points.txt")), "")
    info = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    sources = {
        str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    found = [f"not in the wheel: {name}" for name in sorted(sources - names)]
    found += [f"should not be in the wheel: {name}" for name in sorted(names - info - sources)]
    if "apache_airflow_provider" not in entry_points:
        found.append("the wheel has no entry point apache_airflow_provider")
    if not any("LICENSE" in name for name in info):
        found.append("the wheel has no LICENSE")
    return found


def problems_of_sdist(sdist: Path) -> list[str]:
    """What has no place in the sdist."""
    unwanted = {"tests", "dev", "benchmarks", ".ci"}
    with tarfile.open(sdist) as archive:
        inner = [Path(*Path(name).parts[1:]) for name in archive.getnames()]
    return [f"should not be in the sdist: {path}" for path in inner if path.parts and path.parts[0] in unwanted]


def main() -> int:
    """Build, check, and say what is wrong; 0 where nothing is."""
    shutil.rmtree(DIST, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "build", "--installer=uv", "--outdir", str(DIST), str(ROOT)], check=True)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, DIST.iterdir())], check=True)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    problems = problems_of_wheel(wheel) + problems_of_sdist(sdist)
    print("\n".join(problems) or f"{wheel.name} and {sdist.name} hold what they should")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
