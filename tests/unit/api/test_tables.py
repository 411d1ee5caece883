"""Report files become typed tables, whatever their shape."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import subprocess
import sys
import threading
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pendulum
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_criteo.api.dictionary import known_type
from airflow_provider_criteo.api.exceptions import InvalidInputError
from airflow_provider_criteo.api.reports import get_report_type
from airflow_provider_criteo.api.reports import rows as report_types
from airflow_provider_criteo.api.tables import (
    TableError,
    TableOptions,
    UnknownColumnsError,
    convert,
    convert_by_day,
    expected_columns,
    read_report,
    report_days,
)
from airflow_provider_criteo.api.tables.conversion import row_groups
from tests.support.report_files import JSON_SHAPES, SHAPES

BUFFERS = (512 * 1024, 4 * 1024, 777)
NAMES = ["date", "hour", "campaignId", "campaignName", "clicks", "spend", "somethingNew"]
TEXTS = ['},{ "q" ],[ \\" {', "line\nbreak", "", "Müsli für €3 🚀", 'a "columns": ["x"] b', "null", "No cap-out, ;"]
ROWS: list[list[Any]] = [
    [
        f"2026-10-{number % 28 + 1:02}",
        number % 24 if number % 5 else None,
        18159942378514859684 + number if number % 3 else str(2**70 + number),
        TEXTS[number % len(TEXTS)] if number % 11 else None,
        number if number % 2 else None,
        None if number % 7 == 0 else number / 128,
        3.75 if number % 2 else "text",
    ]
    for number in range(500)
]


def typed(row: list[Any]) -> list[Any]:
    day, hour, campaign, name, clicks, spend, new = row
    return [date.fromisoformat(day), hour, str(campaign), name, clicks, spend, str(new)]


def read(text: str | bytes, report_type: str = "rm-performance", **options: Any) -> pa.Table:
    source = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return read_report(source, report_type, **options).read_all()


def values(table: pa.Table) -> list[list[Any]]:
    return [list(row.values()) for row in table.to_pylist()]


def converted(text: str, output_format: str, report_type: str = "rm-performance", **options: Any) -> bytes:
    target = io.BytesIO()
    convert(io.BytesIO(text.encode()), target, report_type=report_type, output_format=output_format, **options)
    return target.getvalue()


@pytest.mark.parametrize("buffer_size", BUFFERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_rows_that_were_put_in(shape: str, buffer_size: int) -> None:
    table = read(SHAPES[shape](NAMES, ROWS), buffer_size=buffer_size)

    assert table.column_names == NAMES
    assert [str(kind) for kind in table.schema.types] == [
        "date32[day]", "int64", "string", "string", "int64", "double", "string",
    ]  # fmt: skip
    assert values(table) == [typed(row) for row in ROWS]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_value_larger_than_the_buffer_is_read_whole(shape: str) -> None:
    long = "x" * 50_000
    rows = [["1", long], ["2", "short"]]

    assert values(read(SHAPES[shape](["campaignId", "keyword"], rows), buffer_size=64 * 1024)) == rows


CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXT = st.lists(st.one_of(CHARACTERS, st.sampled_from(["\r\n", '"', "\n", "x" * 20])), max_size=12).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    buffer_size=st.sampled_from([512 * 1024, 4096, 64]),
    rows=st.lists(
        st.tuples(
            st.one_of(TEXT, st.integers()),
            st.one_of(st.none(), TEXT),
            st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            st.one_of(st.none(), st.booleans()),
        ),
        min_size=1,
        max_size=30,
    ),
)
def test_any_text_number_and_null_come_back(shape: str, buffer_size: int, rows: list[tuple[Any, ...]]) -> None:
    names = ["campaignId", "keyword", "clicks", "spend", "new"]

    table = read(SHAPES[shape](names, rows), buffer_size=buffer_size, column_types={"new": "bool"})

    assert values(table) == [[str(row[0]), *row[1:]] for row in rows]


@pytest.mark.parametrize("shape", JSON_SHAPES)
def test_a_cut_json_file_is_refused_wherever_it_is_cut(shape: str) -> None:
    rows = ROWS[:3]
    whole = JSON_SHAPES[shape](NAMES, rows).strip().encode()
    for end in range(1, len(whole)):
        if shape.startswith("lines") and whole[:end].rstrip().endswith(b"}"):
            continue  # a file of fewer rows
        with pytest.raises(TableError):
            read(whole[:end], buffer_size=777)


def test_a_cut_csv_file_is_refused_where_it_can_be_told() -> None:
    rows = [["1", "a,b", 5], ["2", 'say "hi"', 6]]
    whole = SHAPES["csv"](["campaignId", "keyword", "clicks"], rows).rstrip().encode()
    second_row = whole.index(b'"2"')
    for end in range(second_row + 1, whole.rindex(b",") + 1):
        with pytest.raises(TableError):
            read(whole[:end])


def test_a_csv_file_that_is_cut_within_quotes_is_refused() -> None:
    with pytest.raises(TableError, match="ends within a quoted value"):
        read('campaignId,keyword\n1,a\n2,"b')


@pytest.mark.parametrize("buffer_size", range(1, 9))
def test_a_value_may_go_on_in_the_next_buffer(buffer_size: int) -> None:
    text = '{"rows":12,"columns":["clicks","isInStock"],"data":[' + ",".join(["[-12.0,true]"] * 12) + "]}"

    table = read(text, "rm-catalog", columns=["clicks", "isInStock"], buffer_size=buffer_size)
    assert values(table) == [[-12, True]] * 12


@pytest.mark.parametrize("buffer_size", range(1, 60))
def test_a_number_may_go_on_in_the_next_buffer(buffer_size: int) -> None:
    line = '{"clicks":3,"spend":12.5,"ctr":1e-5,"roas":-0.25E+1}\n'

    assert values(read(line * 2, buffer_size=buffer_size)) == [[3, 12.5, 1e-5, -2.5]] * 2


def test_fewer_rows_than_the_file_itself_tells_are_refused() -> None:
    with pytest.raises(TableError, match="has 1 rows and says it has 2"):
        read('{"columns":["clicks"],"data":[[1]],"rows":2}')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"data":null,"errors":[{"code":"report-failed","detail":"try again"}]}', "report-failed"),
        ('{"errors":"something broke"}', "something broke"),
        ('{"data":{"type":"Status","attributes":{"status":"pending"}},"errors":[]}', "no report"),
        ("{}", "no report"),
        ('[{"clicks":1}] [', "no report"),
        ("<html><body>Bad gateway</body></html>", "markup"),
        ('{"data":[[1]]}', "tells no columns"),
        ('{"columns":["a","b"],"data":[["x","y"],["x"]]}', r"row 2 does not have a value for each of 2 columns"),
        ('{"columns":["a"],"data":[["x"],{"a":1}]}', "row 2"),
        ("keyword,clicks\na,2\na,2,3\n", "Expected 2 columns, got 3"),
        ("[1, 2]", "tells no columns"),
        ("[" * 100_000, "values within values"),
        ('[{"keyword":"a"},{"keyword":' + "[" * 100_000, "values within values"),
        ("\n1,2\n", "first line is blank"),
        ('[{"a":"\xff"}]'.encode("latin-1"), "not UTF-8"),
        ("keyword\n\xff\n".encode("latin-1"), "UTF8"),
        ("M\xfcsli,clicks\na,1\n".encode("latin-1"), "first line is not UTF-8"),
        ('[{"clicks":1}]'.encode("utf-16"), "first line is not UTF-8"),
        (gzip.compress(b"clicks\n1\n", mtime=0), "first line is not UTF-8"),
    ],
)
def test_what_is_no_report_is_refused(text: str | bytes, says: str) -> None:
    with pytest.raises(TableError, match=says):
        read(text)


NO_REPORTS = ["null", '{"data":null}', '{"error":"gone"}', "Internal error", "clicks\tspend\n1\t2\n", "PK\x03\x04,"]


@pytest.mark.parametrize("text", NO_REPORTS)
def test_a_file_without_any_column_that_was_asked_for_is_no_report(text: str) -> None:
    with pytest.raises(TableError, match="asked for were date, clicks: no report"):
        read(text, attributes={"dimensions": ["date"], "metrics": ["clicks"]})


@pytest.mark.parametrize("attributes", [None, {"startDate": "2026-10-01", "endDate": "2026-10-01"}])
@pytest.mark.parametrize("text", NO_REPORTS)
def test_a_file_without_any_column_that_criteo_documents_is_no_report(text: str, attributes: Any) -> None:
    with pytest.raises(TableError, match="Criteo documents none of them: no report"):
        read(text, "rm-campaigns", attributes=attributes)


@pytest.mark.parametrize("options", [{"column_types": {"Novel": "string"}}, {"columns": ["novel"]}])
def test_a_new_column_alone_is_a_report_where_it_is_named(options: dict[str, Any]) -> None:
    assert values(read("novel\n1\n", **options)) == [["1"]]


def test_a_new_column_alone_is_a_report_where_it_was_asked_for() -> None:
    assert read("novel\n1\n", attributes={"dimensions": ["novel"]}).to_pylist() == [{"novel": "1"}]


def test_a_quote_within_a_bare_value_is_no_sign_of_a_cut() -> None:
    assert values(read('campaignId,keyword\n1,a 5" screen\n')) == [["1", 'a 5" screen']]


def test_lines_of_csv_may_end_as_on_an_old_mac() -> None:
    assert values(read("campaignId,clicks\r1,2\r3,4\r")) == [["1", 2], ["3", 4]]


def test_a_delimiter_within_a_quoted_name_is_none() -> None:
    assert read('"a;b;c",clicks\nx,1\n').to_pylist() == [{"a;b;c": "x", "clicks": 1}]


def test_csv_tells_null_from_empty_text() -> None:
    table = read('keyword,clicks,searchTerm\n,"",\n"",,""\n')

    assert values(table) == [[None, None, None], ["", None, ""]]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("clicks\n", []),
        ("clicks\n\n", [[None]]),
        ("clicks\r\n1\r\n\r\n", [[1], [None]]),
        ("clicks,ctr\n\n", []),
        ("clicks,ctr\n1,\n\n", [[1, None]]),
    ],
)
def test_a_blank_line_of_csv_is_a_row_of_one_column_and_none_of_several(text: str, rows: list[list[Any]]) -> None:
    assert values(read(text)) == rows


def test_csv_in_other_words_than_arrow_s_own_is_read_all_the_same() -> None:
    table = read("date;clicks;ctr\n2020/9/10;12.0;NaN\n2020-09-11;13;1e400\n", column_types={"ctr": "string"})
    assert values(table) == [[date(2020, 9, 10), 12, "NaN"], [date(2020, 9, 11), 13, "1e400"]]


def test_a_late_odd_value_in_csv_loses_and_doubles_no_row() -> None:
    text = "clicks,ctr\n" + "".join(f"{number},0.5\n" for number in range(3_000)) + "3000.0,0.5\n"

    assert read(text, buffer_size=777)["clicks"].to_pylist() == list(range(3_001))


def test_rows_of_csv_may_be_longer_than_the_buffer() -> None:
    rows = [[str(number), "long " * (number % 100 * 20)] for number in range(300)]

    assert values(read(SHAPES["csv"](["campaignId", "keyword"], rows), buffer_size=777)) == rows


def test_a_row_of_csv_without_end_is_refused() -> None:
    with pytest.raises(TableError, match="has a row of more than 4194304 bytes, or a quote that nothing closes"):
        read('campaignId,keyword\n1,a\n2,"' + "b\n" * (5 * 1024 * 1024))


@pytest.mark.parametrize("buffer_size", range(40, 60))
def test_a_windows_line_end_within_a_value_of_csv_is_kept_at_a_buffer_s_end(buffer_size: int) -> None:
    rows = [[str(number), "a\r\nb\r\r\nc\r"] for number in range(20)]

    assert values(read(SHAPES["csv"](["campaignId", "keyword"], rows), buffer_size=buffer_size)) == rows


class FileWithALateRead(io.BytesIO):
    """A read by Arrow's own thread lets another seek go first, where there is one; so do loaded machines."""

    seeks = 0

    def seek(self, *place: int) -> int:
        self.seeks += 1
        return super().seek(*place)

    def read(self, size: int | None = -1) -> bytes:
        if threading.current_thread() is not threading.main_thread():
            before = self.seeks
            for _ in range(300_000):
                if self.seeks != before:
                    break
        return super().read(size)


