"""Dominance: which deployments nobody could prefer, for one instance and for all alike it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planner.candidates.requirements import fits_in, fits_memory, objective_values
from planner.candidates.table import Block, Candidates, Integers, sort_key
from planner.problem.resolve import ResolvedInstance
from planner.problem.tolerances import DIFFERENT
from planner.terms.forward_pass import Floats

Mask = npt.NDArray[np.bool_]

MOST_CHOICES = 16
"""Deployments that enter the model; more than one scores better than those that do not."""
DELAY_CLASSES = 32
"""Classes of time to first token, each of which is compared with the earlier ones."""


def prefiltered(block: Block, *, first_token: bool) -> Mask:
    """Drop, without sorting, most deployments of a block that cannot be `pareto_kept`.

    Of deployments with as many accelerators and the same batch, the one with the most tokens per
    second for each request gives the most in all.

    Parameters
    ----------
    block : Block
        Layouts down, batches across.
    first_token : bool
        Whether the time to the first token can be asked for.

    Returns
    -------
    array of bool
        Where there is a deployment that may last.
    """
    if not len(block):
        return block.admissible
    timing, shape = block.timing, block.admissible.shape
    tpot = timing.step / timing.tokens_per_round + timing.stall
    tpot = np.where(block.admissible, tpot, np.inf)
    fits = np.broadcast_to(fits_in(timing.resident, block.supply.rates.memory_bytes), shape)
    least_of = _least_by(block.gpus_per_replica[:, 0])
    # What does not fit is compared with everything, what fits only with what fits as well.
    rivals = [np.where(fits, tpot, np.inf), tpot]
    fastest = np.where(fits, *map(least_of, rivals))
    slower = tpot > fastest
    if first_token:
        delay = np.broadcast_to(timing.prefill + timing.step, shape)
        delays = [np.where(rival == least_of(rival), delay, np.inf) for rival in rivals]
        slower &= delay >= np.where(fits, *map(least_of, delays))
    mask: Mask = block.admissible & ~slower
    return mask


def _least_by(keys: Integers) -> Callable[[Floats], Floats]:
    """Return what finds, for every row and column, the least among the rows of the same key."""
    order = np.argsort(keys, kind="stable")
    first = np.diff(keys[order], prepend=-1) > 0
    group = np.empty(len(keys), dtype=np.int64)
    group[order] = np.cumsum(first) - 1
    starts = np.flatnonzero(first)

    def least(values: Floats) -> Floats:
        found: Floats = np.minimum.reduceat(values[order], starts)[group]
        return found

    return least


def pareto_kept(table: Candidates, *, first_token: bool) -> Integers:
    """Return the rows that some price, demand, target or supply could make the best.

    A row goes where another one of its pool takes no more accelerators, gives no fewer tokens per
    second in all and more to each request, fits into memory if the row does, and, if that can be
    asked, answers no later. Requirements and objectives look at nothing else, and each of them
    grows or falls with these numbers: so the other one meets what the row meets, scores no worse,
    and is faster.

    Parameters
    ----------
    table : Candidates
        Deployments of one pool.
    first_token : bool
        Whether the time to the first token can be asked for.

    Returns
    -------
    array of int
        Ascending. With `first_token` it may hold a few rows more than need be.
    """
    fits = fits_memory(table)
    rate, speed = table.replica_tokens_per_second, table.tokens_per_second_per_request
    classes = _by_delay(table) if first_token else _groups(table.gpus_per_replica)
    kept = [np.zeros(0, dtype=np.int64)]
    gpus, fitting, every = 0, NO_FRONT, NO_FRONT
    for rows in classes:
        if first_token and table.gpus_per_replica[rows[0]] != gpus:
            gpus, fitting, every = int(table.gpus_per_replica[rows[0]]), NO_FRONT, NO_FRONT
        inside = rows[fits[rows]]
        after = fitting.joined(rate[inside], speed[inside]), every.joined(rate[rows], speed[rows])
        # Rows of one class of delays may answer later than one another: only others beat them.
        judges = (fitting, every) if first_token else after
        beaten = [judge.beats(rate[rows], speed[rows]) for judge in judges]
        kept.append(rows[~np.where(fits[rows], *beaten)])
        fitting, every = after
    return np.sort(np.concatenate(kept))


def _groups(keys: npt.NDArray[np.int64] | Floats) -> list[Integers]:
    """Return the rows of every value of `keys`, by ascending value."""
    if not len(keys):
        return []
    order = np.argsort(keys, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)


def _by_delay(table: Candidates) -> list[Integers]:
    """Return the rows by accelerators per replica, and by class of the time to first token."""
    delay = table.time_to_first_token_seconds
    return [
        part
        for rows in _groups(table.gpus_per_replica)
        for part in np.array_split(rows[np.argsort(delay[rows], kind="stable")], DELAY_CLASSES)
        if len(part)
    ]


@dataclass(frozen=True, slots=True)
class Front:
    """The fastest at every throughput: speeds rise as throughputs fall."""

    rate: Floats
    """Tokens per second of a replica, falling."""
    speed: Floats
    """Tokens per second of a request, rising."""

    def beats(self, rate: Floats, speed: Floats) -> Mask:
        """Tell which rows another one outruns that gives no fewer tokens per second in all."""
        at = np.searchsorted(-self.rate, -rate, side="right")
        mask: Mask = np.concatenate(([-np.inf], self.speed))[at] > speed
        return mask

    def joined(self, rate: Floats, speed: Floats) -> Front:
        """Return the front of this one and more rows."""
        prefiltered = ~self.beats(rate, speed)
        rate = np.concatenate((self.rate, rate[prefiltered]))
        speed = np.concatenate((self.speed, speed[prefiltered]))
        order = np.lexsort((-speed, -rate))
        rate, speed = rate[order], speed[order]
        best = np.maximum.accumulate(speed)
        first = np.concatenate(([True], speed[1:] > best[:-1]))[: len(speed)]
        return Front(rate[first], speed[first])


NO_FRONT = Front(np.zeros(0), np.zeros(0))


def undominated(resolved: ResolvedInstance, table: Candidates) -> Integers:
    """Return the rows that the instance's objective or what breaks its ties could prefer.

    A row goes where another one scores no worse, uses no more accelerators, is no slower, and
    sorts before it in case all are equal. Of what is left, the `MOST_CHOICES` that score best stay,
    and those that score the same as the best. Requirements must have been applied before.
    """
    scores = objective_values(resolved, table)
    gpus = table.replicas_needed(resolved.instance.workload) * table.gpus_per_replica
    speed = table.tokens_per_second_per_request
    first = int(np.argmin(scores))
    equal = scores[first] + DIFFERENT * abs(scores[first])
    rows = np.flatnonzero((scores <= equal) | (gpus < gpus[first]) | (speed > speed[first]))
    rows = _in_order(resolved, table, rows, [-speed, gpus, scores])
    kept: list[int] = []
    while len(rows) and (len(kept) < MOST_CHOICES or scores[rows[0]] <= equal):
        best = rows[0]
        kept.append(int(best))
        rows = rows[(gpus[rows] < gpus[best]) | (speed[rows] > speed[best])]
    return np.sort(np.asarray(kept, dtype=np.int64))


def has_ties(resolved: ResolvedInstance, table: Candidates) -> bool:
    """Whether several deployments score the same as the best, as far as a solver can tell."""
    scores = objective_values(resolved, table)
    best = scores.min()
    return bool(np.count_nonzero(scores <= best + DIFFERENT * abs(best)) > 1)


def _in_order(
    resolved: ResolvedInstance, table: Candidates, rows: Integers, keys: list[Floats]
) -> Integers:
    """Sort rows by the last key, then the one before it, and by label where all are equal."""
    keys = [key[rows] for key in keys]
    order = np.lexsort(keys)
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    if same.any():
        tied = order[np.append(same, False) | np.append(False, same)]
        names = [sort_key(resolved, table, row) for row in rows[tied]]
        ranks = np.zeros(len(rows))
        ranks[tied] = np.argsort(np.argsort(names))
        order = np.lexsort([ranks, *keys])
    return rows[order]
