"""Formulation F of the fewest changes of what runs with which a fleet can be had."""

from __future__ import annotations

import math
from dataclasses import replace

import pyomo.environ as pyo

from planner.candidates.fleet.model_data import ModelData
from planner.formulations.fleet import milp
from planner.formulations.fleet.index_sets import IndexSets, numbered, total
from planner.problem.tolerances import INTEGRAL, ROUNDING
from solvers import solve_in_turn


def fewest_changes(data: ModelData, *, time_limit_seconds: float) -> int | None:
    """Return the fewest replicas that must be started, stopped or changed in a first period.

    Parameters
    ----------
    data : ModelData
        A fleet that cannot be had with as many changes as it allows.
    time_limit_seconds : float
        When to stop.

    Returns
    -------
    int or None
        None where no number of changes helps, or none was found in time.
    """
    many = replace(data, limits=replace(data.limits, changes=many_changes(data)))
    m = milp.build(many)
    most = pyo.Var(domain=pyo.NonNegativeReals, bounds=(0, many.limits.changes))
    m.most_changes = most
    of = IndexSets(many, numbered(many))

    @m.Constraint(list(m.few_changes), doc="changes of each first period")
    def all_changes(m: pyo.ConcreteModel, period: str) -> object:
        counted = [(1.0, m.changes[layout, period]) for layout in range(len(of.layouts))]
        return total([*counted, (-1.0, m.most_changes)]) <= 0.0

    m.fewest = pyo.Objective(expr=m.most_changes, doc="fewest changes")
    outcome = solve_in_turn(
        m, [m.fewest], time_limit_seconds=time_limit_seconds, tolerance=ROUNDING
    )
    if not outcome.has_solution:
        return None
    return data.by_layout.elsewhere + math.ceil(float(pyo.value(m.most_changes)) - INTEGRAL)


def many_changes(data: ModelData) -> float:
    """Return a number of changes that no plan needs more of."""
    free = replace(data, limits=replace(data.limits, changes=0.0))
    most = IndexSets(free, numbered(free)).most
    layouts = data.by_layout
    return float(most.max(axis=1).sum() + layouts.running.sum() + layouts.elsewhere)
