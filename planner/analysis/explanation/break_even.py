"""Prices at which the choice changes: of accelerators, and of speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from planner import catalogue
from planner.analysis.explanation.what_if import Choice, choice
from planner.candidates.requirements import objective_values, requirements, violations
from planner.candidates.screening import all_shortlists
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates, Integers, sort_key
from planner.errors import InputError, Problem
from planner.plans.plan import Plan
from planner.problem.instance import Instance, Pool
from planner.problem.resolve import ResolvedInstance, resolve
from planner.problem.tolerances import ROUNDING, TIE
from planner.terms.forward_pass import Floats

PRICED = ("dollars_per_million_tokens_at_most", "dollars_per_hour_at_most")
"""Requirements on which prices bear, the first given being the price of speed where speed is the
objective."""
SPEED = "tokens_per_second_per_request"
STEPS = 3
"""Steps of the price of speed on either side of the plan."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The price of one pool's accelerators at which the choice changes."""

    pool: str
    accelerator: str
    chosen: bool
    """Whether it is the plan's own pool."""
    asked: bool
    """Whether it is one of the instance's pools; others were added to compare."""
    dollars_per_gpu_hour: float | None
    """Price today; None where the catalogue has none."""
    price_source: str
    break_even: float | None
    """Below it, in $/h, the pool is the choice, above it another is, or none; None where the
    price does not matter."""
    choice: Choice | None
    """Just below that price the deployment chosen in this pool; None where there is none."""
    otherwise: str
    """Pool that is chosen just above it; empty where nothing is possible then."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """The pools, this one at its break-even price, as `planner.io.overrides.changed` takes them."""

    @property
    def never(self) -> bool:
        """Whether no price makes it the choice."""
        return self.choice is None


def break_even_prices(
    instance: Instance, plan: Plan, shortlists: ShortlistCache, added: tuple[str, ...] = ()
) -> tuple[BreakEven, ...]:
    """Return the price of every pool at which the choice changes, exact to rounding.

    A deployment's cost is its price times what it uses. So it is better than the best of the
    other pools, and under every ceiling, up to the least of a few quotients; a pool is the choice
    up to the largest of these over its deployments.

    Parameters
    ----------
    instance : Instance
        What was asked.
    plan : Plan
        Its answer.
    shortlists : ShortlistCache
        Shortlists of deployments; they hold whatever some price could make the best.
    added : tuple of str
        Accelerators of the catalogue that are compared although the instance has no such pool.

    Raises
    ------
    InputError
        Where an added accelerator is unknown, or a pool of the instance already.
    """
    wider, unpriced = with_accelerators(instance, added)
    resolved = resolve(wider)
    _, table = all_shortlists(resolved, shortlists=shortlists)
    compared = Compared(resolved, table, len(instance.pools), unpriced)
    return tuple(_break_even(compared, plan, index) for index in range(len(resolved.pools)))


@dataclass(frozen=True, slots=True)
class Compared:
    """The pools whose prices are looked at, with the deployments of all of them."""

    resolved: ResolvedInstance
    table: Candidates
    asked: int
    """How many of the pools are the instance's own; they come first."""
    unpriced: frozenset[str]
    """Those without a known price."""


def with_accelerators(
    instance: Instance, added: tuple[str, ...]
) -> tuple[Instance, frozenset[str]]:
    """Return the instance with more pools, and which of them have no known price.

    Raises
    ------
    InputError
        Where one is unknown, or a pool of the instance already.
    """
    labels = {pool.label for pool in instance.pools}
    pools, unpriced = [], set()
    for name in dict.fromkeys(added):
        if name in labels:
            fix = "Its break-even price is told anyway; leave it out."
            raise InputError(Problem("an accelerator that is in no pool", name, "--with", fix))
        known = catalogue.accelerator(name).price is not None
        quoted = known or name in catalogue.profile(instance.profile).accelerators
        unpriced |= set() if quoted else {name}
        pools.append(Pool(accelerator=name, dollars_per_gpu_hour=None if quoted else 1.0))
    wider = instance.model_copy(update={"pools": (*instance.pools, *pools)})
    return wider, frozenset(unpriced)


