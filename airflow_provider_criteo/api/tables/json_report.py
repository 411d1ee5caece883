"""A JSON report of any of Criteo's shapes -> names of columns, and rows whose numbers are still text.

Memory stays flat: a file is read once, from the front, a buffer at a time. Only where it tells its columns behind its
rows is its end looked at first.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import IO, Any

from airflow_provider_criteo.api.exceptions import TableError

_LONGEST_VALUE = 16 * 1024 * 1024
_TAIL = 1024 * 1024

_space = re.compile(r"[ \t\r\n]*").match
_number = re.compile(r"[-+.eE0-9]*").match
_comma = re.compile(r"[ \t\r\n]*,[ \t\r\n]*").match
_next_object = re.compile(r"[ \t\r\n]*(?=\{)").match
_columns_member = re.compile(r'"columns"\s*:\s*(?=\[)')


class _JsonText:
    """A cursor over a JSON text of any length. Numbers are left as the text that the file has."""

    def __init__(self, file: IO[bytes], buffer_size: int) -> None:
        # A number's digits are all kept until it is known what its column's type is.
        self._scan = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).raw_decode
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._file = file
        self._buffer_size = buffer_size
        self._text = ""
        self._at = 0
        self._ended = False

    def _read_on(self) -> None:
        kept = self._text[self._at :]
        # Ever more, so that a long value is not scanned again too often.
        chunk = self._file.read(max(self._buffer_size, len(kept)))
        self._ended = not chunk
        try:
            self._text, self._at = kept + self._decode(chunk, self._ended), 0
        except UnicodeDecodeError as error:
            raise TableError(f"the report is not UTF-8: {error.reason}") from None

    def peek(self) -> str:
        """The next character that is no space; nothing at the end."""
        while True:
            self._at = _space(self._text, self._at).end()  # type: ignore[union-attr] # it matches no space, too
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._read_on()

    def take(self, allowed: str) -> str:
        """The next character, which must be one of these."""
        found = self.peek()
        if not found or found not in allowed:
            raise self._broken()
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except RecursionError:
                raise TableError("the report's JSON has values within values without end: no report") from None
            except ValueError:
                if self._ended or len(self._text) - self._at > _LONGEST_VALUE:
                    raise self._broken() from None
            else:
                # At the buffer's end a number may go on, 12 as 12.5; and 12. is read as 12 and what is no value.
                number = _number(self._text, end).end()  # type: ignore[union-attr] # it matches no digit, too
                if self._ended or number < len(self._text):
                    self._at = end
                    return value
            self._read_on()

    def members(self) -> Iterator[str]:
        """The names of an object's members; the caller takes each one's value."""
        self.take("{")
        closed = self.peek() == "}"
        if closed:
            self.take("}")
        while not closed:
            name = self.value()
            if not isinstance(name, str):
                raise self._broken()
            self.take(":")
            yield name
            closed = self.take(",}") == "}"

    def elements(self) -> Iterator[list[Any]]:
        """An array's elements, as many at once as a buffer holds."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield [*self._followed_by(_comma), self.value()]
            if self.take(",]") == "]":
                return

    def objects(self) -> Iterator[list[Any]]:
        """Objects one after the other up to the end of the text, in one line or several."""
        while self.peek() == "{":
            yield [*self._followed_by(_next_object), self.value()]

    def _followed_by(self, separator: Callable[[str, int], re.Match[str] | None]) -> list[Any]:
        """The values that are whole in the buffer, and the separator after each."""
        self.peek()
        scan, text, at = self._scan, self._text, self._at
        values = []
        try:
            while True:
                value, end = scan(text, at)
                separated = separator(text, end)
                if separated is None:
                    break
                values.append(value)
                at = separated.end()
        except (ValueError, RecursionError):  # the rest of it is not read yet, or value() tells what is wrong
            pass
        self._at = at
        return values

    def _broken(self) -> TableError:
        rest = self._text[self._at : self._at + 40]
        if not rest:
            return TableError("the report's JSON has no end: the file is cut; download it again")
        return TableError(f"the report's JSON is broken or cut at {rest!r}; download it again")


