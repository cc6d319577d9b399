"""A fleet's data beside names for them, as terms of a linear model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from pyomo.core.expr import LinearExpression

from planner.candidates.fleet.model_data import Bools, Floats, Ints, ModelData
from planner.formulations.fleet import variable_bounds

Terms = Iterable[tuple[float, Any]]
"""Coefficients and variables."""
LEAST_LOAD = 1e-6
"""Replicas that serving all of a class takes at least: solvers drop smaller coefficients, and a
class would be served by no replica at all."""
CAPACITY_TYPES = ("steady", "spot")
"""What a replica runs on: accelerators reserved or on demand, or those that can be taken away."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the components of a model are called; each name at most once."""

    workloads: tuple[str, ...]
    pools: tuple[str, ...]
    choices: tuple[str, ...]
    classes: tuple[str, ...]


def numbered(data: ModelData) -> Names:
    """Names made of numbers: workload, pool, capacity type and row of the offers of each choice."""
    choices = data.choices
    capacity_types = [CAPACITY_TYPES[int(spot)] for spot in choices.spot]
    rows = zip(choices.workload, choices.pool, capacity_types, choices.offer, strict=True)
    return Names(
        tuple(f"w{index}" for index in range(len(data.wanted.demand))),
        tuple(f"p{index}" for index in range(len(data.pool_supply.gpus))),
        tuple(
            f"w{workload}_p{pool}_{capacity_type}_{offer}"
            for workload, pool, capacity_type, offer in rows
        ),
        tuple(f"k{index}" for index in range(data.wanted.shares.shape[1])),
    )