def test_a_reader_that_was_given_up_takes_no_rows_from_the_one_after_it() -> None:
    rows = 2_000
    text = "date,clicks\n2020/9/10,0\n" + "".join(f"2026-10-01,{number}\n" for number in range(1, rows))

    table = read_report(FileWithALateRead(text.encode()), "rm-performance", buffer_size=8 * 1024).read_all()

    assert table["clicks"].to_pylist() == list(range(rows))


@pytest.mark.parametrize(
    ("type_name", "text", "value"),
    [
        ("int64", "12.0", 12),
        ("int64", " 7 ", 7),
        ("int64", "1e3", 1000),
        ("float64", "NaN", math.nan),
        ("float64", "-Infinity", -math.inf),
        ("bool", "True", True),
        ("date32", "2020/9/1", date(2020, 9, 1)),
        ("date32", "2026-10-01T00:00:00Z", date(2026, 10, 1)),
        ("timestamp[us, UTC]", "2026-10-01T05:00:00.1234567-05:00", datetime(2026, 10, 1, 10, 0, 0, 123456)),
        ("timestamp[us, UTC]", "2026-10-01T05:00:00.0-05:00", datetime(2026, 10, 1, 10)),
        ("timestamp[us, UTC]", "2026-10-01 05:00", datetime(2026, 10, 1, 5)),
        ("timestamp[us, UTC]", "2026-10-01", datetime(2026, 10, 1)),
        ("decimal128(38, 9)", "1497.28125424", Decimal("1497.281254240")),
        ("decimal128(38, 9)", "0.12345678949", Decimal("0.123456789")),
        ("decimal128(10,2)", "1e3", Decimal("1000.00")),
        ("decimal128(10,2)", "0.125", Decimal("0.12")),
        ("decimal128(10,2)", "0.135", Decimal("0.14")),
        ("decimal128(10,2)", "0.1251", Decimal("0.13")),
    ],
)
def test_a_value_in_other_words_still_fits(type_name: str, text: str, value: Any) -> None:
    (found,) = read(f"x,y\n{text},1\n", column_types={"x": type_name, "y": "int64"})["x"].to_pylist()

    if isinstance(value, datetime):
        value = value.replace(tzinfo=timezone.utc)
    assert found == value or (found != found and value != value)


