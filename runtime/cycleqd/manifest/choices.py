"""The manifest's discriminated unions: fields that choose from a registry, and what they choose.

A model that holds such a field is extended by one optional field for each entry that has settings
of its own. The chosen entry's settings are filled in, so that the canonical form writes their
defaults out like all others; the settings of an entry that is not chosen are refused by a rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, create_model, model_validator
from pydantic_core import core_schema

from cycleqd.manifest.values import Model

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

    from cycleqd.manifest.registry import Registry

M = TypeVar("M", bound=Model)


class OneOf:
    """Marks a text that is the name of a registry's entry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __get_pydantic_core_schema__(
        self, _source: type[str], _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.literal_schema(list(self._registry.names))


def with_settings(registry: Registry, chooser: str) -> Callable[[type[M]], type[M]]:
    """Extend a model by the settings of a registry's entries.

    Args:
        registry: what can be chosen.
        chooser: the model's field that chooses.

    Raises:
        TypeError: (from the decorator) an entry is called like a field of the model.
    """

    def extend(model: type[M]) -> type[M]:
        if not registry.members:
            return model
        names = {info.alias or name for name, info in model.model_fields.items()}
        if taken := names.intersection(registry.members.values()):
            raise TypeError(
                f"{', '.join(sorted(taken))}: a field of {model.__name__} already; "
                "give the entry of that name another one"
            )
        fields: dict[str, Any] = {
            field: (
                registry.entries[name].settings_model | None,  # type: ignore[operator]
                Field(default=None, alias=field, description=f"Settings of ``{name}``."),
            )
            for name, field in registry.members.items()
        }
        return create_model(
            model.__name__,
            __base__=model,
            __doc__=model.__doc__,
            __module__=model.__module__,
            __validators__={"_filled": _filled(registry, chooser, model)},
            **fields,
        )

    return extend


def _filled(registry: Registry, chooser: str, model: type[Model]) -> Any:  # noqa: ANN401 (pydantic's)
    default = model.model_fields[chooser].default

    def fill(data: object) -> object:
        """Write an empty mapping where the chosen entry's settings are absent: its defaults."""
        if not isinstance(data, dict):
            return data
        name = data.get(chooser, default)
        field = registry.members.get(name) if isinstance(name, str) else None
        if field is None or field in data or not registry.entries[name].settings_written:
            return data
        return {**data, field: {}}

    return model_validator(mode="before")(fill)
