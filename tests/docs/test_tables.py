"""What the documentation lists is what there is. ``python -m tests.docs.test_tables`` writes docs/_faults.md anew."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from airflow_provider_criteo.sandbox import FAULTS
from airflow_provider_criteo.sandbox.faults import ALL_CALLS, FaultKind
from dev.form_checksum import form_checksum
from tests.support.hostile_wires import PACKAGED

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FAULTS_PAGE = DOCS / "_faults.md"
README = ROOT / "README.md"
PACKAGE = ROOT / "airflow_provider_criteo"


def faults_table() -> str:
    """Every kind of fault that the package has; those that differ by a number alone share a row."""

    def row_of(kind: FaultKind) -> tuple[str, str, bool]:
        calls = "any" if kind.calls == ALL_CALLS else ", ".join(sorted(kind.calls))
        description = re.sub(r"^HTTP \d{3} (with a problem)", r"that HTTP status \1", kind.description)
        return description, calls, kind.acts

    lines = ["| Kind | What happens | Calls | Acts |", "|---|---|---|---|"]
    packaged = [FAULTS[name] for name in PACKAGED]
    for (description, calls, acts), kinds in itertools.groupby(packaged, key=row_of):
        names = ", ".join(f"`{kind.name}`" for kind in kinds)
        lines.append(f"| {names} | {description.replace('|', '/')} | {calls} | {'yes' if acts else ''} |")
    return "\n".join(lines) + "\n"


def test_the_table_of_faults_is_that_of_the_sandbox() -> None:
    table = faults_table()
    assert FAULTS_PAGE.read_text() == table, "stale: run python -m tests.docs.test_tables"
    assert f" {len(PACKAGED)} kinds of faults" in (ROOT / "CHANGELOG.md").read_text()


def test_the_pictures_show_the_connection_form_that_is() -> None:
    pictures = list((DOCS / "images").glob("connection-form-*.png"))
    assert pictures
    for picture in pictures:
        assert picture.with_suffix(".sha256").read_text() == form_checksum(), f"{picture.name} is stale: make pictures"


def section(page: Path, heading: str) -> str:
    """A section's text."""
    _, _, rest = page.read_text().partition(f"\n## {heading}\n")
    assert rest, f"{page.name} has no section {heading!r}"
    return rest.partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """The first column of every table, without headings."""
    lines = [*text.splitlines(), ""]
    rows = [line for line, below in itertools.pairwise(lines) if line.startswith("|") and not below.startswith("|---")]
    return [row.split("|")[1].strip() for row in rows if not row.startswith("|---")]


