"""Accelerators that are paid for already are used first, and all of them are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

import planner
from planner.errors import InputError
from planner.io.fleet.fleet_file import read_fleet

INSTANCE = """\
name: own
workload:
  name: chat
  deployments: measured.csv
  requests_per_second: {rate}
pools: {{name: h100, owned: {owned}{more}}}
"""
MEASURED = "pool,label,gpus,requests_per_second\nh100,tp2,2,3\n"
RENTED = ", on_demand: {dollars_per_gpu_hour: 2.5}"


def read(folder: Path, rate: float, owned: str = "{gpus: 8}", more: str = RENTED) -> planner.Fleet:
    (folder / "measured.csv").write_text(MEASURED, encoding="utf-8")
    text = INSTANCE.format(rate=rate, owned=owned, more=more)
    (folder / "instance.yaml").write_text(text, encoding="utf-8")
    return read_fleet(folder)


@pytest.mark.parametrize(("rate", "dollars"), [(3, 0.0), (12, 0.0), (13, 5.0), (20, 15.0)])
@pytest.mark.parametrize("method", ["milp", "decomposition"])
def test_only_what_is_rented_beside_it_costs(tmp_path, rate, dollars, method):
    fleet = read(tmp_path, rate)
    fleet = fleet.model_copy(update={"solver": fleet.solver.model_copy(update={"method": method})})
    plan = planner.solve(fleet)
    assert plan.dollars_per_hour == pytest.approx(dollars)
    bought = plan.purchases_table().set_index("market")["gpus"]
    assert bought["reserved"] == 8
    plan.write(tmp_path / "plan")
    assert planner.read_fleet_plan(tmp_path / "plan").dollars_per_hour == pytest.approx(dollars)


def test_without_anything_to_rent_it_is_all_there_is(tmp_path):
    assert planner.solve(read(tmp_path, 12, more="")).found
    assert planner.solve(read(tmp_path, 13, more="")).status == "infeasible"


@pytest.mark.parametrize(
    ("owned", "more", "told"),
    [
        ("{}", "", "pools[0].owned: found none, expected how many accelerators are paid for."),
        ("16", "", "pools[0].owned: found none, expected how many accelerators are paid for."),
        ("{gpus: 0}", "", "pools.owned.gpus: found 0, expected a number of at least 1."),
        ("{gpus: 8, dollars_per_gpu_hour: 1}", RENTED, "found a price of use beside on_demand"),
        ("{gpus: 8}", ", reserved: {dollars_per_gpu_hour: 1}", "expected owned or reserved."),
    ],
)
def test_what_cannot_be_is_told(tmp_path, owned, more, told):
    with pytest.raises(InputError) as refused:
        read(tmp_path, 3, owned, more)
    assert told in str(refused.value)


@pytest.mark.parametrize(("rate", "dollars"), [(3, 0.8), (12, 3.2)])
def test_an_hour_of_use_may_cost_something(tmp_path, rate, dollars):
    plan = planner.solve(read(tmp_path, rate, "{gpus: 8, dollars_per_gpu_hour: 0.4}", ""))
    assert plan.dollars_per_hour == pytest.approx(dollars)
    more = read(tmp_path, 13, "{gpus: 8, dollars_per_gpu_hour: 0.4}", "")
    assert planner.solve(more).status == "infeasible"
