"""Supplies: what one accelerator more or fewer in the chosen pool would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planner.analysis.explanation.what_if import WhatIf, evaluate_what_if, shown
from planner.candidates.requirements import objective_values, requirements, violations
from planner.candidates.screening import all_shortlists
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import available_gpus
from planner.plans.plan import Plan
from planner.problem.instance import Instance
from planner.problem.resolve import ResolvedInstance
from planner.problem.tolerances import TIE


@dataclass(frozen=True, slots=True)
class SupplyChange:
    """The chosen pool with another number of accelerators."""

    gpus: int
    """Accelerators there; 0 leaves the pool out."""
    said: str
    """`one fewer than used`, or `one more` than there are, or than are used without a limit."""
    supposition: WhatIf


def supply_changes(
    instance: Instance, resolved: ResolvedInstance, plan: Plan, shortlists: ShortlistCache
) -> tuple[SupplyChange, ...]:
    """Answer the instance with one accelerator fewer than the plan uses, and with one more.

    Parameters
    ----------
    instance, resolved : Instance, ResolvedInstance
        What was asked.
    plan : Plan
        Its answer.
    shortlists : ShortlistCache
        Shortlists of deployments.
    """
    index = [pool.label for pool in resolved.pools].index(plan.pool)
    used = plan.gpus or 0
    supply = resolved.pools[index].gpus or used
    fewer, more = used - 1, supply + 1
    changes = {f"pools[{index}].gpus": fewer} if fewer else _without(instance, index)
    if changes is None:
        less = WhatIf(None, (), None)
    else:
        less = evaluate_what_if(instance, changes, plan, shortlists)
    grown = evaluate_what_if(instance, {f"pools[{index}].gpus": more}, plan, shortlists)
    return (
        SupplyChange(fewer, "one fewer than used", less),
        SupplyChange(more, "one more", grown),
    )


def _without(instance: Instance, index: int) -> dict[str, Any] | None:
    """Return the change that takes a pool out, or None where it is the only one."""
    stated = instance.model_dump(by_alias=True, exclude_unset=True)["pools"]
    rest = [pool for at, pool in enumerate(stated) if at != index]
    return {"pools": rest} if rest else None


@dataclass(frozen=True, slots=True)
class SupplyStep:
    """The fewest accelerators of a pool with which a better plan is possible."""

    pool: str
    gpus: int
    """That many; the pool has fewer."""
    missing: int
    """How many more than there are."""
    objective: float
    changes: Mapping[str, Any] = field(default_factory=dict)


def supply_steps(
    resolved: ResolvedInstance, plan: Plan, shortlists: ShortlistCache
) -> tuple[SupplyStep, ...]:
    """Return, for every pool whose supply stands in the way, how many accelerators would do.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    plan : Plan
        Its answer.
    shortlists : ShortlistCache
        Shortlists of deployments; they hold whatever some supply could make the best.
    """
    _, table = all_shortlists(resolved, shortlists=shortlists)
    found = requirements(resolved, table)
    [supply] = [requirement for requirement in found if requirement.name == "gpus"]
    rest = [one for one in found if one is not supply]
    scores = objective_values(resolved, table)
    objective = shown(resolved, plan.objective or 0.0)
    better = scores < objective - TIE * abs(objective)
    wanting = (violations(rest) == 0) & better & (supply.attained > available_gpus(resolved, table))
    steps = []
    for index, pool in enumerate(resolved.pools):
        rows = np.flatnonzero(wanting & (table.pool == index))
        if len(rows) and pool.gpus is not None:
            least = supply.attained[rows].min()
            best = float(scores[rows[supply.attained[rows] == least]].min())
            changes = {f"pools[{index}].gpus": int(least)}
            more = int(least) - pool.gpus
            steps.append(SupplyStep(pool.label, int(least), more, shown(resolved, best), changes))
    return tuple(steps)
