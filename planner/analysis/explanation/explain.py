"""Explanations: why this plan, what holds it back, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.analysis.explanation.break_even import (
    BreakEven,
    SpeedPrice,
    break_even_prices,
    speed_price,
)
from planner.analysis.explanation.memory_breakdown import MemoryPart, memory_breakdown
from planner.analysis.explanation.plain_records import CSV_COLUMNS, items, plain, rows_of
from planner.analysis.explanation.runner_ups import RunnerUp, runner_ups, walk
from planner.analysis.explanation.sensitivity import DEFAULT_CHANGE, Sensitivity, sensitivities
from planner.analysis.explanation.slacks import Slack, slacks
from planner.analysis.explanation.supply_steps import (
    SupplyChange,
    SupplyStep,
    supply_changes,
    supply_steps,
)
from planner.analysis.explanation.time_breakdown import TimePart, breakdown
from planner.api import solve
from planner.candidates.shortlist_cache import ShortlistCache
from planner.infeasibility.diagnosis import Diagnosis, diagnose
from planner.io.output import write_json, write_rows
from planner.plans.plan import Plan
from planner.problem.instance import Instance
from planner.problem.resolve import resolve

FIRST_PART, LATER_PARTS = 0.2, 0.8
"""Parts of the work: everything but sensitivities, and those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a plan is the answer, or why there is none."""

    plan: Plan
    diagnosis: Diagnosis | None = None
    """Where the instance is infeasible, why, and the least that would have to change; everything
    below is empty then."""
    time: tuple[TimePart, ...] = ()
    """Where the time of a token goes, part by part."""
    memory: tuple[MemoryPart, ...] = ()
    """What lies in the fullest GPU, part by part, and what is free."""
    requirements: tuple[Slack, ...] = ()
    """What is asked, the room left under it, and what binds."""
    runner_ups: tuple[RunnerUp, ...] = ()
    """The best deployments that differ, and what they lose."""
    speed: SpeedPrice | None = None
    """What faster and slower requests cost."""
    supplies: tuple[SupplyChange, ...] = ()
    """One accelerator fewer and one more in the chosen pool."""
    supply_steps: tuple[SupplyStep, ...] = ()
    """Numbers of accelerators from which scarce pools give a better plan."""
    prices: tuple[BreakEven, ...] = ()
    """Prices of accelerators at which the choice changes."""
    sensitivities: tuple[Sensitivity, ...] = ()
    """Assumptions lowered and raised, the widest swing first."""
    by: float = DEFAULT_CHANGE
    """Part by which they were."""

    @property
    def found(self) -> bool:
        """Whether there is a plan to explain."""
        return self.plan.found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain mappings, lists and numbers; what is not finite is None."""
        whole = {name: plain(getattr(self, name)) for name in SECTIONS}
        why = None if self.diagnosis is None else self.diagnosis.to_dict()
        return {"plan": self.plan.to_row(), "diagnosis": why, "by": self.by, **whole}

    def to_json(self, path: str | Path | None = None) -> str:
        """Return `to_dict` as a JSON object, and write it to `path` if one is given."""
        return write_json(self.to_dict(), path)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return every number as a row with section, item, quantity and value."""
        return rows_of(
            (section, item, record)
            for section in SECTIONS
            for item, record in items(getattr(self, section))
        )

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return `to_rows` as CSV with a header, and write it to `path` if one is given."""
        return write_rows(self.to_rows(), CSV_COLUMNS, path)


SECTIONS = (
    "time",
    "memory",
    "requirements",
    "runner_ups",
    "speed",
    "supplies",
    "supply_steps",
    "prices",
    "sensitivities",
)
"""Fields of an explanation besides the plan, in the order in which they are told."""


def explain_one(
    instance: Instance,
    *,
    shortlists: ShortlistCache | None = None,
    progress: Callable[[float], None] | None = None,
    added: Sequence[str] = (),
    by: float = DEFAULT_CHANGE,
) -> Explanation:
    """Explain the plan of one deployment, as `planner.explain` does.

    Parameters
    ----------
    instance : Instance
        What is asked.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances, from which this one is answered where it can be.
    progress : callable, optional
        Told which part of the work is done, from 0 to 1.
    added : sequence of str
        Accelerators of the catalogue whose break-even prices are told although the instance has no
        pool of them.
    by : float
        Part by which each assumption is lowered and raised, between 0 and 1.

    Returns
    -------
    Explanation
        Where the instance is infeasible, the diagnosis says why, and nothing else is filled in.

    Raises
    ------
    InputError, SolverError, CheckError
        As `planner.solve` does, and for added accelerators that are unknown or there already.
    ValueError
        Where `by` is not between 0 and 1.
    """
    if not 0.0 < by < 1.0:
        raise ValueError(f"by = {by}: expected a part between 0 and 1, such as 0.1")
    shortlists = ShortlistCache() if shortlists is None else shortlists
    tell = progress or (lambda _: None)
    resolved = resolve(instance)
    plan = solve(instance, shortlists=shortlists)
    if not plan.found:
        why = diagnose(instance, shortlists) if plan.status == "infeasible" else None
        return Explanation(plan=plan, diagnosis=why, by=by)
    prices = break_even_prices(instance, plan, shortlists, tuple(added))
    tell(FIRST_PART / 2.0)
    runners = runner_ups(resolved, plan, walk(resolved))
    tell(FIRST_PART)
    return Explanation(
        plan=plan,
        time=breakdown(resolved, plan),
        memory=memory_breakdown(resolved, plan),
        requirements=slacks(instance, resolved, plan, shortlists),
        runner_ups=runners,
        speed=speed_price(resolved, plan, shortlists),
        supplies=supply_changes(instance, resolved, plan, shortlists),
        supply_steps=supply_steps(resolved, plan, shortlists),
        prices=prices,
        sensitivities=sensitivities(
            instance,
            resolved,
            plan,
            by=by,
            shortlists=shortlists,
            progress=lambda done, count: tell(FIRST_PART + LATER_PARTS * done / count),
        ),
        by=by,
    )
