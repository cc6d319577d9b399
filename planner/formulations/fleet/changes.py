"""How much may change of what runs: replicas started, stopped, or given another batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.formulations.fleet.index_sets import IndexSets, total


def changes(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F15) No more changes in a first period than allowed."""
    most = of.data.limits.changes
    if not np.isfinite(most):
        return
    counted(m, of)
    layouts, most = range(len(of.layouts)), most - of.data.by_layout.elsewhere

    @m.Constraint([of.periods[t] for t in np.flatnonzero(of.data.first)], doc="(F15) few changes")
    def few_changes(m: Any, period: str) -> Any:
        return total((1.0, m.changes[layout, period]) for layout in layouts) <= float(most)


def counted(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F15) Count what changes in first periods against what runs.

    Replicas of a layout that grow and shrink in number change their batch: each counts once, so a
    layout has as many changes as the greater of the two sums.
    """
    first = [(t, of.periods[t]) for t in np.flatnonzero(of.data.first).tolist()]
    running, ran = of.data.choices.running, of.data.by_layout.running
    places = {(g, period): (rows, t) for g, rows in enumerate(of.layouts) for t, period in first}

    def most(_: Any, *at: Any) -> tuple[float, float]:
        rows, t = places[at]
        return 0.0, float(of.most[rows, t].sum() + ran[at[0]])

    m.changes = pyo.Var(list(places), bounds=most, doc="changes of this layout")
    beyond = {of.choice(c, t): c for rows, t in places.values() for c in rows}
    m.more = pyo.Var(
        list(beyond),
        bounds=lambda _, *at: (0.0, float(of.most[beyond[at], of.periods.index(at[1])])),
        doc="replicas of this deployment beyond those that run",
    )

    @m.Constraint(list(beyond), doc="(F15) what is beyond what runs")
    def beyond_running(m: Any, *at: Any) -> Any:
        return total([(1.0, m.more[at]), (-1.0, m.replicas[at])]) >= -float(running[beyond[at]])

    def more(m: Any, rows: list[int], t: int) -> list[tuple[float, Any]]:
        return [(-1.0, m.more[of.choice(c, t)]) for c in rows]

    @m.Constraint(list(places), doc="(F15) each replica more of a layout is a change")
    def changed_up(m: Any, *at: Any) -> Any:
        rows, t = places[at]
        return total([(1.0, m.changes[at]), *more(m, rows, t)]) >= 0.0

    @m.Constraint(list(places), doc="(F15) each replica less is one, too")
    def changed_down(m: Any, *at: Any) -> Any:
        rows, t = places[at]
        kept = [(1.0, m.replicas[of.choice(c, t)]) for c in rows]
        return total([(1.0, m.changes[at]), *more(m, rows, t), *kept]) >= float(ran[at[0]])
