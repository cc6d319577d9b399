"""Requirements of a plan: what is asked, what it attains, the room left, and which one binds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.analysis.explanation.what_if import evaluate_what_if, shown
from planner.candidates.screening import screen
from planner.candidates.shortlist_cache import ShortlistCache
from planner.plans.plan import Plan
from planner.problem.instance import LARGEST_COUNT, LARGEST_QUANTITY, Instance
from planner.problem.resolve import ResolvedInstance

LEAST = 1e-9
"""A target so small that it asks for nothing."""
BETTER = 1e-9
"""Relative gain of the objective from which a requirement binds, as in the column `binding`."""
DEMAND = "tokens_per_second"


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
    for name, attained, limit, at_most, unit in _asked(instance, resolved, plan):
        changes = _dropped(instance, name)
        if name == DEMAND:
            objective = evaluate_what_if(instance, changes, plan, shortlists).objective or 0.0
        else:
            objective = shown(resolved, without[name])
        room = limit - attained if at_most else attained - limit
        gain = shown(resolved, (plan.objective or 0.0) - objective)
        binds = gain > BETTER * abs(plan.objective or 0.0)
        found.append(
            Slack(
                name,
                attained,
                limit,
                at_most,
                unit,
                room,
                room / limit,
                binds,
                objective if binds else plan.objective or 0.0,
                gain if binds else 0.0,
                changes,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.requirement == DEMAND, -one.gain)))


Asked = tuple[str, float, float, bool, str]
"""Requirement, attained, limit, whether at most, unit."""


def _asked(instance: Instance, resolved: ResolvedInstance, plan: Plan) -> list[Asked]:
    workload = instance.workload
    [supply] = [pool for pool in resolved.pools if pool.label == plan.pool]
    rows: list[tuple[str, Any, Any, bool, str]] = [
        (
            "memory_capacity",
            plan.memory_bytes_per_gpu,
            plan.usable_memory_bytes_per_gpu,
            True,
            "B",
        ),
        ("gpus", plan.gpus, supply.gpus, True, "GPUs"),
        ("max_replicas", plan.replicas, instance.search.max_replicas, True, "replicas"),
        (
            "tokens_per_second_per_request",
            plan.tokens_per_second_per_request,
            workload.tokens_per_second_per_request,
            False,
            "tok/s",
        ),
        (
            "time_to_first_token_seconds",
            plan.time_to_first_token_seconds,
            workload.time_to_first_token_seconds,
            True,
            "s",
        ),
        (
            "dollars_per_million_tokens_at_most",
            plan.dollars_per_million_tokens,
            instance.dollars_per_million_tokens_at_most,
            True,
            "$/Mtok",
        ),
        (
            "dollars_per_hour_at_most",
            plan.dollars_per_hour,
            instance.dollars_per_hour_at_most,
            True,
            "$/h",
        ),
        (DEMAND, plan.tokens_per_second, workload.tokens_per_second, False, "tok/s"),
    ]
    return [
        (name, float(attained), float(limit), at_most, unit)
        for name, attained, limit, at_most, unit in rows
        if limit is not None
    ]


def _dropped(instance: Instance, name: str) -> dict[str, Any]:
    """Return the change of the instance that asks no more for this."""
    if name == "gpus":
        return {f"pools[{index}].gpus": None for index in range(len(instance.pools))}
    changes: dict[str, dict[str, Any]] = {
        "max_replicas": {"search.max_replicas": LARGEST_COUNT},
        "tokens_per_second_per_request": {f"workload.{name}": LEAST},
        "time_to_first_token_seconds": {f"workload.{name}": LARGEST_QUANTITY},
        "dollars_per_million_tokens_at_most": {name: LARGEST_QUANTITY},
        "dollars_per_hour_at_most": {name: LARGEST_QUANTITY},
        DEMAND: {f"workload.{name}": LEAST},
    }
    return changes.get(name, {})
