"""A bound's prices as a plan tells them: those of starts by what a layout is called."""

from __future__ import annotations

import numpy as np

from planner.candidates.fleet import model_data
from planner.candidates.fleet.model_data import ModelData
from planner.plans.multipliers import Multipliers, StartValues
from planner.problem.fleet import Fleet
from planner.problem.label import layout_of
from planner.problem.offers import Offers

MOST_NUMBERS = 200_000
"""Values of starts that a plan tells; of more it tells none, and the bound is lower."""
DIGITS = 5
"""Digits behind the point of these values: any prove a bound, and short ones take less room."""


def multipliers_of(
    fleet: Fleet, offers: Offers, data: ModelData, found: model_data.Multipliers | None
) -> Multipliers | None:
    """Return a formulation's prices with the names of what they belong to.

    Parameters
    ----------
    fleet, offers : Fleet, Offers
        What was asked, and what is on offer.
    data : ModelData
        What the formulation was built from.
    found : Multipliers, optional
        What it returned.
    """
    if found is None:
        return None
    return Multipliers(
        occupied=found.occupied,
        supply=found.supply,
        pool_watts=found.pool_watts,
        watts=found.watts,
        kilogram=found.kilogram,
        dollar=found.dollar,
        starts=_starts(fleet, offers, data, found),
    )


def _starts(
    fleet: Fleet, offers: Offers, data: ModelData, found: model_data.Multipliers
) -> tuple[StartValues, ...]:
    """Return the values of layouts that are worth something."""
    if found.starts is None:
        return ()
    _, first = np.unique(data.by_layout.of, return_index=True)
    rows = first[found.starts[first].any(axis=1)].tolist()
    if len(rows) * len(data.horizon) > MOST_NUMBERS:
        return ()
    choices = data.choices
    return tuple(
        StartValues(
            fleet.workloads[choices.workload[row]].name,
            fleet.pools[choices.pool[row]].name,
            bool(choices.spot[row]),
            layout_of(offers.label[choices.offer[row]]),
            tuple(np.round(found.starts[row], DIGITS).tolist()),
        )
        for row in rows
    )
