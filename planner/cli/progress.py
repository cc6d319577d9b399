"""How far a batch is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from planner.batch.tasks import Tasks
from planner.plans.plan import FOUND
from planner.reporting.terminal.console import PlainConsole

MOST_FAILURES = 20
"""Failures that are told one by one; the CSV has them all."""
LOG_SECONDS = 30.0


class Progress:
    """Counts plans as they come and shows them.

    Parameters
    ----------
    tasks : Tasks
        What is solved; how many there are may turn out on the way.
    quiet : bool
        Show nothing.
    """

    def __init__(self, tasks: Tasks, quiet: bool) -> None:
        self._tasks = tasks
        self._console = PlainConsole(stderr=True, quiet=quiet, highlight=False)
        self._started = self._logged = time.monotonic()
        self.done = self.failed = self.kept = 0
        self._bar = Bar(
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TextColumn("{task.completed:,.0f} done, {task.fields[failed]:,} without a plan,"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._line = self._bar.add_task("", total=tasks.known, failed=0, rate="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @property
    def rate(self) -> float:
        """Plans solved per second so far; what was kept took no time."""
        return (self.done - self.kept) / max(time.monotonic() - self._started, 1e-3)

    def tell(self, name: str, status: str, message: str, kept: bool) -> None:
        """Count one plan; a failure is shown."""
        self.done += 1
        self.kept += kept
        if status not in FOUND:
            self.failed += 1
            self._tell_failure(f"{name}: {status}: {message}")
        total, rate = self._tasks.known, f"{self.rate:,.1f}/s,"
        self._bar.update(
            self._line, completed=self.done, total=total, failed=self.failed, rate=rate
        )
        self._log(total)

    def _tell_failure(self, text: str) -> None:
        if self.failed <= MOST_FAILURES:
            self._print(text, "red")
        elif self.failed == MOST_FAILURES + 1:
            self._print("Further ones are in the CSV alone.", "red")

    def _log(self, total: int | None) -> None:
        """Where there is no terminal, say now and then how far it is."""
        now = time.monotonic()
        if self._console.is_terminal or now - self._logged < LOG_SECONDS:
            return
        self._logged = now
        text = f"{self.done:,} done, {self.failed:,} without a plan, {self.rate:,.1f}/s"
        if total is not None and self.rate:
            left = timedelta(seconds=round((total - self.done) / self.rate))
            text = f"{text}, {total - self.done:,} to go, {left} left"
        self._print(text)

    def sum_up(self, csv: Path) -> None:
        """Say what came of it."""
        seconds = time.monotonic() - self._started
        kept = f", {self.kept:,} kept from before" if self.kept else ""
        self._print(
            f"{self.done - self.failed:,} of {self.done:,} solved in {seconds:,.1f} s "
            f"({self.rate:,.1f}/s){kept}; plans in {csv}"
        )

    def _print(self, text: str, style: str = "") -> None:
        """Print a line as it is: neither marked up nor broken, since logs are searched."""
        self._console.print(Text(text, style=style), soft_wrap=True)
