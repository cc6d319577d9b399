"""Columns of a fleet's tables, in the order in which they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from planner.io.column_csv import Column, Named
from planner.io.output import SIGNIFICANT_DIGITS, compact_json
from planner.plans.plan import COLUMNS
from planner.problem.offers import ROLES

if TYPE_CHECKING:
    from planner.plans.fleet_plan import FleetPlan

Floats = NDArray[np.float64]

MARKETS = ("reserved", "on-demand", "spot")
"""Ways of paying; a purchase's market is an index into these."""
OWNED = "owned"
"""What people call accelerators that are reserved at no cost: they are paid for already."""
CAPACITY_TYPES = ("steady", "spot")
"""What a replica runs on: accelerators that stay (reserved or on demand), or spot."""


def market_word(market: int, dollars: Floats) -> str:
    """Return what people call purchases of one way of paying, by what each of them costs."""
    return OWNED if market == 0 and not dollars.any() else MARKETS[market]


def replica_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns of plan.csv: those of every plan, and those of classes and of rises."""
    known = _head_columns(plan) | _row_columns(plan) | _number_columns(plan)
    return {
        **{name: known.get(name) for name in COLUMNS},
        **_class_columns(plan),
        **_rise_columns(plan),
    }


def _head_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns that all rows share."""
    objective, bound, gap = hourly_objective(plan)
    return {
        "instance": plan.fleet,
        "status": plan.status,
        "objective_name": plan.objective_name,
        "objective": objective,
        "bound": bound,
        "safe_bound": hourly_safe_bound(plan),
        "gap": gap,
        "formulation": plan.method,
        "solver": plan.solver,
        "solve_seconds": plan.seconds,
        "profile": plan.profile,
        "planner_version": plan.planner_version,
        "instance_digest": plan.fleet_digest,
        "sweep": plan.sweep,
        "message": plan.message,
        "rows": str(max(len(plan.replicas), 1)),
    }


def hourly_objective(plan: FleetPlan) -> tuple[float, float, float]:
    """Return the value of what is sought, its bound and their gap, as `objective_name` has it.

    Dollars are those of a mean hour of the horizon, refused requests included.
    """
    if plan.traffic is not None:
        return plan.traffic.requests_per_second, plan.traffic.bound, plan.traffic.gap
    if plan.objective_name == "requests_per_second":
        return math.nan, math.nan, math.nan
    hours = float(plan.hours.sum())
    return plan.objective / hours, plan.bound / hours, plan.gap


def hourly_safe_bound(plan: FleetPlan) -> float:
    """Return the safe bound in dollars of a mean hour; NaN where something else is sought."""
    if plan.objective_name == "requests_per_second":
        return math.nan
    return plan.safe_bound / float(plan.hours.sum())


def _row_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return what every row says of its place and its deployment."""
    rows = plan.replicas
    names = dict.fromkeys(name for one in rows.deployments for name in one)
    return {
        "workload": Named(plan.workloads, rows.workload),
        "period": Named(plan.periods, rows.period),
        "pool": Named(plan.pools, rows.pool),
        "market": Named(CAPACITY_TYPES, rows.spot.astype(np.int64)),
        "role": Named(ROLES, rows.role),
        "label": Named(rows.labels, rows.label),
        **{
            name: Named([one.get(name) for one in rows.deployments], rows.deployment)
            for name in names
        },
        "gpus_per_replica": rows.gpus_per_replica,
        "quality": rows.quality,
        "tpot_seconds": rows.tpot_seconds,
        "time_to_first_token_seconds": rows.ttft_seconds,
    }


def _number_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return how many every row has, what they give, and what they cost."""
    rows = plan.replicas
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = 1.0 / rows.tpot_seconds
        per_token = rows.dollars_per_gpu_hour * rows.gpus / (3600.0 * rows.tokens_per_second)
    used = plan.service.utilisation
    return {
        "tokens_per_second_per_request": speed,
        "replicas": rows.replicas,
        "starts": rows.starts,
        "gpus": rows.gpus,
        "requests_per_second": rows.requests_per_second,
        "tokens_per_second": rows.tokens_per_second,
        "utilisation": used[rows.workload, rows.period] if len(rows) else None,
        "dollars_per_gpu_hour": rows.dollars_per_gpu_hour,
        "price_source": Named(rows.price_sources, rows.price_source),
        "dollars_per_hour": rows.dollars_per_hour,
        "dollars_per_million_tokens": 1e6 * per_token,
    }


def purchase_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns of purchases.csv."""
    rows = plan.purchases
    return {
        "instance": plan.fleet,
        "pool": Named(plan.pools, rows.pool),
        "market": Named(MARKETS, rows.market),
        "period": Named(plan.periods, rows.period),
        "gpus": rows.gpus,
        "nodes": rows.nodes,
        "dollars": rows.dollars,
        "used_gpus": rows.used_gpus,
        "utilisation": rows.utilisation,
        "shadow_price_dollars_per_gpu_hour": rows.shadow_price,
    }


def service_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns of service.csv, workload by workload."""
    workloads, periods = plan.service.demand.shape
    return {
        "instance": plan.fleet,
        "workload": Named(plan.workloads, np.repeat(np.arange(workloads), periods)),
        "period": Named(plan.periods, np.tile(np.arange(periods), workloads)),
        "demand": plan.service.demand.ravel(),
        "capacity": plan.service.capacity.ravel(),
        "shed": plan.service.shed.ravel(),
        "utilisation": plan.service.utilisation.ravel(),
        "priority": np.repeat(plan.service.priority, periods),
    }


def _class_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return what is served of each class, where a workload has classes."""
    if not any(plan.classes):
        return {}
    return {"served": _served_texts(plan, plan.replicas.served)}


def _rise_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns of plans that are ready for workloads that rise."""
    rows = plan.replicas
    if rows.extra is None:
        return {}
    return {
        "extra_replicas": rows.extra,
        "served_when_risen": _served_texts(plan, rows.served_when_risen),
    }


def _served_texts(plan: FleetPlan, served: Floats | None) -> Column:
    """Return the requests served by class as JSON, empty where requests are alike."""
    if served is None:
        return Named((), np.full(len(plan.replicas), -1))
    texts = []
    for workload, row in zip(plan.replicas.workload.tolist(), served.tolist(), strict=True):
        # Classes that a workload does not have stand behind those that it has.
        pairs = zip(plan.classes[workload], row, strict=False)
        by_class = {name: _rounded(value) for name, value in pairs}
        texts.append(_compact(by_class) if by_class else "")
    return texts


def _compact(values: Mapping[str, float]) -> str:
    return compact_json(values)


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
