"""What a database makes of the tables."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.csv
import pytest

from airflow_provider_criteo.api.tables import convert
from airflow_provider_criteo.sandbox import Sandbox
from airflow_provider_criteo.transfers.report_to_object_storage import ReportToObjectStorageOperator
from tests.support.tasks_in_process import TaskInstance

PARTITIONS = "day=*/part.parquet"


def export(folder: Path, first: str, last: str) -> dict[str, Any]:
    """The days' files of a report."""
    ti = TaskInstance()
    ReportToObjectStorageOperator(
        task_id="report",
        report_type="statistics",
        attributes={
            "advertiserIds": ["123", "456"],
            "startDate": first,
            "endDate": last,
            "dimensions": ["Day", "AdvertiserId"],
            "metrics": ["Clicks", "AdvertiserCost"],
            "currency": "EUR",
        },
        destination=f"{folder}/day={{date}}/part.parquet",
        output_format="parquet",
        partition_by="Day",
    ).execute({"ti": ti})
    told: dict[str, Any] = ti.xcoms["report_file"]
    return told


def asked(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        return database.execute(sql, list(values)).fetchall()


def test_duckdb_reads_the_partitions_as_one_table(criteo_sandbox: Sandbox, tmp_path: Path) -> None:
    told = export(tmp_path, "2026-10-01", "2026-10-03")
    source = f"read_parquet('{tmp_path}/{PARTITIONS}', hive_partitioning=false)"

    assert [row[:2] for row in asked(f"describe from {source}")] == [
        ("Day", "DATE"),
        ("AdvertiserId", "VARCHAR"),
        ("Clicks", "BIGINT"),
        ("AdvertiserCost", "DOUBLE"),
    ]
    by_day = asked(f"select Day, count(*), sum(AdvertiserCost) > 0 from {source} group by Day order by Day")
    assert by_day == [(date(2026, 10, day), 2, True) for day in (1, 2, 3)]
    assert sum(row[1] for row in by_day) == told["rows"]


def test_the_last_days_asked_for_again_take_the_place_of_these_days_alone(
    criteo_sandbox: Sandbox, tmp_path: Path
) -> None:
    export(tmp_path, "2026-10-01", "2026-10-03")
    criteo_sandbox.next_job(file_rows=0)
    export(tmp_path, "2026-10-02", "2026-10-04")

    days = asked(f"select Day, count(*) from '{tmp_path}/{PARTITIONS}' group by Day")

    assert days == [(date(2026, 10, 1), 2)]
    assert len(list(tmp_path.glob(PARTITIONS))) == 4


CSV = "date,campaignId,retailerId,ctr,spend\n2020/9/10,00123,18159942378514859684,,0\n2020/9/11,00007,2,,0\n"


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "report.csv").write_text(CSV)
    convert(tmp_path / "report.csv", tmp_path / "table.parquet", report_type="rm-performance", output_format="parquet")
    return f"'{tmp_path}/table.parquet'"


def test_what_a_guess_gets_wrong_is_right_in_the_table(tmp_path: Path, table: str) -> None:
    guessed = pyarrow.csv.read_csv(tmp_path / "report.csv")
    assert {name: str(guessed.schema.field(name).type) for name in guessed.column_names} == {
        "date": "string",
        "campaignId": "int64",
        "retailerId": "double",
        "ctr": "null",
        "spend": "int64",
    }
    first = guessed.to_pylist()[0]
    assert first["campaignId"] == 123
    assert int(first["retailerId"]) != 18159942378514859684

    assert asked(f"from {table}") == [
        (date(2020, 9, 10), "00123", "18159942378514859684", None, 0.0),
        (date(2020, 9, 11), "00007", "2", None, 0.0),
    ]
    types = {row[0]: row[1] for row in asked(f"describe from {table}")}
    assert (types["spend"], types["ctr"]) == ("DOUBLE", "DOUBLE")


def test_billing_keeps_its_digits(tmp_path: Path) -> None:
    source, target = tmp_path / "bill.json", tmp_path / "bill.parquet"
    source.write_text('[{"CreditSpend":1497.28125424},{"CreditSpend":0.00000001}]')
    convert(source, target, report_type="rm-partner-billing", output_format="parquet")

    assert asked(f"select sum(CreditSpend) from '{target}'") == [(Decimal("1497.281254250"),)]
