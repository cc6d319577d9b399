"""Widening the search: values that were not searched and that make an instance feasible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.candidates import blocks_of
from planner.catalogue.accelerator import PRECISIONS
from planner.changing import changed
from planner.errors import InputError
from planner.infeasibility.prospects import Prospect, prospect, words
from planner.instance import Instance, Search
from planner.question import Question, ask
from planner.survey import shortlisted
from planner.tables import Tables

NARROWER = ("fp8", "int8", "fp4", "int4")
DEGREES = (2, 4, 8, 16, 32)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
DEFAULTS = {
    "tensor_parallel": None,
    "pipeline_parallel": None,
    "data_parallel": None,
    "expert_parallel": None,
    "batch": Search().batch.model_dump(by_alias=True, exclude={"values"}),
    "weights": list(Search().weights),
    "kv": list(Search().kv),
}
"""Fields of the search with their defaults, as a file would hold them."""


@dataclass(frozen=True, slots=True)
class Widening:
    """A field with which more is searched, tried and found to make the instance feasible."""

    field: str
    """Path of the field, as sweeps write it."""
    added: Any
    """What is new: a precision, a degree or a batch; None where the field takes its default."""
    value: Any
    """The field as the file would hold it; None leaves it out."""
    plan: Prospect


@dataclass(frozen=True, slots=True)
class Fullness:
    """The deployment that takes the least part of the memory it may fill."""

    resident_bytes: float
    """What lies in the fullest accelerator, in bytes."""
    usable_bytes: float
    deployment: str


def leanest(question: Question) -> Fullness:
    """Return the deployment that comes nearest to fitting into memory.

    Parameters
    ----------
    question : Question
        One with at least one admissible deployment. All of them are evaluated again.
    """
    best, found = float("inf"), None
    for pool in range(len(question.pools)):
        for block in blocks_of(question, pool):
            table = block.table(block.staffed)
            if not len(table):
                continue
            filled = table.memory_bytes_per_gpu / table.usable_bytes_per_gpu
            row = int(filled.argmin())
            if filled[row] < best:
                best = float(filled[row])
                resident, usable = table.memory_bytes_per_gpu[row], table.usable_bytes_per_gpu[row]
                found = Fullness(float(resident), float(usable), words(question, table, row))
    assert found is not None
    return found


def widened(question: Question, tables: Tables) -> tuple[Widening, ...]:
    """Return widenings of the search that make the question feasible, one a field.

    Of each field the value that departs least from what is searched is taken. Only what was
    evaluated and found feasible is returned.

    Parameters
    ----------
    question : Question
        One that no deployment satisfies.
    tables : Tables
        Shortlists of earlier questions.
    """
    found: dict[str, Widening] = {}
    for field, added, value in _options(question):
        # The new value alone is quickly tried; what else it admits is looked at where it works.
        narrow = value if added is None else [added]
        if field not in found and _tried(question.instance, field, narrow, tables) is not None:
            plan = _tried(question.instance, field, value, tables)
            if plan is not None:
                found[field] = Widening(field, added, value, plan)
    return tuple(found.values())


def left_out(question: Question, tables: Tables) -> tuple[Widening, ...]:
    """Return fields whose defaults, in place of what the instance has, make it feasible.

    They are those of the search, and the floor on quality.
    """
    instance = question.instance
    fields = {
        f"search.{name}": default
        for name, default in DEFAULTS.items()
        if name in instance.search.model_fields_set and getattr(instance.search, name) is not None
    }
    if instance.quality is not None:
        fields["quality"] = None
    tried = ((name, value, _tried(instance, name, value, tables)) for name, value in fields.items())
    return tuple(Widening(name, None, value, plan) for name, value, plan in tried if plan)


def _tried(instance: Instance, field: str, value: Any, tables: Tables) -> Prospect | None:
    try:
        question = ask(changed(instance, {field: value}))
    except InputError:  # What cannot be asked is no way out: heads, layers, the engine.
        return None
    return prospect(question, shortlisted(question, tables=tables)[1])


def _options(question: Question) -> Iterator[tuple[str, Any, Any]]:
    """Yield field, new value, and the field with it, those that depart least first."""
    search = question.instance.search
    finest = min(PRECISIONS[name] for name in search.weights)
    for name in NARROWER:
        if name not in search.weights and PRECISIONS[name] < finest:
            yield "search.weights", name, [*search.weights, name]
    if "fp8" not in search.kv:
        yield "search.kv", "fp8", [*search.kv, "fp8"]
    for axis, tried in (
        ("tensor_parallel", question.tensor_parallel),
        ("pipeline_parallel", question.pipeline_parallel),
    ):
        for degree in DEGREES:
            if degree > max(tried):
                yield f"search.{axis}", degree, [*tried, degree]
    sizes = search.batch.sizes()
    for batch in reversed(BATCHES):
        if batch < min(sizes):
            yield "search.batch", batch, [batch, *sizes]
