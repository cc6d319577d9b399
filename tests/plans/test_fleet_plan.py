"""Plans of fleets: built from decisions, written, read back, shown; numbers worked out by hand."""

import csv
import io
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import fleet_plans
import numpy as np
import pytest
from rich.console import Console

from planner.candidates.fleet.model_data import SolveResult
from planner.errors import InputError, OutputError
from planner.io.column_csv import Named, write_columns
from planner.plans.build_fleet import build_fleet_plan
from planner.plans.fleet_plan import (
    ShadowPrices,
    purchase_columns,
    replica_columns,
    service_columns,
)
from planner.plans.read_fleet import read_fleet_plan
from planner.problem.fleet import Fleet
from planner.reporting.terminal.fleet_plan import show_fleet_plan

ROOT = Path(__file__).resolve().parents[2]
NO_PLAN = SolveResult("infeasible", None, np.nan, np.nan, 0.25, "highs 1.15")


def unfound():
    fleet = Fleet.model_validate(fleet_plans.SHOP)
    data = fleet_plans.shop_figures()
    return build_fleet_plan(fleet, fleet_plans.offers(), data, NO_PLAN, message="12 H100 short")


def shown(plan, width=120):
    console = Console(file=io.StringIO(), width=width)
    show_fleet_plan(plan, console)
    return console.file.getvalue()


def test_costs_are_those_worked_out_by_hand():
    _, _, plan = fleet_plans.shop()
    assert plan.dollars == pytest.approx(384 + 384 + 180 + 128 + 20 + 13.25, rel=1e-12)
    assert plan.objective == pytest.approx(fleet_plans.OBJECTIVE, rel=1e-12)
    assert plan.dollars_per_hour == pytest.approx(1109.25 / 24, rel=1e-12)
    assert plan.gap == pytest.approx(0.05 / fleet_plans.OBJECTIVE)
    assert plan.purchases.dollars.tolist() == [384.0, 384.0, 60.0, 120.0, 48.0, 80.0]


def test_a_solvers_rounding_is_taken_out():
    _, _, plan = fleet_plans.shop()
    assert plan.purchases.gpus.tolist() == [8.0, 16.0, 5.0, 5.0, 6.0, 5.0]
    assert plan.service.shed[0].tolist() == [0.0, 0.0]
    # What is refused is what is left, to the last digit: 10 - 5.94 - 2 - 1.5.
    assert plan.service.shed[1] == pytest.approx([0.56, 0.05], rel=1e-12)


def test_what_is_more_than_rounding_is_kept_for_the_checker():
    fleet, offers, _ = fleet_plans.shop()
    decided = fleet_plans.shop_decisions()
    decided = replace(decided, on_demand=decided.on_demand + 0.01, shed=decided.shed + 0.1)
    result = SolveResult("optimal", decided, 1147.0, 1147.5, 1.0, "")
    plan = build_fleet_plan(fleet, offers, fleet_plans.shop_figures(), result)
    assert plan.purchases.gpus[1] == pytest.approx(16.01)
    assert plan.service.shed[0, 0] == pytest.approx(0.1)
    assert plan.objective == 1147.0  # Not what it costs.
    assert plan.bound == 1147.5


def test_a_bound_above_the_objective_by_rounding_is_the_objective():
    fleet, offers, _ = fleet_plans.shop()
    objective = fleet_plans.OBJECTIVE
    result = SolveResult(
        "optimal", fleet_plans.shop_decisions(), objective, objective * (1 + 1e-9), 1.0, ""
    )
    plan = build_fleet_plan(fleet, offers, fleet_plans.shop_figures(), result)
    assert (plan.bound, plan.gap) == (plan.objective, 0.0)


