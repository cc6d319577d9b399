"""Pyomo models in, outcomes out; nothing here knows what a GPU is."""

from solvers.exhaustive import enumerate_all
from solvers.mip import solve_in_turn
from solvers.outcome import Outcome, Status

__all__ = ["Outcome", "Status", "enumerate_all", "solve_in_turn"]
