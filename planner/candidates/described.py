"""A deployment in the columns of a plan: its decisions, its times, its memory, and their origin."""

from __future__ import annotations

from planner.candidates.table import Candidates, draft_name
from planner.problem.resolve import ResolvedInstance, Supply

MEASURED_KINDS = {"grouped-query", "dense"}
"""Kinds of layers among the measurements that profiles were fitted to; drafts are not."""
DEGREES = (
    "tensor_parallel",
    "pipeline_parallel",
    "data_parallel",
    "expert_parallel",
    "batch",
    "gamma",
    "draft_tensor_parallel",
)
NUMBERS = (
    "arithmetic_seconds",
    "memory_seconds",
    "network_seconds",
    "latency_seconds",
    "step_seconds",
    "tokens_per_round",
    "stall_seconds",
    "prefill_seconds",
    "memory_bytes_per_gpu",
    "weight_bytes_per_gpu",
    "cache_pool_bytes_per_gpu",
)


def described(
    resolved: ResolvedInstance, table: Candidates, row: int
) -> dict[str, str | int | float | None]:
    """Return what a plan says of one deployment, however many run and whatever they cost.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    table : Candidates
        Deployments.
    row : int
        Which of them.

    Returns
    -------
    dict of str to str, int, float or None
        By the plan's columns, in their units.
    """
    search, supply = resolved.instance.search, resolved.pools[table.pool[row]]
    return {
        "transformer": resolved.llm.name,
        "accelerator": supply.accelerator.name,
        **{name: int(getattr(table, name)[row]) for name in DEGREES},
        "weight_precision": search.weights[table.weights[row]],
        "kv_precision": search.kv[table.kv[row]],
        "draft": draft_name(resolved, int(table.draft[row])),
        **{name: float(getattr(table, name)[row]) for name in NUMBERS},
        "max_concurrency": int(table.max_concurrency[row]),
        "usable_memory_bytes_per_gpu": float(table.usable_bytes_per_gpu[row]),
        **_origin(resolved, supply, drafted=bool(table.draft[row])),
    }


def _origin(
    resolved: ResolvedInstance, supply: Supply, *, drafted: bool
) -> dict[str, str | float | None]:
    family = resolved.profile.families.get(supply.accelerator.family)
    alike = not drafted and set(resolved.llm.kinds) <= MEASURED_KINDS
    known = alike and family is not None and family.samples > 0
    calibration = "measured" if alike and not supply.rates.estimated else "estimated"
    if resolved.profile.accelerators:
        calibration = resolved.profile.name
    return {
        "profile_error": family.median_error if family is not None and known else None,
        "calibration": calibration,
    }
