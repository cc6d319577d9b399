"""What starting replicas costs: from one period to the next, and at least over a day (G8)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints, Layouts, ModelData
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.patterns import Patterns, Prices, best_patterns
from planner.formulations.column_generation.pricing_loop import Generated
from planner.formulations.column_generation.restricted_master import lagrangian
from planner.formulations.column_generation.subproblems import Subproblems, starts_count

TURNS, STEP, RECENT = 40, 0.15, 0.3
"""Turns of the subgradient method, its first step relative to what a start costs, and the weight of
a turn in the average of replicas."""
SAFE = 1 - 1e-12
"""Part of a price that may be taken off it without its falling below zero."""


@dataclass(frozen=True, slots=True)
class Starts:
    """What starts cost, with workloads' choices in the shape of `Blocks.choice`."""

    dollars: Floats
    """(W, m) of one replica."""
    weight: Floats
    """(T,) probability of the period's scenario."""
    before: Ints
    """(T,) period before; -1 for the first of a scenario."""
    after: Ints
    """(T,) period after; -1 for the last one."""
    running: Ints | None
    """(W, m) replicas that run before first periods; None where their starts are free."""
    layout: Ints | None
    """(W, m) first choice of the same layout; None where each is a layout of its own."""

    def grown(self, workload: Ints, change: Floats | Ints) -> Floats | Ints:
        """Return by how much layouts of some workloads (N,) grow: (N, m), at their first choice."""
        if self.layout is None:
            return change
        found = np.zeros_like(change)
        np.add.at(found, (np.arange(len(change))[:, None], self.layout[workload]), change)
        return found

    def best_batches(self, counts: Ints, rate: Floats) -> Ints:
        """Return replicas (W, m) with the batch at which their layout serves most (W, m)."""
        if self.layout is None:
            return counts
        workloads, place = np.arange(len(counts)), np.arange(counts.shape[1])
        mine = self.layout[:, None, :] == place[None, :, None]
        served = np.where(mine, rate[:, None, :], -1.0)
        best = served.argmax(axis=2)
        found = np.zeros_like(counts)
        total = self.grown(workloads, counts)
        np.add.at(found, (workloads[:, None], best), np.asarray(total))
        return found

    def between(self, period: int, one: Ints, other: Ints) -> Floats:
        """Return the cost of going from some replicas to others.

        Parameters
        ----------
        period : int
            In which they start.
        one, other : ndarray, shape (W, m)
            Replicas before, and then.

        Returns
        -------
        ndarray, shape (W,)
            Dollars; of the workloads in order.
        """
        return self._of(np.arange(len(one)), period, one, other)

    def of(
        self, patterns: Patterns, period: int, before: Ints | None, after: Ints | None
    ) -> Floats:
        """Return the cost of starts that patterns of a period bring about in it and after it.

        Parameters
        ----------
        patterns : Patterns
            Of the period's blocks, one per workload.
        period : int
            Which.
        before, after : ndarray, shape (W, m), or None
            Replicas of the periods beside it, as far as they are known.
        """
        total = np.zeros(len(patterns))
        which = patterns.block
        if before is not None:
            total += self._of(which, period, before[which], patterns.counts)
        if after is not None:
            total += self._of(which, int(self.after[period]), patterns.counts, after[which])
        return total

    def _of(self, workload: Ints, period: int, one: Ints, other: Ints) -> Floats:
        more = np.maximum(self.grown(workload, other - one), 0)
        found: Floats = (self.dollars[workload] * more).sum(axis=1) * self.weight[period]
        return found


def starts(data: ModelData, subproblems: Subproblems) -> Starts | None:
    """Return what starts cost; None where they cost nothing."""
    if not starts_count(data):
        return None
    horizon, there = data.horizon, subproblems.choice >= 0
    after = np.full(len(horizon), -1, dtype=np.int64)
    later = np.flatnonzero(horizon.before >= 0)
    after[horizon.before[later]] = later
    running = np.where(there, data.choices.running[subproblems.choice], 0)
    running += np.where(there, _ended(data)[subproblems.choice], 0)
    return Starts(
        dollars=np.where(there, data.choices.startup_dollars[subproblems.choice], 0.0),
        weight=horizon.weight,
        before=horizon.before,
        after=after,
        running=running if data.has_running else None,
        layout=None if data.layouts is None else _first_of_layout(subproblems, data.layouts),
    )


def _ended(data: ModelData) -> Ints:
    """(C,) replicas of a layout that run and may not go on, at its first choice."""
    layouts = data.by_layout
    _, first = np.unique(layouts.of, return_index=True)
    found = np.zeros(len(data.choices), dtype=np.int64)
    found[first] = layouts.running
    return found - _at_first(layouts, data.choices.running)


def _at_first(layouts: Layouts, replicas: Ints) -> Ints:
    """(C,) sums over the choices of each layout, at its first one."""
    _, first, place = np.unique(layouts.of, return_index=True, return_inverse=True)
    found = np.zeros_like(replicas)
    np.add.at(found, first[place.ravel()], replicas)
    return found


