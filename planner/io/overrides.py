"""An instance with some fields changed: the what-if of sessions, sweeps and explanations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from pydantic import ValidationError

from planner.errors import InputError, Problem
from planner.io.document import Document, Location, Place
from planner.io.field_path import located
from planner.io.long_form import FOR_ALL, OWNED, POOLS, PRICE, RESERVED, WORKLOAD, WORKLOADS
from planner.io.schema_errors import FLEETS, in_words, schema_problems
from planner.io.sweep import put
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance
from planner.problem.validate_fleet import validate_fleet


@overload
def changed(instance: Instance, changes: Mapping[str, Any]) -> Instance: ...
@overload
def changed(instance: Fleet, changes: Mapping[str, Any]) -> Fleet: ...


def changed(instance: Instance | Fleet, changes: Mapping[str, Any]) -> Instance | Fleet:
    """Return an instance with other values in some fields.

    Parameters
    ----------
    instance : Instance or Fleet
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
    many = isinstance(instance, Fleet)
    places: dict[Location, Place] = {(): Place(0, "a mapping")}
    for path, wanted in changes.items():
        try:
            for location in _locations(path, value, many=many):
                value = put(value, location, wanted)
                _note(places, location, wanted)
        except (IndexError, TypeError, AttributeError):
            found, fix = "no such place in this instance", "Lists are counted from 0."
            raise InputError(Problem("a field", found, path, fix)) from None
    document = Document("", value, places)
    if isinstance(instance, Fleet):
        return _fleet(value, document).at(instance.swept)
    try:
        return Instance.model_validate(value).at(instance.swept)
    except ValidationError as error:
        raise InputError(schema_problems(error, document)) from None


def _fleet(value: dict[str, Any], document: Document) -> Fleet:
    try:
        fleet = Fleet.model_validate(value)
    except ValidationError as error:
        raise InputError(in_words(error.errors(include_url=False), document, FLEETS)) from None
    if problems := validate_fleet(fleet):
        raise InputError(problems)
    return fleet


def _locations(path: str, value: dict[str, Any], *, many: bool) -> list[Location]:
    """Return where a field of a file stands in the long form: of all workloads in each of them."""
    if not many:
        return [located(path, value)]
    workloads = value[WORKLOADS]
    first, *rest = located(path, value | ({WORKLOAD: workloads[0]} if len(workloads) == 1 else {}))
    if first in FOR_ALL:
        return [(WORKLOADS, at, first, *rest) for at in range(len(workloads))]
    if first == WORKLOAD and len(workloads) == 1:
        return [(WORKLOADS, 0, *rest)]
    if first == POOLS and rest[1:] == [PRICE]:
        return [(POOLS, rest[0], "on_demand", PRICE)]
    if first == POOLS and rest[1:2] == [OWNED]:
        return [(POOLS, rest[0], RESERVED, *rest[2:])]
    return [(first, *rest)]


def _note(places: dict[Location, Place], location: Location, wanted: Any) -> None:
    """Note a changed field as if it stood in a file that has no lines."""
    for depth in range(1, len(location)):
        places[location[:depth]] = Place(0, "a mapping")
    places[location] = Place(0, "nothing" if wanted is None else str(wanted))
