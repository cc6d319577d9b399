"""What several kinds of deployments would save is told beside a plan with one kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import planner
from planner.analysis.more_kinds import _mixing, mixed_fleet_plan, mixed_plan
from planner.api import solve_fleet
from planner.candidates.fleet.gather import offers as offers_of
from planner.candidates.shortlist_cache import ShortlistCache
from planner.cli import app

INSTANCES = Path(__file__).parents[2] / "instances"


def test_a_saving_is_that_of_the_instance_that_may_mix():
    instance = planner.read_instance(INSTANCES / "qwen-service")
    shortlists = ShortlistCache()
    plan = planner.solve(instance, shortlists=shortlists)
    mixed = mixed_plan(instance, plan, shortlists)
    other = planner.solve(planner.read_instance(INSTANCES / "qwen-two-kinds"))
    assert mixed is not None
    assert mixed.dollars_per_hour == pytest.approx(other.dollars_per_hour)
    assert mixed.dollars_per_hour < plan.dollars_per_hour


@pytest.mark.parametrize("name", ["llama-70b-chat", "smallest", "llama-70b-short-supply"])
def test_nothing_is_said_where_nothing_is_saved_or_asked_by_the_hour(name):
    instance = planner.read_instance(INSTANCES / name)
    assert mixed_plan(instance, planner.solve(instance)) is None


def test_the_command_says_it_unless_it_is_quiet():
    said = "Several kinds of deployments: $23.80/h, 9.8% less"
    words = ["solve", str(INSTANCES / "qwen-service")]
    assert said in CliRunner().invoke(app, words).output
    assert CliRunner().invoke(app, [*words, "-q"]).output == ""


@pytest.mark.parametrize(
    "name", ["qwen-service", "gemma-27b-consumer-cards", "qwen3-235b-vllm", "llama-70b-chat"]
)
@pytest.mark.parametrize("demand", [700, 4000, 9100])
def test_what_is_left_out_beforehand_saves_nothing(name, demand):
    instance = planner.read_instance(INSTANCES / name)
    workload = instance.workload.model_copy(update={"tokens_per_second": float(demand)})
    instance = instance.model_copy(update={"workload": workload, "objective": "dollars_per_hour"})
    plan = planner.solve(instance)
    if not plan.found or plan.objective_name != "dollars_per_hour":
        return
    fleet = _mixing(instance)
    whole = solve_fleet(fleet, offers_of(fleet))
    mixed = mixed_plan(instance, plan)
    least = whole.dollars_per_hour if mixed is not None else plan.dollars_per_hour
    assert whole.dollars_per_hour == pytest.approx(least, rel=1e-3)
    if mixed is not None:
        assert mixed.dollars_per_hour == pytest.approx(whole.dollars_per_hour)


FLEET = """\
name: two-periods
periods: [{name: night}, {name: day}]
deployments: measured.csv
pools: [{name: a, dollars_per_gpu_hour: 1}, {name: b, dollars_per_gpu_hour: 3}]
workload: {name: w, requests_per_second: [1, 11], max_deployments: MOST}
"""
MEASURED = "pool,label,gpus,requests_per_second\na,small,1,1\nb,large,1,9\n"


@pytest.mark.parametrize(
    ("most", "said"),
    [
        # By day two large ones cost $6, one large and two small ones $5.
        (1, "Several kinds of deployments: $3.00/h, 14.3% less"),
        (2, ""),
        ("any", ""),
    ],
)
def test_it_is_said_of_fleets_too(tmp_path, most, said):
    (tmp_path / "measured.csv").write_text(MEASURED, encoding="utf-8")
    path = tmp_path / "instance.yaml"
    path.write_text(FLEET.replace("MOST", str(most)), encoding="utf-8")
    output = CliRunner().invoke(app, ["solve", str(path)]).output
    assert said in output
    assert ("Several kinds" in output) is bool(said)
    assert CliRunner().invoke(app, ["solve", str(path), "-q"]).output == ""
    fleet = planner.read_instance(path)
    mixed = mixed_fleet_plan(fleet, planner.solve(fleet), offers_of(fleet))
    assert (mixed is not None) is bool(said)
