"""The summary of a batch: one row per instance, of the CSV that has all rows of each."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from planner.errors import OutputError, reason_of
from planner.io.output import csv_lines, header, open_result
from planner.plans.plan import COLUMNS

OF_THE_WHOLE = COLUMNS[: COLUMNS.index("rows") + 1]
"""Columns that all rows of an instance share."""


def write_summary(plans: str | Path, path: str | Path) -> None:
    """Write one row per instance of a CSV of plans.

    Of a plan with one row that is the row. Of a fleet's plan with several it is what they share:
    name, status, what is sought, bound, gap, origin, and in `rows` how many there are.

    Parameters
    ----------
    plans : str or Path
        The CSV of a batch, finished.
    path : str or Path
        File to write.

    Raises
    ------
    OutputError
        Where the one cannot be read or the other written.
    """
    with open_result(path) as result:
        result.write(header(COLUMNS))
        for row in _heads(plans):
            result.write(csv_lines([row], COLUMNS))


def _heads(plans: str | Path) -> Iterator[dict[str, str]]:
    try:
        with Path(plans).open(newline="", encoding="utf-8", errors="backslashreplace") as stream:
            reader = csv.DictReader(stream)
            for row in reader:
                rows = int(row["rows"] or 1)
                yield row if rows == 1 else {name: row[name] for name in OF_THE_WHOLE}
                for _ in islice(reader, rows - 1):
                    pass
    except OSError as error:
        raise OutputError.at(plans, reason_of(error)) from error
