"""The whole planner on one page: read, tabulate, formulate, solve, check, tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from planner import answer
from planner.candidates import Candidates
from planner.check import check_plan
from planner.dominance import has_ties
from planner.errors import CheckError, MissingExtraError, SolverError
from planner.formulations import deployment
from planner.instance import Instance, Solver
from planner.plan import Plan
from planner.question import Question, ask
from planner.survey import Survey, survey
from planner.tables import Tables
from solvers import Outcome, Status, enumerate_all, solve_in_turn
from solvers.exhaustive import TooLargeError
from solvers.outcome import SolverFailedError, SolverMissingError


def solve(
    instance: Instance,
    progress: Callable[[int], None] | None = None,
    tables: Tables | None = None,
) -> Plan:
    """Find the best deployment of an instance and prove it.

    Parameters
    ----------
    instance : Instance
        From `planner.read_instance`, or built in code.
    progress : callable, optional
        Told how many deployments were evaluated so far.
    tables : Tables, optional
        Shortlists of earlier instances, from which this one is answered where it can be.

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
    found = survey(question, progress, tables)
    if found.choices is None:
        return answer.infeasible(question, found, tables)
    plan = _plan(question, found, found.choices)
    if plan.found and (findings := check_plan(plan.to_row(), instance)):
        raise CheckError("\n".join(["The plan failed its check:", *map(str, findings)]))
    return plan


def answer_question(question: Question, tables: Tables | None = None) -> Plan | None:
    """Find the best deployment of a question whose records may differ from the catalogue's.

    The same way as `solve`, but for its ends: the checker, which looks every record up in the
    catalogue, is not asked, and why nothing is possible is not worked out.

    Parameters
    ----------
    question : Question
        From `planner.question.ask`, with other rates, say.
    tables : Tables, optional
        As for `solve`.

    Returns
    -------
    Plan or None
        None where no deployment meets every requirement.

    Raises
    ------
    SolverError
        As `solve` does.
    """
    found = survey(question, tables=tables)
    return None if found.choices is None else _plan(question, found, found.choices)


def _plan(question: Question, found: Survey, choices: Candidates) -> Plan:
    """Let the solver choose among what a survey left."""
    model = deployment.build(question, choices)
    objectives = deployment.objectives(model)
    if not has_ties(question, choices):  # What comes after the number of accelerators is settled.
        objectives = objectives[:2]
    outcome = _run(question.instance.solver, model, objectives)
    if outcome.status is Status.INFEASIBLE:
        raise SolverError(f"{outcome.solver} finds no solution among deployments that all qualify.")
    if not outcome.has_solution:
        return answer.out_of_time(question, found, outcome)
    row, replicas = deployment.chosen_row(model)
    chosen = choices.take(np.asarray([row]))
    return answer.plan(question, found, chosen=chosen, replicas=replicas, outcome=outcome)


def _run(solver: Solver, model: Any, objectives: list[Any]) -> Outcome:
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
