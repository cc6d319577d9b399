"""The cheapest plan of a small fleet by brute force: every number of replicas, one after another.

It shares nothing with the formulations: no caps per period, no rows, no duals, no solver.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from random_fleets import LARGEST, combinations, most_replicas

from planner.candidates.fleet.model_data import ModelData

COLOCATED, PREFILL, DECODE = range(3)
TOLERANCE = 1e-9
WIDEST = 3_000_000
"""Most combinations of periods that are held at once."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What one workload may run in one period."""

    replicas: tuple[int, ...]
    extra: tuple[int, ...]
    shed: float


def cheapest(data: ModelData) -> float | None:
    """Dollars of the cheapest plan with what it refuses; None where there is no plan."""
    slack = int(combinations(data) < LARGEST / 20)
    most = most_replicas(data, slack)
    periods = [_Period(data, t, most) for t in range(len(data.horizon))]
    if not all(len(period.replicas) for period in periods):
        return None
    assert math.prod(len(period.replicas) for period in periods) <= WIDEST
    sizes = [range(len(period.replicas)) for period in periods]
    index = np.array(list(itertools.product(*sizes))).T
    paid = sum(period.hourly[i] for period, i in zip(periods, index, strict=True))
    paid = paid + _purchases(data, periods, index) + _starts(data, periods, index)
    carbon = sum(period.kilograms[i] for period, i in zip(periods, index, strict=True))
    refused = sum(period.refused[i] for period, i in zip(periods, index, strict=True))
    room = 1 + TOLERANCE
    possible = (paid <= data.limits.dollars * room) & (carbon <= data.limits.kilograms * room)
    possible &= _few_changes(data, periods, index)
    costs = np.where(possible, paid + refused, math.inf)
    best = float(costs.min())
    return best if math.isfinite(best) else None


def patterns(data: ModelData, w: int, t: int, most: np.ndarray) -> list[Pattern]:
    """Everything that a workload may run in a period, with the least it must refuse."""
    rows = np.flatnonzero(data.choices.workload == w)
    counts = [range(most[c] + 1) for c in rows]
    return [
        pattern
        for replicas in itertools.product(*counts)
        if data.wanted.least[w] <= _fewest_of_a_role(data, rows, replicas)
        and sum(replicas) <= data.wanted.most[w]
        and _mixture_allowed(data, w, rows, replicas)
        for pattern in _with_extra(data, (w, t), rows, replicas, most)
    ]


def _fewest_of_a_role(data: ModelData, rows, replicas) -> int:
    """Replicas that read prompts, or that write answers, whichever are fewer."""
    roles, count = data.choices.role[rows], np.array(replicas, dtype=np.int64)
    return int(min(count[roles != DECODE].sum(), count[roles != PREFILL].sum()))


def _mixture_allowed(data: ModelData, w: int, rows, replicas) -> bool:
    used = [c for c, n in zip(rows, replicas, strict=True) if n]
    kinds = {data.choices.offer[c]: data.choices.role[c] for c in used}
    roles = list(kinds.values())
    of_stage = [sum(role in (COLOCATED, stage) for role in roles) for stage in (PREFILL, DECODE)]
    return max(of_stage) <= data.wanted.kinds[w]


def _with_extra(data: ModelData, at, rows, replicas, most) -> list[Pattern]:
    """The same with extra replicas for a rise, where one must be ready for it."""
    w, t = at
    demand = data.wanted.demand[w, t]
    short = demand - _lasting(data, w, rows, replicas)
    none = (0,) * len(rows)
    if not data.limits.rising:
        return _refusing(data, at, replicas, none, short)
    own = np.isfinite(data.choices.dollars_per_hour[rows])
    counts = [range(1 if priced else most[c] + 1) for c, priced in zip(rows, own, strict=True)]
    found: list[Pattern] = []
    for extra in itertools.product(*counts):
        both = tuple(n + more for n, more in zip(replicas, extra, strict=True))
        if not _mixture_allowed(data, w, rows, both):
            continue
        risen = demand * (1 + data.limits.rise) - serves(data, w, rows, both)
        for pattern in _refusing(data, at, replicas, extra, max(short, risen)):
            if not any(_as_good(other, pattern) for other in found):
                found.append(pattern)
    return found


def _as_good(one: Pattern, other: Pattern) -> bool:
    fewer = all(n <= more for n, more in zip(one.extra, other.extra, strict=True))
    return fewer and one.shed <= other.shed


