"""Column generation: prices from the master, patterns from the blocks, until none is missing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.patterns import (
    Patterns,
    Prices,
    best_patterns,
    joined,
    priced,
    worth,
)
from planner.formulations.column_generation.restricted_master import (
    Duals,
    Master,
    lagrangian,
    overused_rows,
)
from planner.formulations.column_generation.subproblems import (
    EITHER,
    KINDS,
    SPOT,
    STEADY,
    Subproblems,
)
from planner.problem.tolerances import NEGLIGIBLE, PROVED

SAMPLE_BLOCKS = 2_000
"""Blocks up to which a fleet needs no smaller one to learn prices from."""
SHRINK, ENLARGED = 8, 1.5
"""How many times smaller that one is, and how much more it gets of what is too little for it."""
LEARNED = 1e-3
"""Gap to which a smaller fleet is solved for its prices."""
SMOOTHING = 0.3
"""How far towards the prices of the best bound patterns are looked for."""
OVERUSE = 10.0
"""First price of what there is not, relative to the dearest accelerator or refused demand."""
GROWTH, LARGEST_OVERUSE = 10.0, 1e7

Progress = Callable[[str, float, float], None]
"""Told the stage, the objective and the bound."""


@dataclass(frozen=True, slots=True)
class Generated:
    """The relaxation of a fleet, solved: patterns may be mixed in parts."""

    patterns: Patterns
    weights: Floats
    """(N,) how much of each pattern."""
    objective: float
    bound: float
    """The best bound met."""
    duals: Duals
    """Those of that bound."""
    block_prices: Floats
    """(B,) price of each block's cheapest pattern at them."""
    bought: Floats
    """(V,) values of the market's variables."""
    overuse: Floats
    """What is missing of capacity types, and of the budget where there is one."""
    finished: bool
    """Whether no pattern is missing; otherwise time ran out."""


def generate(
    subproblems: Subproblems,
    linking: LinkingConstraints,
    *,
    gap: float,
    seconds: float,
    progress: Progress | None = None,
    known: Patterns | None = None,
    patient: bool = True,
) -> Generated:
    """Solve the relaxation of a fleet by column generation (G2-G4).

    Parameters
    ----------
    subproblems, linking : Subproblems, LinkingConstraints
        The fleet taken apart; every block has some pattern.
    gap : float
        Relative distance of master and bound at which to stop; 0 goes on to the end.
    seconds : float
        Time limit.
    progress : callable, optional
        Told how far it is.
    known : Patterns, optional
        Patterns to begin with, in place of a search for first ones.
    patient : bool
        Whether to find out how little must be missing, where something is.
    """
    until = time.perf_counter() + seconds
    base = _base_prices(subproblems, linking)
    dearest = np.full(len(overused_rows(linking)), _dearest(subproblems, base))
    dearest[linking.capacity_types :] = 1.0
    master = Master(subproblems, linking, OVERUSE * dearest)
    learned = None
    if known is None:
        starts, learned = _starts(subproblems, linking, base, until)
        known = joined(_fresh(subproblems, starts))
    master.add(known)
    best = None if learned is None else _evaluated(master, learned)
    factor = OVERUSE
    while True:
        found = _converge(master, best, gap, until, progress)
        enough = found.overuse.sum() <= NEGLIGIBLE
        if enough or not (found.finished and patient) or factor >= LARGEST_OVERUSE:
            return found
        factor *= GROWTH
        master.price_overuse(factor * dearest)


def _base_prices(subproblems: Subproblems, linking: LinkingConstraints) -> Floats:
    """Return the least that an accelerator costs: (capacity types, periods)."""
    pools = len(linking.reserved)
    capacity_type = np.zeros((pools, KINDS, subproblems.periods))
    unit = linking.cost / linking.increment
    share = subproblems.hours / subproblems.hours.sum()
    for pool in range(pools):
        reserved, hourly, spot = (
            way[pool] for way in (linking.reserved, linking.on_demand, linking.spot)
        )
        always = unit[reserved] * share if reserved >= 0 else np.inf
        steady = np.minimum(always, unit[hourly] if hourly[0] >= 0 else np.inf)
        capacity_type[pool, [STEADY, EITHER]] = steady
        capacity_type[pool, SPOT] = unit[spot] if spot[0] >= 0 else 0.0
    capacity_type[~np.isfinite(capacity_type)] = 0.0
    return capacity_type.reshape(-1, subproblems.periods)


def _dearest(subproblems: Subproblems, base: Floats) -> float:
    """Return the highest price of anything there is."""
    own = subproblems.dollars[np.isfinite(subproblems.dollars)].max(initial=0.0)
    finite = subproblems.shed_dollars[subproblems.shed_most > 0]
    hours = float(subproblems.hours.max())
    return max(
        float(base.max(initial=0.0)), float(own * hours), float(finite.max(initial=0.0)), 1e-6
    )


