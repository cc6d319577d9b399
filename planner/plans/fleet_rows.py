"""Replicas as they were decided, a row per choice and period, and what they serve."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.candidates.fleet.model_data import Bools, Decisions, Floats, Ints, ModelData
from planner.problem.offers import ROLES
from planner.problem.tolerances import RELAXED, ROUNDING

PREFILL, DECODE = ROLES.index("prefill"), ROLES.index("decode")


@dataclass(frozen=True, slots=True)
class Runs:
    """Every choice in every period in which it runs, or is added in a rise: N rows."""

    choice: Ints
    period: Ints
    count: Ints
    """(N,) replicas."""
    cell: Ints
    """(N,) workload x periods + period."""
    classed: Bools
    """(N,) whether requests of the workload have classes."""
    served: Floats | None
    """(N, K) requests per second by class; 0 where requests are alike."""
    extra: Ints | None
    """(N,) replicas that are added when the workload rises; None where no rise is planned for."""
    served_when_risen: Floats | None
    """(N, K) as `served`, with the extra replicas."""


def runs_of(data: ModelData, decisions: Decisions, classed: Bools) -> Runs:
    """List what runs.

    Parameters
    ----------
    data : ModelData
        What the formulation was built from.
    decisions : Decisions
        What it decided.
    classed : array of bool
        (W,) whether requests of the workload have classes.
    """
    count, extra = decisions.replicas, decisions.extra
    both = count if extra is None else count + extra
    choice, period = np.nonzero(both)
    workload = data.choices.workload[choice]
    can = (data.choices.rates[choice] > 0) & classed[workload][:, None]

    def split(served: Floats | None, replicas: Ints) -> Floats | None:
        if served is None:
            return None
        some = can & (replicas[choice, period] > 0)[:, None]
        return np.where(some, np.maximum(served[choice, :, period], 0.0), 0.0)

    return Runs(
        choice,
        period,
        count[choice, period],
        workload * len(data.horizon) + period,
        classed[workload],
        split(decisions.served, count),
        None if extra is None else extra[choice, period],
        split(decisions.served_when_risen, both),
    )


def by_cell(data: ModelData, runs: Runs, values: Floats, rows: Bools) -> Floats:
    """Add up values of some rows by workload and period."""
    shape = data.wanted.demand.shape
    cells = int(np.prod(shape))
    added = np.bincount(runs.cell[rows], values[rows], cells)
    return np.asarray(added, dtype=np.float64).reshape(shape)


def _place(data: ModelData, runs: Runs) -> Ints:
    """Return the place, workload and period of every row as one number."""
    where = data.pool_supply.places[data.choices.pool[runs.choice]]
    return np.asarray(where * data.wanted.demand.size + runs.cell, dtype=np.int64)


def by_place(data: ModelData, runs: Runs, values: Floats, rows: Bools) -> Floats:
    """Add up values of some rows by place, workload and period."""
    places, shape = int(data.pool_supply.places.max(initial=0)) + 1, data.wanted.demand.shape
    added = np.bincount(_place(data, runs)[rows], values[rows], places * int(np.prod(shape)))
    return np.asarray(added, dtype=np.float64).reshape(places, *shape)


def stages_of(data: ModelData, runs: Runs) -> tuple[Bools, Bools]:
    """Return which rows read prompts, and which write answers."""
    role = data.choices.role[runs.choice]
    return role != DECODE, role != PREFILL


def rate_of(data: ModelData, runs: Runs) -> Floats:
    """Return what one replica of each row serves; with classes at the mix that it serves."""
    rates = data.choices.rates[runs.choice]
    if runs.served is None:
        return rates[:, 0]
    shares = data.wanted.shares[data.choices.workload[runs.choice]]
    idle = runs.served.sum(axis=1) <= 0
    mix = np.where(idle[:, None], shares, runs.served)
    with np.errstate(divide="ignore", invalid="ignore"):
        busy = np.where(mix > 0, mix / rates, 0.0).sum(axis=1)
        mixed = np.where(busy > 0, mix.sum(axis=1) / busy, 0.0)
    return np.where(runs.classed, mixed, rates[:, 0])


def refused(data: ModelData, decisions: Decisions, runs: Runs) -> Floats:
    """Return the requests refused; what a solver rounded becomes what the replicas leave."""
    wanted = data.wanted
    left = _left(data, runs, wanted.demand, runs.count, wanted.survives)
    if runs.extra is not None:
        risen, none = wanted.demand * (1.0 + data.limits.rise), np.zeros_like(wanted.survives)
        left = np.maximum(left, _left(data, runs, risen, runs.count + runs.extra, none))
    decided = np.maximum(decisions.shed, 0.0)
    # With classes the split says what is refused, and nothing else is left.
    split = np.zeros(len(wanted.least), dtype=bool)
    split[data.choices.workload[runs.choice[runs.classed]]] = True
    near = (np.abs(decided - left) <= RELAXED * wanted.demand) & ~split[:, None]
    return np.where(near, left, decided)


def _left(data: ModelData, runs: Runs, demand: Floats, count: Ints, survives: Bools) -> Floats:
    """(W, T) what so many replicas leave of a demand, with one of them lost where that may be."""
    rate, there = rate_of(data, runs), _place(data, runs)
    stages = [by_place(data, runs, count * rate, stage) for stage in stages_of(data, runs)]
    in_place = np.minimum(*stages)
    fewer = [
        serves.ravel()[there] - np.where(mine, rate, 0.0)
        for serves, mine in zip(stages, stages_of(data, runs), strict=True)
    ]
    loss = np.where(count > 0, in_place.ravel()[there] - np.minimum(*fewer), 0.0)
    largest = np.zeros(demand.size)
    np.maximum.at(largest, runs.cell, loss)
    lost = largest.reshape(demand.shape) * survives[:, None]
    left = np.maximum(demand - (in_place.sum(axis=0) - lost), 0.0)
    return np.where(left <= ROUNDING * demand, 0.0, left)


def exactly_served(data: ModelData, runs: Runs, shed: Floats) -> Runs:
    """Scale what is served by class to what is left to serve, apart from solvers' rounding."""
    demand = data.wanted.demand
    risen = demand * (1.0 + data.limits.rise)
    return replace(
        runs,
        served=_scaled(data, runs, runs.served, demand - shed),
        served_when_risen=_scaled(data, runs, runs.served_when_risen, risen - shed),
    )


