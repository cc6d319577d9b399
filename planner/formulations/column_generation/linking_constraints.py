"""What subproblems share, as a small linear program: capacity, purchases, power, budget (G2).

Its first rows are the capacity types: what patterns occupy is no more than what is used there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from planner.candidates.fleet.model_data import Bools, Floats, Ints, ModelData, PoolSupply
from planner.formulations.column_generation.subproblems import EITHER, KINDS, OWN, SPOT, STEADY

BOUNDLESS = 1e7
"""Accelerators that stand for no limit."""

Ways = tuple[int, int, int]
"""Variables of what is reserved, on demand and spot; -1 where not on offer."""


@dataclass(frozen=True, slots=True)
class LinkingConstraints:
    """Variables with bounds and costs, and rows `matrix @ variables <= upper`, both small."""

    cost: Floats
    """(V,) dollars of one unit over the horizon."""
    most: Floats
    """(V,) upper bounds; lower bounds are 0."""
    whole: Bools
    """(V,) whether only whole numbers can be had."""
    increment: Floats
    """(V,) accelerators that one unit of a purchase brings; 1 of everything else."""
    row: Ints
    """(N,) of the coefficients of the matrix; so for the next two."""
    column: Ints
    coefficient: Floats
    upper: Floats
    """(R,) the capacity types' first: capacity type x periods + period, with 0."""
    capacity_types: int
    """Rows that are capacity types."""
    budget: int
    """Row of the budget, to which patterns contribute too; -1 where there is none."""
    reserved: Ints
    """(P,) variable in purchase increments; -1 where not on offer."""
    on_demand: Ints
    """(P, T) likewise."""
    spot: Ints
    """(P, T) likewise."""
    supply: Ints
    """(P, T) row of what there is of a pool; -1 where there is no limit."""
    paid: Ints
    """(3, P, T) rows of what is bought for steady replicas, for spot ones, and for all together;
    -1 where there is none."""
    pool_watts: Ints
    """(P, T) row of a pool's power; -1 where there is no limit. So for the next two."""
    watts: Ints
    """(T,) row of all power."""
    carbon: int
    periods: int
    """T."""

    def scaled(self, factor: float) -> LinkingConstraints:
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
    increment: list[float] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)

    def variable(self, cost: float, most: float, increment: float = 0.0) -> int:
        """Add a variable: in purchase increments of so many accelerators where these are bought."""
        self.cost.append(cost)
        self.most.append(most)
        self.whole.append(increment > 0)
        self.increment.append(max(increment, 1.0))
        return len(self.cost) - 1

    def row(self, upper: float, entries: list[tuple[int, float]]) -> int:
        number = len(self.upper)
        self.entries += [(number, column, value) for column, value in entries]
        self.upper.append(upper)
        return number


def linking_constraints(data: ModelData, symmetric: Ints | None = None) -> LinkingConstraints:
    """Draw up what the blocks of a fleet share (G2).

    Parameters
    ----------
    data : ModelData
        The fleet.
    symmetric : ndarray, optional
        Choices that `blocks` was told not to tell apart.
    """
    draft = _Draft()
    either = np.zeros(len(data.pool_supply.gpus), dtype=bool)
    if symmetric is not None:
        either[data.choices.pool[symmetric >= 0]] = True
    pools, periods = len(data.pool_supply.gpus), len(data.horizon)
    used = _capacity_type_rows(draft, data)
    capacity_types = len(draft.upper)
    reserved = np.array([_reserved(draft, data, pool) for pool in range(pools)])
    on_demand, spot, supply, power = (np.full((pools, periods), -1) for _ in range(4))
    paid = np.full((3, pools, periods), -1)
    for pool in range(pools):
        for period in range(periods):
            on_demand[pool, period] = _hourly(draft, data, pool, period, "on_demand")
            spot[pool, period] = _hourly(draft, data, pool, period, "spot")
            bought = (reserved[pool], on_demand[pool, period], spot[pool, period])
            capacity_type = used[KINDS * pool : KINDS * (pool + 1), period]
            paid[:, pool, period] = _capacity_type_supply(
                draft, data.pool_supply, pool, capacity_type, bought, either=bool(either[pool])
            )
            power[pool, period], supply[pool, period] = _pool_rows(
                draft, data.pool_supply, pool, capacity_type, bought
            )
    watts, carbon = _common_rows(draft, data, used)
    budget = _budget(draft, data)
    row, column, coefficient = zip(*draft.entries, strict=True)
    return LinkingConstraints(
        cost=np.array(draft.cost),
        most=np.array(draft.most),
        whole=np.array(draft.whole),
        increment=np.array(draft.increment),
        row=np.array(row, dtype=np.int64),
        column=np.array(column, dtype=np.int64),
        coefficient=np.array(coefficient, dtype=np.float64),
        upper=np.array(draft.upper),
        capacity_types=capacity_types,
        budget=budget,
        reserved=reserved,
        on_demand=on_demand,
        spot=spot,
        supply=supply,
        paid=paid,
        pool_watts=power,
        watts=watts,
        carbon=carbon,
        periods=periods,
    )


