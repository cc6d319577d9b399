"""Most traffic (F14): by which factor a mix of demands can grow on the accelerators there are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pyomo.environ as pyo

from planner.candidates.fleet.model_data import Floats, Ints, ModelData
from planner.formulations.fleet import extract_solution, milp, variable_bounds
from planner.problem.tolerances import RELAXED, ROUNDING
from solvers import solve_in_turn


@dataclass(frozen=True, slots=True)
class Growth:
    """The largest factor of a mix, with its proof."""

    status: str
    """`optimal`, `time_limit`, `infeasible` or `no_solution_in_time`."""
    factor: float
    """Factor that some plan serves; NaN where none was found."""
    bound: float
    """Factor beyond which no plan serves the mix."""


def most_growth(
    data: ModelData, *, time_limit_seconds: float = 300.0, relative_gap: float = 0.0
) -> Growth:
    """Find the largest factor by which all demands can grow together.

    Demands enter as what would be served if every accelerator worked at its best; the part of them
    that is served, between 0 and 1, is the one new variable.

    Parameters
    ----------
    data : ModelData
        The mix, with nothing that may be refused and no rises.
    time_limit_seconds, relative_gap : float
        When to stop: seconds, and (bound - factor) / factor.

    Raises
    ------
    ValueError
        Where nothing limits the traffic: some pool and the money have no end.
    """
    ceiling = variable_bounds.most_growth(data)
    if math.isinf(ceiling):
        raise ValueError("neither accelerators nor money limit the traffic")
    if not ceiling > 0.0:
        return Growth("infeasible", math.nan, 0.0)
    wanted = replace(data.wanted, demand=data.wanted.demand * ceiling)
    m = milp.build(replace(data, wanted=wanted), grows=True)
    m.best.deactivate()
    m.most_traffic = pyo.Objective(
        expr=m.part, sense=pyo.maximize, doc="(F14) the part of the mix that is served"
    )
    outcome = solve_in_turn(
        m,
        [m.most_traffic],
        time_limit_seconds=time_limit_seconds,
        relative_gap=relative_gap,
        tolerance=ROUNDING,
    )
    if not outcome.has_solution:
        return Growth(str(outcome.status), math.nan, ceiling)
    decisions = extract_solution.decisions(data, m)
    if decisions.served is None:
        factor = _served(data, decisions.replicas)
    else:  # How replicas are shared by classes is the solver's, within its tolerance.
        factor = float(np.clip(pyo.value(m.part), 0.0, 1.0)) * (1.0 - RELAXED) * ceiling
    return Growth(str(outcome.status), factor, max(min(outcome.bound, 1.0) * ceiling, factor))


def _served(data: ModelData, replicas: Ints) -> float:
    """Return by which factor replicas serve all demands, where requests are alike."""
    rate, factors = variable_bounds.rate(data), [math.inf]
    for w, t in np.argwhere(data.wanted.demand > 0):
        rows = np.flatnonzero(data.choices.workload == w)
        counts = [replicas[rows, t]]
        if data.wanted.survives[w]:
            counts += [counts[0] - lost for lost in np.eye(len(rows), dtype=np.int64)]
        able = [_capacity(data, rows, count * rate[rows]) for count in counts if count.min() >= 0]
        factors.append(min(able) / data.wanted.demand[w, t])
    return float(min(factors))


def _capacity(data: ModelData, rows: Ints, serves: Floats) -> float:
    """Return what choices serve together, each place what both of its stages serve."""
    places = data.pool_supply.places[data.choices.pool[rows]]
    stages = variable_bounds.stages_of(data, int(data.choices.workload[rows[0]])).values()
    parts = [
        [serves[(places == place) & np.isin(rows, stage)].sum() for stage in stages]
        for place in np.unique(places)
    ]
    return float(sum(min(part) for part in parts))
