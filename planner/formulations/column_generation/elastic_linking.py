"""What the blocks of a fleet share where some of it may be added to, at a price."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints, ModelData
from planner.formulations.column_generation.linking_constraints import (
    BOUNDLESS,
    LinkingConstraints,
    linking_constraints,
)
from planner.formulations.column_generation.subproblems import KINDS, OWN
from planner.formulations.fleet import relaxed_limits
from planner.formulations.fleet.relaxed_limits import WAYS, Kind

CHEAP = 1e-5
"""What a dollar of the plan counts beside one of what is missing: of two plans that lack the same
the cheaper is taken, and hardly any lacks more because it is cheaper."""


@dataclass(slots=True)
class Elastic:
    """A market to which some things may be added."""

    linking: LinkingConstraints
    gpus: Ints
    """(P,) variable of accelerators added; -1 where there is no limit."""
    dollars: int
    pool_watts: Ints
    watts: int
    kilograms: int


def elastic_market(
    data: ModelData, kinds: tuple[Kind, ...], value: dict[Kind, Floats]
) -> tuple[Elastic, ModelData]:
    """Draw up the shared market with what may be added to it.

    Parameters
    ----------
    data : ModelData
        The fleet.
    kinds : tuple
        What may be added to.
    value : dict
        What one more of each counts for; see `relaxed_limits.worth`.

    Returns
    -------
    Elastic
        The market and its new variables.
    ModelData
        The fleet without those limits, and almost for free: the blocks are taken from it.
    """
    # The budget's row is there already; it is raised by a variable of its own.
    loose = cheap(relaxed_limits.loosened(data, tuple(kind for kind in kinds if kind != "dollars")))
    draft = _Draft(linking_constraints(loose))
    pools, periods = len(data.pool_supply.gpus), len(data.horizon)
    none = np.full(pools, -1)
    found = Elastic(draft.base, none, -1, none.copy(), -1, -1)
    if "gpus" in kinds:
        found.gpus = _more_gpus(draft, data, value["gpus"])
    if "dollars" in kinds and draft.base.budget >= 0:
        found.dollars = draft.variable(1.0)
        draft.entries.append((draft.base.budget, found.dollars, -CHEAP))
    used = np.arange(draft.base.capacity_types).reshape(-1, periods)
    pool = np.arange(len(used)) // KINDS
    if "watts" in kinds:
        caps = [*data.pool_supply.watts_at_most, data.limits.watts]
        variables = [
            _power(draft, data, used, rows, (cap, worth_of))
            for rows, cap, worth_of in zip(
                [*(pool == p for p in range(pools)), pool >= 0], caps, value["watts"], strict=True
            )
        ]
        found.pool_watts, found.watts = np.array(variables[:-1]), variables[-1]
    if "kilograms" in kinds and np.isfinite(data.limits.kilograms):
        found.kilograms = draft.variable(float(value["kilograms"][0]))
        carbon = data.pool_supply.kilograms_per_hour[pool][:, None] * data.horizon.hours
        entries = [(int(at), float(each)) for at, each in np.nditer([used, carbon])]
        draft.row(data.limits.kilograms, [*entries, (found.kilograms, -1.0)])
    found.linking = draft.linking_constraints()
    return found, loose


def cheap(data: ModelData, part: float = CHEAP) -> ModelData:
    """Return a fleet in which everything costs but a part; enough to break ties."""
    pool_supply, choices, limits = data.pool_supply, data.choices, data.limits
    ways: dict[str, Any] = {
        f"{way}_dollars": getattr(pool_supply, f"{way}_dollars") * part for way in WAYS
    }
    return replace(
        data,
        pool_supply=replace(pool_supply, **ways),
        choices=replace(choices, dollars_per_hour=choices.dollars_per_hour * part),
        wanted=replace(data.wanted, shed_dollars=data.wanted.shed_dollars * part),
        limits=replace(limits, dollars=limits.dollars * part),
    )


class _Draft:
    """A market to which variables and rows are added."""

    def __init__(self, base: LinkingConstraints) -> None:
        self.base = base
        self.cost: list[float] = []
        self.whole: list[bool] = []
        self.entries: list[tuple[int, int, float]] = []
        self.upper: list[float] = []

    def variable(self, cost: float, *, whole: bool = False) -> int:
        """Add a variable; return its place."""
        self.cost.append(cost)
        self.whole.append(whole)
        return len(self.base.cost) + len(self.cost) - 1

    def row(self, upper: float, entries: list[tuple[int, float]]) -> None:
        """Add a row."""
        number = len(self.base.upper) + len(self.upper)
        self.upper.append(upper)
        self.entries += [(number, column, each) for column, each in entries]

    def linking_constraints(self) -> LinkingConstraints:
        """Return the market with all that was added."""
        base = self.base
        row, column, coefficient = zip(*self.entries, strict=True) if self.entries else ((), (), ())
        return replace(
            base,
            cost=np.append(base.cost, self.cost),
            most=np.append(base.most, np.full(len(self.cost), BOUNDLESS)),
            whole=np.append(base.whole, np.array(self.whole, dtype=bool)),
            increment=np.append(base.increment, np.ones(len(self.whole))),
            row=np.append(base.row, np.array(row, dtype=np.int64)),
            column=np.append(base.column, np.array(column, dtype=np.int64)),
            coefficient=np.append(base.coefficient, np.array(coefficient, dtype=float)),
            upper=np.append(base.upper, self.upper),
        )


def _more_gpus(draft: _Draft, data: ModelData, value: Floats) -> Ints:
    """Let accelerators be added to pools: as many to each of their ways of paying."""
    pool_supply, base = data.pool_supply, draft.base
    pools, periods = len(pool_supply.gpus), len(data.horizon)
    supply = np.floor(pool_supply.gpus)
    limits = {way: relaxed_limits.limit_of(pool_supply, way) for way in WAYS}
    found = np.full(pools, -1)
    for p in range(pools):
        held = [supply[p], *(limits[way][p] for way in WAYS)]
        if not np.isfinite(held).any():
            continue
        found[p] = more = draft.variable(float(value[p]), whole=True)
        increment = float(pool_supply.increment[p])
        for t in range(periods):
            ways = {
                "reserved": int(base.reserved[p]),
                "on_demand": int(base.on_demand[p, t]),
                "spot": int(base.spot[p, t]),
            }
            sold = {way: (at, increment) for way, at in ways.items() if at >= 0}
            own = (KINDS * p + OWN) * periods + t, 1.0
            if np.isfinite(supply[p]):
                draft.row(float(supply[p]), [*sold.values(), own, (more, -1.0)])
            for way, entry in sold.items():
                if np.isfinite(limits[way][p]) and (way != "reserved" or t == 0):
                    draft.row(float(limits[way][p]), [entry, (more, -1.0)])
    return found


def _power(draft: _Draft, data: ModelData, used: Ints, rows: Any, cap: tuple[float, float]) -> int:
    """Let a cap on power be raised; return the variable, -1 where there is no cap."""
    if not np.isfinite(cap[0]):
        return -1
    more = draft.variable(float(cap[1]))
    watts = np.repeat(data.pool_supply.watts, KINDS)[rows]
    for period in range(used.shape[1]):
        entries = list(zip(used[rows, period].tolist(), watts.tolist(), strict=True))
        draft.row(cap[0], [*entries, (more, -1.0)])
    return more
