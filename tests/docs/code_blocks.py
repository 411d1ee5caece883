"""The code blocks of README and documentation.

A block is what stands between two fences. An HTML comment ``<!-- compile only: why -->`` in the line above says that
a block cannot run here.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
LANGUAGES = ("python", "shell", "json", "sql", "text")

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^>]*?) -->\n)?^```(?P<info>[^\n]*)\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL
)
_COMPILE_ONLY = re.compile(r"compile only: \S")
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :param page: the file it stands in, relative to the repository.
    :param line: of its opening fence.
    :param language: the fence's first word.
    :param title: the fence's title, if it has one.
    :param compile_only: whether it says that it cannot run here.
    :param source: what stands in it.
    """

    page: str
    line: int
    language: str
    title: str
    compile_only: bool
    source: str

    @property
    def id(self) -> str:
        """Where it is, for the test's name."""
        return f"{self.page}:{self.line}"

    @property
    def is_dag(self) -> bool:
        """Whether it is a DAG file."""
        return self.language == "python" and "with DAG(" in self.source

    def commands(self) -> list[list[str]]:
        """A shell block's commands, as words."""
        return [shlex.split(line, comments=True) for line in _logical_lines(self.source)]


def _logical_lines(source: str) -> list[str]:
    """Lines of a shell script, those that a backslash or an open quote continues put together."""
    lines, pending = [], ""
    for line in source.splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            shlex.split(pending)
        except ValueError:  # a quote is open
            continue
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        if pending.strip():
            lines.append(pending)
        pending = ""
    assert not pending, f"a quote is left open: {pending}"
    return lines


def blocks_in(text: str, page: str) -> list[Block]:
    """Every fenced block of a page."""
    found = []
    for match in _FENCE.finditer(text):
        info = match["info"].split(maxsplit=1)
        title = _TITLE.search(match["info"])
        found.append(
            Block(
                page=page,
                line=text[: match.start("info")].count("\n") + 1,
                language=info[0] if info else "",
                title=title[1] if title else "",
                compile_only=bool(_COMPILE_ONLY.search(match["mark"] or "")),
                source=match["source"],
            )
        )
    return found


BLOCKS = [block for page in PAGES for block in blocks_in(page.read_text(), str(page.relative_to(ROOT)))]