class _Envelope:
    """What stands around the rows, and the rows.

    :ivar columns: their names, once the file has told them.
    :ivar declared: name -> the type that the file declares.
    :ivar told: how many rows there are, by the file's own word.
    """

    def __init__(self, text: _JsonText) -> None:
        self._text = text
        self._has_rows = False
        self.shape = "array"
        self.columns: list[str] | None = None
        self.declared: dict[str, str] = {}
        self.told = 0

    def rows(self) -> Iterator[list[Any]]:
        """The rows, some at a time.

        :raises TableError: the file is cut, holds errors, or has no rows at all.
        """
        if self._text.peek() == "[":
            yield from self._elements()
        else:
            yield from self._object()
        if self._text.peek() or not self._has_rows:
            raise TableError("the file is JSON without rows, or with more behind them: no report")

    def _elements(self) -> Iterator[list[Any]]:
        self._has_rows = True
        yield from self._text.elements()

    def _object(self) -> Iterator[list[Any]]:
        """An envelope's rows; what has none of its members is the first of many objects."""
        plain: dict[str, Any] = {}
        self.shape = "lines"
        for name in self._text.members():
            if self._text.peek() in "[{" and name.lower() in ("data", "metadata", "columns", "errors", "warnings"):
                self.shape = "compact" if self.shape == "lines" else self.shape
                yield from self._member(name.lower())
            else:
                plain[name] = self._text.value()
        if self.shape != "lines" or plain.get("errors"):
            for name, value in plain.items():
                self.describe(name.lower(), value)
        elif plain:
            self._has_rows = True
            yield [plain]
            yield from self._text.objects()

    def _member(self, name: str) -> Iterator[list[Any]]:
        if name == "data" and self._text.peek() == "[":
            yield from self._elements()
        elif name in ("data", "attributes") and self._text.peek() == "{":
            self.shape = "wrapped" if name == "data" else "resource"
            for inner in self._text.members():
                yield from self._member(inner.lower())
        else:
            self.describe(name, self._text.value())

    def describe(self, name: str, value: Any) -> None:
        """Take in what a member says of the rows."""
        if name == "errors" and value:
            raise TableError(f"the file holds errors instead of a report: {json.dumps(value)[:1000]}")
        if name == "rows":
            self.told = int(value) if isinstance(value, str) and value.isdecimal() else 0
        elif name == "metadata" and isinstance(value, dict):
            self.shape = "metadata" if self.shape == "compact" else self.shape
            for inner, fact in value.items():
                self.describe(inner.lower(), fact)
        elif name == "columns" and isinstance(value, list):
            described = [item if isinstance(item, dict) else {"name": item} for item in value]
            self.columns = [str(item.get("name")) for item in described]
            self.declared = {str(item.get("name")): str(item.get("type", "")) for item in described}


class JsonReport:
    """A JSON report's rows as columns.

    :param file: binary, whole, able to seek.
    :param buffer_size: bytes that are read at once.
    :ivar names: of the columns of the first rows.
    :raises TableError: the file is no report.
    """

    def __init__(self, file: IO[bytes], buffer_size: int) -> None:
        file.seek(0)
        self._file = file
        self._buffer_size = buffer_size
        self._envelope = _Envelope(_JsonText(file, buffer_size))
        self._batches = self._read()
        self._first = next(self._batches)
        self.names = self._first[0]

    @property
    def declared(self) -> Mapping[str, str]:
        """Name -> the type that the file declares."""
        return self._envelope.declared

    @property
    def shape(self) -> str:
        """``array``, ``lines``, ``compact``, ``metadata``, ``wrapped`` or ``resource``; certain when all is read."""
        return self._envelope.shape

    def batches(self) -> Iterator[tuple[list[str], Sequence[Any]]]:
        """Names of columns, and the columns of some rows; perhaps of none.

        :raises TableError: the file is cut or holds errors; a row does not fit its columns.
        """
        return chain([self._first], self._batches)

    def _read(self) -> Iterator[tuple[list[str], Sequence[Any]]]:
        names: list[str] = []
        count = 0
        for rows in self._envelope.rows():
            if isinstance(rows[0], dict):
                names, columns = _columns_of_objects(rows, names)
            else:
                names = names or self._envelope.columns or self._columns_behind()
                columns = _columns_of_lists(rows, names, count + 1)
            count += len(rows)
            yield names, columns
        if count < self._envelope.told:
            raise TableError(f"the report has {count} rows and says it has {self._envelope.told}; download it again")
        if not count:
            yield self._envelope.columns or [], []

    def _columns_behind(self) -> list[str]:
        """The columns that stand behind the rows: in the file's last MiB, or else where reading all of it finds them."""
        here = self._file.tell()
        self._file.seek(max(0, self._file.seek(0, io.SEEK_END) - _TAIL))
        tail = self._file.read().decode(errors="replace")
        self._file.seek(0)
        ahead = _Envelope(_JsonText(self._file, self._buffer_size))
        found = [match.end() for match in _columns_member.finditer(tail)]
        if found:
            # Quotes within a text are escaped, so this is a member.
            ahead.describe("columns", _JsonText(io.BytesIO(tail[found[-1] :].encode()), _TAIL).value())
        else:
            for _ in ahead.rows():
                pass
        self._file.seek(here)
        if not ahead.columns:
            raise TableError("the report has rows, and tells no columns")
        self._envelope.declared = ahead.declared
        return ahead.columns


def _columns_of_objects(rows: list[Any], names: list[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
    if {dict} != set(map(type, rows)):
        raise TableError("the report has rows that are objects and others that are not")
    if {len(names)} == set(map(len, rows)) and len(names) > 1:
        try:
            return names, list(zip(*map(itemgetter(*names), rows), strict=True))
        except KeyError:
            pass
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [tuple(row.get(name) for row in rows) for name in names]


def _columns_of_lists(rows: list[Any], names: list[str], first_row: int) -> list[tuple[Any, ...]]:
    for number, row in enumerate(rows, first_row):
        if type(row) is not list or len(row) != len(names):
            raise TableError(f"row {number} does not have a value for each of {len(names)} columns: {row!r:.200}")
    return list(zip(*rows, strict=True))
