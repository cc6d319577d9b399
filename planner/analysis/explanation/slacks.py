"""Requirements of a plan: what is asked, what it attains, the room left, and which one binds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.analysis.explanation.what_if import evaluate_what_if, shown
from planner.candidates.screening import screen
from planner.candidates.shortlist_cache import ShortlistCache
from planner.plans.plan import Plan
from planner.problem.instance import Instance
from planner.problem.limits import DEMAND, GPUS, LIMITS, MEMORY, Limit
from planner.problem.resolve import ResolvedInstance
from planner.problem.tolerances import ROUNDING


@dataclass(frozen=True, slots=True)
class Slack:
    """One requirement and the room that the plan leaves under it."""

    requirement: str
    attained: float
    limit: float
    at_most: bool
    unit: str
    room: float
    """Distance of what is attained to the limit, in `unit`."""
    room_share: float
    """The same as a part of the limit."""
    binds: bool
    """Whether the objective would be better without it."""
    objective_without: float
    gain: float
    """By how much the objective would be better."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Change of the instance that drops it; empty where none does."""


def slacks(
    instance: Instance, resolved: ResolvedInstance, plan: Plan, shortlists: ShortlistCache
) -> tuple[Slack, ...]:
    """Return every requirement that asks something of the plan, those that bind most first.

    The demand comes last: without it one replica would do, which explains nothing.

    Parameters
    ----------
    instance, resolved : Instance, ResolvedInstance
        What was asked.
    plan : Plan
        Its answer.
    shortlists : ShortlistCache
        Shortlists of deployments.
    """
    without = screen(resolved, shortlists=shortlists).best_without
    found = []
    for limit in LIMITS:
        most = _stated(limit, instance, resolved, plan)
        if most is None:
            continue
        changes, now = _dropped(instance, limit), plan.objective or 0.0
        if limit.name == DEMAND:
            objective = evaluate_what_if(instance, changes, plan, shortlists).objective or 0.0
        else:
            objective = shown(resolved, without[limit.name])
        gain = shown(resolved, now - objective)
        if gain <= ROUNDING * abs(now):
            objective, gain = now, 0.0
        found.append(_slack(limit, float(most), plan, objective, gain, changes=changes))
    return tuple(sorted(found, key=lambda one: (one.requirement == DEMAND, -one.gain)))


def _slack(
    limit: Limit,
    most: float,
    plan: Plan,
    objective: float,
    gain: float,
    *,
    changes: Mapping[str, Any],
) -> Slack:
    """Return one requirement with the room that the plan leaves under it."""
    attained = float(getattr(plan, limit.column))
    room = most - attained if limit.at_most else attained - most
    return Slack(
        *(limit.name, attained, most, limit.at_most, limit.unit, room, room / most),
        *(gain > 0.0, objective, gain, changes),
    )


def _stated(
    limit: Limit, instance: Instance, resolved: ResolvedInstance, plan: Plan
) -> float | None:
    """Return what the plan is held to; None where nothing is asked."""
    if limit.name == MEMORY:
        return plan.usable_memory_bytes_per_gpu
    if limit.name == GPUS:
        return next(pool.gpus for pool in resolved.pools if pool.label == plan.pool)
    return limit.stated(instance)


def _dropped(instance: Instance, limit: Limit) -> dict[str, Any]:
    """Return the change of the instance that asks no more for this; none for memory."""
    if limit.name == GPUS:
        return {f"pools[{index}].gpus": None for index in range(len(instance.pools))}
    return {} if limit.name == MEMORY else {limit.field: limit.loosest}
