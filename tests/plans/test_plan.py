"""The answer: rows that come back as they went out, and names that load when they are used."""

import csv
import io
import json
import math
import subprocess
import sys
from dataclasses import fields, replace

import pandas as pd
import pytest

import planner
from planner.errors import OutputError
from planner.io.output import cell
from planner.plans.plan import COLUMNS, TIME_COLUMNS, Plan, write_csv
from planner.problem.instance import Instance

SMALL = Instance.model_validate(
    {
        "name": "small",
        "workload": {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 40},
        "pools": [{"accelerator": "h100-sxm"}, {"accelerator": "l40s"}],
        "search": {"batch": {"from": 1, "to": 32}},
    }
)
HOPELESS = SMALL.model_copy(
    update={"workload": SMALL.workload.model_copy(update={"tokens_per_second_per_request": 1e6})}
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planner.solve(SMALL)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_comes_back(plan, tmp_path):
    path = tmp_path / "plan.csv"
    text = plan.to_csv(path)
    assert path.read_bytes() == text.encode()
    (row,) = rows(text)
    assert tuple(row) == COLUMNS
    for name, value in plan.to_row().items():
        if value is None:
            assert row[name] == ""
        elif isinstance(value, float):
            assert float(row[name]) == pytest.approx(value, rel=1e-11)
        else:
            assert row[name] == str(value)


def test_numbers_have_twelve_significant_digits(plan):
    (row,) = rows(plan.to_csv())
    for field in fields(Plan):
        value = getattr(plan, field.name)
        if isinstance(value, float):
            assert row[field.name] == f"{value:.12g}"
    assert cell(math.pi * 1e-5) == "3.14159265359e-05"
    assert cell(2e9 / 3) == "666666666.667"
    assert (cell(3.0), cell(7), cell("x"), cell(True)) == ("3", "7", "x", "True")
    assert {cell(value) for value in (None, math.nan, math.inf, -math.inf)} == {""}


def test_json_comes_back(plan, tmp_path):
    path = tmp_path / "plan.json"
    text = plan.to_json(path)
    assert path.read_text(encoding="utf-8") == text
    assert Plan(**json.loads(text)) == plan
    assert tuple(json.loads(text)) == COLUMNS


def test_table_comes_back(plan):
    table = plan.table()
    assert tuple(table.columns) == COLUMNS
    (row,) = table.to_dict("records")
    assert row == plan.to_row()


def test_what_is_not_finite_is_left_out(plan):
    unbounded = replace(plan, status="time_limit", bound=-math.inf, gap=math.inf)
    assert json.loads(unbounded.to_json())["bound"] is None
    (row,) = rows(unbounded.to_csv())
    assert (row["bound"], row["gap"]) == ("", "")
    assert planner.check_plan(unbounded.to_row(), SMALL) == []


@pytest.mark.parametrize("name", ['a, "b"\nc', "a\rb", "\r", "a\r\n", "\r\n", " a"])
def test_cells_with_commas_quotes_and_ends_of_lines_come_back(plan, tmp_path, name):
    odd = replace(plan, instance=name, message="x,y")
    path = tmp_path / "plan.csv"
    odd.to_csv(path)
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file, strict=True)
    assert (row["instance"], row["message"]) == (name, "x,y")
    assert list(pd.read_csv(path)["instance"]) == [name]


def test_a_plan_without_a_deployment_has_empty_cells():
    hopeless = planner.solve(HOPELESS)
    assert (hopeless.status, hopeless.found) == ("infeasible", False)
    (row,) = rows(hopeless.to_csv())
    assert row["message"]
    for name in ("accelerator", "batch", "replicas", "dollars_per_hour", "objective", "bound"):
        assert row[name] == ""
    assert json.loads(hopeless.to_json())["objective"] is None


def test_solving_twice_gives_the_same_bytes_but_for_the_time(plan):
    again = planner.solve(SMALL)
    assert {"solve_seconds"} == TIME_COLUMNS
    same = replace(again, solve_seconds=plan.solve_seconds)
    assert same.to_csv() == plan.to_csv()
    assert same.to_json() == plan.to_json()


def test_several_plans_share_a_header(plan, tmp_path):
    text = write_csv([plan, plan], tmp_path / "plans.csv")
    assert text.count("instance,status") == 1
    assert len(rows(text)) == 2
    assert text.endswith("\n")
    assert "\r" not in text


@pytest.mark.parametrize("write", [Plan.to_csv, Plan.to_json])
def test_a_path_that_cannot_be_written_is_told(plan, tmp_path, write):
    for path in (tmp_path, tmp_path / "none" / "plan.csv"):
        with pytest.raises(OutputError, match=r"cannot write here .*Name another file"):
            write(plan, path)


def run(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_importing_the_package_imports_nothing_large():
    code = (
        "import sys, planner\n"
        "print([n for n in ('numpy', 'pandas', 'pydantic', 'pyomo', 'pint') if n in sys.modules])"
    )
    assert run(code) == "[]"


@pytest.mark.parametrize("name", planner.__all__)
def test_public_names_load_when_they_are_used(name):
    assert run(f"import planner; print(planner.{name} is not None)") == "True"
    assert run(f"from planner import {name} as found; print(found is not None)") == "True"
    assert name in dir(planner)


def test_public_names_stay_what_they_are_after_all_rooms_are_loaded():
    """A module of the same name would take a function's place once it is imported."""
    code = (
        "import pkgutil, importlib, planner\n"
        "for module in pkgutil.iter_modules(planner.__path__):\n"
        "    importlib.import_module('planner.' + module.name)\n"
        "print([n for n in ('solve', 'solve_many', 'estimate', 'check_plan', 'read_instance')"
        " if not callable(getattr(planner, n))])"
    )
    assert run(code) == "[]"


def test_names_that_are_not_there_are_an_attribute_error():
    with pytest.raises(AttributeError, match="'planner' has no attribute 'slove'"):
        planner.slove  # noqa: B018


def test_reading_solving_and_writing_in_three_lines(tmp_path):
    path = tmp_path / "instance.yaml"
    path.write_text(
        "name: smallest\n"
        "workload: {transformer: llama-3.1-8b, tokens_per_second_per_request: 40}\n"
        "pools: [{accelerator: h100-sxm}]\n"
        "search: {batch: {from: 1, to: 64}}\n"
    )
    plan = planner.solve(planner.read_instance(path))
    assert plan.status == "optimal"
    assert plan.bound == pytest.approx(plan.objective)
    assert plan.tokens_per_second_per_request >= 40
    assert list(planner.solve_many([path, str(path)]))[1].status == "optimal"
    assert planner.check_plan(plan.to_row(), planner.read_instance(path)) == []
