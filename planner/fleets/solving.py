"""The whole fleet planner on one page: offers, figures, formulation, checked plan."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from planner.errors import CheckError, InputError, Problem, SolverError
from planner.fleets.candidates.offering import offers as offers_of
from planner.fleets.checking.findings import check_fleet_plan
from planner.fleets.figures import Figures, Verdict
from planner.fleets.figuring.arrays import figures, judged
from planner.fleets.files.objections import check_fleet
from planner.fleets.fleet import Fleet, FleetSolver
from planner.fleets.infeasibility.lacks import Shortage
from planner.fleets.infeasibility.refusing import refusals
from planner.fleets.offers import Offers
from planner.fleets.telling.answering import answer
from planner.fleets.telling.plan import FleetPlan, ShadowPrices
from planner.formulations.decomposition import deciding
from planner.formulations.decomposition.blocks import unsupported
from planner.formulations.decomposition.deciding import Shadow
from solvers.outcome import SolverFailedError

LARGEST_MILP = 150
"""Choices x periods up to which `auto` takes the plain formulation."""
LARGEST_SECOND = 5_000
"""Choices x periods up to which it takes that where the decomposition left a gap."""
PRICING_SECONDS = 5.0
"""Time for shadow prices beside the plain formulation."""
FIRST_PART = 0.3
"""Part of the time that the decomposition gets of a fleet up to that size."""

Progress = Callable[[str, float, float], None]
"""Told the stage, the cost of the best plan and the bound; NaN where there is none yet."""


def solve_fleet(
    fleet: Fleet, offers: Offers | None = None, progress: Progress | None = None
) -> FleetPlan:
    """Find the cheapest replicas and purchases for a fleet and prove it.

    Parameters
    ----------
    fleet : Fleet
        From `planner.read_fleet`, or built in code.
    offers : Offers, optional
        Deployments on offer. Left out: from the fleet's candidate files, or tabulated.
    progress : callable, optional
        Told how far the decomposition is.

    Returns
    -------
    FleetPlan
        `optimal` within the gap asked for, `time_limit` with a bound, `infeasible`, or
        `no_solution_in_time`. Every plan has passed the independent checker.

    Raises
    ------
    InputError
        Where the fleet names what does not exist or contradicts itself.
    SolverError
        Where the solver stopped without an answer that can be trusted.
    CheckError
        Where the checker disagrees with the plan.
    """
    if problems := check_fleet(fleet, has_offers=offers is not None):
        raise InputError(problems)
    offers = offers_of(fleet) if offers is None else offers
    known = judged(fleet, offers)
    numbers = figures(fleet, offers, known)
    if refused := refusals(fleet, offers, known):
        verdict = Verdict("infeasible", None, float("nan"), float("nan"), 0.0, "")
        reasons = "; ".join(f"{refusal.workload}: {refusal.reason}" for refusal in refused)
        # Where there is too little room for a replica, more accelerators help.
        if not (found := _shortage(fleet, offers)).reasons:
            reasons = f"{reasons} {found.text}"
        return answer(fleet, offers, numbers, verdict, method="", message=reasons)
    method = chosen_method(fleet.solver, numbers)
    try:
        labels = [offers.label[row] for row in numbers.choices.offer]
        verdict, prices = decide(numbers, fleet.solver, method, progress, labels)
    except SolverFailedError as error:
        raise SolverError(f"the solver stopped without an answer: {error}.") from error
    message = _shortage(fleet, offers).text if verdict.status == "infeasible" else ""
    plan = answer(fleet, offers, numbers, verdict, prices, method=method, message=message)
    if plan.found and (findings := check_fleet_plan(plan, fleet, offers)):
        raise CheckError("\n".join(["The plan failed its check:", *map(str, findings)]))
    return plan


def chosen_method(solver: FleetSolver, numbers: Figures) -> str:
    """Return the formulation that is asked for, or fits.

    Raises
    ------
    InputError
        Where the decomposition is asked for what it cannot express.
    """
    lacking = unsupported(numbers)
    if solver.method == "decomposition" and lacking:
        expected = "`milp` or `auto`"
        fix = f"The decomposition knows no {lacking}."
        raise InputError(Problem(expected, "`decomposition`", "solver.method", fix))
    if solver.method != "auto":
        return solver.method
    size = len(numbers.choices) * len(numbers.horizon)
    return "milp" if lacking or size <= LARGEST_MILP else "decomposition"


def decide(
    numbers: Figures,
    solver: FleetSolver,
    method: str,
    progress: Progress | None = None,
    labels: Sequence[str] | None = None,
) -> tuple[Verdict, ShadowPrices | None]:
    """Solve the figures of a fleet with one formulation.

    Returns
    -------
    Verdict
        What was decided and proved.
    ShadowPrices or None
        What scarce things are worth: the decomposition knows, and its relaxation of a fleet that
        the plain formulation solves.
    """
    seconds, gap = solver.time_limit_seconds, solver.relative_gap
    if method == "milp":
        found = _milp(numbers, seconds, gap, labels)
        there = found.decisions is not None
        prices = deciding.shadow_prices(numbers, PRICING_SECONDS) if there else None
        return found, _hourly(numbers, prices)
    started = time.perf_counter()
    twice = (
        solver.method == "auto" and len(numbers.choices) * len(numbers.horizon) <= LARGEST_SECOND
    )
    verdict, shadow = deciding.solve(
        numbers,
        time_limit_seconds=FIRST_PART * seconds if twice else seconds,
        relative_gap=gap,
        progress=progress,
    )
    left = seconds - (time.perf_counter() - started)
    if twice and verdict.status in ("time_limit", "no_solution_in_time") and left > 1.0:
        second = _milp(numbers, left, gap, labels)
        verdict = deciding.better(verdict, second, gap)
    return verdict, _hourly(numbers, shadow)


def _hourly(numbers: Figures, shadow: Shadow | None) -> ShadowPrices | None:
    """Return shadow prices by the hour."""
    if shadow is None:
        return None
    return ShadowPrices(shadow.gpu / numbers.horizon.hours[None, :], shadow.dollar)


def _milp(numbers: Figures, seconds: float, gap: float, labels: Sequence[str] | None) -> Verdict:
    """Solve the plain formulation. It brings Pyomo, which takes its time to load."""
    from planner.formulations import fleet as milp

    return milp.solve(numbers, time_limit_seconds=seconds, relative_gap=gap, labels=labels)


def _shortage(fleet: Fleet, offers: Offers) -> Shortage:
    """Say what is short. That needs Pyomo, too."""
    from planner.fleets.infeasibility.shortage import shortage

    return shortage(fleet, offers)


def within(progress: Progress | None, part: str) -> Progress | None:
    """Tell that a part of some work begins; return whom to tell how far that part is."""
    if progress is None:
        return None
    progress(part, math.nan, math.nan)
    return lambda stage, cost, bound: progress(f"{part}, {stage}", cost, bound)
