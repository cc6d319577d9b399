"""What decisions about a fleet take and cost, for both formulations."""

from __future__ import annotations

import numpy as np

from planner.candidates.fleet.model_data import HOURLY, Decisions, Floats, Ints, ModelData
from planner.formulations.fleet import variable_bounds


def occupied(data: ModelData, replicas: Ints) -> tuple[Floats, Floats]:
    """(P, T) accelerators to be paid for: steady ones, and spot ones."""
    choices = data.choices
    paying = np.where(variable_bounds.has_own_price(data), 0, choices.gpus)[:, None] * replicas
    capacity_types = np.zeros((2, len(data.pool_supply.gpus), replicas.shape[1]))
    np.add.at(capacity_types, (choices.spot.astype(np.int64), choices.pool), paying)
    return capacity_types[0], capacity_types[1]


def objective(data: ModelData, decided: Decisions) -> float:
    """Dollars over the horizon, with what refused requests cost."""
    hours, wanted = data.horizon.hours, data.wanted
    return dollars(data, decided) + float(wanted.shed_dollars @ decided.shed @ hours) * 3600.0


def dollars(data: ModelData, decided: Decisions) -> float:
    """Dollars paid over the horizon."""
    hours, pool_supply, choices = data.horizon.hours, data.pool_supply, data.choices
    own = np.nan_to_num(choices.dollars_per_hour)
    on_demand, spot = (np.nan_to_num(pool_supply.hourly(way, len(hours))) for way in HOURLY)
    bought = (
        np.nan_to_num(pool_supply.reserved_dollars) @ decided.reserved * hours.sum()
        + (on_demand * decided.on_demand).sum(axis=0) @ hours
        + (spot * decided.spot).sum(axis=0) @ hours
    )
    layouts = data.by_layout
    _, first = np.unique(layouts.of, return_index=True)
    starting = choices.startup_dollars[first] @ (
        data.started(decided.replicas) @ data.horizon.weight
    )
    return float(bought + own @ (decided.replicas @ hours) + starting)
