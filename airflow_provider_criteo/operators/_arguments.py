"""Checks of operator arguments: when the DAG is parsed for constants, before the first call for rendered values."""

from __future__ import annotations

from typing import Any

from airflow_provider_criteo.exceptions import as_task_exceptions

_NO_TEMPLATES = (int, float, bool, list, tuple, dict, set)
"""Of what is no text, all but the output of another task."""


def is_constant(value: object) -> bool:
    """Whether a template field's value is final when the DAG is parsed."""
    return isinstance(value, str) and not any(mark in value for mark in ("{{", "{%", "{#"))


def is_final(value: object) -> bool:
    """Whether an argument's value, right or wrong, is what it will be when the task runs."""
    return value is None or is_constant(value) or isinstance(value, _NO_TEMPLATES)


def check_constants(*, report_type: Any, api_version: Any, criteo_conn_id: Any) -> None:
    """Check the arguments that every class has, as far as they are constants.

    :raises InvalidInputError: one of them cannot be right.
    """
    from airflow_provider_criteo.exceptions import InvalidInputError
    from airflow_provider_criteo.hooks.criteo import check_report_type

    if not isinstance(criteo_conn_id, str) or not criteo_conn_id.strip():
        raise InvalidInputError(f"criteo_conn_id={criteo_conn_id!r}; allowed: the id of an Airflow connection")
    if is_final(report_type):
        check_report_type(report_type, api_version if is_final(api_version) else None)


def check_report_id(report_id: Any) -> None:
    """Check a report id that is final when the DAG is parsed.

    :raises InvalidInputError: it is none.
    """
    if is_final(report_id):
        required_report_id(report_id)


def required_report_id(report_id: object) -> str:
    """The rendered report id as text.

    :raises InvalidInputError: it is none.
    """
    from airflow_provider_criteo.api.attributes import require_report_id

    with as_task_exceptions():
        return require_report_id(report_id)


def check_attributes(attributes: Any) -> None:
    """Check attributes as far as they are final when the DAG is parsed.

    :raises InvalidInputError: they are no dict, or have a value that is no JSON.
    """
    from airflow_provider_criteo.api.attributes import parse_attributes, sendable
    from airflow_provider_criteo.api.reports import DEFAULT_REPORT_TYPE, get_report_type

    if is_constant(attributes) and attributes.endswith(".json"):
        return
    if is_final(attributes):
        with as_task_exceptions():
            sendable(parse_attributes(attributes), get_report_type(DEFAULT_REPORT_TYPE), final=False)


def check_flags(**flags: Any) -> None:
    """Check arguments that are either true or false: the text ``"False"`` would be true.

    :raises InvalidInputError: one of them is neither.
    """
    from airflow_provider_criteo.exceptions import InvalidInputError

    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InvalidInputError(f"{name}={value!r}; allowed: True or False")


def check_account_id(account_id: Any, report_type: Any) -> None:
    """Check the account, as far as it and the report type are constants.

    :raises InvalidInputError: it is missing or in the way.
    """
    from airflow_provider_criteo.api.attributes import require_account_id
    from airflow_provider_criteo.api.reports import get_report_type

    if is_constant(report_type) and (account_id is None or is_constant(account_id)):
        with as_task_exceptions():
            require_account_id(account_id, get_report_type(report_type))
