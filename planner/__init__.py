"""Inference Planner: the cheapest way to serve a language model that is still fast enough.

The public names are loaded on first use, so that importing the package is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from planner.version import __version__

if TYPE_CHECKING:
    from planner.api import solve
    from planner.batch import solve_many
    from planner.check import check_plan
    from planner.errors import PlannerError
    from planner.estimating import estimate
    from planner.instance import Instance
    from planner.plan import Plan
    from planner.reading import read_instance

_HOMES = {
    "Instance": "planner.instance",
    "Plan": "planner.plan",
    "PlannerError": "planner.errors",
    "check_plan": "planner.check",
    "estimate": "planner.estimating",
    "read_instance": "planner.reading",
    "solve": "planner.api",
    "solve_many": "planner.batch",
}

__all__ = [
    "Instance",
    "Plan",
    "PlannerError",
    "__version__",
    "check_plan",
    "estimate",
    "read_instance",
    "solve",
    "solve_many",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
