"""Mixed-integer solvers: HiGHS, and SCIP as a second opinion, through Pyomo."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyomo.environ as pyo
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.util import NoFeasibleSolutionError, NoOptimalSolutionError
from pyomo.repn import generate_standard_repn

from solvers.outcome import Outcome, Status

FACTORIES = {"highs": "highs", "scip": "scip_direct"}
# HiGHS 1.15.1 and SCIP 10 misjudge some models of a hundred columns when they presolve: HiGHS calls
# feasible ones infeasible, SCIP loses optima (tests/test_solvers.py). Without presolve they do not.
OPTIONS: dict[str, dict[str, Any]] = {
    "highs": {"random_seed": 0, "mip_abs_gap": 0.0, "presolve": "off"},
    "scip": {"presolving/maxrounds": 0, "limits/absgap": 0.0},
}
TIE = 1e-7
"""Relative difference below which two values of an objective count as equal."""
TIE_SCALE = 1e3
"""Factor on tie constraints, so that a solver's tolerance of 1e-6 is 1e-9 of the objective."""


class SolverFailedError(RuntimeError):
    """The solver ended in a way that leaves nothing to trust."""


class SolverMissingError(RuntimeError):
    """The solver's package is not installed."""


def solve_in_turn(
    model: pyo.ConcreteModel,
    objectives: Sequence[pyo.Objective],
    *,
    solver: str = "highs",
    time_limit_seconds: float = 60.0,
    relative_gap: float = 0.0,
) -> Outcome:
    """Optimise the first objective, then each next one among the solutions that tie so far.

    Parameters
    ----------
    model : ConcreteModel
        Linear, with bounded discrete variables. Its variables hold the solution afterwards;
        constraints that keep the ties are added while solving and removed again.
    objectives : sequence of Objective
        All components of `model`; ties in one are broken by the next.
    solver : str
        `highs` or `scip`; one thread, so that the same model gives the same answer.
    time_limit_seconds, relative_gap : float
        For all objectives together, and for each.

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
    """
    engine = _engine(solver)
    started = time.perf_counter()
    first: Outcome | None = None
    model.add_component("ties", pyo.ConstraintList())
    try:
        for objective in objectives:
            left = time_limit_seconds - (time.perf_counter() - started)
            if first is not None and left <= 0:
                break
            with _scaled(model, objectives, objective) as scale:
                outcome = _solve(engine, model, solver, max(left, 1e-3), relative_gap)
            first = first or _unscaled(outcome, scale)
            if outcome.status is not Status.OPTIMAL:
                break
            _keep_ties(model.ties, objective, outcome.objective / scale)
    finally:
        model.del_component("ties")
    assert first is not None
    return replace(first, seconds=time.perf_counter() - started)


def _engine(solver: str) -> Any:
    engine = SolverFactory(FACTORIES[solver])
    if not engine.available():
        raise SolverMissingError(solver)
    return engine


@contextmanager
def _scaled(
    model: pyo.ConcreteModel, objectives: Sequence[pyo.Objective], chosen: pyo.Objective
) -> Iterator[float]:
    """Put a multiple of `chosen` in its place whose least coefficient is 1; yield the factor.

    Solvers compare reduced costs with absolute tolerances, which small prices would slip under.
    """
    for objective in objectives:
        objective.deactivate()
    coefficients = [abs(c) for c in generate_standard_repn(chosen.expr).linear_coefs if c]
    scale = 1.0 / min(coefficients, default=1.0)
    model.scaled = pyo.Objective(expr=scale * chosen.expr, sense=chosen.sense)
    try:
        yield scale
    finally:
        model.del_component("scaled")
        chosen.activate()


def _unscaled(outcome: Outcome, scale: float) -> Outcome:
    return replace(outcome, objective=outcome.objective / scale, bound=outcome.bound / scale)


def _keep_ties(ties: pyo.ConstraintList, objective: pyo.Objective, value: float) -> None:
    sign = 1.0 if objective.sense == pyo.minimize else -1.0
    scale = sign * TIE_SCALE / (abs(value) or 1.0)
    ties.add(scale * objective.expr <= scale * value + TIE * TIE_SCALE)


def _solve(
    engine: Any, model: pyo.ConcreteModel, solver: str, time_limit: float, relative_gap: float
) -> Outcome:
    try:
        results = engine.solve(
            model,
            time_limit=time_limit,
            rel_gap=relative_gap,
            threads=1 if solver == "highs" else None,
            load_solutions=False,
            raise_exception_on_nonoptimal_result=False,
            solver_options=OPTIONS[solver],
        )
    except (NoFeasibleSolutionError, NoOptimalSolutionError) as error:
        raise SolverFailedError(str(error)) from error
    status = _status(results)
    name = f"{solver} {'.'.join(map(str, results.solver_version or ()))}".strip()
    if status in (Status.INFEASIBLE, Status.UNKNOWN):
        return Outcome(status, math.nan, math.nan, 0.0, name)
    results.solution_loader.load_vars()
    return Outcome(
        status, float(results.incumbent_objective), float(results.objective_bound), 0.0, name
    )


def _status(results: Any) -> Status:
    found = results.solution_status in (SolutionStatus.feasible, SolutionStatus.optimal)
    condition = results.termination_condition
    if condition == TerminationCondition.convergenceCriteriaSatisfied and found:
        return Status.OPTIMAL
    if condition == TerminationCondition.maxTimeLimit:
        return Status.FEASIBLE if found else Status.UNKNOWN
    if condition == TerminationCondition.provenInfeasible:
        return Status.INFEASIBLE
    raise SolverFailedError(f"{condition.name}, {results.solution_status.name}")
