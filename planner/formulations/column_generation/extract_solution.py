"""What whole patterns decide: replicas by capacity type, and the cheapest purchases for them.

Replicas that may run in either capacity type are told apart here (G7): all accelerators together
suffice for them, but a replica runs in one capacity type whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.candidates.fleet.model_data import Decisions, Floats, Ints, ModelData
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.patterns import Patterns, worth
from planner.formulations.column_generation.restricted_master import add_columns, new_program
from planner.formulations.column_generation.subproblems import (
    EITHER,
    KINDS,
    SPOT,
    STEADY,
    Subproblems,
)
from solvers import trusted_runs


@dataclass(frozen=True, slots=True)
class _Movable:
    """Replicas that may run in either capacity type: N entries, and G groups of units.

    A unit is a replica: it runs in one capacity type whole.
    """

    choice: Ints
    """(N,)"""
    period: Ints
    """(N,)"""
    units: Ints
    """(N,)"""
    group: Ints
    """(N,)"""
    pool: Ints
    """(G,)"""
    when: Ints
    """(G,) period."""
    gpus: Floats
    """(G,) accelerators of one unit."""


def decisions(
    data: ModelData,
    symmetric: Ints,
    subproblems: Subproblems,
    shared: LinkingConstraints,
    patterns: Patterns,
) -> Decisions | None:
    """Return what patterns decide, with the cheapest purchases that suffice for them.

    Parameters
    ----------
    data : ModelData
        The fleet.
    symmetric : ndarray, shape (C,)
        Choices not told apart in `subproblems` and `shared`.
    subproblems, shared : Subproblems, LinkingConstraints
        The fleet taken apart.
    patterns : Patterns
        A whole one of every block.

    Returns
    -------
    Decisions or None
        None where replicas do not fit into capacity types that would suffice for them in parts.
    """
    row, item = np.nonzero(patterns.counts)
    block = patterns.block[row]
    choice = subproblems.choice[subproblems.workload[block], item]
    replicas = np.zeros((len(data.choices), subproblems.periods), dtype=np.int64)
    replicas[choice, subproblems.period[block]] = patterns.counts[row, item]
    movable = _movable(data, symmetric, replicas)
    bought = _purchases(subproblems, shared, patterns, movable)
    if bought is None:
        return None
    values, moved = bought
    _move(replicas, symmetric, movable, moved)
    shed = np.zeros_like(data.wanted.demand)
    shed[subproblems.workload[patterns.block], subproblems.period[patterns.block]] = patterns.shed
    increment = data.pool_supply.increment.astype(np.float64)

    def amount(variables: Ints) -> Floats:
        return np.where(variables >= 0, values[variables], 0.0)

    return Decisions(
        replicas=replicas,
        shed=shed,
        served=None,
        reserved=amount(shared.reserved) * increment,
        on_demand=amount(shared.on_demand) * increment[:, None],
        spot=amount(shared.spot) * increment[:, None],
    )


def _movable(data: ModelData, symmetric: Ints, replicas: Ints) -> _Movable:
    """Find the replicas that may run in either capacity type."""
    choices, periods = data.choices, replicas.shape[1]
    choice, period = np.nonzero(replicas * (symmetric >= 0)[:, None])
    count = replicas[choice, period]
    place = choices.pool[choice] * periods + period
    key = np.column_stack((place, choices.gpus[choice]))
    kinds, group = np.unique(key, axis=0, return_inverse=True)
    return _Movable(
        choice=choice,
        period=period,
        units=count,
        group=group.ravel(),
        pool=kinds[:, 0] // periods,
        when=kinds[:, 0] % periods,
        gpus=kinds[:, 1].astype(np.float64),
    )


def _purchases(
    subproblems: Subproblems, shared: LinkingConstraints, patterns: Patterns, movable: _Movable
) -> tuple[Floats, Ints] | None:
    """Return the cheapest whole amounts of the market's variables, and the units on spot."""
    import highspy

    taken = worth(subproblems, patterns)
    used = np.bincount(taken.capacity_type, weights=taken.gpus, minlength=shared.capacity_types)
    used = used.reshape(-1, KINDS, subproblems.periods)
    used[:, STEADY] += used[:, EITHER]
    used[:, EITHER] = 0.0
    upper = shared.upper.copy()
    upper[: shared.capacity_types] -= used.ravel()
    if shared.budget >= 0:
        upper[shared.budget] -= taken.dollars.sum()
    highs, variables = new_program(0, replace(shared, upper=upper), most=1.0)
    count: Floats = np.zeros(len(movable.gpus))
    np.add.at(count, movable.group, movable.units)
    add_columns(highs, np.zeros(len(count)), count, _moves(movable, subproblems.periods))
    whole = np.concatenate((np.flatnonzero(shared.whole), variables + np.arange(len(count))))
    kinds = np.full(len(whole), highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(len(whole), whole.astype(np.int32), kinds)
    trusted_runs.run(highs)
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    values = np.array(highs.getSolution().col_value)
    moved = np.rint(values[variables:]).astype(np.int64)
    values = values[:variables]
    return np.where(shared.whole, np.rint(values), values), moved


def _moves(movable: _Movable, periods: int) -> tuple[Ints, Ints, Floats]:
    """Return the entries of moves: a unit leaves steady capacity and takes spot capacity."""
    column = np.arange(len(movable.gpus))
    steady = (KINDS * movable.pool + STEADY) * periods + movable.when
    spot = (KINDS * movable.pool + SPOT) * periods + movable.when
    return (
        np.concatenate((column, column)),
        np.concatenate((steady, spot)),
        np.concatenate((-movable.gpus, movable.gpus)),
    )


def _move(replicas: Ints, symmetric: Ints, movable: _Movable, moved: Ints) -> None:
    """Move so many units of each group to the spot capacity type, the first ones first."""
    order = np.argsort(movable.group, kind="stable")
    units, group = movable.units[order], movable.group[order]
    before = np.cumsum(units) - units
    first = np.searchsorted(group, group, side="left")
    taken = np.clip(moved[group] - (before - before[first]), 0, units) if len(order) else units
    choice, period = movable.choice[order], movable.period[order]
    replicas[choice, period] -= taken
    replicas[symmetric[choice], period] += taken
