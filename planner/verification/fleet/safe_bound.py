"""A lower bound on what a fleet costs that trusts no solver: evaluated from prices, whatever these.

Let replicas pay for accelerators, watts, carbon and dollars at some prices >= 0, in place of the
limits on them. No plan then costs more than it did, and workloads and periods no longer depend on
each other: the least that each costs, plus the least that purchases add, less what the limits are
worth, is below every plan (Geoffrion, Lagrangean relaxation for integer programming, 1974). Prices
that would make an unlimited purchase pay are lowered first. Sums are rounded downwards, so the
number needs no tolerance (Neumaier and Shcherbina, Safe bounds in linear and mixed-integer linear
programming, 2004).

Left out, which only lowers the bound: most replicas, more than one kind of deployment where few are
allowed, limits on changes, what is kept ready for rises, and how replicas fit into nodes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from planner.plans.fleet_columns import CAPACITY_TYPES
from planner.plans.multipliers import Multipliers
from planner.problem.offers import Offers
from planner.problem.tolerances import CHECKED_FLEET, CHECKED_SPLIT, RELAXED
from planner.verification.fleet.cheapest_cover import COVERED, ROOM, Block, least_cost, lowered
from planner.verification.fleet.inputs import Floats, Ints
from planner.verification.fleet.layouts import layout_named
from planner.verification.fleet.replicas import (
    COLOCATED,
    DECODE,
    HOUR,
    PREFILL,
    Asked,
    Deployed,
    deployed,
    forbidden,
)

BELOW = 1.0 - 4.0 * ROOM
"""Factor that makes up for rounding in a price."""
ALLOWED = 1.0 + CHECKED_FLEET + ROOM
"""Part of a limit that the checker lets pass."""
NODES, LEAST_NODES, ALL_NODES = 2_000, 400, 20_000_000
"""Partial covers of one workload and period after which its search stops; of a large fleet fewer,
so that all together stay near the last number."""


@dataclass(frozen=True, slots=True)
class _Priced:
    """Deployments that may run, at their prices."""

    each: Deployed
    role: Ints
    most: Floats
    """(N,) replicas for which there are accelerators."""
    price: Floats
    """(N, T) dollars of one replica through a period."""
    begins: Ints
    """(W + 1,) first deployment of each workload."""


def safe_bound(asked: Asked, offers: Offers, multipliers: Multipliers) -> float:
    """Return dollars over the horizon that no plan is below, refused requests included.

    Parameters
    ----------
    asked : Asked
        What is asked.
    offers : Offers
        Deployments on offer.
    multipliers : Multipliers
        Prices; any prove a bound.

    Returns
    -------
    float
        The bound; minus infinity where the prices prove nothing.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        terms = _terms(_in_whole_nodes(asked, offers), offers, multipliers)
    try:
        total = math.fsum(terms)
    except (OverflowError, ValueError):  # Prices beyond all numbers.
        return -math.inf
    return lowered(total) if math.isfinite(total) else -math.inf


def _terms(asked: Asked, offers: Offers, multipliers: Multipliers) -> list[float]:
    """Return what is to be added up: every part of the bound, rounded downwards."""
    prices = _fitting_prices(asked, _of_limits(asked, multipliers))
    each, role, most = _may_run(asked, offers)
    price, running = _prices(asked, offers, each, prices)
    begins = np.searchsorted(each.workload, np.arange(len(asked.fleet.workloads) + 1))
    return [
        -running,
        *_limits(asked, prices),
        *_purchases(asked, prices),
        *_blocks(asked, _Priced(each, role, most, price, begins)),
    ]


def _in_whole_nodes(asked: Asked, offers: Offers) -> Asked:
    """Leave out accelerators beyond whole nodes, where none has a price of its own to be had at."""
    sold = asked.sold
    own = np.isin(np.arange(len(sold.gpus)), offers.pool[~np.isnan(offers.dollars_per_hour)])
    bought = np.isinf(sold.gpus) | own
    with np.errstate(invalid="ignore"):
        over = np.mod(sold.gpus, sold.increment)
    whole = sold.gpus - np.where(bought, 0.0, over)
    return replace(asked, sold=replace(sold, gpus=whole))


