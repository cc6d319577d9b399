"""Charts of many plans: cost over speed by accelerator, and cost over every swept field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from markupsafe import Markup

from planner.reporting import number_format
from planner.reporting.html.batch_section import Batch, Record, cost, speed
from planner.reporting.html.svg import WIDE, Scale, Size, axes, drawn, fitted, mark, path
from planner.reporting.words import UNITS

SHAPES = ("dot", "square", "triangle", "diamond", "down", "plus")
OTHERS = "others"
CELLS = (4.0, 6.0, 9.0, 13.0, 19.0, 28.0, 40.0)
"""Pixels of a cell of which one point of each accelerator is drawn; the first that draws few."""
MOST_MARKS = {False: 1500, True: 800}
"""Marks of a wide and of a narrow scatter, above which the next larger cells are taken."""
MULTIPLE = Size(340, 220, 48, 14, 30, 46, narrow=False)


def accelerators(batch: Batch) -> list[tuple[str, str]]:
    """Return the accelerators that have a mark of their own, with it, the most frequent first."""
    counts = Counter(str(row["accelerator"]) for row in batch.points)
    ordered = [name for name, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]
    found = list(zip(ordered, SHAPES, strict=False))
    return [*found, (OTHERS, "cross")] if len(ordered) > len(SHAPES) else found


def scatter(batch: Batch) -> str:
    """Draw every plan's cost over its speed, thinned where marks would cover each other."""
    points = batch.points
    said = (
        f"Cost against speed of {len(points):,} plans, by accelerator: "
        f"{', '.join(name for name, _ in accelerators(batch))}."
    )
    return drawn(lambda size: _scatter(batch, points, size), said)


def left_out(batch: Batch) -> int:
    """Return how many points the wide scatter leaves out."""
    return len(batch.points) - len(_placed(batch, batch.points, WIDE))


def _scales(points: Sequence[Record], size: Size) -> tuple[Scale, Scale]:
    left, right, top, bottom = size.inner
    x = fitted([*map(speed, points)], left, right, log=True, pad=0.03)
    return x, fitted([*map(cost, points)], bottom, top, log=True, pad=0.03)


Placed = tuple[tuple[float, float], str, Record]
"""Where something stands, its mark, and its row."""


def _placed(batch: Batch, points: Sequence[Record], size: Size) -> list[Placed]:
    """Return place, mark and row of what is drawn: one of each kind per cell."""
    x, y = _scales(points, size)
    shapes = dict(accelerators(batch))
    marks: list[Placed] = []
    for row in points:
        shape = shapes.get(str(row["accelerator"]), "cross")
        marks.append(((x.at(speed(row)), y.at(cost(row))), shape, row))
    kept = marks
    for width in CELLS:
        kept = list({_cell(one, width): one for one in reversed(marks)}.values())[::-1]
        if len(kept) <= MOST_MARKS[size.narrow]:
            break
    return kept


def _cell(one: Placed, width: float) -> tuple[int, int, str]:
    (x, y), shape, _ = one
    return round(x / width), round(y / width), shape


def _scatter(batch: Batch, points: Sequence[Record], size: Size) -> Markup:
    x, y = _scales(points, size)
    names = (UNITS["tokens_per_second_per_request"], UNITS["dollars_per_million_tokens"])
    marks = [
        mark(shape, at, f"pt kind-{shape}", _told(row))
        for at, shape, row in _placed(batch, points, size)
    ]
    return axes(size, x, y, names, number_format.plain) + Markup("").join(marks)


def _told(row: Record) -> str:
    return (
        f"{str(row['instance'])[:60]}\n{number_format.speed(speed(row))} tokens/s for each user\n"
        f"{number_format.per_million(cost(row))} per million tokens\n"
        f"{row['gpus'] or '?'} × {row['accelerator']}, {row['transformer']}"
    )


def multiples(batch: Batch) -> list[tuple[str, str]]:
    """Return a small chart for every swept field of numbers: its name, and the drawing."""
    found = []
    for field in batch.swept:
        groups: dict[float, list[float]] = {}
        for row in batch.points:
            if isinstance(row[field], int | float) and not isinstance(row[field], bool):
                groups.setdefault(float(row[field]), []).append(cost(row))
        if len(groups) > 1:
            found.append((field, _multiple(field, sorted(groups.items()))))
    return found


def _multiple(field: str, groups: list[tuple[float, list[float]]]) -> str:
    first, last = groups[0], groups[-1]
    said = (
        f"Cost per million tokens over {field}: {number_format.per_million(median(first[1]))} at "
        f"{number_format.plain(first[0])}, {number_format.per_million(median(last[1]))} at "
        f"{number_format.plain(last[0])}, in the median."
    )
    narrow = Size(340, 220, 48, 14, 30, 46, narrow=True)
    return drawn(lambda size: _band(field, groups, size), said, (MULTIPLE, narrow))


def _band(field: str, groups: list[tuple[float, list[float]]], size: Size) -> Markup:
    left, right, top, bottom = size.inner
    values = [value for value, _ in groups]
    every = [one for _, costs in groups for one in costs]
    wide = values[0] > 0 and values[-1] / values[0] > 10
    x = fitted(values, left, right, log=wide, pad=0.04)
    y = fitted(every, bottom, top, log=max(every) / min(every) > 10)
    upper = [(x.at(value), y.at(max(costs))) for value, costs in groups]
    lower = [(x.at(value), y.at(min(costs))) for value, costs in groups]
    middle = [(x.at(value), y.at(median(costs))) for value, costs in groups]
    dots = [
        mark("dot", at, "pt dot", f"{field} {number_format.plain(value)}\n{_range(costs)}")
        for at, (value, costs) in zip(middle, groups, strict=True)
    ]
    names = (field.rpartition(".")[2].replace("_", " "), UNITS["dollars_per_million_tokens"])
    drawing = [axes(size, x, y, names, number_format.plain), path([*upper, *lower[::-1]], "band")]
    return Markup("").join([*drawing, path(middle, "front"), *dots])


def _range(costs: Sequence[float]) -> str:
    told = f"{number_format.per_million(median(costs))} per million tokens"
    if len(costs) == 1:
        return told
    low, high = number_format.per_million(min(costs)), number_format.per_million(max(costs))
    return f"{told} in the median of {len(costs):,} plans\n{low} to {high}"