def _first_of_layout(subproblems: Subproblems, layouts: Layouts) -> Ints:
    """(W, m) place of the first choice of the same layout; that of a choice that is none itself."""
    choice = subproblems.choice
    none = np.arange(choice.size).reshape(choice.shape) + len(layouts.running)
    key = np.where(choice >= 0, layouts.of[choice], none)
    return np.asarray((key[:, :, None] == key[:, None, :]).argmax(axis=2), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Valued:
    """What a replica that runs already is worth at the beginning of a period."""

    dollars: Floats
    """(W, m, T) between nothing and what its start costs."""
    bound: float
    """Lower bound that these values prove on what the fleet costs with its starts."""
    starts: Starts
    """What starts cost."""

    def kept(self, starts: Starts, patterns: Patterns, period: int) -> Floats:
        """Return what the replicas of patterns are worth to the period after theirs."""
        after = int(starts.after[period])
        if after < 0:
            return np.zeros(len(patterns))
        found: Floats = (self.dollars[patterns.block, :, after] * patterns.counts).sum(axis=1)
        return found


def valued(
    subproblems: Subproblems,
    linking: LinkingConstraints,
    relaxed: Generated,
    starts: Starts,
    seconds: float,
) -> Valued:
    """Value running replicas, so that fewer of them start, and bound what a fleet costs (G8).

    A value makes a replica dearer in its period and cheaper in the one before: where accelerators
    cost nothing, it keeps running, and its start is free. Any values prove a bound. They rise where
    more replicas run than before, and fall where there are fewer: a subgradient method, at prices
    of accelerators that stay as the relaxation without starts has them.

    Parameters
    ----------
    subproblems, linking : Subproblems, LinkingConstraints
        The fleet taken apart.
    relaxed : Generated
        Its relaxation without starts.
    starts : Starts
        What they cost.
    seconds : float
        Time after which the best values so far are returned.
    """
    until = time.perf_counter() + seconds
    prices = relaxed.duals.prices(linking)
    replica = replica_prices(subproblems, prices)
    most = starts.dollars[:, :, None] * starts.weight
    if starts.running is None:
        most[:, :, starts.before < 0] = 0.0
    value = np.zeros_like(most)
    best, average = Valued(value, relaxed.bound, starts), np.zeros_like(most)
    for turn in range(TURNS):
        if time.perf_counter() > until:
            break
        bound, counts = _at(subproblems, linking, relaxed, starts, value)
        if bound > best.bound:
            best = Valued(value, bound, starts)
        average = counts if turn == 0 else (1 - RECENT) * average + RECENT * counts
        step = STEP / math.sqrt(turn + 1) * np.sign(_more(starts, average))
        value = _allowed(starts, np.clip(value + step * most, 0.0, most), replica)
    return best


def replica_prices(subproblems: Subproblems, prices: Prices) -> Floats:
    """Return what one replica costs in each period but for its start: (W, m, T)."""
    capacity_type = prices.capacity_type.reshape(-1, subproblems.periods)[subproblems.capacity_type]
    own = np.where(np.isfinite(subproblems.dollars), subproblems.dollars, 0.0)[:, :, None]
    found: Floats = (
        subproblems.gpus[:, :, None] * capacity_type + own * subproblems.hours * prices.dollar
    )
    return found


def _at(
    subproblems: Subproblems,
    linking: LinkingConstraints,
    relaxed: Generated,
    starts: Starts,
    value: Floats,
) -> tuple[float, Floats]:
    """Return the bound that some values prove, and the cheapest replicas at them: (W, m, T)."""
    later = np.where(starts.after >= 0, value[:, :, starts.after], 0.0)
    prices = replace(relaxed.duals.prices(linking), replica=value - later)
    patterns, _, below = best_patterns(subproblems, prices)
    bound = lagrangian(linking, relaxed.duals, float(below.sum()))
    if starts.running is not None:
        first = value[:, :, starts.before < 0].sum(axis=2)
        bound -= float((first * starts.running).sum())
    counts = np.zeros(value.shape)
    counts[subproblems.workload[patterns.block], :, subproblems.period[patterns.block]] = (
        patterns.counts
    )
    return bound, counts


def _more(starts: Starts, counts: Floats) -> Floats:
    """Return by how much replicas grow from the period before: (W, m, T)."""
    before = counts[:, :, starts.before]
    first = starts.before < 0
    running = 0 if starts.running is None else starts.running[:, :, None]
    before[:, :, first] = running
    workloads = np.arange(len(counts))
    grown = starts.grown(workloads, counts - before)
    if starts.layout is None:
        return np.asarray(grown)
    return np.asarray(grown[workloads[:, None], starts.layout])


def _allowed(starts: Starts, value: Floats, replica: Floats) -> Floats:
    """Lower values until no replica is worth more than it costs."""
    for period, before in enumerate(starts.before.tolist()):
        if before >= 0:
            room = SAFE * (replica[:, :, before] + value[:, :, before])
            value[:, :, period] = np.minimum(value[:, :, period], room)
    return value
