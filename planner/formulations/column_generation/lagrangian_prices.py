"""Prices of what blocks share, from the dual values that proved the relaxation's bound (G4)."""

from __future__ import annotations

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints, ModelData, Multipliers
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.restricted_master import Duals
from planner.formulations.column_generation.subproblems import Subproblems


def lagrangian_prices(
    data: ModelData,
    subproblems: Subproblems,
    linking: LinkingConstraints,
    duals: Duals,
    starts: Floats | None,
) -> Multipliers:
    """Return the prices by pool and period.

    Parameters
    ----------
    data : ModelData
        The fleet.
    subproblems, linking : Subproblems, LinkingConstraints
        The fleet taken apart.
    duals : Duals
        Values of the linking constraints.
    starts : ndarray, shape (W, m, T), optional
        What running replicas are worth, where starts cost something.
    """
    worth = np.append(-duals.linking, 0.0)  # A row that is not there, -1, is worth nothing.
    steady, spot, together = (worth[rows] for rows in linking.paid)
    return Multipliers(
        occupied=np.stack([steady + together, spot + together]),
        supply=worth[linking.supply],
        pool_watts=worth[linking.pool_watts],
        watts=worth[linking.watts],
        kilogram=float(worth[linking.carbon]),
        dollar=float(worth[linking.budget]),
        starts=None if starts is None else _by_choice(data, subproblems.choice, starts),
    )


def _by_choice(data: ModelData, choice: Ints, starts: Floats) -> Floats:
    """Return (C, T) values of choices from those of (W, m, T), the same within a layout."""
    found = np.zeros((len(data.choices), starts.shape[2]))
    there = choice >= 0
    found[choice[there]] = starts[there]
    _, first = np.unique(data.by_layout.of, return_index=True)
    return np.asarray(found[first[data.by_layout.of]])
