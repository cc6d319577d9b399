"""Jobs of plans: as they were solved, or as their rows were written."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from planner.errors import InputError, Problem
from planner.io.text_file import read_text
from planner.launch.job import Job, job_of
from planner.launch.launch import DEFAULT_ENGINE
from planner.plans.fleet_plan import FleetPlan
from planner.plans.plan import FOUND, Plan
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance

Jobs = list[tuple[Job, str]]
"""What is to be started, each with its engine."""
KEY = ("instance", "workload", "pool", "role", "label")
"""Columns by which rows of several periods, or of both markets, are of one deployment."""


def jobs_of_plan(plan: Plan, instance: Instance, engine: str | None = None) -> Jobs:
    """Return what the plan of one deployment starts.

    Parameters
    ----------
    plan : Plan
        The plan; it holds a deployment.
    instance : Instance
        What it answers.
    engine : str, optional
        Engine in place of the instance's.
    """
    work = instance.workload
    longest = work.input_tokens + work.output_tokens
    job = job_of(plan.to_row(), plan.instance, longest)
    return [(job, engine or instance.engine or DEFAULT_ENGINE)]


def jobs_of_fleet(plan: FleetPlan, fleet: Fleet, engine: str | None = None) -> Jobs:
    """Return what the plan of a fleet starts: at most so many replicas of each deployment."""
    rows = [{str(k): v for k, v in row.items()} for row in plan.table().to_dict("records")]
    return _jobs(rows, fleet.name, _asked(fleet), engine)


def jobs_of_file(
    path: Path, asked: Iterable[Instance | Fleet] = (), engine: str | None = None
) -> Jobs:
    """Return what the rows of a CSV of plans start.

    Parameters
    ----------
    path : Path
        The CSV.
    asked : iterable of Instance or Fleet
        What it answers, where that is at hand: it knows how long requests are.
    engine : str, optional
        Engine in place of theirs.

    Raises
    ------
    InputError
        Where it is no CSV of plans, or no row has a deployment.
    """
    rows = list(csv.DictReader(read_text(path).splitlines()))
    if not rows or not {"status", "label", "transformer"} <= rows[0].keys():
        fix = "`planner solve FILE --csv plan.csv` writes one."
        raise InputError(Problem("a CSV of plans", "other columns", fix=fix, file=str(path)))
    known: dict[tuple[str, str], tuple[int, str]] = {}
    for one in asked:
        known |= _asked(one)
    kept = [row for row in rows if row["status"] in FOUND]
    if not kept:
        found = f"{rows[0]['status']} alone"
        raise InputError(Problem("a plan with a deployment", found, file=str(path)))
    return _jobs(kept, str(path), known, engine)


def _asked(one: Instance | Fleet) -> dict[tuple[str, str], tuple[int, str]]:
    """Return the longest request and the engine of every workload, by instance and name."""
    if isinstance(one, Instance):
        work = one.workload
        longest = work.input_tokens + work.output_tokens
        return {(one.name, ""): (longest, one.engine or DEFAULT_ENGINE)}
    return {
        (one.name, work.name): (
            work.input_tokens + work.output_tokens,
            work.engine or DEFAULT_ENGINE,
        )
        for work in one.workloads
    }


def _jobs(
    rows: Iterable[Mapping[str, Any]],
    where: str,
    asked: Mapping[tuple[str, str], tuple[int, str]],
    engine: str | None,
) -> Jobs:
    found: Jobs = []
    for row in _busiest(rows):
        name, workload = str(row["instance"]), str(row["workload"])
        known = asked.get((name, workload)) or asked.get((name, ""))
        job = job_of(row, where, None if known is None else known[0])
        found.append((job, engine or (DEFAULT_ENGINE if known is None else known[1])))
    return found


def _busiest(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield each deployment once, with the replicas of the period that has most of them."""
    by_period: dict[tuple[str, ...], dict[str, float]] = {}
    first: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for row in rows:
        key = tuple(str(row.get(name) or "") for name in KEY)
        first.setdefault(key, row)
        periods = by_period.setdefault(key, {})
        period = str(row.get("period") or "")
        periods[period] = periods.get(period, 0.0) + float(row.get("replicas") or 0)
    for key, row in first.items():
        yield {**row, "replicas": max(by_period[key].values())}
