"""Which of the plans that cost the same: fewest accelerators, fewest replicas, then the label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.formulations.fleets.described import Described, total


def tie_breaks(m: pyo.ConcreteModel, of: Described, labels: Sequence[str]) -> list[pyo.Objective]:
    """Add to a model the objectives (F13) that choose among plans of equal cost.

    Parameters
    ----------
    m : ConcreteModel
        From `planner.formulations.fleet.build`.
    of : Described
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
    hours, gpus = of.figures.horizon.hours, of.figures.choices.gpus
    replicas = {at: m.replicas[of.choice(*at)] for at in of.pairs}
    found = {
        "fewest_gpus": ((hours[t] * gpus[c], one) for (c, t), one in replicas.items()),
        "fewest_running": ((hours[t], one) for (c, t), one in replicas.items()),
        "first_label": _weighted(_by_label(m, of, labels)),
        "least_reserved": _weighted(m.reserved.values()),
        "first_served": _weighted([*m.shed.values(), *m.served.values(), *_when_risen(m)]),
    }
    for name, terms in found.items():
        kept = list(terms)
        if kept:
            m.add_component(name, pyo.Objective(expr=total(kept), doc=f"(F13) ties: {name}"))
    return [m.component(name) for name in found if m.component(name) is not None]


def _by_label(m: pyo.ConcreteModel, of: Described, labels: Sequence[str]) -> list[Any]:
    """Replicas, and those to be ready for, of all periods: the first label first."""
    choices = of.figures.choices
    order = np.lexsort((choices.spot, choices.pool, choices.workload, _ranks(labels)))
    kinds = [m.replicas, *([m.extra] if of.figures.limits.rising else [])]
    sorted_by_label = [of.choice(c, t) for c in order for t in range(len(of.periods))]
    return [kind[at] for kind in kinds for at in sorted_by_label if at in kind]


def _ranks(labels: Sequence[str]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Place of every label in the alphabet."""
    return np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1].ravel()


def _when_risen(m: pyo.ConcreteModel) -> list[Any]:
    served = m.component("served_when_risen")
    return [] if served is None else list(served.values())


def _weighted(variables: Any) -> Iterator[tuple[float, Any]]:
    """Give every variable a weight of its own, in rising order."""
    there = list(variables)
    return zip((prime**0.5 for prime in islice(_primes(), len(there))), there, strict=True)


def _primes() -> Iterator[int]:
    found: list[int] = []
    for number in count(2):
        if all(number % prime for prime in found if prime * prime <= number):
            found.append(number)
            yield number
