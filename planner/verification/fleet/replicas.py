"""Rows of a plan, each judged alone: whether its deployment is allowed, and its numbers so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.plans.fleet_columns import CAPACITY_TYPES
from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet
from planner.problem.offers import ROLES, Offers
from planner.problem.tolerances import CHECKED_FLEET, CHECKED_SPLIT
from planner.verification.check_plan import Finding
from planner.verification.fleet.inputs import (
    Bools,
    Floats,
    Ints,
    Periods,
    Served,
    Sold,
    differs,
    told,
)
from planner.verification.fleet.layouts import without_changed_batches

COLOCATED, PREFILL, DECODE = range(len(ROLES))
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that is asked, read from the fleet."""

    fleet: Fleet
    periods: Periods
    served: Served
    sold: Sold


@dataclass(frozen=True, slots=True)
class Deployed:
    """Offers in capacity types: what one replica takes and gives."""

    offer: Ints
    """(N,) row of the offers."""
    workload: Ints
    pool: Ints
    spot: Bools
    gpus: Ints
    """(N,) accelerators it occupies."""
    working: Ints
    """(N,) accelerators of it that work."""
    rates: Floats
    """(N, K) requests per second of each class after every deduction."""
    first_token: Floats
    """(N,) seconds, round trip included."""
    startup: Floats
    """(N,) dollars."""
    own: Floats
    """(N,) own dollars per hour, NaN where the pool's price holds."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a plan with what their deployments are."""

    each: Deployed
    period: Ints
    count: Ints
    extra: Ints
    """(N,) replicas that are added when the workload rises."""
    cell: Ints
    """(N,) workload x periods + period."""
    place: Ints
    """(N,) pool x periods + period."""
    starts: Ints
    rate: Floats
    """(N,) requests per second of one replica, at the mix it serves where there are classes."""
    prefill: Bools
    """(N,) whether it reads prompts."""
    decode: Bools
    """(N,) whether it writes answers."""
    name: Callable[[int], str]
    """Says which row is meant."""

    @property
    def working(self) -> Floats:
        """(N,) accelerators of the row's replicas that work, without what pads nodes."""
        return (self.each.working * self.count).astype(float)

    @property
    def taken(self) -> Floats:
        """(N,) accelerators that the row's replicas occupy."""
        return (self.each.gpus * self.count).astype(float)


def find_offers(plan: FleetPlan, offers: Offers) -> Ints:
    """Return the row of each row's offer; -1 where no offer has its workload, pool and label."""
    rows = plan.replicas
    codes = {label: code for code, label in enumerate(dict.fromkeys(offers.label))}
    theirs = np.fromiter(map(codes.__getitem__, offers.label), np.int64, len(offers))
    mine = np.array([codes.get(label, -1) for label in rows.labels], dtype=np.int64)[rows.label]
    pools, labels = len(plan.pools), max(len(codes), 1)
    known = (offers.workload * pools + offers.pool) * labels + theirs
    wanted = (rows.workload * pools + rows.pool) * labels + mine
    order = np.argsort(known, kind="stable")
    if not len(order):
        return np.full(len(rows), -1)
    at = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(order) - 1)]
    return np.where((known[at] == wanted) & (mine >= 0), at, -1)


