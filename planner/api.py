"""The whole planner on one page: read, tabulate, formulate, solve, check, tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from planner import answer
from planner.check import check_plan
from planner.errors import CheckError, MissingExtraError, SolverError
from planner.formulations import deployment
from planner.instance import Instance, Solver
from planner.plan import Plan
from planner.question import ask
from planner.survey import survey
from solvers import Outcome, Status, enumerate_all, solve_in_turn
from solvers.exhaustive import TooLargeError
from solvers.mip import SolverFailedError, SolverMissingError


def solve(instance: Instance, progress: Callable[[int], None] | None = None) -> Plan:
    """Find the best deployment of an instance and prove it.

    Parameters
    ----------
    instance : Instance
        From `planner.read_instance`, or built in code.
    progress : callable, optional
        Told how many deployments were evaluated so far.

    Returns
    -------
    Plan
        `optimal` with its proof, `time_limit` with a bound, or `infeasible` with the nearest
        that could be met. Every deployment has passed the independent checker.

    Raises
    ------
    InputError
        Where the instance names what does not exist or contradicts itself.
    SolverError
        Where the solver stopped without an answer that can be trusted.
    CheckError
        Where the checker disagrees with the plan.
    """
    question = ask(instance)
    found = survey(question, progress)
    if found.choices is None:
        return answer.infeasible(question, found)
    choices = found.choices
    model = deployment.build(question, choices)
    outcome = _run(instance.solver, model)
    if outcome.status is Status.INFEASIBLE:
        raise SolverError(f"{outcome.solver} finds no solution among deployments that all qualify.")
    if not outcome.has_solution:
        return answer.out_of_time(question, found, outcome)
    row, replicas = deployment.chosen_row(model)
    plan = answer.plan(
        question,
        found,
        chosen=choices.take(np.asarray([row])),
        replicas=replicas,
        outcome=outcome,
    )
    if findings := check_plan(plan.to_row(), instance):
        raise CheckError("\n".join(["The plan failed its check:", *map(str, findings)]))
    return plan


def _run(solver: Solver, model: Any) -> Outcome:
    objectives = deployment.objectives(model)
    try:
        if solver.name == "exhaustive":
            return enumerate_all(model, objectives)
        return solve_in_turn(
            model,
            objectives,
            solver=solver.name,
            time_limit_seconds=solver.time_limit_seconds,
            relative_gap=solver.relative_gap,
        )
    except SolverMissingError:
        raise MissingExtraError("pyscipopt", "scip") from None
    except (SolverFailedError, TooLargeError) as error:
        raise SolverError(f"{solver.name} stopped without an answer: {error}.") from error
