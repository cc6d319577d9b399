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
from planner.plans.fleet_columns import purchase_columns, replica_columns, service_columns
from planner.plans.fleet_plan import ShadowPrices
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
    kept = {name: cell for name, cell in rows[5].items() if cell}
    assert kept == {
        "instance": "shop",
        "status": "optimal",
        "objective_name": "dollars_per_hour",
        "objective": "47.80275",
        "bound": "47.8006666667",
        "gap": f"{plan.gap:.12g}",
        "formulation": "milp",
        "solver": "highs 1.15",
        "solve_seconds": "1.5",
        "profile": "calibrated",
        "planner_version": plan.planner_version,
        "instance_digest": plan.fleet_digest,
        "rows": "10",
        "workload": "batch, nightly",
        "period": "day",
        "pool": "l40s-us",
        "market": "steady",
        "role": "colocated",
        "label": "rented",
        "gpus_per_replica": "2",
        "tokens_per_second_per_request": "20",
        "tpot_seconds": "0.05",
        "time_to_first_token_seconds": "3.1",
        "replicas": "1",
        "starts": "1",
        "gpus": "2",
        "requests_per_second": "1.5",
        "tokens_per_second": "750",
        "utilisation": "1",
        "dollars_per_gpu_hour": "1.25",
        "price_source": "deployments",
        "dollars_per_hour": "2.53125",
        "dollars_per_million_tokens": "0.925925925926",
    }


def test_rows_and_what_nobody_uses_add_up_to_the_cost():
    _, _, plan = fleet_plans.shop()
    rows, bought = plan.replicas, plan.purchases
    hours = np.where(bought.period < 0, plan.hours.sum(), plan.hours[bought.period])
    price = bought.dollars / (bought.gpus * hours)
    idle = ((bought.gpus - bought.used_gpus) * hours * price).sum()
    paid = (rows.dollars_per_hour * plan.hours[rows.period]).sum()
    assert paid + idle == pytest.approx(plan.dollars, rel=1e-12)
    assert idle > 0


def test_purchases_and_service_are_written(tmp_path):
    _, _, plan = fleet_plans.shop()
    plan.purchases_csv(tmp_path / "purchases.csv")
    plan.service_csv(tmp_path / "service.csv")
    assert (tmp_path / "purchases.csv").read_text().splitlines()[:3] == [
        "instance,pool,market,period,gpus,nodes,dollars,used_gpus,utilisation,"
        "shadow_price_dollars_per_gpu_hour",
        "shop,h100-eu,reserved,,8,1,384,6.66666666667,0.833333333333,0.25",
        "shop,h100-eu,on-demand,day,16,2,384,10,0.625,0.75",
    ]
    assert (tmp_path / "service.csv").read_text().splitlines()[:4] == [
        "instance,workload,period,demand,capacity,shed,utilisation,priority",
        "shop,chat,day,20,25.2,0,0.793650793651,1",
        "shop,chat,night,6,10.8,0,0.555555555556,1",
        'shop,"batch, nightly",day,10,9.44,0.56,1,2',
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
            assert mine == theirs or np.isnan([mine, theirs]).all(), name


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
    with (tmp_path / "plan.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert {name: cell for name, cell in row.items() if cell} == {
        "instance": "shop",
        "status": "infeasible",
        "objective_name": "dollars_per_hour",
        "formulation": "milp",
        "solver": "highs 1.15",
        "solve_seconds": "0.25",
        "profile": "calibrated",
        "planner_version": plan.planner_version,
        "instance_digest": plan.fleet_digest,
        "message": "12 H100 short",
        "rows": "1",
    }
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
        ("plan.csv", "shop", "shed", "another instance"),
        ("plan.csv", "optimal", "optima", "another status"),
        ("plan.csv", "label", "lable", "plan.csv: found"),
        ("plan.csv", "h100-eu", "h100-uk", "pool 'h100-uk', which the plan does not name"),
        ("plan.csv", ",7,2,14,", ",7.5,2,14,", "replicas that is not whole"),
        ("plan.csv", ",7,2,14,", ",x,2,14,", "plan.csv: found"),
        ("plan.csv", ",47.80275,", ",47.9,", "in row 1, where the rest says '47.80275'"),
        ("plan.csv", ",10,", ",9,", "rows '9' in row 1, where the rest says '10'"),
        ("plan.csv", "0.793650793651", "0.8", "utilisation '0.8' in row 1"),
        ("plan.csv", "0.793650793651", "", "utilisation '' in row 1"),
        ("plan.csv", "tpot_seconds,", "", "cells, where the header has"),
        ("plan.csv", "sweep,", "swept,", "sweep not in the place where plans have it"),
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
    assert "(not proved; at most 5 % too dear)" in shown(late)
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
    _, _, classy = fleet_plans.classy()
    ready = replace(classy.replicas, extra=np.zeros(len(classy.replicas), dtype=np.int64))
    columns = {
        "purchases.csv": purchase_columns(plan),
        "service.csv": service_columns(plan),
    }
    for file, expected in columns.items():
        assert re.findall(r"^\| `(\w+)` \|", sections[file], re.MULTILINE) == list(expected)
    whole = (ROOT / "docs" / "plan.md").read_text()
    columns = re.findall(r"^\| `(\w+)` \|", whole, re.MULTILINE)
    assert columns == list(replica_columns(replace(classy, replicas=ready)))
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


def test_neighbours_that_are_written_together_stay_apart(tmp_path):
    """Values, names in the same places, and the same array twice each are joined."""
    codes, numbers = np.array([0, 1, -1]), np.array([1.5, 2.0, np.nan])
    columns = {
        "a": "x, y",
        "b": None,
        "c": Named(["p,q", "r"], codes),
        "d": Named([1.0, None], codes),
        "e": Named(["s", "t"], codes[::-1]),
        "f": numbers,
        "g": numbers,
    }
    write_columns(tmp_path / "table.csv", columns, 3)
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        list(columns),
        ["x, y", "", "p,q", "1", "", "1.5", "1.5"],
        ["x, y", "", "r", "", "t", "2", "2"],
        ["x, y", "", "", "", "s", "", ""],
    ]
