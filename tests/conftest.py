"""What tests share: modules of `support/` and `examples/`; `run` runs the command line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS / "support"), str(TESTS.parent / "examples")]

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


class Ran(NamedTuple):
    """What a command returned and printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Ran]:
    """Call the command as the console script does; return exit code and what was printed."""
    from planner import cli

    def call(*words: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["planner", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stopped:
            code = stopped.code or 0
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Ran(code, told.out, told.err)

    return call
