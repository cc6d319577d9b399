"""Runner-up deployments: the best of every other pool, layout and precision, and what they lose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from planner.analysis.explanation.what_if import Choice, choice
from planner.candidates.requirements import Requirement, objective_values, requirements, violations
from planner.candidates.table import Candidates, Integers, blocks_of, concatenate, draft_name
from planner.plans.plan import Plan
from planner.problem.resolve import ResolvedInstance
from planner.terms.forward_pass import Floats

LAYOUT = (
    "pool",
    "weights",
    "kv",
    "draft",
    "gamma",
    "tensor_parallel",
    "pipeline_parallel",
    "data_parallel",
    "expert_parallel",
)
"""Columns that name a deployment but for its batch."""
BEST_LISTED = 2
"""Deployments listed after the chosen one, whatever they have in common with it."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A requirement that a deployment does not meet, or meets more closely than any other."""

    requirement: str
    attained: float
    limit: float
    unit: str


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The best deployment that differs from the plan in one respect."""

    differs_in: str
    """`pool`, `tensor_parallel`, `weight_precision`, `kv_precision`, `draft`, or `anything`: any
    decision but the batch."""
    value: str
    """What it has there; for `anything` its place in the order, from 2."""
    choice: Choice
    """Where `misses` is not empty, the deployment that comes nearest to meeting them."""
    loses: float | None
    """By how much its objective is worse, negative where it is better than a deployment that is no
    optimum; None where it misses a requirement."""
    misses: tuple[Miss, ...]
    """Requirements that stand in its way."""
    tightest: Miss | None
    """Of those that are met, the requirement with the least room."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the instance that leave only such deployments; empty where no fields do."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The best deployment of every layout, and the nearest of those that miss something."""

    best: Candidates
    """Of every layout that has one, the deployment that meets everything and scores best."""
    nearest: Candidates
    """Of every pool, precision, draft and tensor-parallel degree, what misses least."""
    worst: Floats
    """How many times too much, or too little, the worst miss of `nearest` is."""


def walk(resolved: ResolvedInstance, progress: Callable[[int], None] | None = None) -> Walk:
    """Evaluate every deployment again and keep the best of each layout.

    Dominance is of no use here: what it drops may be the best of its pool or layout.

    Parameters
    ----------
    resolved : ResolvedInstance
        What is asked.
    progress : callable, optional
        Told how many deployments were evaluated so far.
    """
    best, nearest, worst = [], [], [np.zeros(0)]
    done = 0
    for pool in range(len(resolved.pools)):
        for block in blocks_of(resolved, pool):
            table = block.table(block.admissible)
            done += len(table)
            if len(table):
                found = requirements(resolved, table)
                best.append(table.take(_best_of_layouts(resolved, table, found)))
                excess = _worst_ratio(found)
                rows = _least_of(excess, table.tensor_parallel)
                nearest.append(table.take(rows))
                worst.append(excess[rows])
            if progress is not None:
                progress(done)
    return Walk(concatenate(best), concatenate(nearest), np.concatenate(worst))


def _best_of_layouts(
    resolved: ResolvedInstance, table: Candidates, found: list[Requirement]
) -> Integers:
    rows = np.flatnonzero(violations(found) == 0)
    if not len(rows):
        return rows
    kept = table.take(rows)
    order = _best_first(resolved, kept)
    layouts = np.stack([getattr(kept, name)[order] for name in LAYOUT], axis=1)
    _, first = np.unique(layouts, axis=0, return_index=True)
    return rows[np.sort(order[first])]


def _best_first(resolved: ResolvedInstance, table: Candidates) -> Integers:
    """Order deployments that meet everything by the objective and what breaks its ties."""
    gpus = table.replicas_needed(resolved.instance.workload) * table.gpus_per_replica
    speed = table.tokens_per_second_per_request
    return np.lexsort([table.batch, -speed, gpus, objective_values(resolved, table)])


def _worst_ratio(found: list[Requirement]) -> Floats:
    """How many times each deployment's worst miss is too much or too little; 1 without any."""
    worst = np.ones(len(found[0].attained))
    for one in found:
        ratio = one.attained / one.limit if one.at_most else one.limit / one.attained
        worst = np.maximum(worst, np.where(one.met, 1.0, ratio))
    return worst


def _least_of(values: Floats, keys: Integers) -> Integers:
    """Return the row of the least value for every key."""
    order = np.lexsort([values, keys])
    first = np.diff(keys[order], prepend=-1) > 0
    return np.sort(order[first])


def runner_ups(resolved: ResolvedInstance, plan: Plan, walked: Walk) -> tuple[RunnerUp, ...]:
    """Return the best deployment for every other value of a decision, and the next best of all.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    plan : Plan
        Its answer.
    walked : Walk
        From `walk`.
    """
    found = []
    for respect in _respects(resolved, plan):
        best = walked.best.take(np.flatnonzero(respect.holds(walked.best)))
        if len(best):
            row = int(_best_first(resolved, best)[0])
            found.append(_possible(resolved, plan, respect, best, row))
        elif len(rows := np.flatnonzero(respect.holds(walked.nearest))):
            row = int(rows[np.argmin(walked.worst[rows])])
            found.append(_impossible(resolved, respect, walked.nearest, row))
    return (*_next_best(resolved, plan, walked.best), *found)


