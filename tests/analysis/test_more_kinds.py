"""What several kinds of deployments would save is told beside a plan with one kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import planner
from planner.analysis.more_kinds import mixed_plan
from planner.candidates.shortlist_cache import ShortlistCache
from planner.cli import app

INSTANCES = Path(__file__).parents[2] / "instances"


def test_a_saving_is_that_of_the_instance_that_may_mix():
    instance = planner.read_instance(INSTANCES / "qwen-service")
    shortlists = ShortlistCache()
    plan = planner.solve(instance, shortlists=shortlists)
    mixed = mixed_plan(instance, plan, shortlists)
    other = planner.solve(planner.read_instance(INSTANCES / "qwen-two-kinds"))
    assert mixed is not None
    assert mixed.dollars_per_hour == pytest.approx(other.dollars_per_hour)
    assert mixed.dollars_per_hour < plan.dollars_per_hour


@pytest.mark.parametrize("name", ["llama-70b-chat", "smallest", "llama-70b-short-supply"])
def test_nothing_is_said_where_nothing_is_saved_or_asked_by_the_hour(name):
    instance = planner.read_instance(INSTANCES / name)
    assert mixed_plan(instance, planner.solve(instance)) is None


def test_the_command_says_it_unless_it_is_quiet():
    said = "Several kinds of deployments side by side: $23.80/h, 9.8% less"
    words = ["solve", str(INSTANCES / "qwen-service")]
    assert said in CliRunner().invoke(app, words).output
    assert CliRunner().invoke(app, [*words, "-q"]).output == ""
