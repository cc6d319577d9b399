"""Which of the plans that cost the same: one that a person would run, down to the label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.candidates.fleet.model_data import Described
from planner.formulations.fleet.index_sets import IndexSets, total


def tie_breaks(m: pyo.ConcreteModel, of: IndexSets) -> list[pyo.Objective]:
    """Add to a model the objectives (F13) that choose among plans of equal cost.

    Fewest accelerators, fastest requests, fewest kinds of deployments, fewest pipeline stages,
    fewest replicas, the first label.

    Parameters
    ----------
    m : ConcreteModel
        From `planner.formulations.fleet.milp.build`.
    of : IndexSets
        The fleet, with what describes its choices.

    Returns
    -------
    list of Objective
        In the order in which they break ties; after the last one no two plans are equal. Those
        with which all plans score the same are left out. Whatever is of one size is weighted with
        the square roots of primes: no two different sums of whole multiples of them are equal.
    """
    described, hours = of.data.described, of.data.horizon.hours
    assert described is not None
    replicas = {at: m.replicas[of.choice(*at)] for at in of.pairs}
    _used(m, of, described)
    gpus, stages = of.data.choices.gpus, described.stages
    m.fewest_gpus = pyo.Objective(
        expr=total((hours[t] * gpus[c], one) for (c, t), one in replicas.items()),
        doc="(F13) ties: fewest accelerator hours",
    )
    m.fastest_requests = pyo.Objective(
        expr=total((hours[of.periods.index(at[1])], one) for at, one in m.slowest.items()),
        doc="(F13) ties: fastest requests, by the slowest replica of every workload and period",
    )
    m.fewest_kinds = pyo.Objective(
        expr=total((1.0, one) for one in m.ever.values()),
        doc="(F13) ties: fewest kinds of deployments in the horizon",
    )
    m.fewest_stages = pyo.Objective(
        expr=total((hours[t] * stages[c], one) for (c, t), one in replicas.items()),
        doc="(F13) ties: fewest hours of pipeline stages",
    )
    m.fewest_running = pyo.Objective(
        expr=total((hours[t], one) for (c, t), one in replicas.items()),
        doc="(F13) ties: fewest replica hours",
    )
    m.first_label = pyo.Objective(
        expr=_weighted(_by_label(m, of, described.labels)), doc="(F13) ties: the first label"
    )
    m.least_reserved = pyo.Objective(
        expr=_weighted(m.reserved.values()), doc="(F13) ties: least reserved"
    )
    m.first_served = pyo.Objective(
        expr=_weighted([*m.shed.values(), *m.served.values(), *_when_risen(m)]),
        doc="(F13) ties: what is served and refused",
    )
    found = [m.fewest_gpus]
    found += [m.fastest_requests] if len(m.slowest) else []
    found += [m.fewest_kinds] if len(m.ever) > 1 else []
    found += [m.fewest_stages] if (described.stages != 1).any() else []
    found += [m.fewest_running, m.first_label]
    found += [m.least_reserved] if len(m.reserved) else []
    return [*found, m.first_served] if len(m.shed) or len(m.served) else found


def _used(m: pyo.ConcreteModel, of: IndexSets, described: Described) -> None:
    """Add which deployments run, and how slow the slowest of each workload and period is.

    A workload whose deployments are all as fast has no slowest one.
    """
    workload, tpot = of.data.choices.workload, described.tpot_seconds
    runs = {of.choice(*at): at for at in of.pairs if of.most[at] > 0}
    kind = {of.names.choices[c]: of.names.choices[of.kind[c]] for c in range(len(of.kind))}
    m.runs = pyo.Var(list(runs), domain=pyo.Binary, doc="whether this deployment runs")
    m.ever = pyo.Var(
        list(dict.fromkeys(kind[at[0]] for at in runs)),
        bounds=(0, 1),
        doc="whether this kind of deployment runs in any period",
    )
    differs = {w for w in np.unique(workload).tolist() if len(np.unique(tpot[workload == w])) > 1}
    slow = {
        (of.workload(workload[c], t), of.choice(c, t)): float(tpot[c])
        for c, t in runs.values()
        if workload[c] in differs
    }
    # In parts of the slowest, so that no row has small coefficients.
    most = float(tpot.max(initial=0.0)) or 1.0
    m.slowest = pyo.Var(
        list(dict.fromkeys(place for place, _ in slow)),
        bounds=(0, 1),
        doc="time per token of the slowest replica, in parts of the slowest deployment's",
    )
    m.tied = pyo.ConstraintList(doc="what runs, ever runs, and is no slower than the slowest")
    for at, (c, t) in runs.items():
        m.tied.add(total([(1.0, m.replicas[at]), (-float(of.most[c, t]), m.runs[at])]) <= 0.0)
        m.tied.add(total([(1.0, m.runs[at]), (-1.0, m.ever[kind[at[0]]])]) <= 0.0)
    for (place, at), seconds in slow.items():
        m.tied.add(total([(seconds / most, m.runs[at]), (-1.0, m.slowest[place])]) <= 0.0)


def _by_label(m: pyo.ConcreteModel, of: IndexSets, labels: Sequence[str]) -> list[Any]:
    """Replicas, and those to be ready for, of all periods: the first label first."""
    choices = of.data.choices
    order = np.lexsort((choices.spot, choices.pool, choices.workload, _ranks(labels)))
    kinds = [m.replicas, *([m.extra] if of.data.limits.rising else [])]
    sorted_by_label = [of.choice(c, t) for c in order for t in range(len(of.periods))]
    return [kind[at] for kind in kinds for at in sorted_by_label if at in kind]


def _ranks(labels: Sequence[str]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Place of every label in the alphabet."""
    return np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1].ravel()


def _when_risen(m: pyo.ConcreteModel) -> list[Any]:
    served = m.component("served_when_risen")
    return [] if served is None else list(served.values())


def _weighted(variables: Any) -> Any:
    """Sum of variables, each with a weight of its own, in rising order."""
    there = list(variables)
    return total(zip((prime**0.5 for prime in islice(_primes(), len(there))), there, strict=True))


def _primes() -> Iterator[int]:
    found: list[int] = []
    for number in count(2):
        if all(number % prime for prime in found if prime * prime <= number):
            found.append(number)
            yield number
