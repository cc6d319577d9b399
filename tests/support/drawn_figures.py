"""Figures as matplotlib drew them: their texts, where these stand, and what the legend explains."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

TOLERANCE = 0.5
"""Pixels by which boxes may touch."""


@contextmanager
def kept() -> Iterator[list[Figure]]:
    """Yield a list to which every figure is added that is written meanwhile."""
    figures: list[Figure] = []
    plain: Callable[..., None] = Figure.savefig

    def noted(figure: Figure, *words: object, **more: object) -> None:
        plain(figure, *words, **more)
        figures.append(figure)

    Figure.savefig = noted  # type: ignore[method-assign, assignment]
    try:
        yield figures
    finally:
        Figure.savefig = plain  # type: ignore[method-assign]


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return every text of a figure that can be seen, with its place in pixels."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        canvas.draw()
        renderer, beyond = canvas.get_renderer(), _beyond(figure)
        return [
            (text.get_text(), text.get_window_extent(renderer))
            for text in figure.findobj(Text)
            if text.get_text().strip() and text.get_visible() and text not in beyond
        ]


def _beyond(figure: Figure) -> set[Text]:
    """Return the labels of ticks that are not drawn: beyond the ends of axes, or of none."""
    found: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks = {*axis.majorTicks, *axis.minorTicks}
            drawn = set(axis._update_ticks()) if axes.axison else set()
            labels = {label for tick in ticks - drawn for label in (tick.label1, tick.label2)}
            found |= labels if axes.axison else labels | {axis.label}
    return found


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts that lie on each other."""
    return [
        (one, other)
        for (one, a), (other, b) in combinations(boxes(figure), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > TOLERANCE
        and min(a.y1, b.y1) - max(a.y0, b.y0) > TOLERANCE
    ]


def outside(figure: Figure) -> list[str]:
    """Return the texts that reach over the edge of the figure."""
    whole = figure.bbox
    return [
        text
        for text, box in boxes(figure)
        if box.x0 < whole.x0 - TOLERANCE
        or box.y0 < whole.y0 - TOLERANCE
        or box.x1 > whole.x1 + TOLERANCE
        or box.y1 > whole.y1 + TOLERANCE
    ]


def explained(figure: Figure) -> list[str]:
    """Return the names in the legends of a figure."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    return [text.get_text() for one in legends if one is not None for text in one.get_texts()]
