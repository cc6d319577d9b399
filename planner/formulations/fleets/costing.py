"""What decisions about a fleet take and cost, for both formulations."""

from __future__ import annotations

import numpy as np

from planner.fleets.figures import Decisions, Figures, Floats, Ints
from planner.formulations.fleets import sizing


def occupied(figures: Figures, replicas: Ints) -> tuple[Floats, Floats]:
    """(P, T) accelerators to be paid for in the steady lane, and in the spot lane."""
    choices = figures.choices
    paying = np.where(sizing.has_own_price(figures), 0, choices.gpus)[:, None] * replicas
    lanes = np.zeros((2, len(figures.market.gpus), replicas.shape[1]))
    np.add.at(lanes, (choices.spot.astype(np.int64), choices.pool), paying)
    return lanes[0], lanes[1]


def objective(figures: Figures, decided: Decisions) -> float:
    """Dollars over the horizon, with what refused requests cost."""
    hours, wanted = figures.horizon.hours, figures.wanted
    return dollars(figures, decided) + float(wanted.shed_dollars @ decided.shed @ hours) * 3600.0


def dollars(figures: Figures, decided: Decisions) -> float:
    """Dollars paid over the horizon."""
    hours, market, choices = figures.horizon.hours, figures.market, figures.choices
    own = np.nan_to_num(choices.dollars_per_hour)
    bought = (
        np.nan_to_num(market.reserved_dollars) @ decided.reserved * hours.sum()
        + np.nan_to_num(market.on_demand_dollars) @ (decided.on_demand @ hours)
        + np.nan_to_num(market.spot_dollars) @ (decided.spot @ hours)
    )
    starting = choices.startup_dollars @ (
        started(figures, decided.replicas) @ figures.horizon.weight
    )
    return float(bought + own @ (decided.replicas @ hours) + starting)


def started(figures: Figures, replicas: Ints) -> Ints:
    """(C, T) replicas that start in each period."""
    first = figures.horizon.before < 0
    before = replicas[:, figures.horizon.before]
    before[:, first] = replicas[:, first]
    if figures.has_running:
        before[:, first] = figures.choices.running[:, None]
    return np.asarray(np.maximum(replicas - before, 0), dtype=np.int64)
