"""The bound that trusts no solver beside the relaxation's and the optimum, fleet by fleet."""

import math
import time
from dataclasses import dataclass

from mixed_fleets import mixed_fleet
from small_fleets import small_fleet

from planner.api import solve_fleet
from planner.candidates.fleet.build_model_data import build_model_data
from planner.formulations.column_generation.algorithm import shadow_prices
from planner.formulations.column_generation.subproblems import unsupported
from planner.problem.fleet import Fleet
from planner.problem.offers import Offers
from planner.verification.fleet.check_fleet_plan import with_safe_bound

SAME = 1e-6
"""Relative difference within which bounds are the same."""
ABOVE = 1e-9
"""By how much a bound may be above the cost of a plan: the checker lets so much less be served."""


@dataclass(frozen=True)
class Bounded:
    """One fleet's plan and three bounds on it, in dollars over the horizon."""

    seed: str
    objective: float
    bound: float
    """The solver's."""
    relaxed: float
    """That of G's relaxation, whose prices the plan has; NaN where G cannot express the fleet."""
    safe: float
    seconds: float
    """Time of solving, and of the safe bound."""
    bounding: float

    @property
    def valid(self) -> bool:
        return self.safe <= self.objective + ABOVE * max(abs(self.objective), 1.0)

    @property
    def tight(self) -> bool:
        """Whether the relaxation is as high as the optimum."""
        return near(self.relaxed, self.objective)

    @property
    def follows(self) -> bool:
        """Whether the safe bound is then the solver's."""
        return not self.tight or near(self.safe, self.bound)


def near(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * max(abs(other), SAME)


def drawn(kind: str, seed: int) -> tuple[Fleet, Offers]:
    return {"small": small_fleet, "mixed": mixed_fleet}[kind](seed)


def bounded(kind: str, seed: int) -> Bounded | None:
    """Solve a random fleet; None where there is no plan."""
    fleet, offers = drawn(kind, seed)
    started = time.perf_counter()
    plan = solve_fleet(fleet, offers)
    if not plan.found:
        return None
    ended = time.perf_counter()
    again = with_safe_bound(plan, fleet, offers)
    assert again.safe_bound == plan.safe_bound
    bounding = time.perf_counter() - ended
    data, relaxed = build_model_data(fleet, offers), math.nan
    if not unsupported(data):
        found = shadow_prices(data, 5.0)
        relaxed = relaxed if found is None else found.bound
    return Bounded(
        *(f"{kind} {seed}", plan.objective, plan.bound, relaxed, plan.safe_bound),
        *(ended - started - bounding, bounding),
    )
