"""The connection form's extra fields for Airflow before 3.2, made from the provider info's ``conn-fields``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def widgets(conn_fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One form widget per extra field.

    :param conn_fields: the provider info's.
    """
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget, Select2Widget
    from flask_babel import lazy_gettext
    from wtforms import PasswordField, SelectField, StringField
    from wtforms.validators import Optional

    def widget(field: Mapping[str, Any]) -> Any:
        label, description, schema = lazy_gettext(field["label"]), field["description"], field["schema"]
        if "enum" in schema:
            choices = [(value, value) for value in ("", *schema["enum"])]
            return SelectField(
                label,
                choices=choices,
                default=schema.get("default", ""),
                description=description,
                widget=Select2Widget(),
                validators=[Optional()],
            )
        if schema.get("format") == "password":
            return PasswordField(label, description=description, widget=BS3PasswordFieldWidget())
        return StringField(label, description=description, widget=BS3TextFieldWidget())

    return {name: widget(field) for name, field in conn_fields.items()}
