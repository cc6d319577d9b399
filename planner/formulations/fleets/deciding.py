"""What a solved formulation of a fleet decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.fleets.figures import Decisions, Figures, Floats, Ints
from planner.formulations.fleets import sizing
from planner.formulations.fleets.costing import occupied


def decisions(figures: Figures, m: pyo.ConcreteModel) -> Decisions:
    """Read the decisions from a model whose variables hold a plan.

    What is bought by the period is recomputed from the replicas, since a solver may leave more
    than needed where it is free or time ran out; with rises to be ready for it stays as it is.
    """
    market = figures.market
    granule = market.granule.astype(float)
    replicas = np.rint(_values(m.replicas)).astype(np.int64).reshape(-1, len(figures.horizon))
    reserved = np.asarray([_value(m.reserved, pool) for pool in m.POOLS]) * granule
    on_demand, spot = (
        np.asarray([[_value(way, (pool, t)) for t in m.PERIODS] for pool in m.POOLS])
        * granule[:, None]
        for way in (m.on_demand, m.spot)
    )
    if not figures.limits.rising:
        use = occupied(figures, replicas)
        on_demand = np.minimum(on_demand, _whole(use[0] - reserved[:, None], granule))
        spot = np.minimum(spot, _whole(use[1], granule))
    decided = Decisions(
        replicas, _shed(figures, m), _served(figures, m, m.served), reserved, on_demand, spot
    )
    return _when_risen(figures, m, decided) if figures.limits.rising else decided


def _when_risen(figures: Figures, m: pyo.ConcreteModel, decided: Decisions) -> Decisions:
    """Add the extra replicas, and what is served with them."""
    extra = np.asarray(
        [[_value(m.extra, (choice, t)) for t in m.PERIODS] for choice in m.CHOICES]
    ).astype(np.int64)
    return replace(
        decided,
        extra=_needed(figures, decided, extra.reshape(decided.replicas.shape)),
        served_when_risen=_served(figures, m, m.served_when_risen),
    )


def _needed(figures: Figures, decided: Decisions, extra: Ints) -> Ints:
    """Take out extra replicas that are not needed, since a solver may leave them: large ones first.

    Where requests have classes they stay, since what they serve is divided among them.
    """
    wanted, choices, rate = figures.wanted, figures.choices, sizing.rate(figures)
    needed = np.where(wanted.demand[choices.workload] > 0, extra, 0)
    for w, t in np.argwhere((wanted.demand > 0) & sizing.alike(figures)[:, None]):
        stages = list(sizing.stages_of(figures, w).values())
        asked = wanted.demand[w, t] * (1.0 + figures.limits.rise) * (1.0 - sizing.TOLERANCE)
        mine = np.flatnonzero((choices.workload == w) & (needed[:, t] > 0))
        for c in mine[np.argsort(-choices.gpus[mine], kind="stable")]:
            serves = rate * (decided.replicas[:, t] + needed[:, t])
            spare = min(serves[rows].sum() for rows in stages if c in rows)
            spare += decided.shed[w, t] - asked
            needed[c, t] -= np.clip(np.floor(spare / rate[c]), 0, needed[c, t])
    return needed


def _whole(gpus: Floats, granule: Floats) -> Floats:
    """Accelerators in whole granules, pools first."""
    return np.ceil(np.maximum(gpus, 0.0) / granule[:, None]) * granule[:, None]


def _value(variable: Any, at: Any) -> float:
    """A whole amount; none where it is not on offer."""
    return float(round(pyo.value(variable[at]))) if at in variable else 0.0


def _values(variable: Any) -> list[float]:
    return [float(pyo.value(data)) for data in variable.values()]


def _shed(figures: Figures, m: pyo.ConcreteModel) -> Floats:
    """(W, T) requests per second refused."""
    wanted = figures.wanted
    shed = np.zeros_like(wanted.demand)
    shed[wanted.demand > 0] = np.maximum(_values(m.shed), 0.0)
    return shed


def _served(figures: Figures, m: pyo.ConcreteModel, variables: Any) -> Floats | None:
    """(C, K, T) requests per second; 0 where the requests of a workload are alike."""
    if sizing.alike(figures).all():
        return None
    classes = {name: k for k, name in enumerate(m.CLASSES)}
    choices = {name: c for c, name in enumerate(m.CHOICES)}
    periods = {name: t for t, name in enumerate(m.PERIODS)}
    served = np.zeros((*figures.choices.rates.shape, len(figures.horizon)))
    for (choice, name, period), variable in variables.items():
        served[choices[choice], classes[name], periods[period]] = max(variable.value, 0.0)
    return served
