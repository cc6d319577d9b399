"""Whether what replicas occupy is bought, what is bought may be, and what it all costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from planner.plans.fleet_columns import CAPACITY_TYPES, MARKETS
from planner.plans.fleet_plan import FleetPlan
from planner.problem.offers import Offers
from planner.problem.tolerances import CHECKED_FLEET
from planner.verification.check_plan import Finding
from planner.verification.fleet.inputs import Floats, Ints, differs, told
from planner.verification.fleet.node_packing import nodes_needed
from planner.verification.fleet.replicas import Asked, Rows

RESERVED, ON_DEMAND, SPOT = range(len(MARKETS))


@dataclass(frozen=True, slots=True)
class Bought:
    """Accelerators by pool and period, as the plan's tables have them."""

    reserved: Floats
    """(P,)"""
    by_period: Floats
    """(2, P, T) on demand and spot."""
    used: Floats
    """(2, P, T) occupied by replicas at the pool's price, steady and spot."""
    own: Floats
    """(P, T) occupied by replicas at their own price."""

    @property
    def capacity_types(self) -> Floats:
        """(2, P, T) bought by capacity type."""
        on_demand, spot = self.by_period
        return np.stack([self.reserved[:, None] + on_demand, spot])


def bought_of(plan: FleetPlan, rows: Rows) -> Bought:
    """Add up what is bought and what is occupied."""
    table, shape = plan.purchases, (len(plan.pools), len(plan.periods))
    reserved = table.market == RESERVED
    by_period = [
        by_place(table.pool[mine] * shape[1] + table.period[mine], table.gpus[mine], shape)
        for mine in (table.market == ON_DEMAND, table.market == SPOT)
    ]
    own = ~np.isnan(rows.each.own)
    capacity_types = [~own & ~rows.each.spot, ~own & rows.each.spot]
    used = [by_place(rows.place[mine], rows.taken[mine], shape) for mine in capacity_types]
    return Bought(
        reserved=by_place(table.pool[reserved], table.gpus[reserved], (shape[0], 1))[:, 0],
        by_period=np.stack(by_period),
        used=np.stack(used),
        own=by_place(rows.place[own], rows.taken[own], shape),
    )


def by_place(at: Ints, values: Floats, shape: tuple[int, int]) -> Floats:
    """Add up values by place."""
    return np.asarray(np.bincount(at, values, shape[0] * shape[1]), dtype=float).reshape(shape)


def purchase_findings(plan: FleetPlan, asked: Asked, bought: Bought) -> Iterator[Finding]:
    """Yield what is wrong with purchases: whether they may be, and suffice."""
    table, sold = plan.purchases, asked.sold
    pools = place_name(plan)
    yield from _wholes(plan, asked)
    price = sold.price[table.market, table.pool, np.maximum(table.period, 0)]
    name = _purchase_name(plan)
    yield from told("market", np.isnan(price), name, lambda _: "a way of paying the pool has")
    parts = np.concatenate([bought.reserved[None, :, None] + 0.0 * bought.own, bought.by_period])
    for market, gpus in enumerate(parts):
        most = np.broadcast_to(sold.most[market][:, None], gpus.shape)
        yield from above(f"gpus of {MARKETS[market]}", gpus, most, pools)
    total = parts.sum(axis=0) + bought.own
    yield from above("gpus", total, np.broadcast_to(sold.gpus[:, None], total.shape), pools)
    for capacity_type, used, gpus in zip(
        CAPACITY_TYPES, bought.used, bought.capacity_types, strict=True
    ):
        yield from above(f"gpus of {capacity_type} replicas", used, gpus, pools)
    yield from _columns(plan, asked, bought)


def place_name(plan: FleetPlan) -> Callable[[int], str]:
    """Return what says which pool and period is meant."""
    periods = len(plan.periods)
    return lambda place: f"{plan.pools[place // periods]} in {plan.periods[place % periods]}"


def above(
    column: str, values: Floats, most: Floats, name: Callable[[int], str]
) -> Iterator[Finding]:
    """Yield pools and periods in which a number is above what it may be."""
    yield from told(
        column,
        ~(values <= most * (1.0 + CHECKED_FLEET)).ravel(),
        lambda place: f"{values.flat[place]:.9g} in {name(place)}",
        lambda place: f"at most {most.flat[place]:.9g}",
    )


