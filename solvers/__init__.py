"""Pyomo models in, outcomes out; nothing here knows what a GPU is.

The names are loaded on first use: who only wants to know an outcome needs no Pyomo.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from solvers.exhaustive import enumerate_all
    from solvers.mip import solve_in_turn
    from solvers.outcome import Outcome, Status

_HOMES = {
    "Outcome": "solvers.outcome",
    "Status": "solvers.outcome",
    "enumerate_all": "solvers.exhaustive",
    "solve_in_turn": "solvers.mip",
}

__all__ = ["Outcome", "Status", "enumerate_all", "solve_in_turn"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
