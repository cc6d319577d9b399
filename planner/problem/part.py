"""What all parts of an instance have in common, and what instances of every kind do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr


class Part(BaseModel):
    """A frozen part of an instance; keys it does not know are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True
    )


class Question(Part):
    """An instance, which may be a point of a sweep."""

    _swept: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Compare what is asked; how the instance came about does not count."""
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Agree with equality; as ever, mappings such as a table of qualities cannot be hashed."""
        return hash(tuple(self.__dict__.values()))

    @property
    def swept(self) -> dict[str, Any]:
        """Field to value of what a sweep set, in the sweep's order; empty without a sweep."""
        return dict(self._swept)

    def at(self, swept: Mapping[str, Any]) -> Self:
        """Return the same instance as the point of a sweep that set these fields."""
        point = self.model_copy()
        point._swept = dict(swept)
        return point
