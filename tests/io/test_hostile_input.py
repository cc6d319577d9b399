"""Hostile and extreme input: a plan or one message that names the field, at once."""

import csv
import io
import json
import os
import random
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from named_instances import chat, fleet
from typer.testing import CliRunner

import planner
from planner.cli import app
from planner.errors import InputError, PlannerError
from planner.io.fleet.fleet_file import open_fleet
from planner.io.instance_file import read_instance

SEED = 20261126
PIECES = (
    *("[red]", "[/x]", "[field=value]", "<script>alert(1)</script>", "&amp;", '"', "'", "$x$"),
    *("\\frac{1}{2}", "%s", "{0}", ",", ";", "=cmd()", "+1", "-1", "@SUM(A1)", "ü", "模型", "🙂"),
    *("_", "#", ":", "|", "`", "\\", " ", "/", "..", "NUL", "a" * 60),
)
CONTROLS = ("\x1b[31m", "\n", "\r", "\t", "\x00", "\x7f", "\x9b", "\u2028", "\u202e", "\ud800")


def hostile(rng):
    """Return a name that is allowed, whatever it looks like."""
    while True:
        name = "".join(rng.choices(PIECES, k=rng.randint(1, 6))).strip()
        if name and name[0] not in "=+-@" and len(name) <= 150:
            return name


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "400"})
    fine = result.exception is None or isinstance(result.exception, SystemExit)
    assert fine and result.exit_code == 0, (result.exception, result.output)
    return result.output


def flat(text):
    """Return what a terminal shows, without the breaks of lines and of boxes."""
    return "".join(text.replace("│", "").split())


@pytest.mark.parametrize("seed", range(4))
def test_any_name_is_the_same_in_every_output(seed, tmp_path):
    name = hostile(random.Random(SEED + seed))
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat(name)), "utf-8")
    shown = flat(run("solve", file, "--csv", tmp_path / "p.csv", "--json", tmp_path / "p.json"))
    assert flat(name) in shown
    (row,) = csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text("utf-8")))
    assert row["instance"] == row["pool"] == name
    assert json.loads((tmp_path / "p.json").read_text("utf-8"))["instance"] == name
    (plan,) = planner.read_plans(tmp_path / "p.csv").to_dict("records")
    assert plan["instance"] == name
    assert f"{name}: holds" in run("check", tmp_path / "p.csv", file)
    page = tmp_path / "page.html"
    run("report", file, "-o", page)
    assert "<script>alert" not in page.read_text("utf-8")
    run("explain", file, "--csv", tmp_path / "e.csv", "--plot", tmp_path / "t.svg")
    run("frontier", file, "--csv", tmp_path / "f.csv", "--plot", tmp_path / "f.svg")
    for picture in ("t.svg", "f.svg"):
        ElementTree.parse(tmp_path / picture)
    run("batch", file, "--csv", tmp_path / "b.csv", "--jobs", "1", "-q")
    (row,) = csv.DictReader(io.StringIO((tmp_path / "b.csv").read_text("utf-8")))
    assert row["instance"] == name


@pytest.mark.parametrize("seed", range(3))
def test_any_name_of_a_fleet_is_the_same_in_every_output(seed, tmp_path):
    name = hostile(random.Random(SEED - 1 - seed))
    file, folder = tmp_path / "fleet.json", tmp_path / "plan"
    file.write_text(json.dumps(fleet(name)), "utf-8")
    pictures = ("--plot", tmp_path / "u.svg", "--stack", tmp_path / "s.svg")
    assert flat(name) in flat(run("solve", file, "--folder", folder, *pictures))
    for table, columns in (
        ("plan.csv", ("instance", "workload", "pool")),
        ("purchases.csv", ("pool",)),
        ("service.csv", ("workload",)),
    ):
        rows = list(csv.DictReader(io.StringIO((folder / table).read_text("utf-8"))))
        assert rows
        assert all(row[column] == name for row in rows for column in columns)
    assert f"{name}: holds" in run("check", folder, file)
    for picture in ("u.svg", "s.svg"):
        ElementTree.parse(tmp_path / picture)
    again = fleet(name) | {"running": "plan/plan.csv"}
    file.write_text(json.dumps(again), "utf-8")
    run("solve", file, "--folder", tmp_path / "next", "-q")


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
@pytest.mark.parametrize("make", [chat, fleet])
def test_names_with_control_characters_are_refused(control, make, tmp_path):
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(make(f"a{control}b")), "utf-8")
    with pytest.raises(InputError) as caught:
        open_fleet(file) if make is fleet else read_instance(file)
    told = {problem.field for problem in caught.value.problems}
    assert "name" in told
    text = str(caught.value)
    assert text.isprintable() or all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("start", "=+-@")
def test_names_that_are_formulas_are_refused(start, tmp_path):
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat(f"{start}cmd()")), "utf-8")
    with pytest.raises(InputError, match="begins with none of = "):
        read_instance(file)
    file.write_text(json.dumps(chat(f"cmd{start}()")), "utf-8")
    assert read_instance(file).name == f"cmd{start}()"


