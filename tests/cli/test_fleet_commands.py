"""The command line for fleets: what is printed, written, drawn and returned."""

import csv
import json
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import planner
from planner import cli
from planner.cli import fleet_options
from planner.plans.read_fleet import read_fleet_plan

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("PLANNER_DATA", "")
FILES = ["plan.csv", "purchases.csv", "service.csv", "summary.json"]

SHOP = """\
name: shop
periods: [{name: night, hours: 16}, {name: day, hours: 8}]
deployments: measured.csv
pools:
  - {name: h100, gpus: 16, on_demand: {dollars_per_gpu_hour: 2.5}}
workloads:
  - {name: chat, requests_per_second: [4, 16], tokens_per_second_per_request: 50,
     max_deployments: any}
"""
MEASURED = """\
workload,pool,label,gpus,requests_per_second,tpot_seconds
chat,h100,tp2,2,3.1,0.016
chat,h100,tp4,4,7.4,0.015
"""


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Path:
    """A fleet with its candidates in the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "instance.yaml").write_text(SHOP, encoding="utf-8")
    (folder / "measured.csv").write_text(MEASURED, encoding="utf-8")
    return folder


def write(folder: Path, old: str, new: str) -> None:
    """Put another text into the fleet's file."""
    path = folder / "instance.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_fleet_prints_the_plan_and_writes_everything(run, shop):
    ran = run(
        *("solve", "shop", "--folder", "out/plan", "--csv", "p.csv", "--purchases", "b.csv"),
        *("--service", "s.csv", "--plot", "use.svg", "--stack", "out/plan/areas.png"),
    )
    assert (ran.code, ran.err) == (0, "")
    # By night 4 requests/s: tp4 alone, by day 16: two of tp4 and one of tp2.
    dollars = 16 * 4 * 2.5 + 8 * 10 * 2.5
    assert f"shop: ${dollars / 24:.2f}/h (proved optimal)" in ran.out
    for word in ("Workloads", "Deployments", "Pools", "chat", "h100", "tp4", "1–3"):
        assert word in ran.out
    folder = Path("out/plan")
    assert sorted(path.name for path in folder.iterdir()) == ["areas.png", *FILES]
    for name, other in zip(FILES, ("p.csv", "b.csv", "s.csv"), strict=False):
        assert (folder / name).read_bytes() == Path(other).read_bytes()
    assert json.loads((folder / "summary.json").read_text())["dollars"] == pytest.approx(dollars)
    assert Path("use.svg").read_text().startswith("<?xml")
    assert (folder / "areas.png").read_bytes().startswith(b"\x89PNG")


def test_what_fleet_writes_holds_wherever_it_is_checked_from(run, shop, monkeypatch):
    assert run("solve", "shop", "--folder", "out", "-q", "--gap", "0.2").code == 0
    for folder, plan, fleet in ((shop.parent, "out", "shop"), (shop, "../out", "instance.yaml")):
        monkeypatch.chdir(folder)
        ran = run("check", plan, fleet)
        assert (ran.code, ran.err) == (0, "")
        assert re.fullmatch(r"shop: holds \(gap \S+\)\n", ran.out)


def test_check_tells_what_does_not_hold(run, shop):
    run("solve", "shop", "--folder", "out", "-q")
    plan = read_fleet_plan("out")
    one = np.flatnonzero(plan.replicas.replicas == 1)[0]
    more, gpus = plan.replicas.replicas.copy(), plan.replicas.gpus.copy()
    more[one], gpus[one] = 2, 2 * gpus[one]
    replace(plan, replicas=replace(plan.replicas, replicas=more, gpus=gpus)).write("out")
    ran = run("check", "out", "shop")
    assert (ran.code, ran.out) == (1, "shop: does not hold\n")
    assert "requests_per_second" in ran.err
    write(shop, "gpus: 16", "gpus: 17")
    assert "instance_digest: found" in run("check", "out", "shop").err


def test_check_asks_for_one_fleet_and_a_folder_that_is_a_plan(run, shop):
    ran = run("check", "shop", "shop")
    assert ran.code == 2
    assert "summary.json: found no such file or directory" in ran.err
    ran = run("check", "shop", "shop", "shop")
    assert ran.code == 2
    assert "found 2, expected one fleet" in ran.err


def test_a_roughly_solved_plan_is_checked_by_its_own_gap(run, shop, monkeypatch):
    run("solve", "shop", "--folder", "out", "-q")
    plan = read_fleet_plan("out")
    bound = plan.objective * 0.9
    replace(plan, bound=bound, gap=0.1).write("out")
    assert run("check", "out", "shop").out == "shop: holds (gap 0.1)\n"
    replace(plan, bound=bound, gap=0.05).write("out")
    assert run("check", "out", "shop").code == 1


