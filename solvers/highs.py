"""HiGHS, fed with rows: the model is read once, however many objectives follow one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap

from solvers import trusted_runs
from solvers.linear import Linear, Score, linear_form
from solvers.outcome import Outcome, SolverFailedError, Status
from solvers.quiet_highspy import load_highspy

OPTIONS: dict[str, Any] = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "mip_abs_gap": 0.0,
    # HiGHS 1.15.1 calls some feasible models of a hundred columns infeasible when it presolves
    # (tests/solvers/test_solvers.py); without presolve it does not.
    "presolve": "off",
    # Small models take 1 ms without this heuristic and 6 ms with it.
    "mip_heuristic_run_feasibility_jump": False,
}
NEGLIGIBLE_COST = 1e-7
"""Part of the largest coefficient of an objective below which one counts for nothing."""


class Highs:
    """One model in HiGHS, with the objectives that it may be asked to optimise."""

    def __init__(
        self, model: pyo.ConcreteModel, objectives: Sequence[pyo.Objective], tolerance: float
    ) -> None:
        self._highs: Any = load_highspy().Highs()
        self._form = linear_form(model, objectives)
        for name, value in OPTIONS.items():
            self._highs.setOptionValue(name, value)
        self._highs.setOptionValue("mip_feasibility_tolerance", tolerance)
        if self._highs.passModel(_program(self._form)) == load_highspy().HighsStatus.kError:
            raise SolverFailedError("numbers of the model that are too large")
        self._values: list[float] | None = None

    @property
    def name(self) -> str:
        """Name and version."""
        return f"highs {self._highs.version()}"

    def optimise(self, index: int, seconds: float, relative_gap: float) -> Outcome:
        """Optimise one objective under the rows there are by now."""
        score = self._form.scores[index]
        scale = _aim(self._highs, score, len(self._form.variables))
        # The clock of HiGHS runs on from one objective to the next.
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + seconds)
        self._highs.setOptionValue("mip_rel_gap", relative_gap)
        trusted_runs.run(self._highs)
        status = self._status()
        if status in (Status.INFEASIBLE, Status.UNKNOWN):
            return Outcome(status, math.nan, math.nan, 0.0, self.name)
        self._values = list(self._highs.getSolution().col_value)
        info = self._highs.getInfo()
        value = trusted_runs.cost_of_solution(self._highs)
        bound = info.mip_dual_bound if self._discrete else value
        return Outcome(status, value / scale, bound / scale, 0.0, self.name)

    def keep(self, index: int, limit: float, scale: float) -> None:
        """Let `scale` x the objective be no worse than `scale` x `limit` from now on."""
        score = self._form.scores[index]
        sign = -scale if score.maximised else scale
        bound = sign * (limit - score.constant)
        coefficients = sign * np.asarray(score.coefficients, dtype=np.float64)
        columns = np.asarray(score.columns, dtype=np.int32)
        self._highs.addRow(-math.inf, bound, len(columns), columns, coefficients)

    def duals(self, index: int, seconds: float) -> Any:
        """Return the dual value of every constraint where nothing need be whole.

        Of the model as it came; None where time runs out. Rows that ties added count for nothing.
        """
        relaxed = load_highspy().Highs()
        for name, value in OPTIONS.items():
            relaxed.setOptionValue(name, value)
        relaxed.setOptionValue("time_limit", seconds)
        program = _program(self._form)
        program.integrality_ = []
        relaxed.passModel(program)
        score = self._form.scores[index]
        scale = _aim(relaxed, score, len(self._form.variables))
        trusted_runs.run(relaxed)
        if relaxed.getModelStatus() != load_highspy().HighsModelStatus.kOptimal:
            return None
        values = relaxed.getSolution().row_dual
        pairs = zip(self._form.constraints, values, strict=True)
        return ComponentMap((constraint, value / scale) for constraint, value in pairs)

    def load(self) -> None:
        """Put the last solution found into the model's variables."""
        if self._values is not None:
            self._form.load(self._values)

    @property
    def _discrete(self) -> bool:
        return any(not variable.is_continuous() for variable in self._form.variables)

    def _status(self) -> Status:
        highspy = load_highspy()
        status = self._highs.getModelStatus()
        known = highspy.HighsModelStatus
        if status in (known.kOptimal, known.kModelEmpty):
            return Status.OPTIMAL
        if status == known.kInfeasible:
            return Status.INFEASIBLE
        if status == known.kTimeLimit:
            feasible = highspy.SolutionStatus.kSolutionStatusFeasible
            found = self._highs.getInfo().primal_solution_status == feasible
            return Status.FEASIBLE if found else Status.UNKNOWN
        raise SolverFailedError(self._highs.modelStatusToString(status))


def _aim(highs: Any, score: Score, columns: int) -> float:
    """Set an objective, scaled until its least coefficient is 1; return the scale.

    HiGHS compares reduced costs with absolute tolerances, which small prices would slip under.
    Coefficients below `NEGLIGIBLE_COST` of the largest may: what they weigh is no matter.
    """
    highspy = load_highspy()
    sizes = [abs(c) for c in score.coefficients if c]
    least = NEGLIGIBLE_COST * max(sizes, default=1.0)
    scale = 1.0 / max(min(sizes, default=1.0), least)
    costs = np.zeros(columns)
    costs[list(score.columns)] = scale * np.asarray(score.coefficients)
    highs.changeColsCost(columns, np.arange(columns, dtype=np.int32), costs)
    highs.changeObjectiveOffset(scale * score.constant)
    sense = highspy.ObjSense.kMaximize if score.maximised else highspy.ObjSense.kMinimize
    highs.changeObjectiveSense(sense)
    return scale


def _program(form: Linear) -> Any:
    """Return the rows and columns as HiGHS takes them."""
    highspy = load_highspy()
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(form.variables), len(form.rows)
    bounds = [variable.bounds for variable in form.variables]
    program.col_lower_ = np.asarray([-math.inf if low is None else low for low, _ in bounds])
    program.col_upper_ = np.asarray([math.inf if high is None else high for _, high in bounds])
    program.col_cost_ = np.zeros(len(form.variables))
    kinds = highspy.HighsVarType
    program.integrality_ = [
        kinds.kContinuous if variable.is_continuous() else kinds.kInteger
        for variable in form.variables
    ]
    program.row_lower_ = np.asarray([row.lower for row in form.rows], dtype=np.float64)
    program.row_upper_ = np.asarray([row.upper for row in form.rows], dtype=np.float64)
    matrix = program.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    lengths = [len(row.columns) for row in form.rows]
    matrix.start_ = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    matrix.index_ = np.asarray([c for row in form.rows for c in row.columns], dtype=np.int32)
    values = [value for row in form.rows for value in row.coefficients]
    matrix.value_ = np.asarray(values, dtype=np.float64)
    return program
