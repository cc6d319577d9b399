"""The examples in the docstrings of the public names, run as they stand there."""

import doctest
from pathlib import Path

import pytest

import planner

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted(name for name in planner.__all__ if name[0].islower())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_an_example_that_holds(name: str, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    found = doctest.DocTestFinder(recurse=False).find(getattr(planner, name), name, globs={})
    assert found and found[0].examples
    assert doctest.DocTestRunner().run(found[0]).failed == 0