def code_in(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_the_readme_names_every_report_type() -> None:
    from airflow_provider_criteo.api.reports import REPORT_TYPES

    named = re.findall(
        r"`((?:rm|mpo)-[a-z-]+|products|statistics|audience-performance)`", section(README, "Report types")
    )
    assert sorted(named) == sorted(REPORT_TYPES)
    assert f"all {len(REPORT_TYPES)} asynchronous ones" in README.read_text()


def pythons(text: str) -> tuple[str, ...]:
    """The versions that a text such as ``3.10 to 3.12`` names."""
    first, last = (int(version.removeprefix("3.")) for version in text.split(" to "))
    return tuple(f"3.{minor}" for minor in range(first, last + 1))


def test_the_versions_are_those_that_the_matrix_runs() -> None:
    from dev.matrix.__main__ import PYTHONS

    tested = {version.rpartition(".")[0]: pythons for version, pythons in PYTHONS.items()}
    readme = {
        airflow: pythons(cells[2].strip())
        for line in section(README, "Versions").splitlines()
        if re.match(r"\| \d", line)
        for cells in [line.split("|")]
        for airflow in cells[1].strip().split(", ")
    }
    page = section(DOCS / "upgrading.md", "Airflow versions").splitlines()
    head, python = (line.strip("|").split(" | ") for line in page if line.startswith(("| | 2.11", "| Python ")))
    upgrading = {airflow.strip(): pythons(cell.strip()) for airflow, cell in zip(head[1:], python[1:], strict=True)}
    assert readme == upgrading == tested


def project() -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def test_the_package_says_the_pythons_that_the_matrix_runs() -> None:
    from dev.matrix.__main__ import PYTHONS

    said = re.findall(r"Python :: (3\.\d+)$", "\n".join(project()["classifiers"]), re.MULTILINE)
    assert said == sorted({python for pythons in PYTHONS.values() for python in pythons})


def test_the_required_versions_are_those_of_the_package() -> None:
    rows = re.findall(r"^\| `?([\w -]+?)`? \| ([\d.]+) ", section(DOCS / "index.md", "Install"), re.MULTILINE)
    told = {name.lower().replace(" ", "-"): version.removesuffix(".0") for name, version in rows}
    asked = [f"python{project()['requires-python']}", *project()["dependencies"]]
    assert told == {name: version.removesuffix(".0") for name, _, version in (one.partition(">=") for one in asked)}


def test_an_extra_brings_what_its_row_says() -> None:
    extras = project()["optional-dependencies"]
    for line in section(DOCS / "index.md", "Install").splitlines():
        name, *brings = code_in(line.rpartition(" | ")[0]) if line.startswith("| `") else [""]
        if name in extras and name != "all":
            assert brings == [re.split(r"[>=<; ]", one)[0] for one in extras[name]]
    assert set(code_in(README.read_text().partition("Extras: ")[2].partition("\n\n")[0])) == set(extras)


def test_the_sandboxs_page_has_every_control() -> None:
    from airflow_provider_criteo.sandbox import SandboxControl

    controls = {name for name, made in vars(SandboxControl).items() if callable(made) and not name.startswith("_")}
    assert controls - {"help"} <= set(re.findall(r"`(\w+)\(", (DOCS / "sandbox.md").read_text()))


def test_every_extra_is_listed_and_all_has_all() -> None:
    extras = project()["optional-dependencies"]
    assert {code_in(cell)[0] for cell in first_cells(section(DOCS / "index.md", "Install")) if code_in(cell)} >= {
        *extras
    }
    (everything,) = extras.pop("all")
    assert everything == f"airflow-provider-criteo[{','.join(sorted(extras))}]"


def test_the_days_on_which_criteos_versions_end_are_those_of_the_catalogue() -> None:
    from airflow_provider_criteo.api.report_type import VERSION_ENDS

    told = re.findall(r"^\| `([a-z0-9-]+)` \| (\d{4}-\d\d-\d\d) \|", (DOCS / "upgrading.md").read_text(), re.MULTILINE)
    assert dict(told) == {version: str(day) for version, day in VERSION_ENDS.items()}
    for version, day in told:
        assert re.search(rf"`{version}`(?: ends)? on {day}", README.read_text())


def test_the_connection_page_has_every_extra() -> None:
    from airflow_provider_criteo.utils.connection import EXTRAS

    assert set(re.findall(r"extra `([a-z_]+)`", (DOCS / "connection.md").read_text())) == set(EXTRAS)


def test_the_connection_page_has_every_label_of_the_form() -> None:
    from airflow_provider_criteo.get_provider_info import get_provider_info

    (form,) = get_provider_info()["connection-types"]
    labels = [*form["ui-field-behaviour"]["relabeling"].values(), *(f["label"] for f in form["conn-fields"].values())]
    assert set(labels) <= set(first_cells(section(DOCS / "connection.md", "Fields")))


def test_the_exceptions_page_has_every_exception_and_whether_it_is_retried() -> None:
    from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

    from airflow_provider_criteo import exceptions

    page = (DOCS / "reference" / "exceptions.md").read_text()
    retried = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", page, re.MULTILINE))
    assert retried == {
        name: "no" if issubclass(value, AirflowFailException) else "yes"
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, AirflowException) and value.__module__ == exceptions.__name__
    }