def _scaled(data: ModelData, runs: Runs, served: Floats | None, left: Floats) -> Floats | None:
    if served is None:
        return None
    served = served.copy()
    everything = np.ones(len(served), dtype=bool)
    for index in range(served.shape[1]):
        total = by_cell(data, runs, served[:, index], everything)
        needed = left * data.wanted.shares[:, index : index + 1]
        near = (total > 0) & (needed <= total * (1.0 + RELAXED))
        scale = np.where(near, needed / np.where(near, total, 1.0), 1.0)
        served[:, index] *= scale.ravel()[runs.cell]
    return served


def starts_of(data: ModelData, runs: Runs) -> Ints:
    """(N,) replicas that did not run in the period before.

    Replicas that changed their batch ran before: of a layout's deployments that grow, the first
    ones start what the layout has more.
    """
    layouts, periods = data.by_layout, len(data.horizon)
    counts = np.zeros((len(data.choices), periods), dtype=np.int64)
    counts[runs.choice, runs.period] = runs.count
    before = data.horizon.before[runs.period]
    first = data.choices.running[runs.choice] if data.has_running else runs.count
    previous = np.where(before >= 0, counts[runs.choice, before], first)
    grown = np.asarray(np.maximum(runs.count - previous, 0), dtype=np.int64)
    if data.layouts is None:
        return grown
    left = data.started(counts)
    for row in np.flatnonzero(grown).tolist():
        at = layouts.of[runs.choice[row]], runs.period[row]
        grown[row] = min(grown[row], left[at])
        left[at] -= grown[row]
    return grown
