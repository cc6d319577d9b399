"""Sweeps of fleets: each point as if its file had been written by hand."""

import json
from pathlib import Path

import pytest

import planner
from planner.errors import InputError
from planner.io.instance_file import asks_fleet
from planner.io.opened_fleet import opened, points_of
from planner.io.overrides import changed
from planner.problem.fleet import Fleet

SHOP = {
    "name": "shop",
    "workloads": [
        {
            "name": name,
            "transformer": "llama-3.1-8b",
            "requests_per_second": rate,
            "tokens_per_second_per_request": 40,
            "search": {"batch": [8, 32], "tensor_parallel": [1]},
        }
        for name, rate in (("chat", 20), ("code", 5))
    ],
    "pools": {"name": "eu", "accelerator": "h100-sxm", "dollars_per_gpu_hour": 2.5},
}


@pytest.fixture
def file(tmp_path):
    """Write a file of the shop and return its path."""

    def write(**said) -> Path:
        path = tmp_path / "shop.json"
        path.write_text(json.dumps(SHOP | said, indent=1), encoding="utf-8")
        return path

    return write


def problem_of(path):
    with pytest.raises(InputError) as caught:
        list(planner.read_instances(path))
    (problem,) = caught.value.problems
    return str(problem)


def test_points_are_fleets_as_written_by_hand(file):
    sweep = {"workloads[chat].requests_per_second": [20, 40], "pools[eu].gpus": [8, 16]}
    points = list(planner.read_instances(file(sweep=sweep)))
    workloads = [SHOP["workloads"][0] | {"requests_per_second": 40}, SHOP["workloads"][1]]
    by_hand = planner.read_instance(
        file(name=points[2].name, workloads=workloads, pools=SHOP["pools"] | {"gpus": 8})
    )
    assert points[2] == by_hand
    assert [point.name for point in points[:2]] == [
        "shop[requests_per_second=20,gpus=8]",
        "shop[requests_per_second=20,gpus=16]",
    ]
    assert points[3].swept == {"workloads[chat].requests_per_second": 40, "pools[eu].gpus": 16}


@pytest.mark.parametrize(
    ("name", "by_number"),
    [("pools[eu].gpus", "pools[0].gpus"), ("workloads[code].headroom", "workloads[1].headroom")],
)
def test_entries_are_swept_by_name_or_by_number(file, name, by_number):
    values = [8, 16] if "gpus" in name else [0.1, 0.2]
    found = [list(planner.read_instances(file(sweep={path: values}))) for path in (name, by_number)]
    assert found[0] == found[1]


def test_one_point_that_asks_for_a_fleet_makes_all_points_fleets(file):
    one = {"workload": SHOP["workloads"][0], "workloads": None}
    said = {key: value for key, value in (SHOP | one).items() if value is not None}
    path = file()
    path.write_text(json.dumps(said | {"sweep": {"max_deployments": [1, "any"]}}), "utf-8")
    points = list(planner.read_instances(path))
    assert asks_fleet(path) and all(isinstance(point, Fleet) for point in points)
    assert [point.workloads[0].max_deployments for point in points] == [1, "any"]


def test_a_swept_fleet_is_solved_and_its_rows_say_what_was_swept(file):
    path = file(sweep={"pools[eu].dollars_per_gpu_hour": [2, 3]})
    plans = [planner.solve(point) for point in planner.read_instances(path)]
    assert plans[1].objective == pytest.approx(1.5 * plans[0].objective)
    assert set(plans[0].table()["sweep"]) == {'{"pools[eu].dollars_per_gpu_hour":2}'}
    assert plans[0].fleet_digest != plans[1].fleet_digest


def test_messages_name_the_line_of_the_value(file):
    path = file(sweep={"workloads[chat].requests_per_second": [20, -1]})
    found = planner.read_instances(path)
    assert found[0].workloads[0].requests_per_second == (20,)
    with pytest.raises(InputError) as caught:
        found[1]
    line = path.read_text("utf-8").splitlines().index("   -1") + 1
    assert str(caught.value).startswith(
        f"{path}:{line}: workloads[0].requests_per_second: found -1"
    )


def test_what_is_wrong_at_every_point_is_told_once(file):
    workloads = [SHOP["workloads"][0] | {"prio": 2}, SHOP["workloads"][1]]
    told = problem_of(file(workloads=workloads, sweep={"pools[eu].gpus": [8, 16]}))
    assert "workloads[0].prio: found an unknown key" in told and "in point" not in told


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("pools[us].gpus", "found 'us', expected the number or name of an entry of `workloads`"),
        ("workloads[chats].headroom", "found 'chats', expected the number or name of an entry"),
        ("workloads[7].headroom", "found `workloads` with 2 entries"),
        ("name", "found `name`, expected a field of the instance"),
    ],
)
def test_paths_that_lead_nowhere_are_told(file, path, told):
    said = told.replace("`workloads`", "`pools`") if path.startswith("pools") else told
    pools = [SHOP["pools"], SHOP["pools"] | {"name": "asia"}]
    found = problem_of(file(pools=pools, sweep={path: [0.1, 0.2]}))
    assert said in found and path in found


def test_questions_about_one_fleet_refuse_a_sweep_and_points_are_opened_by_number(file):
    path = file(sweep={"pools[eu].gpus": [8, 16, 32]})
    assert points_of(path) == 3
    with pytest.raises(InputError, match="a sweep of 3 points, expected one instance"):
        opened(path)
    assert opened(path, 2).fleet.pools[0].gpus == 32


def test_a_fleet_is_changed_by_the_paths_of_its_file(file):
    fleet = planner.read_instance(file())
    found = changed(
        fleet, {"pools[eu].dollars_per_gpu_hour": 4, "headroom": "10%", "workloads[1].priority": 2}
    )
    assert found.pools[0].on_demand.dollars_per_gpu_hour == (4,)
    assert [one.headroom for one in found.workloads] == [0.1, 0.1]
    assert [one.priority for one in found.workloads] == [1, 2]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"workloads[chat].prio": 2}, "workloads[0].prio: found an unknown key"),
        ({"pools[eu].gpus": -2}, "pools[0].gpus: found -2"),
        ({"workloads[chat].regions": "mars"}, "workloads[0].regions"),
        ({"pools[9].gpus": 2}, "pools[9].gpus: found no such place"),
    ],
)
def test_changes_that_cannot_be_are_told(file, changes, told):
    with pytest.raises(InputError) as caught:
        changed(planner.read_instance(file()), changes)
    assert told in str(caught.value)
