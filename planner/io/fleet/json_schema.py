"""The JSON Schema of fleet files: a fleet, and what its file may say in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.io.fleet.source_locations import DEMAND, TABLES
from planner.problem.fleet import Fleet

ONE_OR_MANY = ("requests_per_second", "tokens_per_second", "candidates", "regions")
"""Fields of lists for which a single entry may stand."""
MOST_PERIODS = 100_000
PATH = {"type": "string", "minLength": 1}


def fleet_schema() -> dict[str, Any]:
    """Return the JSON Schema of fleet files, for editors and other tools."""
    schema = Fleet.model_json_schema(by_alias=True)
    for node in _nodes(schema):
        if node.get("type") == "array" and "minLength" in node:
            # pydantic counts the entries of a list behind a validator as if it were text.
            node["minItems"] = node.pop("minLength")
    for part in (schema, *schema["$defs"].values()):
        for name, field in part.get("properties", {}).items():
            if name in ONE_OR_MANY:
                _let_one_stand_for_many(field)
    for name in TABLES:
        _also(schema["properties"][name], PATH)
    number = {"type": "integer", "minimum": 1, "maximum": MOST_PERIODS}
    _also(schema["properties"]["periods"], number)
    described = "Path of a CSV table of demand, seen from the fleet file's folder."
    schema["properties"][DEMAND] = {**PATH, "title": "Demand", "description": described}
    return schema


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping of a schema."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _let_one_stand_for_many(field: dict[str, Any]) -> None:
    """Let an entry stand for a list of one, also in each list of a mapping."""
    if field.get("type") == "array":
        _also(field, field["items"])
        return
    for option in list(field.get("anyOf", ())):
        if option.get("type") == "array":
            field["anyOf"].append(option["items"])
        elif option.get("type") == "object":
            _also(option["additionalProperties"], option["additionalProperties"]["items"])


def _also(field: dict[str, Any], option: dict[str, Any]) -> None:
    """Let a field have another form beside its own."""
    if "anyOf" in field:
        field["anyOf"].append(option)
        return
    kept: dict[str, Any] = {
        key: field[key] for key in ("title", "description", "default") if key in field
    }
    first = {key: value for key, value in field.items() if key not in kept}
    field.clear()
    field.update({**kept, "anyOf": [first, option]})
