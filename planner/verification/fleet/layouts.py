"""Layouts: what labels say but for the batch, which changes without a start."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet
from planner.verification.fleet.inputs import Ints, Periods

Layout = tuple[str, str, str, bool]
"""Workload, pool, what a label says but for its batch, and whether on spot accelerators."""
BATCH = re.compile(r"(?<=.) b[0-9]+$")


def layout_named(workload: str, pool: str, label: str, spot: bool) -> Layout:
    """Return the layout of a deployment."""
    return workload, pool, BATCH.sub("", label), spot


def without_changed_batches(plan: FleetPlan, fleet: Fleet, periods: Periods, grown: Ints) -> Ints:
    """Return how many replicas of every row start, of those that did not run before.

    Which rows of a layout start what it has more than before is not settled: where the plan's own
    numbers come to that, they are right.

    Parameters
    ----------
    plan : FleetPlan
        The plan.
    fleet : Fleet
        What is asked, with what runs before first periods.
    periods : Periods
        Its horizon.
    grown : array of int
        (N,) replicas of every row beyond those of the same deployment before.
    """
    labels = {*plan.replicas.labels, *(one.label for one in fleet.running or ())}
    if len({BATCH.sub("", label) for label in labels}) == len(labels):
        return grown
    right = grown.copy()
    for rows, more in _by_layout(plan, fleet, periods):
        said = plan.replicas.starts[rows]
        if (said >= 0).all() and (said <= grown[rows]).all() and said.sum() == more:
            right[rows] = said
            continue
        ahead = np.cumsum(grown[rows]) - grown[rows]
        right[rows] = np.clip(more - ahead, 0, grown[rows])
    return right


def _by_layout(plan: FleetPlan, fleet: Fleet, periods: Periods) -> list[tuple[list[int], int]]:
    """Return the rows of every layout and period, and how many replicas it has more than before."""
    table = plan.replicas
    rows: dict[tuple[Layout, int], list[int]] = defaultdict(list)
    for row, (w, p, label, spot) in enumerate(
        zip(table.workload, table.pool, table.label, table.spot, strict=True)
    ):
        name = layout_named(plan.workloads[w], plan.pools[p], table.labels[label], bool(spot))
        rows[name, int(table.period[row])].append(row)
    ran: dict[Layout, int] = defaultdict(int)
    for one in fleet.running or ():
        ran[layout_named(one.workload, one.pool, one.label, one.spot)] += one.replicas
    found = []
    for (layout, period), mine in rows.items():
        now, before = int(table.replicas[mine].sum()), int(periods.before[period])
        if before >= 0:
            then = int(table.replicas[rows.get((layout, before), [])].sum())
        else:
            then = now if fleet.running is None else ran[layout]
        found.append((mine, max(now - then, 0)))
    return found
