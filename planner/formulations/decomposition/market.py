"""What blocks share, as a small linear program: lanes, purchases, supply, power, budget (G2).

Its first rows are the lanes: what patterns occupy is no more than what is used there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from planner.fleets.figures import Bools, Figures, Floats, Ints
from planner.fleets.figures import Market as Supply
from planner.formulations.decomposition.blocks import EITHER, KINDS, OWN, SPOT, STEADY

BOUNDLESS = 1e7
"""Accelerators that stand for no limit."""

Ways = tuple[int, int, int]
"""Variables of what is reserved, on demand and spot; -1 where not on offer."""


@dataclass(frozen=True, slots=True)
class Market:
    """Variables with bounds and costs, and rows `matrix @ variables <= upper`, both small."""

    cost: Floats
    """(V,) dollars of one unit over the horizon."""
    most: Floats
    """(V,) upper bounds; lower bounds are 0."""
    whole: Bools
    """(V,) whether only whole numbers can be had."""
    granule: Floats
    """(V,) accelerators that one unit of a purchase brings; 1 of everything else."""
    row: Ints
    """(N,) of the coefficients of the matrix; so for the next two."""
    column: Ints
    coefficient: Floats
    upper: Floats
    """(R,) the lanes' first: lane x periods + period, with 0."""
    lanes: int
    """Rows that are lanes."""
    budget: int
    """Row of the budget, to which patterns contribute too; -1 where there is none."""
    reserved: Ints
    """(P,) variable in granules; -1 where not on offer."""
    on_demand: Ints
    """(P, T) likewise."""
    spot: Ints
    """(P, T) likewise."""
    supply: Ints
    """(P, T) row of what there is of a pool; -1 where there is no limit."""
    periods: int
    """T."""

    def scaled(self, factor: float) -> Market:
        """Return a market with so much of everything."""
        return replace(self, most=self.most * factor, upper=self.upper * factor)

    def cost_of(self, values: Floats) -> float:
        """Return the dollars of some amounts of all variables."""
        return float(self.cost @ values)


@dataclass(slots=True)
class _Draft:
    """A market while it is put together."""

    cost: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    granule: list[float] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)

    def variable(self, cost: float, most: float, granule: float = 0.0) -> int:
        """Add a variable: in granules of so many accelerators where these are bought."""
        self.cost.append(cost)
        self.most.append(most)
        self.whole.append(granule > 0)
        self.granule.append(max(granule, 1.0))
        return len(self.cost) - 1

    def row(self, upper: float, entries: list[tuple[int, float]]) -> int:
        number = len(self.upper)
        self.entries += [(number, column, value) for column, value in entries]
        self.upper.append(upper)
        return number


def market(figures: Figures, twin: Ints | None = None) -> Market:
    """Draw up what the blocks of a fleet share (G2).

    Parameters
    ----------
    figures : Figures
        The fleet.
    twin : ndarray, optional
        Choices that `blocks` was told not to tell apart.
    """
    draft = _Draft()
    either = np.zeros(len(figures.market.gpus), dtype=bool)
    if twin is not None:
        either[figures.choices.pool[twin >= 0]] = True
    pools, periods = len(figures.market.gpus), len(figures.horizon)
    used = _lane_rows(draft, figures)
    lanes = len(draft.upper)
    reserved = np.array([_reserved(draft, figures, pool) for pool in range(pools)])
    on_demand, spot, supply = (np.full((pools, periods), -1) for _ in range(3))
    for pool in range(pools):
        for period in range(periods):
            on_demand[pool, period] = _hourly(draft, figures, pool, period, "on_demand")
            spot[pool, period] = _hourly(draft, figures, pool, period, "spot")
            bought = (reserved[pool], on_demand[pool, period], spot[pool, period])
            lane = used[KINDS * pool : KINDS * (pool + 1), period]
            _lane_supply(draft, figures.market, pool, lane, bought, either=bool(either[pool]))
            supply[pool, period] = _pool_rows(draft, figures.market, pool, lane, bought)
    _common_rows(draft, figures, used)
    budget = _budget(draft, figures)
    row, column, coefficient = zip(*draft.entries, strict=True)
    return Market(
        cost=np.array(draft.cost),
        most=np.array(draft.most),
        whole=np.array(draft.whole),
        granule=np.array(draft.granule),
        row=np.array(row, dtype=np.int64),
        column=np.array(column, dtype=np.int64),
        coefficient=np.array(coefficient, dtype=np.float64),
        upper=np.array(draft.upper),
        lanes=lanes,
        budget=budget,
        reserved=reserved,
        on_demand=on_demand,
        spot=spot,
        supply=supply,
        periods=periods,
    )