def test_the_first_period_starts_for_free_where_nothing_is_said_of_running():
    fleet, offers, _ = fleet_plans.shop()
    data = replace(fleet_plans.shop_figures(), has_running=False)
    result = SolveResult("optimal", fleet_plans.shop_decisions(), 1.0, 1.0, 1.0, "")
    plan = build_fleet_plan(fleet, offers, data, result)
    assert plan.replicas.starts.tolist() == [0] * 10
    assert plan.dollars == pytest.approx(1109.25 - 13.25)


def test_rows_are_written_in_long_form(tmp_path):
    _, _, plan = fleet_plans.shop()
    plan.to_csv(tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert tuple(rows[0]) == tuple(replica_columns(plan))
    assert rows[5] == {
        "fleet": "shop",
        "status": "optimal",
        "period": "day",
        "workload": "batch, nightly",
        "pool": "l40s-us",
        "market": "steady",
        "label": "rented",
        "role": "colocated",
        "replicas": "1",
        "gpus": "2",
        "requests_per_second": "1.5",
        "tpot_seconds": "0.05",
        "ttft_seconds": "3.1",
        "starts": "1",
        "dollars": "20",
        "served": "",
        "objective": "1147.266",
        "bound": "1147.216",
        "gap": f"{plan.gap:.12g}",
        "solver": "highs 1.15",
        "planner_version": plan.planner_version,
        "fleet_digest": plan.fleet_digest,
    }


def test_purchases_and_service_are_written(tmp_path):
    _, _, plan = fleet_plans.shop()
    plan.purchases_csv(tmp_path / "purchases.csv")
    plan.service_csv(tmp_path / "service.csv")
    assert (tmp_path / "purchases.csv").read_text().splitlines()[:3] == [
        "pool,market,period,gpus,nodes,dollars,used_gpus,utilisation,"
        "shadow_price_dollars_per_gpu_hour",
        "h100-eu,reserved,,8,1,384,6.66666666667,0.833333333333,0.25",
        "h100-eu,on-demand,day,16,2,384,10,0.625,0.75",
    ]
    assert (tmp_path / "service.csv").read_text().splitlines()[:4] == [
        "workload,period,demand,capacity,shed,utilisation,priority",
        "chat,day,20,25.2,0,0.793650793651,1",
        "chat,night,6,10.8,0,0.555555555556,1",
        '"batch, nightly",day,10,9.44,0.56,1,2',
    ]


def test_classes_are_written_by_name(tmp_path):
    _, _, plan = fleet_plans.classy()
    table = plan.table()
    assert [json.loads(text) if text else None for text in table["served"]] == [
        {"short": 5.0, "long": 2.0},
        {"short": 3.0, "long": 0.0},
        None,
    ]
    assert table["requests_per_second"].tolist() == pytest.approx([7.0, 4.0, 3.0])


def test_tables_have_the_columns_and_rows_of_the_files(tmp_path):
    for make in (fleet_plans.shop, fleet_plans.classy):
        plan = make()[2]
        plan.write(tmp_path)
        tables = {
            "plan": plan.table(),
            "purchases": plan.purchases_table(),
            "service": plan.service_table(),
        }
        for name, table in tables.items():
            with (tmp_path / f"{name}.csv").open(newline="") as file:
                header, *rows = csv.reader(file)
            assert header == list(table.columns)
            assert len(rows) == len(table)


@pytest.mark.parametrize("make", [fleet_plans.shop, fleet_plans.classy])
def test_a_plan_is_read_as_it_was_written(make, tmp_path):
    _, _, plan = make()
    plan.write(tmp_path)
    read = read_fleet_plan(tmp_path)
    for name in (field.name for field in fields(plan)):
        mine, theirs = getattr(plan, name), getattr(read, name)
        if name == "replicas":
            names = [mine.labels[code] for code in mine.label]
            assert names == [theirs.labels[code] for code in theirs.label]
            same_columns(replace(mine, labels=(), label=theirs.label), replace(theirs, labels=()))
        elif name in ("purchases", "service"):
            same_columns(mine, theirs)
        elif name == "prices":
            assert (mine is None) == (theirs is None)
            if mine is not None:
                assert mine.pools.tolist() == theirs.pools.tolist()
                assert mine.budget == theirs.budget
        elif isinstance(mine, np.ndarray):
            assert mine.tolist() == theirs.tolist()
        else:
            assert mine == theirs, name


def same_columns(mine, theirs):
    for field in fields(mine):
        one, other = getattr(mine, field.name), getattr(theirs, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=0)
            assert one.dtype.kind == other.dtype.kind
        else:
            assert one == other


def test_no_plan_is_written_and_read(tmp_path):
    plan = unfound()
    plan.write(tmp_path)
    _, row = (tmp_path / "plan.csv").read_text().splitlines()
    assert row.startswith("shop,infeasible,,")
    assert row.endswith(f",,,,highs 1.15,{plan.planner_version},{plan.fleet_digest}")
    read = read_fleet_plan(tmp_path)
    assert (read.status, read.message, len(read.replicas)) == ("infeasible", "12 H100 short", 0)
    assert np.isnan(read.objective)
    assert len(plan.table()) == len(plan.purchases_table()) == len(plan.service_table()) == 0


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("summary.json", "{", "", "summary.json: found"),
        ("summary.json", '"solver"', '"solved"', "found 'solver'"),
        ("plan.csv", "shop", "shed", "another fleet"),
        ("plan.csv", "optimal", "optima", "another status"),
        ("plan.csv", "label", "lable", "plan.csv: found"),
        ("plan.csv", "h100-eu", "h100-uk", "pool 'h100-uk', which the plan does not name"),
        ("plan.csv", "tp2,colocated,7", "tp2,colocated,7.5", "replicas that is not whole"),
        ("plan.csv", "tp2,colocated,7", "tp2,colocated,x", "plan.csv: found"),
        ("plan.csv", "steady", "unsteady", "market 'unsteady'"),
        ("purchases.csv", "on-demand,day", "on-demand,noon", "period 'noon'"),
        ("purchases.csv", "reserved", "", "a row without a market"),
        ("service.csv", "chat,night", "chat,day", "exactly once"),
        ("service.csv", "0.555555555556,1", "0.555555555556,2", "several priorities"),
    ],
)
def test_what_is_no_plan_is_refused_with_its_file(file, old, new, complaint, tmp_path):
    fleet_plans.shop()[2].write(tmp_path)
    change(tmp_path / file, old, new)
    with pytest.raises(InputError) as error:
        read_fleet_plan(tmp_path)
    assert complaint in str(error.value)
    assert "expected the plan of a fleet" in str(error.value)


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match=r"summary.json: found no such file"):
        read_fleet_plan(tmp_path)
    fleet_plans.shop()[2].write(tmp_path)
    (tmp_path / "service.csv").unlink()
    with pytest.raises(InputError, match=r"service.csv: found no such file"):
        read_fleet_plan(tmp_path)
    fleet_plans.shop()[2].write(tmp_path / "new" / "folder")
    assert read_fleet_plan(tmp_path / "new" / "folder").found
    with pytest.raises(OutputError, match="nowhere"):
        fleet_plans.shop()[2].write(tmp_path / "plan.csv" / "nowhere")


