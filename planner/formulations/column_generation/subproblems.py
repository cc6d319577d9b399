"""The subproblems of a fleet: one per workload and period, and the capacity types they share.

A capacity type is a pool's accelerators of one kind: steady, spot, or priced by the replica itself.
A replica that serves as much on spot accelerators as on steady ones is in a capacity type of its
own, either: told apart only at the end, such replicas leave half as much to choose from. All that
blocks have in common is how many accelerators of each capacity type they occupy in each period
(G1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.candidates.fleet.model_data import Bools, Floats, Ints, ModelData

STEADY, SPOT, OWN, EITHER = 0, 1, 2, 3
KINDS = 4
UNLIMITED = 1e9


@dataclass(frozen=True, slots=True)
class Subproblems:
    """B blocks; their choices are padded to the same number m, with -1 where there is none."""

    workload: Ints
    """(B,) index of the workload."""
    period: Ints
    """(B,) index of the period."""
    choice: Ints
    """(W, m) choices of each workload; -1 is none."""
    gpus: Floats
    """(W, m) accelerators of one replica."""
    rate: Floats
    """(W, m) requests per second of one replica; 1 where there is none."""
    capacity_type: Ints
    """(W, m) capacity type of each choice."""
    dollars: Floats
    """(W, m) own price of a replica and hour; 0 where its capacity type has one, infinite where
    there is no
    choice."""
    most: Floats
    """(W, m) most replicas that fit into the pool."""
    demand: Floats
    """(B,) requests per second."""
    least: Ints
    """(W,) fewest replicas."""
    survives: Bools
    """(W,) whether any one replica may be lost."""
    mixes: Bools
    """(W,) whether choices may be mixed."""
    tpot: Floats
    """(W, m) seconds per output token; 0 where they are not known."""
    stages: Ints
    """(W, m) pipeline stages."""
    kind: Ints
    """(W, m) place of the first choice of the same deployment, on steady or spot accelerators."""
    shed_most: Floats
    """(B,) requests per second that may be refused."""
    shed_dollars: Floats
    """(B,) cost of refusing one request per second through the period."""
    hours: Floats
    """(T,) of each period."""
    kept: Ints | None
    """(B, m) replicas of blocks that keep what runs; -1 in those that may change. None: all may."""
    capacity_types: int
    """Number of capacity types: `KINDS` for every pool."""

    @property
    def number(self) -> int:
        """How many blocks there are."""
        return len(self.workload)

    @property
    def periods(self) -> int:
        """How many periods there are."""
        return len(self.hours)

    @property
    def kept_blocks(self) -> Bools:
        """(B,) whether a block keeps what runs."""
        if self.kept is None:
            return np.zeros(self.number, dtype=bool)
        return np.asarray((self.kept >= 0).all(axis=1))

    def alone(self, workload: Ints, counts: Ints) -> Bools:
        """Tell which counts (N, m) of some workloads (N,) are of as many kinds as may be."""
        kind, used = self.kind[workload], counts > 0
        last = np.where(used, kind, -1).max(axis=1, initial=-1)
        first = np.where(used, kind, kind.shape[1]).min(axis=1, initial=kind.shape[1])
        return np.asarray(self.mixes[workload] | (first >= last))

    def of(self, workloads: Ints) -> Subproblems:
        """Return the blocks of some workloads, with all their periods."""
        place = np.full(len(self.least), -1, dtype=np.int64)
        place[workloads] = np.arange(len(workloads))
        rows = np.flatnonzero(place[self.workload] >= 0)
        chosen = {name: getattr(self, name)[workloads] for name in OF_WORKLOADS}
        return replace(self._rows(rows), workload=place[self.workload[rows]], **chosen)

    def at(self, period: int) -> Subproblems:
        """Return the blocks of one period."""
        kept = self._rows(np.flatnonzero(self.period == period))
        none = np.zeros(kept.number, dtype=np.int64)
        return replace(kept, period=none, hours=self.hours[[period]])

    def _rows(self, rows: Ints) -> Subproblems:
        kept = None if self.kept is None else self.kept[rows]
        return replace(self, kept=kept, **{name: getattr(self, name)[rows] for name in OF_BLOCKS})


OF_WORKLOADS = (
    *("choice", "gpus", "rate", "capacity_type", "dollars"),
    *("most", "least", "survives", "mixes", "kind", "tpot", "stages"),
)
OF_BLOCKS = ("workload", "period", "demand", "shed_most", "shed_dollars")


def symmetric_columns(data: ModelData) -> Ints:
    """Return for every steady choice the spot one that differs in nothing but its capacity type.

    Returns
    -------
    ndarray, shape (C,)
        Index of the choice; -1 where there is none, where starts cost, or where a replica has a
        price of its own. None at all where what runs is kept as it is.
    """
    choices = data.choices
    found = np.full(len(choices), -1, dtype=np.int64)
    if data.kept:
        return found
    alike = np.isnan(choices.dollars_per_hour)
    if starts_count(data):
        alike &= choices.startup_dollars == 0
    # Only pools with spot accelerators have any: most large fleets need not be looked through.
    alike &= np.isin(choices.pool, choices.pool[choices.spot])
    rows = np.flatnonzero(alike)
    said = (choices.workload, choices.pool, choices.gpus, choices.role, *choices.rates.T)
    described = np.column_stack([values[rows] for values in said])
    _, kind = np.unique(described, axis=0, return_inverse=True)
    spot = choices.spot[rows]
    first = np.full(len(rows), -1, dtype=np.int64)
    first[kind[spot][::-1]] = rows[spot][::-1]
    _, once = np.unique(kind[~spot], return_index=True)
    found[rows[~spot][once]] = first[kind[~spot][once]]
    return found


def decompose(data: ModelData, symmetric: Ints | None = None) -> Subproblems:
    """Take a fleet apart (G1).

    Parameters
    ----------
    data : ModelData
        Of a fleet that `unsupported` has no objection to.
    symmetric : ndarray, optional
        Choices not to be told apart, from `symmetric_columns`.
    """
    wanted, horizon = data.wanted, data.horizon
    workloads, periods = wanted.demand.shape
    symmetric = np.full(len(data.choices), -1, dtype=np.int64) if symmetric is None else symmetric
    choice = _padded(data.choices.workload, workloads, symmetric[symmetric >= 0])
    hours = horizon.hours
    demand = wanted.demand.ravel()
    return Subproblems(
        workload=np.repeat(np.arange(workloads), periods),
        period=np.tile(np.arange(periods), workloads),
        choice=choice,
        demand=demand,
        least=wanted.least,
        survives=wanted.survives,
        mixes=wanted.mixes,
        kind=_kind(data, choice),
        **_told(data, choice),
        shed_most=demand * np.repeat(wanted.shed_at_most, periods),
        shed_dollars=(3600.0 * wanted.shed_dollars[:, None] * hours[None, :]).ravel(),
        hours=hours,
        kept=_kept(data, choice) if data.kept else None,
        capacity_types=KINDS * len(data.pool_supply.gpus),
        **_described(data, choice, symmetric >= 0),
    )


def _padded(workload: Ints, workloads: int, without: Ints) -> Ints:
    """Return the choices of each workload side by side, some left out."""
    rows = np.delete(np.arange(len(workload)), without)
    workload = workload[rows]
    number = np.bincount(workload, minlength=workloads)
    first = np.concatenate(([0], np.cumsum(number)[:-1]))
    choice = np.full((workloads, max(int(number.max(initial=0)), 1)), -1, dtype=np.int64)
    choice[workload, np.arange(len(workload)) - first[workload]] = rows
    return choice


def _described(data: ModelData, choice: Ints, either: Bools) -> dict[str, Any]:
    """Return what choices take and serve, in the shape of `choice`."""
    choices, pool_supply = data.choices, data.pool_supply
    own = np.isfinite(choices.dollars_per_hour)
    kind = np.where(own, OWN, np.where(choices.spot, SPOT, np.where(either, EITHER, STEADY)))
    fitting = np.floor(np.minimum(pool_supply.gpus[choices.pool], UNLIMITED) / choices.gpus)
    there = choice >= 0

    def padded(values: Floats | Ints, otherwise: float) -> Floats:
        full = np.full(choice.shape, otherwise)
        full[there] = values[choice[there]]
        return full

    return {
        "gpus": padded(choices.gpus, 0.0),
        "rate": padded(choices.rates[:, 0], 1.0),
        "capacity_type": padded(KINDS * choices.pool + kind, 0).astype(np.int64),
        "dollars": padded(np.where(own, choices.dollars_per_hour, 0.0), np.inf),
        "most": padded(fitting, 0.0),
    }


def _told(data: ModelData, choice: Ints) -> dict[str, Any]:
    """Return what breaks ties, in the shape of `choice`."""
    said = data.described
    if said is None:
        return {"tpot": np.zeros(choice.shape), "stages": np.ones(choice.shape, dtype=np.int64)}
    there = choice >= 0
    return {
        "tpot": np.where(there, said.tpot_seconds[choice], 0.0),
        "stages": np.where(there, said.stages[choice], 1),
    }


def _kind(data: ModelData, choice: Ints) -> Ints:
    """(W, m) place of the first choice of the same deployment."""
    places = np.broadcast_to(np.arange(choice.shape[1]), choice.shape)
    key = np.where(choice >= 0, data.choices.offer[choice], -1 - places)
    order = np.argsort(key, axis=1, kind="stable")
    sorted_key = np.take_along_axis(key, order, axis=1)
    new = np.ones(choice.shape, dtype=bool)
    new[:, 1:] = sorted_key[:, 1:] != sorted_key[:, :-1]
    start = np.maximum.accumulate(np.where(new, places, 0), axis=1)
    kind = np.empty_like(choice)
    np.put_along_axis(kind, order, np.take_along_axis(order, start, axis=1), axis=1)
    return kind


def _kept(data: ModelData, choice: Ints) -> Ints:
    """Return what blocks of first periods keep: workloads x periods by choices."""
    running = np.where(choice >= 0, data.choices.running[choice], 0)
    kept = np.where(data.first[None, :, None], running[:, None, :], -1)
    return np.asarray(kept.reshape(-1, choice.shape[1]), dtype=np.int64)


def starts_count(data: ModelData) -> bool:
    """Tell whether starting replicas costs anything."""
    some = bool(np.any(data.choices.startup_dollars > 0))
    return some and (bool(np.any(data.horizon.before >= 0)) or data.has_running)


def unsupported(data: ModelData) -> str:
    """Say what of a fleet this formulation cannot express; nothing where it can."""
    wanted, limits = data.wanted, data.limits
    choices, sold = data.choices, data.pool_supply
    takes_power = sold.watts[choices.pool] > 0
    everywhere = min(limits.watts, limits.kilograms)
    capped = np.isfinite(np.minimum(sold.watts_at_most[choices.pool], everywhere))
    spanning = np.isfinite(min(limits.dollars, limits.kilograms))
    lacking = {
        "request classes": data.choices.rates.shape[1] > 1,
        "prefill and decode workers": np.any(data.choices.role > 0),
        "start-up costs beside a budget or a cap on carbon": spanning and starts_count(data),
        "robustness": limits.rising > 0,
        "caps on power or carbon where accelerators pad a node": np.any(
            capped & takes_power & (choices.working != choices.gpus)
        ),
        "limits on changes": np.isfinite(limits.changes),
        "a limit on replicas": np.any(np.isfinite(wanted.most)),
        "several kinds of deployments but not any number": np.any(
            (wanted.kinds > 1) & ~wanted.mixes
        ),
    }
    return next((what for what, there in lacking.items() if there), "")
