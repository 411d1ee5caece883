"""Checks of operator arguments: when the DAG is parsed for constants, before the first call for rendered values."""

from __future__ import annotations

from typing import Any

from airflow_provider_criteo.exceptions import as_task_exceptions


def is_constant(value: object) -> bool:
    """Whether a template field's value is final when the DAG is parsed."""
    return isinstance(value, str) and "{{" not in value and "{%" not in value


def check_constants(*, report_type: Any, api_version: Any, criteo_conn_id: Any) -> None:
    """Check the arguments that every class has, as far as they are constants.

    :raises InvalidInputError: one of them cannot be right.
    """
    from airflow_provider_criteo.exceptions import InvalidInputError
    from airflow_provider_criteo.hooks.criteo import check_report_type

    if not isinstance(criteo_conn_id, str) or not criteo_conn_id.strip():
        raise InvalidInputError(f"criteo_conn_id={criteo_conn_id!r}; allowed: the id of an Airflow connection")
    version_is_final = api_version is None or is_constant(api_version) or isinstance(api_version, (int, float))
    if is_constant(report_type):
        check_report_type(report_type, api_version if version_is_final else None)
    elif report_type is None or isinstance(report_type, (int, float, bool)):
        check_report_type(report_type)


def check_report_id(report_id: Any) -> None:
    """Check a report id that is neither text nor the output of another task.

    :raises InvalidInputError: it is none.
    """
    empty = isinstance(report_id, str) and not report_id.strip()
    if report_id is None or empty or isinstance(report_id, (int, float, bool, list, tuple, dict, set)):
        required_report_id(report_id)


def required_report_id(report_id: object) -> str:
    """The rendered report id as text.

    :raises InvalidInputError: it is none.
    """
    from airflow_provider_criteo.api.attributes import require_report_id

    with as_task_exceptions():
        return require_report_id(report_id)


def check_attributes(attributes: Any) -> None:
    """Check attributes that are neither text nor the output of another task.

    :raises InvalidInputError: they are no dict.
    """
    from airflow_provider_criteo.api.attributes import parse_attributes

    if attributes is None or isinstance(attributes, (int, float, bool, list, tuple, set)):
        with as_task_exceptions():
            parse_attributes(attributes)


def check_account_id(account_id: Any, report_type: Any) -> None:
    """Check the account, as far as it and the report type are constants.

    :raises InvalidInputError: it is missing or in the way.
    """
    from airflow_provider_criteo.api.attributes import require_account_id
    from airflow_provider_criteo.api.reports import get_report_type

    if is_constant(report_type) and (account_id is None or is_constant(account_id)):
        with as_task_exceptions():
            require_account_id(account_id, get_report_type(report_type))
