"""Solvers on small models whose answers are known: optima, ties, proofs and refusals."""

import math
import subprocess
import sys
from itertools import product
from pathlib import Path

import oracle
import pyomo.environ as pyo
import pytest
from random_instances import random_instance

from planner.candidates.table import tabulate
from planner.formulations import deployment
from planner.problem.resolve import resolve
from solvers import Outcome, Status, enumerate_all, solve_in_turn
from solvers.exhaustive import TooLargeError
from solvers.linear import NotLinearError
from solvers.outcome import SolverFailedError
from solvers.quiet_highspy import load_highspy

VALUES, WEIGHTS, ROOM = (10, 13, 7, 8, 12), (3, 4, 2, 3, 5), 9
MISJUDGED = (22, 61, 130, 205, 222, 551, 760, 1614)
"""Seeds whose full tables HiGHS 1.15.1 failed on, or called infeasible, with its presolve on."""


def by_scip(model: pyo.ConcreteModel, objectives: list, **options) -> Outcome:
    pytest.importorskip("pyscipopt", reason="the extra `scip` is not installed")
    return solve_in_turn(model, objectives, solver="scip", **options)


SOLVERS = {"highs": solve_in_turn, "scip": by_scip, "exhaustive": enumerate_all}
each_solver = pytest.mark.parametrize("solve", SOLVERS.values(), ids=SOLVERS)
each_mip = pytest.mark.parametrize("solve", [solve_in_turn, by_scip], ids=["highs", "scip"])


def knapsack() -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.ITEMS = pyo.RangeSet(0, len(VALUES) - 1)
    m.take = pyo.Var(m.ITEMS, domain=pyo.Binary)
    m.room = pyo.Constraint(expr=pyo.quicksum(WEIGHTS[i] * m.take[i] for i in m.ITEMS) <= ROOM)
    m.value = pyo.Objective(
        expr=pyo.quicksum(VALUES[i] * m.take[i] for i in m.ITEMS), sense=pyo.maximize
    )
    return m


def taken(m: pyo.ConcreteModel) -> tuple[int, ...]:
    return tuple(round(pyo.value(m.take[i])) for i in m.ITEMS)


@each_solver
def test_knapsack(solve):
    m = knapsack()
    outcome = solve(m, [m.value])
    fitting = [
        picked
        for picked in product((0, 1), repeat=len(VALUES))
        if sum(w * x for w, x in zip(WEIGHTS, picked, strict=True)) <= ROOM
    ]
    best = max(fitting, key=lambda picked: sum(v * x for v, x in zip(VALUES, picked, strict=True)))
    assert best == (1, 1, 1, 0, 0)
    assert taken(m) == best
    assert outcome.status is Status.OPTIMAL
    assert outcome.has_solution
    assert outcome.objective == pytest.approx(30)
    assert outcome.bound == pytest.approx(30)
    assert outcome.gap == pytest.approx(0, abs=1e-9)
    assert outcome.seconds >= 0


@each_solver
def test_a_constant_counts_and_minimising_is_the_other_direction(solve):
    m = pyo.ConcreteModel()
    m.n = pyo.Var(domain=pyo.Integers, bounds=(-5, 5))
    m.enough = pyo.Constraint(expr=2 * m.n >= -7)
    m.cost = pyo.Objective(expr=3 * m.n + 100)
    outcome = solve(m, [m.cost])
    assert pyo.value(m.n) == pytest.approx(-3)
    assert outcome.objective == pytest.approx(91)
    assert outcome.bound == pytest.approx(91)


@each_solver
def test_infeasible(solve):
    m = knapsack()
    m.too_much = pyo.Constraint(expr=pyo.quicksum(m.take[i] for i in m.ITEMS) >= 4)
    outcome = solve(m, [m.value])
    assert outcome.status is Status.INFEASIBLE
    assert not outcome.has_solution
    assert math.isnan(outcome.objective)
    assert math.isnan(outcome.bound)


