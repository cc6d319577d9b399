"""Frontiers of fleets: each workload as an instance of its own; the whole over a field."""

import json

import pytest

import planner
from planner.analysis.fleet.frontiers import best_over, frontiers, frontiers_over
from planner.analysis.frontier import Frontier
from planner.errors import InputError

POOLS = [
    {"name": "eu", "accelerator": "h100-sxm", "region": "eu", "dollars_per_gpu_hour": 2.5},
    {"name": "us", "accelerator": "l40s", "region": "us", "dollars_per_gpu_hour": 0.9},
    {"name": "bought", "accelerator": "h200-sxm", "region": "us", "owned": {"gpus": 8}},
]
SEARCH = {"batch": [1, 8, 32], "tensor_parallel": [1, 2], "pipeline_parallel": 1}
CHAT = {
    "name": "chat",
    "transformer": "llama-3.1-8b",
    "requests_per_second": 20,
    "tokens_per_second_per_request": 40,
    "time_to_first_token_seconds": 0.5,
    "users_in": "eu",
}
CODE = {
    "name": "code",
    "transformer": "qwen3-8b",
    "requests_per_second": 9,
    "tokens_per_second_per_request": 30,
    "regions": ["eu"],
}


@pytest.fixture
def fleet(tmp_path):
    """A fleet of two workloads on three pools in two regions."""

    def write(**said):
        path = tmp_path / "fleet.json"
        trips = {"eu": {"us": 0.1}}
        content = {"workloads": [CHAT, CODE], "pools": POOLS, "search": SEARCH}
        content |= {"name": "two", "round_trip_seconds": trips} | said
        path.write_text(json.dumps(content), encoding="utf-8")
        return planner.read_instance(path)

    return write


def test_each_workload_has_the_frontier_of_an_instance_of_its_own(fleet):
    (chat, code) = frontiers(fleet())
    alone = {"name": "alone", "search": SEARCH, "workload": {}, "pools": []}
    alone["workload"] = {key: CODE[key] for key in ("transformer", "tokens_per_second_per_request")}
    alone["pools"] = [{"accelerator": "h100-sxm", "name": "eu", "dollars_per_gpu_hour": 2.5}]
    by_itself = planner.frontier(planner.problem.instance.Instance.model_validate(alone))
    assert [point.label for point in code.points] == [point.label for point in by_itself.points]
    assert {(point.instance, point.workload) for point in chat.points} == {("two", "chat")}
    # The longest round trip is taken off the limit on the first token.
    assert all(point.time_to_first_token_seconds <= 0.4 for point in chat.points)
    assert "bought" in {point.pool for point in chat.points}


def test_points_of_what_is_paid_for_have_the_catalogues_price(fleet):
    (chat,) = frontiers(fleet(), ("chat",))
    prices = {point.pool: point.dollars_per_gpu_hour for point in chat.points}
    sources = {point.pool: point.price_source for point in chat.points}
    assert prices["bought"] > 0 and sources["bought"] != "instance"


def test_a_workload_from_files_says_why_it_has_none(fleet, tmp_path):
    table = "pool,label,gpus,requests_per_second,tpot_seconds,ttft_seconds\neu,a,1,3,0.01,0.1\n"
    (tmp_path / "own.csv").write_text(table, encoding="utf-8")
    measured = {key: CHAT[key] for key in ("name", "requests_per_second")}
    found = list(frontiers(fleet(workloads=[measured | {"deployments": "own.csv"}, CODE])))
    assert found[0].status == "input_error" and "`deployments` from files" in found[0].message
    assert isinstance(found[1], Frontier) and found[1].points


def test_an_unknown_workload_is_told(fleet):
    with pytest.raises(InputError, match="Did you mean chat"):
        list(frontiers(fleet(), ("cha",)))


def test_round_trips_that_are_too_long_are_told(fleet):
    (found,) = frontiers(fleet(round_trip_seconds={"eu": {"us": 0.6}}), ("chat",))
    assert "0.6 s to the farthest pool" in found.message


def test_over_a_field_each_workload_has_a_frontier_for_each_value(fleet):
    (over,) = frontiers_over(fleet(), "workloads[code].input_tokens", [500, 4000], ("code",))
    short, long = over.answers
    assert short.points[0].dollars_per_million_tokens < long.points[0].dollars_per_million_tokens
    assert over.rows()[0]["workloads[code].input_tokens"] == 500


def test_over_a_field_the_whole_is_solved_for_each_value(fleet):
    asked = fleet(solver={"relative_gap": 0.0})
    found = best_over(asked, "pools[eu].dollars_per_gpu_hour", [2.5, 5.0, -1])
    assert [plan.status for plan in found.answers] == ["optimal", "optimal", "input_error"]
    alone = planner.solve(asked)
    assert found.answers[0].objective == pytest.approx(alone.dollars_per_hour)
    assert found.answers[1].objective > found.answers[0].objective


def test_a_field_that_there_is_not_is_told(fleet):
    with pytest.raises(InputError, match="unknown key"):
        best_over(fleet(), "pools[eu].price", [1, 2])