def _lane_rows(draft: _Draft, figures: Figures) -> Ints:
    """Add a variable for what is used of every lane in every period, and its row."""
    pools, periods = len(figures.market.gpus), len(figures.horizon)
    used = np.zeros((KINDS * pools, periods), dtype=np.int64)
    for lane in range(KINDS * pools):
        for period in range(periods):
            most = _loose(figures, lane // KINDS)
            used[lane, period] = draft.variable(0.0, most)
            draft.row(0.0, [(int(used[lane, period]), -1.0)])
    return used


def _reserved(draft: _Draft, figures: Figures, pool: int) -> int:
    market, hours = figures.market, float(figures.horizon.hours.sum())
    price = float(market.reserved_dollars[pool])
    return _purchase(draft, figures, pool, price * hours, float(market.reserved_gpus[pool]))


def _hourly(draft: _Draft, figures: Figures, pool: int, period: int, way: str) -> int:
    market, hours = figures.market, float(figures.horizon.hours[period])
    price = float(getattr(market, f"{way}_dollars")[pool])
    return _purchase(
        draft, figures, pool, price * hours, float(getattr(market, f"{way}_gpus")[pool])
    )


def _loose(figures: Figures, pool: int) -> float:
    """Return a bound that never binds, so that the row of supply carries its whole value."""
    granule = float(figures.market.granule[pool])
    return min(2.0 * float(figures.market.gpus[pool]) + granule, BOUNDLESS)


def _purchase(draft: _Draft, figures: Figures, pool: int, cost: float, most: float) -> int:
    """Add a variable that counts granules; -1 where they are not on offer."""
    if np.isnan(cost):
        return -1
    granule = int(figures.market.granule[pool])
    granules = np.floor(min(most, _loose(figures, pool)) / granule)
    return draft.variable(cost * granule, float(granules), granule)


def _lane_supply(
    draft: _Draft, market: Supply, pool: int, lane: Ints, bought: Ways, *, either: bool
) -> None:
    """Add that what is used in the lanes of a pool and period is bought.

    What runs on either kind of accelerators finds room where all kinds together suffice.
    """
    granule = float(market.granule[pool])
    reserved, on_demand, spot = bought
    steady = [(way, -granule) for way in (reserved, on_demand) if way >= 0]
    spots = [(spot, -granule)] if spot >= 0 else []
    draft.row(0.0, [(int(lane[STEADY]), 1.0), *steady])
    draft.row(0.0, [(int(lane[SPOT]), 1.0), *spots])
    if either:
        together = [(int(lane[kind]), 1.0) for kind in (STEADY, SPOT, EITHER)]
        draft.row(0.0, [*together, *steady, *spots])


def _pool_rows(draft: _Draft, market: Supply, pool: int, lane: Ints, bought: Ways) -> int:
    """Add what holds in one pool and period: purchases exist, power suffices.

    Returns the row of the pool's supply, -1 where there is no limit.
    """
    granule = float(market.granule[pool])
    if np.isfinite(market.watts_at_most[pool]):
        watts = float(market.watts[pool])
        entries = [(variable, watts) for variable in lane.tolist()]
        draft.row(float(market.watts_at_most[pool]), entries)
    if not np.isfinite(market.gpus[pool]):
        return -1
    ways = [(way, granule) for way in bought if way >= 0]
    return draft.row(float(market.gpus[pool]), [*ways, (int(lane[OWN]), 1.0)])


def _common_rows(draft: _Draft, figures: Figures, used: Ints) -> None:
    """Add power and carbon of all pools together."""
    market, limits, hours = figures.market, figures.limits, figures.horizon.hours
    pool = np.arange(len(used)) // KINDS
    if np.isfinite(limits.watts):
        for period in range(len(hours)):
            watts = market.watts[pool]
            draft.row(
                limits.watts, list(zip(used[:, period].tolist(), watts.tolist(), strict=True))
            )
    if np.isfinite(limits.kilograms):
        carbon = market.kilograms_per_hour[pool][:, None] * hours[None, :]
        entries = zip(used.ravel().tolist(), carbon.ravel().tolist(), strict=True)
        draft.row(limits.kilograms, list(entries))


def _budget(draft: _Draft, figures: Figures) -> int:
    if not np.isfinite(figures.limits.dollars):
        return -1
    entries = [(column, cost) for column, cost in enumerate(draft.cost) if cost]
    return draft.row(figures.limits.dollars, entries)


def period_of(market: Market, period: int, reserved: Floats) -> Market:
    """Return the market of one period, with what is reserved for the horizon bought already.

    Parameters
    ----------
    market : Market
        One in which no row spans periods but through what is reserved.
    period : int
        Which.
    reserved : ndarray, shape (P,)
        Granules reserved of each pool.
    """
    columns = columns_of(market, period)
    place = np.full(len(market.cost), -1)
    place[columns] = np.arange(len(columns))
    mine = np.zeros(len(market.upper), dtype=bool)
    mine[market.row[place[market.column] >= 0]] = True
    rows = np.flatnonzero(mine)
    row_place = np.full(len(market.upper), -1)
    row_place[rows] = np.arange(len(rows))
    amounts = np.zeros(len(market.cost))
    there = market.reserved >= 0
    amounts[market.reserved[there]] = reserved[there]
    taken = np.bincount(
        market.row, weights=market.coefficient * amounts[market.column], minlength=len(mine)
    )
    kept = mine[market.row] & (place[market.column] >= 0)
    return Market(
        cost=market.cost[columns],
        most=market.most[columns],
        whole=market.whole[columns],
        granule=market.granule[columns],
        row=row_place[market.row[kept]],
        column=place[market.column[kept]],
        coefficient=market.coefficient[kept],
        upper=(market.upper - taken)[rows],
        lanes=market.lanes // market.periods,
        budget=-1,
        reserved=np.full(len(market.reserved), -1),
        on_demand=_placed(place, market.on_demand[:, [period]]),
        spot=_placed(place, market.spot[:, [period]]),
        supply=_placed(row_place, market.supply[:, [period]]),
        periods=1,
    )


def spans_periods(market: Market) -> bool:
    """Tell whether a row but those of what is reserved spans several periods."""
    owner = np.full(len(market.cost), -1)
    for period in range(market.periods):
        owner[columns_of(market, period)] = period
    known = owner[market.column] >= 0
    row, when = market.row[known], owner[market.column[known]]
    first = np.full(len(market.upper), market.periods)
    last = np.full(len(market.upper), -1)
    np.minimum.at(first, row, when)
    np.maximum.at(last, row, when)
    return bool(np.any(last > first))


def columns_of(market: Market, period: int) -> Ints:
    """Return the variables of one period: what is used of its lanes, and bought for it."""
    used = np.arange(market.lanes // market.periods) * market.periods + period
    bought = np.concatenate((market.on_demand[:, period], market.spot[:, period]))
    return np.sort(np.concatenate((used, bought[bought >= 0])))


def _placed(place: Ints, variables: Ints) -> Ints:
    return np.where(variables >= 0, place[variables], -1)
