"""Many plans: how many have an answer, what they cost, how they differ, and what failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from planner.io.output import cell
from planner.plans.plan import FOUND
from planner.plans.read_csv import read_plans, read_plans_table
from planner.reporting import number_format
from planner.reporting.html.plan_section import Figure
from planner.reporting.html.tables import Row, Table, table

MOST_LISTED, MOST_GROUPS, MOST_FAILURES, MOST_VALUES = 500, 25, 20, 40
LONGEST_MESSAGE = 400
DRAWABLE = (1e-9, 1e12)
"""Costs and speeds beyond these are mistakes, which would spoil the axes."""
READ = (
    *("instance", "status", "transformer", "accelerator", "pool", "message", "price_source"),
    *("weight_precision", "objective_name", "calibration", "profile", "planner_version"),
    *("tensor_parallel", "pipeline_parallel", "batch", "replicas", "gpus", "gap"),
    *("dollars_per_hour", "dollars_per_million_tokens", "tokens_per_second_per_request"),
)
"""Columns that the report reads; a file may lack some."""
STATUS_WORDS = {
    "optimal": "proved best",
    "feasible": "found, proved within its gap: the search ended",
    "time_limit": "found, not proved: time ran out",
    "infeasible": "impossible as asked",
    "no_solution_in_time": "time ran out before any plan was found",
    "input_error": "the instance is wrong",
    "error": "failed",
}
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """The plans of a CSV."""

    name: str
    """Name of the file."""
    rows: tuple[Record, ...]
    """Column to value, None where there is none; swept fields are columns too."""
    swept: tuple[str, ...]
    """Columns of swept fields."""

    @property
    def found(self) -> list[Record]:
        """Rows with a deployment."""
        return [row for row in self.rows if row["status"] in FOUND]

    @property
    def points(self) -> list[Record]:
        """Rows with a cost and a speed that can be drawn."""
        return [row for row in self.found if _drawable(cost(row)) and _drawable(speed(row))]


def _drawable(value: float) -> bool:
    low, high = DRAWABLE
    return low < value < high


def read_batch(path: str | Path) -> Batch:
    """Read the plans of a CSV.

    Raises
    ------
    InputError
        As `planner.read_plans` does.
    """
    frame = read_plans(path)
    own = set(read_plans_table(Path(path)).header)
    swept = tuple(str(name) for name in frame.columns if name not in own)
    columns = {
        name: [_value(value) for value in frame[name].tolist()]
        if name in frame.columns
        else [None] * len(frame)
        for name in (*READ, *swept)
    }
    rows = tuple(
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    )
    return Batch(Path(path).name, rows, swept)


def _value(value: Any) -> Any:
    """Return a cell; None where it is empty or not finite."""
    if isinstance(value, str):
        return value or None
    try:
        return value if math.isfinite(value) else None
    except TypeError:  # pandas' mark for a missing whole number
        return None


def cost(row: Record) -> float:
    """Return the dollars per million tokens, 0 where unknown."""
    return float(row["dollars_per_million_tokens"] or 0.0)


def speed(row: Record) -> float:
    """Return the tokens per second of a request, 0 where unknown."""
    return float(row["tokens_per_second_per_request"] or 0.0)


def summary(batch: Batch) -> str:
    """Return the answer in a sentence."""
    statuses = Counter(str(row["status"]) for row in batch.rows)
    solved, every = len(batch.found), len(batch.rows)
    if every == 1:
        return f"The one instance {'has a plan' if solved else 'has no plan'}."
    proved = "all" if statuses["optimal"] == solved else f"{statuses['optimal']:,} of them"
    how = f", {proved} proved best" if solved else ""
    told = [f"{solved:,} of {every:,} instances have a plan{how}"]
    if statuses["infeasible"]:
        told.append(f"{statuses['infeasible']:,} cannot be met as asked")
    failed = every - solved - statuses["infeasible"]
    if failed:
        told.append(f"{failed:,} failed")
    return f"{'; '.join(told)}."


def figures(batch: Batch) -> list[Figure]:
    """Return the numbers that people ask for; a total only where plans add up."""
    found, every = batch.found, len(batch.rows)
    part = f"{number_format.share(len(found) / every)} of {every:,}"
    told = [Figure("Plans", f"{len(found):,}", str(len(found)), part, "plans")]
    hourly = [row for row in found if row["objective_name"] == "dollars_per_hour"]
    prices = [float(row["dollars_per_hour"]) for row in hourly if row["dollars_per_hour"]]
    if prices and not batch.swept:
        total, note = math.fsum(prices), f"of {len(prices):,} plans for a stated demand"
        told.append(
            Figure("Together, per hour", number_format.dollars(total), cell(total), note, "sum")
        )
    told += _medians(batch)
    estimated = sum(row["calibration"] == "estimated" for row in found)
    if found:
        part = f"{number_format.share(estimated / len(found))} of the plans"
        told.append(Figure("Times estimated", f"{estimated:,}", str(estimated), part, "estimated"))
    return told


def _medians(batch: Batch) -> list[Figure]:
    points = batch.points
    if not points:
        return []
    costs, speeds = sorted(map(cost, points)), sorted(map(speed, points))
    rows = (
        ("Cost per million tokens", costs, number_format.per_million, "dollars_per_million_tokens"),
        ("Speed for each user", speeds, number_format.speed, "tokens_per_second_per_request"),
    )
    return [
        Figure(
            f"{name}, median",
            write(median(values)) + ("/s" if write is number_format.speed else ""),
            cell(float(median(values))),
            f"{write(values[0])} to {write(values[-1])}",
            column,
        )
        for name, values, write, column in rows
    ]


def adds_up(batch: Batch) -> str:
    """Say why there is no total, or what it counts."""
    if batch.swept:
        return "Plans of a sweep are alternatives, so their costs are not added up."
    others = sum(row["objective_name"] != "dollars_per_hour" for row in batch.found)
    if others:
        return (
            f"{others:,} plans have no stated demand: they are one replica each and are not part "
            "of a total."
        )
    return ""


def grouped(batch: Batch, column: str, name: str) -> Table:
    """Return one row per value of a column, the most frequent first."""
    groups: dict[str, list[Record]] = {}
    for row in batch.found:
        groups.setdefault(str(row[column] or number_format.NOT_KNOWN), []).append(row)
    ordered = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    rows = [_group(value, group) for value, group in ordered[:MOST_GROUPS]]
    more = len(ordered) - MOST_GROUPS
    caption = f"By {name}" + (f"; {more:,} rarer ones are left out" if more > 0 else "")
    columns = (
        f"{name.capitalize()} | Plans | Accelerators in one plan | $ per million tokens | "
        "Tokens/s for each user | Estimated"
    )
    return table(caption, columns, rows, (1, 2, 3, 4, 5), sortable=True)


def _group(name: str, rows: Sequence[Record]) -> Row:
    gpus = [float(row["gpus"]) for row in rows if row["gpus"]]
    costs = [value for value in map(cost, rows) if value > 0]
    speeds = [value for value in map(speed, rows) if value > 0]
    estimated = sum(row["calibration"] == "estimated" for row in rows)
    cells = (
        name,
        f"{len(rows):,}",
        _spread(gpus, number_format.plain),
        _spread(costs, number_format.per_million),
        _spread(speeds, number_format.speed),
        f"{estimated:,}",
    )
    middles = (_middle(gpus), _middle(costs), _middle(speeds))
    return Row(cells, values=(None, float(len(rows)), *middles, float(estimated)))


def _middle(values: Sequence[float]) -> float | None:
    return float(median(values)) if values else None


def _spread(values: Sequence[float], write: Any) -> str:
    """Write the median, and the range where there is one."""
    if not values:
        return number_format.NOT_KNOWN
    low, middle, high = write(min(values)), write(median(values)), write(max(values))
    return str(middle) if low == high else f"{middle} ({low} to {high})"


def statuses(batch: Batch) -> Table:
    """Return how many plans have each status."""
    counts = Counter(str(row["status"]) for row in batch.rows)
    rows = [
        Row((STATUS_WORDS.get(name, name), name, f"{count:,}"))
        for name, count in sorted(counts.items(), key=lambda pair: -pair[1])
    ]
    return table("What came of the instances", "Meaning | Status | Instances", rows, (2,))


def failures(batch: Batch) -> Table | None:
    """Return the first instances without a plan, with the reason; None where all have one."""
    failed = [row for row in batch.rows if row["status"] not in FOUND]
    if not failed:
        return None
    failed.sort(key=lambda row: row["status"] == "infeasible")  # Mistakes come first.
    rows = [
        Row((str(row["instance"] or ""), str(row["status"]), _short(str(row["message"] or ""))))
        for row in failed[:MOST_FAILURES]
    ]
    more = len(failed) - MOST_FAILURES
    caption = f"The first {MOST_FAILURES} of {len(failed):,}" if more > 0 else "All of them"
    return table(f"{caption}, mistakes first", "Question | Status | Why", rows)


def _short(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"


def plans(batch: Batch) -> Table:
    """Return the first plans, sortable by any column."""
    rows = [_plan(row) for row in batch.rows[:MOST_LISTED]]
    more = len(batch.rows) - MOST_LISTED
    caption = f"{len(batch.rows):,} plans"
    if more > 0:
        caption = f"The first {MOST_LISTED:,} of {len(batch.rows):,} plans; the CSV has them all"
    columns = (
        "Question | Transformer | Pool | Accelerators | Replicas | Batch | $ per hour | "
        "$ per million tokens | Tokens/s for each user | Status"
    )
    return table(caption, columns, rows, (3, 4, 5, 6, 7, 8), sortable=True)


def _plan(row: Record) -> Row:
    numeric = ("gpus", "replicas", "batch", "dollars_per_hour")
    values = [None if row[name] is None else float(row[name]) for name in numeric]
    values += [cost(row) or None, speed(row) or None]
    counts = ["" if value is None else f"{value:,.0f}" for value in values[:3]]
    money = [
        "" if value is None else write(value)
        for value, write in zip(
            values[3:],
            (number_format.dollars, number_format.per_million, number_format.speed),
            strict=True,
        )
    ]
    first = (str(row[name] or "") for name in ("instance", "transformer"))
    pool = str(row["pool"] or row["accelerator"] or "")
    cells = (*first, pool, *counts, *money, str(row["status"]))
    return Row(cells, values=(None, None, None, *values, None))


def swept_table(batch: Batch, field: str) -> Table:
    """Return one row per value of a swept field."""
    groups: dict[Any, list[Record]] = {}
    for row in batch.rows:
        if row[field] is not None:
            groups.setdefault(row[field], []).append(row)
    ordered = sorted(groups.items(), key=lambda pair: (isinstance(pair[0], str), pair[0]))
    rows = [_swept_row(value, group) for value, group in ordered[:MOST_VALUES]]
    more = len(ordered) - MOST_VALUES
    caption = f"Over {field}" + (f"; {more:,} more values are left out" if more > 0 else "")
    columns = (
        f"{field.rpartition('.')[2]} | With a plan | $ per million tokens | "
        "Tokens/s for each user | Chosen most often"
    )
    return table(caption, columns, rows, (1, 2, 3), sortable=True)


def _swept_row(value: Any, group: Sequence[Record]) -> Row:
    found = [row for row in group if row["status"] in FOUND]
    costs = [one for one in map(cost, found) if one > 0]
    speeds = [one for one in map(speed, found) if one > 0]
    pools = Counter(str(row["pool"] or row["accelerator"]) for row in found).most_common(1)
    chosen = f"{pools[0][0]} ({pools[0][1]:,})" if pools else number_format.NOT_KNOWN
    number = None if isinstance(value, str) else float(value)
    cells = (
        str(value) if number is None else number_format.plain(number, 6),
        f"{len(found):,} of {len(group):,}",
        _spread(costs, number_format.per_million),
        _spread(speeds, number_format.speed),
        chosen,
    )
    return Row(cells, values=(number, float(len(found)), _middle(costs), _middle(speeds), None))


def versions(batch: Batch) -> Table:
    """Return what the plans were made with and at which prices."""
    told = []
    for column, name in (
        ("planner_version", "Planner version"),
        ("profile", "Profile"),
        ("price_source", "Prices"),
    ):
        counts = Counter(str(row[column]) for row in batch.rows if row[column])
        for value, count in counts.most_common(12):
            shown = "stated in the instances" if value == "instance" else value
            told.append(Row((name, shown, f"{count:,}")))
    return table("What the plans rest on", "What | Value | Plans", told, (2,))
