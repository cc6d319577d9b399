"""Statuses say what happened: whether time ran out, and whether more of it would help."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import fleet_plans
import numpy as np
import pytest
from random_fleets import random_figures
from small_fleets import by

from planner.api import solve_fleet
from planner.candidates.fleet.model_data import SolveResult
from planner.cli.app import exit_code
from planner.formulations.column_generation.algorithm import better
from planner.formulations.column_generation.integer_master import Chosen, Goal
from planner.formulations.column_generation.patterns import Patterns
from planner.plans.plan import FOUND, Status
from planner.plans.search_words import search_words
from planner.problem.fleet import Fleet
from planner.reporting.html.batch_section import STATUS_WORDS
from planner.verification.check_plan import NOT_FOUND
from planner.verification.fleet.check_fleet_plan import check_fleet_plan

NAN = math.nan
DOCS = Path(__file__).parents[2] / "docs"


def offers_of(*rows: tuple[int, int, str, int, float]):
    """Workload, pool, label, accelerators, and requests per second of what is on offer."""
    return fleet_plans.offers_of(
        [(w, p, label, gpus, 0, rate, 0.05, NAN, NAN, NAN) for w, p, label, gpus, rate in rows]
    )


def with_starts() -> tuple[Fleet, object]:
    """Two workloads with starts, scarce nodes and something to reserve: G leaves a gap of it."""
    workloads = [
        {"name": "long", "requests_per_second": [3, 5, 1, 4], "startup_dollars": 1.0},
        {"name": "short", "requests_per_second": [1, 5, 6, 2], "startup_dollars": 2.0},
    ]
    workloads[0]["min_replicas"] = 2
    fleet = Fleet.model_validate(
        {
            "name": "starts",
            "periods": 4,
            "pools": [
                {
                    "name": "nodes",
                    "gpus": 8,
                    "gpus_per_node": 4,
                    "on_demand": {"dollars_per_gpu_hour": 1.3},
                },
                {
                    "name": "any",
                    "reserved": {"dollars_per_gpu_hour": 0.7},
                    "on_demand": {"dollars_per_gpu_hour": 1.1},
                },
            ],
            "workloads": [one | {"max_deployments": "any"} for one in workloads],
            "solver": {"relative_gap": 0.0, "time_limit_seconds": 300.0},
        }
    )
    rows = ((0, 0, "t4", 4, 2.3), (0, 1, "t2", 2, 1.1), (1, 0, "t2", 2, 1.7), (1, 1, "t3", 3, 2.2))
    return fleet, offers_of(*rows)


def test_a_search_that_ends_with_a_gap_does_not_say_that_time_ran_out() -> None:
    fleet, offers = with_starts()
    plan = solve_fleet(by(fleet, "decomposition"), offers)
    assert plan.status == "feasible"
    assert plan.seconds < 100
    assert plan.gap > 0
    assert "`solver.method: milp` may" in plan.message
    assert check_fleet_plan(plan, by(fleet, "decomposition"), offers) == []
    for method in ("auto", "milp"):
        proved = solve_fleet(by(fleet, method), offers)
        assert (proved.status, round(proved.objective, 9)) == ("optimal", 48.2)
        assert proved.message == ""


def test_a_search_without_time_says_so() -> None:
    fleet, offers = with_starts()
    solver = fleet.solver.model_copy(update={"method": "decomposition", "time_limit_seconds": 0.02})
    plan = solve_fleet(fleet.model_copy(update={"solver": solver}), offers)
    assert plan.status in ("time_limit", "no_solution_in_time")


def zero_demand(periods: int) -> tuple[Fleet, object]:
    """A workload that asks for nothing needs no deployment, though none of those there is fits."""
    idle = {"name": "later", "requests_per_second": 0.0, "tokens_per_second_per_request": 40}
    busy = [{"name": f"w{w}", "requests_per_second": 1.0 + 0.3 * w} for w in range(8)]
    pool = {"name": "p", "on_demand": {"dollars_per_gpu_hour": 1.0}}
    fleet = Fleet.model_validate(
        {"name": "idle", "periods": periods, "pools": [pool], "workloads": [*busy, idle]}
    )
    sizes = ((1, 1.1), (2, 2.4), (4, 5.6))
    rows = [(w, 0, f"x{gpus}", gpus, rate) for w in range(8) for gpus, rate in sizes]
    return fleet, offers_of(*rows, (8, 0, "x8", 8, 10.0))


@pytest.mark.parametrize("periods", [1, 24])
@pytest.mark.parametrize("method", ["auto", "milp", "decomposition"])
def test_no_demand_needs_no_deployment(periods: int, method: str) -> None:
    fleet, offers = zero_demand(periods)
    plan = solve_fleet(by(fleet, method), offers)
    assert plan.status == "optimal"
    assert plan.dollars_per_hour == pytest.approx(18.0)


@pytest.mark.parametrize("method", ["auto", "milp", "decomposition"])
def test_no_demand_needs_no_offer_either(method: str) -> None:
    fleet = Fleet.model_validate(
        {
            "name": "quantiles",
            "pools": [{"name": "p", "spot": {"dollars_per_gpu_hour": 0.5}}],
            "demand_quantile": "p95",
            "workloads": [
                {"name": "none", "requests_per_second": 0},
                {"name": "some", "requests_per_second": {"p50": [0.25], "p95": [0.5]}},
            ],
        }
    )
    plan = solve_fleet(by(fleet, method), offers_of((1, 0, "four", 4, 7.0)))
    assert (plan.status, plan.dollars_per_hour) == ("optimal", 2.0)


def result(status: str, objective: float = NAN, bound: float = NAN) -> SolveResult:
    decided = None if math.isnan(objective) else object()
    return SolveResult(status, decided, objective, bound, 1.0, "")


@pytest.mark.parametrize(
    ("one", "other", "status", "objective", "bound"),
    [
        # Neither proves it: time ran out where the second took all that was left.
        (result("feasible", 10, 5), result("time_limit", 9, 6), "time_limit", 9, 6),
        (result("time_limit", 10, 5), result("feasible", 11, 6), "feasible", 10, 6),
        (result("feasible", 10, 5), result("no_solution_in_time"), "time_limit", 10, 5),
        # One says that there is none, and the other has a plan.
        (result("infeasible"), result("optimal", 9, 9), "optimal", 9, 9),
        (result("infeasible"), result("time_limit", 9, 6), "time_limit", 9, 6),
        (result("feasible", 10, 5), result("infeasible"), "feasible", 10, 5),
        # Neither has one.
        (result("infeasible"), result("infeasible"), "infeasible", NAN, NAN),
        (result("no_solution_in_time"), result("infeasible"), "infeasible", NAN, NAN),
        (result("infeasible"), result("no_solution_in_time"), "no_solution_in_time", NAN, NAN),
    ],
)
def test_two_answers_become_one(one, other, status, objective, bound) -> None:
    found = better(one, other, 0.0)
    assert found.status == status
    assert np.array_equal([found.objective, found.bound], [objective, bound], equal_nan=True)


def test_a_goal_tells_time_from_gap() -> None:
    nothing = Patterns(np.zeros(0, int), np.zeros((0, 1), int), np.zeros(0))
    near, far = Chosen(nothing, 10.0, 9.99), Chosen(nothing, 10.0, 5.0)
    assert Goal(0.01, math.inf).status(near) == "optimal"
    assert Goal(0.01, math.inf).status(far) == "feasible"
    assert Goal(0.01, 0.0).status(far) == "time_limit"


def test_every_status_has_its_words_and_its_exit_code() -> None:
    every = set(get_args(Status))
    assert {*FOUND, *NOT_FOUND} == every == set(STATUS_WORDS)
    codes = {status: exit_code([status]) for status in every}
    assert {status for status, code in codes.items() if code == 0} == set(FOUND)
    told = re.findall(r"^- `(\w+)`:", (DOCS / "plan.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(told) == every
    of_fleets = (DOCS / "fleet-plan.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^- `(\w+)`:", of_fleets, re.MULTILINE)) == every - {
        "input_error",
        "error",
    }


def test_what_would_help_is_said_where_there_is_no_proof() -> None:
    assert search_words("optimal", "milp", 1.0, 2.0) == ""
    assert search_words("infeasible", "milp", 1.0, 2.0) == ""
    assert search_words("time_limit", "milp", 2.0, 2.0) == ""
    assert "milp" in search_words("no_solution_in_time", "decomposition", 1.0, 300.0)
    assert "raise" in search_words("no_solution_in_time", "decomposition", 300.0, 300.0)
    assert "raise" in search_words("no_solution_in_time", "milp", 299.0, 300.0)


def test_a_plan_that_more_time_would_not_better_has_a_bound() -> None:
    fleet, offers = with_starts()
    plan = solve_fleet(by(fleet, "decomposition"), offers)
    unknown = replace(plan, bound=NAN, gap=NAN)
    columns = {one.column for one in check_fleet_plan(unknown, by(fleet, "decomposition"), offers)}
    assert columns == {"bound", "gap"}


def test_figures_without_a_gap_are_never_only_feasible() -> None:
    from planner.formulations.fleet import milp

    for seed in range(10):
        assert milp.solve(random_figures(seed)).status in ("optimal", "infeasible")


def test_infeasible_is_told_only_where_something_is_lacking(monkeypatch) -> None:
    asked = Fleet.model_validate(
        {
            "name": "plenty",
            "workloads": [{"name": "w", "requests_per_second": 3}],
            "pools": [{"name": "p", "gpus": 8, "on_demand": {"dollars_per_gpu_hour": 1.0}}],
        }
    )
    offers = offers_of((0, 0, "a", 1, 1.0))
    assert solve_fleet(asked, offers).status == "optimal"
    wrong = SolveResult("infeasible", None, NAN, NAN, 0.0, "highs")
    monkeypatch.setattr(
        "planner.formulations.fleet_method.decide", lambda *_args, **_more: (wrong, None)
    )
    plan = solve_fleet(asked, offers)
    assert plan.status == "no_solution_in_time"
    assert "nothing is lacking" in plan.message
    scarce = asked.model_copy(update={"pools": (asked.pools[0].model_copy(update={"gpus": 2}),)})
    assert solve_fleet(scarce, offers).status == "infeasible"
