"""What a fleet buys and pays: purchases, starts, dollars, and the limits on all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.formulations.fleets import sizing
from planner.formulations.fleets.described import (
    LANES,
    Described,
    Terms,
    total,
    within,
)


def amounts(m: pyo.ConcreteModel, of: Described) -> None:
    """(F4) What is bought, in whole granules: nodes where a pool is bought by the node."""
    most = {
        way: {
            pool: int(granules)
            for pool, granules in zip(
                of.names.pools, sizing.most_granules(of.figures, of.most, way), strict=True
            )
            if granules > 0
        }
        for way in ("reserved", "on_demand", "spot")
    }
    m.reserved = pyo.Var(
        list(most["reserved"]),
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, pool: (0, most["reserved"][pool]),
        doc="(F4) granules paid for through the horizon",
    )
    m.on_demand = pyo.Var(
        list(most["on_demand"]),
        m.PERIODS,
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, pool, period: (0, most["on_demand"][pool]),
        doc="(F4) granules paid for by the hour",
    )
    m.spot = pyo.Var(
        list(most["spot"]),
        m.PERIODS,
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, pool, period: (0, most["spot"][pool]),
        doc="(F4) granules that can be taken away",
    )


def _amounts(m: pyo.ConcreteModel, pool: str, period: str, lane: str) -> list[Any]:
    """What is bought in a lane of a pool for a period."""
    if lane == "spot":
        return [m.spot[pool, period]] if (pool, period) in m.spot else []
    hourly = [m.on_demand[pool, period]] if (pool, period) in m.on_demand else []
    return [m.reserved[pool], *hourly] if pool in m.reserved else hourly


def purchases(m: pyo.ConcreteModel, of: Described) -> None:
    """(F3) Accelerators of a pool, and (F5) what is paid for them."""
    choices, market = of.figures.choices, of.figures.market
    occupied = {
        (name, lane, period): (p, lane, t)
        for p, name in enumerate(of.names.pools)
        for lane in LANES
        for t, period in enumerate(of.periods)
        if of.paying(p, lane)
    }

    @m.Constraint(list(occupied), doc="(F5) what replicas occupy is bought")
    def bought(m: Any, *at: Any) -> Any:
        p, lane, t = occupied[at]
        pool, period, granule = at[0], at[2], float(market.granule[p])
        busy = [(float(choices.gpus[c]), m.replicas[of.choice(c, t)]) for c in of.paying(p, lane)]
        paid = ((-granule, amount) for amount in _amounts(m, pool, period, lane))
        spare = m.spare[at] if of.figures.limits.rising else 0.0
        return total([*busy, *paid]) + spare <= 0.0

    scarce = {
        (name, period): (p, t)
        for p, name in enumerate(of.names.pools)
        for t, period in enumerate(of.periods)
        if np.isfinite(market.gpus[p])
    }

    @m.Constraint(list(scarce), doc="(F3) a pool has no more accelerators than there are")
    def gpu_supply(m: Any, *at: Any) -> Any:
        p, t = scarce[at]
        granule = float(market.granule[p])
        amounts = (amount for lane in LANES for amount in _amounts(m, at[0], at[1], lane))
        own = np.flatnonzero((choices.pool == p) & of.own)
        busy = [(float(choices.gpus[c]), m.replicas[of.choice(c, t)]) for c in own]
        held = [*((granule, amount) for amount in amounts), *busy]
        return total(held) <= float(market.gpus[p]) if held else pyo.Constraint.Skip


def starts(m: pyo.ConcreteModel, of: Described) -> None:
    """(F6) Replicas that start, wherever that costs something."""
    horizon, choices = of.figures.horizon, of.figures.choices
    counted = {
        of.choice(c, t): (c, t)
        for c, t in of.pairs
        if choices.startup_dollars[c] > 0 and (horizon.before[t] >= 0 or of.figures.has_running)
    }
    m.starts = pyo.Var(
        list(counted),
        bounds=lambda _, *at: (0, int(of.most[counted[at]])),
        doc="replicas that start; whole wherever they cost something",
    )

    @m.Constraint(list(counted), doc="(F6) replicas that did not run before are started")
    def started(m: Any, *at: Any) -> Any:
        c, t = counted[at]
        new = [(1.0, m.starts[at]), (-1.0, m.replicas[at])]
        before = int(horizon.before[t])
        if before < 0:
            return total(new) >= -float(choices.running[c])
        return total([*new, (1.0, m.replicas[of.choice(c, before)])]) >= 0.0


def _paid(m: pyo.ConcreteModel, of: Described) -> Terms:
    """Dollars over the horizon."""
    horizon, market, choices = of.figures.horizon, of.figures.market, of.figures.choices
    for p, pool in enumerate(of.names.pools):
        granule = float(market.granule[p])
        if pool in m.reserved:
            hours = float(horizon.hours.sum())
            yield hours * market.reserved_dollars[p] * granule, m.reserved[pool]
        for t, period in enumerate(of.periods):
            hourly = float(horizon.hours[t]) * granule
            if (pool, period) in m.on_demand:
                yield hourly * market.on_demand_dollars[p], m.on_demand[pool, period]
            if (pool, period) in m.spot:
                yield hourly * market.spot_dollars[p], m.spot[pool, period]
    for c, t in of.pairs:
        at = of.choice(c, t)
        if of.own[c]:
            yield horizon.hours[t] * choices.dollars_per_hour[c], m.replicas[at]
        if at in m.starts:
            yield horizon.weight[t] * choices.startup_dollars[c], m.starts[at]


def objective(m: pyo.ConcreteModel, of: Described) -> None:
    """(F12) Dollars over the horizon, and what refused requests cost."""
    horizon, wanted = of.figures.horizon, of.figures.wanted
    m.dollars = pyo.Expression(expr=total(_paid(m, of)), doc="(F12) paid over the horizon")
    refusing = total(
        (3600.0 * horizon.hours[t] * wanted.shed_dollars[w], m.shed[of.workload(w, t)])
        for w, t in of.busy()
    )
    m.best = pyo.Objective(expr=m.dollars + refusing, doc="(F12) least paid and refused")


def limits(m: pyo.ConcreteModel, of: Described) -> None:
    """(F7) Budget, power and carbon."""
    horizon, market, most = of.figures.horizon, of.figures.market, of.figures.limits
    choices = of.figures.choices
    watts = (choices.gpus * market.watts[choices.pool]).astype(float)
    kilograms = choices.gpus * market.kilograms_per_hour[choices.pool]
    if np.isfinite(most.dollars):

        @m.Constraint(doc="(F7) no more dollars than there are")
        def budget(m: Any) -> Any:
            return within(_paid(m, of), most.dollars)

    @m.Constraint(m.POOLS, m.PERIODS, doc="(F7) no more power than a pool has")
    def power_of_pool(m: Any, pool: str, period: str) -> Any:
        p, t = of.names.pools.index(pool), of.periods.index(period)
        rows = np.flatnonzero((choices.pool == p) & (watts > 0))
        if not np.isfinite(market.watts_at_most[p]) or not len(rows):
            return pyo.Constraint.Skip
        busy = ((watts[c], m.replicas[of.choice(c, t)]) for c in rows)
        return within(busy, market.watts_at_most[p])

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