@pytest.mark.parametrize(
    ("type_name", "value", "write"),
    [
        ("int64", "1.5", "float64"),
        ("int64", "9223372036854775808", "string"),
        ("int64", "soon", "string"),
        ("int64", "1_0", "string"),
        ("int64", "0x10", "string"),
        ("int64", "0XFFFFFFFFFFFFFFFF", "string"),
        ("float64", "1,5", "string"),
        ("float64", "1e400", "string"),
        ("bool", "yes", "string"),
        ("date32", "10/21/2022", "string"),
        ("date32", "2026-10-01T05:00:00", "string"),
        ("date32", "2026-02-30", "string"),
        ("timestamp[us, UTC]", "soon", "string"),
        ("timestamp[us, UTC]", "2026-10-01T24:00:00Z", "string"),
        ("decimal128(38, 9)", "1e30", "string"),
        ("decimal128(38, 9)", "free", "string"),
    ],
)
@pytest.mark.parametrize("shape", ["array", "compact", "csv"])
def test_a_value_that_does_not_fit_is_named(type_name: str, value: str, write: str, shape: str) -> None:
    text = SHAPES[shape](["campaignId", "x"], [["1", None], ["2", value]])

    with pytest.raises(InvalidInputError) as raised:
        read(text, column_types={"x": type_name})

    message = str(raised.value)
    assert f"'x' has {value!r} in row 2" in message
    assert f"column_types={{'x': '{write}'}}" in message


