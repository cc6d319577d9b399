"""The whole planner on one page: one deployment, or a fleet; tabulate, formulate, solve, check.

What brings Pyomo, which takes its time to load, is imported where it is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import astuple, replace
from math import isinf, nan
from typing import Any, overload

import numpy as np

from planner.candidates.dominance import has_ties
from planner.candidates.fleet.build_model_data import build_model_data, feasible_offers
from planner.candidates.fleet.gather import offers as offers_of
from planner.candidates.fleet.model_data import ModelData, SolveResult
from planner.candidates.fleet.what_runs import what_runs
from planner.candidates.screening import Screening, screen
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates
from planner.errors import CheckError, InputError, MissingExtraError, SolverError
from planner.formulations import fleet_method, keep_or_change
from planner.formulations.column_generation.algorithm import DualPrices
from planner.formulations.column_generation.pricing_loop import Progress
from planner.infeasibility.diagnosis import diagnosed
from planner.infeasibility.fleet_deficits import Shortage
from planner.infeasibility.fleet_unservable import unservable
from planner.plans import build
from planner.plans.build_fleet import build_fleet_plan
from planner.plans.comparison import Comparison
from planner.plans.fleet_plan import FleetPlan, ShadowPrices, Traffic
from planner.plans.plan import Plan
from planner.plans.search_words import search_words
from planner.plans.what_runs import comparison_words, ended_words
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance, Solver
from planner.problem.most_traffic import asks_most_traffic, grown
from planner.problem.offers import Offers
from planner.problem.resolve import ResolvedInstance, resolve
from planner.problem.validate_fleet import validate_fleet
from planner.verification.check_plan import check_plan
from planner.verification.fleet.check_fleet_plan import check_fleet_plan, with_safe_bound
from solvers.outcome import Outcome, SolverFailedError, SolverMissingError, Status

GROWTH_PART = 0.7
"""Part of the time in which the most traffic is sought; the rest is for what costs least for it."""
LEAST_SECONDS = 1.0
"""Least time for the latter."""


@overload
def solve(
    instance: Instance,
    progress: Callable[[int], None] | None = None,
    shortlists: ShortlistCache | None = None,
) -> Plan: ...
@overload
def solve(
    instance: Fleet,
    progress: Progress | None = None,
    *,
    offers: Offers | None = None,
) -> FleetPlan: ...


def solve(
    instance: Instance | Fleet,
    progress: Any = None,
    shortlists: ShortlistCache | None = None,
    *,
    offers: Offers | None = None,
) -> Plan | FleetPlan:
    """Find the best plan of an instance and prove it.

    Parameters
    ----------
    instance : Instance or Fleet
        From `planner.read_instance`, or built in code.
    progress : callable, optional
        Told how many deployments were evaluated so far; of a fleet, how far the solver is: what
        it does, the cost of the best plan, and the bound.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances, from which this one is answered where it can be.
    offers : Offers, optional
        Deployments on offer to a fleet. Left out: from its files, or tabulated.

    Returns
    -------
    Plan or FleetPlan
        `optimal` with its proof, `feasible` or `time_limit` with a bound, or `infeasible` with the
        nearest that could be met; of a fleet also `no_solution_in_time`. Every plan has passed the
        independent checker.

    Raises
    ------
    InputError
        Where the instance names what does not exist or contradicts itself.
    SolverError
        Where the solver stopped without an answer that can be trusted.
    CheckError
        Where the checker disagrees with the plan.

    Examples
    --------
    >>> import planner
    >>> instance = planner.read_instance("instances/llama-8b-smallest")
    >>> plan = planner.solve(instance)
    >>> plan.status, plan.accelerator, plan.gpus, f"{plan.dollars_per_hour:.2f}"
    ('optimal', 'h100-sxm', 1, '3.49')
    >>> plan = planner.solve(planner.read_instance("instances/melange"))
    >>> plan.status, f"{plan.dollars_per_hour:.2f}"
    ('optimal', '4.68')
    """
    if isinstance(instance, Fleet):
        return solve_fleet(instance, offers, progress)
    return solve_one(instance, progress, shortlists)


def solve_one(
    instance: Instance,
    progress: Callable[[int], None] | None = None,
    shortlists: ShortlistCache | None = None,
) -> Plan:
    """Find the best deployment of one workload; all else as for `solve`."""
    resolved = resolve(instance)
    found = screen(resolved, progress, shortlists)
    if found.choices is None:
        assert found.missing is not None
        reasons = diagnosed(resolved, found.missing, shortlists).message()
        return build.infeasible(resolved, found, reasons)
    plan = _plan(resolved, found, found.choices)
    if plan.found and (findings := check_plan(plan.to_row(), instance)):
        raise CheckError("\n".join(["The plan failed its check:", *map(str, findings)]))
    return plan


def solve_resolved(
    resolved: ResolvedInstance, shortlists: ShortlistCache | None = None
) -> Plan | None:
    """Find the best deployment of an instance whose records may differ from the catalogue's.

    The same way as `solve`, but for its ends: the checker, which looks every record up in the
    catalogue, is not asked, and why nothing is possible is not worked out.

    Parameters
    ----------
    resolved : ResolvedInstance
        From `planner.problem.resolve.resolve`, with other rates, say.
    shortlists : ShortlistCache, optional
        As for `solve`.

    Returns
    -------
    Plan or None
        None where no deployment meets every requirement.

    Raises
    ------
    SolverError
        As `solve` does.
    """
    found = screen(resolved, shortlists=shortlists)
    return None if found.choices is None else _plan(resolved, found, found.choices)


def _plan(resolved: ResolvedInstance, found: Screening, choices: Candidates) -> Plan:
    """Let the solver choose among what the screening left."""
    from planner.formulations import deployment

    model = deployment.build(resolved, choices)
    objectives = deployment.objectives(model)
    if not has_ties(resolved, choices):  # What comes after the number of accelerators is settled.
        objectives = objectives[:2]
    outcome = _run(resolved.instance.solver, model, objectives)
    if outcome.status is Status.INFEASIBLE:
        raise SolverError(f"{outcome.solver} finds no solution among deployments that all qualify.")
    if not outcome.has_solution:
        return build.out_of_time(resolved, found, outcome)
    row, replicas = deployment.chosen_row(model)
    chosen = choices.take(np.asarray([row]))
    return build.plan(resolved, found, chosen=chosen, replicas=replicas, outcome=outcome)


def _run(solver: Solver, model: Any, objectives: list[Any]) -> Outcome:
    from solvers import enumerate_all, solve_in_turn
    from solvers.exhaustive import TooLargeError

    try:
        if solver.name == "exhaustive":
            return enumerate_all(model, objectives)
        return solve_in_turn(
            model,
            objectives,
            solver=solver.name,
            time_limit_seconds=solver.time_limit_seconds,
            relative_gap=solver.relative_gap,
        )
    except SolverMissingError:
        raise MissingExtraError("pyscipopt", "scip") from None
    except (SolverFailedError, TooLargeError) as error:
        raise SolverError(f"{solver.name} stopped without an answer: {error}.") from error


def solve_fleet(
    fleet: Fleet, offers: Offers | None = None, progress: Progress | None = None
) -> FleetPlan:
    """Find the cheapest replicas and purchases for a fleet and prove it.

    Parameters
    ----------
    fleet : Fleet
        From `planner.read_instance`, or built in code.
    offers : Offers, optional
        Deployments on offer. Left out: from the fleet's candidate files, or tabulated.
    progress : callable, optional
        Told how far the decomposition is.

    Returns
    -------
    FleetPlan
        `optimal` within the gap asked for, `feasible` or `time_limit` with a bound, `infeasible`,
        or `no_solution_in_time`. Every plan has passed the independent checker.

    Raises
    ------
    InputError
        Where the fleet names what does not exist or contradicts itself.
    SolverError
        Where the solver stopped without an answer that can be trusted.
    CheckError
        Where the checker disagrees with the plan.

    Examples
    --------
    >>> import planner
    >>> from planner.api import solve_fleet
    >>> plan = solve_fleet(planner.read_instance("instances/melange"))
    >>> plan.status, f"{plan.dollars_per_hour:.2f}"
    ('optimal', '4.68')
    """
    if problems := validate_fleet(fleet, has_offers=offers is not None):
        raise InputError(problems)
    offers = offers_of(fleet) if offers is None else offers
    if asks_most_traffic(fleet):
        return _most_traffic(fleet, offers, progress)
    return _cheapest(fleet, offers, progress)


def _most_traffic(fleet: Fleet, offers: Offers, progress: Progress | None) -> FleetPlan:
    """Find how far the mix of demands can grow, then what costs least for that."""
    from planner.formulations.fleet.growth import most_growth

    mix, started = grown(fleet, 1.0), time.perf_counter()
    known = feasible_offers(mix, offers)
    data = build_model_data(mix, offers, known)
    if unservable(mix, offers, known):
        return replace(_cheapest(mix, offers, progress), fleet_digest=fleet.digest)
    limit, gap = fleet.solver.time_limit_seconds, fleet.solver.relative_gap
    try:
        found = most_growth(data, time_limit_seconds=GROWTH_PART * limit, relative_gap=gap)
    except SolverFailedError as error:
        raise SolverError(f"the solver stopped without an answer: {error}.") from error
    if not found.factor > 0.0:
        result = SolveResult(found.status, None, nan, nan, time.perf_counter() - started, "")
        reason = "" if found.status != "infeasible" else _shortage(mix, offers).text
        return build_fleet_plan(fleet, offers, data, result, method="milp", message=reason)
    left = max(limit - (time.perf_counter() - started), LEAST_SECONDS)
    solver = fleet.solver.model_copy(update={"time_limit_seconds": left})
    asked = grown(fleet, found.factor).model_copy(update={"solver": solver})
    plan = _cheapest(asked, offers, progress)
    mean = float((data.wanted.demand @ data.horizon.hours).sum() / data.horizon.hours.sum())
    traffic = Traffic(found.factor, found.factor * mean, found.bound * mean)
    status = found.status if plan.status == "optimal" else plan.status
    seconds = time.perf_counter() - started
    return replace(plan, fleet_digest=fleet.digest, traffic=traffic, status=status, seconds=seconds)


def _cheapest(fleet: Fleet, offers: Offers, progress: Progress | None) -> FleetPlan:
    """Find the cheapest plan that serves all demand."""
    known = feasible_offers(fleet, offers)
    data = build_model_data(fleet, offers, known)
    if refused := unservable(fleet, offers, known):
        result = SolveResult("infeasible", None, float("nan"), float("nan"), 0.0, "")
        reasons = "; ".join(f"{refusal.workload}: {refusal.reason}" for refusal in refused)
        # Where there is too little room for a replica, more accelerators help.
        if not (found := _shortage(fleet, offers)).reasons:
            reasons = f"{reasons} {found.text}"
        return build_fleet_plan(fleet, offers, data, result, method="", message=reasons)
    method = fleet_method.chosen_method(fleet.solver, data)
    try:
        result, duals, compared = keep_or_change.decide(data, fleet, method, progress)
    except SolverFailedError as error:
        raise SolverError(f"the solver stopped without an answer: {error}.") from error
    comparison = None if compared is None else Comparison(*astuple(compared))
    message = comparison_words(fleet, comparison)
    if result.status == "infeasible":
        result, message = _confirmed(fleet, offers, data, result)
    limit = fleet.solver.time_limit_seconds
    search = search_words(result.status, method, result.seconds, limit)
    ended = ended_words(what_runs(fleet, offers, known.feasibility)[1])
    prices = _hourly(data, duals)
    plan = build_fleet_plan(
        *(fleet, offers, data, result, prices),
        comparison=comparison,
        method=method,
        message=" ".join(filter(None, (message, search, ended))),
    )
    plan = with_safe_bound(plan, fleet, offers)
    if plan.found and (findings := check_fleet_plan(plan, fleet, offers, bounded=True)):
        raise CheckError("\n".join(["The plan failed its check:", *map(str, findings)]))
    return plan


def _confirmed(
    fleet: Fleet, offers: Offers, data: ModelData, result: SolveResult
) -> tuple[SolveResult, str]:
    """Say why a fleet is infeasible; where its limits loosened need not be, it is not."""
    if many := _too_many_changes(fleet, data):
        return result, many
    short = _shortage(fleet, offers)
    if short.lacking or not isinf(data.limits.changes):
        return result, short.text
    doubtful = replace(result, status="no_solution_in_time")
    return doubtful, (
        "No plan was found, though nothing is lacking: another `solver.method`, or more time, "
        "may find one."
    )


def _too_many_changes(fleet: Fleet, data: ModelData) -> str:
    """Say how many changes it takes, where no plan has as few as are allowed."""
    if isinf(data.limits.changes):
        return ""
    from planner.formulations.fleet.fewest_changes import fewest_changes

    most = int(data.limits.changes)
    needed = fewest_changes(data, time_limit_seconds=fleet.solver.time_limit_seconds)
    if needed is None or needed <= most:
        return ""
    return (
        f"No plan has as few changes of what runs as `changes.at_most`, {most}: "
        f"with {needed} replicas started, stopped or changed there is one."
    )


def _hourly(data: ModelData, duals: DualPrices | None) -> ShadowPrices | None:
    """Return shadow prices by the hour."""
    if duals is None:
        return None
    return ShadowPrices(duals.gpu / data.horizon.hours[None, :], duals.dollar)


def _shortage(fleet: Fleet, offers: Offers) -> Shortage:
    """Say what is short. That needs Pyomo, too."""
    from planner.infeasibility.fleet_shortage import shortage

    return shortage(fleet.model_copy(update={"changes": None}), offers)
