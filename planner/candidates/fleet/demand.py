"""What a fleet wants: its periods, and the demand and guarantees of every workload."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.candidates.fleet.model_data import Floats, Horizon, Wanted
from planner.errors import InputError, Problem, did_you_mean
from planner.problem.fleet import Fleet, FleetWorkload

REQUESTS_PER_PRICE = 1000.0


def horizon(fleet: Fleet) -> Horizon:
    """Return the periods of a fleet, those of every scenario one after the other."""
    names = tuple(period.name for period in fleet.periods)
    hours = np.asarray([period.hours for period in fleet.periods])
    if not fleet.scenarios:
        return Horizon(names, hours, np.ones(len(names)), _before(1, len(names)))
    chances = np.asarray([scenario.probability for scenario in fleet.scenarios])
    return Horizon(
        names=tuple(f"{scenario.name}/{name}" for scenario in fleet.scenarios for name in names),
        hours=np.outer(chances, hours).ravel(),
        weight=np.repeat(chances, len(names)),
        before=_before(len(chances), len(names)),
    )


def _before(scenarios: int, periods: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    before = np.arange(scenarios * periods, dtype=np.int64) - 1
    before[::periods] = -1
    return before


def wanted(fleet: Fleet) -> Wanted:
    """Return what every workload asks for.

    Raises
    ------
    InputError
        Where demand is missing, stated twice, of another length than the periods, or of a quantile
        that there is not; with every such workload.
    """
    workloads = fleet.workloads
    shed = np.asarray([one.shed_at_most or 0.0 for one in workloads])
    price = np.asarray([one.shed_dollars_per_1000_requests or 0.0 for one in workloads])
    return Wanted(
        demand=_demand(fleet),
        shares=_shares(workloads),
        least=np.asarray([one.min_replicas for one in workloads], dtype=np.int64),
        most=np.asarray([one.max_replicas or np.inf for one in workloads], dtype=np.float64),
        survives=np.asarray([one.n_plus_1 for one in workloads]),
        kinds=np.asarray([_kinds(one) for one in workloads]),
        shed_at_most=shed,
        shed_dollars=price / REQUESTS_PER_PRICE,
        priority=np.asarray([one.priority for one in workloads], dtype=np.int64),
    )


def _kinds(workload: FleetWorkload) -> float:
    most = workload.max_deployments
    return float("inf") if isinstance(most, str) else float(most)


def _shares(workloads: Sequence[FleetWorkload]) -> Floats:
    shares = np.zeros((len(workloads), max(len(one.classes) or 1 for one in workloads)))
    shares[:, 0] = 1.0
    for w, one in enumerate(workloads):
        if one.classes:
            shares[w, : len(one.classes)] = [kind.share for kind in one.classes]
    return shares


def _demand(fleet: Fleet) -> Floats:
    """Return requests per second of every workload, period by period of every scenario."""
    periods = len(fleet.periods)
    problems: list[Problem] = []
    rows = np.zeros((len(fleet.workloads), periods))
    for w, one in enumerate(fleet.workloads):
        found = _series(fleet, w, one)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            rows[w] = found
    if problems:
        raise InputError(problems)
    if not fleet.scenarios:
        return rows
    factors = np.asarray(
        [
            [scenario.factors.get(one.name, scenario.factor) for scenario in fleet.scenarios]
            for one in fleet.workloads
        ]
    )
    return (factors[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)


def _series(fleet: Fleet, w: int, one: FleetWorkload) -> Floats | Problem:
    """Return the demand of one workload in every period of the fleet."""
    in_requests, in_tokens = one.requests_per_second, one.tokens_per_second
    name = "requests_per_second" if in_requests is not None else "tokens_per_second"
    field = f"workloads[{w}].{name}"
    stated = in_requests if in_requests is not None else in_tokens
    if stated is None or (in_requests is not None and in_tokens is not None):
        return Problem(
            field=f"workloads[{w}]",
            found="no demand" if stated is None else "requests_per_second and tokens_per_second",
            expected="one of requests_per_second and tokens_per_second",
            fix="Add one." if stated is None else "Remove one of the two.",
        )
    if isinstance(stated, dict):
        chosen = _quantile(fleet, stated, field)
        if isinstance(chosen, Problem):
            return chosen
        stated = stated[chosen]
        field = f"{field}.{chosen}"
    if len(stated) not in (1, len(fleet.periods)):
        return Problem(
            field=field,
            found=f"{len(stated)} values",
            expected=f"one value, or one for each of the {len(fleet.periods)} periods",
            fix="Give as many as there are periods.",
        )
    series = np.asarray(stated, dtype=np.float64)
    return series if in_requests is not None else series / one.output_tokens


def _quantile(fleet: Fleet, stated: dict[str, tuple[float, ...]], field: str) -> str | Problem:
    """Return the quantile of demand that is planned for."""
    if fleet.demand_quantile in stated:
        return fleet.demand_quantile
    names = list(stated)
    if fleet.demand_quantile is None:
        if len(names) == 1:
            return names[0]
        found, fix = f"the quantiles {', '.join(names)}", "Name one of them as `demand_quantile`."
        return Problem("a quantile to plan for", found, field, fix)
    expected, fix = (
        f"{fleet.demand_quantile} among its quantiles",
        did_you_mean(fleet.demand_quantile, names, listed=True),
    )
    return Problem(expected, ", ".join(names) or "none", field, fix)
