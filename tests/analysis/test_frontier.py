"""Frontiers: against brute force, against the solver, over fields, on the command line, drawn."""

import csv
import json
import math
import random
from dataclasses import replace
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_instances import random_instance

import planner
from planner.analysis.frontier import COLUMNS, Frontier, frontier
from planner.analysis.parameter_sweep import over
from planner.candidates.requirements import all_met, requirements
from planner.candidates.shortlist_cache import ShortlistCache, content_key
from planner.candidates.table import sort_key, tabulate
from planner.errors import CheckError, InputError, OutputError
from planner.plans.plan import Plan
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.reporting.plots.frontier import (
    Line,
    frontier_lines,
    over_lines,
    plot_best,
    plot_frontiers,
)
from planner.reporting.plots.style import check_suffix
from planner.terms.forward_pass import Precision
from planner.verification import check_many, recompute
from planner.verification.recompute import Decisions

SEEDS = range(200)
AXES = (
    "tokens_per_second_per_request",
    "dollars_per_million_tokens_at_most",
    "dollars_per_hour_at_most",
)
CHAT = {
    "name": "chat",
    "workload": {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 40,
        "tokens_per_second": 9000,
        "max_replicas": 512,
    },
    "pools": [{"accelerator": "h100-sxm", "gpus": 16}, {"accelerator": "l40s", "gpus": 16}],
    "search": {"batch": [1, 8, 32, 64], "tensor_parallel": [1, 2], "pipeline_parallel": [1]},
}


@pytest.fixture
def chat():
    return Instance.model_validate(CHAT)


def brute_force(instance):
    """Cost, speed and label of every deployment that no other beats, by comparing all pairs."""
    resolved = resolve(instance)
    table = tabulate(resolved)
    asked = [found for found in requirements(resolved, table) if found.name not in AXES]
    table = table.take(all_met(asked))
    cost, speed = table.dollars_per_million_tokens, table.tokens_per_second_per_request
    gpus = table.replicas_needed(instance.workload) * table.gpus_per_replica
    points = {}
    for row in range(len(table)):
        no_worse = (cost <= cost[row]) & (speed >= speed[row])
        if np.any(no_worse & ((cost < cost[row]) | (speed > speed[row]))):
            continue
        key = (float(speed[row]), float(cost[row]))
        mark = (float(gpus[row]), sort_key(resolved, table, row))
        points[key] = min(mark, points.get(key, mark))
    return points


def name_of(instance, point):
    """The label that a point's deployment has in a table."""
    parts = [point.pool, f"tp{point.tensor_parallel:03d}", f"pp{point.pipeline_parallel:03d}"]
    if point.data_parallel * point.expert_parallel > 1:
        parts += [f"dp{point.data_parallel:03d}", f"ep{point.expert_parallel:03d}"]
    parts += [point.weight_precision, point.kv_precision]
    if point.gamma:
        parts += [point.draft, f"g{point.gamma:02d}"]
    return "_".join([*parts, f"b{point.batch:05d}"])


@pytest.mark.parametrize("seed", SEEDS)
def test_frontier_is_the_brute_force_one(seed):
    instance = random_instance(seed)
    expected = brute_force(instance)
    found = frontier(instance)
    key = {
        (p.tokens_per_second_per_request, p.dollars_per_million_tokens): (
            float(p.gpus),
            name_of(instance, p),
        )
        for p in found.points
    }
    assert key == expected
    assert len(found.points) == len(expected)
    assert bool(found.message) == (not expected)


def test_some_random_frontiers_have_many_points_and_some_none():
    sizes = [len(frontier(random_instance(seed)).points) for seed in range(60)]
    assert max(sizes) >= 10
    assert min(sizes) == 0


def asked_at(instance, speed=None, cost=None):
    """The instance as one for the solver: cheapest at a speed, or fastest at a cost."""
    workload = instance.workload.model_copy(update={AXES[0]: speed})
    aim = "dollars_per_million_tokens" if cost is None else "tokens_per_second_per_request"
    ceilings = {AXES[1]: cost, AXES[2]: None}
    return instance.model_copy(update={"workload": workload, "objective": aim, **ceilings})