def test_what_is_no_plain_value_is_named() -> None:
    with pytest.raises(InvalidInputError, match="'keyword' has a list in row 2"):
        read('[{"keyword":"a"},{"keyword":[1]}]')


def test_half_a_character_becomes_the_replacement_character() -> None:
    assert values(read('[{"keyword":"a\\ud83d"}]')) == [["a\ufffd"]]


def test_the_file_s_own_type_counts_for_a_column_that_nobody_documents() -> None:
    text = (
        '{"data":{"metaData":{"columns":[{"name":"CampaignId","type":"Number"},{"name":"Novel","type":"Money"},'
        '{"name":"Newer"}]},"data":[[7,1.25,2.50]]}}'
    )
    table = read(text, "statistics")

    assert values(table) == [["7", 1.25, "2.50"]]
    assert values(read(text, "statistics", columns=["novel"])) == [[1.25]]


def test_of_a_member_that_an_object_names_twice_the_last_value_counts() -> None:
    assert read('[{"impressions": 1, "impressions": 2}]')["impressions"].to_pylist() == [2]


@pytest.mark.parametrize("output_format", ["csv", "jsonl"])
def test_a_small_decimal_has_an_exponent_in_text(output_format: str) -> None:
    written = converted("x,y\n0,1\n", output_format, column_types={"x": "decimal128(38, 9)", "y": "int64"})
    assert b"0E-9" in written


def test_a_member_that_an_object_lacks_is_null() -> None:
    assert values(read('[{"keyword":"a","clicks":1},{"clicks":2}]')) == [["a", 1], [None, 2]]


def test_a_member_that_comes_late_is_not_lost_without_a_word() -> None:
    text = json.dumps([{"clicks": number} for number in range(100)] + [{"clicks": 1, "keyword": "a"}])

    with pytest.raises(TableError, match="'keyword' only from a later row on"):
        read(text, buffer_size=777)
    asked = {"dimensions": ["keyword"], "metrics": ["clicks"]}
    assert values(read(text, buffer_size=777, attributes=asked))[-1] == ["a", 1]


# --- the schema

ASKED = {"dimensions": ["date", "hour", "campaignId"], "metrics": ["clicks", "ctr"], "startDate": "2026-10-01"}
EMPTIES = ["", " \n", "[]", '{"columns":[],"data":[],"rows":0}', "date,hour,campaignId,clicks,ctr\n", "date,hour"]


@pytest.mark.parametrize("empty", EMPTIES)
def test_an_empty_day_has_the_schema_of_a_full_one(empty: str) -> None:
    names = ["ctr", "clicks", "campaignId", "hour", "date"]
    full = read(SHAPES["compact"](names, [[0.5, 1, 7, 15, "2026-10-01"]]), attributes=ASKED)

    table = read(empty, attributes=ASKED)

    assert table.num_rows == 0
    assert table.schema.equals(full.schema, check_metadata=True)
    assert table.column_names == ["date", "hour", "campaignId", "clicks", "ctr"]


def test_an_empty_file_without_a_request_says_what_to_pass() -> None:
    with pytest.raises(UnknownColumnsError, match="attributes"):
        read("[]")
    assert read("[]", columns=["date", "clicks"]).column_names == ["date", "clicks"]
    assert read("date,clicks\n").column_names == ["date", "clicks"]


def test_products_are_asked_for_in_one_case_and_answered_in_another_with_more_columns() -> None:
    asked = {"dimensions": ["AdvertiserId", "CampaignId", "SellerId", "ProductId"], "metrics": ["Clicks", "Cost"]}
    names = ["advertiserId", "partnerId", "campaignId", "adSetId", "productId", "sellerId", "clicks", "cost"]
    full = read(SHAPES["metadata"](names, [[2914, 3869, 1, 2, "p", 9, 12, 45.12]]), "products", attributes=asked)

    assert full.to_pylist()[0]["partnerId"] == "3869"
    assert full.schema == read("", "products", attributes=asked).schema


