"""Prefill and decode in one place (F16): a prompt is answered in the region where it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from planner.formulations.fleet.index_sets import IndexSets, Terms, refused, running, total


@dataclass(frozen=True, slots=True)
class _Case:
    """A demand that must be met: as it is, with a replica lost, or risen."""

    w: int
    t: int
    demand: float
    served: Any
    """The part of it that must be."""
    supply: Callable[[list[int]], Terms]
    """Parts of it that some choices serve."""


def places(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F16) What is read in a place is answered there; all places together meet the demand."""
    cases = dict(_cases(m, of))
    parts = {(*at, place): (at, place) for at, case in cases.items() for place in of.places[case.w]}
    m.in_place = pyo.Var(list(parts), bounds=(0.0, 1.0), doc="part of a demand met in this place")
    stages = {
        (*parts[one][0], stage, parts[one][1]): one
        for one in parts
        for stage in of.places[cases[parts[one][0]].w][parts[one][1]]
    }

    @m.Constraint(list(stages), doc="(F16) both stages serve what is met in a place")
    def stage_in_place(m: Any, *at: Any) -> Any:
        one = stages[at]
        case, place = cases[parts[one][0]], parts[one][1]
        rows = of.places[case.w][place][at[-2]]
        return total([*case.supply(rows), (-1.0, m.in_place[one])]) >= 0.0

    @m.Constraint(list(cases), doc="(F16) all places together meet what is not refused")
    def met_in_places(m: Any, *at: Any) -> Any:
        case = cases[at]
        met = ((1.0, m.in_place[(*at, place)]) for place in of.places[case.w])
        return total([*met, refused(of, m.shed, case.w, case.t, case.demand)]) >= case.served


def _cases(m: pyo.ConcreteModel, of: IndexSets) -> Iterator[tuple[tuple[str, str, str], _Case]]:
    """Yield what must be met of workloads whose stages might be in several places."""
    wanted, risen = of.data.wanted, 1.0 + of.data.limits.rise
    for w, t in of.busy():
        if not of.places[w]:
            continue
        at, demand = of.workload(w, t), float(wanted.demand[w, t])

        def supply(rows: list[int], t: int = t, demand: float = demand) -> Terms:
            return running(of, m.replicas, rows, t, demand)

        yield (*at, "all"), _Case(w, t, demand, m.part, supply)
        losable = sorted({c for rows in of.stages[w].values() for c in rows})
        for c in losable if wanted.survives[w] else ():

            def left(
                rows: list[int], c: int = c, t: int = t, demand: float = demand
            ) -> Iterator[tuple[float, Any]]:
                yield from running(of, m.replicas, rows, t, demand)
                if c in rows:
                    yield -min(of.rate[c] / demand, 1.0), m.used[of.choice(c, t)]

            yield (*at, f"without {of.names.choices[c]}"), _Case(w, t, demand, m.part, left)
        if of.data.limits.rising:

            def with_extra(
                rows: list[int], t: int = t, demand: float = demand * risen
            ) -> Iterator[tuple[float, Any]]:
                yield from running(of, m.replicas, rows, t, demand)
                rented = [c for c in rows if not of.own[c]]
                yield from running(of, m.extra, rented, t, demand)

            yield (*at, "risen"), _Case(w, t, demand * risen, 1.0, with_extra)
