"""The project's address stands in one place, and all that is published follows it."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

import public_address

ROOT = Path(__file__).parents[2]
PUBLISHED = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml", "mkdocs.yml"),
    *("airflow_provider_criteo", "docs", ".github", ".ci", "dev", "benchmarks", "Makefile"),
)
SUFFIXES = {"", ".css", ".html", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yml"}


def published_files() -> list[Path]:
    files = [path for name in PUBLISHED for path in ((ROOT / name), *(ROOT / name).rglob("*"))]
    return [path for path in files if path.is_file() and path.suffix in SUFFIXES]


def test_no_file_has_an_address_of_its_own() -> None:
    address = re.compile(
        r"https?://[^\s)\"'>]*airflow[-_]provider[-_]criteo"
        r"|github(?:usercontent)?\.com[/:](?!apache/)\w|\w\.github\.io"
    )
    assert [str(path) for path in published_files() if address.search(path.read_text("utf-8"))] == []


def test_urls_and_site_follow_the_one_constant() -> None:
    assert public_address.urls("Owner/name") == {
        "Documentation": "https://owner.github.io/name/",
        "Source": "https://github.com/Owner/name",
        "Issues": "https://github.com/Owner/name/issues",
        "Changelog": "https://owner.github.io/name/changelog/",
    }
    assert public_address.urls("") == {}
    assert public_address.site("") == ""


@pytest.mark.parametrize("repository", ["", "owner/name"])
def test_readme_on_a_package_index_has_no_link_that_leads_nowhere(repository: str) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", public_address.readme(repository))
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    files = [target.rpartition("/main/")[2] for target in targets if target.startswith("https://github.com/")]
    pages = [
        re.sub("#.*", "", target).rstrip("/")
        for target in targets
        if target.startswith("https://owner.github.io/name/")
    ]
    assert bool(files) == bool(pages) == bool(repository)
    assert [file for file in files if not (ROOT / file.partition("#")[0]).exists()] == []
    names = [page.removeprefix("https://owner.github.io/name").strip("/") or "index" for page in pages]
    assert [name for name in names if not (ROOT / "docs" / f"{name}.md").exists()] == []


def test_a_release_links_to_its_own_files() -> None:
    assert "https://github.com/owner/name/blob/v0.1.0/LICENSE" in public_address.readme("owner/name", "v0.1.0")


def test_the_sites_address_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(site_url="", repo_url="")
    assert public_address.on_config(config) == SimpleNamespace(site_url="", repo_url="")
    monkeypatch.setattr(public_address, "REPOSITORY", "owner/name")
    public_address.on_config(config)
    assert config == SimpleNamespace(site_url="https://owner.github.io/name/", repo_url="https://github.com/owner/name")


def test_the_installed_package_says_the_same() -> None:
    installed = metadata("airflow-provider-criteo")
    shown = dict(url.split(", ", 1) for url in installed.get_all("Project-URL") or [])
    assert shown == public_address.urls()
