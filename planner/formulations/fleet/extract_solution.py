"""What a solved formulation of a fleet decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.candidates.fleet.model_data import Decisions, Floats, Ints, ModelData
from planner.formulations.fleet import variable_bounds
from planner.formulations.fleet.costs import occupied
from planner.problem.tolerances import ROUNDING


def decisions(data: ModelData, m: pyo.ConcreteModel) -> Decisions:
    """Read the decisions from a model whose variables hold a plan.

    What is bought by the period is recomputed from the replicas, since a solver may leave more
    than needed where it is free or time ran out; with rises to be ready for it stays as it is.
    """
    pool_supply = data.pool_supply
    increment = pool_supply.increment.astype(float)
    replicas = np.rint(_values(m.replicas)).astype(np.int64).reshape(-1, len(data.horizon))
    reserved = np.asarray([_value(m.reserved, pool) for pool in m.POOLS]) * increment
    on_demand, spot = (
        np.asarray([[_value(way, (pool, t)) for t in m.PERIODS] for pool in m.POOLS])
        * increment[:, None]
        for way in (m.on_demand, m.spot)
    )
    if not data.limits.rising:
        use = occupied(data, replicas)
        on_demand = np.minimum(on_demand, _whole(use[0] - reserved[:, None], increment))
        spot = np.minimum(spot, _whole(use[1], increment))
    decided = Decisions(
        replicas, _shed(data, m), _served(data, m, m.served, 1.0), reserved, on_demand, spot
    )
    return _when_risen(data, m, decided) if data.limits.rising else decided


def _when_risen(data: ModelData, m: pyo.ConcreteModel, decided: Decisions) -> Decisions:
    """Add the extra replicas, and what is served with them."""
    extra = np.asarray(
        [[_value(m.extra, (choice, t)) for t in m.PERIODS] for choice in m.CHOICES]
    ).astype(np.int64)
    return replace(
        decided,
        extra=_needed(data, decided, extra.reshape(decided.replicas.shape)),
        served_when_risen=_served(data, m, m.served_when_risen, 1.0 + data.limits.rise),
    )


def _needed(data: ModelData, decided: Decisions, extra: Ints) -> Ints:
    """Take out extra replicas that are not needed, since a solver may leave them: large ones first.

    Where requests have classes they stay, since what they serve is divided among them.
    """
    wanted, choices, rate = data.wanted, data.choices, variable_bounds.rate(data)
    needed = np.where(wanted.demand[choices.workload] > 0, extra, 0)
    for w, t in np.argwhere((wanted.demand > 0) & variable_bounds.alike(data)[:, None]):
        stages = list(variable_bounds.stages_of(data, w).values())
        asked = wanted.demand[w, t] * (1.0 + data.limits.rise) * (1.0 - ROUNDING)
        mine = np.flatnonzero((choices.workload == w) & (needed[:, t] > 0))
        for c in mine[np.argsort(-choices.gpus[mine], kind="stable")]:
            serves = rate * (decided.replicas[:, t] + needed[:, t])
            spare = min(serves[rows].sum() for rows in stages if c in rows)
            spare += decided.shed[w, t] - asked
            needed[c, t] -= np.clip(np.floor(spare / rate[c]), 0, needed[c, t])
    return needed


def _whole(gpus: Floats, increment: Floats) -> Floats:
    """Accelerators in whole purchase increments, pools first."""
    return np.ceil(np.maximum(gpus, 0.0) / increment[:, None]) * increment[:, None]


def _value(variable: Any, at: Any) -> float:
    """A whole amount; none where it is not on offer."""
    return float(round(pyo.value(variable[at]))) if at in variable else 0.0


def _values(variable: Any) -> list[float]:
    return [float(pyo.value(data)) for data in variable.values()]


def _shed(data: ModelData, m: pyo.ConcreteModel) -> Floats:
    """(W, T) requests per second refused."""
    wanted = data.wanted
    shed = np.zeros_like(wanted.demand)
    shed[wanted.demand > 0] = np.maximum(_values(m.shed), 0.0)
    return shed * wanted.demand


def _served(data: ModelData, m: pyo.ConcreteModel, variables: Any, factor: float) -> Floats | None:
    """(C, K, T) requests per second of demands times a factor; 0 where requests are alike."""
    if variable_bounds.alike(data).all():
        return None
    classes = {name: k for k, name in enumerate(m.CLASSES)}
    choices = {name: c for c, name in enumerate(m.CHOICES)}
    periods = {name: t for t, name in enumerate(m.PERIODS)}
    served = np.zeros((*data.choices.rates.shape, len(data.horizon)))
    for (choice, name, period), variable in variables.items():
        served[choices[choice], classes[name], periods[period]] = max(variable.value, 0.0)
    asked = data.wanted.demand[:, None, :] * data.wanted.shares[:, :, None] * factor
    return np.asarray(served * asked[data.choices.workload])
