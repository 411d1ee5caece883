"""The connection form's extra fields for Airflow before 3.2, made from the provider info's ``conn-fields``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def widgets(conn_fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One form widget per extra field.

    Airflow takes no other field classes than these: for a ``SelectField`` it would drop the whole connection type.
    A ``StringField`` with ``any_of`` is a dropdown from Airflow 3.0 on, and a text field before.

    :param conn_fields: the provider info's.
    """
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import IntegerField, PasswordField, StringField, validators
    from wtforms.validators import Optional, any_of

    if sys.version_info < (3, 11):
        # Where there is no wtforms, Airflow 3.1 puts a mock in its place, whose any_of is here on this Python.
        any_of = validators.any_of

    def widget(field: Mapping[str, Any]) -> Any:
        schema = field["schema"]
        if schema.get("format") == "password":
            kind, look = PasswordField, BS3PasswordFieldWidget
        elif "integer" in schema["type"]:
            kind, look = IntegerField, BS3TextFieldWidget
        else:
            kind, look = StringField, BS3TextFieldWidget
        return kind(
            lazy_gettext(field["label"]),
            description=field["description"],
            default=schema.get("default"),
            validators=[Optional(), *([any_of(schema["enum"])] if "enum" in schema else [])],
            widget=look(),
        )

    return {name: widget(field) for name, field in conn_fields.items()}
