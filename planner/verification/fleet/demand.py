"""Whether replicas serve what is asked of them: every workload in every period."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from planner.plans.fleet_plan import FleetPlan
from planner.problem.tolerances import CHECKED_FLEET
from planner.verification.check_plan import Finding
from planner.verification.fleet.inputs import Bools, Floats, Ints, differs, told
from planner.verification.fleet.replicas import HOUR, Asked, Rows, split_of

THEN = " when it rises"


def coverage_findings(plan: FleetPlan, asked: Asked, rows: Rows) -> Iterator[Finding]:
    """Yield where demand is not met, or replicas are not what a workload wants.

    Parameters
    ----------
    plan : FleetPlan
        The plan; what it says of service is checked too.
    asked : Asked
        What is asked.
    rows : Rows
        Its rows with what their deployments are.
    """
    want, shed = asked.served, plan.service.shed
    name = cell_name(plan)
    able = capacity_of(asked, rows, rows.count)
    capacity = able.sum(axis=0)
    yield from _service(plan, asked, capacity)
    alike = np.broadcast_to(~want.classed[:, None], capacity.shape)
    given = capacity + shed
    yield from short_findings(want.demand, given, alike, name, "read and answered")
    safe = alike & want.survives[:, None] & ~_below(given, want.demand)
    left = given - _largest_loss(asked, rows)
    yield from short_findings(
        want.demand, left, safe, name, "read and answered with one replica lost"
    )
    yield from class_findings(plan, asked, rows)
    yield from _counts(asked, rows, name)


def cell_name(plan: FleetPlan) -> Callable[[int], str]:
    """Return what says which workload and period is meant."""
    periods = len(plan.periods)
    return lambda cell: f"{plan.workloads[cell // periods]} in {plan.periods[cell % periods]}"


def by_cell(asked: Asked, rows: Rows, values: Floats, mine: Bools) -> Floats:
    """Add up values of some rows by workload and period."""
    shape = asked.served.demand.shape
    added = np.bincount(rows.cell[mine], values[mine], shape[0] * shape[1])
    return np.asarray(added, dtype=float).reshape(shape)


def capacity_of(asked: Asked, rows: Rows, count: Ints) -> Floats:
    """(R, W, T) requests per second that so many replicas read and answer in each region."""
    return np.minimum(*_stages(asked, rows, count))


def _stages(asked: Asked, rows: Rows, count: Ints) -> tuple[Floats, Floats]:
    """(R, W, T) requests per second read, and answered, in each region."""
    shape = (int(asked.sold.region.max(initial=0)) + 1, *asked.served.demand.shape)
    there, size = _in_region(asked, rows), int(np.prod(shape))
    read, answered = (
        np.bincount(there[mine], (rows.rate * count)[mine], size).reshape(shape)
        for mine in (rows.prefill, rows.decode)
    )
    return read, answered


def _in_region(asked: Asked, rows: Rows) -> Ints:
    """(N,) region, workload and period of each row as one number."""
    found = asked.sold.region[rows.each.pool] * asked.served.demand.size + rows.cell
    return np.asarray(found, dtype=np.int64)


def _largest_loss(asked: Asked, rows: Rows) -> Floats:
    """(W, T) requests per second that are lost with whichever replica serves most."""
    there = _in_region(asked, rows)
    read, answered = (stage.ravel()[there] for stage in _stages(asked, rows, rows.count))
    without = np.minimum(
        read - np.where(rows.prefill, rows.rate, 0.0),
        answered - np.where(rows.decode, rows.rate, 0.0),
    )
    lost = np.zeros(asked.served.demand.size)
    runs = rows.count > 0
    np.maximum.at(lost, rows.cell[runs], (np.minimum(read, answered) - without)[runs])
    return lost.reshape(asked.served.demand.shape)


def _below(given: Floats, needed: Floats) -> Bools:
    below: Bools = ~(given >= needed * (1.0 - CHECKED_FLEET))
    return below


def short_findings(
    needed: Floats, given: Floats, concerned: Bools, name: Callable[[int], str], what: str
) -> Iterator[Finding]:
    """Yield workloads and periods in which less is served than needed."""
    yield from told(
        "capacity",
        (concerned & _below(given, needed)).ravel(),
        lambda cell: f"{given.flat[cell]:.9g} requests/s {what} for {name(cell)}",
        lambda cell: f"{needed.flat[cell]:.9g}, refused ones included",
    )


def _service(plan: FleetPlan, asked: Asked, capacity: Floats) -> Iterator[Finding]:
    """The table of service says what is asked, what can be served and what is refused."""
    want, table, name = asked.served, plan.service, cell_name(plan)
    with np.errstate(divide="ignore", invalid="ignore"):
        used = np.where(capacity > 0, (want.demand - table.shed) / capacity, np.nan)
    expected = {
        "demand": (table.demand, want.demand),
        "capacity": (table.capacity, capacity),
        "utilisation": (table.utilisation, used),
    }
    for column, (found, right) in expected.items():
        wrong = differs(found, right).ravel()
        yield from told(column, wrong, _numbers(found, name), _numbers(right))
    wrong = table.priority != want.priority
    yield from told(
        "priority",
        wrong,
        lambda row: f"{table.priority[row]} for {plan.workloads[row]}",
        lambda row: str(want.priority[row]),
    )
    most = want.shed_at_most[:, None] * want.demand
    over = ~((table.shed >= 0) & (table.shed <= most * (1.0 + CHECKED_FLEET)))
    yield from told(
        "shed", over.ravel(), _numbers(table.shed, name), lambda cell: f"0 to {most.flat[cell]:.9g}"
    )


def _numbers(values: Floats, name: Callable[[int], str] | None = None) -> Callable[[int], str]:
    """Return what tells a number of a workload and period, and of which."""
    return lambda cell: f"{values.flat[cell]:.9g}" + (f" for {name(cell)}" if name else "")


def class_findings(
    plan: FleetPlan, asked: Asked, rows: Rows, rise: float | None = None
) -> Iterator[Finding]:
    """Yield classes of which less is served than needed, as the plan splits it.

    Parameters
    ----------
    plan, asked, rows
        As elsewhere.
    rise : float, optional
        What is looked at is the demand risen by this part, and what is then served.
    """
    want, name = asked.served, cell_name(plan)
    if not want.classed.any():
        return
    given = plan.replicas.served if rise is None else plan.replicas.served_when_risen
    served, shares = split_of(given, rows.each.rates), want.shares
    demand, then = want.demand * (1.0 + (rise or 0.0)), "" if rise is None else THEN
    mine = want.classed[rows.each.workload]
    classed = np.broadcast_to(want.classed[:, None], demand.shape)
    for index in range(shares.shape[1]):
        total = by_cell(asked, rows, served[:, index], mine)
        total += plan.service.shed * shares[:, index, None]
        needed = demand * shares[:, index, None]
        yield from short_findings(needed, total, classed, name, f"of class {index + 1}{then}")


def _of_role(able: Floats, does: str, name: Callable[[int], str], cell: int) -> str:
    return f"{able.flat[cell]:g} that {does} for {name(cell)}"


def _counts(asked: Asked, rows: Rows, name: Callable[[int], str]) -> Iterator[Finding]:
    """There are as many replicas, and of as many deployments, as the workload wants."""
    want = asked.served
    every = np.ones(len(rows.count), dtype=bool)
    counts = by_cell(asked, rows, rows.count.astype(float), every)
    least = np.broadcast_to(want.least[:, None], counts.shape)
    for does, mine in (("read prompts", rows.prefill), ("write answers", rows.decode)):
        able = by_cell(asked, rows, rows.count.astype(float), mine)
        yield from told(
            "replicas",
            (able < least).ravel(),
            partial(_of_role, able, does, name),
            lambda cell: f"at least {least.flat[cell]}",
        )
    yield from told(
        "replicas",
        (counts > want.most[:, None]).ravel(),
        lambda cell: f"{counts.flat[cell]:g} for {name(cell)}",
        lambda cell: f"at most {np.broadcast_to(want.most[:, None], counts.shape).flat[cell]:g}",
    )
    # On steady and on spot accelerators it is the same deployment.
    _, once = np.unique(rows.each.offer * len(asked.periods.names) + rows.period, return_index=True)
    first = np.zeros(len(every), dtype=bool)
    first[once] = True
    one, prefill, decode = (
        by_cell(asked, rows, np.ones(len(every)), mine & first)
        for mine in (
            rows.prefill & rows.decode,
            rows.prefill & ~rows.decode,
            rows.decode & ~rows.prefill,
        )
    )
    most = want.kinds[:, None]
    several = one + np.maximum(prefill, decode) > most
    yield from told(
        "label",
        several.ravel(),
        lambda cell: f"several deployments for {name(cell)}",
        lambda _: "no more per role than max_deployments",
    )


def refusal_dollars(plan: FleetPlan, asked: Asked) -> float:
    """Return what refusing requests costs over the horizon."""
    seconds = asked.periods.hours * HOUR
    return float(asked.served.shed_dollars @ (plan.service.shed @ seconds))
