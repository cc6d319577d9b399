"""Figuring: from a fleet and the deployments on offer to the arrays that are planned over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from planner.candidates.fleet.demand import horizon, wanted
from planner.candidates.fleet.dominance import undominated
from planner.candidates.fleet.feasibility import (
    COLOCATED,
    SECONDS_PER_HOUR,
    Feasibility,
    asked,
    feasibility,
)
from planner.candidates.fleet.model_data import (
    Bools,
    Choices,
    Described,
    Limits,
    ModelData,
    PoolSupply,
)
from planner.candidates.fleet.supply import pool_supply
from planner.candidates.fleet.what_runs import layouts, what_runs
from planner.errors import InputError, Problem
from planner.problem.fleet import Fleet
from planner.problem.label import layout_of, stages_of
from planner.problem.offers import ROLES, Floats, Ints, Offers


@dataclass(frozen=True, slots=True)
class FeasibleOffers:
    """What can be bought, and what may run of what is on offer."""

    pool_supply: PoolSupply
    feasibility: Feasibility


def feasible_offers(fleet: Fleet, offers: Offers) -> FeasibleOffers:
    """Judge what is on offer, once for `data` and for `unservable`.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers
        Deployments as files or tables state them, sorted by workload.

    Raises
    ------
    InputError
        Where something that is needed is not stated, or names do not exist.
    """
    bought = pool_supply(fleet, offers)
    return FeasibleOffers(bought, feasibility(fleet, offers, bought))


def build_model_data(
    fleet: Fleet, offers: Offers, known: FeasibleOffers | None = None
) -> ModelData:
    """Put a fleet as model data.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers
        Deployments as files or tables state them, sorted by workload.
    known : FeasibleOffers, optional
        What `feasible_offers` returned for them.

    Returns
    -------
    ModelData
        Choices are sorted by workload, then steady before spot, then as the offers are. A
        workload without any has none: `planner.infeasibility.fleet_unservable.unservable` says why.

    Raises
    ------
    InputError
        Where something that is needed is not stated, names do not exist, or parts of the fleet
        cannot be had together.
    """
    known = feasible_offers(fleet, offers) if known is None else known
    bought, feasibility = known.pool_supply, known.feasibility
    running, ended = what_runs(fleet, offers, feasibility)
    choices = _choices(fleet, offers, bought, feasibility, running)
    if wrong := list(_with_classes(fleet, choices)):
        raise InputError(wrong)
    when = horizon(fleet)
    return ModelData(
        horizon=when,
        pool_supply=bought,
        choices=choices,
        wanted=wanted(fleet),
        limits=_limits(fleet, float(when.hours.sum())),
        has_running=fleet.running is not None,
        layouts=layouts(fleet, offers, choices, ended),
        described=_described(offers, choices),
    )


def _described(offers: Offers, choices: Choices) -> Described:
    labels = tuple(offers.label[row] for row in choices.offer)
    return Described(
        labels,
        np.nan_to_num(offers.tpot_seconds[choices.offer]),
        np.array([stages_of(label) for label in labels], dtype=np.int64),
    )


def _limits(fleet: Fleet, hours: float) -> Limits:
    def cap(amount: float | None) -> float:
        return np.inf if amount is None else amount

    rises = fleet.robustness
    return Limits(
        dollars=cap(fleet.dollars_per_hour_at_most) * hours,
        watts=cap(fleet.watts_at_most),
        kilograms=cap(fleet.carbon_kilograms_at_most),
        rising=0 if rises is None else rises.workloads,
        rise=0.0 if rises is None else rises.rise,
        changes=cap(None if fleet.changes is None else fleet.changes.at_most),
    )


@dataclass(frozen=True, slots=True)
class _CapacityType:
    """The offers that may run in one capacity type, before thinning."""

    admitted: Bools
    """(rows,)"""
    room: Bools
    """(rows,) whether there are accelerators enough for one replica."""
    running: Ints
    """(rows,) replicas that run there already."""


def _choices(
    fleet: Fleet,
    offers: Offers,
    bought: PoolSupply,
    feasibility: Feasibility,
    running: dict[bool, Ints],
) -> Choices:
    own = ~np.isnan(offers.dollars_per_hour)
    # At a price of its own a replica need not risk interruptions.
    risky = feasibility.spot & (~own | (running[True] > 0))
    admitted = feasibility.admitted
    capacity_types = (
        _CapacityType(admitted & feasibility.steady, feasibility.steady_room, running[False]),
        _CapacityType(admitted & risky, feasibility.spot_room, running[True]),
    )
    working = np.where(_limits_power(fleet), offers.gpus, 0)
    best = _best(offers, feasibility, capacity_types, working) | _best_of_running(
        fleet, offers, feasibility, capacity_types, working
    )
    # What beats a row takes no more accelerators: it finds room wherever the row does.
    rows = [
        np.flatnonzero(
            capacity_type.admitted & ((best & capacity_type.room) | (capacity_type.running > 0))
        )
        for capacity_type in capacity_types
    ]
    row = np.concatenate(rows)
    spot = np.repeat([False, True], [len(part) for part in rows])
    # Rows of both capacity types are sorted already; only the capacity types must be put into each
    # other.
    order = np.argsort(offers.workload[row], kind="stable")
    row, spot = row[order], spot[order]
    factor = np.where(spot, feasibility.spot_factor[row], 1.0)
    return Choices(
        workload=offers.workload[row],
        pool=offers.pool[row],
        spot=spot,
        offer=row,
        gpus=feasibility.gpus[row],
        rates=feasibility.rates[row] * factor[:, None],
        role=offers.role[row],
        dollars_per_hour=offers.dollars_per_hour[row],
        startup_dollars=_startup(fleet, offers, bought, feasibility, (row, spot)),
        running=np.where(spot, running[True][row], running[False][row]),
        working=offers.gpus[row],
    )


def _limits_power(fleet: Fleet) -> bool:
    """Tell whether accelerators that work count beside those that are occupied."""
    caps = [fleet.watts_at_most, fleet.carbon_kilograms_at_most]
    return any(cap is not None for cap in (*caps, *(pool.watts_at_most for pool in fleet.pools)))


def _best_of_running(
    fleet: Fleet,
    offers: Offers,
    feasibility: Feasibility,
    capacity_types: tuple[_CapacityType, _CapacityType],
    working: Ints,
) -> Bools:
    """Tell which offers no other one of the same layout beats, of layouts that run already.

    What runs changes its batch without a start, so another layout beats it only with its start.
    """
    workloads = {one.name: at for at, one in enumerate(fleet.workloads)}
    pools = {pool.name: at for at, pool in enumerate(fleet.pools)}
    places = {
        (workloads[one.workload], pools[one.pool], layout_of(one.label))
        for one in fleet.running or ()
    }
    if not places:
        return np.zeros(len(offers), dtype=bool)
    alike = [row for row in range(len(offers)) if _place(offers, row) in places]
    known: dict[tuple[int, int, str], int] = {}
    layout = np.zeros(len(offers), dtype=np.int64)
    layout[alike] = [known.setdefault(_place(offers, row), len(known)) for row in alike]
    rows = np.asarray(alike, dtype=np.int64)
    layout = layout * (int(working.max(initial=0)) + 1) + working
    return _best(offers, feasibility, capacity_types, layout, rows)


def _place(offers: Offers, row: int) -> tuple[int, int, str]:
    return int(offers.workload[row]), int(offers.pool[row]), layout_of(offers.label[row])


def _best(
    offers: Offers,
    feasibility: Feasibility,
    capacity_types: tuple[_CapacityType, _CapacityType],
    alike: Ints,
    among: Ints | None = None,
) -> Bools:
    """Tell which offers no other one of their workload, pool, role and way of paying beats.

    Interruptions take the same part from every offer of a workload and pool: what is best in one
    capacity type is best in the other. Offers are compared with those that are `alike` only, and
    some may be looked at alone.
    """
    admitted = capacity_types[0].admitted | capacity_types[1].admitted
    rows = np.flatnonzero(admitted) if among is None else among[admitted[among]]
    own = ~np.isnan(offers.dollars_per_hour[rows])
    pools = int(offers.pool.max(initial=0)) + 1
    place = offers.workload[rows] * pools + offers.pool[rows]
    group = (place * len(ROLES) + offers.role[rows]) * 2 + own
    group = group * (int(alike.max(initial=0)) + 1) + alike[rows]
    price = np.where(own, offers.dollars_per_hour[rows], 0.0)
    gpus, rates = feasibility.gpus[rows], feasibility.rates[rows]
    # Of equal ones the first stays.
    first = _by_rule(offers, rows, (price, gpus, group, *rates.T))
    rows, group, price = rows[first], group[first], price[first]
    gpus, rates = gpus[first], rates[first]
    best = np.zeros(len(offers), dtype=bool)
    best[rows] = undominated(group, gpus, rates, price)
    return best


def _by_rule(offers: Offers, rows: Ints, said: Sequence[Ints | Floats]) -> Ints:
    """Return an order of rows in which ties are broken: fastest, fewest stages, the label.

    Only rows that say the same are put in another order than they are in.
    """
    if len(rows) < 2:
        return np.arange(len(rows))
    order = np.lexsort(said)
    same = np.logical_and.reduce([values[order][1:] == values[order][:-1] for values in said])
    tied = np.sort(order[np.append(same, False) | np.append(False, same)])
    ranks = np.zeros(len(rows))
    labels = [offers.label[row] for row in rows[tied].tolist()]
    stages = np.array([stages_of(label) for label in labels], dtype=np.int64)
    alphabet = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1].ravel()
    by_rule = np.lexsort((alphabet, stages, offers.tpot_seconds[rows[tied]]))
    ranks[tied[by_rule]] = np.arange(len(tied))
    return np.asarray(np.argsort(ranks, kind="stable"), dtype=np.int64)


def _startup(
    fleet: Fleet,
    offers: Offers,
    bought: PoolSupply,
    feasibility: Feasibility,
    choices: tuple[Ints, Bools],
) -> Floats:
    """Return the cost of starting one replica of every choice, given by offer and capacity type.

    Accelerators are rented while it starts: on demand, or spot, where it runs on spot ones.
    """
    row, spot = choices
    gpus = feasibility.gpus
    limits, w, p = asked(fleet), offers.workload[row], offers.pool[row]
    # What is sold reserved alone is paid through the horizon, while replicas start too.
    steady = np.nan_to_num(bought.on_demand_dollars)
    capacity_type = np.where(spot, bought.spot_dollars[p], steady[p])
    own = offers.dollars_per_hour[row]
    hourly = np.where(np.isnan(own), gpus[row] * capacity_type, own)
    found: Floats = (
        limits.startup_dollars[w] + limits.startup_seconds[w] / SECONDS_PER_HOUR * hourly
    )
    return found


def _with_classes(fleet: Fleet, choices: Choices) -> Iterator[Problem]:
    """Object to what cannot be had together with classes of requests."""
    if choices.rates.shape[1] == 1:
        return
    for w, one in enumerate(fleet.workloads):
        if one.n_plus_1:
            yield Problem(
                field=f"workloads[{w}].n_plus_1",
                found="true in a fleet with classes of requests",
                expected="false",
                fix="Plan such workloads in a fleet of their own, or keep `headroom` instead.",
            )
    divided = np.unique(choices.workload[choices.role != COLOCATED])
    for w in divided.tolist():
        yield Problem(
            field=f"workloads[{w}]",
            found="prefill and decode deployments in a fleet with classes of requests",
            expected="deployments that do both",
            fix="Plan such workloads in a fleet of their own.",
        )
