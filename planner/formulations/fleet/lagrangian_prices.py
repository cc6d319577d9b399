"""Prices of what is shared, from the dual values of F's rows in its relaxation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.candidates.fleet.model_data import Multipliers
from planner.formulations.fleet.index_sets import CAPACITY_TYPES, IndexSets


def lagrangian_prices(m: pyo.ConcreteModel, of: IndexSets, duals: Any) -> Multipliers:
    """Return the prices by pool and period.

    Parameters
    ----------
    m : ConcreteModel
        From `planner.formulations.fleet.milp.build`.
    of : IndexSets
        The fleet.
    duals : mapping
        Dual value of each constraint; of one that is not there, nothing.
    """
    pools, periods, limits = of.names.pools, of.periods, of.data.limits

    def worth(name: str, at: Any, limit: float = 1.0) -> float:
        """What a row's limit is worth; rows with a limit above 0 are in parts of it (`within`)."""
        rows = m.component(name)
        if rows is None or at not in rows:
            return 0.0
        return max(-float(duals.get(rows[at], 0.0)), 0.0) / (limit if limit > 0 else 1.0)

    cap = of.data.pool_supply.watts_at_most
    return Multipliers(
        occupied=np.array(
            [
                [[worth("bought", (p, kind, t)) for t in periods] for p in pools]
                for kind in CAPACITY_TYPES
            ]
        ),
        supply=np.array([[worth("gpu_supply", (p, t)) for t in periods] for p in pools]),
        pool_watts=np.array(
            [
                [worth("power_of_pool", (pool, t), float(cap[p])) for t in periods]
                for p, pool in enumerate(pools)
            ]
        ),
        watts=np.array([worth("power", t, limits.watts) for t in periods]),
        kilogram=worth("carbon", None, limits.kilograms),
        dollar=worth("budget", None, limits.dollars),
        starts=_starts(m, of, duals),
    )


def _starts(m: pyo.ConcreteModel, of: IndexSets, duals: Any) -> Any:
    """Return (C, T) what replicas that run already are worth."""
    found = np.zeros((len(of.data.choices), len(of.periods)))
    for rows in of.layouts:
        for t in range(len(of.periods)):
            at = of.choice(rows[0], t)
            if at in m.started:
                found[rows, t] = max(float(duals.get(m.started[at], 0.0)), 0.0)
    return found
