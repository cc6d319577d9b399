"""Relaxations: by how much requirements must give way for an instance to become feasible."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from itertools import combinations

import numpy as np

from planner.candidates.requirements import all_met, requirements
from planner.candidates.screening import all_shortlists
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates, Integers, blocks
from planner.infeasibility.relaxed_plan import RelaxedPlan, relaxed_plan
from planner.io.overrides import changed
from planner.problem.instance import LARGEST_COUNT, LARGEST_QUANTITY, Instance
from planner.problem.limits import BY_NAME, GPUS, LITTLE
from planner.problem.resolve import ResolvedInstance, resolve
from planner.problem.tolerances import ROUNDING
from planner.terms.forward_pass import Floats
from planner.terms.serving import replicas_for

MEMORY = "usable_memory_fraction"
DEMAND = "workload.tokens_per_second"
PER_REPLICA = ("gpus", "max_replicas", "dollars_per_hour_at_most")
"""Requirements on what all replicas take together."""
WISHES = (
    *("tokens_per_second_per_request", "time_to_first_token_seconds", "tokens_per_second"),
    *("dollars_per_hour_at_most", "dollars_per_million_tokens_at_most"),
)
"""What could give way first: what users wish, then what they pay."""
FARTHER = 0.009
"""Part of a change by which rounding may enlarge it."""
COARSER = 0.005
"""Part of a value by which rounding may change it."""


@dataclass(frozen=True, slots=True)
class RelaxableParameter:
    """A field of the instance that a user could let give way."""

    field: str
    """Path of the field, as sweeps write it."""
    requirement: str
    """What it limits or asks, by the name that requirements have; for the demand its own."""
    asked: float
    raised: bool
    """Whether it gives way by being raised, rather than lowered."""
    unit: str
    most: float = LARGEST_QUANTITY
    """Largest value that the field may have."""
    pool: int | None = None
    """The pool that it belongs to; None where it belongs to all."""

    @property
    def whole(self) -> bool:
        """Whether it counts something."""
        return self.most == LARGEST_COUNT

    @property
    def loosest(self) -> float | int:
        """The value at which it asks nothing."""
        value = self.most if self.raised else LITTLE
        return int(value) if self.whole else value


@dataclass(frozen=True, slots=True)
class Change:
    """One field with another value."""

    field: str
    """Path of the field, as sweeps write it."""
    asked: float | int
    needed: float | int
    """The least change that suffices, rounded to the side that can be met."""
    unit: str
    pool: str = ""
    """Name of the pool that the field belongs to; empty where it belongs to all."""


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Changes that make the instance feasible, and the best plan that it then has."""

    changes: tuple[Change, ...]
    plan: RelaxedPlan

    @property
    def values(self) -> dict[str, float | int]:
        """Field to value, as `planner.Session.solve` takes them."""
        return {change.field: change.needed for change in self.changes}


def relaxable_parameters(
    resolved: ResolvedInstance, *, memory: bool
) -> tuple[RelaxableParameter, ...]:
    """List what could give way; memory only where that is asked for."""
    instance = resolved.instance
    stated = [
        RelaxableParameter(limit.field, limit.name, value, limit.at_most, limit.unit)
        for limit in map(BY_NAME.__getitem__, WISHES)
        if (value := limit.stated(instance)) is not None
    ]
    pools = [
        RelaxableParameter(
            f"pools[{index}].gpus", GPUS, pool.gpus, True, "GPUs", LARGEST_COUNT, index
        )
        for index, pool in enumerate(resolved.pools)
        if pool.gpus is not None
    ]
    replicas, limit = BY_NAME["max_replicas"], instance.workload.max_replicas
    name = (replicas.field, replicas.name)
    most = () if limit is None else (_most_replicas(*name, limit, replicas.unit),)
    fraction = resolved.usable_memory_fraction
    filled = RelaxableParameter(MEMORY, "memory_capacity", fraction, True, "", 1.0)
    return (*stated, *pools, *most, *([filled] if memory else []))


def _most_replicas(field: str, name: str, limit: int, unit: str) -> RelaxableParameter:
    return RelaxableParameter(field, name, limit, True, unit, LARGEST_COUNT)


def put(resolved: ResolvedInstance, values: Mapping[str, float | int]) -> ResolvedInstance:
    """Return the instance with other values in some fields, memory not among them."""
    instance = changed(resolved.instance, values)
    pools = zip(resolved.pools, instance.pools, strict=True)
    supplies = tuple(replace(supply, gpus=pool.gpus) for supply, pool in pools)
    return replace(resolved, instance=instance, pools=supplies)


