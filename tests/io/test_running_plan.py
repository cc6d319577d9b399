"""The last plan is what runs now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import planner
from planner.errors import InputError
from planner.io.fleet.fleet_file import read_fleet

DAY = """\
name: next-hour
periods: [{name: night, hours: 16}, {name: day, hours: 8}]
workload:
  name: chat
  deployments: measured.csv
  requests_per_second: [4, 16]
  startup_dollars: 1
pools: {name: h100, dollars_per_gpu_hour: 2.5}
"""
MEASURED = "pool,label,gpus,requests_per_second\nh100,tp2,2,3.1\nh100,tp4,4,7.4\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A fleet, and the folder of its plan beside it."""
    (tmp_path / "instance.yaml").write_text(DAY, encoding="utf-8")
    (tmp_path / "measured.csv").write_text(MEASURED, encoding="utf-8")
    planner.solve(read_fleet(tmp_path)).write(tmp_path / "last")
    return tmp_path


def with_running(folder: Path, running: str) -> planner.Fleet:
    (folder / "instance.yaml").write_text(f"{DAY}running: {running}\n", encoding="utf-8")
    return read_fleet(folder)


def replicas_of(plan: planner.FleetPlan, period: str) -> dict[str, int]:
    rows = plan.table()
    rows = rows[rows["period"] == period]
    return dict(zip(rows["label"], rows["replicas"], strict=True))


@pytest.mark.parametrize(
    ("running", "period"),
    [
        ("last/plan.csv", "day"),
        ("{plan: last/plan.csv}", "day"),
        ("{plan: last/plan.csv, period: night}", "night"),
    ],
)
def test_the_plan_of_a_period_runs(folder, running, period):
    before = planner.read_fleet_plan(folder / "last")
    fleet = with_running(folder, running)
    assert {one.label: one.replicas for one in fleet.running} == replicas_of(before, period)
    assert {one.workload for one in fleet.running} == {"chat"}


def test_what_runs_need_not_start_again(folder):
    fresh = planner.solve(with_running(folder, "[]"))
    again = planner.solve(with_running(folder, "{plan: last/plan.csv, period: night}"))
    assert again.objective < fresh.objective


def test_the_last_of_numbered_periods_runs(folder):
    path = folder / "last" / "plan.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(",night,", ",9,").replace(",day,", ",10,"), encoding="utf-8")
    before = planner.solve(read_fleet(folder))
    fleet = with_running(folder, "last/plan.csv")
    assert {one.label: one.replicas for one in fleet.running} == replicas_of(before, "day")


@pytest.mark.parametrize(
    ("running", "told"),
    [
        (
            "{plan: last/plan.csv, period: dya}",
            "found 'dya', expected a period of the plan.",
        ),
        ("{plan: lost/plan.csv}", "instance.yaml:9: running: found"),
        ("{plan: measured.csv}", "measured.csv:1: found no column period"),
        (
            "alone.csv",
            "found night, day, expected one period, or summary.json beside it",
        ),
    ],
)
def test_what_is_no_plan_is_told(folder, running, told):
    (folder / "alone").mkdir()
    shutil.copy(folder / "last" / "plan.csv", folder / "alone.csv")
    with pytest.raises(InputError) as refused:
        with_running(folder, running)
    assert told in str(refused.value)