@dataclass(frozen=True, slots=True)
class Respect:
    """One value of one decision that the plan does not have."""

    differs_in: str
    value: str
    column: str = ""
    """Column of the table that tells."""
    code: int = 0
    """What stands there."""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, table: Candidates) -> npt.NDArray[np.bool_]:
        """Tell which deployments have it."""
        mask: npt.NDArray[np.bool_] = np.asarray(getattr(table, self.column) == self.code)
        return mask


def _respects(resolved: ResolvedInstance, plan: Plan) -> Iterator[Respect]:
    search = resolved.instance.search
    stated = resolved.instance.model_dump(by_alias=True, exclude_unset=True)["pools"]
    for index, pool in enumerate(resolved.pools):
        if pool.label != plan.pool:
            yield Respect("pool", pool.label, "pool", index, {"pools": [stated[index]]})
    for degree in resolved.tensor_parallel:
        if degree != plan.tensor_parallel:
            # Naming a degree also allows it beyond fast links, which would be another change.
            alike = search.tensor_parallel or all(p.reach >= degree for p in resolved.pools)
            changes = {"search.tensor_parallel": [degree]} if alike else {}
            yield Respect("tensor_parallel", str(degree), "tensor_parallel", degree, changes)
    for column, decision in (("weights", "weight_precision"), ("kv", "kv_precision")):
        for index, name in enumerate(getattr(search, column)):
            if name != getattr(plan, decision):
                yield Respect(decision, name, column, index, {f"search.{column}": [name]})
    for index in range(len(resolved.drafts) + 1):
        if (name := draft_name(resolved, index)) != plan.draft:
            changes = {} if index else {"search.gamma": [0]}
            yield Respect("draft", name, "draft", index, changes)


def _possible(
    resolved: ResolvedInstance, plan: Plan, respect: Respect, table: Candidates, row: int
) -> RunnerUp:
    found = choice(resolved, table, row)
    more = found.objective - (plan.objective or 0.0)
    loses = -more if resolved.instance.aim == "tokens_per_second_per_request" else more
    room = _tightest(resolved, table.take(np.asarray([row])))
    return RunnerUp(respect.differs_in, respect.value, found, loses, (), room, respect.changes)


def _tightest(resolved: ResolvedInstance, one: Candidates) -> Miss | None:
    """Return the requirement with the least room; memory only where little of it is left."""
    rooms = []
    for requirement in requirements(resolved, one):
        attained, limit = float(requirement.attained[0]), _limit(requirement, 0)
        if np.isfinite(limit):
            ratio = attained / limit if requirement.at_most else limit / attained
            rooms.append((-ratio, requirement.name, attained, limit, requirement.unit))
    return Miss(*min(rooms)[1:]) if rooms else None


def _limit(requirement: Requirement, row: int) -> float:
    return float(np.broadcast_to(requirement.limit, requirement.attained.shape)[row])


def _impossible(
    resolved: ResolvedInstance, respect: Respect, table: Candidates, row: int
) -> RunnerUp:
    found = requirements(resolved, table.take(np.asarray([row])))
    misses = tuple(
        Miss(one.name, float(one.attained[0]), _limit(one, 0), one.unit)
        for one in found
        if not one.met[0]
    )
    near = choice(resolved, table, row)
    return RunnerUp(respect.differs_in, respect.value, near, None, misses, None, respect.changes)


def _next_best(resolved: ResolvedInstance, plan: Plan, best: Candidates) -> Iterator[RunnerUp]:
    """Yield the best deployments that differ from the plan and one another in more than batch."""
    order = _best_first(resolved, best)
    other = [int(row) for row in order if _layout_of(resolved, best, int(row)) != _layout(plan)]
    for place, row in enumerate(other[:BEST_LISTED], start=2):
        yield _possible(resolved, plan, Respect("anything", str(place)), best, row)


def _layout(plan: Plan) -> Sequence[object]:
    return (
        plan.pool,
        plan.weight_precision,
        plan.kv_precision,
        plan.draft,
        plan.gamma,
        plan.tensor_parallel,
        plan.pipeline_parallel,
        plan.data_parallel,
        plan.expert_parallel,
    )


def _layout_of(resolved: ResolvedInstance, table: Candidates, row: int) -> Sequence[object]:
    search = resolved.instance.search
    return (
        resolved.pools[table.pool[row]].label,
        search.weights[table.weights[row]],
        search.kv[table.kv[row]],
        draft_name(resolved, int(table.draft[row])),
        *(int(getattr(table, name)[row]) for name in LAYOUT[4:]),
    )
