"""Whether no more of what runs changes than may, and what is said to be kept is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet
from planner.problem.tolerances import CHECKED_FLEET
from planner.verification.check_plan import Finding
from planner.verification.fleet.layouts import Layout, layout_named
from planner.verification.fleet.replicas import Asked

Deployment = tuple[str, str, str, bool]
"""Workload, pool, label, and whether it is on spot accelerators."""


def change_findings(plan: FleetPlan, asked: Asked) -> Iterator[Finding]:
    """Yield where more changes than may, or a comparison with what runs does not hold.

    Parameters
    ----------
    plan : FleetPlan
        The plan.
    asked : Asked
        What is asked.
    """
    fleet = asked.fleet
    if fleet.changes is None or fleet.running is None:
        if plan.comparison is not None:
            yield Finding("what_runs", "a comparison", "none, since changes need save nothing")
        return
    ran = _running(fleet)
    for period in np.flatnonzero(asked.periods.before < 0).tolist():
        now, name = _planned(plan, period), plan.periods[period]
        most, changed = fleet.changes.at_most, _changed(ran, now)
        if most is not None and changed > most:
            yield Finding("changes", f"{changed} in {name}", f"at most {most}")
        if plan.comparison is not None and plan.comparison.kept and now != ran:
            yield Finding("what_runs", f"other replicas in {name}", "what runs, which is kept")
    yield from _compared(plan, asked)


def _running(fleet: Fleet) -> dict[Deployment, int]:
    found: dict[Deployment, int] = {}
    for one in fleet.running or ():
        key = one.workload, one.pool, one.label, one.spot
        found[key] = found.get(key, 0) + one.replicas
    return found


def _planned(plan: FleetPlan, period: int) -> dict[Deployment, int]:
    rows, found = plan.replicas, {}
    for row in np.flatnonzero((rows.period == period) & (rows.replicas > 0)).tolist():
        key = (
            *(plan.workloads[rows.workload[row]], plan.pools[rows.pool[row]]),
            *(rows.labels[rows.label[row]], bool(rows.spot[row])),
        )
        found[key] = int(rows.replicas[row])
    return found


def _changed(ran: dict[Deployment, int], now: dict[Deployment, int]) -> int:
    """Count replicas that start, stop, or change their batch within a layout."""
    more: dict[Layout, int] = {}
    less: dict[Layout, int] = {}
    for key in ran.keys() | now.keys():
        change = now.get(key, 0) - ran.get(key, 0)
        layout = layout_named(*key)
        more[layout] = more.get(layout, 0) + max(change, 0)
        less[layout] = less.get(layout, 0) + max(-change, 0)
    return sum(max(more[layout], less[layout]) for layout in more)


def _compared(plan: FleetPlan, asked: Asked) -> Iterator[Finding]:
    """What is kept saves too little to be changed; what is changed saves enough."""
    changes, said = asked.fleet.changes, plan.comparison
    assert changes is not None
    if (said is not None) != (changes.least_saving(1.0) > 0):
        expected = "a comparison" if said is None else "none, since changes need save nothing"
        yield Finding("what_runs", "nothing" if said is None else "a comparison", expected)
        return
    if said is None:
        return
    kept, changed = said.dollars_per_hour_if_kept, said.dollars_per_hour_if_changed
    right = kept if said.kept else changed
    mine = plan.objective / float(asked.periods.hours.sum())
    if not math.isclose(mine, right, rel_tol=CHECKED_FLEET, abs_tol=CHECKED_FLEET):
        yield Finding("what_runs", f"{right:.12g} $/h of this plan", f"{mine:.12g}")
    if math.isnan(kept) or math.isnan(changed):
        return
    least, saved = changes.least_saving(kept), kept - changed
    room = CHECKED_FLEET * max(abs(kept), 1.0)
    if said.kept and saved > least + room:
        yield Finding("what_runs", "kept", f"changed, which saves {saved:.6g} $/h of {least:.6g}")
    if not said.kept and saved < least - room:
        yield Finding("what_runs", "changed", f"kept: {saved:.6g} $/h are less than {least:.6g}")