def _of_limits(asked: Asked, given: Multipliers) -> Multipliers:
    """Let limits that there are not be worth nothing."""
    fleet, sold = asked.fleet, asked.sold
    return replace(
        given,
        supply=np.where(np.isinf(sold.gpus)[:, None], 0.0, given.supply),
        pool_watts=np.where(np.isinf(sold.watts_at_most)[:, None], 0.0, given.pool_watts),
        watts=given.watts if fleet.watts_at_most is not None else 0.0 * given.watts,
        kilogram=given.kilogram if fleet.carbon_kilograms_at_most is not None else 0.0,
        dollar=given.dollar if fleet.dollars_per_hour_at_most is not None else 0.0,
    )


def _fitting_prices(asked: Asked, given: Multipliers) -> Multipliers:
    """Let an accelerator be worth what it costs, as far as no purchase then pays.

    Prices above that are lowered, unless a limit on what is bought explains them. Prices below are
    raised, which only raises the bound: a solver says nothing of pools that it saw no use for.
    """
    sold, hours, most = asked.sold, asked.periods.hours, _most(asked)
    dollar, occupied = 1.0 + given.dollar, given.occupied.copy()
    cost = np.where(np.isnan(sold.price), math.inf, sold.price) * hours * dollar
    cost = np.where((most > 0)[:, :, None], (cost + given.supply) * BELOW, math.inf)
    for kind, way in ((0, 1), (1, 2)):
        occupied[kind] = _fitting(occupied[kind], cost[way], most[way][:, None])
    # What is reserved is paid for through the horizon, whenever it is of use.
    whole = np.where(most[0] > 0, sold.price[0, :, 0] * hours.sum() * dollar, math.inf)
    whole = (whole + given.supply.sum(axis=1)) * BELOW
    total = occupied[0].sum(axis=1)
    fitting = np.where(total > whole, _fitting(total, whole, most[0]), total)
    occupied[0] *= (fitting / np.where(total > 0, total, 1.0) * BELOW)[:, None]
    part = np.where(np.isinf(whole), math.inf, whole)[:, None] * hours / hours.sum()
    floor = np.minimum(cost[1], part)
    raised = np.maximum(occupied[0], np.where(np.isinf(floor), 0.0, floor))
    room = (raised.sum(axis=1) <= whole * BELOW)[:, None]
    steady = np.where(room, raised, occupied[0])
    spot = np.maximum(occupied[1], np.where(np.isinf(cost[2]), 0.0, cost[2]))
    return replace(given, occupied=np.stack([steady, spot]))


def _fitting(price: Floats, cost: Floats, most: Floats) -> Floats:
    """Return prices no higher than costs where they are near these, or nothing limits purchases.

    What is near is a rest of a solver's tolerance, which large limits would blow up.
    """
    near = (price <= cost * (1.0 + RELAXED)) | np.isinf(most)
    return np.where(near, np.minimum(price, cost), price)


def _most(asked: Asked) -> Floats:
    """(3, P) accelerators that can be bought in each way, in whole increments."""
    sold = asked.sold
    most = np.minimum(sold.most, sold.gpus[None, :])
    with np.errstate(invalid="ignore"):
        whole = np.floor(most / sold.increment) * sold.increment
    return np.where(np.isnan(sold.price[:, :, 0]), 0.0, np.where(np.isinf(most), most, whole))


def _may_run(asked: Asked, offers: Offers) -> tuple[Deployed, Ints, Floats]:
    """Return deployments that break no limit of their own, and for how many there is room."""
    offer = np.repeat(np.arange(len(offers)), len(CAPACITY_TYPES))
    spot = np.tile([False, True], len(offers))
    each = deployed(asked, offers, offer, spot)
    wrong = np.zeros(len(offer), dtype=bool)
    for broken in forbidden(asked, offers, each).values():
        wrong |= broken
    ways, own = _most(asked), ~np.isnan(each.own)
    bought = np.stack([np.minimum(ways[0] + ways[1], asked.sold.gpus), ways[2]])
    there = np.where(own, asked.sold.gpus[each.pool], bought[spot.astype(int), each.pool])
    kept = np.flatnonzero(~wrong & (each.gpus <= there))
    most = np.floor(there[kept] / each.gpus[kept])
    return deployed(asked, offers, offer[kept], spot[kept]), offers.role[offer[kept]], most


