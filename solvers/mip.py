"""Mixed-integer solvers on objectives in turn: each one breaks the ties of those before it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import pyomo.environ as pyo

from solvers.highs import Highs
from solvers.outcome import Outcome, Status
from solvers.scip import Scip

TIE = 1e-7
"""Relative difference below which two values of an objective count as equal."""
LEAST_SECONDS = 1.0
"""Time for dual values where all of it is used up."""
TIE_SCALE = 1e3
"""Factor on tie constraints, so that a solver's tolerance of 1e-6 is 1e-9 of the objective."""


class Engine(Protocol):
    """A solver that holds one model and its objectives."""

    @property
    def name(self) -> str:
        """Name and version."""

    def optimise(self, index: int, seconds: float, relative_gap: float) -> Outcome:
        """Optimise the objective of this index under the rows there are by now."""

    def keep(self, index: int, limit: float, scale: float) -> None:
        """Let `scale` x that objective be no worse than `scale` x `limit` from now on."""

    def duals(self, index: int, seconds: float) -> Any:
        """Return the dual value of every constraint in the relaxation; None where not known."""

    def load(self) -> None:
        """Put the last solution found into the model's variables."""


ENGINES: dict[str, Callable[[pyo.ConcreteModel, Sequence[pyo.Objective], float], Engine]] = {
    "highs": Highs,
    "scip": Scip,
}


def solve_in_turn(
    model: pyo.ConcreteModel,
    objectives: Sequence[pyo.Objective],
    *,
    solver: str = "highs",
    time_limit_seconds: float = 60.0,
    relative_gap: float = 0.0,
    tolerance: float = 1e-6,
    tie: float = TIE,
    duals: bool = False,
) -> Outcome:
    """Optimise the first objective, then each next one among the solutions that tie so far.

    Parameters
    ----------
    model : ConcreteModel
        Linear, with bounded discrete variables. Its variables hold the solution afterwards.
    objectives : sequence of Objective
        All components of `model`; ties in one are broken by the next.
    solver : str
        `highs` or `scip`; one thread, so that the same model gives the same answer.
    time_limit_seconds, relative_gap : float
        For all objectives together, and for the first; those that break ties are proved.
    tolerance : float
        Most by which a row may be missed, and a discrete variable may differ from a whole number.
    tie : float
        Relative difference below which two values of an objective count as equal.
    duals : bool
        Whether to solve the relaxation for the first objective, too, and return its dual values.

    Returns
    -------
    Outcome
        Status, value and bound of the first objective. Ties left open when time runs out do not
        change its status: the value is proved all the same.

    Raises
    ------
    SolverFailedError
        Where the solver stopped for another reason than optimality, infeasibility or time.
    SolverMissingError
        Where its package is not installed.
    NotLinearError
        Where the model is not linear.
    """
    started = time.perf_counter()
    engine = ENGINES[solver](model, objectives, tolerance)
    first: Outcome | None = None
    for index, objective in enumerate(objectives):
        left = time_limit_seconds - (time.perf_counter() - started)
        if left <= 0:
            first = first or Outcome(Status.UNKNOWN, math.nan, math.nan, 0.0, engine.name)
            break
        outcome = engine.optimise(index, left, relative_gap if index == 0 else 0.0)
        first = first or outcome
        if outcome.status is not Status.OPTIMAL:
            break
        worst = tie * (abs(outcome.objective) or 1.0)
        limit = outcome.objective + (worst if objective.sense == pyo.minimize else -worst)
        engine.keep(index, limit, TIE_SCALE / (abs(outcome.objective) or 1.0))
    engine.load()
    assert first is not None
    left = time_limit_seconds - (time.perf_counter() - started)
    worth = engine.duals(0, max(left, LEAST_SECONDS)) if duals and first.has_solution else None
    return replace(first, seconds=time.perf_counter() - started, duals=worth)
