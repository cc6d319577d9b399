"""Formulation D by three solvers beside the plain-Python oracle, on one random instance."""

import math
from typing import Any

import oracle
from random_instances import random_instance

from planner.candidates.table import Candidates, tabulate
from planner.formulations import deployment
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from solvers import Outcome, Status, enumerate_all, solve_in_turn

Answer = tuple[str, int, float] | None
"""Label, replicas and objective; None where no deployment qualifies."""


def by_scip(model: Any, objectives: Any) -> Outcome:
    return solve_in_turn(model, objectives, solver="scip")


SOLVERS = {"highs": solve_in_turn, "exhaustive": enumerate_all, "scip": by_scip}


def solved(instance: Instance, table: Candidates, solve: Any) -> tuple[Outcome, Answer]:
    """Formulate a table and solve it; return the outcome and what was chosen."""
    model = deployment.build(resolve(instance), table)
    outcome = solve(model, deployment.objectives(model))
    if outcome.status is Status.INFEASIBLE:
        return outcome, None
    row, replicas = deployment.chosen_row(model)
    return outcome, (list(model.CANDIDATES)[row], replicas, outcome.objective)


def disagreement(seed: int, solvers: tuple[str, ...] = tuple(SOLVERS)) -> str:
    """What a solver answers otherwise than the oracle on the whole table; nothing where none does.

    Nothing is screened here, so that every constraint of D has work to do.
    """
    instance = random_instance(seed)
    resolved = resolve(instance)
    table = tabulate(resolved)
    expected = oracle.answer(instance, oracle.rows_of(resolved, table))
    for name in solvers:
        found = solved(instance, table, SOLVERS[name])[1]
        if not same(found, expected):
            return f"{name} answers {found}, the oracle {expected}"
    return ""


def same(found: Answer, expected: Answer) -> bool:
    """Whether two answers name the same deployment, as often, at the same objective."""
    if found is None or expected is None:
        return found is expected
    return found[:2] == expected[:2] and math.isclose(found[2], expected[2], rel_tol=1e-6)
