"""Widening the search: values that were not searched and that make an instance feasible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.candidates.screening import all_shortlists
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import blocks_of
from planner.catalogue.accelerator import PRECISIONS
from planner.errors import InputError
from planner.infeasibility.relaxed_plan import RelaxedPlan, relaxed_plan, words
from planner.io.overrides import changed
from planner.problem.instance import Instance, Search
from planner.problem.resolve import ResolvedInstance, resolve

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
class SearchExtension:
    """A field with which more is searched, tried and found to make the instance feasible."""

    field: str
    """Path of the field, as sweeps write it."""
    added: Any
    """What is new: a precision, a degree or a batch; None where the field takes its default."""
    value: Any
    """The field as the file would hold it; None leaves it out."""
    plan: RelaxedPlan


@dataclass(frozen=True, slots=True)
class Fullness:
    """The deployment that takes the least part of the memory it may fill."""

    resident_bytes: float
    """What lies in the fullest accelerator, in bytes."""
    usable_bytes: float
    deployment: str


def leanest(resolved: ResolvedInstance) -> Fullness:
    """Return the deployment that comes nearest to fitting into memory.

    Parameters
    ----------
    resolved : ResolvedInstance
        One with at least one admissible deployment. All of them are evaluated again.
    """
    best, found = float("inf"), None
    for pool in range(len(resolved.pools)):
        for block in blocks_of(resolved, pool):
            table = block.table(block.admissible)
            if not len(table):
                continue
            filled = table.memory_bytes_per_gpu / table.usable_bytes_per_gpu
            row = int(filled.argmin())
            if filled[row] < best:
                best = float(filled[row])
                resident, usable = table.memory_bytes_per_gpu[row], table.usable_bytes_per_gpu[row]
                found = Fullness(float(resident), float(usable), words(resolved, table, row))
    assert found is not None
    return found


def search_extension(
    resolved: ResolvedInstance, shortlists: ShortlistCache
) -> tuple[SearchExtension, ...]:
    """Return extensions of the search that make the instance feasible, one a field.

    Of each field the value that departs least from what is searched is taken. Only what was
    evaluated and found feasible is returned.

    Parameters
    ----------
    resolved : ResolvedInstance
        One that no deployment satisfies.
    shortlists : ShortlistCache
        Shortlists of earlier instances.
    """
    found: dict[str, SearchExtension] = {}
    for field, added, value in _options(resolved):
        # The new value alone is quickly tried; what else it admits is looked at where it works.
        narrow = value if added is None else [added]
        if field not in found and _tried(resolved.instance, field, narrow, shortlists) is not None:
            plan = _tried(resolved.instance, field, value, shortlists)
            if plan is not None:
                found[field] = SearchExtension(field, added, value, plan)
    return tuple(found.values())


def left_out(resolved: ResolvedInstance, shortlists: ShortlistCache) -> tuple[SearchExtension, ...]:
    """Return fields whose defaults, in place of what the instance has, make it feasible.

    They are those of the search, and the floor on quality.
    """
    instance = resolved.instance
    fields = {
        f"search.{name}": default
        for name, default in DEFAULTS.items()
        if name in instance.search.model_fields_set and getattr(instance.search, name) is not None
    }
    if instance.quality is not None:
        fields["quality"] = None
    tried = (
        (name, value, _tried(instance, name, value, shortlists)) for name, value in fields.items()
    )
    return tuple(SearchExtension(name, None, value, plan) for name, value, plan in tried if plan)


def _tried(
    instance: Instance, field: str, value: Any, shortlists: ShortlistCache
) -> RelaxedPlan | None:
    try:
        resolved = resolve(changed(instance, {field: value}))
    except InputError:  # What cannot be asked is no way out: heads, layers, the engine.
        return None
    return relaxed_plan(resolved, all_shortlists(resolved, shortlists=shortlists)[1])


def _options(resolved: ResolvedInstance) -> Iterator[tuple[str, Any, Any]]:
    """Yield field, new value, and the field with it, those that depart least first."""
    search = resolved.instance.search
    finest = min(PRECISIONS[name] for name in search.weights)
    for name in NARROWER:
        if name not in search.weights and PRECISIONS[name] < finest:
            yield "search.weights", name, [*search.weights, name]
    if "fp8" not in search.kv:
        yield "search.kv", "fp8", [*search.kv, "fp8"]
    for axis, tried in (
        ("tensor_parallel", resolved.tensor_parallel),
        ("pipeline_parallel", resolved.pipeline_parallel),
    ):
        for degree in DEGREES:
            if degree > max(tried):
                yield f"search.{axis}", degree, [*tried, degree]
    sizes = search.batch.sizes()
    for batch in reversed(BATCHES):
        if batch < min(sizes):
            yield "search.batch", batch, [batch, *sizes]
