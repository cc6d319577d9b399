"""What runs now, from the plan that was carried out: the rows of its last period."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from planner.errors import InputError, Problem, hint
from planner.io.csv_table import FROM_FLEET, Table, read_table

NEEDED = ("period", "workload", "pool", "market", "label", "replicas")
"""Columns of a fleet's plan.csv that are read; a table of `running` has no market or period."""
SUMMARY = "summary.json"
PLAN, PERIOD = "plan", "period"
FIELD = "running"


def is_plan(path: Path) -> bool:
    """Tell whether a table is a fleet's plan; what cannot be read is none."""
    with suppress(InputError):
        return {"market", "period"} <= set(read_table(path, missing=FROM_FLEET).header)
    return False


def running_of(path: Path, period: str | None = None) -> list[dict[str, Any]]:
    """Return the replicas of a plan as entries of `running`.

    Parameters
    ----------
    path : Path
        A plan.csv, as `planner solve --csv` or `--folder` writes it.
    period : str, optional
        Which period; left out, the last.

    Raises
    ------
    InputError
        Where the file cannot be read, holds no plan, or has no such period.
    """
    table = read_table(path, missing=FROM_FLEET)
    missing = [name for name in NEEDED if name not in table.header]
    if missing:
        found, fix = f"no column {missing[0]}", "Name the plan.csv of a fleet's plan."
        raise InputError(Problem(f"the columns {', '.join(NEEDED)}", found, "", fix, table.file, 1))
    rows = [row for row in table.records() if row["workload"]]
    if not rows:
        fix = "Leave `running` out: the first period then starts for free."
        raise InputError(Problem("a plan with replicas", "none", "", fix, table.file))
    chosen = _period(table, rows, path.with_name(SUMMARY), period)
    return [
        {
            "workload": row["workload"],
            "pool": row["pool"],
            "label": row["label"],
            "replicas": int(row["replicas"]),
            "spot": row["market"] == "spot",
        }
        for row in rows
        if row["period"] == chosen and row["replicas"] != "0"
    ]


def _period(table: Table, rows: list[dict[str, str]], summary: Path, wanted: str | None) -> str:
    names = list(dict.fromkeys(row["period"] for row in rows))
    if wanted is not None:
        if wanted not in names:
            expected, fix = "a period of the plan", hint(wanted, names)
            raise InputError(Problem(expected, f"'{wanted}'", f"{FIELD}.{PERIOD}", fix, table.file))
        return wanted
    if all(name.isdecimal() for name in names):
        return max(names, key=int)
    in_order = [name for name in _ordered(summary) if name in names] or names
    if len(in_order) > 1 and not summary.is_file():
        fix = f"Write `{FIELD}: {{{PLAN}: {summary.with_name('plan.csv').name}, {PERIOD}: ...}}`."
        raise InputError(
            Problem(f"one period, or {SUMMARY} beside it", ", ".join(names), "", fix, table.file)
        )
    return in_order[-1]


def _ordered(summary: Path) -> list[str]:
    """Return the periods of a plan in their order, where its summary is there."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content: Mapping[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
        return [str(period["name"]) for period in content["periods"]]
    return []
