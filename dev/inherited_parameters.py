"""An extension of griffe, for the Reference: a class has the parameters that it takes for its base classes, too."""

from __future__ import annotations

from collections.abc import Iterator

import griffe

_DATACLASS = "pydantic.dataclasses.dataclass"


class InheritedParameters(griffe.Extension):
    """Types and defaults of what a class documents, wherever in its bases they stand."""

    def on_package(self, *, pkg: griffe.Module, **_: object) -> None:
        """Complete the ``__init__`` of each class."""
        for cls in list(_classes(pkg)):
            if parameters := _parameters(cls):
                cls.set_member("__init__", griffe.Function("__init__", parameters=griffe.Parameters(*parameters)))


def _classes(owner: griffe.Module | griffe.Class) -> Iterator[griffe.Class]:
    for member in owner.members.values():
        if isinstance(member, griffe.Class):
            yield member
        if isinstance(member, griffe.Module | griffe.Class):
            yield from _classes(member)


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