def test_a_column_under_the_name_that_it_had_before_is_the_one_asked_for() -> None:
    asked = {"dimensions": ["advertisedDate", "pageType"], "metrics": ["attributedUnits"]}
    text = "advDate,pageTypeName,attributedUnits\n2026-10-01,home,3\n"

    table = read(text, "rm-attributed-transactions", attributes=asked)

    assert table.to_pylist() == [{"advertisedDate": date(2026, 10, 1), "pageType": "home", "attributedUnits": 3}]


def test_names_of_before_and_after_a_renaming_are_one_in_every_option() -> None:
    text = "advDate,advProductId\n2026-10-01,5\n"
    by_new_names = {"advertisedDate": "day", "advertisedProductId": "product"}

    table = read(
        text, "rm-attributed-transactions", columns=by_new_names, column_types={"advertisedProductId": "int64"}
    )

    assert table.to_pylist() == [{"day": date(2026, 10, 1), "product": 5}]
    day = date(2026, 10, 1)
    with convert_by_day(
        io.BytesIO(text.encode()),
        TableOptions("csv"),
        partition_by="advertisedDate",
        report_type="rm-attributed-transactions",
        attributes={"startDate": day, "endDate": day},
    ) as tables:
        assert tables.write(day, io.BytesIO()).rows == 1


@pytest.mark.parametrize("report_type", ["rm-brand-catalog", "rm-partner-billing", "rm-digital-shelf-intelligence"])
def test_a_report_that_can_be_asked_for_no_columns_always_has_all_of_them(report_type: str) -> None:
    empty = read("", report_type)
    fixed = empty.column_names

    full = read(f'{{"{fixed[1]}":null,"novel":"b"}}\n{{"{fixed[3]}":null}}\n', report_type)

    assert full.column_names == [*fixed, "novel"]
    assert full.schema.types == [*empty.schema.types, pa.string()]


@pytest.mark.parametrize("row", list(report_types()), ids=lambda row: row.id)
def test_every_report_type_has_columns_for_an_empty_day(row: Any) -> None:
    asked = {
        name: value
        for name, value in {"dimensions": ["date"], "dimension": "Top30BrandsByClicks", "metrics": ["clicks"]}.items()
        if name in row.attributes
    }

    table = read("", row.id, attributes=asked)

    assert table.num_columns >= max(1, len(asked))


def test_documented_types_by_report_type() -> None:
    assert known_type("sales", "rm-revenue") == "float64"
    assert known_type("Sales", "products") == "int64"
    assert known_type("Hour", "statistics") == "string"
    assert known_type("hour", "rm-performance") == "int64"
    assert known_type("CreditSpend", "rm-partner-billing") == "decimal128(38, 9)"
    assert known_type("isInStock", "rm-catalog") == "bool"
    assert known_type("nobodyKnows", "rm-catalog") is None


def test_a_request_that_names_no_columns_leaves_an_empty_day_without_any() -> None:
    assert expected_columns("products", {}) == expected_columns("rm-revenue", {}) == []
    with pytest.raises(UnknownColumnsError):
        read("", "rm-revenue", attributes={})


def test_defaults_are_expected_where_a_request_names_no_columns() -> None:
    assert expected_columns("mpo-realtime", {})[-3:] == ["clicks", "displays", "cost"]
    assert expected_columns("mpo-realtime", {"metrics": ["Clicks"]})[-2:] == ["day", "clicks"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"metrics": ["clicks"]}, ["date", "campaignId", "clicks"]),
        ({"metrics": ["clicks"], "dimensions": ["hour"]}, ["hour", "clicks"]),
        ({"metrics": ["clicks"], "dimensions": ["hour"], "reportType": "capout"}, ["clicks"]),
        ({"reportType": "summary"}, []),
    ],
)
def test_an_empty_day_has_the_dimensions_that_come_unasked(asked: dict[str, Any], expected: list[str]) -> None:
    assert expected_columns("rm-campaigns", asked) == expected


def test_many_columns_of_few_rows_are_held_in_few_pieces() -> None:
    schema = pa.schema([(f"c{place}", pa.int64()) for place in range(257)])
    batch = pa.RecordBatch.from_arrays([pa.array(range(60)) for _ in schema], schema=schema)
    groups = list(row_groups(iter([batch] * 400), schema))
    assert sum(group.num_rows for group in groups) == 400 * 60
    assert max(group.column(0).num_chunks for group in groups) <= 10


def test_field_metadata_tells_what_adds_up() -> None:
    schema = pq.read_schema(io.BytesIO(converted("date,clicks,ctr,uniqueVisitors\n", "parquet")))

    kinds = {field.name: (field.metadata or {}).get(b"criteo.additivity") for field in schema}
    assert kinds == {"date": None, "clicks": b"sum", "ctr": b"ratio", "uniqueVisitors": b"distinct"}


def test_the_dictionary_is_the_documented_one() -> None:
    reference = Path(__file__).parents[4] / "shared" / "reference" / "columns.json"
    if not reference.exists():
        pytest.skip("the documented dictionary is not here")
    documented = json.loads(reference.read_text())
    data = Path(__file__).parents[3] / "airflow_provider_criteo" / "api" / "data" / "columns.json"
    ours = json.loads(data.read_text())

    for section in ("columns", "exceptions", "declared_types", "additivity"):
        assert ours[section] == documented[section]


