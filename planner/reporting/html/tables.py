"""Tables of a page: columns, rows and what each cell says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of one row, the first of which names it."""

    cells: tuple[str, ...]
    strong: bool = False
    """Whether the row matters more than others."""
    part: bool = False
    """Whether it is a part of the row above."""
    values: tuple[float | None, ...] = ()
    """Numbers behind the cells, where the table can be sorted."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption; on a phone, one of many columns becomes a list of cards."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: frozenset[int] = frozenset()
    """Columns of numbers, which are aligned to the right."""
    sortable: bool = False
    compact: bool = False
    """Whether its columns are so narrow that it fits on a phone."""
    told: bool = True
    """Whether the caption is shown, or only read out."""

    @property
    def cards(self) -> bool:
        """Whether it is too wide for a phone."""
        return len(self.columns) > 2 and not (self.sortable or self.compact)


def table(
    caption: str, columns: str, rows: Sequence[Row], numeric: Sequence[int] = (), **options: bool
) -> Table:
    """Return a table; the names of columns are separated by `|`, numbers counted from 0."""
    names = tuple(name.strip() for name in columns.split("|"))
    return Table(caption, names, tuple(rows), frozenset(numeric), **options)