def _break_even(compared: Compared, plan: Plan, index: int) -> BreakEven:
    resolved, table = compared.resolved, compared.table
    supply, unknown = resolved.pools[index], resolved.pools[index].label in compared.unpriced
    mine = table.take(np.flatnonzero(table.pool == index))
    asked = table.pool < compared.asked
    others = table.take(np.flatnonzero(asked & (table.pool != index)))
    rival = _best(resolved, others)
    limits = _price_limits(resolved, mine, others, rival)
    highest = max(limits, default=0.0)
    limit = float(highest) if 0.0 < highest < np.inf else None
    last = mine.take(np.flatnonzero(limits >= highest * (1.0 - ROUNDING)))
    last = last if limit is None else _priced(last, limit)
    row = _best(resolved, last) if highest > 0.0 else None
    return BreakEven(
        supply.label,
        supply.accelerator.name,
        supply.label == plan.pool,
        index < compared.asked,
        None if unknown else supply.dollars_per_gpu_hour,
        "" if unknown else supply.price_source,
        limit,
        None if row is None else choice(resolved, last, row),
        "" if rival is None else resolved.pools[others.pool[rival]].label,
        {} if limit is None else {"pools": _pools(resolved, index, limit, compared.asked)},
    )


def _pools(
    resolved: ResolvedInstance, index: int, price: float, count: int
) -> list[dict[str, Any]]:
    stated = resolved.instance.model_dump(by_alias=True, exclude_unset=True)["pools"]
    kept = [dict(pool) for at, pool in enumerate(stated) if at < count or at == index]
    at = min(index, count)
    kept[at] = {**kept[at], "dollars_per_gpu_hour": price}
    return kept


def _priced(table: Candidates, price: float) -> Candidates:
    """Return the table at another price per accelerator."""
    return replace(table, dollars_per_gpu_hour=np.full(len(table), price))


def _best(resolved: ResolvedInstance, table: Candidates) -> int | None:
    """Return the row that is the answer among those of a table, or None."""
    rows = np.flatnonzero(violations(requirements(resolved, table)) == 0)
    if not len(rows):
        return None
    return int(rows[np.lexsort(_marks(resolved, table.take(rows)))[0]])


def _marks(resolved: ResolvedInstance, table: Candidates) -> list[Floats]:
    """Keys by which deployments are ordered, the last one first."""
    gpus = table.replicas_needed(resolved.instance.workload) * table.gpus_per_replica
    speed = table.tokens_per_second_per_request
    return [-speed, gpus, objective_values(resolved, table)]


def _price_limits(
    resolved: ResolvedInstance, mine: Candidates, others: Candidates, rival: int | None
) -> Floats:
    """Price up to which each deployment beats the best of the other pools; 0 where none does."""
    one = _priced(mine, 1.0)
    found = requirements(resolved, one)
    met = np.logical_and.reduce([r.met for r in found if r.name not in PRICED])
    limits = np.full(len(one), np.inf)
    for requirement in found:
        if requirement.name in PRICED:  # At a dollar the cost is what the price is multiplied by.
            limits = np.minimum(limits, requirement.limit / requirement.attained)
    if rival is not None:
        limits = np.minimum(limits, _beats_up_to(resolved, one, others, rival))
    return np.where(met, limits, 0.0)


def _beats_up_to(
    resolved: ResolvedInstance, one: Candidates, others: Candidates, rival: int
) -> Floats:
    scores = objective_values(resolved, one)
    best = float(objective_values(resolved, others)[rival])
    if resolved.instance.aim != SPEED:
        limits: Floats = best / scores
        return limits
    gpus = one.replicas_needed(resolved.instance.workload) * one.gpus_per_replica
    rival_table = others.take(np.asarray([rival]))
    needed = rival_table.replicas_needed(resolved.instance.workload)
    rival_gpus = float((needed * rival_table.gpus_per_replica)[0])
    name = sort_key(resolved, others, rival)
    close = np.abs(scores - best) <= TIE * abs(best)
    wins = (scores < best) & ~close
    for row in np.flatnonzero(close & (gpus <= rival_gpus)):  # Ties: fewer GPUs, then the label.
        wins[row] = gpus[row] < rival_gpus or sort_key(resolved, one, int(row)) < name
    return np.where(wins, np.inf, 0.0)


