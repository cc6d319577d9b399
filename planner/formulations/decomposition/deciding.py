"""The fleet at scale: relaxed, bounded, made whole, and turned into decisions."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from planner.fleets.figures import Decisions, Figures, Floats, Ints, Verdict
from planner.formulations.decomposition.blocks import Blocks, blocks, unsupported
from planner.formulations.decomposition.generating import NEGLIGIBLE, Generated, Progress, generate
from planner.formulations.decomposition.integral import Chosen, Goal, choose
from planner.formulations.decomposition.market import Market, market, spans_periods
from planner.formulations.decomposition.master import new_program
from planner.formulations.decomposition.patterns import (
    Patterns,
    Prices,
    best_patterns,
    worth,
)
from planner.formulations.decomposition.periods import choose_by_period
from planner.formulations.fleets.deciding import objective

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
    """Plan a fleet by decomposition (G1-G6).

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
    started = time.perf_counter()
    goal = Goal(relative_gap, started + time_limit_seconds, progress=progress)
    parts, shared = blocks(figures), market(figures)
    if not possible(parts):
        return _without("infeasible", math.nan, started), None
    relaxed = generate(
        parts, shared, gap=RELAXED * relative_gap, seconds=goal.left, progress=progress
    )
    if relaxed.finished and float(relaxed.overuse.sum()) > NEGLIGIBLE:
        return _without("infeasible", math.nan, started), None
    chosen = _choose(parts, shared, relaxed, goal)
    if chosen.patterns is None and chosen.bound == math.inf:
        return _without("infeasible", math.nan, started), None
    if chosen.patterns is None:
        return _without("no_solution_in_time", relaxed.bound, started), _shadow(shared, relaxed)
    decisions = _decisions(figures, parts, shared, chosen.patterns)
    value = objective(figures, decisions)
    final = Chosen(chosen.patterns, value, min(chosen.bound, value))
    status = "optimal" if goal.met(final) else "time_limit"
    verdict = Verdict(status, decisions, value, final.bound, time.perf_counter() - started, _name())
    return verdict, _shadow(shared, relaxed)


def possible(parts: Blocks) -> bool:
    """Tell whether every block has a pattern, if supply were no matter."""
    nothing = Prices(np.zeros(parts.lanes * parts.periods), 1.0)
    return bool(np.isfinite(best_patterns(parts, nothing)[2]).all())


def _choose(parts: Blocks, shared: Market, relaxed: Generated, goal: Goal) -> Chosen:
    """Choose whole patterns: period by period where that is possible, and then all together."""
    if not relaxed.finished:
        return Chosen(None, math.inf, relaxed.bound)
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
    import highspy

    return f"highs {highspy.Highs().version()}"


def _decisions(figures: Figures, parts: Blocks, shared: Market, patterns: Patterns) -> Decisions:
    """Return what patterns decide, with the cheapest purchases that suffice for them."""
    replicas = np.zeros((len(figures.choices), parts.periods), dtype=np.int64)
    row, item = np.nonzero(patterns.counts)
    block = patterns.block[row]
    choice = parts.choice[parts.workload[block], item]
    replicas[choice, parts.period[block]] = patterns.counts[row, item]
    shed = np.zeros_like(figures.wanted.demand)
    shed[parts.workload[patterns.block], parts.period[patterns.block]] = patterns.shed
    values = _purchases(parts, shared, patterns)
    granule = figures.market.granule.astype(np.float64)

    def amount(variables: Ints) -> Floats:
        return np.where(variables >= 0, values[variables], 0.0)

    return Decisions(
        replicas=replicas,
        shed=shed,
        served=None,
        reserved=amount(shared.reserved) * granule,
        on_demand=amount(shared.on_demand) * granule[:, None],
        spot=amount(shared.spot) * granule[:, None],
    )


def _purchases(parts: Blocks, shared: Market, patterns: Patterns) -> Floats:
    """Return the cheapest whole amounts of the market's variables for given patterns."""
    import highspy

    taken = worth(parts, patterns)
    used = np.bincount(taken.lane, weights=taken.gpus, minlength=shared.lanes)
    upper = shared.upper.copy()
    upper[: shared.lanes] -= used
    if shared.budget >= 0:
        upper[shared.budget] -= taken.dollars.sum()
    highs, variables = new_program(0, replace(shared, upper=upper), most=1.0)
    whole = np.flatnonzero(shared.whole).astype(np.int32)
    kinds = np.full(len(whole), highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(len(whole), whole, kinds)
    highs.run()
    values = np.array(highs.getSolution().col_value)[:variables]
    return np.where(shared.whole, np.rint(values), values)


def _shadow(shared: Market, relaxed: Generated) -> Shadow:
    """Return the prices of supply: what a lane's accelerator is worth beyond what it costs."""
    duals = np.abs(relaxed.duals.market)
    pools, periods = shared.on_demand.shape
    gpu = np.zeros((pools, periods))
    there = shared.supply >= 0
    gpu[there] = duals[shared.supply[there]]
    dollar = float(duals[shared.budget]) if shared.budget >= 0 else 0.0
    return Shadow(gpu, dollar)
