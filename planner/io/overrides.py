"""An instance with some fields changed: the what-if of sessions, sweeps and explanations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from planner.errors import InputError, Problem
from planner.io.document import Document, Location, Place
from planner.io.schema_errors import schema_problems
from planner.io.sweep import put
from planner.io.sweep_axes import located
from planner.problem.instance import Instance


def changed(instance: Instance, changes: Mapping[str, Any]) -> Instance:
    """Return an instance with other values in some fields.

    Parameters
    ----------
    instance : Instance
        What was asked.
    changes : mapping of str to any
        Path of a field, as sweeps write it (`pools[0].dollars_per_gpu_hour`), to its value as the
        file would hold it; None leaves the field out, and mappings are merged into what is there.

    Raises
    ------
    InputError
        Where there is no such field, or it cannot have that value.
    """
    value: Any = instance.model_dump(by_alias=True, exclude_unset=True)
    for path, wanted in changes.items():
        try:
            value = put(value, located(path), wanted)
        except (IndexError, TypeError, AttributeError):
            found, fix = "no such place in this instance", "Lists are counted from 0."
            raise InputError(Problem("a field", found, path, fix)) from None
    try:
        return Instance.model_validate(value).at(instance.swept)
    except ValidationError as error:
        raise InputError(schema_problems(error, _document(value, changes))) from None


def _document(value: dict[str, Any], changes: Mapping[str, Any]) -> Document:
    """Return the changed fields as a file that has no lines."""
    places: dict[Location, Place] = {(): Place(0, "a mapping")}
    for path, wanted in changes.items():
        location = located(path)
        for depth in range(1, len(location)):
            places[location[:depth]] = Place(0, "a mapping")
        places[location] = Place(0, "nothing" if wanted is None else str(wanted))
    return Document("", value, places)
