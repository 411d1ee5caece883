"""Checks of task arguments: when the DAG is parsed for what is final then, before the first call for the rest."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeGuard

from airflow_provider_criteo.api.attributes import as_json, parse_attributes
from airflow_provider_criteo.api.report_type import require_account_id, require_report_id
from airflow_provider_criteo.api.reports import DEFAULT_REPORT_TYPE, get_report_type
from airflow_provider_criteo.exceptions import InvalidInputError, as_task_exceptions

DEFAULT_CONN_ID = "criteo_default"
SPLIT = "split"
"""Of ``on_row_cap``: the request is cut where Criteo cut its report."""

SPLIT_NEEDS_REQUEST = (
    "on_row_cap='split': here is a job and no request that could be cut; use ReportToObjectStorageOperator, or "
    "on_row_cap='fail' or 'warn'"
)
_LONGEST = 366 * 24 * 3600.0
_JINJA_STARTS = {
    "variable_start_string": "{{",
    "block_start_string": "{%",
    "comment_start_string": "{#",
    "line_statement_prefix": None,
    "line_comment_prefix": None,
}
"""Jinja's defaults: https://jinja.palletsprojects.com/en/stable/api/#jinja2.Environment"""


def is_final(value: object, task: Any) -> bool:
    """Whether a template field's value, right or wrong, is what it will be when the task runs.

    :param task: its DAG may have delimiters of its own.
    """
    if isinstance(value, str):
        return not any(start in value for start in _template_starts(task)) and not _is_read_by_python(value, task)
    if isinstance(value, Mapping):
        return all(is_final(item, task) for item in value.values())
    if isinstance(value, (list, tuple, set)):
        return all(is_final(item, task) for item in value)
    return value is None or isinstance(value, (int, float))


def _is_read_by_python(text: str, task: Any) -> bool:
    """Whether native rendering makes something else of a text without templates, such as ``'["Day"]'``.

    Numbers stay text, as ``UsesConnection`` renders them.

    Source: https://jinja.palletsprojects.com/en/stable/nativetypes/
    """
    if not getattr(getattr(task, "_dag", None), "render_template_as_native_obj", False):
        return False
    try:
        return type(ast.literal_eval(text)) not in (int, float, complex, tuple)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def _template_starts(task: Any) -> list[str]:
    options = getattr(getattr(task, "_dag", None), "jinja_environment_kwargs", None) or {}
    starts = (options.get(name, usual) for name, usual in _JINJA_STARTS.items())
    return [start for start in starts if start]


def check_conn_id(task: Any) -> None:
    """Check the connection's id, if it is final.

    :raises InvalidInputError: it is none.
    """
    conn_id = task.criteo_conn_id
    if is_final(conn_id, task) and not (isinstance(conn_id, str) and conn_id.strip()):
        raise InvalidInputError(f"criteo_conn_id={conn_id!r}; allowed: the id of an Airflow connection")


def check_report_type(task: Any) -> None:
    """Check the report type and the API version, as far as they are final.

    :raises InvalidInputError: there is no such report type, or the version does not serve it.
    """
    if is_final(task.report_type, task):
        version = task.api_version if is_final(task.api_version, task) else None
        with as_task_exceptions():
            get_report_type(task.report_type).versions_to_call(version or None)


def check_report_id(task: Any) -> None:
    """Check a report id that is final when the DAG is parsed.

    :raises InvalidInputError: it is none.
    """
    if is_final(task.report_id, task):
        required_report_id(task.report_id)


def required_report_id(report_id: object) -> str:
    """The rendered report id as text.

    :raises InvalidInputError: it is none.
    """
    with as_task_exceptions():
        return require_report_id(report_id)


def is_json_file(attributes: object) -> TypeGuard[str]:
    """Whether attributes are the path of the file in which they stand."""
    return isinstance(attributes, str) and attributes.endswith(".json") and not attributes.lstrip().startswith("{")


def check_attributes(task: Any) -> None:
    """Check attributes, as far as they are final when the DAG is parsed.

    :raises InvalidInputError: they are no dict, or have a value that is no JSON.
    """
    attributes = task.attributes
    if is_json_file(attributes) or (isinstance(attributes, str) and not is_final(attributes, task)):
        return
    if isinstance(attributes, (str, Mapping, int, float, list, tuple, set)) or attributes is None:
        with as_task_exceptions():
            as_json(parse_attributes(attributes), get_report_type(DEFAULT_REPORT_TYPE), final=False)


def check_account_id(task: Any) -> None:
    """Check the account, as far as it and the report type are final.

    :raises InvalidInputError: it is missing or in the way.
    """
    if is_final(task.report_type, task) and is_final(task.account_id, task):
        with as_task_exceptions():
            require_account_id(task.account_id, get_report_type(task.report_type))


def check_flags(**flags: Any) -> None:
    """Check arguments that are either true or false: the text ``"False"`` would be true.

    :raises InvalidInputError: one of them is neither.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InvalidInputError(f"{name}={value!r}; allowed: True or False")


def seconds(name: str, value: Any, least: float) -> float:
    """An argument that is a number of seconds or a timedelta, as seconds.

    :raises InvalidInputError: it is neither, or too short, or longer than a year.
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not least <= number <= _LONGEST:
        raise InvalidInputError(
            f"{name}={value!r}; allowed: at least {least:g} seconds and at most a year, as a number or a timedelta"
        )
    return float(number)
