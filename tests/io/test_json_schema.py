"""The JSON Schema of instance files: what the reader takes it takes, and it refuses slips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from test_long_form import ASKS_FOR_MORE, MANY, ONE, POOL, SAME, WORKLOAD

from planner.io.json_schema import instance_schema

INSTANCES = sorted((Path(__file__).parents[2] / "instances").glob("**/instance.*"))
SCHEMA = instance_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def accepted(content: dict[str, Any]) -> bool:
    return bool(VALIDATOR.is_valid(content))


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: path.parent.name)
def test_every_shipped_instance_is_accepted(path):
    content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    assert accepted(content), [error.message for error in VALIDATOR.iter_errors(content)]


@pytest.mark.parametrize("form", SAME)
def test_short_forms_are_accepted(form):
    assert accepted(SAME[form](ONE))
    assert accepted(SAME[form](MANY))


@pytest.mark.parametrize("more", ASKS_FOR_MORE, ids=repr)
def test_what_only_fleets_know_is_accepted(more):
    content = {"pools": [POOL], **more}
    if "spot" in str(more):
        content["pools"] = [{"accelerator": "l40s", "spot": {"dollars_per_gpu_hour": 1}}]
    assert accepted(content)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"pools": []},
        {"pool": [POOL]},
        {"objective": "cheapest"},
        {"name": 5},
        {"workloads": [WORKLOAD]},
        {"search": {"batch": {"first": 1}}},
        {"workload": {**WORKLOAD, "input_token": 3}},
        {"workload": {**WORKLOAD, "mixing": True}},
        {"workload": {**WORKLOAD, "max_deployments": "several"}},
        {"headroom": 2},
    ],
    ids=repr,
)
def test_slips_are_refused(spoilt):
    assert not accepted({**ONE, **spoilt})


def test_every_field_is_described():
    for part in (*SCHEMA["anyOf"], *SCHEMA["$defs"].values()):
        for name, field in part.get("properties", {}).items():
            assert "description" in field or "$ref" in str(field) or name in ("name", "method")
