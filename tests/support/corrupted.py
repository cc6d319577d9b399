"""Plans with one thing in their files changed, taken away, doubled or added."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Corruption = tuple[str, str, str]
"""What is corrupted, file, and the text that then stands there."""


def of_table(file: str, text: str) -> Iterator[Corruption]:
    """Every cell changed, emptied and made text; every column and row gone, twice, and one more."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    for column, name in enumerate(header):
        for at, row in enumerate(rows):
            for cell in _changed(row[column]):
                put = [*row[:column], cell, *row[column + 1 :]]
                there = [*rows[:at], put, *rows[at + 1 :]]
                yield (
                    f"{name} of row {at + 1}: {row[column]!r} -> {cell!r}",
                    file,
                    _csv(header, there),
                )
        less = [[cell for at, cell in enumerate(row) if at != column] for row in [header, *rows]]
        yield f"column {name} gone", file, _csv(*_split(less))
        twice = [[*row, row[column]] for row in [header, *rows]]
        yield f"column {name} twice", file, _csv(*_split(twice))
    yield "an extra column", file, _csv([*header, "more"], [[*row, "1"] for row in rows])
    for at, row in enumerate(rows):
        yield f"row {at + 1} gone", file, _csv(header, rows[:at] + rows[at + 1 :])
        yield f"row {at + 1} twice", file, _csv(header, [*rows[: at + 1], *rows[at:]])
        yield f"row {at + 1} cut", file, _csv(header, [*rows[:at], row[:-1], *rows[at + 1 :]])
        yield f"row {at + 1} longer", file, _csv(header, [*rows[:at], [*row, "1"], *rows[at + 1 :]])
    if rows:
        yield "an extra empty row", file, _csv(header, [*rows, [""] * len(header)])


def of_json(file: str, text: str) -> Iterator[Corruption]:
    """Every value changed, every key gone, and one more."""
    whole = json.loads(text)
    for path, value in _leaves(whole):
        name = ".".join(map(str, path))
        for other in _other(value):
            yield f"{name}: {value!r} -> {other!r}", file, json.dumps(_put(whole, path, other))
        if isinstance(path[-1], str):
            yield f"{name} gone", file, json.dumps(_put(whole, path, None, gone=True))
    yield "an extra key", file, json.dumps(whole | {"more": 1})
    yield "half a file", file, text[: len(text) // 2]


def of_folder(folder: Path) -> Iterator[Corruption]:
    """Every corruption of every file of a fleet's plan."""
    for path in sorted(folder.iterdir()):
        text = path.read_text(encoding="utf-8")
        yield from (of_json if path.suffix == ".json" else of_table)(path.name, text)


def _changed(cell: str) -> list[str]:
    try:
        number = float(cell)
    except ValueError:
        return [*([""] if cell else []), "7", f"{cell}x", "nan"]
    more = f"{number * 1.01 + 1:.12g}"
    return [
        "",
        more,
        f"{-number - 1:.12g}",
        f"{cell}x",
        "nan",
        "inf",
        f"{number * 1.0001 + 1e-4:.12g}",
    ]


def _split(rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    return rows[0], rows[1:]


def _csv(header: list[str], rows: list[list[str]]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()


def _leaves(value: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inside:
        if isinstance(part, dict | list) and part:
            yield from _leaves(part, (*path, key))
        else:
            yield (*path, key), part


def _other(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value, None]
    if isinstance(value, int | float):
        return [None, value * 1.01 + 1, -value - 1, "seven", value * 1.0001 + 1e-4]
    return [7, "seven", *([None] if value is not None else [])]


def _put(whole: Any, path: tuple, value: Any, *, gone: bool = False) -> Any:
    copied = json.loads(json.dumps(whole))
    part = copied
    for key in path[:-1]:
        part = part[key]
    if gone:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return copied
