"""Formulation G of a fleet that cannot be had: what is missing, for very many workloads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from planner.candidates.fleet.model_data import Floats, ModelData, PoolSupply
from planner.formulations.column_generation.algorithm import possible
from planner.formulations.column_generation.elastic_linking import Elastic, elastic_market
from planner.formulations.column_generation.integer_master import Chosen, Goal, choose, solve_whole
from planner.formulations.column_generation.linking_constraints import (
    LinkingConstraints,
    linking_constraints,
)
from planner.formulations.column_generation.patterns import (
    Patterns,
    Prices,
    best_patterns,
    joined,
    worth,
)
from planner.formulations.column_generation.pricing_loop import Generated, generate
from planner.formulations.column_generation.restricted_master import new_program
from planner.formulations.column_generation.subproblems import KINDS, OWN, Subproblems, decompose
from planner.formulations.fleet import relaxed_limits
from planner.formulations.fleet.elastic import value_of
from planner.formulations.fleet.relaxed_limits import WAYS, Kind, Missing
from planner.problem.tolerances import NEGLIGIBLE
from solvers import trusted_runs

PART = 0.5
"""Part of the cheapest accelerator's worth that need not be proved."""
GAP = 2e-4
"""Part of what is missing that need not be proved."""
WHOLE = 1.0 - 1e-6
"""Weight from which a pattern is the only one of its block."""
SOON = 0.5
"""Part of the time after which patterns beyond those of the relaxation are looked for."""
MOST_BLOCKS = 10_000
"""Blocks from which periods are looked at one by one, where that is possible."""
FEW, MANY = 6, 200
"""Blocks up to which, and from which, that is done."""
LOOKING = 5.0
"""Seconds that looking through all patterns may take, which no clock stops."""
VARIATIONS, NOISE = 100, 0.5
"""Prices at which patterns of fewer blocks are looked for, and how far these differ."""
REFUSED = 1e-2
"""Part of the weight of what is refused that need not be proved."""


def least_missing(
    data: ModelData, kinds: tuple[Kind, ...], *, time_limit_seconds: float = 60.0
) -> Missing:
    """Find about the least that must be added so that a fleet can be had.

    As `elastic.least_missing`; `bound` says how much less it could be. Where nothing but reserved
    accelerators ties periods together, and none need be reserved, and all together take too long,
    periods are looked at one after the other, from the busiest on.
    """
    started = time.perf_counter()
    until, pool_supply = started + time_limit_seconds, data.pool_supply
    if not _apart(data):
        return _all_at_once(data, kinds, until, pool_supply)
    if data.wanted.demand.size <= MOST_BLOCKS:
        found = _all_at_once(data, kinds, started + SOON * time_limit_seconds, pool_supply)
        if found.status != "no_solution_in_time":
            return found
    return _by_period(data, kinds, until)


def _by_period(data: ModelData, kinds: tuple[Kind, ...], until: float) -> Missing:
    """Find what is missing in one period after the other, beside what was so far."""
    pools, periods = len(data.pool_supply.gpus), len(data.horizon)
    none, short, bound = np.zeros(pools), np.zeros((pools, periods)), 0.0
    known = Missing("time_limit", none, short, 0.0, none, 0.0, 0.0, 0.0, 0.0)
    for period, end in _in_turn(data, until):
        part = _added(_period(data, period), known)
        found = _all_at_once(part, kinds, end, data.pool_supply)
        if not found.found:
            return relaxed_limits.without(found.status, pools, periods)
        if not (known.gpus.any() or known.pool_watts.any() or known.watts):
            hours = data.horizon.hours
            bound = max(bound, found.bound * float(hours.sum() / hours[period]))
        short[:, period] = found.short[:, 0]
        known = replace(
            known,
            gpus=known.gpus + found.gpus,
            pool_watts=known.pool_watts + found.pool_watts,
            watts=known.watts + found.watts,
        )
    total = value_of(known, relaxed_limits.worth(data))
    short = np.minimum(short, known.gpus[:, None])
    return replace(known, short=short, value=total, bound=min(bound, total))


def _in_turn(data: ModelData, until: float) -> Iterator[tuple[int, float]]:
    """Yield periods, the busiest first, and when each should be done: what is left is shared."""
    order = np.argsort(-data.wanted.demand.sum(axis=0), kind="stable").tolist()
    for place, period in enumerate(order):
        left = until - time.perf_counter()
        yield period, time.perf_counter() + max(left, 0.0) / (len(order) - place)


def _apart(data: ModelData) -> bool:
    """Tell whether periods can be looked at one by one."""
    pool_supply, limits = data.pool_supply, data.limits
    needed = ~np.isnan(pool_supply.reserved_dollars) & ~(
        ~np.isnan(pool_supply.on_demand_dollars) & (pool_supply.on_demand_gpus >= pool_supply.gpus)
    )
    if len(data.horizon) == 1 or np.isfinite([limits.dollars, limits.kilograms]).any():
        return False
    return not needed.any()


