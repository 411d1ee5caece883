"""``ListAccountsOperator``: the advertisers or the Retail Media accounts that a connection may read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from airflow_provider_criteo.api.accounts import account_versions
from airflow_provider_criteo.api.exceptions import require_choice
from airflow_provider_criteo.exceptions import PermissionDeniedError, as_task_exceptions
from airflow_provider_criteo.operators.base import UsesConnection
from airflow_provider_criteo.utils.arguments import check_flags, is_final

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_KINDS = ("advertisers", "retail-media-accounts")


class ListAccountsOperator(UsesConnection):
    """List the accounts that have given the application consent, e.g. to expand report tasks over.

    Sources: https://developers.criteo.com/marketing-solutions/docs/get-my-advertisers,
    https://developers.criteo.com/retail-media/docs/accounts

    :param kind: ``"advertisers"`` or ``"retail-media-accounts"`` (templated).
    :param criteo_conn_id: the Airflow connection (templated).
    :param api_version: in place of the connection's and of Criteo's current one (templated).
    :param allow_empty: whether an empty list is a result; else the task fails without a retry.
    :rtype: list[dict[str, Any]]
    :return: a list of dicts with ``id`` (text), ``name`` and what else Criteo tells of each.
    :raises InvalidInputError: an argument cannot be right.
    :raises PermissionDeniedError: the list is empty: nobody has given consent.
    :raises CriteoError: Criteo refused, or cannot be reached.
    """

    template_fields: Sequence[str] = ("kind", *UsesConnection.template_fields)
    ui_color = "#ffe8d1"

    def __init__(
        self,
        *,
        kind: str | Any = "advertisers",
        allow_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.allow_empty = allow_empty
        check_flags(allow_empty=allow_empty)
        if is_final(kind, self):
            _check_kind(kind)
        if is_final(self.api_version, self):
            with as_task_exceptions():
                account_versions(self.api_version or None)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List them all, page by page."""
        _check_kind(self.kind)
        with closing(self.hook) as hook:
            found = hook.get_advertisers() if self.kind == "advertisers" else hook.get_retail_media_accounts()
        if not found and not self.allow_empty:
            raise PermissionDeniedError(
                reason=f"connection {self.criteo_conn_id!r} sees no {self.kind}",
                request=f"the list of {self.kind}",
                advice="let an administrator of each account approve the application's consent URL; if none is right, "
                "set allow_empty=True.",
            )
        self.log.info("Criteo lists %d %s", len(found), self.kind)
        return found


def _check_kind(kind: object) -> None:
    with as_task_exceptions():
        require_choice("kind", kind, _KINDS)
