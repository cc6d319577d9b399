"""What the schema and the catalogue object to, told in the words of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from planner.errors import Problem, nearest
from planner.io.document import LONGEST_EXCERPT, Document, Location, dotted
from planner.io.long_form import FOR_ALL, OWNED, WORKLOAD, WORKLOADS
from planner.io.other_names import OtherName, other_name
from planner.io.own_catalogue import CATALOGUE
from planner.io.words_of_other_tools import FORMS_NOT_YET
from planner.problem.changes import Changes
from planner.problem.fleet import (
    Fleet,
    FleetPool,
    FleetSolver,
    FleetWorkload,
    OnDemand,
    Period,
    Prediction,
    RequestClass,
    Reserved,
    Robustness,
    Running,
    Scenario,
    Spot,
)
from planner.problem.instance import (
    SWEEP,
    BatchRange,
    Draft,
    Instance,
    Pool,
    Quality,
    Search,
    Solver,
    Workload,
)

LONGEST_FOUND = 3 * LONGEST_EXCERPT


DEMAND = "demand"
"""Key of a file that names a table of demand; no model has it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a kind of file may say."""

    root: type[BaseModel]
    parts: Mapping[str, type[BaseModel]]
    """Part by what it is called, in the order in which a misplaced key is looked for."""


TWINS: Mapping[type[BaseModel], tuple[type[BaseModel], ...]] = {
    model: twins
    for twins in (
        (Instance, Fleet),
        (Workload, FleetWorkload),
        (Pool, FleetPool),
        (Solver, FleetSolver),
    )
    for model in twins
}
"""Parts that are one to who writes a file, whichever kind of instance it turns out to be."""
WRITTEN_OUT: Mapping[type[BaseModel], tuple[str, ...]] = {
    Fleet: (DEMAND, WORKLOAD, WORKLOADS, CATALOGUE, SWEEP, *FOR_ALL),
    FleetPool: (OWNED, "dollars_per_gpu_hour"),
}
"""Keys that a file may have and its model has not, since they are written out before."""
SHARED: Mapping[str, type[BaseModel]] = {
    "`on_demand` of a pool": OnDemand,
    "`reserved` of a pool": Reserved,
    "`spot` of a pool": Spot,
    "an entry of `periods`": Period,
    "an entry of a workload's `classes`": RequestClass,
    "an entry of a workload's `drafts`": Draft,
    "`quality`": Quality,
    "`search`": Search,
    "`search.batch`": BatchRange,
    "`prediction`": Prediction,
    "an entry of `scenarios`": Scenario,
    "`robustness`": Robustness,
    "an entry of `running`": Running,
    "`changes`": Changes,
    "`solver`": FleetSolver,
}
"""Parts that are called alike in both kinds of instances."""
INSTANCES = Schema(
    Instance,
    {"the top level": Instance, "`workload`": Workload, "an entry of `pools`": Pool, **SHARED},
)
FLEETS = Schema(
    Fleet,
    {
        "the top level": Fleet,
        "an entry of `workloads`": FleetWorkload,
        "an entry of `pools`": FleetPool,
        **SHARED,
    },
)


def schema_problems(
    error: ValidationError, document: Document, about: Callable[[Location], bool] = lambda _: True
) -> list[Problem]:
    """Return what the schema of instances objects to, sorted by line.

    Parameters
    ----------
    error : ValidationError
        What pydantic found wrong with the document's value.
    document : Document
        The file as it was read.
    about : callable, optional
        Tells of which locations problems are wanted; an unknown key counts as its parent.
    """
    wanted = (details for details in error.errors() if about(_subject(details)))
    return in_words(wanted, document, INSTANCES)


def in_words(
    complaints: Iterable[ErrorDetails], document: Document, schema: Schema
) -> list[Problem]:
    """Return what pydantic complains of in the words of the file, sorted by line.

    Parameters
    ----------
    complaints : iterable of ErrorDetails
        What it found wrong with the document's value.
    document : Document
        The file as it was read.
    schema : Schema
        What such a file may say.
    """
    return _sorted(
        _problem(details, document, schema) for details in complaints if not _misjudged(details)
    )


def placed(problems: Iterable[Problem], document: Document) -> list[Problem]:
    """Return problems that know their field with file and line too, sorted by line."""
    return _sorted(_place(problem, document) for problem in problems)


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    # A single number that stands for a range is wrong at both its ends: said once is enough.
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line)


def _place(problem: Problem, document: Document) -> Problem:
    if problem.file:  # it lies in another file, such as a config.json
        return problem
    parts = re.findall(r"[^.\[\]]+", problem.field)
    inside = tuple(int(part) if part.isdigit() else part for part in parts)
    location = document.written(inside)
    found = problem.found
    if len(found) > LONGEST_FOUND:
        found = f"{found[:LONGEST_FOUND]}..."
    return replace(problem, found=found, field=dotted(location)).at(
        document.file, document.line(location)
    )


def _subject(details: ErrorDetails) -> Location:
    """Return the location of what is wrong: of a key that may not be there, what holds it."""
    location = details["loc"]
    if location[-1:] == ("[key]",):
        return location[:-2]
    return location[:-1] if details["type"] == "extra_forbidden" else location


def _misjudged(details: ErrorDetails) -> bool:
    """Tell whether pydantic calls a list too short only because its entries failed."""
    return details["type"] == "too_short" and bool(details["input"])


def _problem(details: ErrorDetails, document: Document, schema: Schema) -> Problem:
    location = document.written(details["loc"])
    expected, fix = _expectation(details, location, schema)
    place = document.places.get(location)
    found = "nothing" if place is None else place.text
    if details["type"] == "extra_forbidden":
        other = _other_name(details, location)
        found = found if other is not None and other.shows_value else "an unknown key"
    if details["type"] == "too_short":
        found = "an empty list"
    line = document.line(location)
    return Problem(expected, found, dotted(location), fix, document.file, line)


def _other_name(details: ErrorDetails, location: Location) -> OtherName | None:
    inside = next((part for part in reversed(location[:-1]) if isinstance(part, str)), "")
    return other_name(str(location[-1]), details["input"], inside)


WHOLE = "Write digits only, without quotes or unit."
EXPECTATIONS = {
    "greater_than": ("a number above {gt}", "Write a larger number."),
    "greater_than_equal": ("a number of at least {ge}", "Write a larger number."),
    "less_than": ("a number below {lt}", "Write a smaller number."),
    "less_than_equal": ("a number of at most {le}", "Write a smaller number."),
    "finite_number": ("a finite number", "Write a number."),
    "int_type": ("a whole number", WHOLE),
    "int_from_float": ("a whole number", WHOLE),
    "int_parsing_size": ("a whole number of fewer digits", "Write a smaller number."),
    "float_type": ("a number", "Write it without quotes or unit."),
    "bool_type": ("true or false", "Write it without quotes."),
    "bool_parsing": ("true or false", "Write one of the two."),
    "string_type": ("text", "Put it in quotes."),
    "string_unicode": ("whole characters", "Write the character itself instead of its escapes."),
    "string_too_short": ("a name", "Write at least one character."),
    "string_pattern_mismatch": (
        "one line of plain text that begins with none of = + - @",
        "Begin it with another character, and leave out line breaks and control characters.",
    ),
    "string_too_long": ("at most {max_length} characters", "Shorten it."),
    "tuple_type": ("a list", "Put a dash before each entry, or square brackets round them."),
    "missing": ("a value, since this field has no default", "Add it."),
}
"""Expectation and advice by pydantic's type of error."""


