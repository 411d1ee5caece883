"""An extension of griffe, for the Reference: a class has the parameters that it takes for its base classes, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

import griffe

_T = TypeVar("_T", griffe.Class, griffe.Function)
_DATACLASS = "pydantic.dataclasses.dataclass"
_EMPTY = {
    "dict()": "{}",
    "field(default_factory=dict)": "{}",
    "field(default_factory=list)": "[]",
}


class InheritedParameters(griffe.Extension):
    """Types and defaults of what a class documents, wherever in its bases they stand."""

    def on_package(self, *, pkg: griffe.Module, **_: object) -> None:
        """Complete the ``__init__`` of each class, and put values in the place of constants."""
        for cls in list(_members(pkg, griffe.Class)):
            if parameters := _parameters(cls):
                cls.set_member("__init__", griffe.Function("__init__", parameters=griffe.Parameters(*parameters)))
        for function in _members(pkg, griffe.Function):
            for parameter in function.parameters:
                parameter.default = _value(pkg, parameter.default)


def _members(owner: griffe.Module | griffe.Class, kind: type[_T]) -> Iterator[_T]:
    for member in owner.members.values():
        if isinstance(member, kind):
            yield member
        if isinstance(member, griffe.Module | griffe.Class):
            yield from _members(member, kind)


def _parameters(cls: griffe.Class) -> list[griffe.Parameter]:
    """Those of the nearest ``__init__``, and, where it passes on what it does not know, those of the next ones."""
    found: dict[str, griffe.Parameter] = {}
    for base in (cls, *cls.mro()):
        own = list(_own_parameters(base))
        for parameter in own:
            found.setdefault(parameter.name, parameter)
        if own and not any(parameter.kind is griffe.ParameterKind.var_keyword for parameter in own):
            break
    return sorted(found.values(), key=lambda parameter: parameter.kind is griffe.ParameterKind.var_keyword)


def _own_parameters(cls: griffe.Class) -> Iterator[griffe.Parameter]:
    if any(decorator.callable_path == _DATACLASS for decorator in cls.decorators):
        for field in cls.attributes.values():
            if field.annotation is not None:
                yield griffe.Parameter(
                    field.name, annotation=field.annotation, kind=griffe.ParameterKind.keyword_only, default=field.value
                )
    elif isinstance(init := cls.members.get("__init__"), griffe.Function):
        yield from init.parameters


def _value(pkg: griffe.Module, default: str | griffe.Expr | None) -> str | griffe.Expr | None:
    """The value of a constant; else the default as it is written, an enum's member by its name."""
    if isinstance(default, griffe.ExprName | griffe.ExprAttribute):
        with suppress(KeyError):
            constant = pkg[default.canonical_path.removeprefix(f"{pkg.path}.")]
            if constant.is_attribute and "Enum" not in map(str, getattr(constant.parent, "bases", ())):
                value: str | griffe.Expr | None = constant.value
                return value
    return _EMPTY.get(str(default), default)