GUIDES = [
    ("create", "operators.report_job.CreateReportJobOperator"),
    ("wait", "sensors.report_job.ReportJobStatusSensor"),
    ("download", "operators.report_job.DownloadReportOperator"),
    ("all-in-one", "transfers.report_to_object_storage.ReportToObjectStorageOperator"),
]


def defaults_of(class_path: str) -> dict[str, Any]:
    """A class's own parameters; of a required one ``None``."""
    module, _, name = class_path.rpartition(".")
    cls = getattr(importlib.import_module(f"airflow_provider_criteo.{module}"), name)
    return {
        name: None if parameter.default is parameter.empty else parameter.default
        for base in reversed(cls.__mro__)
        if base.__module__.startswith("airflow_provider_criteo")
        for name, parameter in inspect.signature(base.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def guide(page: str) -> str:
    """A guide's text, with that of the tables' page where it leads there."""
    text = (DOCS / "guides" / f"{page}.md").read_text()
    return text + (DOCS / "guides" / "tables.md").read_text() if "(tables.md)" in text else text


@pytest.mark.parametrize(("page", "class_path"), GUIDES)
def test_a_guide_has_every_parameter(page: str, class_path: str) -> None:
    listed = {code_in(cell)[0] for cell in first_cells(guide(page)) if code_in(cell)}
    assert defaults_of(class_path).keys() <= listed


@pytest.mark.parametrize(("page", "class_path"), GUIDES[1:])
def test_a_guide_has_the_defaults(page: str, class_path: str) -> None:
    # Airflow's setting is the default of ``deferrable``, where it has one.
    words = {"60 s": 60, "6 h": 6 * 60 * 60, "`[operators] default_deferrable`": False}
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\| [^|]+ \|$", guide(page), re.MULTILINE)
    told = {name: words[cell] if cell in words else ast.literal_eval(cell.strip("`") or "None") for name, cell in rows}
    defaults = defaults_of(class_path)
    assert {name: told[name] for name in defaults} == defaults


def test_the_metrics_page_has_every_metric() -> None:
    sources = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    counted = {f"criteo.{name}" for name in re.findall(r"\bcount\(\"(\w+)\"", sources)}
    timed = set(re.findall(r"\"(criteo\.\w+)\"", (PACKAGE / "utils" / "observability.py").read_text()))
    listed = {code_in(cell)[0] for cell in first_cells(section(DOCS / "observability.md", "Metrics")) if code_in(cell)}
    assert counted
    assert timed
    assert listed == counted | timed


def texts_in_code() -> Iterator[str]:
    """Every text in the package, with an ellipsis where a value is put in."""
    for path in PACKAGE.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"%[.0-9]*[sdr]", "…", node.value)
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    part.value if isinstance(part, ast.Constant) else "…"  # type: ignore[misc]
                    for part in node.values
                )


TEXTS = list(texts_in_code())
OWN_FAILURES = "".join(
    f"\n## {part}"
    for part in (DOCS / "failures.md").read_text().split("\n## ")
    if not part.startswith(("Airflow's own", "What each fault does"))
)
QUOTED = [text for cell in first_cells(OWN_FAILURES) for text in code_in(cell)]


@pytest.mark.parametrize("quoted", QUOTED)
def test_an_error_text_is_one_that_the_code_has(quoted: str) -> None:
    wanted = re.compile(".*?".join(re.escape(part.strip()) for part in quoted.split("…")), re.DOTALL)
    assert any(wanted.search(text) for text in TEXTS), f"no text of the code has {quoted!r}"


@pytest.mark.parametrize(("heading", "kind"), [("Unique counts", "distinct"), ("Ranks, prices, labels", "none")])
def test_the_metrics_that_never_add_up_are_listed(heading: str, kind: str) -> None:
    listed = section(DOCS / "guides" / "adding-up.md", heading).partition(":")[0]
    columns = json.loads((PACKAGE / "api" / "data" / "columns.json").read_text())
    never = {name for name, additivity in columns["additivity"].items() if additivity == kind}
    assert sorted(name.lower() for name in code_in(listed)) == sorted(never)


