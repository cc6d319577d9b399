"""Whether what runs is changed: the fleet is solved with it kept and with it free, and compared."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from planner.candidates.fleet.model_data import ModelData, SolveResult
from planner.formulations import fleet_method
from planner.formulations.column_generation.algorithm import DualPrices
from planner.formulations.column_generation.pricing_loop import Progress
from planner.problem.changes import Changes
from planner.problem.fleet import Fleet, FleetSolver

LEAST_SECONDS = 1.0
"""Time that the second plan gets in any case."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What keeping and changing what runs costs; requests refused included."""

    kept: bool
    """Whether what runs is kept."""
    if_kept: float
    """$/h, in the mean of the horizon; NaN where what runs does not hold, or that took too long."""
    if_changed: float
    """$/h; NaN where no plan was found."""


def decide(
    data: ModelData,
    fleet: Fleet,
    method: str,
    progress: Progress | None = None,
) -> tuple[SolveResult, DualPrices | None, Comparison | None]:
    """Solve a fleet; where changes must save something, once with what runs kept, and once freely.

    Parameters
    ----------
    data : ModelData
        The fleet as model data.
    fleet : Fleet
        What is asked: its solver, and what its changes must save.
    method : str
        Formulation of the plan that is free.
    progress
        As for `planner.formulations.fleet_method.decide`.

    Returns
    -------
    SolveResult
        Of the plan that keeps what runs in first periods, where the other saves too little; its
        bound holds for plans that do.
    DualPrices or None
        As `fleet_method.decide` returns them.
    Comparison or None
        None where changes need save nothing.
    """
    changes = fleet.changes or Changes()
    if changes.least_saving(1.0) <= 0:
        return *fleet_method.decide(data, fleet.solver, method, progress), None
    kept, prices = _keeping(data, fleet.solver, progress)
    left = max(fleet.solver.time_limit_seconds - kept.seconds, LEAST_SECONDS)
    solver = fleet.solver.model_copy(update={"time_limit_seconds": left})
    free, free_prices = fleet_method.decide(data, solver, method, progress)
    seconds, hours = kept.seconds + free.seconds, float(data.horizon.hours.sum())
    if_kept, if_changed = kept.objective / hours, free.objective / hours
    # Without a plan an objective is NaN, and so is what it would save.
    enough = if_kept - if_changed >= changes.least_saving(if_kept)
    keeps = kept.decisions is not None and not enough
    found = (kept, prices) if keeps else (free, free_prices)
    return replace(found[0], seconds=seconds), found[1], Comparison(keeps, if_kept, if_changed)


def _keeping(
    data: ModelData, solver: FleetSolver, progress: Progress | None
) -> tuple[SolveResult, DualPrices | None]:
    """Solve the fleet with what runs kept in first periods."""
    if not data.all_may_go_on:
        return SolveResult("infeasible", None, math.nan, math.nan, 0.0, ""), None
    held = replace(data, kept=True, limits=replace(data.limits, changes=math.inf))
    return fleet_method.decide(held, solver, fleet_method.chosen_method(solver, held), progress)