def deployed(asked: Asked, offers: Offers, offer: Ints, spot: Bools) -> Deployed:
    """Derive what one replica of offers in capacity types takes and gives."""
    want, sold = asked.served, asked.sold
    w, p = offers.workload[offer], offers.pool[offer]
    prediction = asked.fleet.prediction
    by_role = [prediction.colocated_rate, prediction.prefill_rate, prediction.decode_rate]
    lost = sold.interruptions[p] * want.startup_seconds[w] / HOUR
    stays = np.where(spot, np.maximum(1.0 - lost, 0.0), 1.0)
    kept = np.array(by_role)[offers.role[offer]] * (1.0 - want.headroom[w]) * stays
    gpus, own = _occupied(offers.gpus[offer], sold.increment[p]), offers.dollars_per_hour[offer]
    _, on_demand, cheap = sold.price @ (asked.periods.hours / asked.periods.hours.sum())
    # Where nothing is sold by the hour, accelerators are paid through the horizon anyway.
    capacity_type = np.where(spot, cheap[p], np.where(np.isnan(on_demand), 0.0, on_demand)[p])
    hourly = np.where(np.isnan(own), gpus * capacity_type, own)
    while_starting = np.where(
        want.startup_seconds[w] > 0, want.startup_seconds[w] / HOUR * hourly, 0.0
    )
    trip = want.trips[want.user[w], p]
    return Deployed(
        offer=offer,
        workload=w,
        pool=p,
        spot=spot,
        gpus=gpus,
        working=offers.gpus[offer],
        rates=offers.rates[offer] * kept[:, None],
        first_token=offers.ttft_seconds[offer] * prediction.time_to_first_token + trip,
        startup=want.startup_dollars[w] + while_starting,
        own=own,
    )


def _occupied(gpus: Ints, increment: Ints) -> Ints:
    """Round accelerators up to a divisor of the node, or to whole nodes."""
    taken = gpus.copy()
    for size in np.unique(increment).tolist():
        steps = np.array([part for part in range(1, size + 1) if size % part == 0])
        inside = increment == size
        whole = np.ceil(gpus / size).astype(np.int64) * size
        step = steps[np.searchsorted(steps, np.minimum(gpus, size))]
        taken = np.where(inside, np.where(gpus > size, whole, step), taken)
    return taken


def forbidden(asked: Asked, offers: Offers, each: Deployed) -> dict[str, Bools]:
    """Return which offers break a limit, by the column that says so."""
    want, w, p = asked.served, each.workload, each.pool
    role = offers.role[each.offer]
    times = {
        "tpot_seconds": (offers.tpot_seconds[each.offer], want.tpot_seconds[w], role != PREFILL),
        "time_to_first_token_seconds": (
            each.first_token,
            want.ttft_seconds[w],
            role != DECODE,
        ),
    }
    # What is not stated meets no limit: comparisons with NaN are false.
    broken = {
        column: concerned & np.isfinite(limit) & ~(value <= limit * (1.0 + CHECKED_FLEET))
        for column, (value, limit, concerned) in times.items()
    }
    quality = want.quality[w]
    enough = offers.quality[each.offer] >= quality * (1.0 - CHECKED_FLEET)
    capacity_types = np.isfinite(asked.sold.price[2, :, 0])[p] & want.spot[w]
    return broken | {
        "pool": ~want.regions[want.home[w], p],
        "quality": ~np.isnan(quality) & ~enough,
        "market": each.spot & ~capacity_types,
        "label": ~(each.rates > 0).any(axis=1),
        "role": want.classed[w] & (role != COLOCATED),
    }


REASONS = {
    "tpot_seconds": "a time per output token that the workload allows",
    "time_to_first_token_seconds": "a time to the first token that the workload allows",
    "pool": "a region in which the workload may be served",
    "quality": "the quality that the workload asks for",
    "market": "no spot, which the workload does not allow or the pool does not have",
    "label": "a deployment that serves something",
    "role": "a colocated deployment, since the workload has classes",
}


def rows_of(plan: FleetPlan, asked: Asked, offers: Offers, offer: Ints) -> Rows:
    """Put together what the rows of a plan are, their offers known."""
    table, periods = plan.replicas, len(asked.periods.names)
    each = deployed(asked, offers, offer, table.spot)
    role = offers.role[offer]

    def name(row: int) -> str:
        place = f"{plan.workloads[each.workload[row]]} in {plan.pools[each.pool[row]]}"
        return f"{offers.label[offer[row]]} of {place} in {plan.periods[table.period[row]]}"

    return Rows(
        each=each,
        period=table.period,
        count=table.replicas,
        extra=np.zeros_like(table.replicas) if table.extra is None else table.extra,
        cell=each.workload * periods + table.period,
        place=each.pool * periods + table.period,
        starts=_starts(plan, asked, offers, offer),
        rate=_rate(plan, asked, each),
        prefill=role != DECODE,
        decode=role != PREFILL,
        name=name,
    )


