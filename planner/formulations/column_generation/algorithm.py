"""The fleet at scale: relaxed, bounded, made whole, and turned into decisions."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from planner.candidates.fleet.model_data import (
    Floats,
    Ints,
    ModelData,
    Multipliers,
    SolveResult,
)
from planner.formulations.column_generation.by_period import choose_by_period
from planner.formulations.column_generation.coupled_periods import VALUING, choose_beside
from planner.formulations.column_generation.extract_solution import decisions
from planner.formulations.column_generation.integer_master import Chosen, Goal, choose
from planner.formulations.column_generation.lagrangian_prices import lagrangian_prices
from planner.formulations.column_generation.linking_constraints import (
    LinkingConstraints,
    linking_constraints,
    spans_periods,
)
from planner.formulations.column_generation.patterns import Prices, best_patterns
from planner.formulations.column_generation.pricing_loop import Generated, Progress, generate
from planner.formulations.column_generation.startup_costs import Valued, starts, valued
from planner.formulations.column_generation.subproblems import (
    Subproblems,
    decompose,
    symmetric_columns,
    unsupported,
)
from planner.formulations.fleet.costs import objective
from planner.problem.tolerances import NEGLIGIBLE, PROVED
from solvers.quiet_highspy import highs_version

RELAXED = 0.2
"""Part of the gap to which the relaxation is solved."""


@dataclass(frozen=True, slots=True)
class DualPrices:
    """What one more unit of what is scarce would save, from the prices that prove the bound."""

    gpu: Floats
    """(P, T) dollars of one more accelerator of a pool in a period."""
    dollar: float
    """Dollars saved by one more dollar of the budget."""
    bound: float
    """What they prove: dollars that no plan is below."""
    multipliers: Multipliers
    """All prices of the bound."""


def solve(
    data: ModelData,
    *,
    time_limit_seconds: float = 300.0,
    relative_gap: float = 1e-4,
    progress: Progress | None = None,
) -> tuple[SolveResult, DualPrices | None]:
    """Plan a fleet by decomposition (G1-G8).

    Parameters
    ----------
    data : ModelData
        A fleet to which `unsupported` has no objection.
    time_limit_seconds : float
        Time after which the best plan so far is returned.
    relative_gap : float
        Gap at which to stop; 0 proves the optimum.
    progress : callable, optional
        Told the stage, the objective and the bound.

    Returns
    -------
    SolveResult
        `feasible` where the search ended before its time with a gap above the one asked for;
        `infeasible` where not even parts of replicas would do; `no_solution_in_time` where those
        would but no whole ones were found.
    DualPrices or None
        None where there is no bound to take prices from.

    Raises
    ------
    ValueError
        Where the fleet asks for what this formulation cannot express.
    """
    if reason := unsupported(data):
        raise ValueError(f"the decomposition knows no {reason}")
    goal = Goal(relative_gap, time.perf_counter() + time_limit_seconds, progress=progress)
    found = solve_once(data, symmetric_columns(data), goal)
    if not found.missed:
        return found.answer
    # Told apart from the beginning, steady and spot replicas fit.
    apart, shadow = solve_once(data, np.full(len(data.choices), -1), goal).answer
    return better(found.answer[0], apart, relative_gap), shadow or found.answer[1]


def better(one: SolveResult, other: SolveResult, gap: float) -> SolveResult:
    """Return the cheaper of two plans for the same figures, with the higher of their bounds.

    Where the second took all the time that was left, more might help. That there is no plan is told
    where neither has one.
    """
    in_time = other.status not in ("time_limit", "no_solution_in_time")
    if other.decisions is None and one.decisions is None:
        return other if "infeasible" in (one.status, other.status) else one
    if other.decisions is None:
        more_might_help = one.status == "feasible" and not in_time
        return replace(one, status="time_limit") if more_might_help else one
    cheaper = other if one.decisions is None or other.objective <= one.objective else one
    bound = min(float(np.fmax(one.bound, other.bound)), cheaper.objective)
    proved = cheaper.objective - bound <= max(gap, PROVED) * abs(cheaper.objective)
    unproved = "feasible" if in_time else "time_limit"
    return replace(
        cheaper,
        status="optimal" if proved else unproved,
        bound=bound,
        seconds=one.seconds + other.seconds,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """An answer."""

    answer: tuple[SolveResult, DualPrices | None]
    missed: bool = False
    """Whether it would be good enough if replicas need not run in one capacity type whole."""


def solve_once(data: ModelData, symmetric: Ints, goal: Goal) -> Found:
    """Solve a fleet in which some choices are told apart only at the end."""
    started = time.perf_counter()
    subproblems, shared = decompose(data, symmetric), linking_constraints(data, symmetric)
    relaxed = _relaxed(subproblems, shared, goal)
    if relaxed is None:
        return Found((_without("infeasible", math.nan, started), None))
    worth = _worth_of_starts(data, subproblems, shared, relaxed, VALUING * goal.left)
    chosen = _choose(subproblems, shared, relaxed, worth, goal)
    if chosen.patterns is None and chosen.bound == math.inf:
        return Found((_without("infeasible", math.nan, started), None))
    shadow = _shadow(data, subproblems, shared, relaxed, worth)
    decided = None
    if chosen.patterns is not None:
        decided = decisions(data, symmetric, subproblems, shared, chosen.patterns)
    if decided is None:
        missed = chosen.patterns is not None
        return Found((_without("no_solution_in_time", relaxed.bound, started), shadow), missed)
    value = objective(data, decided)
    final = Chosen(chosen.patterns, value, min(chosen.bound, value))
    status = goal.status(final)
    seconds = time.perf_counter() - started
    result = SolveResult(status, decided, value, final.bound, seconds, _name())
    return Found((result, shadow), goal.met(chosen) and status != "optimal")


def _relaxed(subproblems: Subproblems, shared: LinkingConstraints, goal: Goal) -> Generated | None:
    """Solve the relaxation; None where not even parts of replicas would do."""
    if not possible(subproblems):
        return None
    gap, seconds = RELAXED * goal.gap, goal.left
    relaxed = generate(subproblems, shared, gap=gap, seconds=seconds, progress=goal.progress)
    missing = relaxed.finished and float(relaxed.overuse.sum()) > NEGLIGIBLE
    return None if missing else relaxed


def possible(subproblems: Subproblems) -> bool:
    """Tell whether every block has a pattern, if supply were no matter."""
    nothing = Prices(np.zeros(subproblems.capacity_types * subproblems.periods), 1.0)
    return bool(np.isfinite(best_patterns(subproblems, nothing)[2]).all())


def _worth_of_starts(
    data: ModelData,
    subproblems: Subproblems,
    shared: LinkingConstraints,
    relaxed: Generated,
    seconds: float,
) -> Valued | None:
    """Return what running replicas are worth; None where starts cost nothing."""
    costs = starts(data, subproblems)
    if costs is None or not relaxed.finished:
        return None
    return valued(subproblems, shared, relaxed, costs, seconds)


def _choose(
    subproblems: Subproblems,
    shared: LinkingConstraints,
    relaxed: Generated,
    worth: Valued | None,
    goal: Goal,
) -> Chosen:
    """Choose whole patterns: period by period where that is possible, and then all together."""
    if not relaxed.finished:
        return Chosen(None, math.inf, relaxed.bound)
    if worth is not None:
        return choose_beside(subproblems, shared, relaxed, worth, goal)
    start = None
    if subproblems.periods > 1 and not spans_periods(shared):
        half = replace(goal, until=goal.until - goal.left / 2)
        start = choose_by_period(subproblems, shared, relaxed, half)
        if goal.met(start):
            return start
    return choose(subproblems, shared, relaxed, goal, start)


def _without(status: str, bound: float, started: float) -> SolveResult:
    seconds = time.perf_counter() - started
    return SolveResult(status, None, math.nan, bound, seconds, _name())


def _name() -> str:
    return f"highs {highs_version()}"


def shadow_prices(data: ModelData, seconds: float) -> DualPrices | None:
    """Return what scarce things are worth, from the relaxation alone.

    Parameters
    ----------
    data : ModelData
        A fleet.
    seconds : float
        Time limit.

    Returns
    -------
    DualPrices or None
        None where this formulation cannot express the fleet, there is no plan of parts of
        replicas, or time ran out.
    """
    if unsupported(data):
        return None
    symmetric = symmetric_columns(data)
    subproblems, shared = decompose(data, symmetric), linking_constraints(data, symmetric)
    goal = Goal(0.0, time.perf_counter() + seconds)
    relaxed = _relaxed(subproblems, shared, goal)
    if relaxed is None or not relaxed.finished:
        return None
    worth = _worth_of_starts(data, subproblems, shared, relaxed, VALUING * goal.left)
    return _shadow(data, subproblems, shared, relaxed, worth)


def _shadow(
    data: ModelData,
    subproblems: Subproblems,
    shared: LinkingConstraints,
    relaxed: Generated,
    worth: Valued | None,
) -> DualPrices:
    """Return the prices of supply: what an accelerator is worth beyond what it costs."""
    duals = np.abs(relaxed.duals.linking)
    pools, periods = shared.on_demand.shape
    gpu = np.zeros((pools, periods))
    there = shared.supply >= 0
    gpu[there] = duals[shared.supply[there]]
    dollar = float(duals[shared.budget]) if shared.budget >= 0 else 0.0
    values, bound = (None, relaxed.bound) if worth is None else (worth.dollars, worth.bound)
    prices = lagrangian_prices(data, subproblems, shared, relaxed.duals, values)
    return DualPrices(gpu, dollar, bound, prices)
