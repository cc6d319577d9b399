"""The independent checker: recomputes a plan from its row and the instance, and nothing else.

It knows the time terms and the catalogue, but neither the table of candidates nor the
formulations nor any solver, so that a mistake there cannot hide here.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from planner.errors import InputError, Problem
from planner.plans.plan import COLUMNS, FOUND
from planner.plans.read_csv import read_plans_table, read_rows
from planner.problem.fleet import ONLY_PERIOD
from planner.problem.instance import Instance
from planner.problem.label import label
from planner.problem.resolve import NO_DRAFT, ResolvedInstance, Supply, resolve
from planner.problem.tolerances import CHECKED
from planner.terms.forward_pass import Precision
from planner.verification import rules
from planner.verification.recompute import Decisions, recomputed

NOT_FOUND = ("infeasible", "no_solution_in_time", "input_error", "error")
UNPLANNED = (
    *("objective", "bound", "safe_bound", "gap"),
    *(name for name in COLUMNS[COLUMNS.index("rows") + 1 :] if name != "transformer"),
)
"""Columns that are empty where there is no deployment."""
OF_FLEETS = ("served", "extra_replicas", "served_when_risen")
"""Columns that plans of fleets may have beside the others."""
UNREAD = ("input_error", "error")
"""Statuses of instances of which nothing may be known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in a plan that is not so."""

    column: str
    found: object
    expected: str

    def __str__(self) -> str:
        return f"{self.column}: found {self.found}, expected {self.expected}."


def check_plan(row: Mapping[str, Any], instance: Instance) -> list[Finding]:
    """Recompute one plan and list everything in it that does not hold.

    Parameters
    ----------
    row : mapping
        Column to value, as `Plan.to_row` or a CSV reader gives it.
    instance : Instance
        What was asked.

    Returns
    -------
    list of Finding
        Empty where the plan holds. A plan without a deployment has nothing to recompute: its
        name, digest and status are looked at, and that no deployment stands beside them.

    Examples
    --------
    >>> import planner
    >>> instance = planner.read_instance("instances/llama-8b-smallest/instance.yaml")
    >>> row = planner.solve(instance).to_row()
    >>> planner.check_plan(row, instance)
    []
    >>> for finding in planner.check_plan(row | {"gpus": 2}, instance):
    ...     print(finding)
    gpus: found 2, expected 1.
    """
    findings = list(_identity(row, instance))
    if row.get("status") not in FOUND:
        return [*findings, *_nothing_found(row), *_question(row, instance)]
    try:
        resolved = resolve(instance)
        supply = _pool(row, resolved)
        decided = _decided(row, resolved)
        findings += _choices(row, decided, resolved, supply)
        numbers = recomputed(resolved, supply, decided, _whole(row, "replicas"))
        expected = {column: float(value) for column, value in numbers.items()}
    except (ArithmeticError, KeyError, TypeError, ValueError, InputError) as error:
        return [*findings, Finding("row", error, "a complete plan of this instance")]
    findings += _numbers(row, expected | _counted(row, resolved))
    for column, broken, asked in rules.broken_limits(resolved, supply, numbers):
        if broken:
            findings.append(Finding(column, f"{expected[column]:.9g}", asked))
    findings += _proof(row, expected, resolved)
    return findings


def check_file(
    path: str | Path, instances: Iterable[Instance]
) -> Iterator[tuple[str, list[Finding]]]:
    """Check every row of a CSV of plans against the instance of its name.

    Yields
    ------
    name, findings : str, list of Finding
        One pair per row; a row whose instance is not among `instances` is a finding itself, of
        several rows of a fleet's plan the first one.

    Raises
    ------
    InputError
        Where the file cannot be read or is no CSV of plans.
    """
    known = {instance.name: instance for instance in instances}
    before, seen = None, set()
    beyond = _columns(Path(path))
    for row, more in zip(read_rows(Path(path)), beyond, strict=True):
        name = row["instance"]
        again, before = name == before and name not in known, name
        if again:
            continue
        if name in known:
            twice = tuple(row.values()) in seen
            seen.add(tuple(row.values()))
            told = [Finding("rows", "the same row again", "one row of the plan")] if twice else []
            told += [Finding("row", f"{more:+} cells", "as many as the header has")] if more else []
            yield name, [*told, *check_plan(row, known[name])]
        else:
            yield name, [Finding("instance", name, f"one of {', '.join(known)}")]


def _columns(path: Path) -> list[int]:
    """Refuse a CSV with other columns than plans have; return how many cells rows have beyond."""
    table = read_plans_table(path, cut=True)
    expected = (*COLUMNS, *(name for name in table.header if name in OF_FLEETS))
    if table.header != expected:
        pairs = zip((*expected, "nothing more"), (*table.header, "nothing more"), strict=False)
        right, found = next(pair for pair in pairs if pair[0] != pair[1])
        raise InputError(Problem(f"the column {right}", found, file=str(path), line=1))
    with path.open(encoding="utf-8", errors="backslashreplace", newline="") as stream:
        _, *lengths = (len(row) for row in csv.reader(stream) if any(map(str.strip, row)))
    return [length - len(expected) for length in lengths]


def _identity(row: Mapping[str, Any], instance: Instance) -> Iterator[Finding]:
    if row.get("instance") != instance.name:
        yield Finding("instance", row.get("instance"), repr(instance.name))
    digest = row.get("instance_digest")
    if digest != instance.digest and (digest or row.get("status") not in UNREAD):
        yield Finding("instance_digest", digest, f"{instance.digest}, the instance as it is now")


def _nothing_found(row: Mapping[str, Any]) -> Iterator[Finding]:
    status = row.get("status")
    if status not in NOT_FOUND:
        yield Finding("status", status, f"one of {', '.join((*FOUND, *NOT_FOUND))}")
    for column in UNPLANNED:
        if row.get(column) not in (None, ""):
            yield Finding(column, row[column], f"nothing beside the status {status}")
    if str(row.get("rows", 1)) != "1":
        yield Finding("rows", row["rows"], "1")


def _question(row: Mapping[str, Any], instance: Instance) -> Iterator[Finding]:
    """What a row without a deployment says of its question is so, where that was understood."""
    if row.get("status") in UNREAD:
        return
    try:
        resolved = resolve(instance)
    except InputError as error:
        yield Finding("status", row.get("status"), f"input_error: {error}")
        return
    named = {
        "objective_name": instance.aim,
        "profile": resolved.profile.name,
        "transformer": resolved.llm.name,
        "formulation": "" if row.get("status") == "infeasible" else "deployment",
    }
    for column, right in named.items():
        if (row.get(column) or "") != right:
            yield Finding(column, repr(row.get(column)), repr(right))


def _pool(row: Mapping[str, Any], resolved: ResolvedInstance) -> Supply:
    for supply in resolved.pools:
        if supply.label == row["pool"] and supply.accelerator.name == row["accelerator"]:
            return supply
    raise ValueError(f"no pool {row['pool']!r} with {row['accelerator']!r}")


def _whole(row: Mapping[str, Any], name: str, least: int = 1) -> int:
    number = float(row[name])
    if not (number >= least and number.is_integer()):
        raise ValueError(f"{name} = {row[name]}")
    return int(number)


def _number(row: Mapping[str, Any], name: str) -> float:
    """Read a cell; NaN, which equals nothing, where it holds no number."""
    try:
        return float(str(row.get(name)))
    except ValueError:
        return math.nan


def _choices(
    row: Mapping[str, Any], decided: Decisions, resolved: ResolvedInstance, supply: Supply
) -> Iterator[Finding]:
    """The decisions are ones the instance allows."""
    drafts = [NO_DRAFT] if decided.gamma == 0 else [draft.name for draft in resolved.drafts]
    names = _names(row, decided, resolved)
    truths = rules.allowed(resolved, supply, decided, _whole(row, "replicas")) | {
        "transformer": np.asarray(row["transformer"] == resolved.llm.name),
        "draft": np.asarray(row["draft"] in drafts),
        "objective_name": np.asarray(row["objective_name"] == resolved.instance.aim),
        "profile": np.asarray(row["profile"] == resolved.profile.name),
        "formulation": np.asarray(row["formulation"] == "deployment"),
        "safe_bound": np.asarray(row.get("safe_bound") in (None, "")),
        **{column: np.asarray(row[column] == name) for column, name in names.items()},
    }
    for column, holds in truths.items():
        if not holds:
            yield Finding(column, row[column], "a value the instance allows")
    if resolved.engine and not rules.launches(resolved, decided):
        tp, pp, dp, ep = (int(degree) for degree in decided.degrees)
        found = f"tp {tp}, pp {pp}, dp {dp}, ep {ep} with the draft {row['draft']}"
        yield Finding("engine", found, f"a deployment that {resolved.engine.name} launches")


def _names(
    row: Mapping[str, Any], decided: Decisions, resolved: ResolvedInstance
) -> dict[str, str]:
    """What the columns of the key, and those of one answer, must say."""
    tp, pp, dp, ep = (int(degree) for degree in decided.degrees)
    name = label(
        tensor_parallel=tp,
        pipeline_parallel=pp,
        data_parallel=dp,
        expert_parallel=ep,
        weights=decided.precision.weights,
        kv=decided.precision.cache,
        batch=int(decided.batch),
        draft=str(row["draft"]),
        gamma=decided.gamma,
    )
    return {
        "workload": resolved.instance.workload.transformer,
        "period": ONLY_PERIOD,
        "market": "steady",
        "role": "colocated" if resolved.switches.prefill == "colocated" else "decode",
        "label": name,
    }


def _counted(row: Mapping[str, Any], resolved: ResolvedInstance) -> dict[str, float]:
    """Numbers beside those that times and prices give."""
    counted, quality = {"starts": 0.0, "rows": 1.0}, resolved.instance.quality
    stated = row.get("quality") not in (None, "")
    if quality is None and stated:
        counted["quality"] = math.nan  # None is stated: there is nothing to compare with.
    if quality is not None:
        counted["quality"] = quality.of(row["weight_precision"], row["kv_precision"])
    return counted


def _decided(row: Mapping[str, Any], resolved: ResolvedInstance) -> Decisions:
    drafts = {draft.name: draft for draft in resolved.drafts}
    gamma = _whole(row, "gamma", least=0)
    return Decisions(
        precision=Precision(row["weight_precision"], row["kv_precision"]),
        tensor_parallel=_whole(row, "tensor_parallel"),
        pipeline_parallel=_whole(row, "pipeline_parallel"),
        data_parallel=_whole(row, "data_parallel"),
        expert_parallel=_whole(row, "expert_parallel"),
        batch=_whole(row, "batch"),
        draft=drafts[row["draft"]] if gamma else None,
        gamma=gamma,
    )


def _differs(one: float, other: float) -> bool:
    return not math.isclose(one, other, rel_tol=CHECKED, abs_tol=1e-15)


def _numbers(row: Mapping[str, Any], expected: Mapping[str, float]) -> Iterator[Finding]:
    for column, value in expected.items():
        if _differs(_number(row, column), value):
            yield Finding(column, row.get(column), f"{value:.9g}")


def _proof(
    row: Mapping[str, Any], numbers: Mapping[str, float], resolved: ResolvedInstance
) -> Iterator[Finding]:
    """The objective is the number it names, and the bound is on its right side."""
    aim = resolved.instance.aim
    objective, bound, gap = (_number(row, name) for name in ("objective", "bound", "gap"))
    if _differs(objective, numbers[aim]):
        yield Finding("objective", row.get("objective"), f"{numbers[aim]:.9g}, the plan's {aim}")
    if row["status"] == "time_limit" and math.isnan(bound) and math.isnan(gap):
        return  # Time ran out before there was a bound.
    excess = (bound - objective) / max(abs(objective), 1e-12)
    if aim == "tokens_per_second_per_request":
        excess = -excess
    if not excess <= CHECKED:
        yield Finding(
            "bound", row.get("bound"), f"no better a value than the objective {objective:.9g}"
        )
    if not math.isclose(gap, abs(excess), abs_tol=CHECKED):
        yield Finding("gap", row.get("gap"), f"{abs(excess):.3g}")
    if row["status"] == "optimal" and gap > resolved.instance.solver.relative_gap + CHECKED:
        yield Finding("status", "optimal", f"a gap within {resolved.instance.solver.relative_gap}")
