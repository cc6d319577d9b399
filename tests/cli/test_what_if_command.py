"""The command `what-if`: what it prints, writes, draws and returns for shipped fleets."""

import csv
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import planner
from planner import cli
from planner.analysis.fleet.guarantees import guarantees
from planner.analysis.fleet.robustness import price_of_robustness
from planner.analysis.fleet.stress_test import compare_headrooms, stress
from planner.cli import fleet_options

FLEETS = Path(__file__).parents[2] / "instances"
DAY, MELANGE = FLEETS / "day", FLEETS / "melange"


def rows(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def resolve(run, tmp_path, monkeypatch):
    """Call the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return lambda *words: run("what-if", *words)


@pytest.fixture
def small(tmp_path) -> Path:
    """Melange's example with an accelerator of each kind, so that little more can be had."""
    shutil.copytree(MELANGE, tmp_path / "small")
    path = tmp_path / "small" / "instance.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(", on_demand:", ", gpus: 1, on_demand:"), encoding="utf-8")
    return path.parent


def test_guarantees_of_the_day_are_told_and_written(resolve):
    ran = resolve(DAY, "--guarantees", "--csv", "guarantees.csv", "--gap", "0.02")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("day: what guarantees cost")
    names = ["head-room", "N+1", "residency", "no spot", "all of them"]
    found = rows("guarantees.csv")
    assert [row["guarantee"] for row in found] == names
    for row in found:
        assert row["guarantee"] in ran.out
        assert row["status"] == "optimal"
        assert float(row["least"]) <= max(float(row["dollars"]), 0.0) <= float(row["most"])


def test_answers_are_those_of_the_functions(resolve):
    ran = resolve(
        *(MELANGE, "--guarantees", "--stress", "1:2:3", "--headrooms", "0,10%", "--at", "1.2"),
        *("--robustness", "1", "--rise", "20%", "--folder", "out/answers"),
    )
    assert (ran.code, ran.err) == (0, "")
    fleet = planner.read_instance(MELANGE)
    plan = planner.solve(fleet)
    stressed = stress(plan, fleet, [1.0, 1.5, 2.0])
    tables = {
        "guarantees": guarantees(fleet).table(),
        "stress": stressed.table(),
        "stress-cells": stressed.cells(),
        "headrooms": compare_headrooms(fleet, headrooms=[0.0, 0.1], factor=1.2).table(),
        "robustness": price_of_robustness(fleet, most_workloads=1, rise=0.2).table(),
    }
    folder = Path("out/answers")
    assert sorted(path.stem for path in folder.iterdir()) == sorted(tables)
    for name, table in tables.items():
        header, *lines = (folder / f"{name}.csv").read_text(encoding="utf-8").splitlines()
        assert header.split(",") == list(table.columns)
        assert len(lines) == len(table)
        for row, (_, expected) in zip(rows(folder / f"{name}.csv"), table.iterrows(), strict=True):
            for column, value in expected.items():
                assert row[column] == value or float(row[column]) == pytest.approx(value, abs=1e-9)
    assert "melange asks for no guarantee." in ran.out
    for line in ("x 1.5     66.7%", "head-room serves of 1.2 times", "may rise by 20% at once"):
        assert line in ran.out


@pytest.mark.parametrize(
    "words", [("--stress", "1,2"), ("--headrooms", "0,0.3"), ("--robustness", "1")]
)
def test_answers_are_drawn(resolve, words):
    ran = resolve(MELANGE, *words, "--plot", "what.svg", "--csv", "what.csv", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert Path("what.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert rows("what.csv")


def test_lists_percentages_and_ranges_are_the_same(resolve):
    for words in ("1,1.5,2", "100%,150%,200%", "1:2:3", " 1, 1.5 ,2,2"):
        assert resolve(MELANGE, "--stress", words, "-q", "--csv", "one.csv").code == 0
        assert [row["factor"] for row in rows("one.csv")] == ["1", "1.5", "2"]


def test_a_plan_that_cannot_be_had_is_told_and_not_stressed(resolve, small):
    path = small / "instance.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("second: 30", "second: 60\n    headroom: 0.1"), encoding="utf-8")
    ran = resolve(small, "--stress", "1,2", "--csv", "stress.csv", "--plot", "stress.svg")
    assert ran.code == 3
    assert "melange: infeasible" in ran.out
    assert "short" in ran.out
    assert ran.err.splitlines() == [
        "stress.csv: not written, since there is no plan.",
        "stress.svg: not drawn, since there is no plan to draw.",
    ]
    assert list(Path().glob("stress.*")) == []
    ran = resolve(small, "--guarantees", "--quiet", "--csv", "guarantees.csv")
    assert (ran.code, ran.out) == (3, "")
    assert "melange: infeasible" in ran.err
    (row,) = rows("guarantees.csv")
    assert (row["guarantee"], row["status"], row["dollars"]) == ("head-room", "infeasible", "")


def test_plans_that_cannot_be_had_are_rows(resolve, small):
    """Two accelerators serve 30 requests a second, without head-room and without a rise."""
    for words, name in (
        (("--headrooms", "0,0.5"), "headrooms"),
        (("--robustness", "1"), "robustness"),
    ):
        ran = resolve(small, *words, "--folder", "out")
        assert (ran.code, ran.err) == (0, "")
        assert [row["status"] for row in rows(f"out/{name}.csv")] == ["optimal", "infeasible"]
        assert "infeasible" in ran.out
    ran = resolve(small, "--headrooms", "0.5,0.6", "--plot", "rooms.svg")
    assert (ran.code, ran.err) == (3, "rooms.svg: not drawn, since there is no plan to draw.\n")


def test_answers_stay_where_a_later_question_fails(resolve):
    """The decomposition, asked for here, knows no robustness."""
    ran = resolve(
        *(DAY, "--stress", "1,2", "--robustness", "1", "--folder", "out"),
        *("--method", "decomposition", "--gap", "0.05"),
    )
    assert ran.code == 2
    assert "solver.method: found `decomposition`" in ran.err
    assert sorted(path.stem for path in Path("out").iterdir()) == ["stress", "stress-cells"]
    assert [row["factor"] for row in rows("out/stress.csv")] == ["1", "2"]
    assert "x 2" in ran.out


QUESTIONS = "--guarantees, --stress, --headrooms or --robustness"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), f"found no question, expected {QUESTIONS}"),
        (("--stress", "0"), "--stress: found '0', expected factors above 0"),
        (("--stress", "1,nan"), "--stress: found '1,nan', expected factors above 0"),
        (("--stress", "much"), "--stress: found 'much', expected factors above 0"),
        (("--stress", "1:2"), "--stress: found '1:2', expected a range from:to:steps"),
        (("--stress", "1:2:2000"), "--stress: found '1:2:2000', expected factors above 0"),
        (("--headrooms", "0,1"), "--headrooms: found '0,1', expected parts from 0 to below 1"),
        (("--headrooms", ""), "--headrooms: found '', expected parts from 0 to below 1"),
        (("--headrooms", "0", "--at", "1,2"), "--at: found '1,2', expected a factor above 0"),
        (("--robustness", "2"), "--robustness: found 2, expected at most 1, the workloads"),
        (("--robustness", "1", "--rise", "-1"), "--rise: found '-1', expected a part such as"),
        (("--guarantees", "--at", "2"), "--at: expected --headrooms beside it"),
        (("--guarantees", "--rise", "2"), "--rise: expected --robustness beside it"),
        (
            ("--guarantees", "--stress", "2", "--csv", "a.csv"),
            "--csv: found 2, expected one question beside it. Write several answers by --folder",
        ),
        (("--guarantees", "--plot", "a.svg"), "--plot: found --guarantees, expected --stress"),
        (("--stress", "2", "--plot", "a.svg"), "--plot: found one, expected several factors"),
        (("--stress", "1,2", "--plot", "a.txt"), "a.txt: expected a name ending in .svg"),
        (("--stress", "2", "--csv", "none/a.csv"), "none/a.csv: cannot write here"),
        (("--stress", "2", "--folder", "file/a"), "file/a: cannot write here"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(resolve, words, told):
    Path("file").write_text("", encoding="utf-8")
    ran = resolve(MELANGE, *words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(told)
    assert ran.err.count("\n") == 1


def test_all_that_cannot_be_asked_is_told_at_once(resolve):
    ran = resolve(MELANGE, "--at", "2", "--rise", "2")
    assert [line.split(":")[0] for line in ran.err.splitlines()] == [
        f"found no question, expected {QUESTIONS}.",
        "--at",
        "--rise",
    ]


def test_what_is_wrong_in_the_fleet_is_told_with_file_and_line(resolve, small):
    ran = resolve("none", "--guarantees")
    assert ran.code == 2
    assert ran.err.startswith("none")
    path = small / "instance.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("requests_per_second", "requests"), encoding="utf-8")
    ran = resolve(small, "--guarantees")
    assert ran.code == 2
    assert f"{path}:11: workloads[0].requests: found an unknown key" in ran.err
    path.write_text(text, encoding="utf-8")
    ran = resolve(small, "--robustness", "1", "--method", "decomposition")
    assert ran.code == 2
    assert f"{path}:18: solver.method: found `decomposition`" in ran.err
    assert "The decomposition knows no " in ran.err


def test_progress_names_the_plan_that_is_sought(resolve, monkeypatch):
    monkeypatch.setattr(fleet_options, "LOG_SECONDS", 0.0)
    ran = resolve(MELANGE, "--stress", "1", "--headrooms", "0,0.2", "--robustness", "1")
    assert ran.err.splitlines() == [
        "melange: as it is",
        "melange: head-room 0% (1 of 2)",
        "melange: head-room 20% (2 of 2)",
        "melange: 0 rising (1 of 2)",
        "melange: 1 rising (2 of 2)",
    ]


def test_help_shows_examples_and_what_they_write():
    told = CliRunner().invoke(cli.app, ["what-if", "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    text = " ".join(told.output.split())
    for words in (
        "Example: planner what-if instances/day --guarantees --csv guarantees.csv",
        "planner what-if instances/melange --robustness 1",
        "3: infeasible",
    ):
        assert words in text