# --- columns that the user names


def test_a_list_of_columns_pins_which_and_their_order() -> None:
    table = read("clicks,date,keyword,more\n1,2026-10-01,a,x\n", columns=["Date", "roas", "clicks"])

    assert table.to_pylist() == [{"Date": date(2026, 10, 1), "roas": None, "clicks": 1}]
    assert str(table.schema.field("roas").type) == "double"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": ["date", "clikcs"]}, "columns names 'clikcs', which is no column of the report"),
        ({"columns": {"clikcs": "n"}}, "columns names 'clikcs'"),
        ({"column_types": {"clikcs": "string"}}, "column_types names 'clikcs'"),
    ],
)
def test_a_misspelt_name_is_told_with_the_one_that_was_meant(
    options: Any, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    read("date,clicks\n2026-10-01,1\n", **options)
    assert says in caplog.text
    assert "did you mean 'clicks'" in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"columns": ["Date", "roas", "CLICKS", "load_day"], "extra_columns": {"load_day": "2026-10-02"}},
        {"columns": {"date": "day"}, "column_types": {"day": "string", "spend": "string"}},
        {"column_types": {"load_day": "date32"}, "extra_columns": {"load_day": "2026-10-02"}},
    ],
)
def test_names_of_criteo_s_and_of_the_table_are_no_doubts(options: Any, caplog: pytest.LogCaptureFixture) -> None:
    read("date,clicks\n2026-10-01,1\n", **options)
    assert not caplog.records


def test_a_dict_of_columns_renames() -> None:
    table = read("clicks,AdSetId\n1,2\n", columns={"adSetId": "ad_set_id"}, column_types={"clicks": "string"})

    assert table.to_pylist() == [{"clicks": "1", "ad_set_id": "2"}]


def test_extra_columns_are_constants_typed_by_name_or_else_as_they_are() -> None:
    extra = {"day": "2026-10-01", "advertiser": "ACME", "part": 3, "loaded": datetime(2026, 10, 2, tzinfo=timezone.utc)}
    more = {"none": None, "tax": Decimal("0.19"), "ok": True, "asked": pendulum.date(2026, 10, 3)}
    table = read("clicks\n1\n2\n", extra_columns={**extra, **more})

    assert table.num_rows == 2
    assert table.to_pylist()[1] == {
        "clicks": 2, **extra, **more, "day": date(2026, 10, 1), "tax": Decimal("0.190000000"),
    }  # fmt: skip


def test_an_extra_column_may_stand_anywhere_in_a_list_of_columns() -> None:
    assert read("clicks\n1\n", columns=["day", "clicks"], extra_columns={"day": "2026-10-01"}).column_names == [
        "day",
        "clicks",
    ]


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="'clicks' twice"):
        read("clicks,units\n1,2\n", columns={"units": "clicks"})
    with pytest.raises(InvalidInputError, match="'clicks' twice"):
        read("clicks\n1\n", extra_columns={"clicks": 1})
    with pytest.raises(InvalidInputError, match="'clicks' twice"):
        read("clicks,clicks\n1,2\n")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"output_format": "xlsx"}, "output_format='xlsx'; valid: csv, jsonl, parquet"),
        ({"output_format": "parquett"}, "did you mean 'parquet'"),
        ({"compression": "lzo"}, "output_format='parquet', compression='lzo'; valid: gzip, none, snappy, zstd"),
        ({"output_format": "csv", "compression": "zstd"}, "compression='zstd'; valid: gzip, none"),
        ({"column_types": {"Hour": "integer"}}, r"column_types\['Hour'\]='integer' is no type"),
        ({"column_types": {"x": "decimal128(39, 2)"}}, "is no type"),
        ({"column_types": ["Hour"]}, "column_types=.* is a list; allowed: a dict"),
        ({"columns": "date"}, "columns='date' is no list"),
        ({"columns": []}, r"columns=\[\] is no list"),
        ({"columns": ["date", 1]}, "columns has 1"),
        ({"columns": ["date", "date"]}, "'date' twice"),
        ({"columns": {"a": "x", "b": "x"}}, "'x' twice"),
        ({"extra_columns": {"day": [1]}}, r"extra_columns\['day'\]=\[1\] is a list"),
        ({"extra_columns": {"": 1}}, "key ''"),
    ],
)
def test_options_that_cannot_be_right_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        TableOptions(**options)


@pytest.mark.parametrize("text", ["clicks\n1\n", "clicks\n"])
def test_an_extra_column_that_does_not_fit_is_named(text: str) -> None:
    with pytest.raises(InvalidInputError, match="'day' has 'Monday' in extra_columns, which is no date32"):
        read(text, extra_columns={"day": "Monday"})


# --- what is written

WRITTEN = '[{"date":"2026-10-01","keyword":"say \\"hi\\",\\nü","clicks":1,"ctr":0.5},{"date":null,"keyword":"","clicks":null,"ctr":1e-7}]'


