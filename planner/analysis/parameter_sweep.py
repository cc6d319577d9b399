"""A field varied: the frontier, or the best plan, at each of its values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.analysis.frontier import COLUMNS, Frontier, frontier, solved
from planner.batch.tasks import Task, failure
from planner.candidates.shortlist_cache import ShortlistCache
from planner.errors import InputError, PlannerError
from planner.io.output import as_table, write_json, write_rows
from planner.io.overrides import changed
from planner.plans.plan import COLUMNS as PLAN_COLUMNS
from planner.plans.plan import Plan
from planner.problem.instance import Instance

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Over:
    """The answers to one instance as one of its fields takes one value after another."""

    field: str
    """Path of the field, such as `workload.input_tokens`; it names a column."""
    values: tuple[Any, ...]
    answers: tuple[Frontier | Plan, ...]
    """To each value its frontier or, where only the best was asked for, its plan."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the CSV: those of its frontiers or plans, and the field after the first."""
        return columns(self.field, bool(self.answers) and isinstance(self.answers[0], Plan))

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per value and point; one with the reason where there is none."""
        return [
            {**row, self.field: value}
            for value, found in zip(self.values, self.answers, strict=True)
            for row in ([found.to_row()] if isinstance(found, Plan) else found.rows())
        ]

    def table(self) -> pd.DataFrame:
        """Return the rows as a pandas table."""
        return as_table(self.rows(), self.columns)

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the rows as CSV with a header, and write it to `path` if one is given."""
        return write_rows(self.rows(), self.columns, path)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the rows as a JSON list of objects, and write it to `path` if one is given."""
        return write_json(self.rows(), path)


def over(
    instance: Instance,
    field: str,
    values: Iterable[Any],
    *,
    best: bool = False,
    shortlists: ShortlistCache | None = None,
    progress: Callable[[int], None] | None = None,
) -> Over:
    """Answer an instance for every value of one field; what was evaluated is shared.

    Parameters
    ----------
    instance : Instance
        What is asked.
    field : str
        Path of a field, as sweeps write it: `pools[0].dollars_per_gpu_hour`.
    values : iterable
        What a file would hold there; None leaves the field out.
    best : bool
        Whether to solve for the best plan instead of finding the frontier.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances.
    progress : callable, optional
        Told how many deployments were evaluated so far, over all values.

    Returns
    -------
    Over
        A value with which the instance is wrong or infeasible has an answer that says so.

    Raises
    ------
    InputError
        Where the instance is wrong with every value, as it is where there is no such field.
    """
    shortlists, wanted, done = shortlists or ShortlistCache(), tuple(values), 0
    found: list[Frontier | Plan] = []
    wrong: list[InputError] = []
    for value in wanted:
        told = None if progress is None else _after(progress, done)
        try:
            asked = changed(instance, {field: value})
            one: Frontier | Plan = (
                solved(asked, told, shortlists)
                if best
                else frontier(asked, shortlists=shortlists, progress=told)
            )
        except PlannerError as error:
            wrong += [error] if isinstance(error, InputError) else []
            reason = replace(failure(Task(given=instance), error), instance_digest="")
            one = reason if best else Frontier(instance, (), 0, reason)
        done += (one.candidates or 0) if isinstance(one, Plan) else one.evaluated
        found.append(one)
    if wrong and len(wrong) == len(wanted):
        raise wrong[0]
    return Over(field, wanted, tuple(found))


def columns(field: str, best: bool) -> tuple[str, ...]:
    """Return the columns of the CSV over a field, of plans or of frontiers."""
    first, *others = PLAN_COLUMNS if best else COLUMNS
    return (first, field, *(name for name in others if name != field))


def _after(progress: Callable[[int], None], before: int) -> Callable[[int], None]:
    return lambda done: progress(before + done)
