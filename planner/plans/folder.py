"""The folder of a plan: its four files, and those of the plan of one deployment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.io.output import make_folder, write_json, write_rows

if TYPE_CHECKING:
    from planner.plans.plan import Plan

PLAN_FILE, PURCHASES_FILE, SERVICE_FILE, SUMMARY_FILE = (
    "plan.csv",
    "purchases.csv",
    "service.csv",
    "summary.json",
)
FILES = (PLAN_FILE, PURCHASES_FILE, SERVICE_FILE, SUMMARY_FILE)
"""What a folder with a plan holds."""
PURCHASES = (
    *("instance", "pool", "market", "period", "gpus", "nodes", "dollars", "used_gpus"),
    *("utilisation", "shadow_price_dollars_per_gpu_hour"),
)
"""Columns of purchases.csv."""
SERVICE = (
    *("instance", "workload", "period", "demand", "capacity", "shed", "utilisation", "priority"),
)
"""Columns of service.csv."""


def write_plans(plans: Sequence[Plan], folder: Path) -> None:
    """Write plans of one deployment, such as the points of a sweep, into the files of a folder.

    Raises
    ------
    OutputError
        Where they cannot be written.
    """
    from planner.plans.plan import write_csv

    make_folder(folder)
    found = [plan for plan in plans if plan.found]
    write_csv(plans, folder / PLAN_FILE)
    write_rows([_purchase(plan) for plan in found], PURCHASES, folder / PURCHASES_FILE)
    write_rows([_service(plan) for plan in found], SERVICE, folder / SERVICE_FILE)
    heads = [summary(plan) for plan in plans]
    write_json(heads[0] if len(heads) == 1 else heads, folder / SUMMARY_FILE)


def _purchase(plan: Plan) -> dict[str, Any]:
    """Return what is rented: every accelerator by the hour, and used."""
    return {
        "instance": plan.instance,
        "pool": plan.pool,
        "market": "on-demand",
        "period": plan.period,
        "gpus": plan.gpus,
        "dollars": plan.dollars_per_hour,
        "used_gpus": plan.gpus,
        "utilisation": 1,
    }


def _service(plan: Plan) -> dict[str, Any]:
    """Return what the workload gets; where no demand was stated, all that the replica gives."""
    capacity = plan.requests_per_second or 0.0
    return {
        "instance": plan.instance,
        "workload": plan.workload,
        "period": plan.period,
        "demand": capacity * (1.0 if plan.utilisation is None else plan.utilisation),
        "capacity": capacity,
        "shed": 0,
        "utilisation": plan.utilisation,
        "priority": 1,
    }


def summary(plan: Plan) -> dict[str, Any]:
    """Return the head of the plan of one deployment, by the keys of a fleet's."""
    row = plan.to_row()
    same = ("instance", "status", "objective_name", "objective", "bound", "gap")
    later = ("planner_version", "instance_digest", "profile", "sweep", "message")
    return {
        **{key: row[key] for key in same},
        "dollars": row["dollars_per_hour"],
        "dollars_per_hour": row["dollars_per_hour"],
        "solver": row["solver"],
        "method": row["formulation"],
        "seconds": row["solve_seconds"],
        **{key: row[key] for key in later},
        "periods": [{"name": plan.period, "hours": 1.0}],
    }
