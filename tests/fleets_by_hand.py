"""The cheapest plan of a small fleet by brute force: every number of replicas, one after another.

It shares nothing with the formulations: no caps per period, no rows, no duals, no solver.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from random_fleets import LARGEST, combinations, most_replicas

from planner.fleets.figures import Figures

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


def cheapest(figures: Figures) -> float | None:
    """Dollars of the cheapest plan with what it refuses; None where there is no plan."""
    slack = int(combinations(figures) < LARGEST / 20)
    most = most_replicas(figures, slack)
    periods = [_Period(figures, t, most) for t in range(len(figures.horizon))]
    if not all(len(period.replicas) for period in periods):
        return None
    assert math.prod(len(period.replicas) for period in periods) <= WIDEST
    sizes = [range(len(period.replicas)) for period in periods]
    index = np.array(list(itertools.product(*sizes))).T
    paid = sum(period.hourly[i] for period, i in zip(periods, index, strict=True))
    paid = paid + _purchases(figures, periods, index) + _starts(figures, periods, index)
    carbon = sum(period.kilograms[i] for period, i in zip(periods, index, strict=True))
    refused = sum(period.refused[i] for period, i in zip(periods, index, strict=True))
    room = 1 + TOLERANCE
    possible = (paid <= figures.limits.dollars * room) & (carbon <= figures.limits.kilograms * room)
    costs = np.where(possible, paid + refused, math.inf)
    best = float(costs.min())
    return best if math.isfinite(best) else None


def patterns(figures: Figures, w: int, t: int, most: np.ndarray) -> list[Pattern]:
    """Everything that a workload may run in a period, with the least it must refuse."""
    rows = np.flatnonzero(figures.choices.workload == w)
    counts = [range(most[c] + 1) for c in rows]
    return [
        pattern
        for replicas in itertools.product(*counts)
        if sum(replicas) >= figures.wanted.least[w] and _mixture_allowed(figures, w, rows, replicas)
        for pattern in _with_extra(figures, (w, t), rows, replicas, most)
    ]


def _mixture_allowed(figures: Figures, w: int, rows, replicas) -> bool:
    if figures.wanted.mixes[w]:
        return True
    roles = [figures.choices.role[c] for c, n in zip(rows, replicas, strict=True) if n]
    return len(roles) == len(set(roles)) and (len(roles) < 2 or COLOCATED not in roles)


def _with_extra(figures: Figures, at, rows, replicas, most) -> list[Pattern]:
    """The same with extra replicas for a rise, where one must be ready for it."""
    w, t = at
    demand = figures.wanted.demand[w, t]
    short = demand - _lasting(figures, w, rows, replicas)
    none = (0,) * len(rows)
    if not figures.limits.rising:
        return _refusing(figures, at, replicas, none, short)
    own = np.isfinite(figures.choices.dollars_per_hour[rows])
    counts = [range(1 if priced else most[c] + 1) for c, priced in zip(rows, own, strict=True)]
    found: list[Pattern] = []
    for extra in itertools.product(*counts):
        both = tuple(n + more for n, more in zip(replicas, extra, strict=True))
        if not _mixture_allowed(figures, w, rows, both):
            continue
        risen = demand * (1 + figures.limits.rise) - serves(figures, w, rows, both)
        for pattern in _refusing(figures, at, replicas, extra, max(short, risen)):
            if not any(_as_good(other, pattern) for other in found):
                found.append(pattern)
    return found


def _as_good(one: Pattern, other: Pattern) -> bool:
    fewer = all(n <= more for n, more in zip(one.extra, other.extra, strict=True))
    return fewer and one.shed <= other.shed


def _refusing(figures: Figures, at, replicas, extra, short: float) -> list[Pattern]:
    w, t = at
    demand = figures.wanted.demand[w, t]
    shed = 0.0 if short <= TOLERANCE * demand else short
    allowed = shed <= figures.wanted.shed_at_most[w] * demand * (1 + TOLERANCE)
    return [Pattern(replicas, extra, shed)] if allowed else []


def _lasting(figures: Figures, w: int, rows, replicas) -> float:
    """Requests per second that replicas serve, whichever of them is lost where that may be."""
    served = serves(figures, w, rows, replicas)
    if not figures.wanted.survives[w]:
        return served
    for index, count in enumerate(replicas):
        if count:
            fewer = [n - (i == index) for i, n in enumerate(replicas)]
            served = min(served, serves(figures, w, rows, fewer))
    return served


def serves(figures: Figures, w: int, rows, replicas) -> float:
    """Requests per second, in their mixture of classes, that replicas serve together."""
    shares = figures.wanted.shares[w]
    rates = figures.choices.rates[rows] * np.array(replicas)[:, None]
    roles = figures.choices.role[rows]
    if (shares > 0).sum() > 1:
        return mixture(rates, shares)
    rate = rates[:, shares.argmax()]
    return float(min(rate[roles != DECODE].sum(), rate[roles != PREFILL].sum()))


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

    def __init__(self, figures: Figures, t: int, most: np.ndarray) -> None:
        workloads = range(len(figures.wanted.demand))
        kept = [
            self._row(figures, t, each)
            for each in itertools.product(*(patterns(figures, w, t, most) for w in workloads))
        ]
        kept = [row for row in kept if row is not None]
        columns = list(zip(*kept, strict=True)) or [()] * 7
        self.replicas, self.steady, self.spot, self.own = map(np.array, columns[:4])
        self.hourly, self.kilograms, self.refused = map(np.array, columns[4:])

    def _row(self, figures: Figures, t: int, each: tuple[Pattern, ...]) -> tuple | None:
        choices, market, limits = figures.choices, figures.market, figures.limits
        hours = figures.horizon.hours[t]
        replicas = np.array([n for pattern in each for n in pattern.replicas])
        gpus = choices.gpus * replicas
        pools = len(market.gpus)
        busy = np.bincount(choices.pool, gpus, minlength=pools)
        watts = busy * market.watts
        if (watts > market.watts_at_most).any() or watts.sum() > limits.watts:
            return None
        own = np.isfinite(choices.dollars_per_hour)
        owned = np.bincount(choices.pool, gpus * own, minlength=pools)
        lanes = [
            np.bincount(choices.pool, gpus * (~own & (choices.spot == lane)), minlength=pools)
            + _worst(figures, each, lane)
            for lane in (False, True)
        ]
        spot = np.ceil(lanes[1] / market.granule) * market.granule
        limit = np.where(np.isnan(market.spot_dollars), 0, market.spot_gpus)
        if (spot > limit).any() or (owned + spot + lanes[0] > market.gpus).any():
            return None
        hourly = hours * float(
            (replicas * np.where(own, choices.dollars_per_hour, 0)).sum()
            + (spot * np.nan_to_num(market.spot_dollars)).sum()
        )
        carbon = hours * float(busy @ market.kilograms_per_hour)
        shed = np.array([pattern.shed for pattern in each])
        refused = 3600 * hours * float(shed @ figures.wanted.shed_dollars)
        return replicas, lanes[0], spot, owned, hourly, carbon, refused


def _worst(figures: Figures, each: tuple[Pattern, ...], spot: bool) -> np.ndarray:
    """(P,) extra accelerators in a lane when those workloads rise that need most there."""
    choices, pools = figures.choices, len(figures.market.gpus)
    if not figures.limits.rising:
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
    return np.sort(needs, axis=0)[::-1][: figures.limits.rising].sum(axis=0)


def _purchases(figures: Figures, periods: list[_Period], index: np.ndarray) -> np.ndarray:
    """Dollars for reserved and on-demand accelerators, pool by pool the cheapest split."""
    market, hours = figures.market, figures.horizon.hours
    cost = np.zeros(index.shape[1])
    for p, granule in enumerate(market.granule):
        steady, spot, own = (
            np.array([getattr(each, name)[i, p] for each, i in zip(periods, index, strict=True)])
            for name in ("steady", "spot", "own")
        )
        best = np.full(index.shape[1], math.inf)
        offered = not math.isnan(market.reserved_dollars[p])
        most = min(market.reserved_gpus[p], steady.max() + granule) if offered else 0
        on_demand = 0 if math.isnan(market.on_demand_dollars[p]) else market.on_demand_gpus[p]
        for reserved in np.arange(0, most + 1, granule):
            hourly = np.ceil(np.maximum(steady - reserved, 0) / granule) * granule
            fits = (hourly <= on_demand) & (reserved + hourly + spot + own <= market.gpus[p])
            dollars = np.nan_to_num(market.on_demand_dollars[p]) * (hours @ hourly)
            dollars = dollars + np.nan_to_num(market.reserved_dollars[p]) * reserved * hours.sum()
            best = np.where(fits.all(axis=0), np.minimum(best, dollars), best)
        cost += best
    return cost


def _starts(figures: Figures, periods: list[_Period], index: np.ndarray) -> np.ndarray:
    """Dollars for replicas that did not run in the period before."""
    horizon, choices = figures.horizon, figures.choices
    cost = np.zeros(index.shape[1])
    for t, before in enumerate(horizon.before):
        now = periods[t].replicas[index[t]]
        if before >= 0:
            then = periods[before].replicas[index[before]]
        elif figures.has_running:
            then = choices.running
        else:
            continue
        cost += horizon.weight[t] * (np.maximum(now - then, 0) @ choices.startup_dollars)
    return cost
