"""What a fleet buys and pays: purchases, starts, dollars, and the limits on all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.candidates.fleet.model_data import HOURLY
from planner.formulations.fleet import variable_bounds
from planner.formulations.fleet.index_sets import CAPACITY_TYPES, IndexSets, Terms, total, within


def amounts(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F4) What is bought, in whole purchase increments: nodes, or single accelerators."""
    replicas = np.maximum(of.most, of.most_extra)
    most = {
        way: {
            pool: int(increments)
            for pool, increments in zip(
                of.names.pools, variable_bounds.most_increments(of.data, replicas, way), strict=True
            )
            if increments > 0
        }
        for way in ("reserved", "on_demand", "spot")
    }
    m.reserved = pyo.Var(
        list(most["reserved"]),
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, pool: (0, most["reserved"][pool]),
        doc="(F4) increments paid for through the horizon",
    )
    m.on_demand = pyo.Var(
        list(most["on_demand"]),
        m.PERIODS,
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, pool, period: (0, most["on_demand"][pool]),
        doc="(F4) increments paid for by the hour",
    )
    m.spot = pyo.Var(
        list(most["spot"]),
        m.PERIODS,
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, pool, period: (0, most["spot"][pool]),
        doc="(F4) increments that can be taken away",
    )


def _amounts(m: pyo.ConcreteModel, pool: str, period: str, capacity_type: str) -> list[Any]:
    """What is bought in a capacity type of a pool for a period."""
    if capacity_type == "spot":
        return [m.spot[pool, period]] if (pool, period) in m.spot else []
    hourly = [m.on_demand[pool, period]] if (pool, period) in m.on_demand else []
    return [m.reserved[pool], *hourly] if pool in m.reserved else hourly


def purchases(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F3) Accelerators of a pool, and (F5) what is paid for them."""
    choices, pool_supply = of.data.choices, of.data.pool_supply
    occupied = {
        (name, capacity_type, period): (p, capacity_type, t)
        for p, name in enumerate(of.names.pools)
        for capacity_type in CAPACITY_TYPES
        for t, period in enumerate(of.periods)
        if of.paying(p, capacity_type)
    }

    @m.Constraint(list(occupied), doc="(F5) what replicas occupy is bought")
    def bought(m: Any, *at: Any) -> Any:
        p, capacity_type, t = occupied[at]
        pool, period, increment = at[0], at[2], float(pool_supply.increment[p])
        busy = [
            (float(choices.gpus[c]), m.replicas[of.choice(c, t)])
            for c in of.paying(p, capacity_type)
        ]
        paid = ((-increment, amount) for amount in _amounts(m, pool, period, capacity_type))
        spare = m.spare[at] if of.data.limits.rising else 0.0
        return total([*busy, *paid]) + spare <= 0.0

    scarce = {
        (name, period): (p, t)
        for p, name in enumerate(of.names.pools)
        for t, period in enumerate(of.periods)
        if np.isfinite(pool_supply.gpus[p])
    }

    @m.Constraint(list(scarce), doc="(F3) a pool has no more accelerators than there are")
    def gpu_supply(m: Any, *at: Any) -> Any:
        p, t = scarce[at]
        increment = float(pool_supply.increment[p])
        amounts = (
            amount
            for capacity_type in CAPACITY_TYPES
            for amount in _amounts(m, at[0], at[1], capacity_type)
        )
        own = np.flatnonzero((choices.pool == p) & of.own)
        busy = [(float(choices.gpus[c]), m.replicas[of.choice(c, t)]) for c in own]
        held = [*((increment, amount) for amount in amounts), *busy]
        return total(held) <= float(pool_supply.gpus[p]) if held else pyo.Constraint.Skip


def starts(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F6) Replicas that start, wherever that costs something; a layout's batch changes without."""
    horizon, choices = of.data.horizon, of.data.choices
    counted = {
        of.choice(rows[0], t): (layout, rows, t)
        for layout, rows in enumerate(of.layouts)
        for t in range(len(horizon))
        if choices.startup_dollars[rows[0]] > 0 and (horizon.before[t] >= 0 or of.data.has_running)
    }

    def most(_: Any, *at: Any) -> tuple[int, int]:
        _layout, rows, t = counted[at]
        return 0, int(of.most[rows, t].sum())

    m.starts = pyo.Var(
        list(counted),
        bounds=most,
        doc="replicas of this layout that start; whole wherever they cost something",
    )

    @m.Constraint(list(counted), doc="(F6) replicas that did not run before are started")
    def started(m: Any, *at: Any) -> Any:
        layout, rows, t = counted[at]
        new = [(1.0, m.starts[at]), *((-1.0, m.replicas[of.choice(c, t)]) for c in rows)]
        before = int(horizon.before[t])
        if before < 0:
            return total(new) >= -float(of.data.by_layout.running[layout])
        return total([*new, *((1.0, m.replicas[of.choice(c, before)]) for c in rows)]) >= 0.0


