"""Plans of one instance recomputed together, from their decisions alone: the checker for many.

It does what `planner.verification.check_plan` does for one plan, with arrays in place of numbers;
it knows neither the table of candidates nor any solver.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from planner.plans.plan import Plan
from planner.problem.resolve import Drafting, ResolvedInstance, Supply
from planner.problem.tolerances import CHECKED
from planner.terms.forward_pass import Floats, Precision
from planner.verification import recompute, rules
from planner.verification.check_plan import Finding
from planner.verification.recompute import Decisions
from planner.verification.rules import Truths

DEGREES = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")


def verify(resolved: ResolvedInstance, plans: Sequence[Plan]) -> list[Finding]:
    """Recompute plans and list everything in them that does not hold.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    plans : sequence of Plan
        Plans with a deployment.

    Returns
    -------
    list of Finding
        Empty where every number is within `tolerances.CHECKED` of the recomputed one, every
        decision is one that the instance allows, and every requirement holds.
    """
    groups: dict[tuple[str, str, str, str, int], list[Plan]] = {}
    for plan in plans:
        key = (plan.pool, plan.weight_precision, plan.kv_precision, plan.draft, plan.gamma or 0)
        groups.setdefault(key, []).append(plan)
    return [finding for group in groups.values() for finding in _of_group(resolved, group)]


def recomputed(resolved: ResolvedInstance, plans: Sequence[Plan]) -> dict[str, Floats]:
    """Return every number of plans that differ in degrees, batch and replicas alone, by column."""
    decided, replicas = _decided(resolved, plans), _column(plans, "replicas")
    return recompute.recomputed(resolved, _supply(resolved, plans[0]), decided, replicas)


def _decided(resolved: ResolvedInstance, plans: Sequence[Plan]) -> Decisions:
    """Return what plans decide that share precisions, draft and gamma."""
    first = plans[0]
    tp, pp, dp, ep = (_column(plans, name) for name in DEGREES)
    return Decisions(
        Precision(first.weight_precision, first.kv_precision),
        *(tp, pp, dp, ep, _column(plans, "batch")),
        draft=_draft(resolved, first),
        gamma=first.gamma or 0,
    )


def _column(plans: Sequence[Plan], name: str) -> Floats:
    """Return a column of plans as numbers; NaN, which equals nothing, where there is none."""
    return np.asarray([getattr(plan, name) for plan in plans], dtype=float)


def _supply(resolved: ResolvedInstance, plan: Plan) -> Supply:
    return next(supply for supply in resolved.pools if supply.label == plan.pool)


def _draft(resolved: ResolvedInstance, plan: Plan) -> Drafting | None:
    if not plan.gamma:
        return None
    return next(draft for draft in resolved.drafts if draft.name == plan.draft)


def _of_group(resolved: ResolvedInstance, plans: Sequence[Plan]) -> Iterator[Finding]:
    """Yield what does not hold of plans that differ in degrees, batch and replicas alone."""
    supply, decided = _supply(resolved, plans[0]), _decided(resolved, plans)
    replicas, every = _column(plans, "replicas"), len(plans)
    expected = recompute.recomputed(resolved, supply, decided, replicas)
    for column, values in expected.items():
        found = _column(plans, column)
        near = np.abs(found - values) <= np.maximum(CHECKED * np.abs(values), 1e-15)
        yield from _told(column, found, ~near, [f"{value:.9g}" for value in values])
    for column, holds in rules.allowed(resolved, supply, decided, replicas).items():
        said = [getattr(plan, column) for plan in plans]
        yield from _told(column, said, ~holds, ["a value the instance allows"] * every)
    starts = rules.launches(resolved, decided)
    yield from _told("engine", replicas, ~starts, ["a deployment that it launches"] * every)
    for column, broken, asked in rules.broken_limits(resolved, supply, expected):
        yield from _told(column, expected[column], broken, [asked] * every)


def _told(
    column: str, found: Sequence[Any] | Floats, wrong: Truths, expected: Sequence[str]
) -> Iterator[Finding]:
    for row in np.flatnonzero(wrong).tolist():
        value = found[row]
        yield Finding(column, value if isinstance(value, str) else f"{value:.9g}", expected[row])
