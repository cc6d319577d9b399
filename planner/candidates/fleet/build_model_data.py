"""Figuring: from a fleet and the deployments on offer to the arrays that are planned over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
    Layouts,
    Limits,
    ModelData,
    PoolSupply,
)
from planner.candidates.fleet.supply import pool_supply
from planner.errors import InputError, Problem, did_you_mean
from planner.problem.fleet import Fleet, Running
from planner.problem.label import layout_of
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
    running = _running(fleet, offers, feasibility)
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
        layouts=_layouts(offers, choices),
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


def _layouts(offers: Offers, choices: Choices) -> Layouts | None:
    """Return which choices differ in nothing but their batch; None where none do."""
    names = [layout_of(offers.label[row]) for row in choices.offer]
    said = zip(choices.workload, choices.pool, choices.spot, names, strict=True)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for choice, key in enumerate(said):
        groups.setdefault(key, []).append(choice)
    if len(groups) == len(choices):
        return None
    taken = np.column_stack((choices.gpus, choices.role, choices.startup_dollars))
    of = np.arange(len(choices))
    for same in groups.values():
        # Files may call what takes other accelerators, or starts at another price, alike.
        if (taken[same] == taken[same[0]]).all():
            of[same] = same[0]
    _, of = np.unique(of, return_inverse=True)
    running = np.bincount(of, choices.running).astype(np.int64)
    return Layouts(of, running)


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
    best = _best(offers, feasibility, capacity_types) | _best_of_running(
        offers, feasibility, capacity_types
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
    )


def _best_of_running(
    offers: Offers, feasibility: Feasibility, capacity_types: tuple[_CapacityType, _CapacityType]
) -> Bools:
    """Tell which offers no other one of the same layout beats, of layouts that run already.

    What runs changes its batch without a start, so another layout beats it only with its start.
    """
    runs = np.flatnonzero(capacity_types[0].running + capacity_types[1].running)
    places = {_place(offers, row) for row in runs.tolist()}
    if not places:
        return np.zeros(len(offers), dtype=bool)
    alike = [row for row in range(len(offers)) if _place(offers, row) in places]
    known: dict[tuple[int, int, str], int] = {}
    layout = np.zeros(len(offers), dtype=np.int64)
    layout[alike] = [known.setdefault(_place(offers, row), len(known)) for row in alike]
    return _best(offers, feasibility, capacity_types, np.asarray(alike), layout)


def _place(offers: Offers, row: int) -> tuple[int, int, str]:
    return int(offers.workload[row]), int(offers.pool[row]), layout_of(offers.label[row])


def _best(
    offers: Offers,
    feasibility: Feasibility,
    capacity_types: tuple[_CapacityType, _CapacityType],
    among: Ints | None = None,
    layout: Ints | None = None,
) -> Bools:
    """Tell which offers no other one of their workload, pool, role and way of paying beats.

    Interruptions take the same part from every offer of a workload and pool: what is best in one
    capacity type is best in the other. Some offers may be looked at alone, layout by layout.
    """
    admitted = capacity_types[0].admitted | capacity_types[1].admitted
    rows = np.flatnonzero(admitted) if among is None else among[admitted[among]]
    own = ~np.isnan(offers.dollars_per_hour[rows])
    pools = int(offers.pool.max(initial=0)) + 1
    place = offers.workload[rows] * pools + offers.pool[rows]
    group = (place * len(ROLES) + offers.role[rows]) * 2 + own
    if layout is not None:
        group = group * (int(layout.max(initial=0)) + 1) + layout[rows]
    price = np.where(own, offers.dollars_per_hour[rows], 0.0)
    best = np.zeros(len(offers), dtype=bool)
    best[rows] = undominated(group, feasibility.gpus[rows], feasibility.rates[rows], price)
    return best


def _startup(
    fleet: Fleet,
    offers: Offers,
    bought: PoolSupply,
    feasibility: Feasibility,
    choices: tuple[Ints, Bools],
) -> Floats:
    """Return the cost of starting one replica of every choice, given by offer and capacity type."""
    row, spot = choices
    gpus = feasibility.gpus
    limits, w, p = asked(fleet), offers.workload[row], offers.pool[row]
    steady = np.where(
        np.isnan(bought.on_demand_dollars), bought.reserved_dollars, bought.on_demand_dollars
    )
    capacity_type = np.where(spot, bought.spot_dollars[p], steady[p])
    own = offers.dollars_per_hour[row]
    hourly = np.where(np.isnan(own), gpus[row] * capacity_type, own)
    found: Floats = (
        limits.startup_dollars[w] + limits.startup_seconds[w] / SECONDS_PER_HOUR * hourly
    )
    return found


def _running(fleet: Fleet, offers: Offers, feasibility: Feasibility) -> dict[bool, Ints]:
    """Return, by capacity type, how many replicas of each offer run already."""
    found = {spot: np.zeros(len(offers), dtype=np.int64) for spot in (False, True)}
    if not fleet.running:
        return found
    workloads = {one.name: at for at, one in enumerate(fleet.workloads)}
    pools = {pool.name: at for at, pool in enumerate(fleet.pools)}
    ends = np.searchsorted(offers.workload, np.arange(len(workloads) + 1)).tolist()
    capacity_types = {False: feasibility.steady, True: feasibility.spot}
    problems: list[Problem] = []
    for at, entry in enumerate(fleet.running):
        w, p = workloads.get(entry.workload), pools.get(entry.pool)
        rows = [] if w is None else range(ends[w], ends[w + 1])
        mine = [row for row in rows if offers.pool[row] == p]
        match = [row for row in mine if offers.label[row] == entry.label]
        if match and feasibility.admitted[match[0]] and capacity_types[entry.spot][match[0]]:
            found[entry.spot][match[0]] += entry.replicas
            continue
        known = w is not None and p is not None
        labels = [offers.label[row] for row in mine if feasibility.admitted[row]]
        problems.append(_not_running(entry, at, labels, known=known, offered=bool(match)))
    if problems:
        raise InputError(problems)
    return found


def _not_running(
    entry: Running, at: int, labels: list[str], *, known: bool, offered: bool
) -> Problem:
    capacity_type = "on spot accelerators " if entry.spot else ""
    place = f"{entry.label} of {entry.workload} in {entry.pool}"
    if not known:
        return Problem(
            "a workload and a pool of the fleet", place, f"running[{at}]", "Check the names."
        )
    if offered:
        fix = "Take it out of `running`, or loosen what rules it out."
        found = (
            f"{place}, which breaks a limit of its workload or cannot be had {capacity_type}there"
        )
        return Problem("a deployment that may run", found, f"running[{at}]", fix)
    fix = did_you_mean(entry.label, labels, listed=True) or "Take it out of `running`."
    return Problem("the label of a deployment on offer", place, f"running[{at}].label", fix)


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