def _expectation(details: ErrorDetails, location: Location, schema: Schema) -> tuple[str, str]:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _expected_key(details, location, schema)
    if kind == "value_error":
        return str(context["error"]), _advice_on_value(details, str(context["error"]))
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return _expected_part(location, schema), _advice_on_part(details["input"])
    if kind == "literal_error":
        names = re.findall(r"'([^']+)'", str(context["expected"]))
        return f"one of {', '.join(names)}", _advice_on_name(
            str(details["input"]), names
        ) or "Choose one."
    if kind == "too_short":
        return "at least one entry", _advice_on_empty(location)
    expected, fix = EXPECTATIONS.get(kind, (str(details["msg"]).lower(), "Correct it."))
    if isinstance(details["input"], list | dict) and kind not in ("tuple_type", "missing"):
        fix = _advice_on_form(details)
    return expected.format(**{key: _count(value) for key, value in context.items()}), fix


def _expected_key(details: ErrorDetails, location: Location, schema: Schema) -> tuple[str, str]:
    """Say what a key is called here, where it belongs, or which keys there are."""
    if other := _other_name(details, location):
        return other.expected, other.fix
    fields = _fields_at(location[:-1], schema)
    if fix := _advice_on_key(str(location[-1]), fields, schema):
        return "a known one", fix
    return f"one of {', '.join(fields)}", "Remove it."


