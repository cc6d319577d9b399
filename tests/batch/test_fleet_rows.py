"""Fleets in a batch: all rows of each plan side by side, whole or not at all."""

import csv
import json
from pathlib import Path

import pytest
from batches import CHAT

import planner
from planner.batch.results_csv import ResultsFile
from planner.batch.run import write_plans
from planner.batch.summary_csv import OF_THE_WHOLE, write_summary
from planner.batch.tasks import Tasks
from planner.batch.worker import Settings, answer
from planner.errors import OutputError
from planner.plans.plan import COLUMNS

FLEET = {
    "name": "two",
    "periods": [{"name": "night"}, {"name": "day"}],
    "workloads": [
        {
            "name": name,
            "transformer": "llama-3.1-8b",
            "requests_per_second": [5, rate],
            "tokens_per_second_per_request": 40,
        }
        for name, rate in (("chat", 40), ("code", 20))
    ],
    "search": CHAT["search"],
    "pools": CHAT["pools"],
}


class AtOnce:
    """A pool of workers that answers here and counts what it was asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, task):
        self.asked += 1
        return answer(task, Settings())


@pytest.fixture
def jobs(tmp_path):
    """A folder with a fleet between two instances of one deployment."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    for name, content in (("a", CHAT), ("b", FLEET), ("c", CHAT | {"name": "last"})):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def batched(folder, path, resume=False, times=False):
    """Solve a folder into a CSV; return how many were solved."""
    from planner.batch.executors import WorkerPool
    from planner.batch.tasks import find_instances

    at_once = AtOnce()

    def submit(task):
        from concurrent.futures import Future

        done = Future()
        done.set_result(at_once(task))
        return done

    with ResultsFile(path, resume, times=times) as results:
        write_plans(Tasks(find_instances([folder])), results, WorkerPool(submit, 1))
    return at_once.asked


def rows_of(path):
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_all_rows_of_a_fleet_stand_side_by_side_with_their_origin(jobs, tmp_path):
    path = tmp_path / "plans.csv"
    assert batched(jobs, path) == 3
    found = rows_of(path)
    alone = planner.solve(planner.read_instance(jobs / "b.json")).table()
    mine = [row for row in found if row["instance"] == "two"]
    assert [row["label"] for row in mine] == list(alone["label"])
    assert [row["replicas"] for row in mine] == [str(n) for n in alone["replicas"]]
    assert {row["rows"] for row in mine} == {str(len(alone))} and len(mine) > 2
    assert {row["source"] for row in mine} == {str(jobs / "b.json")}
    assert [row["instance"] for row in found] == ["chat", *["two"] * len(mine), "last"]


def test_going_on_keeps_a_fleet_whose_rows_are_whole(jobs, tmp_path):
    path = tmp_path / "plans.csv"
    batched(jobs, path)
    before = path.read_bytes()
    (jobs / "b.json").rename(jobs / "z.json")
    assert batched(jobs, path, resume=True) == 0
    after = path.read_bytes().replace(b"z.json", b"b.json")
    assert sorted(after.splitlines()) == sorted(before.splitlines()) and after != before


@pytest.mark.parametrize("kept", range(1, 4))
def test_going_on_solves_a_fleet_again_whose_rows_broke_off(jobs, tmp_path, kept):
    path = tmp_path / "plans.csv"
    batched(jobs, path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: 2 + kept]))  # Header, chat, and some rows of the fleet.
    assert batched(jobs, path, resume=True) == 2
    assert path.read_bytes() == whole


def test_going_on_solves_a_fleet_again_of_which_a_row_was_taken_out(jobs, tmp_path):
    path = tmp_path / "plans.csv"
    batched(jobs, path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    assert batched(jobs, path, resume=True) >= 1
    assert path.read_bytes() == whole


def test_the_summary_has_a_row_for_each_instance(jobs, tmp_path):
    path, summary = tmp_path / "plans.csv", tmp_path / "summary.csv"
    batched(jobs, path)
    write_summary(path, summary)
    found, every = rows_of(summary), rows_of(path)
    assert [row["instance"] for row in found] == ["chat", "two", "last"]
    assert found[0] == every[0] and found[2] == every[-1]
    assert {name: found[1][name] for name in OF_THE_WHOLE} == {
        name: every[1][name] for name in OF_THE_WHOLE
    }
    assert all(found[1][name] == "" for name in COLUMNS if name not in OF_THE_WHOLE)


def test_a_summary_of_nothing_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"none\.csv"):
        write_summary(tmp_path / "none.csv", tmp_path / "summary.csv")


def test_a_fleet_without_a_plan_is_one_row(jobs, tmp_path):
    (jobs / "b.json").write_text(json.dumps(FLEET | {"pools": [CHAT["pools"][0] | {"gpus": 1}]}))
    path = tmp_path / "plans.csv"
    batched(jobs, path)
    (row,) = (row for row in rows_of(path) if row["instance"] == "two")
    assert row["status"] == "infeasible" and row["message"] and row["rows"] == "1"
    assert batched(jobs, path, resume=True) == 0
