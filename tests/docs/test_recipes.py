"""The recipes for databases and warehouses make tasks that their operators take. ``make test-optional`` installs these."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

import pytest
from code_blocks import BLOCKS, Block

PAGE = "docs/guides/downstream.md"
RECIPES = [block for block in BLOCKS if block.page == PAGE and block.is_dag]


def name(block: Block) -> str:
    (dag_id,) = re.findall(r'DAG\(\s*"criteo_(\w+)"', block.source)
    return str(dag_id)


@pytest.mark.parametrize("block", RECIPES, ids=name)
def test_a_recipe_is_a_dag_of_a_report_and_what_loads_it(block: Block) -> None:
    for provider in re.findall(r"^from (airflow\.providers\.\w+)", block.source, re.MULTILINE):
        if find_spec(provider) is None:
            pytest.skip(f"{provider} is not installed")
    made: dict[str, Any] = {}
    exec(compile(block.source, block.id, "exec"), made)

    report = made["report"]
    assert report.output_format in ("parquet", "csv")
    assert report.downstream_task_ids
    report.dag.validate()


def test_there_is_a_recipe_for_each() -> None:
    assert list(map(name, RECIPES)) == ["duckdb", "postgres", "bigquery", "snowflake", "redshift", "databricks"]
