"""Where the project is to be found, for the package's metadata and the documentation: filled in here alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

REPOSITORY = ""
"""``owner/name`` on GitHub; empty while there is none, and then nothing links there."""

ROOT = Path(__file__).parent


def site(repository: str = REPOSITORY) -> str:
    """The documentation's address, on GitHub Pages."""
    owner, _, name = repository.partition("/")
    return f"https://{owner.lower()}.github.io/{name}/" if repository else ""


def urls(repository: str = REPOSITORY) -> dict[str, str]:
    """What a package index shows beside the package."""
    if not repository:
        return {}
    source = f"https://github.com/{repository}"
    return {
        "Documentation": site(repository),
        "Source": source,
        "Issues": f"{source}/issues",
        "Changelog": f"{site(repository)}changelog/",
    }


def readme(repository: str = REPOSITORY, version: str = "main") -> str:
    """README with links that lead somewhere from a package index, too.

    :param version: the tag or branch whose files are linked to.
    """
    text = (ROOT / "README.md").read_text("utf-8")
    links = re.compile(r"\[([^]]*)\]\((?!https?:|#)([^)#]+)(#[^)]+)?\)")

    def absolute(link: re.Match[str]) -> str:
        words, target, anchor = link.groups()
        if not repository:
            return words
        if page := re.fullmatch(r"docs/(.+)\.md", target):
            address = site(repository) + ("" if page[1] == "index" else f"{page[1]}/")
        else:
            address = f"https://github.com/{repository}/blob/{version}/{target}"
        return f"[{words}]({address}{anchor or ''})"

    return links.sub(absolute, text)


class PublicAddress(MetadataHookInterface):
    """Hatchling's hook: what the package's metadata says of the address."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in what pyproject.toml declares as dynamic."""
        metadata["urls"] = urls()
        metadata["readme"] = {"content-type": "text/markdown", "text": readme(version=f"v{metadata['version']}")}


def on_config(config: Any) -> Any:
    """MkDocs' hook: the site's address, and the link to its source."""
    if REPOSITORY:
        config.site_url = site(REPOSITORY)
        config.repo_url = urls(REPOSITORY)["Source"]
    return config
