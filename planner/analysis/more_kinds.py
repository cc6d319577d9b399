"""What several kinds of deployments side by side would cost, where an instance has few."""

from __future__ import annotations

import numpy as np

from planner.analysis.fleet.changes import with_workloads
from planner.api import solve_fleet
from planner.candidates.fleet.build_model_data import build_model_data
from planner.candidates.fleet.gather import offers as offers_of
from planner.candidates.fleet.model_data import ModelData
from planner.candidates.shortlist_cache import ShortlistCache
from planner.errors import InputError
from planner.formulations.fleet_method import LARGEST_MILP
from planner.io.as_fleet import as_fleet
from planner.plans.fleet_plan import FleetPlan
from planner.plans.plan import Plan
from planner.problem.fleet import ANY, Fleet
from planner.problem.instance import Instance
from planner.problem.most_traffic import asks_most_traffic
from planner.problem.offers import Ints, Offers

SECONDS, SOON = 10.0, 0.3
"""Time that the solver may take to answer this beside a plan: of one deployment, which takes a
fraction of it, and of a fleet."""
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
    offers = offers_of(fleet, shortlists=shortlists)
    data = build_model_data(fleet, offers)
    found = solve_fleet(fleet, offers.take(data.choices.offer[_worth_mixing(data)]))
    return found if _saves(found, plan.dollars_per_hour or 0.0) else None


def mixed_fleet_plan(fleet: Fleet, plan: FleetPlan, offers: Offers) -> FleetPlan | None:
    """Return a small fleet's plan with any number of kinds, where it saves something.

    Parameters
    ----------
    fleet : Fleet
        What was asked.
    plan : FleetPlan
        Its answer.
    offers : Offers
        Deployments on offer.

    Returns
    -------
    FleetPlan or None
        None where it saves nothing, no workload runs as many kinds as it may, the fleet is large,
        or no such plan is found in a fraction of a second.
    """
    kept = plan.comparison is not None and plan.comparison.kept
    if not plan.found or kept or asks_most_traffic(fleet) or not _binds(fleet, plan):
        return None
    solver = fleet.solver.model_copy(update={"time_limit_seconds": SOON, "method": "milp"})
    freely = {"solver": solver, "changes": _without_saving(fleet)}
    mixing = with_workloads(fleet, max_deployments=ANY).model_copy(update=freely)
    data = build_model_data(mixing, offers)
    if len(data.choices) * len(data.horizon) > LARGEST_MILP:
        return None
    found = solve_fleet(mixing, offers)
    return found if _saves(found, plan.dollars_per_hour) else None


def _without_saving(fleet: Fleet) -> object:
    """Return the changes that a fleet allows, for whatever saving."""
    if fleet.changes is None:
        return None
    return fleet.changes.model_copy(update={"minimum_saving": "0%"})


def _saves(found: FleetPlan, dollars_per_hour: float) -> bool:
    return found.found and found.dollars_per_hour < dollars_per_hour * (1.0 - LEAST_SAVING)


def _binds(fleet: Fleet, plan: FleetPlan) -> bool:
    """Tell whether some workload runs as many kinds of deployments as it may."""
    rows, periods = plan.replicas, len(plan.periods)
    kinds = np.column_stack(
        (rows.workload * periods + rows.period, rows.pool, rows.label, rows.role)
    )
    there = np.unique(kinds[rows.replicas > 0], axis=0)
    by_role = np.unique(there[:, [0, 3]], axis=0, return_counts=True)
    most = np.zeros(len(fleet.workloads))
    np.maximum.at(most, by_role[0][:, 0] // periods, by_role[1])
    limits = (one.max_deployments for one in fleet.workloads)
    return any(limit != ANY and n >= limit for n, limit in zip(most, limits, strict=True))


def _worth_mixing(data: ModelData) -> Ints:
    """Return the choices of one workload in one period that may be part of a cheapest plan.

    A replica that another one beats in cost and rate is replaced by that, where its pool has no
    limit. So few are left of a hundred that the plain formulation answers at once.
    """
    choices, supply = data.choices, data.pool_supply
    cost = choices.gpus * supply.on_demand_dollars[choices.pool]
    rate = choices.rates[:, 0]
    endless = np.isinf(np.minimum(supply.gpus, supply.on_demand_gpus))[choices.pool]
    order = np.lexsort((-rate, cost))
    before = np.where(endless, rate, -np.inf)[order]
    best = np.concatenate(([-np.inf], np.maximum.accumulate(before)[:-1]))
    return np.sort(order[rate[order] > best])


def _mixing(instance: Instance) -> Fleet | None:
    try:
        return as_fleet(instance, max_deployments=ANY, solver={"time_limit_seconds": SECONDS})
    except InputError:
        return None
