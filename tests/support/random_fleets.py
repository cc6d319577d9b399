"""Small random fleets in figures, with every feature and with prices that rarely tie."""

import itertools
import math
import random
from dataclasses import replace

import numpy as np

from planner.candidates.fleet.model_data import (
    Choices,
    Horizon,
    Layouts,
    Limits,
    ModelData,
    PoolSupply,
    Wanted,
)

FEATURES = frozenset(
    (
        *(
            "classes",
            "roles",
            "n_plus_1",
            "no_mixing",
            "few_kinds",
            "max_replicas",
            "min_replicas",
            "shed",
            "spot",
            "reserved",
        ),
        *("nodes", "starts", "own_price", "budget", "power", "carbon", "scenarios", "robust"),
        *("changes", "both_lanes", "padded", "regions"),
    )
)
NEWER = frozenset(("few_kinds", "max_replicas"))
"""Features that are drawn apart, so that the others of a seed stay what they were."""
ASKED = frozenset(("changes", "both_lanes", "padded", "regions"))
"""Features that only those have who ask for them."""
COLOCATED, PREFILL, DECODE = range(3)
LARGEST = 100_000
"""Most combinations of replicas; fleets with more are drawn again."""


def random_figures(seed: int, *, features: frozenset[str] | None = None) -> ModelData:
    """A small fleet that follows from the seed, with these features or with some at random.

    A feature need not bite on every fleet: some parts of it are drawn by chance.
    """
    assert features is None or features <= FEATURES, features - FEATURES
    rng = random.Random(seed)
    if features is None:
        features = frozenset(
            name for name in sorted(FEATURES - NEWER - ASKED) if rng.random() < 0.3
        )
        newer = random.Random(f"{seed} newer")
        features |= {name for name in sorted(NEWER) if newer.random() < 0.3}
    while True:
        data = _Draw(rng, features).data()
        if "both_lanes" in features:
            data = _on_both(data, random.Random(f"{seed} both"))
        if "changes" in features:
            data = _with_changes(data, random.Random(f"{seed} changes"))
        if combinations(data) <= LARGEST:
            return data


def _on_both(data: ModelData, rng: random.Random) -> ModelData:
    """Some choices are the same deployment as the one before, on the other accelerators."""
    choices, offered = data.choices, ~np.isnan(data.pool_supply.spot_dollars)
    for one, other in itertools.pairwise(range(len(choices))):
        same = choices.workload[one] == choices.workload[other]
        shared = choices.offer[one] != one
        if not same or shared or not offered[choices.pool[one]] or rng.random() < 0.2:
            continue
        for name in ("pool", "offer", "gpus", "working", "role", "startup_dollars", "rates"):
            getattr(choices, name)[other] = getattr(choices, name)[one]
        choices.dollars_per_hour[[one, other]] = math.nan
        choices.spot[[one, other]] = rng.sample((False, True), 2)
        choices.rates[one if choices.spot[one] else other] *= rng.choice((1.0, 0.8))
    return data


def _with_changes(data: ModelData, rng: random.Random) -> ModelData:
    """What runs may change a little; some choices are the same layout with another batch."""
    choices, limits = data.choices, replace(data.limits, changes=float(rng.randint(0, 6)))
    of = np.arange(len(choices))
    for one, other in itertools.pairwise(range(len(choices))):
        both = np.isin(choices.offer[[one, other]], np.delete(choices.offer, [one, other]))
        same = choices.workload[one] == choices.workload[other]
        shared = choices.offer[one] == choices.offer[other] or both.any()
        if not same or shared or rng.random() < 0.3:
            continue
        of[other] = of[one]
        names = ("pool", "spot", "gpus", "working", "role", "dollars_per_hour", "startup_dollars")
        for name in names:
            getattr(choices, name)[other] = getattr(choices, name)[one]
        if rng.random() < 0.7:
            choices.rates[other] = choices.rates[one] * rng.uniform(1.3, 2.5)
    running = np.array([rng.choice((0, 1, 2)) if of[c] == c else 0 for c in range(len(of))])
    choices = replace(choices, running=running)
    _, of = np.unique(of, return_inverse=True)
    layouts = Layouts(of, np.bincount(of, running).astype(int))
    return replace(data, choices=choices, limits=limits, has_running=True, layouts=layouts)


def combinations(data: ModelData) -> float:
    """How many combinations of replicas there are, of which brute force sees the possible ones."""
    counts = most_replicas(data) + 1.0
    extra = 2 if data.limits.rising else 1
    return float(np.prod(counts) ** (len(data.horizon) * extra))