def test_names_in_files_of_deployments_are_plain(tmp_path):
    (tmp_path / "d.csv").write_text(
        "pool,label,gpus,requests_per_second,tpot_seconds,ttft_seconds\nhere,=cmd(),1,4,0.01,0.1\n",
        "utf-8",
    )
    asked = {
        "workloads": [{"name": "w", "requests_per_second": 3, "deployments": "d.csv"}],
        "pools": [{"name": "here", "on_demand": {"dollars_per_gpu_hour": 2}}],
    }
    file = tmp_path / "f.json"
    file.write_text(json.dumps(asked), "utf-8")
    result = CliRunner().invoke(app, ["solve", str(file)])
    assert result.exit_code == 2
    assert "d.csv:2: label: found '=cmd()', expected one line of plain text" in result.output


# Numbers at the ends of what can be told.

TINY = (5e-324, 1e-300, 1e-25)


@pytest.mark.parametrize("value", TINY)
@pytest.mark.parametrize(
    "path",
    [
        "workload.requests_per_second",
        "workload.tokens_per_second",
        "workload.tokens_per_second_per_request",
        "pools[0].dollars_per_gpu_hour",
        "usable_memory_fraction",
        "dollars_per_hour_at_most",
    ],
)
def test_numbers_too_near_to_nothing_are_refused(path, value, tmp_path):
    asked = chat("chat")
    part, _, key = path.rpartition(".")
    within = {"workload": asked["workload"], "pools[0]": asked["pools"][0], "": asked}[part]
    within[key] = value
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(asked), "utf-8")
    with pytest.raises(InputError) as caught:
        read_instance(file)
    (problem,) = caught.value.problems
    assert problem.field == path and problem.expected == "a number of at least 1e-18"
    assert problem.fix == "Write a larger number."


@pytest.mark.parametrize("demand", [1e-18, 1e-15, 1e-9, 1e-3])
@pytest.mark.parametrize("key", ["requests_per_second", "tokens_per_second"])
def test_little_demand_takes_one_replica(demand, key, tmp_path):
    asked = chat("chat")
    asked["workload"][key] = demand
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(asked), "utf-8")
    plan = planner.solve(read_instance(file))
    assert plan.status == "optimal" and plan.replicas == 1 and plan.dollars_per_hour == 2.0


def test_demand_beyond_all_bounds_is_one_message(tmp_path):
    asked = chat("chat")
    asked["workload"]["requests_per_second"] = 1e15
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(asked), "utf-8")
    try:
        assert not planner.solve(read_instance(file)).found
    except PlannerError as error:
        assert str(error)


def test_a_sweep_of_too_many_points_is_refused_at_once(tmp_path):
    swept = {
        "workload.tokens_per_second_per_request": "1:50:1000000",
        "pools[0].dollars_per_gpu_hour": "1:50:1000000",
    }
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat("chat", sweep=swept)), "utf-8")
    before = time.process_time()
    with pytest.raises(InputError, match="found 1,000,000,000,000 points, expected at most"):
        planner.read_instances(file)
    assert time.process_time() - before < 0.5


def test_whole_numbers_of_a_range_count_once(tmp_path):
    swept = {
        "pools[0].gpus": "1:50:1000000",
        "workload.max_replicas": "1:50:1000000",
        "workload.tokens_per_second_per_request": [20, 30],
    }
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat("chat", sweep=swept)), "utf-8")
    assert len(planner.read_instances(file)) == 5000


# Files that are none.


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_byte_order_mark_is_no_part_of_a_file(mark, suffix, tmp_path):
    file = tmp_path / f"chat.{suffix}"
    file.write_bytes(mark + json.dumps(chat("chat")).encode())
    assert read_instance(file).name == "chat"


def test_a_pipe_is_read_as_a_file(tmp_path):
    pipe = tmp_path / "chat.json"
    os.mkfifo(pipe)
    content = json.dumps(chat("chat"))
    writer = threading.Thread(target=lambda: pipe.write_text(content, "utf-8"))
    writer.start()
    assert read_instance(pipe).name == "chat"
    writer.join(10)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (json.dumps(chat("chat")).encode("utf-16"), "UTF-16 text"),
        (b"name: \x00", "binary data"),
        (b"name: \xff", "the byte 0xff"),
        (None, "a directory"),
    ],
)
def test_what_is_no_text_is_told(content, found, tmp_path):
    file = tmp_path / "chat.yaml"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_instance(file)
    (problem,) = caught.value.problems
    assert problem.found.startswith(found) and problem.file == str(file) and problem.fix


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "a/" * 3000])
def test_paths_that_cannot_be_are_told(name):
    for read in (read_instance, planner.read_instances):
        with pytest.raises(InputError) as caught:
            read(Path(name))
        assert caught.value.problems[0].found


@pytest.mark.parametrize(
    "name", ["a" * 1000, "a" * 300 + "/b.csv", "x" * 300 + ".yaml", "a\0b.csv"]
)
@pytest.mark.parametrize("key", ["pools", "demand", "running", "catalogue", "deployments"])
def test_a_path_that_no_file_can_have_is_where_no_file_is(tmp_path, key, name):
    value = {
        "workload": {"transformer": "llama-3.1-8b", "requests_per_second": 2},
        "pools": {"accelerator": "h100-sxm"},
    }
    value[key] = {"accelerators": name} if key == "catalogue" else name
    (tmp_path / "instance.json").write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(InputError):
        planner.read_instance(tmp_path)
