"""Every recipe of the cookbook is run as it stands there, by a newcomer with an empty folder."""

from __future__ import annotations

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from planner.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
CONFIG = ROOT / "tests" / "data" / "huggingface" / "llama-3.1-8b.json"
FILES = re.compile(r"^`([\w.]+)`:\n\n```(?:yaml|csv)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^    planner (.*)$", re.MULTILINE)
SECTIONS = PAGE.split("\n## ")[1:]
MOST_LINES = 15
WRONG_INPUT = 2
WRITTEN = ("--csv", "--plot", "-o")
"""Options whose value is a file that must be there afterwards."""


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory) -> Path:
    """A folder in which the recipes before left their results."""
    folder = tmp_path_factory.mktemp("kitchen")
    shutil.copy(CONFIG, folder / "config.json")
    return folder


def test_there_are_ten_recipes_of_few_lines():
    assert len(SECTIONS) == 10
    for _, text in FILES.findall(PAGE):
        assert len(text.splitlines()) <= MOST_LINES
    assert all(COMMANDS.search(section) for section in SECTIONS)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.splitlines()[0])
def test_a_recipe_works(section, kitchen, monkeypatch):
    monkeypatch.chdir(kitchen)
    for name, text in FILES.findall(PAGE[: PAGE.index(section)] + section):
        (kitchen / name).write_text(text, encoding="utf-8")
    for command in COMMANDS.findall(section):
        words = shlex.split(command)
        ran = CliRunner().invoke(app, words)
        # The folder holds a config.json, which is no instance: that is the broken file.
        expected = WRONG_INPUT if words[0] == "batch" else 0
        assert ran.exit_code == expected, ran.output
        for option, value in pairwise(words):
            if option in WRITTEN:
                assert Path(value).stat().st_size > 0


def test_the_prices_that_the_page_states(kitchen, monkeypatch):
    monkeypatch.chdir(kitchen)
    service = dict(FILES.findall(PAGE))["service.yaml"]
    for text, dollars in (
        (service, "$26.40/h"),
        (service.replace("pools:", "  max_deployments: any\npools:"), "$23.80/h"),
    ):
        Path("priced.yaml").write_text(text, encoding="utf-8")
        assert dollars in CliRunner().invoke(app, ["solve", "priced.yaml"]).output
