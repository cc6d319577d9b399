"""The terminal, on which names are data: no markup, no emoji, no escape sequence in them works."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment

from planner.errors import printable


class PlainConsole(Console):
    """A console that prints texts as they are, control characters by their escapes.

    Parameters
    ----------
    stderr, quiet, highlight : bool
        As rich's own.
    """

    def __init__(
        self, *, stderr: bool = False, quiet: bool = False, highlight: bool = True
    ) -> None:
        super().__init__(stderr=stderr, quiet=quiet, highlight=highlight, markup=False, emoji=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what rich would print, no text a sequence that a terminal obeys."""
        return map(_plain, super().render(renderable, options))


def _plain(segment: Segment) -> Segment:
    if segment.control:
        return segment
    return segment._replace(text=printable(segment.text, keep="\n"))


def progress_bar() -> Progress:
    """Return a bar on standard error whose descriptions are plain text."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=PlainConsole(stderr=True),
        transient=True,
    )
