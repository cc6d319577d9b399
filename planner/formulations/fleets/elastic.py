"""Formulation F of a fleet that cannot be had: what is missing least, or who is refused least."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.fleets.figures import Decisions, Figures, Floats, Ints, Verdict
from planner.formulations import fleet
from planner.formulations.fleets import costing, deciding, loosening, sizing
from planner.formulations.fleets.described import total
from planner.formulations.fleets.loosening import WAYS, Kind, Missing
from solvers import solve_in_turn


def least_missing(
    figures: Figures, kinds: tuple[Kind, ...], *, time_limit_seconds: float = 60.0
) -> Missing:
    """Find the least that must be added so that a fleet can be had.

    Of all that helps, what is worth least is added (`loosening.worth`); of that the cheapest plan
    is taken.

    Parameters
    ----------
    figures : Figures
        The fleet.
    kinds : tuple
        What may be added to; everything else stays as it is.
    time_limit_seconds : float
        When to stop.
    """
    loose = loosening.loosened(figures, kinds)
    m = fleet.build(loose)
    values = loosening.worth(figures)
    terms: list[tuple[float, Any]] = []
    if "gpus" in kinds:
        terms += _more_gpus(m, figures, values["gpus"])
    terms += _more(m, figures, kinds, values)
    m.least = pyo.Objective(expr=total(terms), doc="what is missing, in dollars")
    outcome = solve_in_turn(
        m,
        [m.least, m.best],
        time_limit_seconds=time_limit_seconds,
        tolerance=sizing.TOLERANCE,
    )
    pools, periods = len(figures.market.gpus), len(figures.horizon)
    if not outcome.has_solution:
        return loosening.without(str(outcome.status), pools, periods)
    return _missing(figures, kinds, m, str(outcome.status), outcome.bound)


def _more_gpus(m: pyo.ConcreteModel, figures: Figures, worth: Floats) -> list[tuple[float, Any]]:
    """Let accelerators be added to pools: as many to each of their ways of paying."""
    market, choices = figures.market, figures.choices
    pools, periods = list(m.POOLS), list(m.PERIODS)
    names, own = list(m.CHOICES), np.flatnonzero(sizing.has_own_price(figures))
    m.more_gpus = pyo.Var(m.POOLS, domain=pyo.NonNegativeIntegers, doc="accelerators to be added")
    most = _most_of_use(m, figures)
    for p, pool in enumerate(pools):
        m.more_gpus[pool].setub(int(most[p]))
    supply, limits = np.floor(market.gpus), {way: loosening.limit_of(market, way) for way in WAYS}

    def of_way(way: str, p: int, t: int) -> list[tuple[float, Any]]:
        variable = getattr(m, way)
        at = pools[p] if way == "reserved" else (pools[p], periods[t])
        return [(float(market.granule[p]), variable[at])] if at in variable else []

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


def _most_of_use(m: pyo.ConcreteModel, figures: Figures) -> Ints:
    """(P,) accelerators of which more are of no use: all that the replicas might ever occupy."""
    choices, market = figures.choices, figures.market
    upper = np.array([data.ub for data in m.replicas.values()]).reshape(len(choices), -1)
    used = choices.gpus * upper.max(axis=1, initial=0) * (2 if figures.limits.rising else 1)
    most = np.bincount(choices.pool, used, minlength=len(market.gpus))
    return np.asarray(most + len(WAYS) * market.granule, dtype=np.int64)


def _more(
    m: pyo.ConcreteModel, figures: Figures, kinds: tuple[Kind, ...], worth: dict[Kind, Floats]
) -> list[tuple[float, Any]]:
    """Let the budget and the caps on power and carbon be raised."""
    terms: list[tuple[float, Any]] = []
    m.more = pyo.Var(pyo.Any, dense=False, domain=pyo.NonNegativeReals, doc="to be added to a cap")
    m.raised = pyo.ConstraintList(doc="no more than the cap and what is added to it")
    for kind, name, limit, value, spent in _spendings(m, figures, worth):
        if kind in kinds and np.isfinite(limit):
            scale = 1.0 / max(limit, 1.0)
            m.raised.add(scale * (spent - m.more[kind, name]) <= scale * limit)
            terms.append((value, m.more[kind, name]))
    return terms


def _spendings(m: pyo.ConcreteModel, figures: Figures, worth: dict[Kind, Floats]) -> Any:
    """Yield kind, name, cap, worth and use of everything but accelerators that has a cap."""
    choices, market, limits = figures.choices, figures.market, figures.limits
    names, hours = list(m.CHOICES), figures.horizon.hours
    yield "dollars", "", limits.dollars, 1.0, m.dollars
    watts = (choices.gpus * market.watts[choices.pool]).astype(float)
    for period in m.PERIODS:
        places = [(np.arange(len(names)), "", limits.watts, worth["watts"][-1])]
        places += [
            (np.flatnonzero(choices.pool == p), pool, market.watts_at_most[p], worth["watts"][p])
            for p, pool in enumerate(m.POOLS)
        ]
        for rows, name, limit, value in places:
            busy = total((watts[c], m.replicas[names[c], period]) for c in rows if watts[c])
            # The same raise holds in every period; its worth is counted once.
            yield "watts", name, limit, value / len(hours), busy
    carbon = choices.gpus * market.kilograms_per_hour[choices.pool]
    spent = total(
        (float(carbon[c] * hours[t]), m.replicas[name, period])
        for c, name in enumerate(names)
        for t, period in enumerate(m.PERIODS)
        if carbon[c]
    )
    yield "kilograms", "", limits.kilograms, worth["kilograms"][0], spent


def _missing(
    figures: Figures, kinds: tuple[Kind, ...], m: pyo.ConcreteModel, status: str, bound: float
) -> Missing:
    """Read what is missing; amounts that need not be whole are recomputed from the replicas."""
    decided = deciding.decisions(loosening.loosened(figures, kinds), m)
    pools = list(m.POOLS)
    more = [round(m.more_gpus[pool].value) if "gpus" in kinds else 0 for pool in pools]
    market, limits = figures.market, figures.limits
    busy = _busy(figures, decided)
    short = np.minimum(_over(figures, decided), np.asarray(more, dtype=float)[:, None])
    watts = busy * market.watts[:, None]
    kilograms = float(
        (busy * market.kilograms_per_hour[:, None]).sum(axis=0) @ figures.horizon.hours
    )
    missing = Missing(
        status=status,
        gpus=np.asarray(more, dtype=float),
        short=short,
        dollars=max(costing.dollars(figures, decided) - limits.dollars, 0.0),
        pool_watts=np.maximum(watts.max(axis=1, initial=0.0) - market.watts_at_most, 0.0),
        watts=max(float(watts.sum(axis=0).max(initial=0.0)) - limits.watts, 0.0),
        kilograms=max(kilograms - limits.kilograms, 0.0),
        value=0.0,
        bound=bound,
    )
    value = value_of(missing, loosening.worth(figures))
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


def _busy(figures: Figures, decided: Decisions) -> Floats:
    """(P, T) accelerators that replicas occupy."""
    choices = figures.choices
    busy = np.zeros((len(figures.market.gpus), len(figures.horizon)))
    np.add.at(busy, choices.pool, choices.gpus[:, None] * decided.replicas)
    return busy


def _over(figures: Figures, decided: Decisions) -> Floats:
    """(P, T) accelerators beyond what there are, in all or in one way of paying."""
    market, choices = figures.market, figures.choices
    own = np.zeros_like(decided.on_demand)
    gpus = np.where(sizing.has_own_price(figures), choices.gpus, 0)
    np.add.at(own, choices.pool, gpus[:, None] * decided.replicas)
    reserved = decided.reserved[:, None]
    over = reserved + decided.on_demand + decided.spot + own - np.floor(market.gpus)[:, None]
    for way, held in zip(WAYS, (reserved, decided.on_demand, decided.spot), strict=True):
        over = np.maximum(over, held - loosening.limit_of(market, way)[:, None])
    return np.asarray(np.maximum(over, 0.0))


def least_refused(figures: Figures, priority: Ints, *, time_limit_seconds: float = 60.0) -> Verdict:
    """Find the plan that refuses the fewest requests of the first priority, then of the next.

    Each priority's requests are an objective of their own, kept while the next is minimised; the
    cheapest plan is taken of those that refuse the same.

    Parameters
    ----------
    figures : Figures
        The fleet.
    priority : array of int
        (W,) of each workload; 1 is served first.
    time_limit_seconds : float
        When to stop.

    Returns
    -------
    Verdict
        Its objective is the dollars paid; `infeasible` where not even refusing all helps.
    """
    wanted = figures.wanted
    every = np.ones(len(wanted.least))
    shedding = replace(wanted, shed_at_most=every, shed_dollars=np.zeros(len(every)))
    loose = replace(figures, wanted=shedding)
    m = fleet.build(loose)
    workloads = list(dict.fromkeys(at[0] for at in m.shed))
    number = dict(zip(workloads, np.flatnonzero((wanted.demand > 0).any(axis=1)), strict=True))
    hours = dict(zip(m.PERIODS, figures.horizon.hours, strict=True))
    classes: dict[int, list[tuple[float, Any]]] = {}
    for (workload, period), variable in m.shed.items():
        rank = int(priority[number[workload]])
        classes.setdefault(rank, []).append((float(hours[period]), variable))
    m.ranks = pyo.Set(initialize=sorted(classes))
    m.refusing = pyo.Objective(m.ranks, rule=lambda _, rank: total(classes[rank]))
    outcome = solve_in_turn(
        m,
        [*(m.refusing[rank] for rank in m.ranks), m.best],
        time_limit_seconds=time_limit_seconds,
        tolerance=sizing.TOLERANCE,
    )
    nan = float("nan")
    if not outcome.has_solution:
        return Verdict(str(outcome.status), None, nan, nan, outcome.seconds, outcome.solver)
    decided = deciding.decisions(loose, m)
    dollars = costing.dollars(loose, decided)
    return Verdict(str(outcome.status), decided, dollars, nan, outcome.seconds, outcome.solver)
