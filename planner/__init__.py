"""Inference Planner: the cheapest way to serve a language model that is still fast enough.

The public names are loaded on first use, so that importing the package is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from planner.version import __version__

if TYPE_CHECKING:
    from planner.analysis.estimate import estimate
    from planner.analysis.explain import explain
    from planner.analysis.explanation.explain import Explanation
    from planner.analysis.fleet.explain import FleetExplanation
    from planner.analysis.frontier import Frontier, frontier
    from planner.analysis.session import Session, session
    from planner.api import solve
    from planner.batch.run import solve_many
    from planner.errors import PlannerError
    from planner.infeasibility.diagnosis import Diagnosis, diagnose
    from planner.io.instance_file import read_instance, read_instances
    from planner.plans.fleet_plan import FleetPlan
    from planner.plans.plan import Plan
    from planner.plans.read_csv import read_plans
    from planner.plans.read_fleet import read_fleet_plan
    from planner.problem.fleet import Fleet
    from planner.problem.instance import Instance
    from planner.reporting import report, report_of_plans
    from planner.verification.check_plan import check_plan
    from planner.verification.fleet.check_fleet_plan import check_fleet_plan

_HOMES = {
    "Diagnosis": "planner.infeasibility.diagnosis",
    "Explanation": "planner.analysis.explanation.explain",
    "FleetExplanation": "planner.analysis.fleet.explain",
    "Fleet": "planner.problem.fleet",
    "FleetPlan": "planner.plans.fleet_plan",
    "Frontier": "planner.analysis.frontier",
    "Instance": "planner.problem.instance",
    "Plan": "planner.plans.plan",
    "PlannerError": "planner.errors",
    "Session": "planner.analysis.session",
    "check_fleet_plan": "planner.verification.fleet.check_fleet_plan",
    "check_plan": "planner.verification.check_plan",
    "diagnose": "planner.infeasibility.diagnosis",
    "estimate": "planner.analysis.estimate",
    "explain": "planner.analysis.explain",
    "frontier": "planner.analysis.frontier",
    "read_fleet_plan": "planner.plans.read_fleet",
    "read_instance": "planner.io.instance_file",
    "read_instances": "planner.io.instance_file",
    "read_plans": "planner.plans.read_csv",
    "report": "planner.reporting",
    "report_of_plans": "planner.reporting",
    "session": "planner.analysis.session",
    "solve": "planner.api",
    "solve_many": "planner.batch.run",
}

__all__ = [
    "Diagnosis",
    "Explanation",
    "Fleet",
    "FleetExplanation",
    "FleetPlan",
    "Frontier",
    "Instance",
    "Plan",
    "PlannerError",
    "Session",
    "__version__",
    "check_fleet_plan",
    "check_plan",
    "diagnose",
    "estimate",
    "explain",
    "frontier",
    "read_fleet_plan",
    "read_instance",
    "read_instances",
    "read_plans",
    "report",
    "report_of_plans",
    "session",
    "solve",
    "solve_many",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
