"""The JSON Schema of instance files, short forms included, for editors and other tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.io.fleet.source_locations import TABLES
from planner.io.long_form import (
    AT_THE_TOP,
    FOR_ALL,
    OWNED,
    POOLS,
    PRICE,
    REQUESTS,
    TOKENS,
    WORKLOAD,
    WORKLOADS,
)
from planner.io.own_catalogue import CATALOGUE, LOOK_UP
from planner.io.schema_errors import DEMAND
from planner.problem.fleet import MOST_PERIODS, Fleet
from planner.problem.instance import SWEEP, SWEEP_SCHEMA, Instance

ONE_OR_MANY = (REQUESTS, TOKENS, "deployments", "regions", "drafts", "classes")
"""Fields of lists for which a single entry may stand."""
PATH = {"type": "string", "minLength": 1}
QUANTITY = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}
RATE = {**QUANTITY, "description": "Demand in requests per second, or with a unit: 1500 req/min."}
HOURLY = {
    "anyOf": [*QUANTITY["anyOf"], {"type": "array", "items": QUANTITY, "minItems": 1}],
    "description": "Price of one accelerator by the hour, on demand: one for all periods, or a "
    "list with one for each.",
}
ONE_KIND = {"const": 1, "description": "Kinds of deployments that may share the demand."}
RUNNING_PLAN = {
    "type": "object",
    "properties": {"plan": PATH, "period": {"type": ["string", "integer"]}},
    "required": ["plan"],
    "additionalProperties": False,
}
"""The plan that was carried out, and the period of it that runs."""
PAID_FOR = {
    "type": "object",
    "description": "Accelerators that are paid for already; used first.",
    "properties": {"gpus": {"type": "integer", "minimum": 1}, PRICE: HOURLY},
    "required": ["gpus"],
    "additionalProperties": False,
}
Schema = dict[str, Any]
OWN_FILES: Schema = {
    "type": "object",
    "description": "Catalogue files of one's own, known by the names in them.",
    "properties": {kind: {"anyOf": [PATH, {"type": "array", "items": PATH}]} for kind in LOOK_UP},
    "additionalProperties": False,
}


def instance_schema() -> Schema:
    """Return the JSON Schema of instance files: of one deployment, or of a fleet."""
    one, many = _of_one_deployment(), _of_a_fleet()
    definitions = one.pop("$defs") | many.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Instance",
        "anyOf": [one, many],
        "$defs": definitions,
    }


def _of_one_deployment() -> Schema:
    schema = Instance.model_json_schema(by_alias=True)
    workload, pool = (schema["$defs"][name] for name in ("Workload", "Pool"))
    top, inner = schema["properties"], workload["properties"]
    inner.update({key: top[key] for key in AT_THE_TOP})
    inner.update({"name": PATH, REQUESTS: RATE, "max_deployments": ONE_KIND})
    top.update({key: inner[key] for key in ("roles", "max_replicas", "max_deployments")})
    pool["properties"]["on_demand"] = {
        "type": "object",
        "properties": {PRICE: pool["properties"][PRICE]},
        "required": [PRICE],
        "additionalProperties": False,
        "description": "Accelerators paid by the hour: the long form of the price.",
    }
    schema["$defs"]["Solver"]["properties"]["method"] = {"enum": ["auto", "milp", "decomposition"]}
    _also(inner["drafts"], inner["drafts"]["items"])
    top[WORKLOADS] = _one_or_many(top[WORKLOAD], most=1)
    top[POOLS] = _one_or_many(top[POOLS]["items"])
    return _require_either(schema)


def _of_a_fleet() -> Schema:
    schema = Fleet.model_json_schema(by_alias=True)
    for node in _nodes(schema):
        if node.get("type") == "array" and "minLength" in node:
            # pydantic counts the entries of a list behind a validator as if it were text.
            node["minItems"] = node.pop("minLength")
    for part in (schema, *schema["$defs"].values()):
        for name, field in part.get("properties", {}).items():
            if name in ONE_OR_MANY or (name == PRICE and field.get("type") == "array"):
                _let_one_stand_for_many(field)
    workload, pool = (schema["$defs"][name] for name in ("FleetWorkload", "FleetPool"))
    for part in (workload, pool):
        part["required"] = [name for name in part["required"] if name != "name"]
    for name in (REQUESTS, TOKENS):
        _also(workload["properties"][name], {"type": "string"})
    pool["properties"].update({PRICE: HOURLY, OWNED: PAID_FOR})
    top = schema["properties"]
    top.update({key: workload["properties"][key] for key in FOR_ALL})
    schema["$defs"]["FleetSolver"]["properties"]["name"] = {"const": "highs"}
    top[WORKLOAD] = top[WORKLOADS]["items"]
    for name in (WORKLOADS, POOLS):
        top[name] = _one_or_many(top[name]["items"])
    for name in TABLES:
        _also(top[name], PATH)
    top["running"]["anyOf"].append(RUNNING_PLAN)
    _also(top["periods"], {"type": "integer", "minimum": 1, "maximum": MOST_PERIODS})
    described = "Path of a CSV table of demand, seen from the folder of the instance file."
    top[DEMAND] = {**PATH, "title": "Demand", "description": described}
    return _require_either(schema)


def _require_either(schema: Schema) -> Schema:
    """Require pools, and workloads in one of the two spellings; a name is the file's otherwise."""
    schema["properties"] |= {CATALOGUE: OWN_FILES, SWEEP: SWEEP_SCHEMA}
    schema["required"] = [POOLS]
    schema["oneOf"] = [{"required": [WORKLOAD]}, {"required": [WORKLOADS]}]
    return schema


def _one_or_many(item: Schema, most: int | None = None) -> Schema:
    many: Schema = {"type": "array", "items": item, "minItems": 1}
    return {"anyOf": [item, many if most is None else {**many, "maxItems": most}]}


def _nodes(value: Any) -> Iterator[Schema]:
    """Yield every mapping of a schema."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _let_one_stand_for_many(field: Schema) -> None:
    """Let an entry stand for a list of one, also in each list of a mapping."""
    if field.get("type") == "array":
        _also(field, field["items"])
        return
    for option in list(field.get("anyOf", ())):
        if option.get("type") == "array":
            field["anyOf"].append(option["items"])
        elif option.get("type") == "object":
            _also(option["additionalProperties"], option["additionalProperties"]["items"])


def _also(field: Schema, option: Schema) -> None:
    """Let a field have another form beside its own."""
    if "anyOf" in field:
        field["anyOf"].append(option)
        return
    kept: Schema = {key: field[key] for key in ("title", "description", "default") if key in field}
    first = {key: value for key, value in field.items() if key not in kept}
    field.clear()
    field.update({**kept, "anyOf": [first, option]})