@dataclass(frozen=True)
class IndexSets:
    """A fleet beside the names of its parts and the bounds that follow from its data."""

    data: ModelData
    names: Names

    @property
    def periods(self) -> tuple[str, ...]:
        """Names of the periods."""
        return self.data.horizon.names

    @cached_property
    def most(self) -> Ints:
        """(C, T) most replicas."""
        return variable_bounds.most_replicas(self.data)

    @cached_property
    def least(self) -> Ints:
        """(C, T) fewest replicas: where what runs is kept, all of it."""
        kept = self.data.first & self.data.kept
        return np.where(kept, self.data.choices.running[:, None], 0)

    @cached_property
    def most_extra(self) -> Ints:
        """(C, T) most replicas that are added when the workload rises."""
        free = replace(self.data, kept=False)
        return variable_bounds.most_replicas(free) if self.data.kept else self.most

    @cached_property
    def alike(self) -> Bools:
        """(W,) whether the requests of a workload are of one class."""
        return variable_bounds.alike(self.data)

    @cached_property
    def rate(self) -> Floats:
        """(C,) requests per second of a replica where requests are alike."""
        return variable_bounds.rate(self.data)

    @cached_property
    def own(self) -> Bools:
        """(C,) whether a replica has its own price."""
        return variable_bounds.has_own_price(self.data)

    @cached_property
    def stages(self) -> list[dict[str, list[int]]]:
        """Choices that serve each stage of each workload."""
        count = len(self.names.workloads)
        return [variable_bounds.stages_of(self.data, workload) for workload in range(count)]

    @cached_property
    def places(self) -> list[dict[str, dict[str, list[int]]]]:
        """Choices by place and stage, of workloads whose stages might be in several; else none."""
        place = self.data.pool_supply.places[self.data.choices.pool]
        found: list[dict[str, dict[str, list[int]]]] = []
        for stages in self.stages:
            rows = sorted({c for of_stage in stages.values() for c in of_stage})
            several = sorted(set(place[rows].tolist())) if len(stages) > 1 else []
            found.append(
                {
                    f"place{where}": {
                        stage: [c for c in of_stage if place[c] == where]
                        for stage, of_stage in stages.items()
                    }
                    for where in (several if len(several) > 1 else ())
                }
            )
        return found

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Every choice and period."""
        return [(c, t) for c in range(len(self.names.choices)) for t in range(len(self.periods))]

    @cached_property
    def kind(self) -> Ints:
        """(C,) first choice of the same deployment, on steady or spot accelerators."""
        _, first, place = np.unique(self.data.choices.offer, return_index=True, return_inverse=True)
        return np.asarray(first[place.ravel()], dtype=np.int64)

    @cached_property
    def layouts(self) -> list[list[int]]:
        """Choices of each layout."""
        found: dict[int, list[int]] = {}
        for c, layout in enumerate(self.data.by_layout.of.tolist()):
            found.setdefault(layout, []).append(c)
        return [found[layout] for layout in sorted(found)]

    def choice(self, c: Any, t: int) -> tuple[str, str]:
        """Index of a choice and period."""
        return self.names.choices[c], self.periods[t]

    def workload(self, w: Any, t: int) -> tuple[str, str]:
        """Index of a workload and period."""
        return self.names.workloads[w], self.periods[t]

    def busy(self) -> Iterator[tuple[int, int]]:
        """Every workload and period in which there is demand."""
        for w, t in np.argwhere(self.data.wanted.demand > 0):
            yield int(w), int(t)

    def paying(self, p: int, capacity_type: str) -> list[int]:
        """Choices whose replicas occupy what is bought in a capacity type of a pool."""
        choices = self.data.choices
        capacity_types = choices.spot == (capacity_type == "spot")
        return np.flatnonzero((choices.pool == p) & capacity_types & ~self.own).tolist()

    def covered(self) -> dict[tuple[str, str, str], tuple[int, int, list[int]]]:
        """Stages to cover where requests are alike: workload, period and choices."""
        return {
            (self.names.workloads[w], stage, self.periods[t]): (w, t, rows)
            for w, t in self.busy()
            if self.alike[w] and not self.places[w]
            for stage, rows in self.stages[w].items()
        }

    def served(self) -> dict[tuple[str, str, str], tuple[int, int, int]]:
        """Choices, classes and periods in which the choice can serve the class."""
        wanted, choices = self.data.wanted, self.data.choices
        return {
            (self.names.choices[c], self.names.classes[k], self.periods[t]): (c, int(k), t)
            for c, t in self.pairs
            if not self.alike[choices.workload[c]] and wanted.demand[choices.workload[c], t] > 0
            for k in np.flatnonzero(
                (choices.rates[c] > 0) & (wanted.shares[choices.workload[c]] > 0)
            )
        }

    def covered_classes(self) -> dict[tuple[str, str, str], tuple[int, int, int]]:
        """Classes to cover where requests differ: workload, class and period."""
        return {
            (self.names.workloads[w], self.names.classes[k], self.periods[t]): (w, int(k), t)
            for w, t in self.busy()
            if not self.alike[w]
            for k in np.flatnonzero(self.data.wanted.shares[w] > 0)
        }

    def demanded(self, c: int, k: int, t: int) -> float:
        """Requests per second of a class that a choice might have to serve."""
        w = self.data.choices.workload[c]
        return float(self.data.wanted.demand[w, t] * self.data.wanted.shares[w, k])


def total(terms: Iterable[tuple[float, Any]]) -> Any:
    """Sum of coefficients times variables; read by solvers several times faster than products."""
    found = list(terms)
    return LinearExpression(
        linear_coefs=[float(weight) for weight, _ in found],
        linear_vars=[variable for _, variable in found],
    )


def within(terms: Iterable[tuple[float, Any]], limit: float) -> Any:
    """A sum that is no more than a limit, in parts of it."""
    scale = 1.0 / limit if limit > 0 else 1.0
    return total((scale * weight, variable) for weight, variable in terms) <= scale * limit


def running(of: IndexSets, replicas: Any, rows: list[int], t: int, demand: float) -> Terms:
    """Parts of the demand that replicas serve.

    A rate above the demand counts as the demand: the same for whole replicas, and tighter.
    """
    for c in rows:
        yield min(of.rate[c] / demand, 1.0), replicas[of.choice(c, t)]


def refused(of: IndexSets, shed: Any, w: int, t: int, demand: float) -> Any:
    """The part of a demand that is refused; the variable is a part of what is asked for."""
    return float(of.data.wanted.demand[w, t] / demand), shed[of.workload(w, t)]


def serving(of: IndexSets, served: Any, at: tuple[int, int, int]) -> Terms:
    """Parts of a class's demand that the choices of its workload serve."""
    w, k, t = at
    for c in np.flatnonzero(of.data.choices.workload == w):
        index = (of.names.choices[c], of.names.classes[k], of.periods[t])
        if index in served:
            yield 1.0, served[index]


def loading(of: IndexSets, served: Any, c: int, t: int, factor: float = 1.0) -> Terms:
    """Replicas that are busy with what a choice serves of demands times a factor."""
    for k, name in enumerate(of.names.classes):
        index = (of.names.choices[c], name, of.periods[t])
        if index in served:
            load = of.demanded(c, k, t) * factor / float(of.data.choices.rates[c, k])
            yield max(load, LEAST_LOAD), served[index]
