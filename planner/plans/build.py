"""Drawing up a plan: the chosen deployment, its proof, what binds, and where numbers come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.candidates.screening import Screening
from planner.candidates.table import Candidates, draft_name
from planner.plans.plan import Plan, swept_text
from planner.problem.resolve import ResolvedInstance, Supply
from planner.problem.tolerances import ROUNDING
from planner.version import __version__
from solvers import Outcome


def plan(
    resolved: ResolvedInstance,
    found: Screening,
    *,
    chosen: Candidates,
    replicas: int,
    outcome: Outcome,
) -> Plan:
    """Return the plan of one chosen deployment.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    found : Screening
        The walk over every deployment.
    chosen : Candidates
        The one chosen deployment.
    replicas : int
        How many replicas of it run.
    outcome : Outcome
        The solver's proof.
    """
    supply = resolved.pools[chosen.pool[0]]
    return Plan(
        status=outcome.status.value,
        objective=outcome.objective,
        bound=outcome.bound,
        gap=outcome.gap,
        solve_seconds=outcome.seconds,
        solver=outcome.solver,
        binding=_binding(resolved, found, outcome.objective),
        **_decisions(resolved, chosen, replicas),
        **_numbers(resolved, chosen, replicas),
        **_origin(resolved, supply, drafted=bool(chosen.draft[0])),
        **_provenance(resolved, found),
    )


def infeasible(resolved: ResolvedInstance, found: Screening, message: str) -> Plan:
    """Return the plan that says why nothing satisfies the instance.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    found : Screening
        The walk over every deployment, which found none that is possible.
    message : str
        Why nothing is possible, and what would help.
    """
    return Plan(
        status="infeasible",
        message=message,
        **_provenance(resolved, found),
    )


def out_of_time(resolved: ResolvedInstance, found: Screening, outcome: Outcome) -> Plan:
    """Return the plan that says no solution was found in time."""
    seconds = resolved.instance.solver.time_limit_seconds
    return Plan(
        status="no_solution_in_time",
        solver=outcome.solver,
        message=f"No plan within {seconds:g} s; raise solver.time_limit_seconds.",
        **_provenance(resolved, found),
    )


def _provenance(resolved: ResolvedInstance, found: Screening) -> dict[str, Any]:
    instance = resolved.instance
    return {
        "instance": instance.name,
        "transformer": resolved.llm.name,
        "objective_name": instance.aim,
        "candidates": found.evaluated,
        "profile": resolved.profile.name,
        "planner_version": __version__,
        "instance_digest": instance.digest,
        "sweep": swept_text(instance.swept),
    }


def _decisions(resolved: ResolvedInstance, chosen: Candidates, replicas: int) -> dict[str, Any]:
    search, supply = resolved.instance.search, resolved.pools[chosen.pool[0]]
    per_replica = int(chosen.gpus_per_replica[0])
    return {
        "pool": supply.label,
        "accelerator": supply.accelerator.name,
        "tensor_parallel": int(chosen.tensor_parallel[0]),
        "pipeline_parallel": int(chosen.pipeline_parallel[0]),
        "expert_parallel": int(chosen.expert_parallel[0]),
        "data_parallel": int(chosen.data_parallel[0]),
        "batch": int(chosen.batch[0]),
        "weight_precision": search.weights[chosen.weights[0]],
        "kv_precision": search.kv[chosen.kv[0]],
        "draft": draft_name(resolved, int(chosen.draft[0])),
        "draft_tensor_parallel": int(chosen.draft_tensor_parallel[0]),
        "gamma": int(chosen.gamma[0]),
        "gpus_per_replica": per_replica,
        "replicas": replicas,
        "gpus": per_replica * replicas,
    }


def _numbers(resolved: ResolvedInstance, chosen: Candidates, replicas: int) -> dict[str, Any]:
    demand = resolved.instance.workload.tokens_per_second
    total = replicas * float(chosen.replica_tokens_per_second[0])
    names = (
        "arithmetic_seconds",
        "memory_seconds",
        "network_seconds",
        "latency_seconds",
        "step_seconds",
        "tokens_per_round",
        "stall_seconds",
        "tpot_seconds",
        "prefill_seconds",
        "time_to_first_token_seconds",
        "tokens_per_second_per_request",
        "dollars_per_million_tokens",
        "dollars_per_gpu_hour",
        "memory_bytes_per_gpu",
    )
    return {
        **{name: float(getattr(chosen, name)[0]) for name in names},
        "usable_memory_bytes_per_gpu": float(chosen.usable_bytes_per_gpu[0]),
        "tokens_per_second": total,
        "dollars_per_hour": float(chosen.dollars_per_hour(np.asarray(float(replicas)))[0]),
        "utilisation": 1.0 if demand is None else demand / total,
    }


MEASURED_KINDS = {"grouped-query", "dense"}
"""Kinds of layers among the measurements that profiles were fitted to; drafts are not."""


def _origin(resolved: ResolvedInstance, supply: Supply, *, drafted: bool) -> dict[str, Any]:
    family = resolved.profile.families.get(supply.accelerator.family)
    alike = not drafted and set(resolved.llm.kinds) <= MEASURED_KINDS
    known = alike and family is not None and family.samples > 0
    calibration = "measured" if alike and not supply.rates.estimated else "estimated"
    if resolved.profile.accelerators:
        calibration = resolved.profile.name
    return {
        "price_source": supply.price_source,
        "profile_error": family.median_error if family is not None and known else None,
        "calibration": calibration,
    }


def _binding(resolved: ResolvedInstance, found: Screening, objective: float) -> str:
    """List the requirements whose removal alone would better the objective, and by how much."""
    aim = resolved.instance.aim
    sign = -1.0 if aim == "tokens_per_second_per_request" else 1.0
    reliefs = sorted(
        (
            (sign * objective - best, name, sign * best)
            for name, best in found.best_without.items()
            if sign * objective - best > ROUNDING * abs(objective)
        ),
        reverse=True,
    )
    return "; ".join(f"{name} (without it {aim} {best:.6g})" for _, name, best in reliefs)
