"""SCIP through Pyomo: a second opinion that shares no code with HiGHS."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyomo.environ as pyo
from pyomo.repn import generate_standard_repn

from solvers.outcome import Outcome, SolverFailedError, SolverMissingError, Status

# SCIP 10 loses optima of some models of a hundred columns when it presolves.
OPTIONS: dict[str, Any] = {"presolving/maxrounds": 0, "limits/absgap": 0.0}


class Scip:
    """One model for SCIP, with the objectives that it may be asked to optimise."""

    def __init__(
        self, model: pyo.ConcreteModel, objectives: Sequence[pyo.Objective], tolerance: float
    ) -> None:
        from pyomo.contrib.solver.common.factory import SolverFactory

        self._engine = SolverFactory("scip_direct")
        if not self._engine.available():
            raise SolverMissingError("scip")
        self._model, self._objectives = model, objectives
        self._options = {**OPTIONS, "numerics/feastol": tolerance}
        self._kept: list[Any] = []

    @property
    def name(self) -> str:
        """Name and version."""
        return f"scip {'.'.join(map(str, self._engine.version()))}"

    def optimise(self, index: int, seconds: float, relative_gap: float) -> Outcome:
        """Optimise one objective under the rows there are by now."""
        from pyomo.contrib.solver.common.util import NoFeasibleSolutionError, NoOptimalSolutionError

        try:
            with self._scaled(self._objectives[index]) as scale, self._ties():
                results = self._engine.solve(
                    self._model,
                    time_limit=seconds,
                    rel_gap=relative_gap,
                    load_solutions=False,
                    raise_exception_on_nonoptimal_result=False,
                    solver_options=self._options,
                )
        except (NoFeasibleSolutionError, NoOptimalSolutionError) as error:
            raise SolverFailedError(str(error)) from error
        status = _status(results)
        if status in (Status.INFEASIBLE, Status.UNKNOWN):
            return Outcome(status, math.nan, math.nan, 0.0, self.name)
        results.solution_loader.load_vars()
        value, bound = float(results.incumbent_objective), float(results.objective_bound)
        return Outcome(status, value / scale, bound / scale, 0.0, self.name)

    def keep(self, index: int, limit: float, scale: float) -> None:
        """Let `scale` x the objective be no worse than `scale` x `limit` from now on."""
        objective = self._objectives[index]
        sign = scale if objective.sense == pyo.minimize else -scale
        self._kept.append(sign * objective.expr <= sign * limit)

    def duals(self, index: int, seconds: float) -> None:
        """Return nothing: SCIP's relaxations are its own."""

    def load(self) -> None:
        """Do nothing: solutions are in the model's variables as soon as they are found."""

    @contextmanager
    def _ties(self) -> Iterator[None]:
        """Let the model hold what is to be kept, while it is solved."""
        self._model.ties = pyo.ConstraintList()
        for kept in self._kept:
            self._model.ties.add(kept)
        try:
            yield
        finally:
            self._model.del_component("ties")

    @contextmanager
    def _scaled(self, chosen: pyo.Objective) -> Iterator[float]:
        """Put a multiple of `chosen` in its place whose least coefficient is 1; yield the factor.

        SCIP compares reduced costs with absolute tolerances, which small prices would slip under.
        """
        active = list(self._model.component_objects(pyo.Objective, active=True))
        for objective in active:
            objective.deactivate()
        coefficients = [abs(c) for c in generate_standard_repn(chosen.expr).linear_coefs if c]
        scale = 1.0 / min(coefficients, default=1.0)
        self._model.scaled = pyo.Objective(expr=scale * chosen.expr, sense=chosen.sense)
        try:
            yield scale
        finally:
            self._model.del_component("scaled")
            for objective in active:
                objective.activate()


def _status(results: Any) -> Status:
    from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

    found = results.solution_status in (SolutionStatus.feasible, SolutionStatus.optimal)
    condition = results.termination_condition
    if condition == TerminationCondition.convergenceCriteriaSatisfied and found:
        return Status.OPTIMAL
    if condition == TerminationCondition.maxTimeLimit:
        return Status.FEASIBLE if found else Status.UNKNOWN
    if condition == TerminationCondition.provenInfeasible:
        return Status.INFEASIBLE
    raise SolverFailedError(f"{condition.name}, {results.solution_status.name}")
