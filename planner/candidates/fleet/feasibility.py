"""Admission: which offers meet the limits of their workload, and what they serve once derated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.candidates.fleet.model_data import Bools, PoolSupply
from planner.errors import InputError, Problem
from planner.problem.fleet import Fleet, FleetWorkload
from planner.problem.offers import ROLES, Floats, Ints, Offers
from planner.problem.tolerances import ROUNDING

COLOCATED, PREFILL, DECODE = map(ROLES.index, ("colocated", "prefill", "decode"))
SECONDS_PER_HOUR = 3600.0
MOST_TOLD = 20
"""Problems of one kind that are told one by one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Limits and deductions of every workload; infinity is no limit."""

    tpot_seconds: Floats
    ttft_seconds: Floats
    quality: Floats
    """Least quality; minus infinity is no limit."""
    headroom: Floats
    spot: Bools
    startup_seconds: Floats
    startup_dollars: Floats


@dataclass(frozen=True, slots=True)
class Feasibility:
    """What every offer attains, and which limits it meets."""

    first_token_seconds: Floats
    """Time to the first token as predicted, round trip included."""
    gpus: Ints
    """Accelerators it occupies, in node pools such that replicas pack without loss."""
    rates: Floats
    """(rows, classes) requests per second in the steady capacity type."""
    spot_factor: Floats
    """What is left of them in the spot capacity type."""
    met: dict[str, Bools]
    """Name of a limit to the offers that meet it."""
    steady: Bools
    """Offers for which accelerators can be bought that stay."""
    spot: Bools
    """Offers that may run on spot accelerators."""
    steady_room: Bools
    """Offers of which one replica at least finds accelerators that stay. So for the next."""
    spot_room: Bools

    @property
    def admitted(self) -> Bools:
        """Offers that meet all limits, whether there is room for a replica or not."""
        every: Bools = np.logical_and.reduce(list(self.met.values()))
        return every

    @property
    def room(self) -> Bools:
        """Offers of which one replica at least finds accelerators in a capacity type it may use."""
        return (self.steady & self.steady_room) | (self.spot & self.spot_room)


def feasibility(fleet: Fleet, offers: Offers, pool_supply: PoolSupply) -> Feasibility:
    """Judge offers by the limits of their workloads.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers
        Deployments as files or tables state them.
    pool_supply : PoolSupply
        What can be bought.

    Returns
    -------
    Admission
        One entry per offer.

    Raises
    ------
    InputError
        Where a limit needs what is not stated: a time, a quality, a round trip.
    """
    wanted, w, p = asked(fleet), offers.workload, offers.pool
    region = _in_region(fleet, offers)
    times = offers.role != DECODE, offers.role != PREFILL
    first, limited = _first_token(fleet, offers, wanted, region & times[0])
    speed = times[1] & np.isfinite(wanted.tpot_seconds[w])
    quality = np.isfinite(wanted.quality[w])
    _insist(fleet, offers, "tpot_seconds", region & speed)
    _insist(fleet, offers, "ttft_seconds", limited)
    _insist(fleet, offers, "quality", region & quality)
    factors = fleet.prediction
    by_role = np.asarray([factors.colocated_rate, factors.prefill_rate, factors.decode_rate])
    rates = offers.rates * (by_role[offers.role] * (1.0 - wanted.headroom[w]))[:, None]
    lost = interruptions(fleet)[p] * wanted.startup_seconds[w] / SECONDS_PER_HOUR
    gpus, kept = packed(offers.gpus, pool_supply.increment[p]), np.maximum(0.0, 1.0 - lost)
    steady, spot = _lanes(offers, pool_supply, wanted.spot[w] & (kept > 0))
    # Comparisons with NaN are false; a NaN that matters was objected to above.
    met = {
        "speed": ~speed | (offers.tpot_seconds <= wanted.tpot_seconds[w] * (1 + ROUNDING)),
        "first token": ~limited | (first <= wanted.ttft_seconds[w] * (1 + ROUNDING)),
        "region": region,
        "quality": ~quality | (offers.quality >= wanted.quality[w] * (1 - ROUNDING)),
        "rate": (rates > 0).any(axis=1),
        "price": steady | spot,
    }
    return Feasibility(
        first_token_seconds=first,
        gpus=gpus,
        rates=rates,
        spot_factor=kept,
        met=met,
        steady=steady,
        spot=spot,
        steady_room=gpus <= _steady_gpus(offers, pool_supply),
        spot_room=gpus <= np.minimum(pool_supply.gpus, pool_supply.spot_gpus)[p],
    )


def asked(fleet: Fleet) -> Asked:
    """Return the limits and deductions of every workload as columns."""

    def column(value: Callable[[FleetWorkload], float | None], default: float) -> Floats:
        found = ((default if it is None else it) for it in map(value, fleet.workloads))
        return np.fromiter(found, dtype=np.float64, count=len(fleet.workloads))

    speed = column(lambda one: one.tokens_per_second_per_request, 0.0)
    with np.errstate(divide="ignore"):
        tpot = 1.0 / speed
    return Asked(
        tpot_seconds=tpot,
        ttft_seconds=column(lambda one: one.time_to_first_token_seconds, np.inf),
        quality=column(lambda one: one.quality.at_least if one.quality else None, -np.inf),
        headroom=column(lambda one: one.headroom, 0.0),
        spot=column(lambda one: one.spot, 1.0) > 0,
        startup_seconds=column(lambda one: one.startup_seconds, 0.0),
        startup_dollars=column(lambda one: one.startup_dollars, 0.0),
    )


def round_trips(fleet: Fleet) -> tuple[Ints, Floats]:
    """Return seconds between users and pools.

    Returns
    -------
    array of int
        (W,) row of the next for each workload.
    array of float
        (U, P) seconds; NaN where the fleet does not say. 0 within a region, and where users or
        pool are in none.
    """
    rows: dict[str | None, int] = {}
    user_of = [rows.setdefault(one.users_in, len(rows)) for one in fleet.workloads]
    regions = [pool.region for pool in fleet.pools]
    trips = [[_trip(fleet, users, region) for region in regions] for users in rows]
    return np.asarray(user_of, dtype=np.int64), np.asarray(trips, dtype=np.float64)


def _trip(fleet: Fleet, users: str | None, region: str | None) -> float:
    if users is None or region is None:
        return 0.0
    within = 0.0 if users == region else float("nan")
    return fleet.round_trip_seconds.get(users, {}).get(region, within)


def interruptions(fleet: Fleet) -> Floats:
    """Return how often a spot replica of each pool loses its accelerators in an hour."""
    return np.asarray(
        [0.0 if it.spot is None else it.spot.interruptions_per_hour for it in fleet.pools]
    )


def packed(gpus: Ints, node: Ints) -> Ints:
    """Return accelerators such that replicas pack into nodes without loss.

    Within a node the least divisor of it that is large enough; above it whole nodes.

    Parameters
    ----------
    gpus, node : array of int
        Accelerators of a replica, and of a node of its pool; 1 where single ones are bought.
    """
    found = gpus.copy()
    for size in np.unique(node[node > 1]).tolist():
        inside = np.flatnonzero(node == size)
        divisors = np.asarray([part for part in range(1, size + 1) if size % part == 0])
        small = np.minimum(gpus[inside], size)
        whole = -(-gpus[inside] // size) * size
        least = divisors[np.searchsorted(divisors, small)]
        found[inside] = np.where(gpus[inside] > size, whole, least)
    return found


def _in_region(fleet: Fleet, offers: Offers) -> Bools:
    """Tell which offers stand where their workload may be served."""
    kinds: dict[tuple[str, ...] | None, int] = {}
    kind_of = [kinds.setdefault(one.regions, len(kinds)) for one in fleet.workloads]
    regions = [pool.region for pool in fleet.pools]
    allowed = [[kind is None or region in kind for region in regions] for kind in kinds]
    found: Bools = np.asarray(allowed)[np.asarray(kind_of)[offers.workload], offers.pool]
    return found


def _first_token(
    fleet: Fleet, offers: Offers, wanted: Asked, concerned: Bools
) -> tuple[Floats, Bools]:
    """Return times to the first token as users see them, and to which offers a limit applies."""
    user_of, trips = round_trips(fleet)
    trip = trips[user_of[offers.workload], offers.pool]
    limited = concerned & np.isfinite(wanted.ttft_seconds[offers.workload])
    unknown = np.flatnonzero(limited & np.isnan(trip))
    if len(unknown):
        pairs = {
            (fleet.workloads[w].users_in, fleet.pools[p].region)
            for w, p in zip(offers.workload[unknown], offers.pool[unknown], strict=True)
        }
        raise InputError(
            Problem(
                field=f"round_trip_seconds.{users}.{region}",
                found="nothing",
                expected=f"the round trip from {users} to {region}, since time to the first token "
                "is limited",
                fix="Add it, or leave the region out of the workload's `regions`.",
            )
            for users, region in sorted(map(_texts, pairs))
        )
    seen = offers.ttft_seconds * fleet.prediction.time_to_first_token + np.nan_to_num(trip)
    return seen, limited


def _texts(pair: tuple[Any, Any]) -> tuple[str, str]:
    return str(pair[0]), str(pair[1])


LIMITED = {
    "tpot_seconds": "tokens_per_second_per_request",
    "ttft_seconds": "time_to_first_token_seconds",
    "quality": "quality",
}
"""Column of the deployments to the field of a workload that limits it."""


def _insist(fleet: Fleet, offers: Offers, column: str, limited: Bools) -> None:
    """Object to offers that do not state what a limit applies to."""
    missing = np.flatnonzero(limited & np.isnan(getattr(offers, column)))
    if not len(missing):
        return
    _, first, counts = np.unique(offers.workload[missing], return_index=True, return_counts=True)
    problems = []
    for row, count in zip(missing[first[:MOST_TOLD]], counts, strict=False):
        one = fleet.workloads[offers.workload[row]]
        files = one.deployments or fleet.deployments
        problems.append(
            Problem(
                field=column,
                found=f"nothing for {count:,} deployments of {one.name}, {offers.label[row]} in "
                f"{fleet.pools[offers.pool[row]].name} the first",
                expected=f"a number, since the workload has `{LIMITED[column]}`",
                fix=f"Fill the column in, or take `{LIMITED[column]}` out."
                if files
                else "Give the workload a table under `quality`, or take the limit out.",
                file=", ".join(files),
            )
        )
    raise InputError(problems)


def _lanes(offers: Offers, pool_supply: PoolSupply, spot_allowed: Bools) -> tuple[Bools, Bools]:
    """Tell which offers may run on accelerators that stay, and which on spot ones."""
    p, own = offers.pool, ~np.isnan(offers.dollars_per_hour)
    stays = ~(np.isnan(pool_supply.on_demand_dollars) & np.isnan(pool_supply.reserved_dollars))
    return own | stays[p], spot_allowed & ~np.isnan(pool_supply.spot_dollars[p])


def _steady_gpus(offers: Offers, pool_supply: PoolSupply) -> Floats:
    """Return the most accelerators that can be had for each offer in the steady capacity type."""
    bought = np.minimum(pool_supply.gpus, pool_supply.on_demand_gpus + pool_supply.reserved_gpus)
    own = ~np.isnan(offers.dollars_per_hour)
    return np.where(own, pool_supply.gpus[offers.pool], bought[offers.pool])