def singles(
    resolved: ResolvedInstance,
    table: Candidates,
    free: Sequence[RelaxableParameter],
    shortlists: ShortlistCache,
) -> tuple[Relaxation, ...]:
    """Return, for every parameter that suffices by itself, its least change; the nearest first.

    Parameters
    ----------
    resolved : ResolvedInstance
        One that no deployment satisfies.
    table : Candidates
        The shortlists of its pools.
    free : sequence of RelaxableParameter
        What could give way.
    shortlists : ShortlistCache
        Shortlists of earlier instances.
    """
    found: list[tuple[float, Relaxation]] = []
    for parameter in free:
        if parameter.field == MEMORY:
            least = _least_fraction(resolved, parameter, shortlists)
            exact = None if least is None else np.asarray([least])
        else:
            _, needed, _ = freed(resolved, table, [parameter])
            exact = needed[parameter.field]
        if exact is not None and len(exact):
            value = float(exact.min() if parameter.raised else exact.max())
            relaxed = _relaxation(resolved, table, {parameter: value}, shortlists)
            if relaxed is not None:
                found.append((stretch(parameter.asked, value), relaxed))
    return tuple(relaxation for _, relaxation in sorted(found, key=lambda pair: pair[0]))


def stretch(asked: float, needed: float) -> float:
    """How many times a value changes, whichever way."""
    return max(asked / needed, needed / asked)


def freed(
    resolved: ResolvedInstance, table: Candidates, free: Sequence[RelaxableParameter]
) -> tuple[Integers, dict[str, Floats], Floats]:
    """Tell which deployments become possible where some fields give way, and how far each must.

    The demand is lowered as little as the other fields, as they stand, allow.

    Returns
    -------
    rows : array of int
        Deployments that miss nothing that the other fields ask.
    needed : dict
        Field to the value that each of these rows needs; where it needs no change, that asked.
    cost : array
        What each of them then costs: see `_cost`.
    """
    values = {parameter.field: parameter.loosest for parameter in free if parameter.field != MEMORY}
    relaxed = put(resolved, values)
    found = requirements(relaxed, table)
    rows = np.flatnonzero(all_met(found))
    attained = {one.name: np.asarray(one.attained)[rows] for one in found}
    replicas = table.replicas_needed(relaxed.instance.workload)[rows]
    usable = table.usable_bytes_per_gpu[rows]
    attained["memory_capacity"] = attained["memory_capacity"] / usable
    needed: dict[str, Floats] = {}
    demand = resolved.instance.workload.tokens_per_second
    served = np.full(len(rows), demand or 1.0)
    if DEMAND in values and demand is not None:
        limits = {one.name: np.broadcast_to(one.limit, len(table))[rows] for one in found}
        ratios = [limits[name] / attained[name] for name in PER_REPLICA if name in limits]
        most = np.floor(np.minimum.reduce(ratios) * (1.0 + ROUNDING)) if ratios else np.inf
        rate = table.replica_tokens_per_second[rows]
        served = np.minimum(demand, most * rate)
        replicas = replicas_for(served, rate)
        attained.update({name: attained[name] * replicas for name in PER_REPLICA if name in limits})
        needed[DEMAND] = served
    for parameter in free:
        if parameter.field == DEMAND:
            continue
        pick = np.maximum if parameter.raised else np.minimum
        needed[parameter.field] = pick(parameter.asked, attained[parameter.requirement])
    hourly = replicas * (table.gpus_per_replica * table.dollars_per_gpu_hour)[rows]
    return rows, needed, _cost(resolved.instance, table, rows, hourly / served)


def _cost(instance: Instance, table: Candidates, rows: Integers, hourly: Floats) -> Floats:
    """Return what deployments cost: dollars per hour for each token per second that is asked.

    So a plan is not cheap for serving less. Where the objective is dollars per million tokens, or
    no demand is stated and there is a ceiling on these, it is dollars per million tokens.
    """
    unstated = instance.workload.tokens_per_second is None
    ceiling = instance.dollars_per_million_tokens_at_most is not None
    aims = instance.aim == "dollars_per_million_tokens"
    if aims or (instance.aim != "dollars_per_hour" and unstated and ceiling):
        return table.dollars_per_million_tokens[rows]
    return hourly


@dataclass(frozen=True, slots=True)
class _Way:
    """Values of some parameters at which one deployment becomes possible."""

    key: tuple[float, float, float]
    """Cost, worst stretch and product of stretches: what is smallest is preferred."""
    values: dict[RelaxableParameter, float]


def cheapest_together(
    resolved: ResolvedInstance,
    table: Candidates,
    free: Sequence[RelaxableParameter],
    shortlists: ShortlistCache,
) -> Relaxation | None:
    """Return the cheapest of the smallest sets of changes, where no single one suffices.

    The cheapest gives the plan of least cost (see `_cost`); among equals, that whose field that
    changes most changes least, then that whose changes have the least product.

    Parameters
    ----------
    resolved : ResolvedInstance
        One that no single change makes feasible.
    table : Candidates
        The shortlists of its pools.
    free : sequence of RelaxableParameter
        What could give way.
    shortlists : ShortlistCache
        Shortlists of earlier instances.
    """
    fields = {parameter.field for parameter in free}
    whole = (
        all_shortlists(filled(resolved), shortlists=shortlists)[1] if MEMORY in fields else table
    )
    for size in range(2, len(free) + 1):
        best: _Way | None = None
        for chosen in combinations(free, size):
            if sum(parameter.pool is not None for parameter in chosen) > 1:  # One pool is chosen.
                continue
            fitting = whole if any(parameter.field == MEMORY for parameter in chosen) else table
            best = _cheaper(resolved, fitting, chosen, best)
        if best is not None:
            return _relaxation(resolved, table, best.values, shortlists)
    return None