def _starts(plan: FleetPlan, asked: Asked, offers: Offers, offer: Ints) -> Ints:
    """Count replicas that did not run in the period before, nor before the first one."""
    table, length = plan.replicas, len(asked.periods.names)
    choice = offer * len(CAPACITY_TYPES) + table.spot
    key = choice * length + table.period
    before = asked.periods.before[table.period]
    earlier = _looked_up(key, table.replicas, choice * length + before)
    if asked.fleet.running is None:
        at_first = table.replicas
    else:
        known, counts = _running(asked.fleet, plan, offers)
        at_first = _looked_up(known, counts, choice)
    previous = np.where(before >= 0, earlier, at_first)
    grown: Ints = np.maximum(table.replicas - previous, 0)
    return without_changed_batches(plan, asked.fleet, asked.periods, grown)


def _running(fleet: Fleet, plan: FleetPlan, offers: Offers) -> tuple[Ints, Ints]:
    """Return the choices that run already, and how many replicas of each."""
    workloads = {name: place for place, name in enumerate(plan.workloads)}
    pools = {name: place for place, name in enumerate(plan.pools)}
    ends = np.searchsorted(offers.workload, np.arange(len(workloads) + 1))
    counts: dict[int, int] = {}
    for one in fleet.running or ():
        w = workloads[one.workload]
        for row in range(ends[w], ends[w + 1]):
            if offers.pool[row] == pools[one.pool] and offers.label[row] == one.label:
                key = row * len(CAPACITY_TYPES) + one.spot
                counts[key] = counts.get(key, 0) + one.replicas
                break
    return np.array(list(counts), dtype=np.int64), np.array(list(counts.values()), dtype=np.int64)


def _looked_up(known: Ints, values: Ints, wanted: Ints) -> Ints:
    """Return the value of each wanted key; 0 where the key is not known."""
    if not len(known):
        return np.zeros(len(wanted), dtype=np.int64)
    order = np.argsort(known, kind="stable")
    at = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(order) - 1)]
    return np.where(known[at] == wanted, values[at], 0)


def _rate(plan: FleetPlan, asked: Asked, each: Deployed) -> Floats:
    """Return what one replica serves; with classes at the mix of what it serves."""
    alike = each.rates[:, 0]
    classed = asked.served.classed[each.workload]
    if not classed.any():
        return alike
    shares = asked.served.shares[each.workload]
    served = split_of(plan.replicas.served, each.rates)
    mix = np.where(served.sum(axis=1, keepdims=True) > 0, served, shares)
    seconds = busy_of(mix, each.rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        mixed = np.where(np.isfinite(seconds), mix.sum(axis=1) / seconds, 0.0)
    return np.where(classed, mixed, alike)


def busy_of(served: Floats, rates: Floats) -> Floats:
    """Return how many replicas requests keep busy; infinity where they cannot be served."""
    with np.errstate(divide="ignore", invalid="ignore"):
        busy: Floats = np.where(served > 0, served / rates, 0.0).sum(axis=1)
    return busy


def split_of(given: Floats | None, rates: Floats) -> Floats:
    """Return what is said to be served by class, in as many columns as offers have."""
    served = np.zeros_like(rates)
    if given is not None:
        given = given[:, : rates.shape[1]]
        served[:, : given.shape[1]] = given
    return served


def row_findings(plan: FleetPlan, asked: Asked, offers: Offers, rows: Rows) -> Iterator[Finding]:
    """Yield what is wrong with rows, each looked at alone."""
    table, each = plan.replicas, rows.each
    for column, wrong in forbidden(asked, offers, each).items():
        yield from told(column, wrong, rows.name, _always(REASONS[column]))
    idle = (table.replicas < 0) | ((table.replicas < 1) & (rows.extra < 1))
    yield from told("replicas", idle, rows.name, lambda _: "at least 1 replica")
    key = (each.offer * len(CAPACITY_TYPES) + table.spot) * len(plan.periods) + rows.period
    _, first, times = np.unique(key, return_index=True, return_counts=True)
    twice = np.zeros(len(table), dtype=bool)
    twice[first[times > 1]] = True
    yield from told("label", twice, rows.name, lambda _: "one row per deployment and period")
    expected: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
        "role": (table.role, offers.role[each.offer]),
        "gpus": (table.gpus, rows.taken),
        "requests_per_second": (table.requests_per_second, rows.rate * rows.count),
        "tpot_seconds": (table.tpot_seconds, offers.tpot_seconds[each.offer]),
        "time_to_first_token_seconds": (
            table.ttft_seconds,
            _stated_first_token(asked, offers, each),
        ),
        "tokens_per_second": (
            table.tokens_per_second,
            rows.rate * rows.count * _tokens(asked, rows),
        ),
        "starts": (table.starts, rows.starts),
        "gpus_per_replica": (table.gpus_per_replica, offers.gpus[each.offer]),
        "quality": (table.quality, offers.quality[each.offer]),
    }
    for column, (found, right) in expected.items():
        wrong = differs(found, right)
        yield from told(column, wrong, _numbers(found, rows.name), _numbers(right))
    own = table.has_own_price != np.isfinite(each.own)
    yield from told("price_source", own, rows.name, lambda _: "where the price comes from")
    yield from _class_findings(plan, asked, rows)


