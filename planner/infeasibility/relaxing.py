"""Relaxations: by how much requirements must give way for an instance to become feasible."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from itertools import combinations

import numpy as np

from planner.candidates import Candidates, Integers, blocks
from planner.changing import changed
from planner.infeasibility.prospects import Prospect, prospect
from planner.instance import LARGEST_COUNT, LARGEST_QUANTITY, Instance
from planner.question import Question, ask
from planner.requirements import SLACK, all_met, requirements
from planner.survey import shortlisted
from planner.tables import Tables
from planner.terms.passes import Floats
from planner.terms.serving import replicas_for

MEMORY = "usable_memory_fraction"
DEMAND = "workload.tokens_per_second"
PER_REPLICA = ("gpus", "max_replicas", "dollars_per_hour_at_most")
"""Requirements on what all replicas take together."""
LITTLE = 1e-9
"""A demand that one replica of anything meets, in tokens per second."""
FARTHER = 0.009
"""Part of a change by which rounding may enlarge it."""
COARSER = 0.005
"""Part of a value by which rounding may change it."""


@dataclass(frozen=True, slots=True)
class Lever:
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
    plan: Prospect

    @property
    def values(self) -> dict[str, float | int]:
        """Field to value, as `planner.Session.solve` takes them."""
        return {change.field: change.needed for change in self.changes}


def levers(question: Question, *, memory: bool) -> tuple[Lever, ...]:
    """List what could give way; memory only where that is asked for."""
    instance, workload = question.instance, question.instance.workload
    wishes = [("tokens_per_second_per_request", "tok/s"), ("time_to_first_token_seconds", "s")]
    wishes.append(("tokens_per_second", "tok/s"))
    ceilings = [("dollars_per_hour_at_most", "$/h")]
    ceilings.append(("dollars_per_million_tokens_at_most", "$/Mtok"))
    found = [(f"workload.{name}", getattr(workload, name), unit) for name, unit in wishes]
    found += [(name, getattr(instance, name), unit) for name, unit in ceilings]
    stated = [
        Lever(field, field.rpartition(".")[2], value, unit != "tok/s", unit)
        for field, value, unit in found
        if value is not None
    ]
    pools = [
        Lever(f"pools[{index}].gpus", "gpus", pool.gpus, True, "GPUs", LARGEST_COUNT, index)
        for index, pool in enumerate(question.pools)
        if pool.gpus is not None
    ]
    replicas = instance.search.max_replicas
    most = Lever("search.max_replicas", "max_replicas", replicas, True, "replicas", LARGEST_COUNT)
    fraction = instance.usable_memory_fraction or question.profile.usable_memory_fraction
    filled = Lever(MEMORY, "memory_capacity", fraction, True, "", 1.0)
    return (*stated, *pools, most, *([filled] if memory else []))


def put(question: Question, values: Mapping[str, float | int]) -> Question:
    """Return the question with other values in some fields, memory not among them."""
    instance = changed(question.instance, values)
    pools = zip(question.pools, instance.pools, strict=True)
    supplies = tuple(replace(supply, gpus=pool.gpus) for supply, pool in pools)
    return replace(question, instance=instance, pools=supplies)


def singles(
    question: Question, table: Candidates, free: Sequence[Lever], tables: Tables
) -> tuple[Relaxation, ...]:
    """Return, for every lever that suffices by itself, its least change; the nearest first.

    Parameters
    ----------
    question : Question
        One that no deployment satisfies.
    table : Candidates
        The shortlists of its pools.
    free : sequence of Lever
        What could give way.
    tables : Tables
        Shortlists of earlier questions.
    """
    found: list[tuple[float, Relaxation]] = []
    for lever in free:
        if lever.field == MEMORY:
            least = _least_fraction(question, lever, tables)
            exact = None if least is None else np.asarray([least])
        else:
            _, needed, _ = freed(question, table, [lever])
            exact = needed[lever.field]
        if exact is not None and len(exact):
            value = float(exact.min() if lever.raised else exact.max())
            relaxed = _relaxation(question, table, {lever: value}, tables)
            if relaxed is not None:
                found.append((stretch(lever.asked, value), relaxed))
    return tuple(relaxation for _, relaxation in sorted(found, key=lambda pair: pair[0]))


def stretch(asked: float, needed: float) -> float:
    """How many times a value changes, whichever way."""
    return max(asked / needed, needed / asked)


def freed(
    question: Question, table: Candidates, free: Sequence[Lever]
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
    values = {lever.field: lever.loosest for lever in free if lever.field != MEMORY}
    relaxed = put(question, values)
    found = requirements(relaxed, table)
    rows = np.flatnonzero(all_met(found))
    attained = {one.name: np.asarray(one.attained)[rows] for one in found}
    usable = table.usable_bytes_per_gpu[rows]
    attained["memory_capacity"] = attained["memory_capacity"] / usable
    needed: dict[str, Floats] = {}
    demand = question.instance.workload.tokens_per_second
    served = np.full(len(rows), demand or 1.0)
    if DEMAND in values and demand is not None:
        limits = {one.name: np.broadcast_to(one.limit, len(table))[rows] for one in found}
        ratios = [limits[name] / attained[name] for name in PER_REPLICA if name in limits]
        replicas = np.floor(np.minimum.reduce(ratios) * (1.0 + SLACK))
        rate = table.replica_tokens_per_second[rows]
        served = np.minimum(demand, replicas * rate)
        counted = replicas_for(served, rate)
        attained.update({name: attained[name] * counted for name in PER_REPLICA if name in limits})
        needed[DEMAND] = served
    for lever in free:
        if lever.field == DEMAND:
            continue
        pick = np.maximum if lever.raised else np.minimum
        needed[lever.field] = pick(lever.asked, attained[lever.requirement])
    hourly = attained["max_replicas"] * (table.gpus_per_replica * table.dollars_per_gpu_hour)[rows]
    return rows, needed, _cost(question.instance, table, rows, hourly / served)


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
    """Values of some levers at which one deployment becomes possible."""

    key: tuple[float, float, float]
    """Cost, worst stretch and product of stretches: what is smallest is preferred."""
    values: dict[Lever, float]


def cheapest_together(
    question: Question, table: Candidates, free: Sequence[Lever], tables: Tables
) -> Relaxation | None:
    """Return the cheapest of the smallest sets of changes, where no single one suffices.

    The cheapest gives the plan of least cost (see `_cost`); among equals, that whose field that
    changes most changes least, then that whose changes have the least product.

    Parameters
    ----------
    question : Question
        One that no single change makes feasible.
    table : Candidates
        The shortlists of its pools.
    free : sequence of Lever
        What could give way.
    tables : Tables
        Shortlists of earlier questions.
    """
    fields = {lever.field for lever in free}
    whole = shortlisted(filled(question), tables=tables)[1] if MEMORY in fields else table
    for size in range(2, len(free) + 1):
        best: _Way | None = None
        for chosen in combinations(free, size):
            if sum(lever.pool is not None for lever in chosen) > 1:  # One pool is chosen.
                continue
            fitting = whole if any(lever.field == MEMORY for lever in chosen) else table
            best = _cheaper(question, fitting, chosen, best)
        if best is not None:
            return _relaxation(question, table, best.values, tables)
    return None


def _cheaper(
    question: Question, table: Candidates, chosen: Sequence[Lever], best: _Way | None
) -> _Way | None:
    """Return the cheapest way of relaxing some levers, or the best so far."""
    rows, needed, cost = freed(question, table, chosen)
    if not len(rows):
        return best
    asked = {lever.field: lever.asked for lever in chosen}
    stretches = np.asarray([np.maximum(asked[f] / v, v / asked[f]) for f, v in needed.items()])
    worst, product = stretches.max(axis=0), stretches.prod(axis=0)
    cost = np.asarray([float(f"{value:.9g}") for value in cost])  # Rounding makes no difference.
    columns = np.asarray([-needed[x.field] if x.raised else needed[x.field] for x in chosen])
    speed = table.tokens_per_second_per_request[rows]
    fastest = question.instance.aim == "tokens_per_second_per_request"
    for at in np.lexsort((product, worst, cost)):
        key = (float(cost[at]), float(worst[at]), float(product[at]))
        if best is not None and best.key <= key:
            return best
        if fastest:  # The fastest that these values admit is the plan, and may cost more.
            within = np.flatnonzero((columns >= columns[:, [at]]).all(axis=0))
            if cost[within[np.argmax(speed[within])]] > cost[at]:
                continue
        return _Way(key, {lever: float(needed[lever.field][at]) for lever in chosen})
    return best


def _relaxation(
    question: Question, table: Candidates, exact: Mapping[Lever, float], tables: Tables
) -> Relaxation | None:
    """Round values, and find the plan that they lead to; None where a field cannot have one."""
    values: dict[str, float | int] = {}
    for lever, value in exact.items():
        rounded = figure(value, lever.asked, raised=lever.raised, whole=lever.whole)
        if rounded > lever.most:
            rounded = value
        if rounded > lever.most:
            return None
        values[lever.field] = rounded
    plan = result(question, table, values, tables)
    if plan is None:
        return None
    changes = [
        Change(
            lever.field,
            int(lever.asked) if lever.whole else lever.asked,
            values[lever.field],
            lever.unit,
            "" if lever.pool is None else question.pools[lever.pool].label,
        )
        for lever in exact
    ]
    return Relaxation(tuple(changes), plan)


def result(
    question: Question, table: Candidates, values: Mapping[str, float | int], tables: Tables
) -> Prospect | None:
    """Return the plan of a question with some values changed; None where it has none."""
    if MEMORY not in values:
        return prospect(put(question, values), table)
    refilled = ask(changed(question.instance, values))
    return prospect(refilled, shortlisted(refilled, tables=tables)[1])


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


def filled(question: Question) -> Question:
    """Return the question with accelerators that are filled completely."""
    return ask(changed(question.instance, {MEMORY: 1.0}))


def _least_fraction(question: Question, lever: Lever, tables: Tables) -> float | None:
    """Return the least part of memory that must be filled; None where none suffices."""
    whole = filled(question)
    if not all_met(requirements(whole, shortlisted(whole, tables=tables)[1])).any():
        return None
    return min(least_of(whole), default=None)


def least_of(question: Question) -> Iterator[float]:
    """Yield, for every block, the least part of its memory that a deployment fills.

    Only deployments count that satisfy the question.
    """
    for table in blocks(question):
        rows = all_met(requirements(question, table))
        if rows.any():
            yield float((table.memory_bytes_per_gpu / table.usable_bytes_per_gpu)[rows].min())
