"""The command line."""

from __future__ import annotations

import sys

import typer

from planner.cli import batch, explain, frontier, inspect, report, solve, what_if
from planner.cli.app import NOT_SOLVED, WRONG_INPUT, app

__all__ = [
    "app",
    "batch",
    "explain",
    "frontier",
    "inspect",
    "main",
    "report",
    "solve",
    "what_if",
]


def main() -> None:
    """Run the command line; what the user can mend is one message, never a traceback."""
    from planner.errors import InputError, MissingExtraError, OutputError, PlannerError

    try:
        app()
    except (InputError, MissingExtraError, OutputError) as error:
        typer.echo(str(error), err=True)
        sys.exit(WRONG_INPUT)
    except PlannerError as error:
        typer.echo(str(error), err=True)
        sys.exit(NOT_SOLVED)
