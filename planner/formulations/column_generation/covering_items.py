"""Items of covering problems: in the order in which they pay, without those that cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.candidates.fleet.model_data import Bools, Floats, Ints
from planner.problem.tolerances import ROUNDING


@dataclass(frozen=True, slots=True)
class Task:
    """K covering problems of m items each."""

    price: Floats
    """(K, m) of one replica; infinite where there is no item."""
    rate: Floats
    """(K, m) demand that one replica covers."""
    most: Floats
    """(K, m) most replicas."""
    demand: Floats
    """(K,)"""
    least: Floats
    """(K,) fewest replicas."""
    shed_most: Floats
    """(K,) demand that may be left uncovered."""
    shed_price: Floats
    """(K,) for each unit of it."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """A task with its items in the order of price per unit of demand."""

    order: Ints
    price: Floats
    rate: Floats
    most: Floats
    next_ratio: Floats
    """Least price per unit of demand of what comes later, shedding included."""
    next_price: Floats
    """Least price of one replica of a later item; 0 where shedding could do."""


def in_order(task: Task) -> Sorted:
    """Return the items of problems in the order of their price per unit of demand."""
    with np.errstate(invalid="ignore"):
        ratio = np.where(np.isfinite(task.price), task.price / task.rate, np.inf)
    order = np.argsort(ratio, axis=1, kind="stable")
    price, rate, most, ratio = (
        np.take_along_axis(values, order, axis=1)
        for values in (task.price, task.rate, task.most, ratio)
    )
    sheds = task.shed_most > 0
    last = np.full((len(price), 1), np.inf)
    next_ratio = np.minimum(
        np.concatenate((ratio[:, 1:], last), axis=1),
        np.where(sheds, task.shed_price, np.inf)[:, None],
    )
    lowest = np.minimum.accumulate(price[:, ::-1], axis=1)[:, ::-1]
    next_price = np.concatenate((lowest[:, 1:], last), axis=1)
    next_price[sheds] = 0.0
    return Sorted(order, price, rate, most, next_ratio, next_price)


def wholes(rest: Floats, rate: Floats) -> Floats:
    """Return how many replicas cover a rest."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(np.ceil(rest / rate - ROUNDING), 0.0)


def pruned(task: Task, ordered: Sorted, limit: Floats) -> Sorted:
    """Leave out items that another one beats, or of which one replica is too many."""
    with np.errstate(invalid="ignore"):
        ratio = np.where(np.isfinite(task.price), task.price / task.rate, np.inf)
        least = np.minimum(ratio.min(axis=1), np.where(task.shed_most > 0, task.shed_price, np.inf))
        rest = np.maximum(task.demand[:, None] - task.rate, 0.0)
        hopeless = task.price + np.where(rest > 0, rest * least[:, None], 0.0) > limit[:, None]
    # A limit lies a rounding above what is known to be possible.
    hopeless &= np.isfinite(limit)[:, None] & (ratio > least[:, None])
    hopeless |= _beaten(task)
    if not hopeless.any():
        return ordered
    kept = in_order(replace(task, price=np.where(hopeless, np.inf, task.price)))
    number = max(int(np.isfinite(kept.price).sum(axis=1).max(initial=0)), 1)
    return Sorted(**{name: getattr(kept, name)[:, :number] for name in Sorted.__slots__})


def _beaten(task: Task) -> Bools:
    """Return which items another one beats: no dearer, no slower, and enough of it."""
    by_rate = np.argsort(-task.rate, axis=1, kind="stable")
    by_price = np.argsort(np.take_along_axis(task.price, by_rate, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(by_rate, by_price, axis=1)
    rate = np.take_along_axis(task.rate, order, axis=1)
    needed = np.maximum(wholes(task.demand[:, None], rate), task.least[:, None])
    enough = np.take_along_axis(task.most, order, axis=1) >= needed
    best = np.maximum.accumulate(np.where(enough, rate, -np.inf), axis=1)
    beaten = np.zeros(rate.shape, dtype=bool)
    beaten[:, 1:] = rate[:, 1:] <= best[:, :-1]
    found = np.zeros_like(beaten)
    np.put_along_axis(found, order, beaten, axis=1)
    return found


def ranked(group: Ints, cost: Floats) -> tuple[Ints, Ints]:
    """Return rows by group, the cheapest first, and the place of each within its group."""
    order = np.lexsort((cost, group))
    owner = group[order]
    return order, np.arange(len(order)) - np.searchsorted(owner, owner, side="left")