def test_names_are_quoted_where_they_must_be(tmp_path):
    names = ['a "b"', "c,d", "e\nf", "g"]
    columns = {"name": Named(names, np.array([0, 1, 2, 3, -1])), "text": ["x", "", ",", '"', "y"]}
    write_columns(tmp_path / "t.csv", columns | {"same": "p,q"}, 5)
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == [*names, ""]
    assert [row[1] for row in rows[1:]] == ["x", "", ",", '"', "y"]
    assert {row[2] for row in rows[1:]} == {"p,q"}


def test_many_rows_are_written_in_several_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("planner.io.column_csv.CHUNK", 3)
    _, _, plan = fleet_plans.shop()
    plan.write(tmp_path)
    assert len(read_fleet_plan(tmp_path).replicas) == 10


def test_the_screen_says_cost_proof_use_and_what_is_refused():
    text = shown(fleet_plans.shop()[2])
    for part in (
        "shop: $46.22/h (proved within 0.0044 %)",
        "$1,109.25 a day",
        "requests worth $38.02",
        "one more dollar would save $0.02",
        "3–7  6–14        208   79%",
        "tp2         h100-eu             3–7        208",
        "8    0–16     0    6–18     75%     $768  $0.75",
        "batch, nightly         2    19,008   3.3 %  day: 0.56 requests/s",
    ):
        assert part in text, part
    assert "of 3 workloads" not in text