def _prices(
    asked: Asked, offers: Offers, each: Deployed, prices: Multipliers
) -> tuple[Floats, float]:
    """Return (N, T) what replicas pay, and what those that run already are worth at first."""
    sold, hours = asked.sold, asked.periods.hours
    gpus, own = each.gpus[:, None].astype(float), np.isnan(each.own)[:, None]
    pool = np.where(own, prices.occupied[each.spot.astype(int), each.pool], 0.0)
    pool = pool + np.where(own, 0.0, prices.supply[each.pool])
    watts = prices.pool_watts + prices.watts[None, :]
    power = np.where(watts > 0, watts * np.nan_to_num(sold.watts)[:, None], 0.0)
    if prices.kilogram > 0:
        power = power + prices.kilogram * sold.kilograms_per_hour[:, None] * hours
    power = each.working[:, None] * power[each.pool]
    paid = np.nan_to_num(each.own)[:, None] * hours * (1.0 + prices.dollar)
    price = (gpus * pool + power + paid) * BELOW
    return _with_starts(asked, offers, each, prices, price)


def _with_starts(
    asked: Asked, offers: Offers, each: Deployed, prices: Multipliers, price: Floats
) -> tuple[Floats, float]:
    """Make replicas dearer where they start, and cheaper in the period before, by their values.

    A value is no more than the start costs, and no more than makes a replica worth nothing.
    """
    fleet, periods, worth = asked.fleet, asked.periods, 0.0
    rows: dict[object, list[int]] = {}
    if prices.starts:
        names = [one.name for one in fleet.workloads], [one.name for one in fleet.pools]
        for row, (w, p, spot, offer) in enumerate(
            zip(each.workload, each.pool, each.spot, each.offer, strict=True)
        ):
            key = layout_named(names[0][w], names[1][p], offers.label[offer], bool(spot))
            rows.setdefault(key, []).append(row)
    ran: dict[object, int] = {}
    for one in fleet.running or ():
        layout = layout_named(one.workload, one.pool, one.label, one.spot)
        ran[layout] = ran.get(layout, 0) + one.replicas
    for said in prices.starts:
        mine = rows.get((said.workload, said.pool, said.layout, said.spot), [])
        if not mine:
            continue
        most = float(each.startup[mine].min()) * periods.weight * (1.0 + prices.dollar) * BELOW
        value = np.minimum(np.nan_to_num(said.dollars), np.nan_to_num(most))
        for t, before in enumerate(periods.before.tolist()):
            if before < 0 and fleet.running is None:
                value[t] = 0.0
            elif before >= 0:
                room = (price[mine, before] + value[before]).min()
                value[t] = min(value[t], room * BELOW)
        later = np.zeros_like(value)
        after = periods.before >= 0
        later[periods.before[after]] = value[after]
        price[mine] = np.maximum((price[mine] + value) * BELOW - later, 0.0)
        first = ran.get((said.workload, said.pool, said.layout, said.spot), 0)
        worth += first * float(value[periods.before < 0].sum())
    return price, worth * (1.0 + ROOM)


def _limits(asked: Asked, prices: Multipliers) -> list[float]:
    """Return what limits are worth at their prices, as what is to be taken off."""
    sold, fleet, found = asked.sold, asked.fleet, []
    for limit, price in ((sold.gpus, prices.supply), (sold.watts_at_most, prices.pool_watts)):
        p, t = np.nonzero(price > 0)
        found += (-limit[p] * price[p, t] * ALLOWED).tolist()
    for cap, worth_of in (
        (fleet.watts_at_most, prices.watts.tolist()),
        (fleet.carbon_kilograms_at_most, [prices.kilogram]),
        (fleet.dollars_per_hour_at_most, [prices.dollar * float(asked.periods.hours.sum())]),
    ):
        most = math.inf if cap is None else cap
        found += [-most * one * ALLOWED for one in worth_of if one > 0]
    return [lowered(term) for term in found]


def _purchases(asked: Asked, prices: Multipliers) -> list[float]:
    """Return the least that purchases add: nothing, or as many as there are where that pays."""
    sold, hours, most = asked.sold, asked.periods.hours, _most(asked)
    dollar, found = 1.0 + prices.dollar, []
    for kind, way in ((0, 1), (1, 2)):
        cost = (np.nan_to_num(sold.price[way]) * hours * dollar + prices.supply) * BELOW
        found.append((most[way][:, None], cost - prices.occupied[kind]))
    whole = np.nan_to_num(sold.price[0, :, 0]) * hours.sum() * dollar + prices.supply.sum(axis=1)
    found.append((most[0], whole * BELOW - prices.occupied[0].sum(axis=1) * (1.0 + ROOM)))
    terms: list[float] = []
    for there, gain in found:
        pays = (gain < 0) & (there > 0)
        added = np.where(pays, there, 0.0) * np.where(pays, gain, 0.0)
        terms += added[pays].tolist()
    return [lowered(term) for term in terms]