@pytest.mark.parametrize("seed", range(40))
def test_there_is_no_gap_between_points(seed):
    """At any speed or cost between points, the solver finds the frontier's point and no better."""
    instance, shortlists, rng = random_instance(seed), ShortlistCache(), random.Random(seed)
    found = frontier(instance, shortlists=shortlists)
    if not found.points:
        assert planner.solve(asked_at(instance, speed=1e-3)).status == "infeasible"
        return
    speeds = [p.tokens_per_second_per_request for p in found.points]
    costs = [p.dollars_per_million_tokens for p in found.points]
    for _ in range(3):
        speed = math.exp(rng.uniform(math.log(speeds[0] / 2), math.log(speeds[-1])))
        plan = planner.solve(asked_at(instance, speed=speed), shortlists=shortlists)
        assert plan.objective == pytest.approx(
            found.cheapest_at(speed).dollars_per_million_tokens, rel=1e-6
        )
        cost = math.exp(rng.uniform(math.log(costs[0]), math.log(costs[-1] * 2)))
        plan = planner.solve(asked_at(instance, cost=cost), shortlists=shortlists)
        assert plan.objective == pytest.approx(
            found.fastest_at(cost).tokens_per_second_per_request, rel=1e-6
        )
    beyond = planner.solve(asked_at(instance, speed=speeds[-1] * 1.01), shortlists=shortlists)
    assert beyond.status == "infeasible"
    assert found.cheapest_at(speeds[-1] * 1.01) is None
    assert found.fastest_at(costs[0] * 0.99) is None


def test_points_rise_in_speed_and_cost(chat):
    found = frontier(chat)
    speeds = [p.tokens_per_second_per_request for p in found.points]
    costs = [p.dollars_per_million_tokens for p in found.points]
    assert len(speeds) > 3
    assert speeds == sorted(set(speeds))
    assert costs == sorted(set(costs))
    for point in found.points:
        assert found.cheapest_at(point.tokens_per_second_per_request) is point
        assert found.fastest_at(point.dollars_per_million_tokens) is point


def of(points):
    """A frontier with these speeds and costs."""
    plans = tuple(
        Plan(
            instance="made",
            status="optimal",
            tokens_per_second_per_request=speed,
            dollars_per_million_tokens=cost,
        )
        for speed, cost in points
    )
    return Frontier(Instance.model_validate(CHAT), plans, 1)


@given(
    st.lists(st.floats(0.01, 1e4), min_size=1, max_size=30, unique=True),
    st.lists(st.floats(0.001, 1e3), min_size=30, max_size=30, unique=True),
    st.floats(0, 10),
    st.floats(0.001, 2e4),
)
@settings(max_examples=150, deadline=None)
def test_directions_and_preference_of_any_points(speeds, costs, alpha, at):
    points = list(zip(sorted(speeds), sorted(costs[: len(speeds)]), strict=True))
    found = of(points)
    worth = [speed**alpha / cost for speed, cost in points]
    best = found.preferred(alpha)
    mine = best.tokens_per_second_per_request**alpha / best.dollars_per_million_tokens
    assert mine == pytest.approx(max(worth), rel=1e-9)
    fast = [cost for speed, cost in points if speed >= at * (1 - 1e-9)]
    cheap = [speed for speed, cost in points if cost <= at * (1 + 1e-9)]
    one, other = found.cheapest_at(at), found.fastest_at(at)
    assert (one.dollars_per_million_tokens if one else None) == min(fast, default=None)
    assert (other.tokens_per_second_per_request if other else None) == max(cheap, default=None)


