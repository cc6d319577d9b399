"""Which formulation plans a fleet: F for small ones, G for large ones, both where a gap is left."""

from __future__ import annotations

import time
from dataclasses import replace

from planner.candidates.fleet.model_data import ModelData, SolveResult
from planner.errors import InputError, Problem
from planner.formulations.column_generation import algorithm
from planner.formulations.column_generation.algorithm import DualPrices
from planner.formulations.column_generation.pricing_loop import Progress
from planner.formulations.column_generation.subproblems import unsupported
from planner.formulations.fleet.priorities import unrefused
from planner.problem.fleet import FleetSolver

LARGEST_MILP = 150
"""Choices x periods up to which `auto` takes the plain formulation."""
LARGEST_SECOND = 5_000
"""Choices x periods up to which it takes that where the decomposition left a gap."""
PRICING_SECONDS = 5.0
"""Time for shadow prices beside the plain formulation."""
LEAST_SECONDS = 1.0
"""Time for the fewest refusals in any case."""
FIRST_PART = 0.3
"""Part of the time that the decomposition gets of a fleet up to that size."""


def chosen_method(solver: FleetSolver, data: ModelData) -> str:
    """Return the formulation that is asked for, or fits.

    Raises
    ------
    InputError
        Where the decomposition is asked for what it cannot express.
    """
    lacking = unsupported(data)
    if solver.method == "decomposition" and lacking:
        expected = "`milp` or `auto`"
        fix = f"The decomposition knows no {lacking}."
        raise InputError(Problem(expected, "`decomposition`", "solver.method", fix))
    if solver.method != "auto":
        return solver.method
    size = len(data.choices) * len(data.horizon)
    return "milp" if lacking or size <= LARGEST_MILP else "decomposition"


def decide(
    data: ModelData,
    solver: FleetSolver,
    method: str,
    progress: Progress | None = None,
) -> tuple[SolveResult, DualPrices | None]:
    """Solve a fleet with one formulation.

    Requests of any but the last priority are refused only where they must be: first a plan is
    sought that refuses none of them. Where there is none, formulation F finds the fewest.

    Returns
    -------
    SolveResult
        What was decided and proved.
    DualPrices or None
        What scarce things are worth: the decomposition knows, and its relaxation of a fleet that
        the plain formulation solves.
    """
    if (served := unrefused(data)) is None:
        return _decide(data, solver, method, progress)
    result, prices = _decide(served, solver, method, progress)
    if result.status != "infeasible":
        return result, prices
    left = max(solver.time_limit_seconds - result.seconds, LEAST_SECONDS)
    found = _milp(data, left, solver.relative_gap)
    return replace(found, seconds=result.seconds + found.seconds), None


def _decide(
    data: ModelData, solver: FleetSolver, method: str, progress: Progress | None
) -> tuple[SolveResult, DualPrices | None]:
    seconds, gap = solver.time_limit_seconds, solver.relative_gap
    if method == "milp":
        # What G cannot express has its prices from F's relaxation.
        found = _milp(data, seconds, gap, multipliers=bool(unsupported(data)))
        there = found.decisions is not None
        prices = algorithm.shadow_prices(data, PRICING_SECONDS) if there else None
        if prices is not None and found.multipliers is None:
            found = replace(found, multipliers=prices.multipliers)
        return found, prices
    started = time.perf_counter()
    twice = solver.method == "auto" and len(data.choices) * len(data.horizon) <= LARGEST_SECOND
    result, shadow = algorithm.solve(
        data,
        time_limit_seconds=FIRST_PART * seconds if twice else seconds,
        relative_gap=gap,
        progress=progress,
    )
    left = seconds - (time.perf_counter() - started)
    # That there is no plan is told where both say so.
    if twice and result.status != "optimal" and left > 1.0:
        second = _milp(data, left, gap)
        result = algorithm.better(result, second, gap)
    if shadow is not None:
        result = replace(result, multipliers=shadow.multipliers)
    return result, shadow


def _milp(data: ModelData, seconds: float, gap: float, *, multipliers: bool = False) -> SolveResult:
    """Solve the plain formulation. It brings Pyomo, which takes its time to load."""
    from planner.formulations.fleet import milp

    return milp.solve(data, time_limit_seconds=seconds, relative_gap=gap, multipliers=multipliers)