def most_replicas(data: ModelData, slack: int = 0) -> np.ndarray:
    """(C,) replicas that would serve all that is ever demanded alone, with `slack` to spare."""
    choices, wanted = data.choices, data.wanted
    most = []
    for c, w in enumerate(choices.workload):
        peak = wanted.demand[w].max()
        if data.limits.rising:
            peak *= 1 + data.limits.rise
        parts = zip(wanted.shares[w], choices.rates[c], strict=True)
        load = sum(share / rate for share, rate in parts if rate > 0)
        alone = math.ceil(peak * load) + int(wanted.survives[w]) + slack
        supply = np.floor(data.pool_supply.gpus[choices.pool[c]] / choices.gpus[c])
        runs = choices.running[c] if math.isfinite(data.limits.changes) else 0
        most.append(min(max(alone, wanted.least[w], runs), supply))
    return np.array(most, dtype=np.int64)


class _Draw:
    """One fleet drawn from a generator of random numbers."""

    def __init__(self, rng: random.Random, features: frozenset[str]) -> None:
        self.rng, self.has = rng, features
        self.workloads = rng.choice((1, 1, 2, 2, 3))
        self.pools = rng.choice((1, 2, 2, 3))
        self.classes = 2 if "classes" in features else 1

    def some(self, feature: str, part: float) -> bool:
        """Whether one thing has a feature that the fleet has."""
        return feature in self.has and self.rng.random() < part

    def each(self, count: int, draw) -> np.ndarray:
        return np.array([draw() for _ in range(count)])

    def data(self) -> ModelData:
        horizon, pool_supply, wanted = self.horizon(), self.pool_supply(), self.wanted()
        wanted = self.with_demand(wanted, len(horizon))
        choices = self.choices(pool_supply, wanted)
        wanted = self.priced_shedding(wanted, pool_supply)
        limits = self.limits(horizon, pool_supply, wanted)
        running = self.rng.random() < 0.6
        return ModelData(
            horizon, pool_supply, choices, wanted, limits, "starts" in self.has and running
        )

    def horizon(self) -> Horizon:
        rng = self.rng
        periods = rng.choice((1, 1, 2)) if "starts" not in self.has else rng.choice((1, 2, 2))
        hours = self.each(periods, lambda: rng.uniform(0.5, 12))
        names = tuple(f"t{t}" for t in range(periods))
        before = np.arange(periods) - 1
        if "scenarios" not in self.has:
            return Horizon(names, hours, np.ones(periods), before)
        chance = rng.uniform(0.2, 0.8)
        weight = np.repeat((chance, 1 - chance), periods)
        names = tuple(f"{scenario}/{name}" for scenario in ("low", "high") for name in names)
        second = np.where(before < 0, -1, before + periods)
        return Horizon(names, np.tile(hours, 2) * weight, weight, np.concatenate((before, second)))

    def pool_supply(self) -> PoolSupply:
        rng, count = self.rng, self.pools
        price = self.each(count, lambda: rng.uniform(1, 4))
        reserved = self.each(
            count, lambda: rng.uniform(0.4, 1.1) if self.some("reserved", 0.8) else math.nan
        )
        spot = self.each(
            count, lambda: rng.uniform(0.2, 0.9) if self.some("spot", 0.8) else math.nan
        )
        on_demand = [
            math.nan if not math.isnan(part) and rng.random() < 0.2 else 1.0 for part in reserved
        ]
        ways = [
            self.each(count, lambda: rng.choice((math.inf, math.inf, rng.randint(2, 12))))
            for _ in range(3)
        ]
        gpus = self.each(
            count, lambda: rng.choice((math.inf, rng.randint(3, 9), rng.randint(8, 24)))
        )
        increment = self.each(count, lambda: rng.choice((2, 4)) if self.some("nodes", 0.8) else 1)
        power, carbon = "power" in self.has, "carbon" in self.has
        return PoolSupply(
            gpus.astype(float),
            increment,
            price * on_demand,
            price * reserved,
            price * spot,
            *(way.astype(float) for way in ways),
            self.each(count, lambda: rng.uniform(300, 1000) if power else 0.0),
            self.each(
                count, lambda: rng.uniform(2500, 12000) if self.some("power", 0.4) else math.inf
            ),
            self.each(count, lambda: rng.uniform(0.05, 0.5) if carbon else 0.0),
            place=np.arange(count) % 2 if "regions" in self.has else None,
        )

    def wanted(self) -> Wanted:
        rng, count = self.rng, self.workloads
        shares = np.zeros((count, self.classes))
        shares[:, 0] = 1.0
        for w in range(count):
            if self.some("classes", 0.8):
                part = rng.uniform(0.2, 0.8)
                shares[w] = part, 1 - part
        several = (shares > 0).sum(axis=1) > 1
        survives = self.each(count, lambda: self.some("n_plus_1", 0.7)) & ~several
        return Wanted(
            np.zeros((count, 1)),
            shares,
            self.each(count, lambda: rng.randint(1, 3) if self.some("min_replicas", 0.7) else 0),
            self.each(count, self.most_replicas),
            survives,
            self.each(count, self.most_kinds),
            self.each(count, lambda: rng.uniform(0.05, 0.6) if self.some("shed", 0.8) else 0.0),
            np.zeros(count),
        )

    def most_replicas(self) -> float:
        return float(self.rng.randint(3, 6)) if self.some("max_replicas", 0.7) else math.inf

    def most_kinds(self) -> float:
        if self.some("no_mixing", 0.7):
            return 1.0
        return 2.0 if self.some("few_kinds", 0.7) else math.inf

    def with_demand(self, wanted: Wanted, periods: int) -> Wanted:
        rng = self.rng
        most = rng.choice((1.5, 3.0, 5.0)) if self.workloads * periods <= 2 else 2.0
        shape = (self.workloads, periods)
        demand = self.each(self.workloads * periods, lambda: rng.uniform(0.2, most)).reshape(shape)
        demand[self.each(demand.size, lambda: rng.random() < 0.05).reshape(shape)] = 0.0
        return replace(wanted, demand=demand)

    def choices(self, pool_supply: PoolSupply, wanted: Wanted) -> Choices:
        rng = self.rng
        rows = []
        for w in range(self.workloads):
            several = (wanted.shares[w] > 0).sum() > 1
            split = not several and self.some("roles", 0.8)
            kinds = [rng.choice((COLOCATED, PREFILL, DECODE)) for _ in range(self.number())]
            if split and rng.random() < 0.7:
                kinds[:2] = [PREFILL, DECODE]
            for kind in kinds:
                rows.append(self.choice(w, kind if split else COLOCATED, pool_supply, several))
        workload, pool, spot, gpus, rates, role, own, startup, running = zip(*rows, strict=True)
        return Choices(
            np.array(workload),
            np.array(pool),
            np.array(spot),
            np.arange(len(rows)),
            np.array(gpus),
            np.array(rates).reshape(len(rows), self.classes),
            np.array(role),
            np.array(own),
            np.array(startup),
            np.array(running),
            np.array([self.working(one) for one in gpus]),
        )

    def working(self, gpus: int) -> int:
        return self.rng.randint(1, gpus) if self.some("padded", 0.5) else gpus

    def number(self) -> int:
        return 3 if "both_lanes" in self.has else self.rng.randint(1, 3)

    def choice(self, w: int, role: int, pool_supply: PoolSupply, several: bool) -> tuple:
        rng = self.rng
        pool = rng.randrange(self.pools)
        gpus = rng.choice((1, 1, 2, 4))
        if gpus > pool_supply.increment[pool] > 1:
            gpus = -(-gpus // pool_supply.increment[pool]) * pool_supply.increment[pool]
        rates = [rng.uniform(0.3, 0.9) * gpus**0.8 for _ in range(self.classes)]
        if not several:
            rates[1:] = [0.0] * (self.classes - 1)
        elif rng.random() < 0.2:
            rates[rng.randrange(2)] = 0.0
        spot = not math.isnan(pool_supply.spot_dollars[pool]) and rng.random() < 0.5
        own = rng.uniform(0.5, 4.5) * gpus if self.some("own_price", 0.5) else math.nan
        startup = rng.uniform(0.3, 9) if self.some("starts", 0.8) else 0.0
        running = rng.randint(0, 3) if "starts" in self.has else 0
        return w, pool, spot, gpus, rates, role, own, startup, running

    def priced_shedding(self, wanted: Wanted, pool_supply: PoolSupply) -> Wanted:
        """Refusing a request costs about as much as serving it."""
        price = (
            float(np.nanmean(pool_supply.on_demand_dollars))
            if np.isfinite(pool_supply.on_demand_dollars).any()
            else 2.0
        )
        served = price / 0.5 / 3600
        dollars = self.each(self.workloads, lambda: served * self.rng.uniform(0.2, 4))
        return replace(wanted, shed_dollars=np.where(wanted.shed_at_most > 0, dollars, 0.0))

    def limits(self, horizon: Horizon, pool_supply: PoolSupply, wanted: Wanted) -> Limits:
        rng = self.rng
        gpus = float((wanted.demand / 0.55).sum(axis=0) @ horizon.hours)
        peak = float((wanted.demand / 0.55).sum(axis=0).max())
        cost = float(np.nanmean([pool_supply.on_demand_dollars, pool_supply.reserved_dollars]))
        watts = float(pool_supply.watts.mean()) * rng.uniform(1.2, 5.0) * peak
        kilograms = float(pool_supply.kilograms_per_hour.mean()) * rng.uniform(1.0, 5.0) * gpus
        return Limits(
            gpus * cost * rng.uniform(0.9, 4.0) if "budget" in self.has else math.inf,
            watts if self.some("power", 0.7) else math.inf,
            kilograms if "carbon" in self.has else math.inf,
            rng.randint(1, 2) if "robust" in self.has else 0,
            rng.uniform(0.2, 0.8),
        )
