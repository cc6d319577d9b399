"""The application that commands belong to, and what they share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from planner.version import __version__

WRONG_INPUT, NOT_SOLVED, INFEASIBLE = 2, 1, 3
EXIT_CODES = (
    "Exit code 0: all solved; 2: wrong input; 3: infeasible; 1: not solved in time, or an error."
)

ORDER = (
    "solve",
    "launch",
    "explain",
    "batch",
    "frontier",
    "report",
    "what-if",
    "check",
    "estimate",
    "catalogue",
    "import-model",
    "schema",
)
"""Commands as the help lists them."""


class InOrder(TyperGroup):
    """Commands in the order in which people come to need them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        known = super().list_commands(ctx)
        return sorted(known, key=ORDER.index)


app = typer.Typer(
    cls=InOrder,
    help="Find the cheapest way to serve a language model that is still fast enough.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"inference-planner {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the cheapest way to serve a language model that is still fast enough."""


def say(text: str, err: bool = False) -> None:
    """Print a message; names in it drive no terminal."""
    from planner.errors import printable

    typer.echo(printable(text, keep="\n"), err=err)


def exit_code(statuses: Iterable[str]) -> int:
    """Return the exit code for plans of these statuses."""
    found = set(statuses)
    if "input_error" in found:
        return WRONG_INPUT
    if found & {"error", "no_solution_in_time"}:
        return NOT_SOLVED
    return INFEASIBLE if "infeasible" in found else 0
