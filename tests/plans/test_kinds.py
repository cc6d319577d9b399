"""What counts as a kind of deployments for `max_deployments`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import planner
from planner.candidates.fleet.gather import offers as offers_of
from planner.io.fleet.fleet_file import read_fleet
from planner.verification.fleet.check_fleet_plan import check_fleet_plan

LANES = """\
name: one-deployment-at-two-prices
periods: [{name: night, hours: 16}, {name: day, hours: 8}]
deployments: measured.csv
pools: {name: a, reserved: {dollars_per_gpu_hour: 1.0}, spot: {dollars_per_gpu_hour: 1.2}}
workload: {name: w, requests_per_second: [4, 10], max_deployments: MOST}
solver: {relative_gap: 0.0, method: METHOD}
"""
ONE = "pool,label,gpus,requests_per_second\na,tp1,1,1\n"
PAIRS = """\
name: pairs
deployments: measured.csv
pools: {name: a, dollars_per_gpu_hour: 1}
workload: {name: w, requests_per_second: 12, max_deployments: MOST}
solver: {relative_gap: 0.0}
"""
WORKERS = """\
pool,label,role,gpus,requests_per_second
a,small prefill,prefill,1,5
a,large prefill,prefill,2,11
a,small decode,decode,1,2
a,large decode,decode,3,9
a,both,colocated,10,12
"""


def asked(folder: Path, text: str, table: str, most: object, method: str = "auto"):
    (folder / "measured.csv").write_text(table, encoding="utf-8")
    text = text.replace("MOST", str(most)).replace("METHOD", method)
    (folder / "instance.yaml").write_text(text, encoding="utf-8")
    return read_fleet(folder)


@pytest.mark.parametrize("most", [1, 2, "any"])
@pytest.mark.parametrize("method", ["milp", "decomposition"])
def test_one_deployment_on_reserved_and_spot_accelerators_is_one_kind(tmp_path, most, method):
    if method == "decomposition" and most == 2:
        return  # It knows one kind, or any number.
    fleet = asked(tmp_path, LANES, ONE, most, method)
    plan = planner.solve(fleet)
    # Four reserved all day for $96, and six on spot for eight hours at $57.60.
    assert plan.objective == pytest.approx(153.60)
    rows = plan.table()
    assert set(rows[rows["period"] == "day"]["market"]) == {"steady", "spot"}


def test_one_label_in_two_pools_is_two_kinds(tmp_path):
    text = LANES.replace("pools: {", "pools:\n  - {").replace(
        "workload", "  - {name: b, spot: {dollars_per_gpu_hour: 0.5, gpus: 2}}\nworkload"
    )
    table = ONE + "b,tp1,1,1\n"
    one = planner.solve(asked(tmp_path, text, table, 1))
    two = planner.solve(asked(tmp_path, text, table, 2))
    assert one.objective == pytest.approx(153.60)
    # Two in the other pool save two reserved ones.
    assert two.objective == pytest.approx(2 * 24 * 1.0 + 2 * 24 * 0.5 + 6 * 8 * 1.2)
    found = check_fleet_plan(two, asked(tmp_path, text, table, 1), offers_of(read_fleet(tmp_path)))
    assert "label" in {finding.column for finding in found}


def test_a_pair_of_prefill_and_decode_is_one_kind(tmp_path):
    costs = {
        most: planner.solve(asked(tmp_path, PAIRS, WORKERS, most)).objective for most in (1, 2)
    }
    # Three small prefill; six small decode, or one large and two small.
    assert costs[1] == pytest.approx(3 + 6)
    assert costs[2] == pytest.approx(3 + 5)


def test_the_checker_counts_steady_and_spot_once(tmp_path):
    fleet = asked(tmp_path, LANES, ONE, 1)
    plan, offers = planner.solve(fleet), offers_of(fleet)
    assert not check_fleet_plan(plan, fleet, offers)
    table = ONE + "a,tp1 again,1,1\n"
    twice = offers_of(asked(tmp_path, LANES, table, 1))
    rows = plan.replicas
    label = np.where(rows.spot, 1, 0)
    other = replace(plan, replicas=replace(rows, label=label, labels=("tp1", "tp1 again")))
    found = check_fleet_plan(other, fleet, twice)
    assert "label" in {finding.column for finding in found}