def test_the_number_of_columns_is_that_of_the_dictionary() -> None:
    columns = json.loads((PACKAGE / "api" / "data" / "columns.json").read_text())["columns"]
    assert f"a dictionary of Criteo's {len(columns)} columns" in (DOCS / "guides" / "tables.md").read_text()


def rows(text: str) -> list[list[str]]:
    """The cells of every table's rows, without headings."""
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line[:2] == "| "]


def test_the_costs_are_what_the_quota_makes_of_the_reports() -> None:
    head, *loads = rows((DOCS / "guides" / "cost.md").read_text())
    assert head[1:] == ["Reports", "Calls, at least", "At 40 a minute", "At 10 a minute"]
    for load, *cells in loads:
        reports, calls, *minutes = (int(cell.removesuffix(" min").replace(",", "")) for cell in cells)
        assert calls == 3 * reports, load
        assert minutes == [math.ceil(calls / 40), math.ceil(calls / 10)], load


def test_the_intervals_are_what_the_quota_makes_of_the_sensors() -> None:
    _, *sizes = rows(section(DOCS / "modes.md", "How long the interval should be"))
    for sensors, *cells in sizes:
        intervals = [
            float(number) * {"s": 1, "min": 60}[unit]
            for cell in cells
            for number, unit in re.findall(r"^([\d.]+) (s|min)", cell)
        ]
        assert intervals == [60 * int(sensors) / 40, 60 * int(sensors) / 10]


def test_two_years_of_an_account_are_as_many_requests_as_the_guide_says() -> None:
    page = (DOCS / "guides" / "account.md").read_text()
    accounts, advertisers = map(_requests_of, re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2])

    assert [_days(request["attributes"]) for request in accounts([{"id": "7"}])] == [*[100] * 7, 30]
    assert "Eight requests for each account: seven of 100 days and one of 30." in page
    (request,) = advertisers([{"id": "7"}])
    assert _days(request["attributes"]) == 730, "one request for each advertiser"


def _requests_of(block: str) -> Callable[[list[dict[str, str]]], list[dict[str, Any]]]:
    """The task that makes the requests, as a function."""
    names: dict[str, Any] = {}
    exec(block.partition("\nwith DAG(")[0], names)
    return cast("Callable[[list[dict[str, str]]], list[dict[str, Any]]]", names["requests"].function)


def _days(attributes: dict[str, Any]) -> int:
    return (date.fromisoformat(attributes["endDate"]) - date.fromisoformat(attributes["startDate"])).days + 1


def test_the_parts_of_a_large_request_are_those_that_the_guide_tells() -> None:
    page = (DOCS / "guides" / "split.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("\nwith DAG(")[0], names)
    assert [_days(part) for part in names["requests"]] == [100, 100, 100, 4]
    assert "Four tasks: three of 100 days and one of 4." in page


def test_every_example_dag_is_listed() -> None:
    listed = re.findall(r"^\| `(example_\w+\.py)` \|", (DOCS / "guides" / "examples.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (PACKAGE / "example_dags").glob("example_*.py"))


def test_every_example_dag_is_shown() -> None:
    page = (DOCS / "guides" / "examples.md").read_text()
    shown = re.findall(r'^    --8<-- "airflow_provider_criteo/example_dags/(\w+\.py)"$', page, re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in (PACKAGE / "example_dags").glob("example_*.py"))


def test_the_changelog_begins_with_this_version() -> None:
    from airflow_provider_criteo import __version__

    headings = re.findall(r"^## \[([^]]+)\](?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]


def test_links_between_files_lead_somewhere() -> None:
    for page in (README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (ROOT / target).exists(), f"{page.name}: {target}"


if __name__ == "__main__":
    FAULTS_PAGE.write_text(faults_table())
