"""The look of every picture: sizes, colours, fonts; and the one way to write one."""

from __future__ import annotations

import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.errors import InputError, Problem
from planner.io.output import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

SUFFIXES = (".svg", ".png", ".pdf")
COLUMN_WIDTH = 3.4
"""Inches of a column of a two-column page."""
SHAPE = 0.78
"""Height over width."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette without its yellow, which is faint on white."""
MARGIN = 0.06
"""Inches that stay free at the edges of a picture."""
POINTS = 72.0
"""In an inch."""
HINTED = 1.06
"""By how much letters are wider where they are put on pixels."""
LONGEST_TITLE = 2
"""Lines of a title."""
MOST_LINES = 3
"""Lines of what stands above a legend."""
LEGEND_SIZE = 6.5
MARK = 0.48
"""Inches of a mark in a legend, with the space around it."""
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
    "legend.fontsize": LEGEND_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    # Names are data: a dollar sign in one begins no formula.
    "text.parse_math": False,
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
    with rc_context(STYLE), _any_script():
        drawn = Figure(figsize=(width, height or width * SHAPE), layout="constrained")
        yield drawn.add_subplot()
        content = BytesIO()
        drawn.savefig(content, format=suffix[1:], metadata=dates.get(suffix))
    write_bytes(path, content.getvalue())


def breadth(text: str, size: float) -> float:
    """Return how wide a line of text is, in inches, in letters of so many points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=STYLE["font.sans-serif"], size=size)
    with _any_script():
        wide, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return HINTED * float(wide) / POINTS


@contextmanager
def _any_script() -> Iterator[None]:
    """Draw letters that the font lacks: text in an SVG all the same, and boxes in a PNG."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def shortened(text: str, inches: float, size: float) -> str:
    """Return a line of text that is no wider; what is cut out of its middle is an ellipsis.

    Names often differ in their last letters only, so both ends stay.
    """
    if breadth(text, size) <= inches:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        kept = (low + high + 1) // 2
        fits = breadth(_cut(text, kept), size) <= inches
        low, high = (kept, high) if fits else (low, kept - 1)
    return _cut(text, low)


def _cut(text: str, kept: int) -> str:
    head = math.ceil(kept / 2)
    return f"{text[:head]}…{text[len(text) - (kept - head) :]}"


def wrapped(text: str, inches: float, size: float, most: int = LONGEST_TITLE) -> str:
    """Return text in lines that are no wider, so many at most; what is too long is cut."""
    lines = [shortened(line, inches, size) for line in _lines(text, inches, size)]
    if len(lines) > most:
        rest = " ".join(_lines(text, inches, size)[most - 1 :])
        lines = [*lines[: most - 1], shortened(rest, inches, size)]
    return "\n".join(lines)


def _lines(text: str, inches: float, size: float) -> list[str]:
    each = breadth(text, size) / max(len(text), 1)
    letters = max(1, int(inches / each)) if each else len(text)
    for width in range(letters, 0, -1):
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        if width <= letters // 2 or all(breadth(line, size) <= inches for line in lines):
            return lines or [""]
    return [text]


def put_title(axes: Axes, *parts: str) -> None:
    """Write a title at the left edge of the picture; of each part, the last letters may be cut."""
    whole = root(axes)
    inches, size = whole.get_figwidth() - 2 * MARGIN, STYLE["axes.titlesize"]
    lines = [wrapped(part, inches, size) for part in parts if part]
    left = MARGIN / whole.get_figwidth()
    whole.suptitle("\n".join(lines), x=left, ha="left", fontsize=size)
    whole.set_figheight(whole.get_figheight() + 0.15 * (sum(map(_height, lines)) - 1))


def _height(text: str) -> int:
    return text.count("\n") + 1


def root(axes: Axes) -> Figure:
    """Return the picture that axes belong to."""
    whole = axes.get_figure(root=True)
    assert whole is not None
    return whole


def put_legend(whole: Figure, pairs: Sequence[tuple[Any, str]], title: str = "") -> None:
    """Explain marks below the picture, in as many columns as there is room for.

    Parameters
    ----------
    whole : Figure
        It becomes higher by what the legend takes.
    pairs : sequence of (handle, str)
        Marks and what they are; a name that begins with `_` is a name like any other.
    title : str
        What stands above the marks.
    """
    if not pairs:
        return
    room = whole.get_figwidth() - 2 * MARGIN
    names = [shortened(name, room - MARK, LEGEND_SIZE) for _, name in pairs]
    columns = _columns([breadth(name, LEGEND_SIZE) + MARK for name in names], room)
    head = wrapped(title, room, LEGEND_SIZE, MOST_LINES) if title else ""
    rows = math.ceil(len(names) / columns) + (_height(head) if head else 0)
    whole.set_figheight(whole.get_figheight() + 0.14 * rows)
    legend = whole.legend(
        [handle for handle, _ in pairs],
        ["name"] * len(names),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=2.2,
        columnspacing=1.2,
        labelspacing=0.3,
        title=head or None,
        title_fontsize=LEGEND_SIZE,
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def _columns(widths: Sequence[float], room: float) -> int:
    """Return in how many columns a legend fits, each as wide as its widest entry."""
    for columns in range(len(widths), 1, -1):
        short, more = divmod(len(widths), columns)
        ends = [0]
        for column in range(columns):
            ends.append(ends[-1] + short + (column < more))
        if sum(max(widths[a:b]) for a, b in pairwise(ends)) <= room:
            return columns
    return 1


def make_room(axes: Axes, texts: Sequence[Text]) -> None:
    """Widen the range of x until texts that stand at points of it lie within the axes."""
    whole = root(axes)
    for _ in range(12):
        whole.draw_without_rendering()
        inner = axes.get_window_extent()
        boxes = [text.get_window_extent() for text in texts if text.get_text()]
        before = max([inner.x0 - box.x0 for box in boxes], default=0.0)
        after = max([box.x1 - inner.x1 for box in boxes], default=0.0)
        if max(before, after) <= 0.5:
            return
        low, high = axes.get_xlim()
        each = (high - low) / inner.width
        axes.set_xlim(low - max(before, 0.0) * each * 1.05, high + max(after, 0.0) * each * 1.05)
