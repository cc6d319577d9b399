"""What several kinds of deployments side by side would cost, where an instance has one kind."""

from __future__ import annotations

from planner.api import solve_fleet
from planner.candidates.fleet.gather import offers
from planner.candidates.shortlist_cache import ShortlistCache
from planner.errors import InputError
from planner.io.long_form import long_form
from planner.plans.fleet_plan import FleetPlan
from planner.plans.plan import Plan
from planner.problem.fleet import ANY, Fleet
from planner.problem.instance import Instance

SECONDS = 10.0
"""Time that the solver may take to answer this beside the plan."""
LEAST_SAVING = 0.001
"""Part of the cost from which a saving is worth naming."""


def mixed_plan(
    instance: Instance, plan: Plan, shortlists: ShortlistCache | None = None
) -> FleetPlan | None:
    """Return the plan with any number of kinds of deployments, where it saves something.

    Parameters
    ----------
    instance : Instance
        What was asked.
    plan : Plan
        Its answer, with one kind of deployment.
    shortlists : ShortlistCache, optional
        Shortlists with which it was solved: nothing is evaluated twice.

    Returns
    -------
    FleetPlan or None
        None where it saves nothing, the objective is no cost by the hour, or the instance has a
        limit that fleets do not know.
    """
    if not plan.found or plan.objective_name != "dollars_per_hour":
        return None
    fleet = _mixing(instance)
    if fleet is None:
        return None
    found = solve_fleet(fleet, offers(fleet, shortlists=shortlists))
    worth = found.found and found.dollars_per_hour < (plan.dollars_per_hour or 0.0) * (
        1.0 - LEAST_SAVING
    )
    return found if worth else None


def _mixing(instance: Instance) -> Fleet | None:
    content = instance.model_dump(mode="json", by_alias=True, exclude_unset=True)
    content |= {"max_deployments": ANY, "solver": {"time_limit_seconds": SECONDS}}
    try:
        return Fleet.model_validate(long_form(content, fleet=True).value)
    except InputError:
        return None