def _period(data: ModelData, period: int) -> ModelData:
    """Return the fleet in one period alone."""
    horizon, wanted = data.horizon, data.wanted
    one = replace(
        horizon,
        names=(horizon.names[period],),
        hours=horizon.hours[[period]],
        weight=horizon.weight[[period]],
        before=np.array([-1]),
    )
    factors = data.pool_supply.price_factors
    there = None if factors is None else factors[:, :, [period]]
    return replace(
        data,
        horizon=one,
        pool_supply=replace(data.pool_supply, price_factors=there),
        wanted=replace(wanted, demand=wanted.demand[:, [period]]),
        has_running=False,
    )


def _added(data: ModelData, more: Missing) -> ModelData:
    """Return a fleet with what is missing."""
    pool_supply, limits = data.pool_supply, data.limits
    ways: dict[str, Any] = {
        f"{way}_gpus": getattr(pool_supply, f"{way}_gpus") + more.gpus for way in WAYS
    }
    larger = replace(
        pool_supply,
        gpus=pool_supply.gpus + more.gpus,
        watts_at_most=pool_supply.watts_at_most + more.pool_watts,
        **ways,
    )
    return replace(
        data, pool_supply=larger, limits=replace(limits, watts=limits.watts + more.watts)
    )


def _all_at_once(
    data: ModelData, kinds: tuple[Kind, ...], until: float, supply: PoolSupply
) -> Missing:
    """Find what is missing, all periods together; `supply` says what is used beyond what."""
    pools, periods = len(data.pool_supply.gpus), len(data.horizon)
    value = relaxed_limits.worth(data)
    elastic, loose = elastic_market(data, kinds, value)
    subproblems = decompose(loose)
    if not possible(subproblems):
        return relaxed_limits.without("infeasible", pools, periods)
    goal = Goal(GAP, until, dollars=PART * float(value["gpus"].min()))
    relaxed = generate(subproblems, elastic.linking, gap=1e-5, seconds=goal.left)
    if relaxed.finished and relaxed.overuse.sum() > NEGLIGIBLE:
        return relaxed_limits.without("infeasible", pools, periods)
    if not relaxed.finished:
        return relaxed_limits.without("no_solution_in_time", pools, periods)
    chosen = _choose(subproblems, elastic.linking, relaxed, goal)
    if chosen.patterns is None:
        return relaxed_limits.without("no_solution_in_time", pools, periods)
    status = goal.status(chosen)
    missing = replace(_read(supply, elastic, subproblems, chosen.patterns), status=status)
    total = value_of(missing, value)
    # The dollars of the plan are part of what was bounded, but not of what is missing.
    plan = chosen.objective - total
    return replace(missing, value=total, bound=float(np.clip(chosen.bound - plan, 0.0, total)))


def least_refused(data: ModelData, *, time_limit_seconds: float = 60.0) -> tuple[Floats, bool]:
    """Find about what must be refused, at the prices of refusal that figures have.

    Parameters
    ----------
    data : ModelData
        A fleet that may refuse everything.
    time_limit_seconds : float
        When to stop.

    Returns
    -------
    array
        (W, T) requests per second refused; NaN where nothing helps, or nothing was found in time.
    bool
        Whether it is proved that no plan is cheaper by more than `REFUSED`.
    """
    until = time.perf_counter() + time_limit_seconds
    if not _apart(data):
        return _refused(data, until)
    shed, proved = np.zeros(data.wanted.demand.shape), True
    for period, end in _in_turn(data, until):
        part, met = _refused(_period(data, period), end)
        shed[:, period], proved = part[:, 0], proved and met
        if np.isnan(part).any():
            return np.full(shed.shape, np.nan), False
    return shed, proved


def _refused(data: ModelData, until: float) -> tuple[Floats, bool]:
    """Find what must be refused, all periods together."""
    subproblems, shared = decompose(data), linking_constraints(data)
    shed = np.full(data.wanted.demand.shape, np.nan)
    if not possible(subproblems):
        return shed, False
    goal = Goal(REFUSED, until)
    relaxed = generate(subproblems, shared, gap=REFUSED / 10, seconds=goal.left)
    if not relaxed.finished or relaxed.overuse.sum() > NEGLIGIBLE:
        return shed, False
    idle = _idle(subproblems)
    chosen = _choose(subproblems, shared, relaxed, goal, idle)
    nothing = idle is not None and chosen.objective >= idle.objective * (1 - REFUSED)
    if chosen.patterns is None or (nothing and not goal.met(chosen)):
        return shed, False
    found = chosen.patterns
    shed[subproblems.workload[found.block], subproblems.period[found.block]] = found.shed
    return shed, goal.met(chosen)


