"""Deployments that the planner tabulated, recomputed from what rows say was decided in them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from planner.errors import InputError
from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet, FleetWorkload
from planner.problem.instance import Instance, Pool
from planner.problem.label import label
from planner.problem.offers import Deployment, Offers
from planner.problem.resolve import NO_DRAFT, ResolvedInstance, resolve
from planner.problem.tolerances import CHECKED
from planner.problem.workload_question import lone_workload, workload_question
from planner.terms.forward_pass import Precision
from planner.verification import rules
from planner.verification.check_plan import Finding
from planner.verification.fleet.replicas import Rows
from planner.verification.recompute import Decisions, recomputed

DESCRIBED = (
    "gpus_per_replica",
    "tpot_seconds",
    "time_to_first_token_seconds",
    "requests_per_second",
)
"""Columns of which the offers have what one idle replica has."""


def deployment_findings(
    plan: FleetPlan, fleet: Fleet, offers: Offers, rows: Rows
) -> Iterator[Finding]:
    """Yield what does not follow from the decisions of deployments, each looked at once."""
    table = plan.replicas
    known = np.array([bool(one) for one in table.deployments], dtype=bool)[table.deployment]
    stated = np.zeros(len(table), dtype=bool)
    if offers.deployment:
        known_of_offers = np.array([bool(one) for one in offers.deployment], dtype=bool)
        stated = known_of_offers[rows.each.offer]
    for row in np.flatnonzero(stated != known)[:1].tolist():
        yield Finding("deployment", rows.name(row), "degrees and times, where they are known")
    resolved: dict[str, ResolvedInstance] = {}
    for row in _once(plan, fleet, np.flatnonzero(stated & known).tolist()):
        workload, pool = fleet.workloads[table.workload[row]], fleet.pools[table.pool[row]]
        key = f"{_physics(workload)} {pool.accelerator}"
        try:
            if key not in resolved:
                asked = _instance(fleet, workload, pool.accelerator or "")
                resolved[key] = resolve(asked)
            found = table.deployments[table.deployment[row]]
            numbers = _of_offer(offers, int(rows.each.offer[row]))
            yield from _findings(found, numbers, table.labels[table.label[row]], resolved[key])
        except (ArithmeticError, KeyError, TypeError, ValueError, InputError) as error:
            yield Finding("deployment", error, f"the whole deployment of {rows.name(row)}")


def _once(plan: FleetPlan, fleet: Fleet, rows: list[int]) -> list[int]:
    """Return one row of each deployment of each physics on each accelerator."""
    table = plan.replicas
    kinds: dict[tuple[object, ...], int] = {}
    accelerators = [pool.accelerator for pool in fleet.pools]
    physics = {w: _physics(fleet.workloads[w]) for w in np.unique(table.workload[rows]).tolist()}
    for row in rows:
        place = accelerators[table.pool[row]], table.label[row], table.deployment[row]
        kinds.setdefault((physics[int(table.workload[row])], *place), row)
    return list(kinds.values())


def _physics(workload: FleetWorkload) -> str:
    """Name what times and memory of a workload's deployments follow from."""
    return repr(lone_workload(workload)) + repr(
        (
            workload.search,
            workload.quality,
            workload.engine,
            workload.usable_memory_fraction,
            workload.collectives,
        )
    )


def _instance(fleet: Fleet, workload: FleetWorkload, accelerator: str) -> Instance:
    """Return the question of one replica on one accelerator; prices do not matter to it."""
    return workload_question(
        fleet, workload, [Pool(accelerator=accelerator, dollars_per_gpu_hour=1.0)]
    )


def _of_offer(offers: Offers, row: int) -> dict[str, float]:
    columns = offers.gpus, offers.tpot_seconds, offers.ttft_seconds, offers.rates[:, 0]
    return {name: float(of[row]) for name, of in zip(DESCRIBED, columns, strict=True)}


def _findings(
    found: Deployment, numbers: dict[str, float], name: str, resolved: ResolvedInstance
) -> Iterator[Finding]:
    """Compare what is said of one deployment with what follows from its decisions."""
    decided, supply = _decided(found, resolved), resolved.pools[0]
    truths = rules.allowed(resolved, supply, decided, 1) | {
        "transformer": np.asarray(found["transformer"] == resolved.llm.name),
        "accelerator": np.asarray(found["accelerator"] == supply.accelerator.name),
        "draft": np.asarray(decided.draft is not None or found["draft"] == NO_DRAFT),
        "engine": rules.launches(resolved, decided),
        "label": np.asarray(name == _label(found, decided)),
    }
    for column, holds in truths.items():
        if not holds:
            expected = "what the workload allows and its degrees say"
            yield Finding(column, f"{found.get(column, name)} for {name}", expected)
    right = {column: float(of) for column, of in recomputed(resolved, supply, decided, 1).items()}
    every = {**found, **numbers}
    for column in right.keys() & every.keys():
        value = _number(every[column])
        if not math.isclose(value, right[column], rel_tol=CHECKED, abs_tol=1e-15):
            yield Finding(column, f"{value:.9g} for {name}", f"{right[column]:.9g}")
    if not right["memory_bytes_per_gpu"] <= supply.rates.memory_bytes * (1.0 + CHECKED):
        most = f"at most {supply.rates.memory_bytes:.9g}"
        yield Finding("memory_bytes_per_gpu", f"{right['memory_bytes_per_gpu']:.9g}", most)


def _decided(found: Deployment, resolved: ResolvedInstance) -> Decisions:
    drafts = {draft.name: draft for draft in resolved.drafts}
    gamma = _whole(found, "gamma")
    return Decisions(
        precision=Precision(str(found["weight_precision"]), str(found["kv_precision"])),
        tensor_parallel=_whole(found, "tensor_parallel"),
        pipeline_parallel=_whole(found, "pipeline_parallel"),
        data_parallel=_whole(found, "data_parallel"),
        expert_parallel=_whole(found, "expert_parallel"),
        batch=_whole(found, "batch"),
        draft=drafts[str(found["draft"])] if gamma else None,
        gamma=gamma,
    )


def _number(value: str | float | None) -> float:
    return math.nan if value is None else float(value)


def _whole(found: Deployment, column: str) -> int:
    value = _number(found[column])
    if not value.is_integer():
        raise ValueError(f"{column} = {found[column]}")
    return int(value)


def _label(found: Deployment, decided: Decisions) -> str:
    tp, pp, dp, ep = (int(degree) for degree in decided.degrees)
    return label(
        tensor_parallel=tp,
        pipeline_parallel=pp,
        data_parallel=dp,
        expert_parallel=ep,
        weights=decided.precision.weights,
        kv=decided.precision.cache,
        batch=int(np.asarray(decided.batch)),
        draft=str(found["draft"]),
        gamma=decided.gamma,
    )
