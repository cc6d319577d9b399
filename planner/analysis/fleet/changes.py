"""Changed fleets: the one loop that plans a fleet again with something changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from planner.api import solve_fleet
from planner.errors import InputError
from planner.formulations.column_generation.pricing_loop import Progress
from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet
from planner.problem.offers import Offers


def within(progress: Progress | None, part: str) -> Progress | None:
    """Tell that a part of some work begins; return whom to tell how far that part is."""
    if progress is None:
        return None
    progress(part, math.nan, math.nan)
    return lambda stage, cost, bound: progress(f"{part}, {stage}", cost, bound)


def with_workloads(fleet: Fleet, **update: object) -> Fleet:
    """Return a fleet whose every workload has other fields."""
    workloads = tuple(one.model_copy(update=update) for one in fleet.workloads)
    return fleet.model_copy(update={"workloads": workloads})


def plan_each(
    changes: Sequence[tuple[str, Fleet]],
    offers: Offers,
    progress: Progress | None,
    *,
    may_lack: bool = False,
) -> Iterator[FleetPlan | None]:
    """Plan changed fleets, one after the other.

    Parameters
    ----------
    changes : sequence of (str, Fleet)
        What is changed, in words, and the fleet.
    offers : Offers
        Deployments on offer to all of them.
    progress : callable or None
        Told which plan is sought and how far it is.
    may_lack : bool
        Whether a fleet may lack something that the change made necessary: then its plan is None.

    Raises
    ------
    InputError, SolverError, CheckError
        As `planner.api.solve_fleet` does.
    """
    for index, (words, fleet) in enumerate(changes, 1):
        part = within(progress, f"{words} ({index} of {len(changes)})")
        try:
            yield solve_fleet(fleet, offers, part)
        except InputError:
            if not may_lack:
                raise
            yield None
