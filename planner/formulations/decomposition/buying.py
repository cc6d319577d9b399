"""What whole patterns decide: replicas by lane, and the cheapest purchases that suffice for them.

Replicas that may run in either lane are told apart here (G7): all accelerators together suffice for
them, but a replica runs in one lane whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.fleets.figures import Decisions, Figures, Floats, Ints
from planner.formulations.decomposition.blocks import EITHER, KINDS, SPOT, STEADY, Blocks
from planner.formulations.decomposition.market import Market
from planner.formulations.decomposition.master import add_columns, new_program
from planner.formulations.decomposition.patterns import Patterns, worth


@dataclass(frozen=True, slots=True)
class _Movable:
    """Replicas that may run in either lane, as N entries, and G groups of units of one size.

    A unit runs in one lane whole: a replica, or all replicas of a workload that does not mix.
    """

    choice: Ints
    """(N,)"""
    period: Ints
    """(N,)"""
    units: Ints
    """(N,)"""
    replicas: Ints
    """(N,) of one unit."""
    group: Ints
    """(N,)"""
    pool: Ints
    """(G,)"""
    when: Ints
    """(G,) period."""
    gpus: Floats
    """(G,) accelerators of one unit."""


def decisions(
    figures: Figures, twin: Ints, parts: Blocks, shared: Market, patterns: Patterns
) -> Decisions | None:
    """Return what patterns decide, with the cheapest purchases that suffice for them.

    Parameters
    ----------
    figures : Figures
        The fleet.
    twin : ndarray, shape (C,)
        Choices not told apart in `parts` and `shared`.
    parts, shared : Blocks, Market
        The fleet taken apart.
    patterns : Patterns
        A whole one of every block.

    Returns
    -------
    Decisions or None
        None where replicas do not fit into lanes that would suffice for them in parts.
    """
    row, item = np.nonzero(patterns.counts)
    block = patterns.block[row]
    choice = parts.choice[parts.workload[block], item]
    replicas = np.zeros((len(figures.choices), parts.periods), dtype=np.int64)
    replicas[choice, parts.period[block]] = patterns.counts[row, item]
    movable = _movable(figures, twin, replicas)
    bought = _purchases(parts, shared, patterns, movable)
    if bought is None:
        return None
    values, moved = bought
    _move(replicas, twin, movable, moved)
    shed = np.zeros_like(figures.wanted.demand)
    shed[parts.workload[patterns.block], parts.period[patterns.block]] = patterns.shed
    granule = figures.market.granule.astype(np.float64)

    def amount(variables: Ints) -> Floats:
        return np.where(variables >= 0, values[variables], 0.0)

    return Decisions(
        replicas=replicas,
        shed=shed,
        served=None,
        reserved=amount(shared.reserved) * granule,
        on_demand=amount(shared.on_demand) * granule[:, None],
        spot=amount(shared.spot) * granule[:, None],
    )


def _movable(figures: Figures, twin: Ints, replicas: Ints) -> _Movable:
    """Find the replicas that may run in either lane."""
    choices, periods = figures.choices, replicas.shape[1]
    choice, period = np.nonzero(replicas * (twin >= 0)[:, None])
    count = replicas[choice, period]
    mixes = figures.wanted.mixes[choices.workload[choice]]
    each = np.where(mixes, 1, count)
    place = choices.pool[choice] * periods + period
    key = np.column_stack((place, each * choices.gpus[choice]))
    kinds, group = np.unique(key, axis=0, return_inverse=True)
    return _Movable(
        choice=choice,
        period=period,
        units=count // each,
        replicas=each,
        group=group.ravel(),
        pool=kinds[:, 0] // periods,
        when=kinds[:, 0] % periods,
        gpus=kinds[:, 1].astype(np.float64),
    )


def _purchases(
    parts: Blocks, shared: Market, patterns: Patterns, movable: _Movable
) -> tuple[Floats, Ints] | None:
    """Return the cheapest whole amounts of the market's variables, and the units on spot."""
    import highspy

    taken = worth(parts, patterns)
    used = np.bincount(taken.lane, weights=taken.gpus, minlength=shared.lanes)
    used = used.reshape(-1, KINDS, parts.periods)
    used[:, STEADY] += used[:, EITHER]
    used[:, EITHER] = 0.0
    upper = shared.upper.copy()
    upper[: shared.lanes] -= used.ravel()
    if shared.budget >= 0:
        upper[shared.budget] -= taken.dollars.sum()
    highs, variables = new_program(0, replace(shared, upper=upper), most=1.0)
    count: Floats = np.zeros(len(movable.gpus))
    np.add.at(count, movable.group, movable.units)
    add_columns(highs, np.zeros(len(count)), count, _moves(movable, parts.periods))
    whole = np.concatenate((np.flatnonzero(shared.whole), variables + np.arange(len(count))))
    kinds = np.full(len(whole), highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(len(whole), whole.astype(np.int32), kinds)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    values = np.array(highs.getSolution().col_value)
    moved = np.rint(values[variables:]).astype(np.int64)
    values = values[:variables]
    return np.where(shared.whole, np.rint(values), values), moved


def _moves(movable: _Movable, periods: int) -> tuple[Ints, Ints, Floats]:
    """Return the entries of moves: a unit leaves the steady lane and takes the spot lane."""
    column = np.arange(len(movable.gpus))
    steady = (KINDS * movable.pool + STEADY) * periods + movable.when
    spot = (KINDS * movable.pool + SPOT) * periods + movable.when
    return (
        np.concatenate((column, column)),
        np.concatenate((steady, spot)),
        np.concatenate((-movable.gpus, movable.gpus)),
    )


def _move(replicas: Ints, twin: Ints, movable: _Movable, moved: Ints) -> None:
    """Move so many units of each group to the spot lane, the first ones first."""
    order = np.argsort(movable.group, kind="stable")
    units, group = movable.units[order], movable.group[order]
    before = np.cumsum(units) - units
    first = np.searchsorted(group, group, side="left")
    taken = np.clip(moved[group] - (before - before[first]), 0, units) if len(order) else units
    number = taken * movable.replicas[order]
    choice, period = movable.choice[order], movable.period[order]
    replicas[choice, period] -= number
    replicas[twin[choice], period] += number
