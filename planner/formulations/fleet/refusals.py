"""Refusals by priority (F8): requests of the first are refused only where they cannot be served."""

from __future__ import annotations

import time
from typing import Any

import pyomo.environ as pyo

from planner.formulations.fleet.index_sets import IndexSets, total
from planner.problem.tolerances import ROUNDING
from solvers import Outcome, Status, solve_in_turn

LEAST_SECONDS = 1.0
"""Time that each priority gets in any case."""


def by_priority(m: pyo.ConcreteModel, of: IndexSets) -> dict[int, list[tuple[float, Any]]]:
    """Return requests that are refused over the horizon, by priority, as terms."""
    wanted, hours = of.data.wanted, of.data.horizon.hours
    assert wanted.priority is not None
    found: dict[int, list[tuple[float, Any]]] = {}
    for w, t in of.busy():
        requests = float(wanted.demand[w, t] * hours[t])
        found.setdefault(int(wanted.priority[w]), []).append((requests, m.shed[of.workload(w, t)]))
    return dict(sorted(found.items()))


def keep_priorities(
    m: pyo.ConcreteModel, of: IndexSets, *, solver: str, time_limit_seconds: float
) -> Outcome | None:
    """Let no more requests be refused than must be, priority by priority; the last is left open.

    Parameters
    ----------
    m : ConcreteModel
        Formulation F of a fleet; constraints are added.
    of : IndexSets
        The fleet beside its names.
    solver, time_limit_seconds
        As for `planner.formulations.fleet.milp.solve`.

    Returns
    -------
    Outcome or None
        Why the fewest of a priority were not found or not proved; None where they were.
    """
    until = time.perf_counter() + time_limit_seconds
    *first, _last = by_priority(m, of).values()
    m.refusing = pyo.Objective(
        range(len(first)),
        rule=lambda _, rank: total(first[rank]),
        doc="(F8) fewest requests refused of each priority but the last",
    )
    m.kept = pyo.ConstraintList(doc="no more refused of a priority than must be")
    unproved: Outcome | None = None
    for rank, terms in enumerate(first):
        left = max(until - time.perf_counter(), LEAST_SECONDS)
        outcome = solve_in_turn(
            m, [m.refusing[rank]], solver=solver, time_limit_seconds=left, tolerance=ROUNDING
        )
        if not outcome.has_solution:
            return outcome
        unproved = unproved if outcome.status is Status.OPTIMAL else outcome
        asked = sum(weight for weight, _ in terms)
        parts = [(weight / asked, variable) for weight, variable in terms]
        m.kept.add(total(parts) <= max(outcome.objective, 0.0) / asked + ROUNDING)
    return unproved
