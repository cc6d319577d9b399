"""Wrong input: one clear message with file, line and field, whatever is wrong, and exit code 2."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from wrong_files import FILES, GOOD, WRONG, refusal, written

from planner.errors import InputError
from planner.io.instance_file import read_instance
from planner.io.text_file import LARGEST_FILE_BYTES
from planner.io.yaml_json import DEEPEST, MOST_VALUES, parse
from planner.problem.instance import Instance

SYNTAX = set(
    re.findall(
        r"\w+",
        """
    alias_bomb anchor apostrophe_in_quotes colon_in_text control_character dash_after_key
    deep_nesting deeper_indentation directive empty_file invalid_escape json_comment
    json_deep json_invalid_escape json_missing_colon
    json_missing_comma json_single_quotes json_trailing_comma json_truncated json_twice
    json_unclosed_quote known_tag list_of_instances missing_colon
    missing_space_after_colon one_text only_comments percent_at_start reserved_character
    stray_bracket tab_indentation tag two_documents unclosed_brace unclosed_bracket
    unclosed_quote undefined_alias undefined_tag_handle wrong_indentation
    """,
    )
)
"""Files in which no field can be named, since none could be read."""

JARGON = re.compile(
    r"\b(None|True|False|dict|tuple|bool|str|int|float|pydantic|validation|NoneType|token '"
    r"|Input should|extra fields|ruamel|while (scanning|parsing)|block (end|mapping)|Traceback)\b"
)


@pytest.fixture
def among_the_wrong(monkeypatch):
    """Run where the wrong files lie, so that messages have their bare names."""
    monkeypatch.chdir(WRONG)


@pytest.mark.usefixtures("among_the_wrong")
@pytest.mark.parametrize("name", FILES)
def test_message_is_the_golden_one(name):
    assert f"{refusal(name)}\n" == Path(name).with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.usefixtures("among_the_wrong")
@pytest.mark.parametrize("name", FILES)
def test_message_names_file_line_field_and_remedy(name):
    lines = Path(name).read_text(encoding="utf-8").split("\n")
    problems = refusal(name).problems
    assert [problem.line for problem in problems] == sorted(problem.line for problem in problems)
    for problem in problems:
        assert problem.file == name
        assert 1 <= problem.line <= max(1, len(lines))
        assert problem.found and problem.expected and problem.fix
        assert bool(problem.field) is (Path(name).stem not in SYNTAX)
        if problem.field:
            assert_line_holds(lines[problem.line - 1], problem)


def assert_line_holds(line, problem):
    """The line shows the field's key, or its list's, or is the parent of what is missing."""
    keys = re.findall(r"[^.\[\]]+", problem.field)
    if "before the colon" in problem.found:
        assert line.strip() in (": 16", "[gpus]: 16")
    elif problem.found == "nothing":
        whole_file_or_entry = problem.line == 1 or line.lstrip().startswith("-")
        assert whole_file_or_entry or any(key in line for key in keys)
    elif problem.field.endswith("]"):
        assert keys[-2] in line or line.lstrip().startswith("-")
    else:
        assert keys[-1] in line


@pytest.mark.usefixtures("among_the_wrong")
@pytest.mark.parametrize("name", FILES)
def test_command_line_exits_with_two_and_the_message(name):
    from typer.testing import CliRunner

    from planner.cli import app

    result = CliRunner().invoke(app, ["solve", name])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.output == Path(name).with_suffix(".txt").read_text(encoding="utf-8")


def test_there_are_many_kinds_and_no_two_read_the_same():
    messages = [
        (WRONG / name).with_suffix(".txt").read_text("utf-8").replace(name, "") for name in FILES
    ]
    assert len(messages) >= 40
    assert len(set(messages)) == len(messages)


def test_every_golden_message_has_its_file():
    goldens = {path.stem for path in WRONG.glob("*.txt")}
    assert goldens == {Path(name).stem for name in FILES}
    assert goldens >= SYNTAX


def test_messages_are_free_of_jargon():
    for path in WRONG.glob("*.txt"):
        told = re.sub(r"found (the tag )?\S+", "", path.read_text("utf-8"))
        assert not JARGON.search(told), path.name


BYTES = {
    "utf_16": ("name: chat".encode("utf-16"), 1, "UTF-16 text"),
    "utf_16_without_mark": ("name: chat".encode("utf-16-le"), 1, "binary data"),
    "nul_byte": (b"name: chat\nobjective: \x00\n", 2, "binary data"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", 3, "binary data"),
    "latin_1": ("name: chat\nprofile: Zürich\n".encode("latin-1"), 2, "the byte 0xfc"),
    "cut_in_a_character": ("name: ü".encode()[:-1], 1, "the byte 0xc3"),
}


@pytest.mark.parametrize("kind", BYTES)
def test_bytes_that_are_no_text(kind, tmp_path):
    content, line, found = BYTES[kind]
    path = tmp_path / "instance.yaml"
    path.write_bytes(content)
    (problem,) = refusal(path).problems
    assert (problem.file, problem.line) == (str(path), line)
    assert problem.found.startswith(found)
    assert problem.fix


def test_file_that_is_missing(tmp_path):
    path = tmp_path / "instance.yaml"
    assert str(refusal(path)) == (
        f"{path}: found nothing, expected a YAML or JSON file. Check the path."
    )


def test_path_that_is_a_directory(tmp_path):
    assert str(refusal(tmp_path)) == (
        f"{tmp_path}: found a directory with neither, expected a file, or a directory with "
        "instance.yaml or llm-inferno's files. "
        "Name the file itself; `planner batch` solves all files of a directory."
    )


def test_path_that_leads_through_a_file(tmp_path):
    (tmp_path / "notes").write_text("name: chat")
    path = tmp_path / "notes" / "instance.yaml"
    assert str(refusal(path)) == (
        f"{path}: found a path that leads through a file, expected a YAML or JSON file. "
        "Check the path."
    )


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b"])
def test_path_that_no_file_can_have(name):
    assert "no readable file" in str(refusal(name))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "instance.yaml"
    path.write_text("name: chat")
    path.chmod(0)
    assert "found a file you may not read" in str(refusal(path))


def test_permission_is_told_for_root_too(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "found a file you may not read" in str(refusal(tmp_path / "instance.yaml"))


def test_file_that_is_too_large(tmp_path):
    path = tmp_path / "instance.yaml"
    path.write_bytes(b"#" * (LARGEST_FILE_BYTES + 1))
    assert "found more than 5,000,000 bytes" in str(refusal(path))
    path.write_bytes(b"#" * LARGEST_FILE_BYTES)
    assert "found nothing but comments" in str(refusal(path))


@pytest.mark.parametrize("text", ["", " \n\n", "\t"])
def test_json_file_that_is_empty(text, tmp_path):
    path = tmp_path / "instance.json"
    path.write_text(text)
    assert str(refusal(path)).startswith(f"{path}:1: found an empty file, expected a mapping")


def test_json_list_is_no_instance(tmp_path):
    assert "found a list, expected a mapping" in str(refusal(written(tmp_path, [GOOD])))


def test_more_values_than_an_instance_can_need():
    text = "name: chat\nvalues: [" + "1, " * MOST_VALUES + "1]"
    with pytest.raises(InputError, match="found more than 100,000 values"):
        parse(text, "instance.yaml")


def test_nesting_is_read_to_its_limit_and_no_deeper():
    deepest = "{a: " * DEEPEST + "1" + "}" * DEEPEST
    assert parse(deepest, "instance.yaml").value
    with pytest.raises(InputError, match="nested more than 20 deep"):
        parse(f"{{a: {deepest}}}", "instance.yaml")


def test_good_instance_is_read(tmp_path):
    for suffix in (".json", ".yaml", ".JSON"):
        assert read_instance(written(tmp_path, GOOD, suffix)) == Instance.model_validate(GOOD)


@pytest.mark.parametrize(
    "dress",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("  ", "\t"),
    ],
    ids=["byte order mark", "line ends of Windows", "tabs"],
)
def test_json_of_other_editors_is_read(dress, tmp_path):
    path = tmp_path / "instance.json"
    path.write_bytes(dress(json.dumps(GOOD, indent=2)).encode())
    assert read_instance(path).name == "chat"


@pytest.mark.parametrize(
    "name", ["Zürich 😀", "2026-01-01", "it's: {fine}", "a\\tb", "# no comment"]
)
def test_names_survive_json(name, tmp_path):
    assert read_instance(written(tmp_path, {**GOOD, "name": name})).name == name


def test_no_list_is_called_too_short_because_its_entries_are_wrong(tmp_path):
    pools = [{"accelerator": "h100-sxm", "gpus": 0}]
    (problem,) = refusal(written(tmp_path, {**GOOD, "pools": pools})).problems
    assert problem.field == "pools[0].gpus"


def test_names_as_long_as_a_file_are_not_repeated_in_full(tmp_path):
    workload = {**GOOD["workload"], "transformer": "x" * 199}
    message = str(refusal(written(tmp_path, {**GOOD, "workload": workload})))
    assert "x" * 199 not in message


@pytest.mark.parametrize("where", ["transformer", "accelerator", "profile"])
def test_names_too_long_for_a_file_of_the_catalogue(where, tmp_path):
    name = "x" * 5000
    wrong = {
        "transformer": {"workload": {**GOOD["workload"], "transformer": name}},
        "accelerator": {"pools": [{"accelerator": name}]},
        "profile": {"profile": name},
    }
    (problem,) = refusal(written(tmp_path, {**GOOD, **wrong[where]})).problems
    assert problem.field.endswith(where)
    assert problem.expected == "at most 200 characters"