def _refusing(data: ModelData, at, replicas, extra, short: float) -> list[Pattern]:
    w, t = at
    demand = data.wanted.demand[w, t]
    shed = 0.0 if short <= TOLERANCE * demand else short
    allowed = shed <= data.wanted.shed_at_most[w] * demand * (1 + TOLERANCE)
    return [Pattern(replicas, extra, shed)] if allowed else []


def _lasting(data: ModelData, w: int, rows, replicas) -> float:
    """Requests per second that replicas serve, whichever of them is lost where that may be."""
    served = serves(data, w, rows, replicas)
    if not data.wanted.survives[w]:
        return served
    for index, count in enumerate(replicas):
        if count:
            fewer = [n - (i == index) for i, n in enumerate(replicas)]
            served = min(served, serves(data, w, rows, fewer))
    return served


def serves(data: ModelData, w: int, rows, replicas) -> float:
    """Requests per second, in their mixture of classes, that replicas serve together."""
    shares = data.wanted.shares[w]
    rates = data.choices.rates[rows] * np.array(replicas)[:, None]
    roles = data.choices.role[rows]
    if (shares > 0).sum() > 1:
        return mixture(rates, shares)
    rate, region = rates[:, shares.argmax()], data.pool_supply.places[data.choices.pool[rows]]
    return float(
        sum(
            min(rate[here & (roles != DECODE)].sum(), rate[here & (roles != PREFILL)].sum())
            for here in (region == one for one in set(region.tolist()))
        )
    )


def mixture(rates: np.ndarray, shares: np.ndarray) -> float:
    """Most requests per second of two classes in fixed shares, each choice splitting its time.

    What can be served of both is bounded by a chain of edges: choices turn to the second class
    in the order in which that costs least of the first.
    """
    order = sorted(rates.tolist(), key=lambda rate: math.atan2(rate[0], rate[1]))
    first, second = sum(rate[0] for rate in order), 0.0
    for lost, won in order:
        after = first - lost, second + won
        # On the edge from here to there, the point in which first : second is as the shares.
        here = first * shares[1] - second * shares[0]
        there = after[0] * shares[1] - after[1] * shares[0]
        if there <= 0 <= here and here > there:
            return float((first - lost * here / (here - there)) / shares[0])
        first, second = after
    return 0.0


class _Period:
    """Every combination of the workloads' patterns in one period that pools can hold."""

    def __init__(self, data: ModelData, t: int, most: np.ndarray) -> None:
        workloads = range(len(data.wanted.demand))
        kept = [
            self._row(data, t, each)
            for each in itertools.product(*(patterns(data, w, t, most) for w in workloads))
        ]
        kept = [row for row in kept if row is not None]
        columns = list(zip(*kept, strict=True)) or [()] * 7
        self.replicas, self.steady, self.spot, self.own = map(np.array, columns[:4])
        self.hourly, self.kilograms, self.refused = map(np.array, columns[4:])

    def _row(self, data: ModelData, t: int, each: tuple[Pattern, ...]) -> tuple | None:
        choices, pool_supply, limits = data.choices, data.pool_supply, data.limits
        hours = data.horizon.hours[t]
        replicas = np.array([n for pattern in each for n in pattern.replicas])
        gpus = choices.gpus * replicas
        pools = len(pool_supply.gpus)
        busy = np.bincount(choices.pool, choices.working * replicas, minlength=pools)
        watts = busy * pool_supply.watts
        if (watts > pool_supply.watts_at_most).any() or watts.sum() > limits.watts:
            return None
        own = np.isfinite(choices.dollars_per_hour)
        owned = np.bincount(choices.pool, gpus * own, minlength=pools)
        capacity_types = [
            np.bincount(
                choices.pool, gpus * (~own & (choices.spot == capacity_type)), minlength=pools
            )
            + _worst(data, each, capacity_type)
            for capacity_type in (False, True)
        ]
        spot = np.ceil(capacity_types[1] / pool_supply.increment) * pool_supply.increment
        limit = np.where(np.isnan(pool_supply.spot_dollars), 0, pool_supply.spot_gpus)
        if (spot > limit).any() or (owned + spot + capacity_types[0] > pool_supply.gpus).any():
            return None
        hourly = hours * float(
            (replicas * np.where(own, choices.dollars_per_hour, 0)).sum()
            + (spot * np.nan_to_num(_price(data, 1)[:, t])).sum()
        )
        carbon = hours * float(busy @ pool_supply.kilograms_per_hour)
        shed = np.array([pattern.shed for pattern in each])
        refused = 3600 * hours * float(shed @ data.wanted.shed_dollars)
        return replicas, capacity_types[0], spot, owned, hourly, carbon, refused


