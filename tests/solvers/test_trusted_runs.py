"""Settings under which HiGHS was seen to lie are refused, and what it reports is recomputed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from solvers import trusted_runs
from solvers.outcome import SolverFailedError
from solvers.quiet_highspy import load_highspy
from solvers.trusted_runs import UntrustedRunError


def silent(**options):
    highs = load_highspy().Highs()
    for name, value in ({"output_flag": False, "threads": 1} | options).items():
        highs.setOptionValue(name, value)
    return highs


def knapsack(**options):
    highs = silent(**options)
    for value in (10.0, 13.0, 7.0):
        highs.addCol(-value, 0.0, 1.0, 0, [], [])
    highs.addRow(-highs.inf, 6.0, 3, np.arange(3, dtype=np.int32), np.array([3.0, 4.0, 2.0]))
    kinds = np.full(3, load_highspy().HighsVarType.kInteger)
    highs.changeColsIntegrality(3, np.arange(3, dtype=np.int32), kinds)
    return highs


def test_presolve_beside_a_start_is_refused() -> None:
    with pytest.raises(UntrustedRunError, match="presolve on beside a start"):
        trusted_runs.run(knapsack(presolve="on"), started=True)
    with pytest.raises(UntrustedRunError, match="presolve choose beside a start"):
        trusted_runs.run(knapsack(presolve="choose"), started=True)


def test_presolve_beside_exact_rows_is_refused() -> None:
    with pytest.raises(UntrustedRunError, match="mip_feasibility_tolerance 1e-09"):
        trusted_runs.run(knapsack(presolve="on", mip_feasibility_tolerance=1e-9))


@pytest.mark.parametrize(
    ("options", "started"),
    [
        ({"presolve": "off"}, True),
        ({"presolve": "off", "mip_feasibility_tolerance": 1e-9}, True),
        ({"presolve": "on"}, False),
    ],
)
def test_other_settings_run(options, started) -> None:
    highs = knapsack(**options)
    trusted_runs.run(highs, started=started)
    assert trusted_runs.cost_of_solution(highs) == pytest.approx(-20.0)


def test_a_cost_that_is_not_that_of_the_solution_is_seen() -> None:
    highs = knapsack(presolve="off")
    trusted_runs.run(highs)

    class Lying:
        """Reports another objective than its solution has."""

        def __getattr__(self, name: str):
            return getattr(highs, name)

        def getInfo(self):  # noqa: N802
            info = highs.getInfo()
            info.objective_function_value = -25.0
            return info

    with pytest.raises(SolverFailedError, match="reports -25 where its own solution costs -20"):
        trusted_runs.cost_of_solution(Lying())


DATA = os.environ.get("PLANNER_DATA")
CASES = None if DATA is None else Path(DATA).parent / "cases"


@pytest.mark.skipif(CASES is None or not CASES.is_dir(), reason="the kept models are not here")
@pytest.mark.parametrize(
    ("case", "tolerance", "optimum"),
    [("solver-presolve-and-1e-9", 1e-9, 20.0), ("solver-presolve-and-start", 1e-6, 304.85)],
)
def test_models_on_which_it_lied_are_solved_rightly(case, tolerance, optimum) -> None:
    assert CASES is not None
    highs = silent(presolve="off", mip_feasibility_tolerance=tolerance)
    highs.readModel(str(CASES / case / "model.mps"))
    trusted_runs.run(highs)
    assert trusted_runs.cost_of_solution(highs) == pytest.approx(optimum, rel=1e-4)
