"""The fleet at scale: relaxed, bounded, made whole, and turned into decisions."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from planner.fleets.figures import Figures, Floats, Ints, Verdict
from planner.formulations.decomposition.blocks import Blocks, blocks, twins, unsupported
from planner.formulations.decomposition.buying import decisions
from planner.formulations.decomposition.chaining import choose_beside
from planner.formulations.decomposition.generating import NEGLIGIBLE, Generated, Progress, generate
from planner.formulations.decomposition.integral import PROVED, Chosen, Goal, choose
from planner.formulations.decomposition.market import Market, market, spans_periods
from planner.formulations.decomposition.patterns import Prices, best_patterns
from planner.formulations.decomposition.periods import choose_by_period
from planner.formulations.decomposition.starting import Starts, starts
from planner.formulations.fleets.costing import objective
from solvers.quiet_highspy import highs_version

RELAXED = 0.2
"""Part of the gap to which the relaxation is solved."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """What one more unit of what is scarce would save, from the prices that prove the bound."""

    gpu: Floats
    """(P, T) dollars of one more accelerator of a pool in a period."""
    dollar: float
    """Dollars saved by one more dollar of the budget."""


def solve(
    figures: Figures,
    *,
    time_limit_seconds: float = 300.0,
    relative_gap: float = 1e-4,
    progress: Progress | None = None,
) -> tuple[Verdict, Shadow | None]:
    """Plan a fleet by decomposition (G1-G8).

    Parameters
    ----------
    figures : Figures
        A fleet to which `unsupported` has no objection.
    time_limit_seconds : float
        Time after which the best plan so far is returned.
    relative_gap : float
        Gap at which to stop; 0 proves the optimum.
    progress : callable, optional
        Told the stage, the objective and the bound.

    Returns
    -------
    Verdict
        `infeasible` where not even parts of replicas would do; `no_solution_in_time` where those
        would but no whole ones were found.
    Shadow or None
        None where there is no bound to take prices from.

    Raises
    ------
    ValueError
        Where the fleet asks for what this formulation cannot express.
    """
    if reason := unsupported(figures):
        raise ValueError(f"the decomposition knows no {reason}")
    goal = Goal(relative_gap, time.perf_counter() + time_limit_seconds, progress=progress)
    found = solve_once(figures, twins(figures), goal)
    if not found.missed:
        return found.answer
    # Told apart from the beginning, steady and spot replicas fit.
    apart, shadow = solve_once(figures, np.full(len(figures.choices), -1), goal).answer
    return better(found.answer[0], apart, relative_gap), shadow or found.answer[1]


def better(one: Verdict, other: Verdict, gap: float) -> Verdict:
    """Return the cheaper of two plans for the same figures, with the higher of their bounds."""
    if other.decisions is None:
        return other if other.status == "infeasible" else one
    cheaper = other if one.decisions is None or other.objective <= one.objective else one
    bound = min(max(one.bound, other.bound), cheaper.objective)
    proved = cheaper.objective - bound <= max(gap, PROVED) * abs(cheaper.objective)
    return replace(
        cheaper,
        status="optimal" if proved else "time_limit",
        bound=bound,
        seconds=one.seconds + other.seconds,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """An answer."""

    answer: tuple[Verdict, Shadow | None]
    missed: bool = False
    """Whether it would be good enough if replicas need not run in one lane whole."""


def solve_once(figures: Figures, twin: Ints, goal: Goal) -> Found:
    """Solve a fleet in which some choices are told apart only at the end."""
    started = time.perf_counter()
    parts, shared = blocks(figures, twin), market(figures, twin)
    relaxed = _relaxed(parts, shared, goal)
    if relaxed is None:
        return Found((_without("infeasible", math.nan, started), None))
    costs = starts(figures, parts)
    chosen = _choose(parts, shared, relaxed, costs, goal)
    if chosen.patterns is None and chosen.bound == math.inf:
        return Found((_without("infeasible", math.nan, started), None))
    shadow = _shadow(shared, relaxed)
    decided = None
    if chosen.patterns is not None:
        decided = decisions(figures, twin, parts, shared, chosen.patterns)
    if decided is None:
        missed = chosen.patterns is not None
        return Found((_without("no_solution_in_time", relaxed.bound, started), shadow), missed)
    value = objective(figures, decided)
    final = Chosen(chosen.patterns, value, min(chosen.bound, value))
    status = "optimal" if goal.met(final) else "time_limit"
    seconds = time.perf_counter() - started
    verdict = Verdict(status, decided, value, final.bound, seconds, _name())
    return Found((verdict, shadow), goal.met(chosen) and status != "optimal")


def _relaxed(parts: Blocks, shared: Market, goal: Goal) -> Generated | None:
    """Solve the relaxation; None where not even parts of replicas would do."""
    if not possible(parts):
        return None
    gap, seconds = RELAXED * goal.gap, goal.left
    relaxed = generate(parts, shared, gap=gap, seconds=seconds, progress=goal.progress)
    missing = relaxed.finished and float(relaxed.overuse.sum()) > NEGLIGIBLE
    return None if missing else relaxed


def possible(parts: Blocks) -> bool:
    """Tell whether every block has a pattern, if supply were no matter."""
    nothing = Prices(np.zeros(parts.lanes * parts.periods), 1.0)
    return bool(np.isfinite(best_patterns(parts, nothing)[2]).all())


def _choose(
    parts: Blocks, shared: Market, relaxed: Generated, costs: Starts | None, goal: Goal
) -> Chosen:
    """Choose whole patterns: period by period where that is possible, and then all together."""
    if not relaxed.finished:
        return Chosen(None, math.inf, relaxed.bound)
    if costs is not None:
        return choose_beside(parts, shared, relaxed, costs, goal)
    start = None
    if parts.periods > 1 and not spans_periods(shared):
        half = replace(goal, until=goal.until - goal.left / 2)
        start = choose_by_period(parts, shared, relaxed, half)
        if goal.met(start):
            return start
    return choose(parts, shared, relaxed, goal, start)


def _without(status: str, bound: float, started: float) -> Verdict:
    seconds = time.perf_counter() - started
    return Verdict(status, None, math.nan, bound, seconds, _name())


def _name() -> str:
    return f"highs {highs_version()}"


def shadow_prices(figures: Figures, seconds: float) -> Shadow | None:
    """Return what scarce things are worth, from the relaxation alone.

    Parameters
    ----------
    figures : Figures
        A fleet.
    seconds : float
        Time limit.

    Returns
    -------
    Shadow or None
        None where this formulation cannot express the fleet, there is no plan of parts of
        replicas, or time ran out.
    """
    if unsupported(figures):
        return None
    twin = twins(figures)
    parts, shared = blocks(figures, twin), market(figures, twin)
    relaxed = _relaxed(parts, shared, Goal(0.0, time.perf_counter() + seconds))
    return None if relaxed is None or not relaxed.finished else _shadow(shared, relaxed)


def _shadow(shared: Market, relaxed: Generated) -> Shadow:
    """Return the prices of supply: what a lane's accelerator is worth beyond what it costs."""
    duals = np.abs(relaxed.duals.market)
    pools, periods = shared.on_demand.shape
    gpu = np.zeros((pools, periods))
    there = shared.supply >= 0
    gpu[there] = duals[shared.supply[there]]
    dollar = float(duals[shared.budget]) if shared.budget >= 0 else 0.0
    return Shadow(gpu, dollar)
