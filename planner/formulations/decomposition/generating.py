"""Column generation: prices from the master, patterns from the blocks, until none is missing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.fleets.figures import Floats, Ints
from planner.formulations.decomposition.blocks import EITHER, KINDS, SPOT, STEADY, Blocks
from planner.formulations.decomposition.market import Market
from planner.formulations.decomposition.master import (
    Duals,
    Master,
    lagrangian,
    overused_rows,
)
from planner.formulations.decomposition.patterns import (
    Patterns,
    Prices,
    best_patterns,
    joined,
    priced,
    worth,
)

CONVERGED = 1e-9
"""Relative distance of master and bound at which nothing is missing."""
MISSING = 1e-7
"""Relative advantage from which a pattern is worth adding."""
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
NEGLIGIBLE = 1e-7
"""Accelerators that need not be there."""

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
    """What is missing of lanes, and of the budget where there is one."""
    finished: bool
    """Whether no pattern is missing; otherwise time ran out."""


def generate(
    blocks: Blocks,
    market: Market,
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
    blocks, market : Blocks, Market
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
    base = _base_prices(blocks, market)
    dearest = np.full(len(overused_rows(market)), _dearest(blocks, base))
    dearest[market.lanes :] = 1.0
    master = Master(blocks, market, OVERUSE * dearest)
    learned = None
    if known is None:
        starts, learned = _starts(blocks, market, base, until)
        known = joined(_fresh(blocks, starts))
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


def _base_prices(blocks: Blocks, market: Market) -> Floats:
    """Return the least that an accelerator of each lane costs in each period: (lanes, periods)."""
    pools = len(market.reserved)
    lane = np.zeros((pools, KINDS, blocks.periods))
    unit = market.cost / market.granule
    share = blocks.hours / blocks.hours.sum()
    for pool in range(pools):
        reserved, hourly, spot = (
            way[pool] for way in (market.reserved, market.on_demand, market.spot)
        )
        always = unit[reserved] * share if reserved >= 0 else np.inf
        steady = np.minimum(always, unit[hourly] if hourly[0] >= 0 else np.inf)
        lane[pool, [STEADY, EITHER]] = steady
        lane[pool, SPOT] = unit[spot] if spot[0] >= 0 else 0.0
    lane[~np.isfinite(lane)] = 0.0
    return lane.reshape(-1, blocks.periods)


def _dearest(blocks: Blocks, base: Floats) -> float:
    """Return the highest price of anything there is."""
    own = blocks.dollars[np.isfinite(blocks.dollars)].max(initial=0.0)
    finite = blocks.shed_dollars[blocks.shed_most > 0]
    hours = float(blocks.hours.max())
    return max(
        float(base.max(initial=0.0)), float(own * hours), float(finite.max(initial=0.0)), 1e-6
    )


def _starts(
    blocks: Blocks, market: Market, base: Floats, until: float
) -> tuple[list[Prices], Duals | None]:
    """Return prices at which first patterns are looked for, and what a smaller fleet taught."""
    chance = np.random.default_rng(0)
    lanes = base.ravel()
    if blocks.number <= SAMPLE_BLOCKS or len(blocks.least) < 2 * SHRINK:
        premium = chance.uniform(0.0, 1.5, (5, len(lanes))) * lanes.max(initial=1.0)
        return [Prices(lanes, 1.0), *(Prices(lanes + row, 1.0) for row in premium)], None
    workloads = len(blocks.least)
    sample = np.sort(chance.permutation(workloads)[: -(-workloads // SHRINK)])
    learned = _learned(blocks.of(sample), market, len(sample) / workloads, until)
    prices = learned.prices(market)
    noise = np.exp(chance.normal(0.0, 0.08, (3, len(lanes))))
    varied = [prices.lane * row for row in noise] + [prices.lane * 0.85, prices.lane * 1.15]
    return [prices, *(Prices(row, prices.dollar) for row in varied)], learned


def _learned(sample: Blocks, market: Market, share: float, until: float) -> Duals:
    """Return the prices of a smaller fleet with its share of the market.

    Where that is too little, which says nothing of the whole fleet, it gets more.
    """
    while True:
        left = until - time.perf_counter()
        found = generate(sample, market.scaled(share), gap=LEARNED, seconds=left, patient=False)
        if found.overuse.sum() <= NEGLIGIBLE or not found.finished or share >= 1:
            return found.duals
        share *= ENLARGED


def _evaluated(master: Master, learned: Duals) -> tuple[float, Duals, Floats]:
    """Return the bound that the prices of a smaller fleet prove."""
    _, _, below = best_patterns(master.blocks, learned.prices(master.market))
    duals = Duals(below, learned.market)
    return lagrangian(master.market, duals, float(below.sum())), duals, below


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
    blocks, market = master.blocks, master.market
    inward = True
    while True:
        solved = master.optimise(until - time.perf_counter())
        if solved is None:
            return _unfinished(master, best)
        objective, duals = solved
        tried = duals if best is None or not inward else duals.towards(best[1], SMOOTHING)
        patterns, _, below = best_patterns(blocks, tried.prices(market))
        bound = lagrangian(market, tried, float(below.sum()))
        if best is None or bound > best[0]:
            best = (bound, tried, below)
        if progress is not None:
            progress("relaxation", objective, best[0])
        value = duals.block[patterns.block]
        price = priced(blocks, duals.prices(market), worth(blocks, patterns))
        missing = np.flatnonzero(price < value - MISSING * np.abs(value))
        close = objective - best[0] <= max(gap, CONVERGED) * abs(objective)
        if close or not (len(missing) or (inward and tried is not duals)):
            return _finished(master, objective, best)
        if time.perf_counter() > until:
            return _unfinished(master, best)
        inward = len(missing) > 0
        master.add(patterns.take(missing))


def _fresh(blocks: Blocks, starts: list[Prices]) -> list[Patterns]:
    """Return the best patterns at several prices, each once."""
    found: list[Patterns] = []
    known: list[Ints] = []
    for prices in starts:
        patterns, *_ = best_patterns(blocks, prices)
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
    patterns, number = master.patterns, master.blocks.number
    nothing = Duals(np.zeros(number), np.zeros(len(master.market.upper)))
    bound, duals, price = best or (-math.inf, nothing, np.zeros(number))
    return Generated(
        patterns=patterns,
        weights=np.zeros(len(patterns)),
        objective=math.inf,
        bound=bound,
        duals=duals,
        block_prices=price,
        bought=np.zeros(len(master.market.cost)),
        overuse=np.zeros(len(master.overuse_dollars)),
        finished=False,
    )
