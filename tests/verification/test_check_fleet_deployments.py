"""What rows say of tabulated deployments is recomputed from their decisions."""

from dataclasses import replace

import pytest

import planner
from planner.candidates.fleet.gather import offers as offers_of
from planner.io.fleet.fleet_file import read_fleet
from planner.verification.fleet.check_fleet_plan import check_fleet_plan

TEXT = """\
name: two
periods: [{name: night, hours: 16}, {name: day, hours: 8}]
workload:
  name: chat
  transformer: llama-3.1-8b
  requests_per_second: [4, 16]
  tokens_per_second_per_request: 40
pools: {name: h100, accelerator: h100-sxm, dollars_per_gpu_hour: 2.5}
search: {tensor_parallel: [1, 2], weights: fp8, batch: [8, 16, 32, 64]}
"""


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    path = tmp_path_factory.mktemp("two") / "two.yaml"
    path.write_text(TEXT, encoding="utf-8")
    fleet = read_fleet(path)
    offers = offers_of(fleet)
    return fleet, offers, planner.solve(fleet, offers=offers), path.parent


CHANGES = {
    "transformer": "llama-3.1-70b",
    "accelerator": "h200-sxm",
    "tensor_parallel": 2,
    "pipeline_parallel": 2,
    "batch": 7,
    "weight_precision": "bf16",
    "kv_precision": "fp8",
    "draft": "mtp",
    "gamma": 2,
    "arithmetic_seconds": 0.1,
    "memory_seconds": 0.1,
    "network_seconds": 0.1,
    "latency_seconds": 0.1,
    "step_seconds": 0.1,
    "tokens_per_round": 2.0,
    "stall_seconds": 0.1,
    "prefill_seconds": 0.1,
    "memory_bytes_per_gpu": 1e9,
    "usable_memory_bytes_per_gpu": 1e9,
}


def test_rows_tell_their_deployment_and_hold(solved):
    fleet, offers, plan, _ = solved
    assert set(CHANGES) <= set(plan.replicas.deployments[0])
    assert check_fleet_plan(plan, fleet, offers) == []


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_deployment_is_found(solved, column):
    fleet, offers, plan, _ = solved
    first, *others = plan.replicas.deployments
    told = ({**first, column: CHANGES[column]}, *others)
    changed = replace(plan, replicas=replace(plan.replicas, deployments=told))
    assert check_fleet_plan(changed, fleet, offers)


@pytest.mark.parametrize("left", [{}, {"batch": 4.0}])
def test_a_deployment_left_out_is_found(solved, left):
    fleet, offers, plan, _ = solved
    count = len(plan.replicas.deployments)
    changed = replace(plan, replicas=replace(plan.replicas, deployments=(left,) * count))
    findings = check_fleet_plan(changed, fleet, offers)
    assert {finding.column for finding in findings} == {"deployment"}


def test_deployments_come_back_as_they_were_written(solved):
    fleet, offers, plan, folder = solved
    plan.write(folder / "out")
    read = planner.read_fleet_plan(folder / "out")
    assert check_fleet_plan(read, fleet, offers) == []
    assert [one["label"] for _, one in read.table().iterrows()] == plan.table()["label"].tolist()
    mine, theirs = plan.table(), read.table()
    assert theirs["batch"].tolist() == mine["batch"].tolist()
    assert theirs["step_seconds"].to_numpy() == pytest.approx(mine["step_seconds"].to_numpy())
    assert "starts" in theirs


def test_the_plan_of_one_deployment_is_what_runs(solved):
    *_, folder = solved
    one = TEXT.replace("[4, 16]", "8").replace("  name: chat\n", "")
    one = one.replace("periods: [{name: night, hours: 16}, {name: day, hours: 8}]\n", "")
    (folder / "one.yaml").write_text(one)
    plan = planner.solve(planner.read_instance(folder / "one.yaml"))
    assert isinstance(plan, planner.Plan)
    plan.to_csv(folder / "plan.csv")
    (folder / "next.yaml").write_text(one + "running: plan.csv\n")
    (running,) = planner.read_instance(folder / "next.yaml").running
    found = running.workload, running.pool, running.label, running.replicas, running.spot
    assert found == (plan.workload, plan.pool, plan.label, plan.replicas, False)
