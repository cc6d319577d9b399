"""A mixed-integer program put together column by column, and given to HiGHS as it is."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from solvers.quiet_highspy import load_highspy

Terms = Iterable[tuple[float, int]]


@dataclass(frozen=True)
class Answer:
    """What HiGHS says of the second model."""

    infeasible: bool
    objective: float
    """NaN where no plan was found."""
    bound: float


@dataclass
class Program:
    """Columns and rows as HiGHS takes them."""

    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    rows: list[tuple[float, float, list[tuple[float, int]]]] = field(default_factory=list)

    def column(self, cost: float = 0.0, upper: float = math.inf, *, whole: bool = False) -> int:
        self.cost.append(cost)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.cost) - 1

    def at_least(self, lower: float, terms: Terms) -> None:
        self.rows.append((lower, math.inf, list(terms)))

    def at_most(self, upper: float, terms: Terms) -> None:
        self.rows.append((-math.inf, upper, list(terms)))

    def solve(self, seconds: float, *, presolve: bool) -> Answer:
        highspy = load_highspy()
        highs = highspy.Highs()
        options = {"output_flag": False, "threads": 1, "mip_rel_gap": 0.0, "mip_abs_gap": 0.0}
        options |= {"time_limit": seconds, "presolve": "choose" if presolve else "off"}
        for name, value in options.items():
            highs.setOptionValue(name, value)
        highs.passModel(self.as_highs(highspy))
        highs.run()
        info, status = highs.getInfo(), highs.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            return Answer(True, math.nan, math.inf)
        found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        bound = info.mip_dual_bound if any(self.whole) else info.objective_function_value
        return Answer(False, info.objective_function_value if found else math.nan, bound)

    def as_highs(self, highspy: Any) -> Any:
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(self.cost), len(self.rows)
        program.col_cost_ = np.array(self.cost)
        program.col_lower_, program.col_upper_ = np.zeros(len(self.cost)), np.array(self.upper)
        kinds = highspy.HighsVarType
        program.integrality_ = [kinds.kInteger if one else kinds.kContinuous for one in self.whole]
        program.row_lower_ = np.array([row[0] for row in self.rows])
        program.row_upper_ = np.array([row[1] for row in self.rows])
        matrix = program.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        sums: list[dict[int, float]] = []
        for _, _, terms in self.rows:
            together: dict[int, float] = defaultdict(float)
            for value, column in terms:
                together[column] += value
            sums.append(together)
        starts = np.cumsum([0, *map(len, sums)])
        matrix.start_ = starts.astype(np.int32)
        matrix.index_ = np.array([c for row in sums for c in row], dtype=np.int32)
        matrix.value_ = np.array([value for row in sums for value in row.values()], dtype=float)
        return program
