"""`planner solve --folder` of single deployments: the same four files as of fleets."""

import csv
import json

import pytest

import planner
from planner.plans.folder import FILES

CHAT = """\
name: {name}
workload:
  transformer: llama-3.1-8b
  tokens_per_second_per_request: {speed}
  tokens_per_second: 9000
pools: [{{accelerator: h100-sxm, dollars_per_gpu_hour: 2.5}}]
search: {{tensor_parallel: 1, pipeline_parallel: 1, batch: [8, 32]}}
"""
SHOP = """\
name: shop
periods: 2
workload:
  {transformer: llama-3.1-8b, requests_per_second: 3, tokens_per_second_per_request: 40}
pools: [{accelerator: h100-sxm, dollars_per_gpu_hour: 2.5}]
search: {tensor_parallel: 1, pipeline_parallel: 1, batch: [8, 32]}
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A good, an infeasible and a swept instance, and a fleet, in the working directory."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "chat": CHAT.format(name="chat", speed=40),
        "hopeless": CHAT.format(name="hopeless", speed=1e6),
        "swept": CHAT.format(name="swept", speed=40) + "sweep: {workload.input_tokens: [500, 900]}",
        "shop": SHOP,
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def rows(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_one_deployment_has_the_files_and_the_columns_of_a_fleet(run, files):
    assert run("solve", "chat.yaml", "--folder", "a/chat", "-q").code == 0
    assert run("solve", "shop.yaml", "--folder", "a/shop", "-q").code == 0
    home = files / "a" / "chat"
    assert sorted(path.name for path in home.iterdir()) == sorted(FILES)
    for name in FILES[:3]:
        own, fleets = ((files / "a" / of / name).read_text() for of in ("chat", "shop"))
        assert own.splitlines()[0] == fleets.splitlines()[0]
    head = json.loads((home / "summary.json").read_text())
    (row,), (bought,), (got,) = (rows(home / name) for name in FILES[:3])
    assert head["status"] == row["status"] == "optimal"
    assert head["dollars_per_hour"] == float(row["dollars_per_hour"]) == float(bought["dollars"])
    assert bought["gpus"] == row["gpus"]
    assert bought["pool"] == "h100-sxm"
    assert float(got["capacity"]) == float(row["requests_per_second"])
    assert float(got["demand"]) == pytest.approx(9000 / 500)
    assert head.keys() <= json.loads((files / "a/shop/summary.json").read_text()).keys()


def test_the_folder_is_checked_and_so_is_the_plan_in_it(run, files):
    run("solve", "chat.yaml", "--folder", "plan", "-q")
    for plan in ("plan", "plan/plan.csv"):
        ran = run("check", plan, "chat.yaml")
        assert (ran.code, ran.out) == (0, "chat: holds\n")
    text = (files / "plan/plan.csv").read_text()
    (files / "plan/plan.csv").write_text(text.replace(",h100-sxm,1,", ",h100-sxm,2,", 1))
    assert run("check", "plan", "chat.yaml").code == 1


def test_every_instance_has_a_folder_of_its_own_and_points_of_a_sweep_share_one(run, files):
    asked = ("chat.yaml", "hopeless.yaml", "swept.yaml", "shop.yaml")
    assert run("solve", *asked, "--folder", "plans", "-q").code == 3
    homes = {path.name: path for path in (files / "plans").iterdir()}
    assert sorted(homes) == ["chat", "hopeless", "shop", "swept"]
    assert all(sorted(FILES) == sorted(p.name for p in home.iterdir()) for home in homes.values())
    assert [row["status"] for row in rows(homes["hopeless"] / "plan.csv")] == ["infeasible"]
    assert rows(homes["hopeless"] / "purchases.csv") == []
    assert len(rows(homes["swept"] / "plan.csv")) == 2
    assert len(json.loads((homes["swept"] / "summary.json").read_text())) == 2


def test_names_that_are_one_folder_are_refused_before_solving(run, files):
    (files / "other").mkdir()
    (files / "other" / "chat.yaml").write_text(CHAT.format(name="chat", speed=30))
    ran = run("solve", "chat.yaml", "other/chat.yaml", "--folder", "plans")
    assert ran.code == 2
    assert ran.err.startswith("--folder: found chat twice, expected names that differ.")


def test_a_folder_does_not_write_over_an_input(run, files):
    (files / "out").mkdir()
    (files / "out" / "summary.json").write_text('{"name": "an instance"}')
    ran = run("solve", "out/summary.json", "--folder", "out")
    assert ran.code == 2
    assert "this one would be lost" in ran.err


def test_write_of_a_plan_makes_the_folder(files):
    plan = planner.solve(planner.read_instance(files / "chat.yaml"))
    plan.write(files / "deep" / "plan")
    assert sorted(path.name for path in (files / "deep/plan").iterdir()) == sorted(FILES)