def _capacity_type_rows(draft: _Draft, data: ModelData) -> Ints:
    """Add a variable for what is used of every capacity type in every period, and its row."""
    pools, periods = len(data.pool_supply.gpus), len(data.horizon)
    used = np.zeros((KINDS * pools, periods), dtype=np.int64)
    for capacity_type in range(KINDS * pools):
        for period in range(periods):
            most = _loose(data, capacity_type // KINDS)
            used[capacity_type, period] = draft.variable(0.0, most)
            draft.row(0.0, [(int(used[capacity_type, period]), -1.0)])
    return used


def _reserved(draft: _Draft, data: ModelData, pool: int) -> int:
    pool_supply, hours = data.pool_supply, float(data.horizon.hours.sum())
    price = float(pool_supply.reserved_dollars[pool])
    return _purchase(draft, data, pool, price * hours, float(pool_supply.reserved_gpus[pool]))


def _hourly(draft: _Draft, data: ModelData, pool: int, period: int, way: str) -> int:
    pool_supply, hours = data.pool_supply, float(data.horizon.hours[period])
    price = float(pool_supply.hourly(way, len(data.horizon))[pool, period])
    return _purchase(
        draft, data, pool, price * hours, float(getattr(pool_supply, f"{way}_gpus")[pool])
    )


def _loose(data: ModelData, pool: int) -> float:
    """Return a bound that never binds, so that the row of supply carries its whole value."""
    increment = float(data.pool_supply.increment[pool])
    return min(2.0 * float(data.pool_supply.gpus[pool]) + increment, BOUNDLESS)


def _purchase(draft: _Draft, data: ModelData, pool: int, cost: float, most: float) -> int:
    """Add a variable that counts purchase increments; -1 where they are not on offer."""
    if np.isnan(cost):
        return -1
    increment = int(data.pool_supply.increment[pool])
    increments = np.floor(min(most, _loose(data, pool)) / increment)
    return draft.variable(cost * increment, float(increments), increment)


def _capacity_type_supply(
    draft: _Draft,
    linking: PoolSupply,
    pool: int,
    capacity_type: Ints,
    bought: Ways,
    *,
    either: bool,
) -> Ways:
    """Add that what is used in the capacity types of a pool and period is bought.

    What runs on either kind of accelerators finds room where all kinds together suffice. Returns
    the rows, -1 where that one is not needed.
    """
    increment = float(linking.increment[pool])
    reserved, on_demand, spot = bought
    steady = [(way, -increment) for way in (reserved, on_demand) if way >= 0]
    spots = [(spot, -increment)] if spot >= 0 else []
    row_of_steady = draft.row(0.0, [(int(capacity_type[STEADY]), 1.0), *steady])
    row_of_spot = draft.row(0.0, [(int(capacity_type[SPOT]), 1.0), *spots])
    if not either:
        return row_of_steady, row_of_spot, -1
    together = [(int(capacity_type[kind]), 1.0) for kind in (STEADY, SPOT, EITHER)]
    return row_of_steady, row_of_spot, draft.row(0.0, [*together, *steady, *spots])


def _pool_rows(
    draft: _Draft, linking: PoolSupply, pool: int, capacity_type: Ints, bought: Ways
) -> tuple[int, int]:
    """Add what holds in one pool and period: purchases exist, power suffices.

    Returns the rows of the pool's power and of its supply, -1 where there is no limit.
    """
    increment, power = float(linking.increment[pool]), -1
    if np.isfinite(linking.watts_at_most[pool]):
        watts = float(linking.watts[pool])
        entries = [(variable, watts) for variable in capacity_type.tolist()]
        power = draft.row(float(linking.watts_at_most[pool]), entries)
    if not np.isfinite(linking.gpus[pool]):
        return power, -1
    ways = [(way, increment) for way in bought if way >= 0]
    supply = draft.row(float(linking.gpus[pool]), [*ways, (int(capacity_type[OWN]), 1.0)])
    return power, supply


def _common_rows(draft: _Draft, data: ModelData, used: Ints) -> tuple[Ints, int]:
    """Add power and carbon of all pools together; return their rows, -1 where there is none."""
    pool_supply, limits, hours = data.pool_supply, data.limits, data.horizon.hours
    power, carbon_row = np.full(len(hours), -1), -1
    pool = np.arange(len(used)) // KINDS
    if np.isfinite(limits.watts):
        for period in range(len(hours)):
            watts = pool_supply.watts[pool]
            power[period] = draft.row(
                limits.watts, list(zip(used[:, period].tolist(), watts.tolist(), strict=True))
            )
    if np.isfinite(limits.kilograms):
        carbon = pool_supply.kilograms_per_hour[pool][:, None] * hours[None, :]
        entries = zip(used.ravel().tolist(), carbon.ravel().tolist(), strict=True)
        carbon_row = draft.row(limits.kilograms, list(entries))
    return power, carbon_row


def _budget(draft: _Draft, data: ModelData) -> int:
    if not np.isfinite(data.limits.dollars):
        return -1
    entries = [(column, cost) for column, cost in enumerate(draft.cost) if cost]
    return draft.row(data.limits.dollars, entries)


def period_of(linking: LinkingConstraints, period: int, reserved: Floats) -> LinkingConstraints:
    """Return the market of one period, with what is reserved for the horizon bought already.

    Parameters
    ----------
    linking : LinkingConstraints
        One in which no row spans periods but through what is reserved.
    period : int
        Which.
    reserved : ndarray, shape (P,)
        Granules reserved of each pool.
    """
    columns = columns_of(linking, period)
    place = np.full(len(linking.cost), -1)
    place[columns] = np.arange(len(columns))
    mine = np.zeros(len(linking.upper), dtype=bool)
    mine[linking.row[place[linking.column] >= 0]] = True
    rows = np.flatnonzero(mine)
    row_place = np.full(len(linking.upper), -1)
    row_place[rows] = np.arange(len(rows))
    amounts = np.zeros(len(linking.cost))
    there = linking.reserved >= 0
    amounts[linking.reserved[there]] = reserved[there]
    taken = np.bincount(
        linking.row, weights=linking.coefficient * amounts[linking.column], minlength=len(mine)
    )
    kept = mine[linking.row] & (place[linking.column] >= 0)
    return LinkingConstraints(
        cost=linking.cost[columns],
        most=linking.most[columns],
        whole=linking.whole[columns],
        increment=linking.increment[columns],
        row=row_place[linking.row[kept]],
        column=place[linking.column[kept]],
        coefficient=linking.coefficient[kept],
        upper=(linking.upper - taken)[rows],
        capacity_types=linking.capacity_types // linking.periods,
        budget=-1,
        reserved=np.full(len(linking.reserved), -1),
        on_demand=_placed(place, linking.on_demand[:, [period]]),
        spot=_placed(place, linking.spot[:, [period]]),
        supply=_placed(row_place, linking.supply[:, [period]]),
        paid=_placed(row_place, linking.paid[:, :, [period]]),
        pool_watts=_placed(row_place, linking.pool_watts[:, [period]]),
        watts=_placed(row_place, linking.watts[[period]]),
        carbon=-1,
        periods=1,
    )


def spans_periods(linking: LinkingConstraints) -> bool:
    """Tell whether a row but those of what is reserved spans several periods."""
    owner = np.full(len(linking.cost), -1)
    for period in range(linking.periods):
        owner[columns_of(linking, period)] = period
    known = owner[linking.column] >= 0
    row, when = linking.row[known], owner[linking.column[known]]
    first = np.full(len(linking.upper), linking.periods)
    last = np.full(len(linking.upper), -1)
    np.minimum.at(first, row, when)
    np.maximum.at(last, row, when)
    return bool(np.any(last > first))


def columns_of(linking: LinkingConstraints, period: int) -> Ints:
    """Return the variables of one period: what is used of its capacity types, and bought for it."""
    used = np.arange(linking.capacity_types // linking.periods) * linking.periods + period
    bought = np.concatenate((linking.on_demand[:, period], linking.spot[:, period]))
    return np.sort(np.concatenate((used, bought[bought >= 0])))


def _placed(place: Ints, variables: Ints) -> Ints:
    return np.where(variables >= 0, place[variables], -1)
