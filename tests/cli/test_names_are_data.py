"""Names of instances, workloads, pools and files are data: printed as they are, never obeyed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from named_instances import chat, fleet
from rich.text import Text
from typer.testing import CliRunner

from planner.cli import app
from planner.errors import InputError, OutputError, Problem, printable
from planner.reporting.terminal.console import PlainConsole

MARKUP = ("[/b] price test", "[red]alert", "[/x]", "a[b]c[/b]", ":smile:", "\\[x]", "back\\")


def run(*words, env=None):
    return CliRunner().invoke(app, [str(word) for word in words], env=env)


def printed(*words):
    result = run(*words, env={"COLUMNS": "300"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", MARKUP)
@pytest.mark.parametrize("words", [("solve",), ("explain",), ("frontier",)])
def test_markup_in_names_is_printed(name, words, tmp_path):
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat(name)), "utf-8")
    assert name in printed(*words, file)


@pytest.mark.parametrize("name", MARKUP)
def test_markup_in_names_of_fleets_is_printed(name, tmp_path):
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(fleet(name)), "utf-8")
    out = printed("solve", file, "--folder", tmp_path / "plan")
    assert out.count(name) >= 3
    assert f"{name}: holds" in printed("check", tmp_path / "plan", file)
    out = printed("what-if", file, "--stress", "1,2", "--headrooms", "0,0.1")
    assert name in out


def test_markup_in_names_of_a_batch_is_printed(tmp_path):
    for number, name in enumerate(MARKUP):
        wrong = chat(name) | {"dollars_per_million_tokens_at_most": 1e-4}
        (tmp_path / f"{number}.json").write_text(json.dumps(wrong), "utf-8")
    result = run("batch", tmp_path, "--csv", tmp_path / "plans.csv", "--jobs", "1")
    assert result.exit_code == 3
    assert all(f"{name}: infeasible" in result.output for name in MARKUP)


def test_points_of_a_sweep_are_told_apart(tmp_path):
    file = tmp_path / "chat.json"
    swept = {"workload.tokens_per_second_per_request": [20, 40]}
    file.write_text(json.dumps(chat("chat", sweep=swept)), "utf-8")
    out = printed("solve", file)
    for value in (20, 40):
        assert f"chat[tokens_per_second_per_request={value}]: " in out


def test_the_console_prints_no_escape_sequences(capsys):
    console = PlainConsole()
    for one in ("\x1b[31mred\x1b]0;title", Text("a\u202eb\x9b1m")):
        console.print(one)
    out = capsys.readouterr().out
    assert out == "\\x1b[31mred\\x1b]0;title\na\\u202eb\\x9b1m\n"


def test_messages_drive_no_terminal():
    problem = Problem("a file", "\x1b[2J", "pools\x07", file="a\nb\x1b.yaml", line=3)
    assert str(problem) == "a\\nb\\x1b.yaml:3: pools\\x07: found \\x1b[2J, expected a file."
    assert "\x1b" not in str(InputError(problem))
    assert "\x1b" not in str(OutputError.at("\x1b[2J", "denied"))
    assert printable("plain, ü, 模型, \t", keep="\t") == "plain, ü, 模型, \t"


def command(*words, **environment):
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "planner.cli", *map(str, words)],
        env={**os.environ, "PYTHONPATH": root, **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_ascii_terminals_get_escapes(environment, tmp_path):
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat("模型 × ü")), "utf-8")
    result = command("solve", file, "--csv", tmp_path / "plan.csv", **environment)
    assert result.returncode == 0 and result.stderr == b""
    shown = result.stdout.decode()
    assert "模型 × ü" in shown or "\\u6a21\\u578b \\xd7 \\xfc" in shown
    assert "模型 × ü" in (tmp_path / "plan.csv").read_text("utf-8")
    whole = command("solve", file, "--csv", "-", **environment).stdout
    assert "模型 × ü" in whole.decode("utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_standard_output_is_one_message(tmp_path):
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat("chat")), "utf-8")
    for words in ((), ("--csv", "-")):
        with Path("/dev/full").open("w") as full:
            result = subprocess.run(
                [sys.executable, "-m", "planner.cli", "solve", str(file), *words],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert result.returncode == 2
        assert result.stderr.decode().startswith("standard output: cannot write here (no space")
        assert b"Traceback" not in result.stderr


def with_options(option, *words):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "100"}
    command = [sys.executable, *option, "-m", "planner.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, check=False)


def test_without_asserts_the_program_is_the_same(tmp_path):
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(chat("chat")), "utf-8")
    for words in (["solve", str(file), "--json", "-"], ["solve", "--help"]):
        plain, stripped = (with_options(option, *words) for option in ([], ["-O"]))
        assert plain.returncode == stripped.returncode == 0, stripped.stderr
        one, other = (untimed(done.stdout.decode()) for done in (plain, stripped))
        assert one == other, words


def untimed(text):
    return re.sub(r'"solve_seconds": [^,]*', "", text)


def test_without_docstrings_the_way_out_is_told():
    result = with_options(["-OO"], "solve", "--help")
    assert result.returncode == 2 and result.stdout == b""
    assert result.stderr.decode().strip().endswith("Run it with -O, or without the option.")
    assert b"Traceback" not in result.stderr
