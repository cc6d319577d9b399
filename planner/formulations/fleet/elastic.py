"""Formulation F of a fleet that cannot be had: what is missing least, or who is refused least."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.candidates.fleet.model_data import Decisions, Floats, Ints, ModelData, SolveResult
from planner.formulations.fleet import (
    costs,
    extract_solution,
    milp,
    refusals,
    relaxed_limits,
    variable_bounds,
)
from planner.formulations.fleet.index_sets import IndexSets, numbered, total
from planner.formulations.fleet.relaxed_limits import WAYS, Kind, Missing
from planner.problem.tolerances import ROUNDING
from solvers import solve_in_turn


def least_missing(
    data: ModelData, kinds: tuple[Kind, ...], *, time_limit_seconds: float = 60.0
) -> Missing:
    """Find the least that must be added so that a fleet can be had.

    Of all that helps, what is worth least is added (`relaxed_limits.worth`); of that the
    cheapest plan is taken.

    Parameters
    ----------
    data : ModelData
        The fleet.
    kinds : tuple
        What may be added to; everything else stays as it is.
    time_limit_seconds : float
        When to stop.
    """
    loose = relaxed_limits.loosened(data, kinds)
    m = milp.build(loose)
    values = relaxed_limits.worth(data)
    terms: list[tuple[float, Any]] = []
    if "gpus" in kinds:
        terms += _more_gpus(m, data, values["gpus"])
    terms += _more(m, data, kinds, values)
    m.least = pyo.Objective(expr=total(terms), doc="what is missing, in dollars")
    outcome = solve_in_turn(
        m,
        [m.least, m.best],
        time_limit_seconds=time_limit_seconds,
        tolerance=ROUNDING,
    )
    pools, periods = len(data.pool_supply.gpus), len(data.horizon)
    if not outcome.has_solution:
        return relaxed_limits.without(str(outcome.status), pools, periods)
    return _missing(data, kinds, m, str(outcome.status), outcome.bound)


def _more_gpus(m: pyo.ConcreteModel, data: ModelData, worth: Floats) -> list[tuple[float, Any]]:
    """Let accelerators be added to pools: as many to each of their ways of paying."""
    pool_supply, choices = data.pool_supply, data.choices
    pools, periods = list(m.POOLS), list(m.PERIODS)
    names, own = list(m.CHOICES), np.flatnonzero(variable_bounds.has_own_price(data))
    m.more_gpus = pyo.Var(m.POOLS, domain=pyo.NonNegativeIntegers, doc="accelerators to be added")
    most = _most_of_use(m, data)
    for p, pool in enumerate(pools):
        m.more_gpus[pool].setub(int(most[p]))
    supply, limits = (
        np.floor(pool_supply.gpus),
        {way: relaxed_limits.limit_of(pool_supply, way) for way in WAYS},
    )

    def of_way(way: str, p: int, t: int) -> list[tuple[float, Any]]:
        variable = getattr(m, way)
        at = pools[p] if way == "reserved" else (pools[p], periods[t])
        return [(float(pool_supply.increment[p]), variable[at])] if at in variable else []

    @m.Constraint(range(len(pools)), range(len(periods)), doc="no more than there are then")
    def more_supply(m: Any, p: int, t: int) -> Any:
        held = [term for way in WAYS for term in of_way(way, p, t)]
        mine = own[choices.pool[own] == p]
        held += [(float(choices.gpus[c]), m.replicas[names[c], periods[t]]) for c in mine]
        if not held or np.isinf(supply[p]):
            return pyo.Constraint.Skip
        return total([*held, (-1.0, m.more_gpus[pools[p]])]) <= float(supply[p])

    @m.Constraint(WAYS, range(len(pools)), range(len(periods)), doc="no more than sold so then")
    def more_of_way(m: Any, way: str, p: int, t: int) -> Any:
        held = of_way(way, p, t)
        if not held or np.isinf(limits[way][p]):
            return pyo.Constraint.Skip
        return total([*held, (-1.0, m.more_gpus[pools[p]])]) <= float(limits[way][p])

    return [(float(worth[p]), m.more_gpus[pool]) for p, pool in enumerate(pools)]


def _most_of_use(m: pyo.ConcreteModel, data: ModelData) -> Ints:
    """(P,) accelerators of which more are of no use: all that the replicas might ever occupy."""
    choices, pool_supply = data.choices, data.pool_supply
    upper = np.array([data.ub for data in m.replicas.values()]).reshape(len(choices), -1)
    used = choices.gpus * upper.max(axis=1, initial=0) * (2 if data.limits.rising else 1)
    most = np.bincount(choices.pool, used, minlength=len(pool_supply.gpus))
    return np.asarray(most + len(WAYS) * pool_supply.increment, dtype=np.int64)


def _more(
    m: pyo.ConcreteModel, data: ModelData, kinds: tuple[Kind, ...], worth: dict[Kind, Floats]
) -> list[tuple[float, Any]]:
    """Let the budget and the caps on power and carbon be raised."""
    terms: list[tuple[float, Any]] = []
    m.more = pyo.Var(pyo.Any, dense=False, domain=pyo.NonNegativeReals, doc="to be added to a cap")
    m.raised = pyo.ConstraintList(doc="no more than the cap and what is added to it")
    for kind, name, limit, value, spent in _spendings(m, data, worth):
        if kind in kinds and np.isfinite(limit):
            scale = 1.0 / max(limit, 1.0)
            m.raised.add(scale * (spent - m.more[kind, name]) <= scale * limit)
            terms.append((value, m.more[kind, name]))
    return terms


def _spendings(m: pyo.ConcreteModel, data: ModelData, worth: dict[Kind, Floats]) -> Any:
    """Yield kind, name, cap, worth and use of everything but accelerators that has a cap."""
    choices, pool_supply, limits = data.choices, data.pool_supply, data.limits
    names, hours = list(m.CHOICES), data.horizon.hours
    yield "dollars", "", limits.dollars, 1.0, m.dollars
    watts = (choices.working * pool_supply.watts[choices.pool]).astype(float)
    for period in m.PERIODS:
        places = [(np.arange(len(names)), "", limits.watts, worth["watts"][-1])]
        places += [
            (
                np.flatnonzero(choices.pool == p),
                pool,
                pool_supply.watts_at_most[p],
                worth["watts"][p],
            )
            for p, pool in enumerate(m.POOLS)
        ]
        for rows, name, limit, value in places:
            busy = total((watts[c], m.replicas[names[c], period]) for c in rows if watts[c])
            # The same raise holds in every period; its worth is counted once.
            yield "watts", name, limit, value / len(hours), busy
    carbon = choices.working * pool_supply.kilograms_per_hour[choices.pool]
    spent = total(
        (float(carbon[c] * hours[t]), m.replicas[name, period])
        for c, name in enumerate(names)
        for t, period in enumerate(m.PERIODS)
        if carbon[c]
    )
    yield "kilograms", "", limits.kilograms, worth["kilograms"][0], spent


def _missing(
    data: ModelData, kinds: tuple[Kind, ...], m: pyo.ConcreteModel, status: str, bound: float
) -> Missing:
    """Read what is missing; amounts that need not be whole are recomputed from the replicas."""
    decided = extract_solution.decisions(relaxed_limits.loosened(data, kinds), m)
    pools = list(m.POOLS)
    more = [round(m.more_gpus[pool].value) if "gpus" in kinds else 0 for pool in pools]
    pool_supply, limits = data.pool_supply, data.limits
    busy = _busy(data, decided)
    short = np.minimum(_over(data, decided), np.asarray(more, dtype=float)[:, None])
    watts = busy * pool_supply.watts[:, None]
    kilograms = float(
        (busy * pool_supply.kilograms_per_hour[:, None]).sum(axis=0) @ data.horizon.hours
    )
    missing = Missing(
        status=status,
        gpus=np.asarray(more, dtype=float),
        short=short,
        dollars=max(costs.dollars(data, decided) - limits.dollars, 0.0),
        pool_watts=np.maximum(watts.max(axis=1, initial=0.0) - pool_supply.watts_at_most, 0.0),
        watts=max(float(watts.sum(axis=0).max(initial=0.0)) - limits.watts, 0.0),
        kilograms=max(kilograms - limits.kilograms, 0.0),
        value=0.0,
        bound=bound,
    )
    value = value_of(missing, relaxed_limits.worth(data))
    return replace(missing, value=value, bound=min(bound, value))


def value_of(missing: Missing, worth: dict[Kind, Floats]) -> float:
    """What is missing, in dollars over the horizon."""
    watts = np.append(missing.pool_watts, missing.watts)
    parts = (
        missing.gpus @ worth["gpus"],
        missing.dollars,
        watts @ worth["watts"],
        missing.kilograms * worth["kilograms"][0],
    )
    return float(sum(parts))


def _busy(data: ModelData, decided: Decisions) -> Floats:
    """(P, T) accelerators that work."""
    choices = data.choices
    busy = np.zeros((len(data.pool_supply.gpus), len(data.horizon)))
    np.add.at(busy, choices.pool, choices.working[:, None] * decided.replicas)
    return busy


def _over(data: ModelData, decided: Decisions) -> Floats:
    """(P, T) accelerators beyond what there are, in all or in one way of paying."""
    pool_supply, choices = data.pool_supply, data.choices
    own = np.zeros_like(decided.on_demand)
    gpus = np.where(variable_bounds.has_own_price(data), choices.gpus, 0)
    np.add.at(own, choices.pool, gpus[:, None] * decided.replicas)
    reserved = decided.reserved[:, None]
    over = reserved + decided.on_demand + decided.spot + own - np.floor(pool_supply.gpus)[:, None]
    for way, held in zip(WAYS, (reserved, decided.on_demand, decided.spot), strict=True):
        over = np.maximum(over, held - relaxed_limits.limit_of(pool_supply, way)[:, None])
    return np.asarray(np.maximum(over, 0.0))


def least_refused(
    data: ModelData, priority: Ints, *, time_limit_seconds: float = 60.0
) -> SolveResult:
    """Find the plan that refuses the fewest requests of the first priority, then of the next.

    Each priority's requests are an objective of their own, kept while the next is minimised; the
    cheapest plan is taken of those that refuse the same.

    Parameters
    ----------
    data : ModelData
        The fleet.
    priority : array of int
        (W,) of each workload; 1 is served first.
    time_limit_seconds : float
        When to stop.

    Returns
    -------
    SolveResult
        Its objective is the dollars paid; `infeasible` where not even refusing all helps.
    """
    wanted = data.wanted
    every = np.ones(len(wanted.least))
    shedding = replace(
        wanted, shed_at_most=every, shed_dollars=np.zeros(len(every)), priority=priority
    )
    loose = replace(data, wanted=shedding)
    m = milp.build(loose)
    ranks = refusals.by_priority(m, IndexSets(loose, numbered(loose)))
    m.ranks = pyo.Set(initialize=list(ranks))
    m.refusing = pyo.Objective(m.ranks, rule=lambda _, rank: total(ranks[rank]))
    outcome = solve_in_turn(
        m,
        [*(m.refusing[rank] for rank in m.ranks), m.best],
        time_limit_seconds=time_limit_seconds,
        tolerance=ROUNDING,
    )
    nan = float("nan")
    if not outcome.has_solution:
        return SolveResult(str(outcome.status), None, nan, nan, outcome.seconds, outcome.solver)
    decided = extract_solution.decisions(loose, m)
    dollars = costs.dollars(loose, decided)
    return SolveResult(str(outcome.status), decided, dollars, nan, outcome.seconds, outcome.solver)
