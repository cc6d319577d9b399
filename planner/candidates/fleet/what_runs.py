"""What runs already: what of it may go on, and which deployments differ in their batch alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.candidates.fleet.feasibility import Feasibility
from planner.candidates.fleet.model_data import Choices, Layouts
from planner.errors import InputError, Problem, did_you_mean
from planner.problem.fleet import Fleet, Running
from planner.problem.label import layout_of
from planner.problem.offers import Ints, Offers

BROKEN = {
    "speed": "too slow",
    "first token": "too late a first token",
    "region": "not a region for it",
    "quality": "too low a quality",
    "rate": "serves nothing",
    "price": "not for sale",
}
"""Limits of `Feasibility.met`, and what is said of a deployment that breaks them."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Replicas that run and may not go on."""

    entry: Running
    reason: str


def what_runs(
    fleet: Fleet, offers: Offers, feasibility: Feasibility
) -> tuple[dict[bool, Ints], list[Ended]]:
    """Return what runs already.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers
        Deployments on offer.
    feasibility : Feasibility
        Which of them meet today's limits.

    Returns
    -------
    dict
        By capacity type, spot or not, how many replicas of each offer run and may go on.
    list of Ended
        All others: of labels that are not on offer, or that no longer meet every limit.

    Raises
    ------
    InputError
        Where `running` names workloads or pools that there are not.
    """
    found = {spot: np.zeros(len(offers), dtype=np.int64) for spot in (False, True)}
    workloads = {one.name: at for at, one in enumerate(fleet.workloads)}
    pools = {pool.name: at for at, pool in enumerate(fleet.pools)}
    ends = np.searchsorted(offers.workload, np.arange(len(workloads) + 1)).tolist()
    capacity_types = {False: feasibility.steady, True: feasibility.spot}
    problems, ended = [], []
    for at, entry in enumerate(fleet.running or ()):
        w, p = workloads.get(entry.workload), pools.get(entry.pool)
        if w is None or p is None:
            place = f"{entry.label} of {entry.workload} in {entry.pool}"
            expected = "a workload and a pool of the fleet"
            problems.append(Problem(expected, place, f"running[{at}]", "Check the names."))
            continue
        mine = [row for row in range(ends[w], ends[w + 1]) if offers.pool[row] == p]
        match = [row for row in mine if offers.label[row] == entry.label]
        if match and feasibility.admitted[match[0]] and capacity_types[entry.spot][match[0]]:
            found[entry.spot][match[0]] += entry.replicas
        elif match:
            broken = [why for name, why in BROKEN.items() if not feasibility.met[name][match[0]]]
            ended.append(Ended(entry, ", ".join(broken) or "no such accelerators there"))
        else:
            labels = [offers.label[row] for row in mine if feasibility.admitted[row]]
            near = did_you_mean(entry.label, labels).removesuffix("?")
            suggested = f"; {near[0].lower()}{near[1:]}?" if near else ""
            ended.append(Ended(entry, f"not on offer{suggested}"))
    if problems:
        raise InputError(problems)
    return found, ended


def layouts(
    fleet: Fleet, offers: Offers, choices: Choices, ended: Sequence[Ended]
) -> Layouts | None:
    """Return which choices differ in nothing but their batch; None where none do."""
    names = [layout_of(offers.label[row]) for row in choices.offer]
    said = zip(choices.workload, choices.pool, choices.spot, names, strict=True)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for choice, key in enumerate(said):
        groups.setdefault(key, []).append(choice)
    if len(groups) == len(choices) and not ended:
        return None
    taken = np.column_stack((choices.gpus, choices.role, choices.startup_dollars))
    of = np.arange(len(choices))
    for same in groups.values():
        # Files may call what takes other accelerators, or starts at another price, alike.
        if (taken[same] == taken[same[0]]).all():
            of[same] = same[0]
    running, elsewhere = choices.running.copy(), 0
    workloads = {one.name: at for at, one in enumerate(fleet.workloads)}
    pools = {pool.name: at for at, pool in enumerate(fleet.pools)}
    for entry in (one.entry for one in ended):
        layout = layout_of(entry.label)
        key = workloads[entry.workload], pools[entry.pool], entry.spot, layout
        if key in groups:
            running[groups[key][0]] += entry.replicas
        else:
            elsewhere += entry.replicas
    _, of = np.unique(of, return_inverse=True)
    return Layouts(of, np.bincount(of, running).astype(np.int64), elsewhere)