def test_csv_is_quoted_and_has_a_header() -> None:
    data = converted(WRITTEN, "csv").decode()

    assert list(csv.reader(io.StringIO(data, newline=""))) == [
        ["date", "keyword", "clicks", "ctr"],
        ["2026-10-01", 'say "hi",\nü', "1", "0.5"],
        ["", "", "", "1e-7"],
    ]
    assert data.endswith('\n,"",,1e-7\n')  # null is not the empty text


def test_json_lines_hold_json() -> None:
    data = converted(
        WRITTEN, "jsonl", extra_columns={"tax": Decimal("0.1"), "bad": math.nan, "ok": True, "at": date(2026, 1, 2)}
    )

    lines = [json.loads(line, parse_float=Decimal) for line in data.decode().splitlines()]
    more = {"tax": Decimal("0.100000000"), "bad": "nan", "ok": True, "at": "2026-01-02"}
    assert lines == [
        {"date": "2026-10-01", "keyword": 'say "hi",\nü', "clicks": 1, "ctr": Decimal("0.5"), **more},
        {"date": None, "keyword": "", "clicks": None, "ctr": Decimal("1E-7"), **more},
    ]


def test_a_number_stays_one_in_json_lines_beside_one_that_json_has_no_word_for() -> None:
    data = converted("clicks,ctr\n1,0.5\n2,NaN\n3,-Infinity\n4,\n", "jsonl").decode()

    assert [json.loads(line)["ctr"] for line in data.splitlines()] == [0.5, "nan", "-inf", None]


@pytest.mark.parametrize("output_format", ["csv", "jsonl"])
def test_gzip_makes_the_same_bytes_each_time(output_format: str) -> None:
    packed = converted(WRITTEN, output_format, compression="gzip")

    assert gzip.decompress(packed) == converted(WRITTEN, output_format)
    assert packed == converted(WRITTEN, output_format, compression="gzip")


@pytest.mark.parametrize("compression", [None, "zstd", "snappy", "gzip", "none"])
def test_parquet_in_every_compression(compression: str | None) -> None:
    file = pq.ParquetFile(io.BytesIO(converted(WRITTEN, "parquet", compression=compression)))

    expected = {None: "ZSTD", "none": "UNCOMPRESSED"}.get(compression, str(compression).upper())
    assert file.metadata.row_group(0).column(0).compression == expected
    assert file.read().num_rows == 2


@pytest.mark.parametrize("output_format", ["parquet", "csv", "jsonl"])
def test_an_empty_table_is_a_readable_file(output_format: str) -> None:
    data = converted("", output_format, attributes=ASKED)

    if output_format == "parquet":
        assert pq.read_table(io.BytesIO(data)).column_names == ["date", "hour", "campaignId", "clicks", "ctr"]
    else:
        assert data.decode() == {"csv": '"date","hour","campaignId","clicks","ctr"\n', "jsonl": ""}[output_format]


def test_a_path_has_the_whole_table_or_what_stood_there_before(tmp_path: Path) -> None:
    source, target = tmp_path / "report.json", tmp_path / "report.parquet"
    source.write_text('[{"clicks":1}]')
    facts = convert(source, target, report_type="rm-performance", output_format="parquet")
    before = target.read_bytes()

    source.write_text('[{"clicks":2},{"clicks":"many"}]')
    with pytest.raises(InvalidInputError):
        convert(str(source), str(target), report_type="rm-performance", output_format="parquet")

    assert target.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [source, target]
    assert (facts.rows, facts.columns, facts.source_shape) == (1, ({"name": "clicks", "type": "int64"},), "array")


def test_facts_tell_unknown_columns_and_a_fingerprint_of_the_schema(caplog: pytest.LogCaptureFixture) -> None:
    def facts(text: str, **options: Any) -> Any:
        source = io.BytesIO(text.encode())
        return convert(source, io.BytesIO(), report_type="rm-performance", output_format="csv", **options)

    one, other = facts("clicks,novel\n1,2\n"), facts("clicks,novel\n")
    assert one.unknown_columns == ("novel",)
    assert "novel" in caplog.text
    assert one.schema_fingerprint == other.schema_fingerprint
    assert len(one.schema_fingerprint) == 64
    typed_now = facts("clicks,novel\n1,2\n", column_types={"novel": "int64"})
    assert typed_now.schema_fingerprint != one.schema_fingerprint
    assert typed_now.unknown_columns == ()


def test_row_caps_are_those_of_the_report_type() -> None:
    capped, whole = get_report_type("rm-performance"), get_report_type("statistics")
    assert capped.is_at_cap(100_000)
    assert capped.is_at_cap(10_000_000)
    assert not capped.is_at_cap(99_999)
    assert not capped.is_at_cap(None)
    assert not whole.is_at_cap(100_000)


# --- a file a day

RANGE = {"dimensions": ["Day", "CampaignId"], "metrics": ["Clicks"], "startDate": "2026-10-01", "endDate": "2026-10-05"}


