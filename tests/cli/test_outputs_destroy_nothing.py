"""No output overwrites an input or another output; files are written whole or not at all."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from named_instances import chat, fleet
from typer.testing import CliRunner

from planner.cli import app
from planner.errors import InputError, OutputError
from planner.io.output import open_result, write_bytes, write_rows, write_text


def refused(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(result.exception, InputError), (result.exception, result.output)
    (problem,) = result.exception.problems
    return problem


def names_in(folder):
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def instance(tmp_path):
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat("chat")), "utf-8")
    return file


@pytest.fixture
def tables(tmp_path):
    """A folder with a fleet whose demand and deployments lie in tables beside it."""
    asked = fleet("shop")
    del asked["workloads"][0]["requests_per_second"]
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [f"{period['name']},{number}" for number, period in enumerate(asked["periods"], 3)]
    (folder / "service.csv").write_text("\n".join(["period,shop", *rows, ""]), "utf-8")
    lines = [f"{key}: {json.dumps(value)}" for key, value in asked.items()]
    (folder / "instance.yaml").write_text("\n".join([*lines, "demand: service.csv", ""]), "utf-8")
    return folder


ONE = [
    ("solve", "--csv"),
    ("solve", "--json"),
    ("explain", "--csv"),
    ("explain", "--json"),
    ("frontier", "--csv"),
    ("frontier", "--json"),
    ("report", "-o"),
    ("batch", "--csv"),
    ("what-if", "--stress", "1,2", "--csv"),
]


@pytest.mark.parametrize("words", ONE, ids=" ".join)
@pytest.mark.parametrize("spelling", ["same", "relative", "dots", "symbolic link", "hard link"])
def test_no_result_overwrites_the_instance(words, spelling, instance, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    to = {
        "same": instance,
        "relative": Path("chat.json"),
        "dots": tmp_path / "sub" / ".." / "chat.json",
    }.get(spelling, tmp_path / "other.json")
    if spelling == "symbolic link":
        to.symlink_to(instance)
    elif spelling == "hard link":
        to.hardlink_to(instance)
    before = instance.read_bytes()
    problem = refused(words[0], instance, *words[1:], to)
    assert problem.file == str(to) and "would be lost" in problem.fix
    assert f"the input {instance}" in problem.found
    assert instance.read_bytes() == before


def test_no_result_overwrites_what_estimate_reads(tmp_path):
    table = tmp_path / "deployments.csv"
    table.write_text("transformer,accelerator\nllama-3.1-8b,h100-sxm\n", "utf-8")
    assert "would be lost" in refused("estimate", table, "--csv", table).fix


@pytest.mark.parametrize("words", [("solve",), ("what-if", "--guarantees")])
def test_no_result_overwrites_the_tables_of_a_fleet(words, tables):
    table = tables / "service.csv"
    before = table.read_bytes()
    command, *more = words
    problem = refused(command, tables, *more, "--csv", table)
    assert problem.found.startswith(f"the input {table}, of {tables}")
    if command == "solve":
        for option in ("--purchases", "--service"):
            assert refused("solve", tables, option, table).file == str(table)
        assert refused("solve", tables, "--folder", tables).file == str(table)
        assert refused("solve", tables / "instance.yaml", "--folder", tables).file == str(table)
    link = tables / "link.csv"
    link.symlink_to(table)
    assert refused(command, tables, *more, "--csv", link).file == str(link)
    assert table.read_bytes() == before


def test_a_folder_of_answers_overwrites_no_table(tables):
    table = tables / "stress.csv"
    (tables / "service.csv").rename(table)
    file = tables / "instance.yaml"
    file.write_text(file.read_text("utf-8").replace("service.csv", "stress.csv"), "utf-8")
    assert refused("what-if", tables, "--stress", "1,2", "--folder", tables).file == str(table)


def test_what_runs_now_is_no_place_for_the_next_plan(tmp_path):
    asked = fleet("shop")
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(asked), "utf-8")
    result = CliRunner().invoke(app, ["solve", str(file), "--folder", str(tmp_path / "last"), "-q"])
    assert result.exit_code == 0, result.output
    file.write_text(json.dumps(asked | {"running": "last/plan.csv"}), "utf-8")
    problem = refused("solve", file, "--folder", tmp_path / "last")
    assert problem.file == str(tmp_path / "last" / "plan.csv")
    again = ["solve", str(file), "--folder", str(tmp_path / "next"), "-q"]
    assert CliRunner().invoke(app, again).exit_code == 0
    assert CliRunner().invoke(app, again).exit_code == 0  # Its own answer may be replaced.


def test_no_batch_overwrites_a_configuration(tmp_path):
    config = tmp_path / "config.json"
    config.write_text("{}", "utf-8")
    wanted = chat("chat")
    wanted["workload"]["transformer"] = "config.json"
    (tmp_path / "chat.json").write_text(json.dumps(wanted), "utf-8")
    problem = refused("batch", tmp_path / "chat.json", "--csv", config, "--jobs", "1")
    assert problem.file == str(config)
    assert config.read_text("utf-8") == "{}"


TWICE = [
    ("solve", ("--csv", "--json")),
    ("explain", ("--csv", "--json")),
    ("frontier", ("--csv", "--json")),
]


@pytest.mark.parametrize(("command", "options"), TWICE)
def test_two_results_are_two_files(command, options, instance, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = options
    problem = refused(command, instance, one, tmp_path / "x", other, "x")
    both = {"x", str(tmp_path / "x")}
    assert problem.file in both and problem.found[len("the place of ") : -len(" too")] in both
    (tmp_path / "there").write_text("", "utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert refused(command, instance, one, "there", other, "link").file in ("there", "link")
    assert refused(command, instance, one, "-", other, "-").file == "-"


def test_a_file_in_the_folder_of_results_is_a_file_of_its_own(tables, tmp_path):
    out = tmp_path / "out"
    problem = refused("solve", tables, "--folder", out, "--csv", tmp_path / "out" / "plan.csv")
    assert problem.expected == "a file of its own"
    assert not out.exists()


def test_any_number_of_results_go_nowhere(instance):
    words = ["solve", str(instance), "--csv", os.devnull, "--json", os.devnull]
    assert CliRunner().invoke(app, words).exit_code == 0


# Whole or not at all.


def test_what_breaks_off_leaves_the_file_as_it_was(tmp_path):
    file = tmp_path / "plan.csv"
    file.write_text("before", "utf-8")
    with pytest.raises(RuntimeError), open_result(file) as result:
        result.write("half")
        raise RuntimeError
    assert file.read_text("utf-8") == "before"
    assert names_in(tmp_path) == ["plan.csv"]
    with pytest.raises(RuntimeError), open_result(tmp_path / "new.csv") as result:
        raise RuntimeError
    assert names_in(tmp_path) == ["plan.csv"]


def test_permissions_and_links_stay(tmp_path):
    file, link = tmp_path / "plan.csv", tmp_path / "link.csv"
    file.write_text("before", "utf-8")
    file.chmod(0o640)
    link.symlink_to(file)
    write_text(link, "after")
    assert link.is_symlink() and file.read_text("utf-8") == "after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    mask = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new.png", b"\x89")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new.png").stat().st_mode) == 0o640


def test_a_dangling_link_gets_its_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "file").read_text("utf-8") == "text"


def test_pipes_take_results_as_they_come(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text("utf-8")))
    reader.start()
    write_text(pipe, "text")
    reader.join(10)
    assert found == ["text"] and stat.S_ISFIFO(pipe.stat().st_mode)
    write_text(os.devnull, "text")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_device_is_one_message():
    with pytest.raises(OutputError, match=r"/dev/full: cannot write here \(no space left"):
        write_rows([{"a": 1}], ["a"], "/dev/full")


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "no/such/folder.csv", "nul\0.csv", ""])
def test_places_that_cannot_be_are_one_message(name, instance, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="cannot write here"):
        write_text(Path(name), "text")
    result = CliRunner().invoke(app, ["solve", str(instance), "--csv", name])
    refused_already = isinstance(result.exception, SystemExit) and result.exit_code == 2
    assert refused_already or isinstance(result.exception, OutputError), result.exception
    assert names_in(tmp_path) == ["chat.json"]


def test_the_longest_name_that_a_folder_takes(tmp_path):
    file = tmp_path / ("x" * 251 + ".csv")
    write_text(file, "text")
    assert file.read_text("utf-8") == "text"


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no POSIX")
def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    file = tmp_path / "plan.csv"
    file.write_text("before", "utf-8")
    code = (
        "import resource, signal, sys\n"
        "from planner.io.output import write_text\n"
        "from planner.errors import OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_text(sys.argv[1], 'x' * 10**6)\n"
        "except OutputError as error:\n    print(error)\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().startswith(f"{file}: cannot write here (file too large)")
    assert file.read_text("utf-8") == "before"
    assert names_in(tmp_path) == ["plan.csv"]