def _price(data: ModelData, market: int) -> np.ndarray:
    """(P, T) prices on demand (0) or spot (1) in every period."""
    pool_supply, factors = data.pool_supply, data.pool_supply.price_factors
    mean = (pool_supply.on_demand_dollars, pool_supply.spot_dollars)[market][:, None]
    return mean * (np.ones((1, len(data.horizon))) if factors is None else factors[market])


def _worst(data: ModelData, each: tuple[Pattern, ...], spot: bool) -> np.ndarray:
    """(P,) extra accelerators in a capacity type when those workloads rise that need most there."""
    choices, pools = data.choices, len(data.pool_supply.gpus)
    if not data.limits.rising:
        return np.zeros(pools)
    extra = np.array([n for pattern in each for n in pattern.extra])
    needs = [
        np.bincount(
            choices.pool,
            choices.gpus * extra * (choices.spot == spot) * (choices.workload == w),
            minlength=pools,
        )
        for w in range(len(each))
    ]
    return np.sort(needs, axis=0)[::-1][: data.limits.rising].sum(axis=0)


def _purchases(data: ModelData, periods: list[_Period], index: np.ndarray) -> np.ndarray:
    """Dollars for reserved and on-demand accelerators, pool by pool the cheapest split."""
    pool_supply, hours = data.pool_supply, data.horizon.hours
    cost = np.zeros(index.shape[1])
    for p, increment in enumerate(pool_supply.increment):
        steady, spot, own = (
            np.array([getattr(each, name)[i, p] for each, i in zip(periods, index, strict=True)])
            for name in ("steady", "spot", "own")
        )
        best = np.full(index.shape[1], math.inf)
        offered = not math.isnan(pool_supply.reserved_dollars[p])
        most = min(pool_supply.reserved_gpus[p], steady.max() + increment) if offered else 0
        on_demand = (
            0 if math.isnan(pool_supply.on_demand_dollars[p]) else pool_supply.on_demand_gpus[p]
        )
        for reserved in np.arange(0, most + 1, increment):
            hourly = np.ceil(np.maximum(steady - reserved, 0) / increment) * increment
            fits = (hourly <= on_demand) & (reserved + hourly + spot + own <= pool_supply.gpus[p])
            dollars = (np.nan_to_num(_price(data, 0)[p]) * hours) @ hourly
            dollars = (
                dollars + np.nan_to_num(pool_supply.reserved_dollars[p]) * reserved * hours.sum()
            )
            best = np.where(fits.all(axis=0), np.minimum(best, dollars), best)
        cost += best
    return cost


def _starts(data: ModelData, periods: list[_Period], index: np.ndarray) -> np.ndarray:
    """Dollars for replicas that did not run in the period before."""
    horizon, choices = data.horizon, data.choices
    cost = np.zeros(index.shape[1])
    for t, before in enumerate(horizon.before):
        now = periods[t].replicas[index[t]]
        if before >= 0:
            then = periods[before].replicas[index[before]]
        elif data.has_running:
            then = choices.running
        else:
            continue
        more = _of_layouts(data, now) - _of_layouts(data, np.broadcast_to(then, now.shape))
        dollars = [choices.startup_dollars[rows[0]] for rows in _layouts(data)]
        cost += horizon.weight[t] * (np.maximum(more, 0) @ np.array(dollars))
    return cost


def _layouts(data: ModelData) -> list[list[int]]:
    """Choices that differ in their batch alone."""
    if data.layouts is None:
        return [[c] for c in range(len(data.choices))]
    return [
        [c for c, mine in enumerate(data.layouts.of) if mine == layout]
        for layout in range(len(data.layouts.running))
    ]


def _of_layouts(data: ModelData, replicas: np.ndarray) -> np.ndarray:
    """(N, G) sums over the choices of each layout."""
    return np.stack([replicas[:, rows].sum(axis=1) for rows in _layouts(data)], axis=1)


def _few_changes(data: ModelData, periods: list[_Period], index: np.ndarray) -> np.ndarray:
    """Whether no more starts, stops or changes its batch in first periods than may."""
    few = np.ones(index.shape[1], dtype=bool)
    for t, before in enumerate(data.horizon.before):
        if before < 0 and math.isfinite(data.limits.changes):
            change = periods[t].replicas[index[t]] - data.choices.running
            up, down = (_of_layouts(data, np.maximum(part, 0)) for part in (change, -change))
            few &= np.maximum(up, down).sum(axis=1) <= data.limits.changes
    return few
