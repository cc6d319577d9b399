"""Formulation D: HiGHS, SCIP, the exhaustive solver and the plain-Python oracle agree."""

import oracle
import pytest
from random_instances import random_instance

import planner
from planner.candidates.dominance import undominated
from planner.candidates.requirements import all_met, requirements
from planner.candidates.table import tabulate
from planner.formulations import deployment
from planner.problem.resolve import resolve
from solvers import Outcome, Status, enumerate_all, solve_in_turn

SEEDS = range(300)
SCIP_SEEDS = range(0, 300, 10)


def solved(instance, table, solve) -> tuple[Outcome, tuple[str, int, float] | None]:
    """Formulate a table and solve it; return the outcome and what was chosen."""
    resolved = resolve(instance)
    model = deployment.build(resolved, table)
    outcome = solve(model, deployment.objectives(model))
    if outcome.status is Status.INFEASIBLE:
        return outcome, None
    row, replicas = deployment.chosen_row(model)
    return outcome, (list(model.CANDIDATES)[row], replicas, outcome.objective)


def assert_same(found, expected) -> None:
    assert (found is None) == (expected is None), (found, expected)
    if expected is not None:
        assert found[:2] == expected[:2]
        assert found[2] == pytest.approx(expected[2], rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_solvers_and_oracle_agree_on_the_whole_table(seed: int) -> None:
    """Nothing is screened here, so that every constraint of D has work to do."""
    instance = random_instance(seed)
    resolved = resolve(instance)
    table = tabulate(resolved)
    expected = oracle.answer(instance, oracle.rows_of(resolved, table))
    _, by_highs = solved(instance, table, solve_in_turn)
    assert_same(by_highs, expected)
    _, by_enumeration = solved(instance, table, enumerate_all)
    assert_same(by_enumeration, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_screening_and_dominance_change_nothing(seed: int) -> None:
    instance = random_instance(seed)
    resolved = resolve(instance)
    table = tabulate(resolved)
    expected = oracle.answer(instance, oracle.rows_of(resolved, table))
    plan = planner.solve(instance)
    assert plan.found == (expected is not None)
    if expected is None:
        assert plan.status == "infeasible"
        assert plan.message
        return
    possible = table.take(all_met(requirements(resolved, table)))
    kept = possible.take(undominated(resolved, possible))
    names = [deployment.sort_key(resolved, kept, row) for row in range(len(kept))]
    assert expected[0] in names
    assert (plan.replicas, plan.objective) == (expected[1], pytest.approx(expected[2], rel=1e-6))
    assert f"_b{plan.batch:05d}" in expected[0]
    assert plan.gap <= 1e-9


@pytest.mark.parametrize("seed", SCIP_SEEDS)
def test_scip_agrees(seed: int) -> None:
    pytest.importorskip("pyscipopt", reason="the extra `scip` is not installed")
    instance = random_instance(seed)
    resolved = resolve(instance)
    table = tabulate(resolved)
    expected = oracle.answer(instance, oracle.rows_of(resolved, table))
    _, found = solved(instance, table, lambda m, o: solve_in_turn(m, o, solver="scip"))
    assert_same(found, expected)


def test_the_random_instances_are_of_every_kind() -> None:
    answers = []
    for seed in SEEDS:
        instance = random_instance(seed)
        resolved = resolve(instance)
        answers.append(oracle.answer(instance, oracle.rows_of(resolved, tabulate(resolved))))
    infeasible = sum(answer is None for answer in answers)
    assert 0.1 < infeasible / len(answers) < 0.6
    assert len({answer[0] for answer in answers if answer}) > 80
    assert max(answer[1] for answer in answers if answer) > 4