def test_the_screen_shows_the_largest_rows_and_says_so(monkeypatch):
    monkeypatch.setattr("planner.reporting.terminal.fleet_plan.MOST_ROWS", 1)
    text = shown(fleet_plans.shop()[2])
    assert "1 of 3 workloads, the largest first; all are in plan.csv." in text
    assert "1 of 2 pools, the largest first; all are in purchases.csv." in text
    assert "split" not in text


def test_the_screen_says_how_far_a_plan_is_proved():
    _, _, plan = fleet_plans.classy()
    assert "(proved optimal)" in shown(plan)
    late = replace(plan, status="time_limit", bound=13.3, gap=0.05)
    assert "(not proved in time; at most 5 % too dear)" in shown(late)
    unknown = replace(plan, status="time_limit", bound=np.nan, gap=np.nan)
    assert "(nothing proved in time)" in shown(unknown)
    assert "no plan is below" not in shown(unknown)


def test_the_screen_says_why_there_is_no_plan():
    text = shown(unfound())
    assert "shop: infeasible" in text
    assert "12 H100 short" in text


def test_names_in_brackets_are_no_markup():
    _, _, plan = fleet_plans.shop()
    plan = replace(plan, workloads=("[bold]chat[/bold]", "a[/b]", "split"), message="[/x]")
    assert "[bold]chat[/bold]" in shown(plan, 160)


def test_prices_without_numbers_are_none_on_screen():
    _, _, plan = fleet_plans.shop()
    assert "one more" not in shown(replace(plan, prices=None))
    zero = replace(plan, prices=ShadowPrices(np.zeros((2, 2))))
    assert "Budget" not in shown(zero)


def test_every_column_and_key_is_documented_in_order():
    text = (ROOT / "docs" / "fleet-plan.md").read_text()
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    _, _, plan = fleet_plans.shop()
    # A plan that is ready for workloads that rise has every column there is.
    ready = replace(plan.replicas, extra=np.zeros(len(plan.replicas), dtype=np.int64))
    columns = {
        "plan.csv": replica_columns(replace(plan, replicas=ready)),
        "purchases.csv": purchase_columns(plan),
        "service.csv": service_columns(plan),
    }
    for file, expected in columns.items():
        assert re.findall(r"^\| `(\w+)` \|", sections[file], re.MULTILINE) == list(expected)
    keys = re.findall(r"^\| (`.*?) \|", sections["summary.json"], re.MULTILINE)
    assert {key.strip("` ") for line in keys for key in line.split(",")} == set(plan.summary())


@pytest.mark.parametrize(("part", "text"), [(1.0, "100 %"), (0.996, "99.6 %"), (0.9999, "99.9 %")])
def test_the_screen_tells_all_requests_refused_from_nearly_all(part, text):
    _, _, plan = fleet_plans.shop()
    shed = np.array(plan.service.shed)
    shed[2] = plan.service.demand[2] * part
    refused = shown(replace(plan, service=replace(plan.service, shed=shed)))
    row = next(line for line in refused.splitlines() if " of all " not in line and text in line)
    assert plan.workloads[2] in row
