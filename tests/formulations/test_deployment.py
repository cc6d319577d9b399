"""Formulation D: HiGHS, SCIP, the exhaustive solver and the plain-Python oracle agree."""

import oracle
import pytest
from random_instances import random_instance
from three_solvers import disagreement

import planner
from planner.candidates.dominance import undominated
from planner.candidates.requirements import all_met, requirements
from planner.candidates.table import tabulate
from planner.formulations import deployment
from planner.problem.resolve import resolve

SEEDS = range(300)
SCIP_SEEDS = range(0, 300, 10)


@pytest.mark.parametrize("seed", SEEDS)
def test_solvers_and_oracle_agree_on_the_whole_table(seed: int) -> None:
    assert not disagreement(seed, ("highs", "exhaustive"))


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
    assert not disagreement(seed, ("scip",))


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