def test_preference_goes_from_the_cheapest_to_the_fastest(chat):
    found = frontier(chat)
    assert found.preferred(0) is found.points[0]
    assert found.preferred(1000) is found.points[-1]
    assert found.preferred() is None
    asked = frontier(chat.model_copy(update={"speed_exponent": 0.0}))
    assert asked.preferred() is asked.points[0]
    assert [row["preferred"] for row in asked.rows()] == [True] + [False] * (len(asked.points) - 1)
    for alpha in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="alpha: found"):
            found.preferred(alpha)


def test_knee_is_far_below_the_straight_line():
    assert of([(1, 1), (10, 1.1), (11, 100)]).knee.tokens_per_second_per_request == 10
    assert of([(1, 1), (10, 1.1)]).knee is None


def test_target_and_ceilings_do_not_cut_the_frontier_but_are_told(chat):
    plain = frontier(chat)
    speed = plain.points[len(plain.points) // 2].tokens_per_second_per_request
    cost = plain.points[-2].dollars_per_million_tokens
    workload = chat.workload.model_copy(update={"tokens_per_second_per_request": speed})
    asked = chat.model_copy(update={"workload": workload, AXES[1]: cost})
    found = frontier(asked)
    assert [p.batch for p in found.points] == [p.batch for p in plain.points]
    told = [row["meets_target"] for row in found.rows()]
    half = len(told) // 2
    assert told == [False] * half + [True] * (len(told) - half - 1) + [False]
    hourly = frontier(chat.model_copy(update={AXES[2]: 1e-3}))
    assert {row["meets_target"] for row in hourly.rows()} == {False}


def test_frontier_needs_no_target(chat):
    workload = chat.workload.model_copy(update={"tokens_per_second_per_request": None})
    found = frontier(chat.model_copy(update={"workload": workload}))
    assert len(found.points) == len(frontier(chat).points)


def test_other_requirements_do_cut_the_frontier(chat):
    plain = frontier(chat)
    most = max(p.gpus for p in plain.points) - 1
    pools = tuple(pool.model_copy(update={"gpus": most}) for pool in chat.pools)
    few = frontier(chat.model_copy(update={"pools": pools}))
    assert 0 < max(p.gpus for p in few.points) <= most
    assert len(few.points) < len(plain.points)
    waits = sorted(p.time_to_first_token_seconds for p in plain.points)
    workload = chat.workload.model_copy(update={"time_to_first_token_seconds": waits[1]})
    soon = frontier(chat.model_copy(update={"workload": workload}))
    assert max(p.time_to_first_token_seconds for p in soon.points) <= waits[1] * (1 + 1e-9)


def test_infeasible_instance_has_an_empty_frontier_that_says_why(chat):
    workload = chat.workload.model_copy(update={"tokens_per_second": 1e9})
    found = frontier(chat.model_copy(update={"workload": workload}))
    assert (found.points, found.status) == ((), "infeasible")
    assert "replicas" in found.message or "GPUs" in found.message
    assert found.cheapest_at(1) is found.fastest_at(1e9) is found.preferred(3) is found.knee
    (row,) = found.rows()
    assert (row["status"], row["batch"]) == ("infeasible", None)
    assert row["message"] == found.message


def test_contradiction_is_an_input_error(chat):
    with pytest.raises(InputError, match="llama-9"):
        workload = chat.workload.model_copy(update={"transformer": "llama-9"})
        frontier(chat.model_copy(update={"workload": workload}))


def test_point_that_fails_its_check_is_not_shown(chat, monkeypatch):
    from planner.plans import build

    drawn_up = build.plan

    def flattered(*args, **named):
        plan = drawn_up(*args, **named)
        return replace(plan, memory_seconds=plan.memory_seconds * 0.99)

    monkeypatch.setattr(build, "plan", flattered)
    with pytest.raises(CheckError, match="memory_seconds"):
        frontier(chat)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_points_recomputed_together_are_those_recomputed_alone(seed):
    """The checker for many says what the checker for one says, and finds the same mistakes."""
    instance = random_instance(seed)
    resolved, points = resolve(instance), frontier(instance).points
    for point in points[:: max(1, len(points) // 5)]:
        supply = next(pool for pool in resolved.pools if pool.label == point.pool)
        drafts = {draft.name: draft for draft in resolved.drafts}
        decided = Decisions(
            Precision(point.weight_precision, point.kv_precision),
            *(point.tensor_parallel, point.pipeline_parallel, point.data_parallel),
            *(point.expert_parallel, point.batch, drafts.get(point.draft), point.gamma),
        )
        alone = recompute.recomputed(resolved, supply, decided, point.replicas)
        together = check_many.recomputed(resolved, [point])
        assert alone.keys() == together.keys() | {"replicas"}
        for column, values in together.items():
            assert values[0] == pytest.approx(alone[column], rel=1e-12), column


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("step_seconds", lambda p: p.step_seconds * 1.001),
        ("tokens_per_second_per_request", lambda p: p.tokens_per_second_per_request * 1.001),
        ("dollars_per_million_tokens", lambda p: p.dollars_per_million_tokens * 0.999),
        ("memory_bytes_per_gpu", lambda p: p.memory_bytes_per_gpu * 0.9),
        ("gpus", lambda p: p.gpus - 1),
        ("utilisation", lambda p: None),
        ("batch", lambda p: p.batch + 1),
        ("replicas", lambda p: 513),
        ("tensor_parallel", lambda p: 4),
        ("weight_precision", lambda p: "int8"),
    ],
)
def test_verification_finds_what_is_changed(chat, column, change):
    resolved, points = resolve(chat), frontier(chat).points
    allowed = resolved.instance.model_copy(
        update={"workload": chat.workload.model_copy(update={AXES[0]: 1.0})}
    )
    resolved = resolve(allowed)
    assert check_many.verify(resolved, points) == []
    spoilt = replace(points[1], **{column: change(points[1])})
    found = check_many.verify(resolved, [points[0], spoilt, *points[2:]])
    assert column in {finding.column for finding in found}


@pytest.mark.parametrize(
    ("column", "update"),
    [
        ("tokens_per_second_per_request", {"tokens_per_second_per_request": 1e5}),
        ("tokens_per_second", {"tokens_per_second": 1e9}),
        ("time_to_first_token_seconds", {"time_to_first_token_seconds": 1e-6}),
    ],
)
def test_verification_finds_missed_requirements(chat, column, update):
    asked = chat.model_copy(update={"workload": chat.workload.model_copy(update=update)})
    found = check_many.verify(resolve(asked), frontier(chat).points)
    assert column in {finding.column for finding in found}


def test_rows_have_the_columns_and_the_instance_digest(chat, tmp_path):
    found = frontier(chat)
    rows = found.rows()
    assert [list(row) for row in rows] == [list(COLUMNS)] * len(rows)
    assert {row["instance_digest"] for row in rows} == {chat.digest}
    assert list(found.table().columns) == list(COLUMNS)
    text = found.to_csv(tmp_path / "f.csv")
    assert (tmp_path / "f.csv").read_text() == text
    read = list(csv.DictReader(text.splitlines()))
    assert [float(row["dollars_per_million_tokens"]) for row in read] == [
        pytest.approx(p.dollars_per_million_tokens, rel=1e-11) for p in found.points
    ]
    assert json.loads(found.to_json(tmp_path / "f.json")) == rows
    assert planner.frontier(chat).to_csv() == text
    assert isinstance(found, planner.Frontier)


def test_exponent_changes_neither_digest_without_it_nor_shortlists(chat):
    with_it = chat.model_copy(update={"speed_exponent": 3.0})
    assert chat.digest != with_it.digest
    assert "speed_exponent" in Instance.model_fields
    assert content_key(resolve(chat), 0) == content_key(resolve(with_it), 0)
    # What is left at its default is no part of the digest: fields to come leave it as it is.
    assert chat.digest == chat.model_copy(update={"speed_exponent": None}).digest


@pytest.mark.parametrize("exponent", [-1, 10.5, math.nan, True, "3"])
def test_exponents_that_are_none(exponent):
    with pytest.raises(ValueError, match="speed_exponent"):
        Instance.model_validate({**CHAT, "speed_exponent": exponent})


# Over a field.


def test_over_a_price_equals_one_frontier_after_another(chat):
    prices = (0.5, 2.0, 8.0)
    found = over(chat, "pools[0].dollars_per_gpu_hour", prices)
    for price, one in zip(prices, found.answers, strict=True):
        pools = (chat.pools[0].model_copy(update={"dollars_per_gpu_hour": price}), chat.pools[1])
        alone = frontier(chat.model_copy(update={"pools": pools}))
        assert one.points == alone.points
    rows = found.rows()
    assert list(found.table().columns)[:3] == ["instance", found.field, "status"]
    assert {row[found.field] for row in rows} == set(prices)
    assert len(rows) == sum(len(one.points) for one in found.answers)


def test_over_shares_what_was_evaluated(chat, monkeypatch):
    from planner.candidates import shortlist_cache

    walks = []
    walk = shortlist_cache.shortlist
    monkeypatch.setattr(
        shortlist_cache, "shortlist", lambda *words: walks.append(1) or walk(*words)
    )
    over(chat, "workload.tokens_per_second", (1000, 2000, 4000))
    assert len(walks) == len(chat.pools)
    over(chat, "workload.input_tokens", (1000, 2000))
    assert len(walks) == 3 * len(chat.pools)


def test_over_best_gives_the_plans(chat, tmp_path):
    found = over(chat, "workload.input_tokens", (500, 2000), best=True)
    for value, plan in zip(found.values, found.answers, strict=True):
        workload = chat.workload.model_copy(update={"input_tokens": value})
        expected = planner.solve(chat.model_copy(update={"workload": workload}))
        assert plan.objective == expected.objective
    text = found.to_csv(tmp_path / "o.csv")
    assert text.startswith("instance,workload.input_tokens,status,")
    assert [row["objective"] for row in json.loads(found.to_json())] == [
        plan.objective for plan in found.answers
    ]


@pytest.mark.parametrize("best", [False, True])
def test_wrong_and_infeasible_values_are_rows_and_stop_nothing(chat, best):
    values = (1000, -1, 10_000_000, 2000)
    found = over(chat, "workload.input_tokens", values, best=best)
    statuses = {row["workload.input_tokens"]: row["status"] for row in found.rows()}
    assert statuses == {
        1000: "optimal",
        -1: "input_error",
        10_000_000: "input_error",
        2000: "optimal",
    }
    demand = over(chat, "workload.tokens_per_second", (1e12, 9000), best=best)
    assert [row["status"] for row in demand.rows()][:2] == ["infeasible", "optimal"]


def test_field_that_is_none_is_one_error(chat):
    with pytest.raises(InputError, match="input_token"):
        over(chat, "workload.input_token", (1000, 2000))
    with pytest.raises(InputError, match=r"pools\[7\]"):
        over(chat, "pools[7].gpus", (1, 2))


def test_progress_counts_over_all_values(chat):
    told = []
    found = over(chat, "workload.input_tokens", (500, 1000), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == sum(one.evaluated for one in found.answers)


# The command line.


@pytest.fixture
def run(run):
    """Call the command; return exit code, output and errors."""
    return partial(run, "frontier")


@pytest.fixture
def files(tmp_path):
    def write(name, content):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({**content, "name": name}), encoding="utf-8")
        return path

    return write


def rows_in(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_command_writes_and_shows(run, files, tmp_path, chat):
    path = files("chat", CHAT)
    written = tmp_path / "f.csv", tmp_path / "f.json", tmp_path / "f.svg"
    words = ("--csv", written[0], "--json", written[1], "--plot", written[2])
    code, out, err = run(path, *words, "--speed-exponent", "2")
    assert (code, err) == (0, "")
    for word in ("cheapest", "cheapest at 40 tok/s", "knee", "fastest", "speed^2"):
        assert word in " ".join(out.split())
    rows = rows_in(written[0])
    found = frontier(chat.model_copy(update={"speed_exponent": 2.0}))
    assert [int(row["batch"]) for row in rows] == [p.batch for p in found.points]
    assert {row["source"] for row in rows} == {str(path)}
    assert sum(row["preferred"] == "True" for row in rows) == 1
    assert [row["batch"] for row in json.loads(written[1].read_text())] == [
        p.batch for p in found.points
    ]
    assert b"<svg" in written[2].read_bytes()
    assert run(path, "-q")[1] == ""


def test_command_takes_several_instances_and_goes_on_after_wrong_ones(run, files, tmp_path):
    good = files("good", CHAT)
    wrong = files("wrong", {**CHAT, "pools": [{"accelerator": "h100sxm5000"}]})
    demand = {**CHAT["workload"], "tokens_per_second": 1e9}
    hopeless = files("hopeless", {**CHAT, "workload": demand})
    to = tmp_path / "f.csv"
    code, out, err = run(wrong, hopeless, good, "--csv", to, "--plot", tmp_path / "f.svg")
    assert code == 2
    assert "h100sxm5000" in err
    assert "infeasible" in out
    rows = rows_in(to)
    assert [row["status"] for row in rows][:3] == ["input_error", "infeasible", "optimal"]
    assert run(hopeless)[0] == 3
    code, _, err = run(hopeless, "--plot", tmp_path / "none.svg")
    assert code == 3
    assert "not drawn" in err
    assert not (tmp_path / "none.svg").exists()


def test_command_over_a_field(run, files, tmp_path):
    path, to = files("chat", CHAT), tmp_path / "o.csv"
    words = ("--over", "workload.input_tokens=1k:4k:log:3", "--csv", to)
    assert run(path, *words, "--plot", tmp_path / "o.svg")[0] == 0
    rows = rows_in(to)
    assert list(dict.fromkeys(row["workload.input_tokens"] for row in rows)) == [
        "1000",
        "2000",
        "4000",
    ]
    assert len(rows) > 3
    code, out, _ = run(path, *words, "--best", "--plot", tmp_path / "b.pdf")
    rows = rows_in(to)
    assert (code, len(rows)) == (0, 3)
    assert all(row["objective"] for row in rows)
    assert "2,000" in out
    names = ("--over", "pools[0].accelerator=a100-80gb-sxm,h200-sxm", "--best", "--csv", to)
    assert run(path, *names, "--plot", tmp_path / "n.svg")[0] == 0
    assert [row["pools[0].accelerator"] for row in rows_in(to)] == [
        "a100-80gb-sxm",
        "h200-sxm",
    ]
    listed = ("--over", "workload.tokens_per_second=1.1k,2k,null", "--csv", to, "-q")
    assert run(path, *listed)[0] == 0
    values = [row["workload.tokens_per_second"] for row in rows_in(to)]
    assert list(dict.fromkeys(values)) == ["1100", "2000", ""]


def test_command_over_a_folder_and_a_sweep(run, files, tmp_path):
    swept = {**CHAT, "sweep": {"workload.input_tokens": [500, 1000]}}
    folder = files("swept", swept).parent
    to = tmp_path / "f.csv"
    assert run(folder, "--csv", to, "-q")[0] == 0
    assert {row["instance"] for row in rows_in(to)} == {
        "swept[input_tokens=500]",
        "swept[input_tokens=1000]",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--best",), "--best: expected --over"),
        (("--over", "workload.input_tokens"), "found 'workload.input_tokens', expected FIELD="),
        (("--over", "workload.input_tokens=1,,2"), "expected FIELD=VALUES"),
        (("--over", "workload.input_tokens=1k:2k"), "--over workload.input_tokens: found '1k:2k'"),
        (("--over", "name=a,b"), "found `name`"),
        (("--over", "workload.input_tokenz=1,2"), "input_tokenz"),
        (("--plot", "picture.gif"), "picture.gif: expected a name ending in .svg, .png, .pdf"),
        (("--csv", "no/such/folder/f.csv"), "cannot write here"),
        (("--plot", "no/such/folder/f.svg"), "cannot write here"),
        (("--speed-exponent", "11"), "speed_exponent: found 11"),
    ],
)
def test_command_says_what_is_wrong(run, files, words, said):
    code, _, err = run(files("chat", CHAT), *words)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_help_has_examples(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run("--help")
    assert code == 0
    for word in ("--over", "--best", "--speed-exponent", "--plot", "Example:"):
        assert word in out


# Pictures.


def words_in(path):
    """Every text of an SVG, which must be XML."""
    tree = ElementTree.parse(path)
    return [node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")]


def test_picture_says_what_it_shows_and_is_the_same_every_time(chat, tmp_path):
    asked = chat.model_copy(update={"speed_exponent": 2.0, AXES[1]: 1.5})
    found = frontier(asked)
    for name in ("a.svg", "b.svg"):
        plot_frontiers(tmp_path / name, frontier_lines([found]))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    words = words_in(tmp_path / "a.svg")
    for word in (
        "tokens/s per request",
        "$ per million output tokens",
        "Cost and speed",
        "chat",
        "target 40 tokens/s",
        "at most $1.5 per million tokens",
        "cheapest at the target",
        "preferred",
    ):
        assert word in words
    assert not any(tmp_path.glob("*.date"))
    assert b"dc:date" not in (tmp_path / "a.svg").read_bytes()


def test_picture_of_several_tells_them_apart(chat, tmp_path):
    lines = [
        Line(f"one {index}", frontier(chat.model_copy(update={"name": f"one {index}"})))
        for index in range(5)
    ]
    plot_frontiers(tmp_path / "s.svg", lines)
    words = words_in(tmp_path / "s.svg")
    assert [f"one {index}" in words for index in range(5)] == [True] * 5
    assert words.count("target 40 tokens/s") == 1


def test_pictures_over_a_field(chat, tmp_path):
    found = over(chat, "workload.input_tokens", range(500, 5500, 500))
    plot_frontiers(tmp_path / "o.svg", over_lines([found]), found.field)
    words = words_in(tmp_path / "o.svg")
    assert {"prompt (tokens)", "500", "5,000"} <= set(words)
    best = over(chat, "workload.input_tokens", (500, 1000, 20_000, -1), best=True)
    plot_best(tmp_path / "b.svg", [best])
    assert {"prompt (tokens)", "$ per hour", "The best plan", "chat"} <= set(
        words_in(tmp_path / "b.svg")
    )
    for suffix in ("png", "pdf"):
        plot_best(tmp_path / f"b.{suffix}", [best], width=6.8)
        assert (tmp_path / f"b.{suffix}").stat().st_size > 1000


def test_stairs_rise_where_the_dearer_point_must_be_bought(chat, tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn = []
    plain = Axes.plot

    def noted(axes, *words, **style):
        drawn.append((words, style))
        return plain(axes, *words, **style)

    monkeypatch.setattr(Axes, "plot", noted)
    found = frontier(chat)
    plot_frontiers(tmp_path / "a.svg", frontier_lines([found]))
    (words, style) = drawn[0]
    assert list(words[0]) == [p.tokens_per_second_per_request for p in found.points]
    assert list(words[1]) == [p.dollars_per_million_tokens for p in found.points]
    assert style["drawstyle"] == "steps-pre"


def test_picture_that_cannot_be_written(chat, tmp_path):
    lines = frontier_lines([frontier(chat)])
    with pytest.raises(InputError, match=r"\.svg, \.png, \.pdf"):
        check_suffix("picture.jpg")
    with pytest.raises(OutputError, match="cannot write here"):
        plot_frontiers(tmp_path / "no" / "f.svg", lines)
