"""Whether a fleet is ready for the workloads that may rise at once, whichever they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, islice, pairwise

import numpy as np

from planner.plans.fleet_columns import CAPACITY_TYPES
from planner.plans.fleet_plan import FleetPlan
from planner.problem.offers import Offers
from planner.verification.check_plan import Finding
from planner.verification.fleet.demand import (
    THEN,
    capacity_of,
    cell_name,
    class_findings,
    short_findings,
)
from planner.verification.fleet.inputs import Floats, Ints, told
from planner.verification.fleet.purchases import Bought, above, packing_findings, place_name
from planner.verification.fleet.replicas import Asked, Rows, split_findings, split_of

EXTRA, SPLIT = "extra_replicas", "served_when_risen"
MOST_SETS = 1000
"""Sets of rising workloads whose replicas are put into nodes one by one."""


def rise_findings(
    plan: FleetPlan, asked: Asked, offers: Offers, rows: Rows, bought: Bought
) -> Iterator[Finding]:
    """Yield what is missing when as many workloads rise at once as the fleet plans for.

    With its extra replicas each workload covers its risen demand, and in every pool, capacity type
    and period what is bought suffices for all replicas and for the extra ones of those workloads
    that need most there. No replica is lost at the same time, and power, carbon and dollars are
    those without a rise.

    Parameters
    ----------
    plan, asked, offers, rows, bought
        As elsewhere.
    """
    asking, extra = asked.fleet.robustness, plan.replicas.extra
    if asking is None or not asking.workloads:
        wrong = rows.extra != 0
        yield from told(EXTRA, wrong, rows.name, lambda _: "none, since no rise is planned for")
        return
    if extra is None:
        yield Finding(EXTRA, "nothing", "the replicas that are added when workloads rise")
        return
    yield from told(EXTRA, extra < 0, rows.name, lambda _: "at least 0")
    own = (extra > 0) & ~np.isnan(rows.each.own)
    yield from told(EXTRA, own, rows.name, lambda _: "none, since nothing is bought for them")
    yield from _coverage(plan, asked, rows, asking.rise)
    worst = _worst(rows, asking.workloads, bought.used.shape)
    places = place_name(plan)
    for capacity_type, needed, gpus in zip(
        CAPACITY_TYPES, bought.used + worst, bought.capacity_types, strict=True
    ):
        yield from above(f"gpus of {capacity_type} replicas in a rise", needed, gpus, places)
    yield from _packed(plan, asked, offers, rows, bought)


def _coverage(plan: FleetPlan, asked: Asked, rows: Rows, rise: float) -> Iterator[Finding]:
    """Replicas and extra ones serve what is demanded at most."""
    want, name = asked.served, cell_name(plan)
    risen, both = want.demand * (1.0 + rise), rows.count + rows.extra
    alike = np.broadcast_to(~want.classed[:, None], risen.shape)
    given = capacity_of(asked, rows, both).sum(axis=0) + plan.service.shed
    yield from short_findings(risen, given, alike, name, f"read and answered{THEN}")
    split = plan.replicas.served_when_risen
    yield from class_findings(plan, asked, rows, rise)
    classed = want.classed[rows.each.workload]
    yield from split_findings(SPLIT, split_of(split, rows.each.rates), classed, rows, both)


def _worst(rows: Rows, rising: int, shape: tuple[int, ...]) -> Floats:
    """(2, P, T) extra accelerators of those workloads that need most of a pool's capacity."""
    workloads = int(rows.each.workload.max(initial=0)) + 1
    place = rows.each.spot * (shape[1] * shape[2]) + rows.place
    known, mine = np.unique(place * workloads + rows.each.workload, return_inverse=True)
    bought = np.where(np.isnan(rows.each.own), rows.each.gpus * rows.extra, 0)
    needs = np.bincount(mine, bought, len(known))
    place = known // workloads
    order = np.lexsort((-needs, place))
    first = np.searchsorted(place, place)  # Places are sorted, and stay so in this order.
    rises = np.arange(len(known)) - first < rising
    worst = np.bincount(place[rises], needs[order][rises], shape[0] * shape[1] * shape[2])
    return np.asarray(worst, dtype=float).reshape(shape)


def _packed(
    plan: FleetPlan, asked: Asked, offers: Offers, rows: Rows, bought: Bought
) -> Iterator[Finding]:
    """Replicas fit into nodes one by one, whichever workloads rise.

    Where sizes divide one another, that follows from the number of accelerators.
    """
    risks = _loosely_packed(asked, rows) & (rows.extra > 0)
    if asked.fleet.robustness is None or not risks.any():
        return
    needs = np.bincount(rows.each.workload[risks], (rows.each.gpus * rows.extra)[risks])
    some = np.argsort(-needs, kind="stable")[: np.count_nonzero(needs)].tolist()
    sets = combinations(some, min(asked.fleet.robustness.workloads, len(some)))
    for rising in islice(sets, MOST_SETS):
        more = np.where(np.isin(rows.each.workload, rising), rows.extra, 0)
        risen = replace(rows, count=rows.count + more)
        if found := list(packing_findings(plan, asked, offers, risen, bought)):
            yield from found
            return


def _loosely_packed(asked: Asked, rows: Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(N,) whether the row is in a pool some of whose replicas do not divide one another."""
    pools = np.flatnonzero(asked.sold.increment > 1).tolist()
    loose = [p for p in pools if not _divide(np.unique(rows.each.gpus[rows.each.pool == p]))]
    return np.isin(rows.each.pool, loose)


def _divide(sizes: Ints) -> bool:
    return all(large % small == 0 for small, large in pairwise(sizes.tolist()))
