"""Reports into Parquet, beside the raw tool on the same file: ``python -m benchmarks.tables``.

CSV beside pyarrow's own streaming reader and writer, told the same types; JSON beside ijson's items into the same
writer. CPU seconds, in turn, the best of several runs; the most memory that a process of its own ever held, also with
a file five times as large, and with 257 columns. And whether all shapes give back what was written, whatever the buffer.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from importlib.resources import files
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

from benchmarks.common import Figure, child, heading, run_alone, table, tell

MB = 10**6
MIB = 2**20
SIZE = 200 * MB

NAMES = [
    *("date", "hour", "accountId", "campaignId", "lineItemId", "retailerId", "productName", "campaignName"),
    *("impressions", "clicks", "spend", "attributedSales", "cpm", "ctr", "cpc", "roas"),
]
_TYPES = json.loads(files("airflow_provider_criteo.api").joinpath("data/columns.json").read_text())["columns"]
_METRICS = [name for name, kind in _TYPES.items() if kind in ("int64", "float64") and name not in NAMES]
WIDE = [*NAMES, *_METRICS[: 257 - len(NAMES)]]
SHAPES = ("csv", "array", "lines", "compact", "metadata", "wrapped", "resource")
BUFFERS = (512 * 1024, 4 * 1024, 777)
_BARS = {"csv": 0.8, "array": 1.0, "lines": 1.0, "compact": 0.9, "metadata": 0.9, "wrapped": 0.9, "resource": 0.9}
_PLACES = {
    "array": "item",
    "lines": "",
    "compact": "data.item",
    "metadata": "data.item",
    "wrapped": "data.data.item",
    "resource": "data.attributes.data.item",
}


def _rows(names: list[str], count: int = 5_000) -> list[list[Any]]:
    """Some rows: ids beyond 64 bits as text and bare, text with all that may break a reader, nulls."""
    chance = random.Random(14)
    rows = []
    for number in range(count):
        row: list[Any] = [
            f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}",
            number % 24,
            str(18159942378514859684 + number),
            530088677885964287 + number,
            str(chance.randrange(10**9)),
            chance.randrange(1000),
            f'Müsli }},{{ "crunchy" ],[ {number}\n, für alle',
            f"campaign {number % 50}",
            chance.randrange(100_000),
            chance.randrange(1_000),
            *(None if chance.random() < 0.1 else round(chance.random() * 100, 4) for _ in range(6)),
        ]
        rows.append(row + [chance.randrange(100) if chance.random() < 0.7 else None for _ in names[len(row) :]])
    return rows


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _csv_cell(value: Any) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)


def make(shape: str, names: list[str], path: Path, size: int) -> None:
    """Write a file of that shape and about that size."""
    write(shape, names, path, size, _rows(names))


def write(shape: str, names: list[str], path: Path, size: int, rows: list[list[Any]]) -> None:
    """Write these rows, as often as it takes."""
    if shape == "csv":
        head, tail, between = _dumped(names)[1:-1] + "\n", "\n", "\n"
        texts = [",".join(map(_csv_cell, row)) for row in rows]
    elif shape in ("array", "lines"):
        head, between, tail = ("[", ",", "]") if shape == "array" else ("", "\n", "\n")
        texts = [_dumped(dict(zip(names, row, strict=True))) for row in rows]
    else:
        described = [{"name": name, "type": "String"} for name in names] if shape == "wrapped" else names
        head, tail = {
            "compact": (f'{{"columns":{_dumped(names)},"data":[', "]}"),
            "metadata": ('{"data":[', f'],"metadata":{{"columns":{_dumped(names)}}}}}'),
            "resource": (f'{{"data":{{"attributes":{{"columns":{_dumped(names)},"data":[', "]}}}"),
            "wrapped": (f'{{"data":{{"metadata":{{"columns":{_dumped(described)}}},"data":[', "]}}"),
        }[shape]
        between, texts = ",", [_dumped(row) for row in rows]
    block = (between.join(texts) + between).encode()
    with path.open("wb") as file:
        file.write(head.encode())
        for _ in range(size // len(block)):
            file.write(block)
        file.write(between.join(texts).encode() + tail.encode())


def ours(shape: str, names: list[str], source: Path, target: Path) -> None:
    """As a task does it."""
    from airflow_provider_criteo.api.tables import convert

    convert(source, target, report_type=_report_type(shape), output_format="parquet")


def _report_type(shape: str) -> str:
    return "statistics" if shape == "wrapped" else "rm-performance"


def raw(shape: str, names: list[str], source: Path, target: Path) -> None:
    """What one writes oneself: types known beforehand, values of JSON written as they come."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    from airflow_provider_criteo.api.dictionary import known_type
    from airflow_provider_criteo.api.tables.values import arrow_type

    types = {name: arrow_type(known_type(name, _report_type(shape)) or "string") for name in names}
    schema = pa.schema(list(types.items()))
    with pa.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        if shape == "csv":
            reader = pa.csv.open_csv(
                source,
                pa.csv.ReadOptions(block_size=MIB),
                pa.csv.ParseOptions(newlines_in_values=True),
                pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""]),
            )
            batches: Iterator[Any] = iter(reader)
        else:
            batches = _ijson_batches(shape, names, source, schema)
        held: list[Any] = []
        for batch in batches:
            held.append(batch)
            if sum(part.num_rows for part in held) >= 100_000 or sum(part.nbytes for part in held) >= 32 * MIB:
                writer.write_table(pa.Table.from_batches(held))
                held = []
        writer.write_table(pa.Table.from_batches(held, schema))