def _choose(
    subproblems: Subproblems,
    shared: LinkingConstraints,
    relaxed: Generated,
    goal: Goal,
    start: Chosen | None = None,
) -> Chosen:
    """Choose whole patterns: among those of the relaxation, and then among all that may be better.

    For some dozens of blocks the gap is wide, and the patterns within it are too many to be looked
    through at once; they choose among what is best at many prices.
    """
    first = replace(goal, until=time.perf_counter() + SOON * goal.left)
    nothing = start or Chosen(None, np.inf, relaxed.bound)
    patterns = relaxed.patterns
    if subproblems.number < MANY:
        patterns = _varied(subproblems, shared, relaxed)
    chosen = solve_whole(subproblems, shared, _undecided(relaxed, patterns), nothing, first)
    best = Chosen(chosen.patterns, chosen.objective, relaxed.bound)
    if best.patterns is None or not goal.met(best):
        chosen = solve_whole(subproblems, shared, patterns, best, first)
        best = Chosen(chosen.patterns, chosen.objective, relaxed.bound)
    if best.patterns is None or goal.met(best) or FEW < subproblems.number < MANY:
        return best
    if goal.left < LOOKING:
        return best
    return choose(subproblems, shared, relaxed, goal, best)


def _undecided(relaxed: Generated, patterns: Patterns) -> Patterns:
    """Return the patterns of blocks that the relaxation mixes, and the one of each other block.

    It mixes hardly more blocks than there are limits that bind, however many blocks there are.
    """
    whole = np.flatnonzero(relaxed.weights >= WHOLE)
    decided = relaxed.patterns.take(whole)
    others = np.flatnonzero(~np.isin(patterns.block, decided.block))
    return joined([decided, patterns.take(others)])


def _varied(subproblems: Subproblems, shared: LinkingConstraints, relaxed: Generated) -> Patterns:
    """Return the patterns of the relaxation, and those that are best at prices around its own."""
    chance = np.random.default_rng(0)
    prices = relaxed.duals.prices(shared)
    found = [relaxed.patterns]
    for _ in range(VARIATIONS):
        capacity_type = prices.capacity_type * np.exp(
            chance.normal(0.0, NOISE, len(prices.capacity_type))
        )
        found.append(best_patterns(subproblems, Prices(capacity_type, prices.dollar))[0])
    every = joined(found)
    key = np.column_stack((every.block, every.counts))
    _, rows = np.unique(key, axis=0, return_index=True)
    return every.take(np.sort(rows))


def _idle(subproblems: Subproblems) -> Chosen | None:
    """Return that everything is refused, where no replicas must run."""
    if subproblems.least.any():
        return None
    counts = np.zeros((subproblems.number, subproblems.choice.shape[1]), dtype=np.int64)
    every = Patterns(np.arange(subproblems.number), counts, subproblems.demand.copy())
    return Chosen(every, float(subproblems.demand @ subproblems.shed_dollars), -np.inf)


def _read(
    supply: PoolSupply, elastic: Elastic, subproblems: Subproblems, patterns: Patterns
) -> Missing:
    """Return what patterns need to be added."""
    taken = worth(subproblems, patterns)
    used = np.zeros(elastic.linking.capacity_types)
    np.add.at(used, taken.capacity_type, taken.gpus)
    values = _amounts(elastic.linking, used, float(taken.dollars.sum()))

    def amount(at: Any, increment: Any = 1.0) -> Any:
        return np.where(np.asarray(at) >= 0, values[at], 0.0) * increment

    base = elastic.linking
    increment = supply.increment[:, None]
    ways = (
        amount(base.reserved[:, None], increment),
        amount(base.on_demand, increment),
        amount(base.spot, increment),
    )
    own = used.reshape(-1, subproblems.periods)[OWN::KINDS]
    over = sum(ways) + own - np.floor(supply.gpus)[:, None]
    for way, held in zip(WAYS, ways, strict=True):
        over = np.maximum(over, held - relaxed_limits.limit_of(supply, way)[:, None])
    gpus = amount(elastic.gpus)
    return Missing(
        status="optimal",
        gpus=gpus,
        short=np.maximum(over, 0.0),
        dollars=float(amount(elastic.dollars)),
        pool_watts=amount(elastic.pool_watts),
        watts=float(amount(elastic.watts)),
        kilograms=float(amount(elastic.kilograms)),
        value=0.0,
        bound=0.0,
    )


def _amounts(shared: LinkingConstraints, used: Floats, dollars: float) -> Floats:
    """Return the least amounts of the linking variables for what is used and paid."""
    import highspy

    upper = shared.upper.copy()
    upper[: shared.capacity_types] -= used
    if shared.budget >= 0:
        upper[shared.budget] -= dollars
    highs, variables = new_program(0, replace(shared, upper=upper), most=1.0)
    whole = np.flatnonzero(shared.whole).astype(np.int32)
    kinds = np.full(len(whole), highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(len(whole), whole, kinds)
    trusted_runs.run(highs)
    values = np.array(highs.getSolution().col_value)[:variables]
    return np.where(shared.whole, np.rint(values), values)
