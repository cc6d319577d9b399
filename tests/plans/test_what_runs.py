"""What runs need not be what may run, and is not paid for twice."""

from __future__ import annotations

from pathlib import Path

import pytest

import planner
from planner.candidates.fleet.gather import offers as offers_of
from planner.io.fleet.fleet_file import read_fleet
from planner.verification.fleet.check_fleet_plan import check_fleet_plan

TOO_SLOW = """\
name: what-runs-is-too-slow-now
deployments: measured.csv
workload: {name: x, requests_per_second: 2, tokens_per_second_per_request: 30MORE}
pools: {name: a, on_demand: {dollars_per_gpu_hour: 1.0}}
running: [{workload: x, pool: a, label: LABEL, replicas: 2}]
solver: {relative_gap: 0.0, method: METHOD}
"""
SLOW_AND_FAST = """\
pool,label,gpus,requests_per_second,tpot_seconds
a,slow,1,2.0,0.05
a,fast,1,1.0,0.02
a,tp1 fp8 b64,1,4.0,0.05
a,tp1 fp8 b8,1,1.0,0.02
"""
ONE_AFTER_THE_OTHER = """\
name: one-after-the-other
periods: [{name: t0}, {name: t1}]
deployments: measured.csv
pools: {name: a, POOL}
workloads:
  - {name: x, requests_per_second: [4, 0], startup_seconds: 3600}
  - {name: y, requests_per_second: [0, 4], startup_seconds: 3600}
solver: {relative_gap: 0.0, method: METHOD}
"""
ONE_EACH = "workload,pool,label,gpus,requests_per_second\nx,a,x,1,1\ny,a,y,1,1\n"
METHODS = pytest.mark.parametrize("method", ["milp", "decomposition"])


def asked(folder: Path, text: str, table: str, **said: str) -> planner.Fleet:
    (folder / "measured.csv").write_text(table, encoding="utf-8")
    for word, by in said.items():
        text = text.replace(word, by)
    (folder / "instance.yaml").write_text(text, encoding="utf-8")
    return read_fleet(folder)


@METHODS
@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("slow", "2 of slow of x in a (too slow)."),
        ("fats", "2 of fats of x in a (not on offer; did you mean fast?)."),
    ],
)
def test_what_may_not_go_on_is_stopped_and_told(tmp_path, label, told, method):
    said = {"LABEL": label, "METHOD": method, "MORE": ""}
    plan = planner.solve(asked(tmp_path, TOO_SLOW, SLOW_AND_FAST, **said))
    assert plan.dollars_per_hour == pytest.approx(2.0)
    assert plan.message == f"Replicas that run and may not go on are stopped: {told}"


@METHODS
def test_the_batch_of_what_may_not_go_on_changes_without_a_start(tmp_path, method):
    said = {"METHOD": method, "MORE": ", startup_dollars: 5"}
    for label, starts in (("tp1 fp8 b64", 0), ("tp1 fp8 b99", 0), ("slow", 2)):
        plan = planner.solve(asked(tmp_path, TOO_SLOW, SLOW_AND_FAST, LABEL=label, **said))
        assert plan.replicas.starts.sum() == starts
        assert plan.dollars_per_hour == pytest.approx(2.0 + 5.0 * starts)


def test_what_may_not_go_on_counts_as_changed(tmp_path):
    for label, needed in (("slow", 4), ("tp1 fp8 b64", 2)):
        for most in (needed - 1, needed):
            text = TOO_SLOW + f"changes: {{at_most: {most}}}\n"
            said = {"LABEL": label, "METHOD": "auto", "MORE": ", max_deployments: any"}
            fleet = asked(tmp_path, text, SLOW_AND_FAST, **said)
            plan = planner.solve(fleet)
            assert plan.found is (most == needed)
            if not plan.found:
                assert f"with {needed} replicas started, stopped or changed" in plan.message
            else:
                assert not check_fleet_plan(plan, fleet, offers_of(fleet))


@METHODS
@pytest.mark.parametrize(
    ("pool", "dollars"),
    [
        # Eight GPU-hours are bought; nothing more can be paid for in such a pool.
        ("reserved: {dollars_per_gpu_hour: 1.0, gpus: 4}", 8.0),
        ("owned: {gpus: 4}", 0.0),
        # Rented for the hour in which y starts.
        ("on_demand: {dollars_per_gpu_hour: 1.0}", 12.0),
    ],
)
def test_a_start_pays_for_nothing_that_is_paid_already(tmp_path, pool, dollars, method):
    fleet = asked(tmp_path, ONE_AFTER_THE_OTHER, ONE_EACH, POOL=pool, METHOD=method)
    plan = planner.solve(fleet)
    assert plan.objective == pytest.approx(dollars)
    assert plan.replicas.starts.sum() == 4
    assert not check_fleet_plan(plan, fleet, offers_of(fleet))
