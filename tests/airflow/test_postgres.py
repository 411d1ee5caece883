"""A real PostgreSQL takes a table by the statements that the documentation shows."""

from __future__ import annotations

import ast
import re
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest

from airflow_provider_criteo.api.tables import convert
from dev.postgres import Postgres

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "downstream.md").read_text()

REPORT = (
    '{"columns":["Day","CampaignId","Clicks","AdvertiserCost"],"data":['
    '["2026-11-01","00123",7,0.1],["2026-11-02","",null,null],["2026-11-02","a,\\"b\\"\\n€",0,1e-7]]}'
)


def documented(name: str) -> str:
    """A statement of the documentation's."""
    (text,) = re.findall(rf"^{name} = (.*)$", PAGE, re.MULTILINE)
    return str(ast.literal_eval(text))


@pytest.fixture(scope="module")
def postgres() -> object:
    with Postgres("reports") as server:
        yield psycopg2.connect(f"postgresql://{server.address}")


def test_postgresql_copies_the_csv_and_replaces_the_days(
    postgres: psycopg2.extensions.connection, tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text(REPORT)
    table = tmp_path / "table.csv"
    convert(tmp_path / "report.json", table, report_type="statistics", output_format="csv")

    for _ in range(2):
        with postgres, postgres.cursor() as cursor, table.open(newline="") as file:
            cursor.execute(documented("CREATE"))
            cursor.execute(documented("DELETE"), ("2026-11-01", "2026-11-02"))
            cursor.copy_expert(documented("COPY"), file)

    with postgres.cursor() as cursor:
        cursor.execute('SELECT * FROM spend ORDER BY "Day", "CampaignId"')
        assert cursor.fetchall() == [
            (date(2026, 11, 1), "00123", 7, 0.1),
            (date(2026, 11, 2), "", None, None),
            (date(2026, 11, 2), 'a,"b"\n€', 0, 1e-7),
        ]


def test_postgresql_reads_each_type(postgres: psycopg2.extensions.connection, tmp_path: Path) -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
    types = {f"c{number}": kind for number, (kind, _) in enumerate(rows)}
    texts = {
        "string": "null",
        "int64": 2**63 - 1,
        "float64": 0.1,
        "bool": True,
        "date32": "2026-10-01",
        "timestamp[us, UTC]": "2026-10-01T05:00:00.123456+02:00",
        "decimal128(38, 9)": "1497.28125424",
    }
    assert set(types.values()) == set(texts)
    (tmp_path / "report.csv").write_text(
        ",".join(types) + "\n" + ",".join(str(texts[kind]) for kind in types.values()) + "\n"
    )
    convert(
        tmp_path / "report.csv",
        tmp_path / "table.csv",
        report_type="statistics",
        output_format="csv",
        column_types=types,
    )

    with postgres, postgres.cursor() as cursor, (tmp_path / "table.csv").open(newline="") as file:
        cursor.execute(f"CREATE TABLE types ({', '.join(f'c{n} {kind}' for n, (_, kind) in enumerate(rows))})")
        cursor.copy_expert("COPY types FROM STDIN WITH (FORMAT csv, HEADER MATCH)", file)
        cursor.execute("SELECT * FROM types")
        (found,) = cursor.fetchall()

    moment = datetime(2026, 10, 1, 3, 0, 0, 123456, tzinfo=timezone.utc)
    assert found == ("null", 2**63 - 1, 0.1, True, date(2026, 10, 1), moment, Decimal("1497.281254240"))