def _purchase_name(plan: FleetPlan) -> Callable[[int], str]:
    table = plan.purchases

    def name(row: int) -> str:
        when = plan.periods[table.period[row]] if table.period[row] >= 0 else "every period"
        return f"{MARKETS[table.market[row]]} in {plan.pools[table.pool[row]]} in {when}"

    return name


def _wholes(plan: FleetPlan, asked: Asked) -> Iterator[Finding]:
    """Accelerators are bought whole, by the node where the pool is sold so, and once."""
    table, name = plan.purchases, _purchase_name(plan)
    increment = asked.sold.increment[table.pool]
    whole = (table.gpus > 0) & (table.gpus % increment == 0)
    yield from told(
        "gpus",
        ~whole,
        lambda row: f"{table.gpus[row]:.9g} of {name(row)}",
        lambda row: f"a positive multiple of {increment[row]}",
    )
    key = (table.pool * len(MARKETS) + table.market) * (len(plan.periods) + 1) + table.period
    _, first, times = np.unique(key, return_index=True, return_counts=True)
    twice = np.zeros(len(table), dtype=bool)
    twice[first[times > 1]] = True
    yield from told("market", twice, name, lambda _: "one row per pool, market and period")


def _columns(plan: FleetPlan, asked: Asked, bought: Bought) -> Iterator[Finding]:
    """What the rows of purchases say of themselves is so."""
    table, hours = plan.purchases, asked.periods.hours
    reserved = table.market == RESERVED
    steady, spot = bought.used
    by_reserved = np.minimum(steady, bought.reserved[:, None])
    mean = by_reserved @ hours / hours.sum()
    rest = np.minimum(steady - by_reserved, bought.by_period[0])
    at = table.pool, np.maximum(table.period, 0)
    used = np.select([reserved, table.market == ON_DEMAND], [mean[table.pool], rest[at]], spot[at])
    pareto_kept = np.where(reserved, hours.sum(), hours[at[1]])
    by_node = np.array([bool(pool.gpus_per_node) for pool in asked.fleet.pools])[table.pool]
    increment = asked.sold.increment[table.pool]
    expected = {
        "nodes": (table.nodes, np.where(by_node, table.gpus / increment, np.nan)),
        "dollars": (
            table.dollars,
            table.gpus * pareto_kept * asked.sold.price[table.market, table.pool, at[1]],
        ),
        "used_gpus": (table.used_gpus, used),
        "utilisation": (table.utilisation, used / np.where(table.gpus > 0, table.gpus, np.nan)),
    }
    name = _purchase_name(plan)
    for column, (found, right) in expected.items():
        yield from told(column, differs(found, right), _told(found, name), _told(right))


def _told(values: Floats, name: Callable[[int], str] | None = None) -> Callable[[int], str]:
    return lambda row: f"{values[row]:.9g}" + (f" of {name(row)}" if name else "")


def price_findings(plan: FleetPlan, asked: Asked, rows: Rows, bought: Bought) -> Iterator[Finding]:
    """Yield rows that cost other than what is paid for them; what is reserved is used first."""
    table, each, sold = plan.replicas, rows.each, asked.sold
    steady = bought.used[0]
    kept = np.minimum(steady, bought.reserved[:, None])
    reserved, on_demand, spot = np.nan_to_num(sold.price)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (kept * reserved + (steady - kept) * on_demand) / steady
        own = each.own / each.gpus
    place = each.pool, rows.period
    paid = np.select([~np.isnan(own), each.spot], [own, spot[place]], mean[place])
    begun: Floats = np.where(rows.starts > 0, each.startup, 0.0) * rows.starts
    begun = begun * asked.periods.weight[rows.period] / asked.periods.hours[rows.period]
    running = rows.count > 0
    prices: dict[str, tuple[Floats, Floats]] = {
        "dollars_per_gpu_hour": (table.dollars_per_gpu_hour, np.where(running, paid, np.nan)),
        "dollars_per_hour": (
            table.dollars_per_hour,
            np.where(running, rows.taken * paid, 0.0) + begun,
        ),
    }
    for column, (found, right) in prices.items():
        yield from told(column, differs(found, right), _told(found, rows.name), _told(right))


