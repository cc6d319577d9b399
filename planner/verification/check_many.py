"""Plans of one instance recomputed together, from their decisions alone: the checker for many.

It does what `planner.verification.check_plan` does for one plan, with arrays in place of numbers;
it knows neither the table of candidates nor any solver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from planner.plans.plan import Plan
from planner.problem.resolve import Drafting, ResolvedInstance, Supply
from planner.terms.forward_pass import Floats, Precision
from planner.verification import recompute
from planner.verification.check_plan import TOLERANCE, Finding, limits
from planner.verification.recompute import Decisions

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
        Empty where every number is within `check_plan.TOLERANCE` of the recomputed one, every
        decision is one that the instance allows, and every requirement holds.
    """
    groups: dict[tuple[str, str, str, str, int], list[Plan]] = {}
    for plan in plans:
        key = (plan.pool, plan.weight_precision, plan.kv_precision, plan.draft, plan.gamma or 0)
        groups.setdefault(key, []).append(plan)
    return [finding for group in groups.values() for finding in _of_group(resolved, group)]


def recomputed(resolved: ResolvedInstance, plans: Sequence[Plan]) -> dict[str, Floats]:
    """Return every number of plans that differ in degrees, batch and replicas alone, by column."""
    first = plans[0]
    tp, pp, dp, ep = (_column(plans, name) for name in DEGREES)
    decided = Decisions(
        Precision(first.weight_precision, first.kv_precision),
        tp,
        pp,
        dp,
        ep,
        _column(plans, "batch"),
        _draft(resolved, first),
        first.gamma or 0,
    )
    replicas = _column(plans, "replicas")
    return recompute.recomputed(resolved, _supply(resolved, first), decided, replicas)


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
    expected = recomputed(resolved, plans)
    for column, values in expected.items():
        found = _column(plans, column)
        near = np.abs(found - values) <= np.maximum(TOLERANCE * np.abs(values), 1e-15)
        yield from _told(column, found, ~near, [f"{value:.9g}" for value in values])
    yield from _choices(resolved, plans)
    yield from _limits(resolved, plans, expected)


def _told(
    column: str, found: Floats, wrong: npt.NDArray[np.bool_], expected: Sequence[str]
) -> Iterator[Finding]:
    for row in np.flatnonzero(wrong):
        yield Finding(column, f"{found[row]:.9g}", expected[int(row)])


def _choices(resolved: ResolvedInstance, plans: Sequence[Plan]) -> Iterator[Finding]:
    """The decisions are ones the instance allows."""
    search, quality, first = resolved.instance.search, resolved.instance.quality, plans[0]
    degrees = [_column(plans, name) for name in DEGREES]
    tp, pp, dp, ep = degrees
    batch = _column(plans, "batch")
    reach = search.tensor_parallel is not None or tp <= _supply(resolved, first).reach
    allowed: dict[str, npt.NDArray[np.bool_]] = {
        "tensor_parallel": np.isin(tp, resolved.tensor_parallel) & reach,
        "pipeline_parallel": np.isin(pp, resolved.pipeline_parallel),
        "data_parallel": np.isin(dp, resolved.data_parallel),
        "expert_parallel": np.isin(ep, resolved.expert_parallel) & (tp * dp % ep == 0),
        "batch": np.isin(batch, search.batch.sizes()) & (batch >= pp * dp),
        "gamma": np.isin(_column(plans, "gamma"), resolved.gamma),
        "replicas": _column(plans, "replicas") <= search.max_replicas,
    }
    for column, holds in allowed.items():
        expected = ["a value the instance allows"] * len(plans)
        yield from _told(column, _column(plans, column), ~holds, expected)
    weights, cache = first.weight_precision, first.kv_precision
    good = quality is None or quality.of(weights, cache) >= quality.at_least
    if not (good and weights in search.weights and cache in search.kv):
        yield Finding("weight_precision", f"{weights}, {cache}", "precisions the instance allows")
    whole = [degree.astype(np.int64) for degree in degrees]
    starts = np.broadcast_to(resolved.launches(whole, _draft(resolved, first)), tp.shape)
    yield from _told("engine", tp, ~starts, ["a deployment that it launches"] * len(plans))


def _limits(
    resolved: ResolvedInstance, plans: Sequence[Plan], numbers: Mapping[str, Floats]
) -> Iterator[Finding]:
    """Every requirement of the instance holds for the recomputed numbers."""
    at_most, at_least = limits(resolved, _supply(resolved, plans[0]))
    for column, limit in at_most.items():
        if limit is not None:
            over = numbers[column] > limit * (1.0 + TOLERANCE)
            yield from _told(column, numbers[column], over, [f"at most {limit:.9g}"] * len(plans))
    for column, limit in at_least.items():
        if limit is not None:
            under = numbers[column] < limit * (1.0 - TOLERANCE)
            yield from _told(column, numbers[column], under, [f"at least {limit:.9g}"] * len(plans))
