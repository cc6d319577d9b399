"""Gathering what a report tells: the plan, its explanation, the frontier, or the diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planner.explanation.explaining import Explanation, explain
from planner.frontiers import Frontier, frontier
from planner.infeasibility.diagnosis import Diagnosis
from planner.instance import Instance
from planner.plan import Plan
from planner.question import Question, Supply, ask
from planner.tables import Tables

EXPLAINED = 0.9
"""Part of the work after which the explanation is done."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a report tells about one instance."""

    question: Question
    explanation: Explanation
    """With nothing but the plan where there is no deployment."""
    frontier: Frontier

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Why nothing satisfies the instance; None where something does."""
        return self.explanation.diagnosis

    @property
    def instance(self) -> Instance:
        """What was asked."""
        return self.question.instance

    @property
    def plan(self) -> Plan:
        """The answer."""
        return self.explanation.plan

    @property
    def supply(self) -> Supply:
        """The pool that was chosen."""
        [chosen] = [pool for pool in self.question.pools if pool.label == self.plan.pool]
        return chosen


def gathered(instance: Instance, progress: Callable[[float], None] | None = None) -> Findings:
    """Solve and explain an instance and find its frontier.

    Parameters
    ----------
    instance : Instance
        What is asked.
    progress : callable, optional
        Told which part of the work is done, from 0 to 1.

    Raises
    ------
    InputError, SolverError, CheckError
        As `planner.explain` does.
    """
    tell = progress or (lambda _: None)
    tables = Tables()
    question = ask(instance)
    explanation = explain(instance, tables=tables, progress=lambda done: tell(EXPLAINED * done))
    tell(EXPLAINED)
    front = frontier(instance, tables=tables)
    tell(1.0)
    return Findings(question, explanation, front)
