"""The objective `requests_per_second`: how far a mix of demands can grow, and what that costs."""

from __future__ import annotations

from dataclasses import replace

import fleets_by_hand
import pytest
from random_fleets import LARGEST, combinations
from small_fleets import small_fleet

import planner
from planner.api import solve_fleet
from planner.candidates.fleet.build_model_data import build_model_data
from planner.errors import InputError
from planner.problem.fleet import Fleet
from planner.problem.most_traffic import grown
from planner.problem.offers import Offers
from planner.verification.fleet.check_fleet_plan import check_fleet_plan

FEATURES = frozenset(("limits", "nodes", "guarantees", "spot", "starts"))
A_LITTLE = 1e-6

DEEPSEEK = """\
objective: requests_per_second
workload: {transformer: deepseek-v3, input_tokens: 2000, output_tokens: 600,
  tokens_per_second_per_request: 30, expert_imbalance: 1.2}
pools: {accelerator: h200-sxm, owned: {gpus: 32}, gpus_per_node: 8}
search: {weights: fp8}
engine: sglang
"""


def asked(seed: int) -> tuple[Fleet, Offers]:
    fleet, offers = small_fleet(seed, FEATURES)
    return fleet.model_copy(update={"objective": "requests_per_second"}), offers


@pytest.mark.parametrize("seed", range(40))
def test_enumeration_serves_the_factor_and_nothing_beyond_it(seed: int) -> None:
    fleet, offers = asked(seed)
    if combinations(build_model_data(grown(fleet, 2.0), offers)) > LARGEST:
        pytest.skip("too many plans to list them all")
    plan = solve_fleet(fleet, offers)
    if not plan.found:
        least = build_model_data(grown(fleet, A_LITTLE), offers)
        assert fleets_by_hand.cheapest(least) is None
        return
    assert plan.status == "optimal"
    assert plan.traffic is not None
    assert plan.traffic.gap <= A_LITTLE
    factor = plan.traffic.factor
    served = build_model_data(grown(fleet, factor * (1 - 1e-12)), offers)
    beyond = build_model_data(grown(fleet, factor * (1 + A_LITTLE)), offers)
    assert fleets_by_hand.cheapest(served) == pytest.approx(plan.objective, rel=A_LITTLE)
    assert fleets_by_hand.cheapest(beyond) is None


def test_one_workload_without_demand_is_a_mix_by_itself(tmp_path, run) -> None:
    (tmp_path / "most.yaml").write_text(DEEPSEEK)
    fleet = planner.read_instance(tmp_path / "most.yaml")
    plan = planner.solve(fleet)
    assert plan.traffic is not None
    assert plan.traffic.requests_per_second == pytest.approx(plan.traffic.factor)
    assert plan.replicas.gpus.sum() <= 32
    assert plan.dollars == 0.0
    ran = run("solve", tmp_path / "most.yaml", "--folder", tmp_path / "plan")
    assert f"{plan.traffic.requests_per_second:.4g} requests/s" in ran.out
    assert run("check", tmp_path / "plan", tmp_path / "most.yaml").code == 0


def test_more_accelerators_serve_more(tmp_path) -> None:
    found = []
    for gpus in (16, 32, 64):
        (tmp_path / "most.yaml").write_text(DEEPSEEK.replace("gpus: 32", f"gpus: {gpus}"))
        plan = planner.solve(planner.read_instance(tmp_path / "most.yaml"))
        found.append(plan.traffic.requests_per_second)
    assert 2 * found[0] <= found[1] * (1 + 1e-9)
    assert 2 * found[1] <= found[2] * (1 + 1e-9)


def test_the_checker_sees_another_factor_traffic_and_bound() -> None:
    fleet, offers = asked(0)
    plan = solve_fleet(fleet, offers)
    assert check_fleet_plan(plan, fleet, offers) == []
    traffic = plan.traffic
    wrong = (
        replace(traffic, factor=traffic.factor * 1.001),
        replace(traffic, requests_per_second=traffic.requests_per_second * 1.001),
        replace(traffic, bound=traffic.requests_per_second * 0.99),
        replace(traffic, bound=traffic.requests_per_second * 1.5),
        None,
    )
    for other in wrong:
        assert check_fleet_plan(replace(plan, traffic=other), fleet, offers)


def test_the_budget_limits_the_traffic_of_pools_without_end(tmp_path) -> None:
    text = DEEPSEEK.replace("owned: {gpus: 32}, gpus_per_node: 8", "dollars_per_gpu_hour: 3")
    (tmp_path / "most.yaml").write_text(text)
    with pytest.raises(InputError, match=r"pools\.gpus: found no limit.*no end without one"):
        planner.solve(planner.read_instance(tmp_path / "most.yaml"))
    (tmp_path / "most.yaml").write_text(f"dollars_per_hour_at_most: 100\n{text}")
    plan = planner.solve(planner.read_instance(tmp_path / "most.yaml"))
    assert 90 <= plan.dollars_per_hour <= 100


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("scenarios: [{name: one, probability: 1}]", "scenarios"),
        ("robustness: {workloads: 1, rise: 0.5}", "robustness"),
    ],
)
def test_what_has_no_sense_beside_it_is_refused(tmp_path, line: str, field: str) -> None:
    (tmp_path / "most.yaml").write_text(f"{line}\n{DEEPSEEK}")
    with pytest.raises(InputError, match=f"{field}: found"):
        planner.read_instance(tmp_path / "most.yaml")