def by_day(rows: list[list[Any]], partition_by: str = "Day", attributes: Any = RANGE, **options: Any) -> Any:
    source = io.BytesIO(SHAPES["wrapped"](["Day", "CampaignId", "Clicks"], rows).encode())
    chosen = TableOptions(**options)
    return convert_by_day(source, chosen, partition_by=partition_by, report_type="statistics", attributes=attributes)


def test_every_day_of_the_range_is_a_table_whatever_the_order_of_rows(tmp_path: Path) -> None:
    rows = [[f"2026-10-0{number % 4 + 1}", number, number] for number in range(1000)]
    with by_day(rows) as tables:
        assert [str(day) for day in tables.days] == [f"2026-10-0{number}" for number in range(1, 6)]
        assert tables.table.rows == 1000
        written = {day: tables.write(day, tmp_path / f"{day}.parquet") for day in tables.days}

    assert [facts.rows for facts in written.values()] == [250, 250, 250, 250, 0]
    assert len({facts.schema_fingerprint for facts in written.values()}) == 1
    for day in written:
        found = pq.read_table(tmp_path / f"{day}.parquet")
        assert found["Clicks"].to_pylist() == [row[2] for row in rows if row[0] == str(day)]
        assert found.column_names == ["Day", "CampaignId", "Clicks"]


def test_a_renamed_day_still_partitions() -> None:
    with by_day([["2026-10-01", 1, 2]], columns={"Day": "day"}, output_format="csv") as tables:
        target = io.BytesIO()
        assert tables.write(tables.days[0], target).rows == 1
    assert target.getvalue() == b'"day","CampaignId","Clicks"\n2026-10-01,"1",2\n'


@pytest.mark.parametrize(
    ("rows", "options", "error", "says"),
    [
        ([["2026-10-06", 1, 2]], {}, TableError, "the day 2026-10-06 in column 'Day', outside the days asked for"),
        ([[None, 1, 2]], {}, TableError, "no date in column 'Day'"),
        (
            [],
            {"partition_by": "Date"},
            InvalidInputError,
            "partition_by='Date' is no column of the table; its dates: Day",
        ),
        ([], {"partition_by": "Clicks"}, InvalidInputError, "is a column of type int64"),
        ([], {"attributes": {**RANGE, "endDate": None}}, InvalidInputError, "attributes.endDate=None is no date"),
        ([], {"attributes": {**RANGE, "endDate": "2026-09-01"}}, InvalidInputError, "before startDate"),
    ],
)
def test_what_cannot_be_partitioned_is_named(rows: Any, options: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        by_day(rows, **options)


@pytest.mark.parametrize(
    ("report_type", "end", "last"),
    [
        ("statistics", "2026-10-02T00:00:00Z", date(2026, 10, 2)),
        ("mpo-realtime", "2026-10-02T00:00:00Z", date(2026, 10, 1)),
        ("mpo-realtime", "2026-10-02T00:00:01Z", date(2026, 10, 2)),
        ("mpo-realtime", datetime(2026, 10, 2, tzinfo=timezone.utc), date(2026, 10, 1)),
        ("mpo-realtime", date(2026, 10, 2), date(2026, 10, 2)),
        ("rm-performance", "2026-10-02", date(2026, 10, 2)),
    ],
)
def test_the_last_day_of_a_range(report_type: str, end: Any, last: date) -> None:
    assert report_days(report_type, {"startDate": "2026-10-01", "endDate": end})[-1] == last


def test_the_days_of_whole_weeks_are_those_that_criteo_shifts_the_range_to() -> None:
    request = {"startDate": "2026-10-01", "endDate": "2026-10-05"}
    days = report_days("rm-digital-shelf-intelligence", request)
    assert (days[0], days[-1], len(days)) == (date(2026, 9, 28), date(2026, 10, 11), 14)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("last", ['"x",', "x,", '"x",""', '"a,""b",'])
def test_an_empty_cell_at_the_end_of_a_file_is_null_unless_it_is_quoted(last: str, end: str) -> None:
    report = read_report(io.BytesIO(f"CampaignId,Currency\n{last}{end}".encode()), "statistics")
    assert report.read_all()[1].to_pylist() == ["" if last.endswith('""') else None]


@pytest.mark.parametrize("columns", [["date", "capoutMissedClicks"], {"missedClicks": "capoutMissedClicks"}, None])
@pytest.mark.parametrize("spelt", ["missedClicks", "capoutMissedClicks"])
def test_a_column_is_the_same_under_its_old_name(spelt: str, columns: Any) -> None:
    text = f"date,{spelt}\n2026-10-01,1.50\n".encode()
    table = read_report(io.BytesIO(text), "rm-missed-opportunities", columns=columns).read_all()
    assert table[1].to_pylist() == [1.5]
    assert table.schema.field(1).metadata == {b"criteo.additivity": b"sum"}


def test_importing_tables_does_not_import_pyarrow() -> None:
    code = "import sys, airflow_provider_criteo.api.tables as t; t.TableOptions(); t.require_pyarrow(); sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_pyarrow_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import airflow_provider_criteo.api.tables as t\n"
        "try: t.require_pyarrow()\n"
        "except t.columns.InvalidInputError as error: assert 'airflow-provider-criteo[parquet]' in str(error); sys.exit(3)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