def corners() -> pyo.ConcreteModel:
    """Six points of a square of whole numbers tie in the first aim, two of them in the second."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Integers, bounds=(0, 5))
    m.y = pyo.Var(domain=pyo.Integers, bounds=(0, 5))
    m.far = pyo.Var(domain=pyo.Integers, bounds=(0, 5))
    m.diagonal = pyo.Constraint(expr=m.x + m.y >= 5)
    m.right = pyo.Constraint(expr=m.far >= m.x - m.y)
    m.left = pyo.Constraint(expr=m.far >= m.y - m.x)
    m.total = pyo.Objective(expr=m.x + m.y)
    m.balance = pyo.Objective(expr=m.far)
    m.height = pyo.Objective(expr=m.y, sense=pyo.maximize)
    return m


@each_solver
def test_ties_are_broken_by_the_next_objective_in_turn(solve):
    m = corners()
    outcome = solve(m, [m.total, m.balance, m.height])
    assert [round(pyo.value(v)) for v in (m.x, m.y, m.far)] == [2, 3, 1]
    assert outcome.objective == pytest.approx(5)
    solve(m, [m.total, m.height])
    assert [round(pyo.value(v)) for v in (m.x, m.y)] == [0, 5]
    outcome = solve(m, [m.height, m.total])
    assert [round(pyo.value(v)) for v in (m.x, m.y)] == [0, 5]
    assert outcome.objective == pytest.approx(5)


@each_mip
def test_the_model_is_as_before_afterwards(solve):
    m = corners()
    before = [c.name for c in m.component_objects(pyo.Constraint)]
    solve(m, [m.total, m.balance, m.height])
    assert [c.name for c in m.component_objects(pyo.Constraint)] == before
    assert solve(m, [m.balance, m.total, m.height]).objective == pytest.approx(0)


@each_solver
def test_objectives_of_large_and_small_numbers_tie_alike(solve):
    for scale in (1e-4, 1.0, 1e5):
        m = pyo.ConcreteModel()
        m.pick = pyo.Var([0, 1, 2], domain=pyo.Binary)
        m.one = pyo.Constraint(expr=pyo.quicksum(m.pick.values()) == 1)
        costs = (3.0 * scale, scale, scale)
        m.cost = pyo.Objective(expr=pyo.quicksum(c * m.pick[i] for i, c in enumerate(costs)))
        m.last = pyo.Objective(expr=pyo.quicksum(i * m.pick[i] for i in m.pick), sense=pyo.maximize)
        outcome = solve(m, [m.cost, m.last])
        if scale >= 1.0:
            assert round(pyo.value(m.pick[2])) == 1
        assert outcome.objective == pytest.approx(scale, rel=1e-6)


@each_solver
def test_continuous_variables_that_follow_are_filled_in(solve):
    m = pyo.ConcreteModel()
    m.decide = pyo.Var([0, 1, 2], domain=pyo.Binary)
    m.choose = pyo.Var([0, 1, 2], bounds=(0, 1))
    m.one = pyo.Constraint(expr=pyo.quicksum(m.decide.values()) == 1)
    m.follows = pyo.Constraint([0, 1, 2], rule=lambda m, i: m.choose[i] == m.decide[i])
    m.enough = pyo.Constraint(expr=4 * m.choose[1] + 9 * m.choose[2] >= 3)
    m.least = pyo.Objective(expr=2 * m.choose[1] + 3 * m.choose[2])
    outcome = solve(m, [m.least])
    assert outcome.objective == pytest.approx(2)
    assert [pyo.value(m.choose[i]) for i in range(3)] == pytest.approx([0, 1, 0], abs=1e-9)


def test_enumeration_refuses_continuous_variables_that_stay_free():
    m = pyo.ConcreteModel()
    m.n = pyo.Var(domain=pyo.Binary)
    m.free = pyo.Var(bounds=(0, 1))
    m.least = pyo.Objective(expr=m.n + m.free)
    with pytest.raises(TooLargeError, match="do not follow"):
        enumerate_all(m, [m.least])


def test_enumeration_refuses_variables_without_bounds():
    m = pyo.ConcreteModel()
    m.n = pyo.Var(domain=pyo.NonNegativeIntegers)
    m.least = pyo.Objective(expr=m.n)
    with pytest.raises(TooLargeError, match="n has no bounds"):
        enumerate_all(m, [m.least])


def test_enumeration_refuses_rows_that_are_not_linear():
    m = pyo.ConcreteModel()
    m.n = pyo.Var([0, 1], domain=pyo.Binary)
    m.both = pyo.Constraint(expr=m.n[0] * m.n[1] >= 1)
    m.least = pyo.Objective(expr=m.n[0])
    with pytest.raises(NotLinearError, match="both is not linear"):
        enumerate_all(m, [m.least])


def test_enumeration_stops_at_its_limit():
    m = pyo.ConcreteModel()
    m.n = pyo.Var(range(12), domain=pyo.Binary)
    m.most = pyo.Objective(expr=pyo.quicksum(m.n.values()), sense=pyo.maximize)
    assert enumerate_all(m, [m.most], limit=2**13).objective == 12
    with pytest.raises(TooLargeError, match="more than 1,000"):
        enumerate_all(m, [m.most], limit=1_000)


@each_mip
def test_what_has_no_end_is_an_error(solve):
    m = pyo.ConcreteModel()
    m.n = pyo.Var(domain=pyo.NonNegativeIntegers)
    m.most = pyo.Objective(expr=m.n, sense=pyo.maximize)
    with pytest.raises(SolverFailedError):
        solve(m, [m.most])


def hard(items: int = 60) -> pyo.ConcreteModel:
    """A knapsack of even weights and odd room, which branching alone solves slowly."""
    m = pyo.ConcreteModel()
    m.take = pyo.Var(range(items), domain=pyo.Binary)
    weights = [2 * (1000 + 37 * i % 101) for i in range(items)]
    total = pyo.quicksum(w * m.take[i] for i, w in enumerate(weights))
    m.even = pyo.Constraint(expr=total <= sum(weights) // 2 // 2 * 2 + 1)
    m.most = pyo.Objective(expr=total, sense=pyo.maximize)
    return m


@each_mip
def test_time_that_runs_out_leaves_a_bound_or_nothing(solve):
    m = hard()
    outcome = solve(m, [m.most], time_limit_seconds=0.05)
    assert outcome.status in (Status.OPTIMAL, Status.FEASIBLE, Status.UNKNOWN)
    assert outcome.seconds < 10
    if outcome.has_solution:
        assert outcome.bound >= outcome.objective - 1e-6
    else:
        assert math.isnan(outcome.objective)


@each_mip
def test_a_gap_is_allowed_where_it_is_asked_for(solve):
    m = knapsack()
    outcome = solve(m, [m.value], relative_gap=0.5)
    assert outcome.status is Status.OPTIMAL
    assert outcome.gap <= 0.5 + 1e-9
    assert outcome.objective >= 30 / 1.5 - 1e-6


def test_gap_is_relative_to_the_objective():
    assert Outcome(Status.FEASIBLE, 200.0, 150.0, 0.0, "").gap == 0.25
    assert Outcome(Status.FEASIBLE, -200.0, -250.0, 0.0, "").gap == 0.25
    assert Outcome(Status.OPTIMAL, 0.0, 0.0, 0.0, "").gap == 0.0


@pytest.mark.parametrize("seed", MISJUDGED)
def test_highs_answers_models_that_its_presolve_misjudges(seed):
    instance = random_instance(seed)
    resolved = resolve(instance)
    table = tabulate(resolved)
    expected = oracle.answer(instance, oracle.rows_of(resolved, table))
    model = deployment.build(resolved, table)
    outcome = solve_in_turn(model, deployment.objectives(model))
    if expected is None:
        assert outcome.status is Status.INFEASIBLE
        return
    assert outcome.status is Status.OPTIMAL
    row, replicas = deployment.chosen_row(model)
    assert (list(model.CANDIDATES)[row], replicas) == expected[:2]
    assert outcome.objective == pytest.approx(expected[2], rel=1e-6)


def test_most_misjudged_models_have_a_solution():
    """Otherwise a solver that calls everything infeasible would pass above."""
    found = []
    for seed in MISJUDGED:
        instance = random_instance(seed)
        resolved = resolve(instance)
        rows = oracle.rows_of(resolved, tabulate(resolved))
        found.append(oracle.answer(instance, rows) is not None)
    assert sum(found) >= 5


def test_an_object_of_highs_is_made_in_silence():
    """Releases from 1.16.0 on print a banner before `output_flag` can be set, Pyomo's too."""
    lines = (
        "from solvers.quiet_highspy import load_highspy, highs_version",
        "import pyomo.environ as pyo",
        "load_highspy().Highs()",
        "assert highs_version()",
        "m = pyo.ConcreteModel()",
        "m.x = pyo.Var(bounds=(0, 1))",
        "m.best = pyo.Objective(expr=m.x)",
        "for name in ('highs', 'appsi_highs'):",
        "    pyo.SolverFactory(name).solve(m)",
    )
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == ""


def test_what_highs_is_asked_to_print_is_printed(capfd):
    highs = load_highspy().Highs()
    highs.addVar(0.0, 1.0)
    highs.run()
    assert "Optimal" in capfd.readouterr().out


USED_BEFORE = """
import highspy
other = highspy.Highs()
other.setOptionValue("output_flag", False)
other.setOptionValue("threads", 2)
other.addVar(0.0, 1.0)
other.run()
import planner
plan = planner.solve(planner.read_instance("instances/smallest"))
fleet = planner.solve(planner.read_instance("instances/melange"))
print(plan.status, fleet.status)
"""


def test_a_process_that_used_highs_with_more_threads_can_plan() -> None:
    """HiGHS has one scheduler for a process, and refuses another number of threads."""
    ran = subprocess.run(
        [sys.executable, "-c", USED_BEFORE],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "optimal optimal"