def _tokens(asked: Asked, rows: Rows) -> Floats:
    """Return the output tokens of a request; NaN where they are not said, or none are written."""
    fleet = asked.fleet
    said = [
        float(one.output_tokens)
        if one.tokens_per_second is not None or not (one.deployments or fleet.deployments)
        else np.nan
        for one in fleet.workloads
    ]
    return np.where(rows.decode, np.array(said)[rows.each.workload], np.nan)


def _always(text: str) -> Callable[[int], str]:
    return lambda _: text


def _numbers(
    values: NDArray[Any], name: Callable[[int], str] | None = None
) -> Callable[[int], str]:
    """Return what tells a number of a row, and of which row."""
    return lambda row: f"{values[row]:.9g}" + (f" for {name(row)}" if name else "")


def _stated_first_token(asked: Asked, offers: Offers, each: Deployed) -> Floats:
    """Return times to the first token; a round trip that is not stated counts nothing."""
    alone = offers.ttft_seconds[each.offer] * asked.fleet.prediction.time_to_first_token
    return np.where(np.isnan(each.first_token), alone, each.first_token)


def _class_findings(plan: FleetPlan, asked: Asked, rows: Rows) -> Iterator[Finding]:
    """A replica serves no more of each class than it can, all classes together."""
    classed = asked.served.classed[rows.each.workload]
    if not classed.any():
        return
    names = [tuple(one.name for one in each.classes) for each in asked.fleet.workloads]
    other = np.array([mine != theirs for mine, theirs in zip(plan.classes, names, strict=True)])
    unnamed = other[rows.each.workload] & classed
    yield from told("served", unnamed, rows.name, lambda _: "what is served of every class")
    if plan.replicas.served is None or unnamed.any():
        return
    served = split_of(plan.replicas.served, rows.each.rates)
    yield from split_findings("served", served, classed, rows, rows.count)


def split_findings(
    column: str, served: Floats, concerned: Bools, rows: Rows, count: Ints
) -> Iterator[Finding]:
    """Yield rows that serve more by class than so many replicas can, or less than nothing."""
    wrong = concerned & ~(served >= 0).all(axis=1)
    yield from told(column, wrong, rows.name, lambda _: "no negative requests")
    busy = busy_of(served, rows.each.rates)
    over = concerned & ~(busy <= count * (1.0 + CHECKED_SPLIT))
    yield from told(
        column,
        over,
        lambda row: f"{busy[row]:.9g} replicas' work for {rows.name(row)}",
        lambda row: f"at most {count[row]}",
    )
