"""Pieces of inline SVG: elements, scales and axes, coloured by the page's own style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from planner.reporting.number_format import plain

MOST_TICKS = 8
LETTER = 8.0
"""Pixels of a digit, generously."""
SUBDIVISIONS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
"""Where a logarithmic axis has ticks within a decade, from dense to sparse."""


def tag(name: str, *inner: str, **attributes: object) -> Markup:
    """Return an element; text and attributes are escaped, floats have two decimals.

    A trailing `_` of an attribute's name is left out, any other becomes a hyphen.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(str(escape(part)) for part in inner)
    return Markup(f"<{name}{told}>{body}</{name}>" if body else f"<{name}{told}/>")


def _written(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return value


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> Markup:
    """Return a line of text."""
    return tag("text", words, x=float(x), y=float(y), class_=class_ or None, text_anchor=anchor)


def line(start: tuple[float, float], end: tuple[float, float], class_: str) -> Markup:
    """Return a straight line."""
    (x1, y1), (x2, y2) = start, end
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str, *, close: bool = False) -> Markup:
    """Return a line through points."""
    steps = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return tag("path", d=f"M{steps}{' Z' if close else ''}", class_=class_)


@dataclass(frozen=True, slots=True)
class Size:
    """A drawing's size and margins, in CSS pixels; every chart is drawn for desk and phone."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    narrow: bool

    @property
    def inner(self) -> tuple[float, float, float, float]:
        """Left, right, top and bottom edge of what is inside the margins."""
        return self.left, self.width - self.right, self.top, self.height - self.bottom


WIDE = Size(720, 380, 62, 24, 30, 50, narrow=False)
NARROW = Size(340, 330, 48, 14, 30, 46, narrow=True)


def drawn(draw: Callable[[Size], Markup], said: str, sizes: Sequence[Size] = (WIDE, NARROW)) -> str:
    """Return a drawing once per size; the style sheet shows the one that fits.

    Parameters
    ----------
    draw : callable
        What is inside, given the size.
    said : str
        What the drawing shows, in a sentence, for those who cannot see it.
    sizes : sequence of Size
        A wide and a narrow one.
    """
    return Markup("").join(
        tag(
            "svg",
            tag("title", said),
            draw(size),
            viewBox=f"0 0 {size.width:g} {size.height:g}",
            class_=f"chart {'narrow' if size.narrow else 'wide'}",
            role="img",
            aria_label=said,
            tabindex=0,
        )
        for size in sizes
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis: values to pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def at(self, value: float) -> float:
        """Return where a value stands, in pixels."""
        low, high, here = (
            (math.log(one) if self.log else one) for one in (self.low, self.high, value)
        )
        part = (here - low) / (high - low) if high > low else 0.5
        return self.start + part * (self.end - self.start)

    def ticks(self, most: int = MOST_TICKS) -> list[float]:
        """Return round values to label, at most so many."""
        found = self._log_ticks(most) if self.log else []
        return found if len(found) >= 3 else self._even_ticks(most)

    def _log_ticks(self, most: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in SUBDIVISIONS:
            every = [step * 10.0**decade for decade in decades for step in steps]
            found = [value for value in every if self.low <= value <= self.high]
            if len(found) <= most:
                return found
        return [v for v in (10.0**d for d in decades) if self.low <= v <= self.high][
            :: max(1, most)
        ]

    def _even_ticks(self, most: int) -> list[float]:
        span = (self.high - self.low) or 1.0
        exponent = math.floor(math.log10(span / most))
        steps = (factor * 10.0**exponent for factor in (1, 2, 2.5, 5, 10, 20))
        step = next(step for step in steps if span / step <= most)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [number * step for number in range(first, last + 1)]


def fitted(
    values: Sequence[float], start: float, end: float, *, log: bool, pad: float = 0.05
) -> Scale:
    """Return the scale that shows all values with a little room on either side."""
    low, high = min(values), max(values)
    if log:
        margin = (high / low) ** pad if high > low else 1.25
        return Scale(low / margin, high * margin, start, end, log=True)
    margin = (high - low) * pad or abs(high) * 0.1 or 1.0
    return Scale(low - margin, high + margin, start, end, log=False)


def axes(
    size: Size, x: Scale, y: Scale, names: tuple[str, str], write_y: Callable[[float], str]
) -> Markup:
    """Draw grid, ticks and the names of both axes; the vertical one's stands above it."""
    left, right, _, bottom = size.inner
    found = []
    for value in y.ticks(6 if size.narrow else 8):
        at = y.at(value)
        found.append(line((left, at), (right, at), "grid"))
        found.append(text(left - 7, at + 4, write_y(value), "tick", "end"))
    for value in _roomy(x):
        at = x.at(value)
        found.append(line((at, bottom), (at, bottom + 4), "axis"))
        found.append(text(at, bottom + 18, plain(value), "tick", "middle"))
    found.append(line((left, bottom), (right, bottom), "axis"))
    found.append(text((left + right) / 2, size.height - 8, names[0], "name", "middle"))
    found.append(text(4, 14, names[1], "name"))
    return Markup("").join(found)


def _roomy(x: Scale) -> list[float]:
    """Return ticks whose labels stand clear of each other."""
    found: list[float] = []
    for most in range(MOST_TICKS + 1, 1, -1):
        found = x.ticks(most)
        widths = [LETTER * len(plain(value)) for value in found]
        ends = [(x.at(v) - w / 2, x.at(v) + w / 2) for v, w in zip(found, widths, strict=True)]
        if all(right + LETTER <= left for (_, right), (left, _) in pairwise(ends)):
            break
    return found


def mark(shape: str, at: tuple[float, float], class_: str, told: str) -> Markup:
    """Return a marker that tells something when it is pointed at."""
    x, y = at
    inner = (tag("title", told),) if told else ()
    return tag("use", *inner, href=f"#mark-{shape}", x=float(x), y=float(y), class_=class_)
