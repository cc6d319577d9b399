"""A fleet in numbers, read anew for the checker: it shares nothing with the builders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner import catalogue
from planner.catalogue.accelerator import Accelerator
from planner.errors import UnknownNameError
from planner.problem.fleet import Demand, Fleet, FleetPool, FleetWorkload
from planner.problem.tolerances import CHECKED_FLEET
from planner.verification.check_plan import Finding

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_TOLD = 10
"""Findings of one kind that are told one by one."""


@dataclass(frozen=True, slots=True)
class Periods:
    """The horizon: T periods, those of every scenario one after the other."""

    names: tuple[str, ...]
    hours: Floats
    """(T,) hours, times the probability of the scenario."""
    weight: Floats
    """(T,) probability of the scenario."""
    before: Ints
    """(T,) period before; -1 for the first of a scenario."""


@dataclass(frozen=True, slots=True)
class Served:
    """What each of W workloads asks for; infinity is no limit."""

    demand: Floats
    """(W, T) requests per second."""
    tpot_seconds: Floats
    ttft_seconds: Floats
    quality: Floats
    """(W,) least quality; NaN where any will do."""
    headroom: Floats
    startup_seconds: Floats
    startup_dollars: Floats
    least: Ints
    most: Floats
    survives: Bools
    kinds: Floats
    """(W,) most deployments of a period; infinite where any number may run."""
    spot: Bools
    shed_at_most: Floats
    shed_dollars: Floats
    """(W,) cost of refusing one request."""
    priority: Ints
    shares: Floats
    """(W, K) part of each class; the first column alone where requests are alike."""
    classed: Bools
    user: Ints
    """(W,) row of the next."""
    trips: Floats
    """(U, P) seconds from users to pools; NaN where they are not stated."""
    home: Ints
    """(W,) row of the next."""
    regions: Bools
    """(R, P) whether requests may be served there."""


@dataclass(frozen=True, slots=True)
class Sold:
    """What can be bought in each of P pools; the first axis of two is `plan.MARKETS`."""

    gpus: Floats
    increment: Ints
    price: Floats
    """(3, P, T) dollars per accelerator and hour in every period; NaN where not on offer."""
    most: Floats
    """(3, P) accelerators; 0 where not on offer."""
    interruptions: Floats
    region: Ints
    """(P,) number of the region."""
    watts: Floats
    watts_at_most: Floats
    kilograms_per_hour: Floats


def told(
    column: str, wrong: Bools, found: Callable[[int], object], expected: Callable[[int], str]
) -> Iterator[Finding]:
    """Yield findings for rows that are wrong: the first one by one, and how many more there are.

    Parameters
    ----------
    column : str
        What is wrong.
    wrong : array of bool
        (N,) whether a row is.
    found, expected : callable
        What to say of a row.
    """
    rows = np.flatnonzero(wrong)
    for row in rows[:MOST_TOLD].tolist():
        yield Finding(column, found(row), expected(row))
    if len(rows) > MOST_TOLD:
        yield Finding(column, f"{len(rows) - MOST_TOLD:,} more rows like these", "none")


def differs(one: NDArray[Any], other: NDArray[Any]) -> Bools:
    """Return where numbers are not the same apart from rounding; NaN is the same as NaN.

    Parameters
    ----------
    one, other : array
        What to compare.
    """
    room = CHECKED_FLEET * np.maximum(np.abs(one), np.abs(other)) + 1e-12
    near: Bools = (np.abs(one - other) <= room) | (np.isnan(one) & np.isnan(other))
    return ~near


def periods_of(fleet: Fleet) -> Periods:
    """Read the horizon."""
    scenarios = [(one.name, one.probability) for one in fleet.scenarios] or [("", 1.0)]
    hours = np.array([period.hours for period in fleet.periods])
    weight = np.repeat([probability for _, probability in scenarios], len(hours))
    before = np.tile(np.arange(len(hours)), len(scenarios)) - 1
    before += np.where(before < 0, 0, np.repeat(np.arange(len(scenarios)), len(hours)) * len(hours))
    return Periods(
        tuple(
            f"{scenario}/{period.name}" if scenario else period.name
            for scenario, _ in scenarios
            for period in fleet.periods
        ),
        np.tile(hours, len(scenarios)) * weight,
        weight,
        before,
    )


def served_of(fleet: Fleet, columns: int) -> Served:
    """Read what workloads ask for, with so many columns of classes."""
    workloads = fleet.workloads

    def read(field: str, none: float = 0.0) -> Floats:
        values = (getattr(workload, field) for workload in workloads)
        return np.array([none if value is None else value for value in values], dtype=float)

    speed = read("tokens_per_second_per_request")
    shares = np.zeros((len(workloads), columns))
    shares[:, 0] = 1.0
    classed = np.array([bool(workload.classes) for workload in workloads])
    for row in np.flatnonzero(classed).tolist():
        parts = [one.share for one in workloads[row].classes]
        shares[row] = parts + [0.0] * (columns - len(parts))
    user, trips = _trips(fleet)
    home, regions = _regions(fleet)
    return Served(
        demand=_demand(fleet),
        tpot_seconds=np.divide(1.0, speed, out=np.full_like(speed, math.inf), where=speed > 0),
        ttft_seconds=read("time_to_first_token_seconds", math.inf),
        quality=_quality(workloads),
        headroom=read("headroom"),
        startup_seconds=read("startup_seconds"),
        startup_dollars=read("startup_dollars"),
        least=read("min_replicas").astype(np.int64),
        most=read("max_replicas", math.inf),
        survives=read("n_plus_1") > 0,
        kinds=_kinds(workloads),
        spot=read("spot") > 0,
        shed_at_most=read("shed_at_most"),
        shed_dollars=read("shed_dollars_per_1000_requests") / 1000.0,
        priority=read("priority").astype(np.int64),
        shares=shares,
        classed=classed,
        user=user,
        trips=trips,
        home=home,
        regions=regions,
    )


def _kinds(workloads: Sequence[FleetWorkload]) -> Floats:
    most = [workload.max_deployments for workload in workloads]
    return np.array([math.inf if one == "any" else float(one) for one in most])


def _quality(workloads: Sequence[FleetWorkload]) -> Floats:
    least = [workload.quality.at_least if workload.quality else math.nan for workload in workloads]
    return np.array(least, dtype=float)


def sold_of(fleet: Fleet) -> Sold:
    """Read what can be bought."""
    rows = [_sold(pool) for pool in fleet.pools]
    periods = len(fleet.periods)
    again = max(len(fleet.scenarios), 1)
    watts = np.array([_watts(pool) for pool in fleet.pools])
    carbon = np.array([pool.carbon_grams_per_kilowatt_hour or 0.0 for pool in fleet.pools])
    spots = [pool.spot.interruptions_per_hour if pool.spot else 0.0 for pool in fleet.pools]
    return Sold(
        gpus=_limits([pool.gpus for pool in fleet.pools]),
        increment=np.array([pool.gpus_per_node or 1 for pool in fleet.pools]),
        price=np.tile(
            np.array([[_each(way, periods) for way in price] for price, _ in rows]), again
        ).swapaxes(0, 1),
        most=np.array([most for _, most in rows]).T,
        interruptions=np.array(spots),
        region=_numbered([pool.region for pool in fleet.pools]),
        watts=watts,
        watts_at_most=_limits([pool.watts_at_most for pool in fleet.pools]),
        kilograms_per_hour=np.where(carbon > 0, watts / 1000.0 * carbon / 1000.0, 0.0),
    )


def _numbered(names: list[str | None]) -> Ints:
    """Number names; what has none is one more."""
    known = list(dict.fromkeys(names))
    return np.array([known.index(name) for name in names], dtype=np.int64)


Price = float | tuple[float, ...]


def _limits(values: list[Any]) -> Floats:
    return np.array([math.inf if value is None else value for value in values], dtype=float)


def _demand(fleet: Fleet) -> Floats:
    length = len(fleet.periods)
    demand = np.empty((len(fleet.workloads), length))
    for row, workload in enumerate(fleet.workloads):
        demand[row] = _series(workload, fleet.demand_quantile)
    if not fleet.scenarios:
        return demand
    factors = [
        [one.factors.get(workload.name, one.factor) for workload in fleet.workloads]
        for one in fleet.scenarios
    ]
    return np.hstack([demand * np.array(factor)[:, None] for factor in factors])


def _series(workload: FleetWorkload, quantile: str | None) -> Floats:
    by_token = workload.requests_per_second is None
    asked = workload.tokens_per_second if by_token else workload.requests_per_second
    if asked is None:
        raise ValueError(f"no demand of {workload.name}")
    series = np.array(_quantile(asked, quantile), dtype=float)
    return series / workload.output_tokens if by_token else series


def _quantile(asked: Demand, quantile: str | None) -> tuple[float, ...]:
    if not isinstance(asked, dict):
        return asked
    return asked[quantile] if quantile is not None else next(iter(asked.values()))


def _trips(fleet: Fleet) -> tuple[Ints, Floats]:
    users = {one.users_in: None for one in fleet.workloads}
    places = {user: place for place, user in enumerate(users)}
    trips = np.zeros((len(places), len(fleet.pools)))
    for user, place in places.items():
        for column, pool in enumerate(fleet.pools):
            if user is not None and pool.region is not None:
                within = 0.0 if user == pool.region else math.nan
                trips[place, column] = fleet.round_trip_seconds.get(user, {}).get(
                    pool.region, within
                )
    return np.array([places[one.users_in] for one in fleet.workloads]), trips


def _regions(fleet: Fleet) -> tuple[Ints, Bools]:
    homes = {one.regions: None for one in fleet.workloads}
    places = {home: place for place, home in enumerate(homes)}
    allowed = [[home is None or pool.region in home for pool in fleet.pools] for home in homes]
    return np.array([places[one.regions] for one in fleet.workloads]), np.array(allowed)


def _each(price: Price, periods: int) -> list[float]:
    """Return a price period by period."""
    if isinstance(price, tuple):
        return list(price) if len(price) > 1 else list(price) * periods
    return [price] * periods


def _sold(pool: FleetPool) -> tuple[list[Price], list[float]]:
    """Return price and most accelerators by way of paying, in the order of `plan.MARKETS`."""
    ways = (pool.reserved, pool.on_demand, pool.spot)
    if not any(ways):
        return [math.nan, _listed(pool), math.nan], [0.0, math.inf, 0.0]
    price: list[Price] = [math.nan if way is None else way.dollars_per_gpu_hour for way in ways]
    most = [0.0 if way is None else float(way.gpus or math.inf) for way in ways]
    return price, most


def _record(pool: FleetPool) -> Accelerator | None:
    """Return what the catalogue says of a pool's accelerator, if it knows it."""
    try:
        return catalogue.accelerator(pool.accelerator) if pool.accelerator else None
    except UnknownNameError:
        return None


def _listed(pool: FleetPool) -> float:
    """Return the catalogue's price; NaN where it has none."""
    record = _record(pool)
    quote = None if record is None else record.price
    return math.nan if quote is None else quote.dollars_per_gpu_hour


def _watts(pool: FleetPool) -> float:
    if pool.watts_per_gpu is not None:
        return pool.watts_per_gpu
    record = _record(pool)
    watts = None if record is None else record.power_watts
    return math.nan if watts is None else watts