def _count(value: Any) -> str:
    """Write a bound as people do: 65,536, but 1e18."""
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.10g}" if abs(value) < 1e9 else f"{value:g}".replace("e+", "e")


def _expected_part(location: Location, schema: Schema) -> str:
    if location[-2:] == ("search", "batch"):
        return "a range such as {from: 1, to: 64}, a list, or one number"
    if not (fields := _fields_at(location, schema)):
        return "a mapping of names to values"
    return f"a mapping with {', '.join(fields)}"


def _advice_on_part(value: Any) -> str:
    return "Fill it in or remove the key." if value is None else "Give its keys, or remove it."


def _advice_on_form(details: ErrorDetails) -> str:
    """Say what can be written in place of a list or a mapping, which may be still to come."""
    field = next((part for part in reversed(details["loc"]) if isinstance(part, str)), "")
    return FORMS_NOT_YET.get((field, type(details["input"])), "Write a single value.")


def _advice_on_value(details: ErrorDetails, expected: str) -> str:
    value = details["input"]
    if isinstance(value, dict):
        return _advice_on_form(details)
    if " or " in expected and "such as" not in expected:
        return "Write one of the two."
    if isinstance(value, list):
        return _advice_on_form(details)
    if expected.startswith("a number of at least"):
        return "Write a larger number."
    return "Check the number and its unit." if isinstance(value, str) else "Write a number."


def _advice_on_empty(location: Location) -> str:
    required = location in (("pools",), ("workloads",))
    return "Add one." if required else "Add one, or remove the key to get its default."


def _advice_on_key(key: str, fields: list[str], schema: Schema) -> str:
    """Say which key may be meant, or where a known key belongs; nothing where neither is known."""
    there = next((part for part, model in schema.parts.items() if key in _keys(model)), "")
    if there and (close := nearest(key, fields, most=1, cutoff=0.85)):
        return f"Did you mean {close[0]}? `{key}` belongs to {there}."
    if there:
        return f"It belongs to {there}."
    parts = reversed(list(schema.parts.items()))
    keys = {one: part for part, model in parts for one in _keys(model)}
    if (close := nearest(key, list(keys), most=1, cutoff=0.8)) and close[0] not in fields:
        return f"Did you mean {close[0]}, of {keys[close[0]]}?"
    return _advice_on_name(key, fields)


def _advice_on_name(name: str, names: list[str]) -> str:
    """Suggest names only where a slip of the hand explains the difference."""
    close = nearest(name, names, most=1, cutoff=0.65)
    return f"Did you mean {close[0]}?" if close else ""


def _keys(model: type[BaseModel]) -> list[str]:
    """List the keys that a part of a file may have, those of its own kind first."""
    twins = sorted(TWINS.get(model, (model,)), key=lambda twin: twin is not model)
    keys = [field.alias or name for twin in twins for name, field in twin.model_fields.items()]
    return list(
        dict.fromkeys([*keys, *(key for twin in twins for key in WRITTEN_OUT.get(twin, ()))])
    )


def _fields_at(location: Location, schema: Schema) -> list[str]:
    """List the keys that the part of a file at `location` knows; none where it may have any."""
    model: type[BaseModel] | None = schema.root
    for part in location:
        for name, field in (schema.root if model is None else model).model_fields.items():
            if part in (name, field.alias):
                model = model_in(field.annotation)
                break
    return [] if model is None else _keys(model)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the first part of an instance that an annotation names, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := model_in(argument):
            return found
    return None