def _blocks(asked: Asked, priced: _Priced) -> list[float]:
    """Return the least that each workload costs in each period."""
    want = asked.served
    workloads, periods = want.demand.shape
    nodes = int(min(max(ALL_NODES / max(workloads * periods, 1), LEAST_NODES), NODES))
    found = []
    for w in range(workloads):
        mine = np.arange(priced.begins[w], priced.begins[w + 1])
        plain = not want.classed[w] and not (priced.role[mine] != COLOCATED).any()
        if plain and want.kinds[w] != 1:
            mine = _useful(priced, mine)
        for t in range(periods):
            found.append(
                _plain(asked, priced, mine, (w, t), nodes)
                if plain
                else _in_parts(asked, priced, mine, w, t)
            )
    return found


def _useful(priced: _Priced, mine: Ints) -> Ints:
    """Drop deployments in whose place another one takes no more of the same and serves no less.

    Whatever may be lost, a larger replica in the place of a smaller one is no loss.
    """
    each = priced.each
    rate, price = each.rates[mine, 0], priced.price[mine]
    place = each.pool[mine] * 2 + each.spot[mine]
    own = np.where(np.isnan(each.own[mine]), 0.0, each.own[mine])
    order = np.lexsort((mine, -rate, own, each.gpus[mine], place))
    kept: list[int] = []
    for row in order.tolist():
        beaten = kept and place[kept[-1]] == place[row] and own[kept[-1]] <= own[row]
        if not (beaten and rate[kept[-1]] >= rate[row] and (price[kept[-1]] <= price[row]).all()):
            kept.append(row)
    return np.sort(mine[kept])


def _refused(asked: Asked, w: int, t: int) -> tuple[float, float]:
    """Return requests per second that may be refused, and the dollars of refusing one of them."""
    want = asked.served
    dollars = HOUR * float(asked.periods.hours[t] * want.shed_dollars[w]) * BELOW
    return float(want.shed_at_most[w] * want.demand[w, t]) * ALLOWED, dollars


def _plain(
    asked: Asked, priced: _Priced, mine: Ints, at: tuple[int, int], most_nodes: int
) -> float:
    want, (w, t) = asked.served, at
    return least_cost(
        Block(
            priced.price[mine, t],
            priced.each.rates[mine, 0],
            priced.most[mine],
            priced.each.offer[mine],
            float(want.demand[w, t]),
            int(want.least[w]),
            bool(want.survives[w]),
            bool(want.kinds[w] == 1),
            *_refused(asked, w, t),
        ),
        most_nodes,
    )


def _in_parts(asked: Asked, priced: _Priced, mine: Ints, w: int, t: int) -> float:
    """Return what replicas in parts cost at least, where requests have classes or stages."""
    want, price = asked.served, priced.price[mine, t]
    demand = float(want.demand[w, t]) * COVERED
    least = int(want.least[w]) * float(price.min(initial=math.inf)) if want.least[w] else 0.0
    if demand <= 0:
        return lowered(least)
    rates, shares = priced.each.rates[mine], want.shares[w]
    if not want.classed[w]:  # A replica of several classes may be busy with each for a part.
        rates = np.minimum(rates, float(want.demand[w, t]))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(rates > 0, price[:, None] / rates, math.inf)
    if want.classed[w]:
        asked_for = np.flatnonzero(shares > 0)
        cheapest = ratio.min(axis=0, initial=math.inf)[asked_for]
        each = float(cheapest @ shares[asked_for]) * (1.0 - CHECKED_SPLIT)
    else:
        role = priced.role[mine]
        both, prompts, answers = (
            float(ratio[role == one, 0].min(initial=math.inf))
            for one in (COLOCATED, PREFILL, DECODE)
        )
        each = min(both, prompts + answers)
    refused, dollars = _refused(asked, w, t)
    refused = min(refused, demand) if dollars < each else 0.0
    served = (demand - refused) * each if demand > refused else 0.0
    return lowered(max(lowered(served + refused * dollars), least))
