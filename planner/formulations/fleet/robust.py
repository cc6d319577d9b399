"""Supply for the workloads that rise at once, by the dual of the worst case (Bertsimas and Sim)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.formulations.fleet.index_sets import (
    CAPACITY_TYPES,
    IndexSets,
    loading,
    refused,
    running,
    serving,
    total,
)


def rises(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F9) Extra replicas of risen workloads, and accelerators for the worst of them.

    Which workloads rise is not known, so `m.spare` holds for any `rising` of them: the dual of
    the sum of the largest, q = `above_all` and z = `above`.
    """
    extra = {of.choice(c, t): (c, t) for c, t in of.pairs if not of.own[c]}
    m.extra = pyo.Var(
        list(extra),
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, *at: (0, int(of.most_extra[extra[at]])),
        doc="replicas that are added when the workload rises",
    )
    _coverage(m, of)
    _used(m, of, extra)
    _spare(m, of)


def _coverage(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F9) Replicas and extra replicas cover what is demanded at most."""
    wanted, risen = of.data.wanted, 1.0 + of.data.limits.rise
    stages, classes, served = of.covered(), of.covered_classes(), of.served()

    @m.Constraint(list(stages), doc="(F9) every stage is covered when the workload rises")
    def covered_when_risen(m: Any, *at: Any) -> Any:
        w, t, rows = stages[at]
        demand = wanted.demand[w, t] * risen
        more = running(of, m.extra, [c for c in rows if not of.own[c]], t, demand)
        by_all = [*running(of, m.replicas, rows, t, demand), *more]
        return total([*by_all, refused(of, m.shed, w, t, demand)]) >= 1.0

    m.served_when_risen = pyo.Var(
        list(served),
        bounds=(0.0, 1.0),
        doc="part of this class that this deployment then serves",
    )

    @m.Constraint(list(classes), doc="(F9) every class is covered when the workload rises")
    def class_covered_when_risen(m: Any, *at: Any) -> Any:
        w, k, t = classes[at]
        demand = wanted.demand[w, t] * risen
        by_all = serving(of, m.served_when_risen, (w, k, t))
        return total([*by_all, refused(of, m.shed, w, t, demand)]) >= 1.0

    loaded = {of.choice(c, t): (c, t) for c, _, t in served.values()}

    @m.Constraint(list(loaded), doc="(F9) replicas and extra ones serve no more than they can")
    def within_capacity_when_risen(m: Any, *at: Any) -> Any:
        busy = loading(of, m.served_when_risen, *loaded[at], risen)
        more = [(-1.0, m.extra[at])] if at in m.extra else []
        return total([*busy, (-1.0, m.replicas[at]), *more]) <= 0.0


def _used(m: pyo.ConcreteModel, of: IndexSets, extra: dict[Any, tuple[int, int]]) -> None:
    """(F9) Extra replicas are of the one deployment, where they may not be mixed."""
    mixes = of.data.wanted.mixes[of.data.choices.workload]
    single = {at: (c, t) for at, (c, t) in extra.items() if not mixes[c]}

    @m.Constraint(list(single), doc="(F9) only what is used has extra replicas")
    def extra_are_used(m: Any, *at: Any) -> Any:
        return total([(1.0, m.extra[at]), (-float(of.most_extra[single[at]]), m.used[at])]) <= 0.0


def _spare(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F9) The largest sum of extra accelerators of so many workloads."""
    choices, rising = of.data.choices, of.data.limits.rising
    rows = {
        (name, capacity_type, period, of.names.workloads[w]): [
            c for c in of.paying(p, capacity_type) if choices.workload[c] == w
        ]
        for p, name in enumerate(of.names.pools)
        for capacity_type in CAPACITY_TYPES
        for period in of.periods
        for w in np.unique(choices.workload[of.paying(p, capacity_type)])
    }
    most = {
        at: float(sum(choices.gpus[c] * of.most_extra[c, of.periods.index(at[2])] for c in found))
        for at, found in rows.items()
    }
    capacity_types: dict[tuple[str, str, str], list[tuple[str, str, str, str]]] = {}
    for at in rows:
        capacity_types.setdefault(at[:3], []).append(at)
    m.above_all = pyo.Var(
        list(capacity_types),
        bounds=lambda _, *at: (0.0, max(most[one] for one in capacity_types[at])),
        doc="dual of how many rise",
    )
    m.above = pyo.Var(
        list(rows), bounds=lambda _, *at: (0.0, most[at]), doc="dual of this one rising"
    )

    @m.Constraint(list(rows), doc="(F9) duals are feasible for the extra accelerators")
    def rise_counted(m: Any, *at: Any) -> Any:
        t = of.periods.index(at[2])
        needed = ((-float(choices.gpus[c]), m.extra[of.choice(c, t)]) for c in rows[at])
        return total([(1.0, m.above[at]), (1.0, m.above_all[at[:3]]), *needed]) >= 0.0

    @m.Expression(list(capacity_types), doc="(F9) accelerators for the worst rise")
    def spare(m: Any, *at: Any) -> Any:
        duals = ((1.0, m.above[one]) for one in capacity_types[at])
        return total([(float(rising), m.above_all[at]), *duals])