def test_quiet_prints_nothing_on_success(run, shop):
    ran = run("solve", "shop", "--csv", "plan.csv", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert len(rows(Path("plan.csv"))) == 3


def test_infeasible_says_why_and_draws_nothing(run, shop):
    write(shop, "gpus: 16", "gpus: 8")
    ran = run("solve", "shop", "--csv", "plan.csv", "--plot", "use.svg", "--folder", "out", "-q")
    assert ran.code == 3
    assert "shop: infeasible" in ran.err
    assert "h100" in ran.err
    assert "use.svg: not drawn, since there is no plan to draw." in ran.err
    assert not Path("use.svg").exists()
    (row,) = rows(Path("plan.csv"))
    assert (row["status"], row["workload"]) == ("infeasible", "")
    assert run("check", "out", "shop").out == "shop: holds\n"


def test_no_deployment_is_fast_enough(run, shop):
    write(shop, "per_request: 50", "per_request: 500")
    ran = run("solve", "shop")
    assert ran.code == 3
    assert "no deployment of `chat` is fast enough" in " ".join(ran.out.split()).replace("│ ", "")


def test_what_is_wrong_is_told_with_file_and_line(run, shop):
    write(shop, "requests_per_second: [4", "requests_per_seconds: [4")
    ran = run("solve", "shop")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("shop/instance.yaml:7: workloads[0]")


def test_what_is_wrong_only_later_is_told_with_file_and_line(run, shop):
    """Pools without a price are found when the market is drawn up, after reading."""
    write(shop, ", on_demand: {dollars_per_gpu_hour: 2.5}", "")
    ran = run("solve", "shop/instance.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("shop/instance.yaml:5: pools[0]")
    rises = "solver: {method: decomposition}\nrobustness: {workloads: 1, rise: 0.5}\n"
    write(shop, "workloads:", f"{rises}workloads:")
    write(shop, "gpus: 16", "on_demand: {dollars_per_gpu_hour: 2.5}")
    ran = run("solve", "shop")
    assert ran.code == 2
    assert "shop/instance.yaml:6: solver.method: found `decomposition`" in ran.err


def test_one_wrong_fleet_does_not_stop_the_others(run, shop):
    Path("wrong.yaml").write_text("name: wrong\n", encoding="utf-8")
    shutil.copytree(shop, "other")
    ran = run("solve", "wrong.yaml", "shop", "none.yaml", "other/instance.yaml", "--folder", "out")
    assert ran.code == 2
    assert ran.out.count("shop: $") == 2
    assert "wrong.yaml" in ran.err
    assert "none.yaml: found nothing" in ran.err
    for name in ("shop", "other"):
        assert sorted(path.name for path in Path("out", name).iterdir()) == FILES


def test_results_of_several_fleets_go_into_folders(run, shop):
    ran = run("solve", "shop", "shop", "--csv", "plan.csv", "--plot", "use.svg")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("use --folder.") == 2
    ran = run("solve", "shop", "shop/instance.yaml", "--folder", "out")
    assert ran.code == 2
    assert ran.err.startswith("--folder: found shop twice, expected names that differ.")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--csv", "none/plan.csv"), "none/plan.csv: cannot write here (no such file"),
        (("--plot", "use.txt"), "use.txt: expected a name ending in .svg"),
        (("--folder", "file/out"), "file/out: cannot write here (not a directory)"),
    ],
)
def test_results_that_cannot_be_written_are_refused_before_anything_is_solved(
    run, shop, words, told
):
    Path("file").write_text("")
    ran = run("solve", "shop", *words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(told)
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("method", ["milp", "decomposition"])
def test_methods_agree_and_are_named(run, shop, method):
    ran = run("solve", "shop", "--method", method, "--gap", "0", "--folder", "out")
    assert ran.code == 0
    summary = json.loads(Path("out/summary.json").read_text())
    assert (summary["method"], summary["dollars"]) == (method, pytest.approx(360.0))
    assert summary["gap"] <= 1e-9


@pytest.mark.parametrize("words", [("--method", "magic"), ("--gap", "-1"), ("--time-limit", "0")])
def test_values_that_are_none_are_refused(run, shop, words):
    ran = run("solve", "shop", *words)
    assert ran.code == 2
    assert words[0] in ran.err


@pytest.mark.skipif(not DATA, reason="PLANNER_DATA is not set: the other planner's sample is there")
def test_infernos_folder_is_planned_as_it_is(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run("solve", f"{DATA}/fleet/inferno_small", "--gap", "0", "--folder", "out")
    assert ran.code == 0
    assert "$225.64/h (proved optimal)" in ran.out
    assert run("check", "out", f"{DATA}/fleet/inferno_small").code == 0


def test_progress_is_shown_only_of_long_work(monkeypatch, capsys):
    with fleet_options.progress_line("day", quiet=False) as tell:
        tell("relaxation", 12.0, 11.0)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(fleet_options, "LOG_SECONDS", 0.0)
    with fleet_options.progress_line("day", quiet=False) as tell:
        tell("whole patterns", 12.0, 11.88)
        tell("solving", float("nan"), float("nan"))
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "day: whole patterns, plan $12.00, bound $11.88, gap 0.01",
        "day: solving",
    ]
    with fleet_options.progress_line("day", quiet=True) as tell:
        tell("solving", float("nan"), float("nan"))
    assert capsys.readouterr() == ("", "")


def test_the_relaxation_is_not_called_a_plan():
    assert fleet_options._stage("relaxation", 12.0, float("-inf")) == "relaxation, relaxed $12.00"
    assert fleet_options._stage("solving", float("inf"), 3.0) == "solving, bound $3.00"


def test_help_shows_examples(monkeypatch):
    told = CliRunner().invoke(cli.app, ["solve", "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    text = " ".join(told.output.split())
    assert "planner solve instances/day --folder plan" in text
    assert "3: infeasible" in text


def test_public_names_are_those_of_their_modules():
    from planner import api
    from planner.io import instance_file
    from planner.plans import fleet_plan, read_fleet
    from planner.problem import fleet
    from planner.verification.fleet import check_fleet_plan

    assert planner.read_instance is instance_file.read_instance
    assert planner.solve is api.solve
    assert not hasattr(planner, "read_fleet")
    assert not hasattr(planner, "solve_fleet")
    assert planner.Fleet is fleet.Fleet
    assert planner.FleetPlan is fleet_plan.FleetPlan
    assert planner.check_fleet_plan is check_fleet_plan.check_fleet_plan
    assert planner.read_fleet_plan is read_fleet.read_fleet_plan
    assert "planner.problem.fleet" in sys.modules
