"""What may run of what is on offer, and when, for the second model: read off docs/instance.md."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from planner.problem.fleet import Fleet
from planner.problem.offers import Offers

COLOCATED, PREFILL, DECODE = range(3)


@dataclass(frozen=True)
class Choice:
    """A deployment of a workload in a pool, on accelerators that stay or on spot ones."""

    workload: int
    pool: int
    spot: bool
    label: str
    gpus: int
    rates: tuple[float, ...]
    role: int
    own: float
    """Price of a replica of its own; NaN where the pool's holds."""
    start: float
    working: int
    """Accelerators of a replica that work, without what pads a node."""

    @property
    def layout(self) -> tuple[int, int, bool, str]:
        return self.workload, self.pool, self.spot, without_batch(self.label)

    @property
    def has_own_price(self) -> bool:
        return not math.isnan(self.own)


@dataclass(frozen=True)
class When:
    """A period of a scenario."""

    scenario: int
    period: int
    hours: float
    weight: float
    before: int


def without_batch(label: str) -> str:
    """What a label says but for its batch: `tp4` of `tp4 b8`."""
    words = label.split(" ")
    batch = len(words) > 1 and words[-1][:1] == "b" and words[-1][1:].isdigit()
    return " ".join(words[:-1]) if batch else label


def choices_of(fleet: Fleet, offers: Offers) -> Iterable[Choice]:
    """Every deployment that meets the limits of its workload, on what it may run on."""
    factors = fleet.prediction
    by_role = factors.colocated_rate, factors.prefill_rate, factors.decode_rate
    for row in range(len(offers)):
        w, p = int(offers.workload[row]), int(offers.pool[row])
        one, pool, role = fleet.workloads[w], fleet.pools[p], int(offers.role[row])
        if not allowed(fleet, offers, row):
            continue
        gpus = packed(int(offers.gpus[row]), pool.gpus_per_node)
        own, seconds = float(offers.dollars_per_hour[row]), one.startup_seconds
        rates = [rate * by_role[role] * (1 - one.headroom) for rate in offers.rates[row]]
        here = w, p, offers.label[row]

        working = int(offers.gpus[row])

        def choice(spot, kept, price, *, of=(here, gpus, rates, role, own, one, seconds, working)):
            (w, p, label), gpus, rates, role, own, one, seconds, working = of
            hourly = gpus * price if math.isnan(own) else own
            start = one.startup_dollars + seconds / 3600 * hourly
            kept_rates = tuple(rate * kept for rate in rates)
            return Choice(w, p, spot, label, gpus, kept_rates, role, own, start, working)

        if pool.on_demand or pool.reserved or not math.isnan(own):
            yield choice(False, 1.0, mean(fleet, pool.on_demand))
        if pool.spot and one.spot and math.isnan(own):
            kept = 1 - pool.spot.interruptions_per_hour * seconds / 3600
            if kept > 0:
                yield choice(True, kept, mean(fleet, pool.spot))


def mean(fleet: Fleet, way: Any) -> float:
    """Price of an accelerator and hour in the mean of the horizon; 0 where not on offer."""
    if way is None:
        return 0.0
    every = list(horizon(fleet))
    total = sum(when.hours * price(way, when) for when in every)
    return total / sum(when.hours for when in every)


def allowed(fleet: Fleet, offers: Offers, row: int) -> bool:
    """Whether a deployment is in the right place, fast and good enough."""
    one, role = fleet.workloads[offers.workload[row]], int(offers.role[row])
    pool = fleet.pools[offers.pool[row]]
    if one.regions is not None and pool.region not in one.regions:
        return False
    speed = one.tokens_per_second_per_request
    if speed and role != PREFILL and not 1 / offers.tpot_seconds[row] >= speed * (1 - 1e-9):
        return False
    least = one.quality.at_least if one.quality else None
    if least is not None and not offers.quality[row] >= least - 1e-9:
        return False
    limit = one.time_to_first_token_seconds
    if limit is not None and role != DECODE:
        trip = 0.0
        if one.users_in and pool.region and one.users_in != pool.region:
            trip = fleet.round_trip_seconds[one.users_in][pool.region]
        first = offers.ttft_seconds[row] * fleet.prediction.time_to_first_token + trip
        return bool(first <= limit * (1 + 1e-9))
    return True


def horizon(fleet: Fleet) -> Iterable[When]:
    """Every period of every scenario, with its hours in the mean."""
    chances = [scenario.probability for scenario in fleet.scenarios] or [1.0]
    for s, chance in enumerate(chances):
        for t, period in enumerate(fleet.periods):
            before = s * len(fleet.periods) + t - 1 if t else -1
            yield When(s, t, period.hours * chance, chance, before)


def price(way: Any, when: When) -> float:
    """Dollars of an accelerator and hour."""
    prices = way.dollars_per_gpu_hour
    return prices[when.period if len(prices) > 1 else 0]


def packed(gpus: int, node: int | None) -> int:
    """Accelerators such that replicas pack without loss: a divisor of a node, or whole nodes."""
    if node is None:
        return gpus
    if gpus > node:
        return math.ceil(gpus / node) * node
    return min(part for part in range(gpus, node + 1) if node % part == 0)
