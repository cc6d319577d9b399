"""Which of the plans that cost the same: fewest accelerators, fewest replicas, then the label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.formulations.fleet.index_sets import IndexSets, total


def tie_breaks(m: pyo.ConcreteModel, of: IndexSets, labels: Sequence[str]) -> list[pyo.Objective]:
    """Add to a model the objectives (F13) that choose among plans of equal cost.

    Parameters
    ----------
    m : ConcreteModel
        From `planner.formulations.fleet.milp.build`.
    of : IndexSets
        The fleet.
    labels : sequence of str, length C
        What the deployments of the choices are called.

    Returns
    -------
    list of Objective
        In the order in which they break ties; after the last one no two plans are equal. Whatever
        is of one size is weighted with the square roots of primes: no two different sums of whole
        multiples of them are equal.
    """
    hours, gpus = of.data.horizon.hours, of.data.choices.gpus
    replicas = {at: m.replicas[of.choice(*at)] for at in of.pairs}
    m.fewest_gpus = pyo.Objective(
        expr=total((hours[t] * gpus[c], one) for (c, t), one in replicas.items()),
        doc="(F13) ties: fewest accelerator hours",
    )
    m.fewest_running = pyo.Objective(
        expr=total((hours[t], one) for (c, t), one in replicas.items()),
        doc="(F13) ties: fewest replica hours",
    )
    m.first_label = pyo.Objective(
        expr=_weighted(_by_label(m, of, labels)), doc="(F13) ties: the first label"
    )
    m.least_reserved = pyo.Objective(
        expr=_weighted(m.reserved.values()), doc="(F13) ties: least reserved"
    )
    m.first_served = pyo.Objective(
        expr=_weighted([*m.shed.values(), *m.served.values(), *_when_risen(m)]),
        doc="(F13) ties: what is served and refused",
    )
    found = [m.fewest_gpus, m.fewest_running, m.first_label]
    found += [m.least_reserved] if len(m.reserved) else []
    return [*found, m.first_served] if len(m.shed) or len(m.served) else found


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
