"""Inference Planner: the cheapest way to serve a language model that is still fast enough.

The public names are loaded on first use, so that importing the package is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from planner.version import __version__

if TYPE_CHECKING:
    from planner.api import solve
    from planner.batches.batch import solve_many
    from planner.check import check_plan
    from planner.errors import PlannerError
    from planner.estimating import estimate
    from planner.explanation.explaining import Explanation, explain
    from planner.fleets.checking.findings import check_fleet_plan
    from planner.fleets.fleet import Fleet
    from planner.fleets.reading import read_fleet
    from planner.fleets.solving import solve_fleet
    from planner.fleets.telling.plan import FleetPlan
    from planner.fleets.telling.stored import read_fleet_plan
    from planner.frontiers import Frontier, frontier
    from planner.infeasibility.diagnosis import Diagnosis, diagnose
    from planner.instance import Instance
    from planner.plan import Plan
    from planner.reading import read_instance, read_instances
    from planner.reporting import report, report_of_plans
    from planner.results import read_plans
    from planner.sessions import Session, session

_HOMES = {
    "Diagnosis": "planner.infeasibility.diagnosis",
    "Explanation": "planner.explanation.explaining",
    "Fleet": "planner.fleets.fleet",
    "FleetPlan": "planner.fleets.telling.plan",
    "Frontier": "planner.frontiers",
    "Instance": "planner.instance",
    "Plan": "planner.plan",
    "PlannerError": "planner.errors",
    "Session": "planner.sessions",
    "check_fleet_plan": "planner.fleets.checking.findings",
    "check_plan": "planner.check",
    "diagnose": "planner.infeasibility.diagnosis",
    "estimate": "planner.estimating",
    "explain": "planner.explanation.explaining",
    "frontier": "planner.frontiers",
    "read_fleet": "planner.fleets.reading",
    "read_fleet_plan": "planner.fleets.telling.stored",
    "read_instance": "planner.reading",
    "read_instances": "planner.reading",
    "read_plans": "planner.results",
    "report": "planner.reporting",
    "report_of_plans": "planner.reporting",
    "session": "planner.sessions",
    "solve": "planner.api",
    "solve_fleet": "planner.fleets.solving",
    "solve_many": "planner.batches.batch",
}

__all__ = [
    "Diagnosis",
    "Explanation",
    "Fleet",
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
    "read_fleet",
    "read_fleet_plan",
    "read_instance",
    "read_instances",
    "read_plans",
    "report",
    "report_of_plans",
    "session",
    "solve",
    "solve_fleet",
    "solve_many",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
