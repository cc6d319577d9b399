"""Runs of HiGHS that may be trusted: which settings were seen to lie together, and what it found.

Seen on models of the planner, and kept as tests (tests/solvers/test_trusted_runs.py): with presolve
on, a start, or rows to be kept more exactly than by default, HiGHS 1.16.0 reports optima that are
none: 273.64 as objective and bound where its own solution costs 309.72 and the optimum 304.85, and
22.125 where 20 is right. Without presolve, or without either of the others, its answers are right.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from solvers.outcome import SolverFailedError

USUAL_TOLERANCE = 1e-6
"""HiGHS's own tolerance of rows in mixed-integer programs."""
SAME = 1e-6
"""Relative difference up to which what HiGHS reports is the cost of its own solution."""


class UntrustedRunError(ValueError):
    """Settings under which HiGHS was seen to report optima that are none."""


def run(highs: Any, *, started: bool = False) -> None:
    """Run HiGHS, unless its settings were seen to lie together.

    Parameters
    ----------
    highs : Highs
        With a model and options.
    started : bool
        Whether a solution was given to start from.

    Raises
    ------
    UntrustedRunError
        Where presolve is on beside a start, or beside a tolerance below the usual one.
    """
    presolve, tolerance = (
        highs.getOptionValue(name)[1] for name in ("presolve", "mip_feasibility_tolerance")
    )
    if presolve != "off" and (started or tolerance < USUAL_TOLERANCE):
        beside = "a start" if started else f"mip_feasibility_tolerance {tolerance:g}"
        raise UntrustedRunError(f"presolve {presolve} beside {beside}: turn presolve off")
    highs.run()


def cost_of_solution(highs: Any) -> float:
    """Return what HiGHS's solution costs by the model's own coefficients.

    Raises
    ------
    SolverFailedError
        Where HiGHS reports another cost.
    """
    model = highs.getLp()
    values = np.asarray(highs.getSolution().col_value, dtype=np.float64)
    cost = float(np.asarray(model.col_cost_, dtype=np.float64) @ values) + float(model.offset_)
    told = float(highs.getInfo().objective_function_value)
    if not math.isclose(cost, told, rel_tol=SAME, abs_tol=SAME):
        raise SolverFailedError(f"it reports {told:.9g} where its own solution costs {cost:.9g}")
    return cost
