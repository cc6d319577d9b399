"""A fleet as model data: what may be chosen, what it takes, what can be bought and what is wanted.

The formulations are built from these arrays, and from nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Horizon:
    """Periods, one after the other; under several scenarios each scenario has its own."""

    names: tuple[str, ...]
    """(T,) period, or `scenario/period`."""
    hours: Floats
    """(T,) hours, times the probability of the scenario."""
    weight: Floats
    """(T,) probability of the scenario; 1 without scenarios."""
    before: Ints
    """(T,) index of the period before; -1 for the first of a scenario."""

    def __len__(self) -> int:
        return len(self.names)


HOURLY = ("on_demand", "spot")
"""Ways of paying by the hour."""


@dataclass(frozen=True, slots=True)
class PoolSupply:
    """What can be bought in each of P pools; infinity is no limit, NaN is not on offer."""

    gpus: Floats
    """(P,) accelerators there are."""
    increment: Ints
    """(P,) accelerators bought together: those of a node, else 1."""
    on_demand_dollars: Floats
    """(P,) per accelerator and hour, in the mean of the horizon; NaN where not on offer. So for the
    next two."""
    reserved_dollars: Floats
    spot_dollars: Floats
    on_demand_gpus: Floats
    """(P,) most accelerators bought this way. So for the next two."""
    reserved_gpus: Floats
    spot_gpus: Floats
    watts: Floats
    """(P,) of one busy accelerator; 0 where nothing depends on it."""
    watts_at_most: Floats
    """(P,)"""
    kilograms_per_hour: Floats
    """(P,) carbon of one busy accelerator; 0 where nothing depends on it."""
    price_factors: Floats | None = None
    """(2, P, T) prices of the periods over the mean ones above, on demand and spot; None where
    all prices stay the same."""
    place: Ints | None = None
    """(P,) region of each pool: prompts are read and answered in one. None where all are one."""

    @property
    def places(self) -> Ints:
        """(P,) number of the region of each pool."""
        return np.zeros(len(self.gpus), dtype=np.int64) if self.place is None else self.place

    def hourly(self, way: str, periods: int) -> Floats:
        """(P, T) dollars per accelerator and hour, `on_demand` or `spot`, in every period."""
        mean = np.asarray(getattr(self, f"{way}_dollars"))[:, None]
        if self.price_factors is None:
            return np.asarray(np.broadcast_to(mean, (len(mean), periods)))
        return np.asarray(mean * self.price_factors[HOURLY.index(way)])


@dataclass(frozen=True, slots=True)
class Choices:
    """Admissible deployments: a row per workload, capacity type and deployment, by workload.

    A pool has two capacity types: steady (reserved and on demand together, which a replica cannot
    tell apart) and spot. Dominated rows are gone.
    """

    workload: Ints
    """(C,) index of the workload."""
    pool: Ints
    """(C,) index of the pool."""
    spot: Bools
    """(C,) whether it runs in the spot capacity type."""
    offer: Ints
    """(C,) row of the offers it came from."""
    gpus: Ints
    """(C,) accelerators that one replica occupies; in pools bought by the node rounded up so that
    replicas pack into nodes without loss."""
    rates: Floats
    """(C, K) requests per second of each class that a replica serves, derated by prediction,
    head-room and interruptions."""
    role: Ints
    """(C,) index into `offers.ROLES`."""
    dollars_per_hour: Floats
    """(C,) own price of a replica in place of the pool's; NaN where the pool's holds."""
    startup_dollars: Floats
    """(C,) cost of starting one replica: its accelerators while it starts, and what is extra."""
    running: Ints
    """(C,) replicas that run before the first period."""
    working: Ints
    """(C,) accelerators of one replica that work and take power; `gpus` without what pads them."""

    def __len__(self) -> int:
        return len(self.workload)


@dataclass(frozen=True, slots=True)
class Layouts:
    """G layouts: deployments that differ in their batch alone, which changes without a start."""

    of: Ints
    """(C,) layout of each choice."""
    running: Ints
    """(G,) replicas that run before the first period, also those that may not go on."""
    elsewhere: int = 0
    """Replicas of other layouts that run, and may not go on."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What each of W workloads asks for."""

    demand: Floats
    """(W, T) requests per second."""
    shares: Floats
    """(W, K) part of each request class; the first column alone where requests are alike."""
    least: Ints
    """(W,) fewest replicas."""
    most: Floats
    """(W,) most replicas of a period; infinite where any number may run."""
    survives: Bools
    """(W,) whether demand must be met with any one replica lost (N+1)."""
    kinds: Floats
    """(W,) most deployments that may run in one period; infinite where any number may."""
    shed_at_most: Floats
    """(W,) part of the demand that may be refused."""
    shed_dollars: Floats
    """(W,) cost of refusing one request."""
    priority: Ints | None = None
    """(W,) 1 is served first: its requests are refused only where they cannot be served. None where
    what refusing costs decides alone."""

    @property
    def mixes(self) -> Bools:
        """(W,) whether any number of deployments may run in one period."""
        return np.isinf(self.kinds)


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold for all workloads together; infinity is no limit."""

    dollars: float
    watts: float
    kilograms: float
    rising: int
    """Most workloads that rise at once; 0 plans for none."""
    rise: float
    """By how much they rise."""
    changes: float = np.inf
    """Most replicas started, stopped or changed in a first period against what runs."""


@dataclass(frozen=True, slots=True)
class Described:
    """What tells choices apart that take, cost and serve the same: ties are broken by it."""

    labels: tuple[str, ...]
    """(C,) what the deployments are called."""
    tpot_seconds: Floats
    """(C,) time per output token; 0 where it is not stated."""
    stages: Ints
    """(C,) pipeline stages; 1 where the label says none."""


@dataclass(frozen=True, slots=True)
class ModelData:
    """A fleet as model data."""

    horizon: Horizon
    pool_supply: PoolSupply
    choices: Choices
    wanted: Wanted
    limits: Limits
    has_running: bool
    """Whether starts of the first period count, from `choices.running`."""
    layouts: Layouts | None = None
    """None: every choice is a layout of its own."""
    described: Described | None = None
    """None: ties stay open."""
    kept: bool = False
    """Whether what runs goes on through every first period, with nothing beside it."""

    @property
    def by_layout(self) -> Layouts:
        """Layouts of the choices, those of one choice too."""
        if self.layouts is not None:
            return self.layouts
        return Layouts(np.arange(len(self.choices)), self.choices.running)

    @property
    def first(self) -> Bools:
        """(T,) whether a period is the first of its scenario."""
        return self.horizon.before < 0

    @property
    def all_may_go_on(self) -> bool:
        """Whether everything that runs is among the choices."""
        layouts = self.by_layout
        return not layouts.elsewhere and layouts.running.sum() == self.choices.running.sum()

    def started(self, replicas: Ints) -> Ints:
        """(G, T) replicas of each layout that start in each period, of (C, T) that run."""
        layouts, first = self.by_layout, self.first
        running = np.zeros((len(layouts.running), replicas.shape[1]), dtype=np.int64)
        np.add.at(running, layouts.of, replicas)
        before = running[:, self.horizon.before]
        before[:, first] = running[:, first]
        if self.has_running:
            before[:, first] = layouts.running[:, None]
        return np.asarray(np.maximum(running - before, 0), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a formulation decided; the same for F and G."""

    replicas: Ints
    """(C, T) replicas of each choice in each period."""
    shed: Floats
    """(W, T) requests per second refused."""
    served: Floats | None
    """(C, K, T) requests per second of each class that each choice serves; None where requests
    are alike."""
    reserved: Floats
    """(P,) accelerators bought for the horizon. So for the next two, by period."""
    on_demand: Floats
    """(P, T)"""
    spot: Floats
    """(P, T)"""
    extra: Ints | None = None
    """(C, T) replicas that are added when the workload rises; None where no rise is planned for."""
    served_when_risen: Floats | None = None
    """(C, K, T) requests per second of each class that each choice then serves; None also where
    requests are alike."""


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Prices of what workloads share, from the dual of a relaxation; none is negative."""

    occupied: Floats
    """(2, P, T) dollars of an accelerator that a replica occupies in a period, steady and spot."""
    supply: Floats
    """(P, T) dollars of an accelerator of the pool, beyond what it costs."""
    pool_watts: Floats
    """(P, T) dollars of a watt in the pool."""
    watts: Floats
    """(T,) dollars of a watt in all pools together."""
    kilogram: float
    """Dollars of a kilogram of carbon."""
    dollar: float
    """Dollars of one more dollar of the budget."""
    starts: Floats | None = None
    """(C, T) dollars of a replica that runs already; the same for all choices of a layout. None
    where starts cost nothing, or what they are worth is not known."""


@dataclass(frozen=True, slots=True)
class SolveResult:
    """What a formulation found and proved."""

    status: str
    """`optimal`, `feasible`, `time_limit`, `infeasible` or `no_solution_in_time`."""
    decisions: Decisions | None
    objective: float
    """Dollars over the horizon; NaN where there is no plan."""
    bound: float
    """Proven lower bound on it."""
    seconds: float
    solver: str
    multipliers: Multipliers | None = None
    """Prices that prove a bound; None where they are not known."""
