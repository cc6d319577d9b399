"""The command line."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper

from planner.cli import batch, explain, frontier, inspect, launch, report, solve, what_if
from planner.cli.app import NOT_SOLVED, WRONG_INPUT, app, say

__all__ = [
    "app",
    "batch",
    "explain",
    "frontier",
    "inspect",
    "launch",
    "main",
    "report",
    "solve",
    "what_if",
]


NO_DOCSTRINGS = (
    "Python runs without docstrings (-OO, or PYTHONOPTIMIZE=2), which Pyomo needs. "
    "Run it with -O, or without the option."
)
UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Errors of a stream that takes nothing more."""


def main() -> None:
    """Run the command line; what the user can mend is one message, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows ASCII alone gets an escape for what it cannot show.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.flags.optimize > 1:
        say(NO_DOCSTRINGS, err=True)
        sys.exit(WRONG_INPUT)
    sys.exit(_told(app))


def _told(run: Callable[[], object]) -> int | str | None:
    """Run, say what went wrong, and return the exit code."""
    from planner.errors import InputError, MissingExtraError, OutputError, PlannerError

    try:
        try:
            run()
            code: int | str | None = 0
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
    except (InputError, MissingExtraError, OutputError) as error:
        say(str(error), err=True)
        return WRONG_INPUT
    except PlannerError as error:
        say(str(error), err=True)
        return NOT_SOLVED
    except OSError as error:
        return _unwritten(error)
    return code


def _unwritten(error: OSError) -> int:
    """Say that standard output takes nothing; a reader that left, such as `head`, knows."""
    from planner.errors import OutputError

    if error.filename is not None or error.errno not in UNWRITABLE:
        raise error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # What is still to be flushed goes nowhere.
    if error.errno != errno.EPIPE:
        say(str(OutputError.at("standard output", error)), err=True)
    return WRONG_INPUT