def _starts(
    subproblems: Subproblems, linking: LinkingConstraints, base: Floats, until: float
) -> tuple[list[Prices], Duals | None]:
    """Return prices at which first patterns are looked for, and what a smaller fleet taught."""
    chance = np.random.default_rng(0)
    capacity_types = base.ravel()
    if subproblems.number <= SAMPLE_BLOCKS or len(subproblems.least) < 2 * SHRINK:
        premium = chance.uniform(0.0, 1.5, (5, len(capacity_types))) * capacity_types.max(
            initial=1.0
        )
        return [
            Prices(capacity_types, 1.0),
            *(Prices(capacity_types + row, 1.0) for row in premium),
        ], None
    workloads = len(subproblems.least)
    sample = np.sort(chance.permutation(workloads)[: -(-workloads // SHRINK)])
    learned = _learned(subproblems.of(sample), linking, len(sample) / workloads, until)
    prices = learned.prices(linking)
    noise = np.exp(chance.normal(0.0, 0.08, (3, len(capacity_types))))
    varied = [prices.capacity_type * row for row in noise] + [
        prices.capacity_type * 0.85,
        prices.capacity_type * 1.15,
    ]
    return [prices, *(Prices(row, prices.dollar) for row in varied)], learned


def _learned(sample: Subproblems, linking: LinkingConstraints, share: float, until: float) -> Duals:
    """Return the prices of a smaller fleet with its share of the market.

    Where that is too little, which says nothing of the whole fleet, it gets more.
    """
    while True:
        left = until - time.perf_counter()
        found = generate(sample, linking.scaled(share), gap=LEARNED, seconds=left, patient=False)
        if found.overuse.sum() <= NEGLIGIBLE or not found.finished or share >= 1:
            return found.duals
        share *= ENLARGED


def _evaluated(master: Master, learned: Duals) -> tuple[float, Duals, Floats]:
    """Return the bound that the prices of a smaller fleet prove."""
    _, _, below = best_patterns(master.subproblems, learned.prices(master.linking))
    duals = Duals(below, learned.linking)
    return lagrangian(master.linking, duals, float(below.sum())), duals, below


def _converge(
    master: Master,
    best: tuple[float, Duals, Floats] | None,
    gap: float,
    until: float,
    progress: Progress | None,
) -> Generated:
    """Add patterns until the bound meets the master, or time runs out.

    Patterns are looked for between the master's prices and those of the best bound, which keeps
    prices from swinging; where that finds none, at the master's.
    """
    subproblems, linking = master.subproblems, master.linking
    inward = True
    while True:
        solved = master.optimise(until - time.perf_counter())
        if solved is None:
            return _unfinished(master, best)
        objective, duals = solved
        tried = duals if best is None or not inward else duals.towards(best[1], SMOOTHING)
        patterns, _, below = best_patterns(subproblems, tried.prices(linking))
        bound = lagrangian(linking, tried, float(below.sum()))
        if best is None or bound > best[0]:
            best = (bound, tried, below)
        if progress is not None:
            progress("relaxation", objective, best[0])
        value = duals.block[patterns.block]
        price = priced(subproblems, duals.prices(linking), worth(subproblems, patterns))
        missing = np.flatnonzero(price < value - NEGLIGIBLE * np.abs(value))
        close = objective - best[0] <= max(gap, PROVED) * abs(objective)
        if close or not (len(missing) or (inward and tried is not duals)):
            return _finished(master, objective, best)
        if time.perf_counter() > until:
            return _unfinished(master, best)
        inward = len(missing) > 0
        master.add(patterns.take(missing))


def _fresh(subproblems: Subproblems, starts: list[Prices]) -> list[Patterns]:
    """Return the best patterns at several prices, each once."""
    found: list[Patterns] = []
    known: list[Ints] = []
    for prices in starts:
        patterns, *_ = best_patterns(subproblems, prices)
        new = np.ones(len(patterns), dtype=bool)
        for counts in known:
            new &= (counts != patterns.counts).any(axis=1)
        known.append(patterns.counts)
        found.append(patterns.take(np.flatnonzero(new)))
    return found


def _finished(master: Master, objective: float, best: tuple[float, Duals, Floats]) -> Generated:
    bound, duals, price = best
    return Generated(
        patterns=master.patterns,
        weights=master.weights(),
        objective=objective,
        bound=min(bound, objective),
        duals=duals,
        block_prices=price,
        bought=master.bought(),
        overuse=master.overuse(),
        finished=True,
    )


def _unfinished(master: Master, best: tuple[float, Duals, Floats] | None) -> Generated:
    patterns, number = master.patterns, master.subproblems.number
    nothing = Duals(np.zeros(number), np.zeros(len(master.linking.upper)))
    bound, duals, price = best or (-math.inf, nothing, np.zeros(number))
    return Generated(
        patterns=patterns,
        weights=np.zeros(len(patterns)),
        objective=math.inf,
        bound=bound,
        duals=duals,
        block_prices=price,
        bought=np.zeros(len(master.linking.cost)),
        overuse=np.zeros(len(master.overuse_dollars)),
        finished=False,
    )
