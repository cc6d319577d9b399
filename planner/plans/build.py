"""Drawing up a plan: the chosen deployment, its proof, what binds, and where numbers come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.candidates.described import described
from planner.candidates.screening import Screening
from planner.candidates.table import Candidates, label_of
from planner.plans.fleet_columns import CAPACITY_TYPES
from planner.plans.plan import Plan, swept_text
from planner.problem.fleet import ONLY_PERIOD
from planner.problem.resolve import ResolvedInstance
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
    return Plan(
        status=outcome.status.value,
        objective=outcome.objective,
        bound=outcome.bound,
        gap=outcome.gap,
        solve_seconds=outcome.seconds,
        formulation="deployment",
        solver=outcome.solver,
        binding=_binding(resolved, found, outcome.objective),
        **_provenance(resolved, found) | _decisions(resolved, chosen, replicas),
        **_numbers(resolved, chosen, replicas),
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
        formulation="deployment",
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
    instance, supply = resolved.instance, resolved.pools[chosen.pool[0]]
    about, per_replica = described(resolved, chosen, 0), int(chosen.gpus_per_replica[0])
    quality = None
    if instance.quality is not None:
        quality = instance.quality.of(str(about["weight_precision"]), str(about["kv_precision"]))
    return about | {
        "workload": instance.workload.transformer,
        "period": ONLY_PERIOD,
        "pool": supply.label,
        "market": CAPACITY_TYPES[0],
        "role": _role(resolved),
        "label": label_of(resolved, chosen, 0, pool=False),
        "price_source": supply.price_source,
        "gpus_per_replica": per_replica,
        "quality": quality,
        "replicas": replicas,
        "starts": 0,
        "gpus": per_replica * replicas,
    }


def _role(resolved: ResolvedInstance) -> str:
    return "colocated" if resolved.switches.prefill == "colocated" else "decode"


def _numbers(resolved: ResolvedInstance, chosen: Candidates, replicas: int) -> dict[str, Any]:
    workload = resolved.instance.workload
    total = replicas * float(chosen.replica_tokens_per_second[0])
    demand = workload.tokens_per_second
    names = (
        "tpot_seconds",
        "time_to_first_token_seconds",
        "tokens_per_second_per_request",
        "dollars_per_million_tokens",
        "dollars_per_gpu_hour",
    )
    return {
        **{name: float(getattr(chosen, name)[0]) for name in names},
        "tokens_per_second": total,
        "requests_per_second": total / workload.output_tokens,
        "dollars_per_hour": float(chosen.dollars_per_hour(np.asarray(float(replicas)))[0]),
        "utilisation": 1.0 if demand is None else demand / total,
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