def _ijson_batches(shape: str, names: list[str], source: Path, schema: Any) -> Iterator[Any]:
    import ijson
    import pyarrow as pa

    with source.open("rb") as file:
        items = ijson.items(file, _PLACES[shape], multiple_values=True, buf_size=512 * 1024)
        while rows := list(islice(items, 2_000)):
            if isinstance(rows[0], dict):
                rows = [[row.get(name) for name in names] for row in rows]
            arrays = [_array(pa, values, field.type) for values, field in zip(zip(*rows), schema, strict=True)]  # noqa: B905
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(pa: Any, values: Any, type_: Any) -> Any:
    if type_ == pa.string():
        return pa.array([None if value is None else str(value) for value in values], type_)
    if type_ == pa.float64():
        return pa.array([None if value is None else float(value) for value in values], type_)
    return pa.array(values, pa.string()).cast(type_) if type_ == pa.date32() else pa.array(values, type_)


def main(size: int = SIZE, large: int = 5 * SIZE, runs: int = 3) -> list[Figure]:
    """Measure and print."""
    heading(f"Reports into Parquet: {size / MB:g} MB of each shape")
    lines, figures = [], [_exactness()]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "report"
        for shape in SHAPES:
            line, of_shape = _compared(shape, source, size, large, runs)
            lines.append(line)
            figures += of_shape
            make(shape, WIDE, source, size)
            figures.append(Figure(f"{shape}, {len(WIDE)} columns: peak memory", _peak(shape, WIDE, source), 256, "MiB"))
            source.unlink()
            print(
                f"  {shape}: {', '.join(f'{figure.value:.3g} {figure.unit}'.strip() for figure in figures[-4:])}",
                flush=True,
            )
    print(flush=True)
    table(("report", "MB per CPU s", "the raw tool", f"peak MiB at {size / MB:g} MB", f"at {large / MB:g} MB"), lines)
    return figures


def _compared(shape: str, source: Path, size: int, large: int, runs: int) -> tuple[tuple[str, ...], list[Figure]]:
    """A line of the table, and the figures, of a shape beside the raw tool on the same file."""
    make(shape, NAMES, source, size)
    megabytes = source.stat().st_size / MB
    seconds: dict[str, float] = dict.fromkeys(TOOLS, inf)
    peak = 0.0
    for _ in range(runs):
        for tool in TOOLS:
            measured = _measured(tool, shape, NAMES, source)
            seconds[tool] = min(seconds[tool], measured["seconds"])
            peak = max(peak, measured["peak"] / MIB) if tool == "ours" else peak
    make(shape, NAMES, source, large)
    peak_large = _peak(shape, NAMES, source)
    line = (shape, *(f"{megabytes / seconds[tool]:.0f}" for tool in TOOLS), f"{peak:.0f}", f"{peak_large:.0f}")
    return line, [
        Figure(f"{shape}: CPU speed over the raw tool", seconds["raw"] / seconds["ours"], _BARS[shape], at_least=True),
        Figure(f"{shape}: peak memory", max(peak, peak_large), 256, "MiB"),
        Figure(f"{shape}: memory at {large / MB:g} MB less that at {size / MB:g} MB", peak_large - peak, 16, "MiB"),
    ]


def _exactness() -> Figure:
    """How many files come back otherwise than they were put in, or are taken although they are cut."""
    from airflow_provider_criteo.api.tables import TableError, read_report

    rows = _rows(NAMES, 500)
    expected = [[date.fromisoformat(row[0]), row[1], *map(str, row[2:8]), *row[8:]] for row in rows]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        path, cut = Path(folder) / "report", Path(folder) / "cut"
        for shape in SHAPES:
            write(shape, NAMES, path, 0, rows)
            # Within a text of the last row.
            whole = path.read_bytes()
            cut.write_bytes(whole[: whole.rindex(b"crunchy")])
            for buffer_size in BUFFERS:
                found = read_report(path, "rm-performance", buffer_size=buffer_size).read_all()
                wrong += [list(row.values()) for row in found.to_pylist()] != expected
                with suppress(TableError):
                    read_report(cut, "rm-performance", buffer_size=buffer_size).read_all()
                    wrong += 1
    return Figure(f"files read otherwise than written, of {len(SHAPES)} shapes by {len(BUFFERS)} buffers", wrong, 0)


TOOLS: dict[str, Callable[[str, list[str], Path, Path], None]] = {"ours": ours, "raw": raw}


def _measured(tool: str, shape: str, names: list[str], source: Path) -> Any:
    return child("benchmarks.tables", "--tool", tool, shape, str(len(names)), str(source))


def _peak(shape: str, names: list[str], source: Path) -> float:
    return float(_measured("ours", shape, names, source)["peak"]) / MIB


def _most_memory() -> int:
    """Bytes that this process ever held; the system's own count begins with what its parent held."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _tool(tool: str, shape: str, width: str, source: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401 - importing is not what is measured

    names = WIDE[: int(width)]
    target = source.with_name("table.parquet")
    began = time.process_time()
    TOOLS[tool](shape, names, source, target)
    seconds = time.process_time() - began
    target.unlink()
    tell({"seconds": seconds, "peak": _most_memory()})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tool"]:
        _tool(*sys.argv[2:5], Path(sys.argv[5]))
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--bytes", type=int, default=SIZE)
        parser.add_argument("--large", type=int, default=5 * SIZE)
        parser.add_argument("--runs", type=int, default=3)
        given = parser.parse_args()
        run_alone(lambda: main(given.bytes, given.large, given.runs))
