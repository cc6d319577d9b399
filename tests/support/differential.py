"""The planner against the second model: one fleet of a seed, and what the two say of it."""

import math
import time
from dataclasses import dataclass

import second_model
from mixed_fleets import mixed_fleet
from small_fleets import by

from planner.api import solve_fleet
from planner.errors import InputError
from planner.problem.fleet import Fleet
from planner.problem.offers import Offers

SAME = 1e-6
"""Relative difference of costs that HiGHS's tolerances may make."""
LARGEST_TWICE = 20
"""Workloads x periods up to which the decomposition is asked beside `auto`."""


@dataclass(frozen=True)
class Compared:
    """What two models say of one fleet."""

    seed: int
    size: str
    outcome: str
    """`equal`, `enclosed`, `infeasible`, `undecided`, or what is contradicted."""
    seconds: float
    retold: bool = False
    """Whether the second model answered rightly only without HiGHS's presolve."""

    @property
    def agrees(self) -> bool:
        return self.outcome in ("equal", "enclosed", "infeasible", "undecided")


def compared(seed: int) -> Compared:
    """Solve the fleet of a seed with the planner and with the second model."""
    started = time.perf_counter()
    fleet, offers = mixed_fleet(seed)
    size = f"{len(fleet.workloads)} x {len(fleet.periods)}"
    plans = list(_plans(fleet, offers))
    outcome, retold = "", False
    for presolve in (True, False):
        second = second_model.solve(
            fleet, offers, fleet.solver.time_limit_seconds, presolve=presolve
        )
        outcome = _worst([_outcome(plan, second) for plan in plans])
        if outcome in ("equal", "enclosed", "infeasible", "undecided"):
            break
        retold = presolve
    return Compared(seed, size, outcome, time.perf_counter() - started, retold)


def _plans(fleet: Fleet, offers: Offers):
    """The plan as a user gets it; of a small fleet also the decomposition's, where it knows it."""
    yield solve_fleet(fleet, offers)
    if len(fleet.workloads) * len(fleet.periods) <= LARGEST_TWICE:
        try:
            yield solve_fleet(by(fleet, "decomposition"), offers)
        except InputError as error:
            assert "The decomposition knows no" in str(error)


def _worst(outcomes: list[str]) -> str:
    order = ("equal", "infeasible", "enclosed", "undecided")
    return max(outcomes, key=lambda one: order.index(one) if one in order else len(order))


def _outcome(plan, second: second_model.Answer) -> str:
    if plan.status == "infeasible":
        if not math.isnan(second.objective):
            return f"infeasible, but the second model has {second.objective:.9g}"
        return "infeasible" if second.infeasible else "undecided"
    if second.infeasible and plan.found:
        return f"{plan.status} {plan.objective:.9g}, but the second model is infeasible"
    for name, bound, objective in (
        ("the second model's", second.bound, plan.objective),
        ("the plan's", plan.bound, second.objective),
    ):
        if bound > objective + SAME * abs(objective) + SAME:
            return f"{name} bound {bound:.9g} is above the other's objective {objective:.9g}"
    if not plan.found or math.isnan(second.objective):
        return "undecided"
    near = math.isclose(plan.objective, second.objective, rel_tol=SAME, abs_tol=SAME)
    return "equal" if near else "enclosed"