@dataclass(frozen=True, slots=True)
class SpeedStep:
    """One step of the price of speed: the next speed at another cost."""

    tokens_per_second_per_request: float
    cost: float
    """Its cost, in the unit of `SpeedPrice.cost_name`."""
    extra_cost: float
    """More than the plan's; negative where it is less."""
    extra_speed: float
    price: float
    """Extra cost per extra token/s per request."""
    choice: Choice
    changes: Mapping[str, Any] = field(default_factory=dict)
    """The change that makes it the answer."""


@dataclass(frozen=True, slots=True)
class SpeedPrice:
    """What speed costs around the plan: the frontier of cost and speed, step by step."""

    cost_name: str
    """`dollars_per_hour` or `dollars_per_million_tokens`."""
    cost: float
    tokens_per_second_per_request: float
    """Of the plan."""
    free_up_to: float
    """Speed that can be had at the plan's cost."""
    faster: tuple[SpeedStep, ...]
    """Ascending in speed, the next one first."""
    slower: tuple[SpeedStep, ...]
    """Descending in speed, the next one first."""


def speed_price(resolved: ResolvedInstance, plan: Plan, shortlists: ShortlistCache) -> SpeedPrice:
    """Return the frontier of cost and speed around a plan, every other requirement kept.

    The marginal price of speed is that of the first faster step.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    plan : Plan
        Its answer.
    shortlists : ShortlistCache
        Shortlists of deployments; they hold the whole frontier.
    """
    _, table = all_shortlists(resolved, shortlists=shortlists)
    instance = resolved.instance
    fastest = instance.aim == SPEED
    field_name = SPEED if not fastest else next(n for n in PRICED if getattr(instance, n))
    cost_name = field_name.removesuffix("_at_most") if fastest else instance.aim
    free = [r for r in requirements(resolved, table) if r.name != field_name]
    table = table.take(np.flatnonzero(violations(free) == 0))
    costs = table.dollars_per_million_tokens
    if cost_name == "dollars_per_hour":
        costs = table.dollars_per_hour(table.replicas_needed(instance.workload))
    speeds = table.tokens_per_second_per_request
    here = (_number(plan, cost_name), _number(plan, SPEED))
    front = _frontier(costs, speeds)
    change = field_name if fastest else f"workload.{SPEED}"
    limit = costs if fastest else speeds

    def step(row: int) -> SpeedStep:
        cost, speed = float(costs[row]), float(speeds[row])
        extra, faster = cost - here[0], speed - here[1]
        chosen = choice(resolved, table, row)
        changes = {change: float(limit[row])}
        return SpeedStep(speed, cost, extra, faster, extra / faster, chosen, changes)

    margin = TIE * here[0]
    quick = [row for row in front if costs[row] > here[0] + margin and speeds[row] > here[1]]
    slow = [row for row in front if costs[row] < here[0] - margin and speeds[row] < here[1]]
    same = [float(speeds[row]) for row in front if abs(costs[row] - here[0]) <= margin]
    return SpeedPrice(
        cost_name,
        *here,
        max([here[1], *same]),
        tuple(map(step, quick[:STEPS])),
        tuple(map(step, slow[::-1][:STEPS])),
    )


def _number(plan: Plan, name: str) -> float:
    return float(getattr(plan, name))


def _frontier(costs: Floats, speeds: Floats) -> list[int]:
    """Return the rows that nothing beats in both, by ascending cost and speed."""
    order = np.lexsort([-speeds, costs])
    best = np.maximum.accumulate(np.concatenate(([-np.inf], speeds[order])))[:-1]
    found: Integers = order[speeds[order] > best]
    return [int(row) for row in found]