def packing_findings(
    plan: FleetPlan, asked: Asked, offers: Offers, rows: Rows, bought: Bought
) -> Iterator[Finding]:
    """Yield pools and periods whose replicas do not fit into the nodes that are bought."""
    increment = asked.sold.increment
    for size in np.unique(increment[increment > 1]).tolist():
        for capacity_type, gpus in enumerate(bought.capacity_types):
            mine = (rows.each.spot == bool(capacity_type)) & (increment[rows.each.pool] == size)
            row = np.flatnonzero(mine & np.isnan(rows.each.own))
            nodes = np.floor(np.nan_to_num(gpus.ravel()) / size + CHECKED_FLEET).astype(np.int64)
            needed = _nodes(offers, rows, row, size, nodes)
            yield from _unpacked(plan, needed, nodes, CAPACITY_TYPES[capacity_type])


def _nodes(offers: Offers, rows: Rows, row: Ints, size: int, nodes: Ints) -> Ints:
    """Return how many nodes hold the replicas of some rows, in each pool and period."""
    gpus, count = offers.gpus[rows.each.offer[row]], rows.count[row]
    large = gpus > size
    whole = np.zeros(len(nodes), dtype=np.int64)
    np.add.at(whole, rows.place[row], np.where(large, -(-gpus // size) * count, 0))
    tries = []
    # As they are; and as rounded up, whose sizes mostly divide one another and pack exactly.
    for sizes in (gpus, rows.each.gpus[row]):
        counts = np.zeros((len(nodes), size), dtype=np.int64)
        small = np.minimum(sizes, size) - 1
        np.add.at(counts, (rows.place[row], small), np.where(large, 0, count))
        tries.append(nodes_needed(counts, nodes - whole))
    return whole + np.minimum(*tries)


def _unpacked(plan: FleetPlan, needed: Ints, nodes: Ints, capacity_type: str) -> Iterator[Finding]:
    name = place_name(plan)
    yield from told(
        "nodes",
        needed > nodes,
        lambda place: f"{needed[place]} nodes full of {capacity_type} replicas in {name(place)}",
        lambda place: f"at most the {nodes[place]} that are bought",
    )


def limit_findings(plan: FleetPlan, asked: Asked, rows: Rows) -> Iterator[Finding]:
    """Yield where busy accelerators take more power, or emit more carbon, than they may."""
    sold, fleet = asked.sold, asked.fleet
    shape = len(plan.pools), len(plan.periods)
    busy = by_place(rows.place, rows.working, shape)
    watts = np.where(busy > 0, busy * sold.watts[:, None], 0.0)
    most = np.broadcast_to(sold.watts_at_most[:, None], shape)
    limited = np.where(np.isinf(most), 0.0, watts)
    yield from above("watts", limited, most, place_name(plan))
    if fleet.watts_at_most is not None:
        total, cap = watts.sum(axis=0), fleet.watts_at_most
        yield from told(
            "watts",
            ~(total <= cap * (1.0 + CHECKED_FLEET)),
            lambda t: f"{total[t]:.9g} in all pools in {plan.periods[t]}",
            lambda _: f"at most {cap:.9g}",
        )
    if fleet.carbon_kilograms_at_most is not None:
        emitted = np.where(busy > 0, busy * sold.kilograms_per_hour[:, None], 0.0)
        kilograms = float(emitted.sum(axis=0) @ asked.periods.hours)
        limit = fleet.carbon_kilograms_at_most
        if not kilograms <= limit * (1.0 + CHECKED_FLEET):
            yield Finding("carbon", f"{kilograms:.9g} kg", f"at most {limit:.9g} kg")


def dollars_of(asked: Asked, rows: Rows, bought: Bought) -> float:
    """Return what the plan costs over the horizon, without refused requests."""
    hours, weight = asked.periods.hours, asked.periods.weight
    reserved = np.broadcast_to(bought.reserved[:, None], bought.own.shape)
    gpu_hours = np.stack([reserved, *bought.by_period]) * hours
    paid = np.where(gpu_hours > 0, gpu_hours * asked.sold.price, 0.0).sum()
    own = np.where(np.isnan(rows.each.own), 0.0, rows.each.own * rows.count) @ hours[rows.period]
    starting = np.where(rows.starts > 0, rows.each.startup, 0.0) * rows.starts
    return float(paid + own + starting @ weight[rows.period])