def _cheaper(
    resolved: ResolvedInstance,
    table: Candidates,
    chosen: Sequence[RelaxableParameter],
    best: _Way | None,
) -> _Way | None:
    """Return the cheapest way of relaxing some parameters, or the best so far."""
    rows, needed, cost = freed(resolved, table, chosen)
    if not len(rows):
        return best
    asked = {parameter.field: parameter.asked for parameter in chosen}
    stretches = np.asarray([np.maximum(asked[f] / v, v / asked[f]) for f, v in needed.items()])
    worst, product = stretches.max(axis=0), stretches.prod(axis=0)
    cost = np.asarray([float(f"{value:.9g}") for value in cost])  # Rounding makes no difference.
    columns = np.asarray([-needed[x.field] if x.raised else needed[x.field] for x in chosen])
    speed = table.tokens_per_second_per_request[rows]
    fastest = resolved.instance.aim == "tokens_per_second_per_request"
    for at in np.lexsort((product, worst, cost)):
        key = (float(cost[at]), float(worst[at]), float(product[at]))
        if best is not None and best.key <= key:
            return best
        if fastest:  # The fastest that these values admit is the plan, and may cost more.
            within = np.flatnonzero((columns >= columns[:, [at]]).all(axis=0))
            if cost[within[np.argmax(speed[within])]] > cost[at]:
                continue
        return _Way(key, {parameter: float(needed[parameter.field][at]) for parameter in chosen})
    return best


def _relaxation(
    resolved: ResolvedInstance,
    table: Candidates,
    exact: Mapping[RelaxableParameter, float],
    shortlists: ShortlistCache,
) -> Relaxation | None:
    """Round values, and find the plan that they lead to; None where a field cannot have one."""
    values: dict[str, float | int] = {}
    for parameter, value in exact.items():
        rounded = figure(value, parameter.asked, raised=parameter.raised, whole=parameter.whole)
        if rounded > parameter.most:
            rounded = value
        if rounded > parameter.most:
            return None
        values[parameter.field] = rounded
    plan = result(resolved, table, values, shortlists)
    if plan is None:
        return None
    changes = [
        Change(
            parameter.field,
            int(parameter.asked) if parameter.whole else parameter.asked,
            values[parameter.field],
            parameter.unit,
            "" if parameter.pool is None else resolved.pools[parameter.pool].label,
        )
        for parameter in exact
    ]
    return Relaxation(tuple(changes), plan)


def result(
    resolved: ResolvedInstance,
    table: Candidates,
    values: Mapping[str, float | int],
    shortlists: ShortlistCache,
) -> RelaxedPlan | None:
    """Return the plan of an instance with some values changed; None where it has none."""
    if MEMORY not in values:
        return relaxed_plan(put(resolved, values), table)
    refilled = resolve(changed(resolved.instance, values))
    return relaxed_plan(refilled, all_shortlists(refilled, shortlists=shortlists)[1])


def figure(exact: float, asked: float, *, raised: bool, whole: bool = False) -> float | int:
    """Round a value to few digits, to the side that can be met, and hardly farther than needed.

    It changes by at most `COARSER` of itself and `FARTHER` of its distance from what was asked.
    """
    if whole:
        return math.ceil(exact - 1e-6)
    allowed = min(COARSER * abs(exact), FARTHER * abs(exact - asked))
    number, rounding = Decimal(repr(exact)), ROUND_CEILING if raised else ROUND_FLOOR
    for digits in range(1, 17):
        value = float(Context(prec=digits, rounding=rounding).plus(number))
        if abs(value - exact) <= allowed:
            return value
    return exact


def filled(resolved: ResolvedInstance) -> ResolvedInstance:
    """Return the instance with accelerators that are filled completely."""
    return resolve(changed(resolved.instance, {MEMORY: 1.0}))


def _least_fraction(
    resolved: ResolvedInstance, parameter: RelaxableParameter, shortlists: ShortlistCache
) -> float | None:
    """Return the least part of memory that must be filled; None where none suffices."""
    whole = filled(resolved)
    if not all_met(requirements(whole, all_shortlists(whole, shortlists=shortlists)[1])).any():
        return None
    return min(least_of(whole), default=None)


def least_of(resolved: ResolvedInstance) -> Iterator[float]:
    """Yield, for every block, the least part of its memory that a deployment fills.

    Only deployments count that satisfy the instance.
    """
    for table in blocks(resolved):
        rows = all_met(requirements(resolved, table))
        if rows.any():
            yield float((table.memory_bytes_per_gpu / table.usable_bytes_per_gpu)[rows].min())
