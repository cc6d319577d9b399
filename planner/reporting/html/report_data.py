"""Gathering what a report tells: the plan, its explanation, the frontier, or the diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planner.analysis.explain import explain
from planner.analysis.explanation.explain import Explanation
from planner.analysis.frontier import Frontier, frontier
from planner.candidates.shortlist_cache import ShortlistCache
from planner.infeasibility.diagnosis import Diagnosis
from planner.plans.plan import Plan
from planner.problem.instance import Instance
from planner.problem.resolve import ResolvedInstance, Supply, resolve

EXPLAINED = 0.9
"""Part of the work after which the explanation is done."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a report tells about one instance."""

    resolved: ResolvedInstance
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
        return self.resolved.instance

    @property
    def plan(self) -> Plan:
        """The answer."""
        return self.explanation.plan

    @property
    def supply(self) -> Supply:
        """The pool that was chosen."""
        [chosen] = [pool for pool in self.resolved.pools if pool.label == self.plan.pool]
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
    shortlists = ShortlistCache()
    resolved = resolve(instance)
    explanation = explain(
        instance, shortlists=shortlists, progress=lambda done: tell(EXPLAINED * done)
    )
    tell(EXPLAINED)
    front = frontier(instance, shortlists=shortlists)
    tell(1.0)
    return Findings(resolved, explanation, front)
