"""Random input: whatever a file holds, it is an instance or refused with file and line."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wrong_files import FILES, GOOD, WRONG, written

from planner.errors import InputError
from planner.io.instance_file import read_instance

ODD = [
    *(None, True, False, 0, -1, 1, 3, 1.5, 1e300, 10**30, 10**400, float("nan"), float("inf")),
    *(
        "",
        "x",
        "-1 tok/s",
        "5 parsec",
        "40 tok/s",
        "1e999 s",
        "1/0 s",
        "\ud83d",
        "\x1b[31m",
        "a" * 999,
    ),
    *("highs", "llama-3.1-8b", "deepseek-v3", "h800-sxm", "paper", "../paper", "<<", "[", "{}"),
    *([], [[]], {}, [None], [0], ["bf16"], [1, "x"], {"from": 5}, {"values": [1]}, {"": 1}),
    *({"first": 3, "from": 4}, [{}], [{"accelerator": "h100-sxm"}], {"x": {"y": {"z": [1]}}}),
]
KEYS = [
    "",
    "gpu",
    "from",
    "first",
    "name",
    "batch",
    "pools",
    "0",
    "a.b",
    "[0]",
    "\ud83d",
    "x" * 999,
]


def spots(node, parent=()):
    """List every place of a document: the keys that lead to it."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in children:
        yield (*parent, key)
        if isinstance(child, dict | list):
            yield from spots(child, (*parent, key))


@st.composite
def mutated(draw):
    """The good document with one to three of its places deleted, replaced or added to."""
    document = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        places = list(spots(document))
        if not places:
            break
        *parents, key = draw(st.sampled_from(places))
        node = document
        for parent in parents:
            node = node[parent]
        deed = draw(st.sampled_from(["delete", "replace", "add"]))
        if deed == "delete":
            del node[key]
        elif deed == "add" and isinstance(node, dict):
            node[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(ODD)))
        else:
            node[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    return document


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mutated")


def instance_or_refusal(path: Path) -> None:
    """Read `path`; every refusal must name the file and a line, and be writable as UTF-8."""
    try:
        instance = read_instance(path)
    except InputError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.file == str(path)
            assert problem.line >= 1
            assert str(problem).isprintable()
        str(error).encode()
    else:
        assert instance.digest


@settings(max_examples=300, deadline=None)
@given(document=mutated(), suffix=st.sampled_from([".json", ".yaml"]))
def test_any_mutation_is_read_or_refused(document, suffix, folder):
    instance_or_refusal(written(folder, document, suffix))


TEXTS = [(WRONG / name).read_text(encoding="utf-8")[:2000] for name in FILES]
SNIPPETS = [
    "\t",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "'",
    '"',
    "\\",
    "#",
    "&a ",
    "*a",
    "!",
    "|",
    ">",
]
SNIPPETS += [
    "---\n",
    "...\n",
    "%",
    "@",
    "?",
    ",",
    "\n",
    "\n  ",
    "\r",
    "\x85",
    "\u2028",
    "\ufeff",
    "\x07",
]
SNIPPETS += [
    "<<: ",
    "~",
    "0x",
    "0o9",
    "1:30",
    "2026-13-45",
    "2026-01-01",
    "._",
    "+",
    "1_0",
    "é",
    "😀",
]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_text_is_read_or_refused(data, folder):
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 5))
        text = text[:start] + data.draw(st.sampled_from(["", *SNIPPETS])) + text[end:]
    path = folder / data.draw(st.sampled_from(["instance.yaml", "instance.json"]))
    path.write_bytes(text.encode())
    instance_or_refusal(path)
