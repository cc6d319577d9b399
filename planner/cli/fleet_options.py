"""What commands about fleets share: how fleets are read and planned, and how far the work is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from planner.io.opened_fleet import OpenedFleet
    from planner.problem.fleet import Fleet
    from planner.problem.offers import Offers

PATIENCE = 1.0
"""Seconds of silence before it is shown how far the work is."""
LOG_SECONDS = 30.0
"""Seconds between two lines of a log, where there is no terminal."""

Tell = Callable[[str, float, float], None]
Method = Annotated[
    Literal["auto", "milp", "decomposition"] | None,
    typer.Option(help="Plan fleets with this formulation, whatever the instance says."),
]
Gap = Annotated[
    float | None,
    typer.Option(
        min=0.0, max=0.99, metavar="PART", help="Stop this near the optimum; 0 proves it."
    ),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(min=0.1, metavar="S", help="Seconds after which the best plan so far is it."),
]


@dataclass(frozen=True, slots=True)
class How:
    """How to solve where the command line says so; None: as the fleet says."""

    method: str | None
    relative_gap: float | None
    time_limit_seconds: float | None

    def said(self) -> dict[str, Any]:
        """Return what the command line says, but for the formulation."""
        known = {
            "relative_gap": self.relative_gap,
            "time_limit_seconds": self.time_limit_seconds,
        }
        return {name: value for name, value in known.items() if value is not None}

    def applied(self, fleet: Fleet) -> Fleet:
        """Return a fleet that is solved like this."""
        said = self.said() | ({} if self.method is None else {"method": self.method})
        return fleet.model_copy(update={"solver": fleet.solver.model_copy(update=said)})


AS_ASKED = How(None, None, None)
"""As the fleet says."""


@contextmanager
def at_work(opened: OpenedFleet, asked: Fleet, quiet: bool) -> Iterator[tuple[Offers, Tell]]:
    """Yield what is on offer, and whom to tell how far the work is.

    What turns out to be wrong on the way is placed in the fleet's file.
    """
    from planner.errors import InputError

    try:
        with progress_line(asked.name, quiet) as tell:
            yield offered(asked, tell) if opened.offers is None else opened.offers, tell
    except InputError as error:
        raise InputError(opened.located(error.problems)) from None


def offered(asked: Fleet, tell: Tell | None = None) -> Offers:
    """Return the deployments on offer to a fleet, and tell how many were evaluated."""
    from planner.candidates.fleet.gather import offers

    def told(done: int) -> None:
        if tell is not None:
            tell(f"{done:,} deployments evaluated", math.nan, math.nan)

    return offers(asked, told)


@contextmanager
def progress_line(name: str, quiet: bool = False) -> Iterator[Tell]:
    """Show how far a fleet is, once it takes long: a line that changes, or lines of a log."""
    from threading import Timer
    from time import monotonic

    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    from planner.reporting.terminal.console import PlainConsole

    console = PlainConsole(stderr=True, quiet=quiet, highlight=False)
    seen = TextColumn("{task.description}", markup=False)
    live = console.is_terminal and not quiet
    bar = Progress(SpinnerColumn(), seen, TimeElapsedColumn(), console=console, transient=True)
    line = bar.add_task(name)
    logged = monotonic()

    def tell(stage: str, cost: float, bound: float) -> None:
        nonlocal logged
        text = f"{name}: {_stage(stage, cost, bound)}"
        bar.update(line, description=text)
        if not live and monotonic() - logged >= LOG_SECONDS:
            logged = monotonic()
            console.print(Text(text), soft_wrap=True)

    timer = Timer(PATIENCE, bar.start if live else lambda: None)
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()


def _stage(stage: str, cost: float, bound: float) -> str:
    """Say where the work is: what the best plan costs, and what none can be below."""
    parts = [stage]
    if math.isfinite(cost):
        # The relaxation has parts of replicas; that is no plan yet.
        parts.append(f"{'relaxed' if stage.endswith('relaxation') else 'plan'} ${cost:,.2f}")
    if math.isfinite(bound):
        parts.append(f"bound ${bound:,.2f}")
    if math.isfinite(cost) and math.isfinite(bound) and cost:
        parts.append(f"gap {max(0.0, (cost - bound) / abs(cost)):.2g}")
    return ", ".join(parts)
