"""The look of every picture: sizes, colours, fonts; and the one way to write one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.errors import InputError, OutputError, Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png", ".pdf")
COLUMN_WIDTH = 3.4
"""Inches of a column of a two-column page."""
SHAPE = 0.78
"""Height over width."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette without its yellow, which is faint on white."""
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#666666"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",
    "svg.hashsalt": "planner",
    "savefig.dpi": 300,
}


def check_suffix(path: str | Path) -> None:
    """Refuse files that are no pictures.

    Raises
    ------
    InputError
        Where the suffix is none of `SUFFIXES`.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(Problem(f"a name ending in {', '.join(SUFFIXES)}", file=str(path)))


@contextmanager
def figure(path: str | Path, width: float, height: float | None = None) -> Iterator[Axes]:
    """Yield an empty picture and write it afterwards: the same bytes for the same picture.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    width : float
        Inches.
    height : float, optional
        Inches; left out, a fixed part of the width.

    Raises
    ------
    InputError
        Where the file has another suffix.
    OutputError
        Where it cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    check_suffix(path)
    suffix = Path(path).suffix.lower()
    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with rc_context(STYLE):
        drawn = Figure(figsize=(width, height or width * SHAPE), layout="constrained")
        yield drawn.add_subplot()
        try:
            drawn.savefig(path, format=suffix[1:], metadata=dates.get(suffix))
        except OSError as error:
            raise OutputError.at(path, error) from error