def _paid(m: pyo.ConcreteModel, of: IndexSets) -> Terms:
    """Dollars over the horizon."""
    horizon, pool_supply, choices = of.data.horizon, of.data.pool_supply, of.data.choices
    on_demand, spot = (pool_supply.hourly(way, len(horizon)) for way in HOURLY)
    for p, pool in enumerate(of.names.pools):
        increment = float(pool_supply.increment[p])
        if pool in m.reserved:
            hours = float(horizon.hours.sum())
            yield hours * pool_supply.reserved_dollars[p] * increment, m.reserved[pool]
        for t, period in enumerate(of.periods):
            hourly = float(horizon.hours[t]) * increment
            if (pool, period) in m.on_demand:
                yield hourly * on_demand[p, t], m.on_demand[pool, period]
            if (pool, period) in m.spot:
                yield hourly * spot[p, t], m.spot[pool, period]
    for c, t in of.pairs:
        at = of.choice(c, t)
        if of.own[c]:
            yield horizon.hours[t] * choices.dollars_per_hour[c], m.replicas[at]
        if at in m.starts:
            yield horizon.weight[t] * choices.startup_dollars[c], m.starts[at]


def objective(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F12) Dollars over the horizon, and what refused requests cost."""
    horizon, wanted = of.data.horizon, of.data.wanted
    m.dollars = pyo.Expression(expr=total(_paid(m, of)), doc="(F12) paid over the horizon")
    refusing = total(
        (
            3600.0 * horizon.hours[t] * wanted.demand[w, t] * wanted.shed_dollars[w],
            m.shed[of.workload(w, t)],
        )
        for w, t in of.busy()
    )
    m.best = pyo.Objective(expr=m.dollars + refusing, doc="(F12) least paid and refused")


def limits(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F7) Budget, power and carbon."""
    horizon, pool_supply, most = of.data.horizon, of.data.pool_supply, of.data.limits
    choices = of.data.choices
    watts = (choices.working * pool_supply.watts[choices.pool]).astype(float)
    kilograms = choices.working * pool_supply.kilograms_per_hour[choices.pool]
    if np.isfinite(most.dollars):

        @m.Constraint(doc="(F7) no more dollars than there are")
        def budget(m: Any) -> Any:
            paid = list(_paid(m, of))
            return within(paid, most.dollars) if paid else pyo.Constraint.Skip

    @m.Constraint(m.POOLS, m.PERIODS, doc="(F7) no more power than a pool has")
    def power_of_pool(m: Any, pool: str, period: str) -> Any:
        p, t = of.names.pools.index(pool), of.periods.index(period)
        rows = np.flatnonzero((choices.pool == p) & (watts > 0))
        if not np.isfinite(pool_supply.watts_at_most[p]) or not len(rows):
            return pyo.Constraint.Skip
        busy = ((watts[c], m.replicas[of.choice(c, t)]) for c in rows)
        return within(busy, pool_supply.watts_at_most[p])

    @m.Constraint(m.PERIODS, doc="(F7) no more power than there is")
    def power(m: Any, period: str) -> Any:
        t = of.periods.index(period)
        if not np.isfinite(most.watts) or not watts.any():
            return pyo.Constraint.Skip
        busy = ((watts[c], m.replicas[of.choice(c, t)]) for c in np.flatnonzero(watts))
        return within(busy, most.watts)

    if np.isfinite(most.kilograms):

        @m.Constraint(doc="(F7) no more carbon than allowed")
        def carbon(m: Any) -> Any:
            spent = (
                (horizon.hours[t] * kilograms[c], m.replicas[of.choice(c, t)]) for c, t in of.pairs
            )
            return within(spent, most.kilograms)
