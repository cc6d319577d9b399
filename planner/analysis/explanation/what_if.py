"""Suppositions: what the plan would be if something were otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planner.api import solve_resolved
from planner.candidates.requirements import objective_values
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates, label_of
from planner.io.overrides import changed
from planner.plans.plan import Plan
from planner.problem.instance import Instance
from planner.problem.resolve import ResolvedInstance, resolve


@dataclass(frozen=True, slots=True)
class Choice:
    """One deployment, how many replicas of it run, and what they take."""

    deployment: str
    """Its label; pool, degrees, precisions, draft and batch."""
    pool: str
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    expert_parallel: int
    batch: int
    weight_precision: str
    replicas: int
    gpus: int
    objective: float
    dollars_per_hour: float
    dollars_per_million_tokens: float
    tokens_per_second_per_request: float

    @property
    def label(self) -> str:
        """The label of the deployment, as plans have it."""
        return self.deployment


def choice(resolved: ResolvedInstance, table: Candidates, row: int) -> Choice:
    """Return one row of a table as a choice.

    Parameters
    ----------
    resolved : ResolvedInstance
        What is asked; it says how many replicas are needed.
    table : Candidates
        Its deployments.
    row : int
        Which of them.
    """
    one = table.take(np.asarray([row]))
    needed = one.replicas_needed(resolved.instance.workload)
    return Choice(
        label_of(resolved, table, row),
        resolved.pools[one.pool[0]].label,
        int(one.tensor_parallel[0]),
        int(one.pipeline_parallel[0]),
        int(one.data_parallel[0]),
        int(one.expert_parallel[0]),
        int(one.batch[0]),
        resolved.instance.search.weights[one.weights[0]],
        int(needed[0]),
        int(needed[0]) * int(one.gpus_per_replica[0]),
        shown(resolved, float(objective_values(resolved, one)[0])),
        float(one.dollars_per_hour(needed)[0]),
        float(one.dollars_per_million_tokens[0]),
        float(one.tokens_per_second_per_request[0]),
    )


def shown(resolved: ResolvedInstance, score: float) -> float:
    """Return a score, which is minimised, as the objective it stands for."""
    return -score if resolved.instance.aim == "tokens_per_second_per_request" else score


DECISIONS = (
    "pool",
    "tensor_parallel",
    "pipeline_parallel",
    "data_parallel",
    "expert_parallel",
    "batch",
    "weight_precision",
    "kv_precision",
    "draft",
    "gamma",
    "replicas",
)
"""Columns in which two plans differ where they are not the same plan."""
RUNNING = frozenset({"batch", "replicas"})
"""Decisions that change without another layout."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would be chosen under other circumstances."""

    objective: float | None
    """Its objective; None where nothing meets every requirement."""
    differs_in: tuple[str, ...]
    """Decisions that are others than the plan's; none where it is the same plan, or impossible."""
    plan: Plan | None
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the instance and their values, as `planner.io.overrides.changed` takes them; empty
    where no field says what is supposed."""

    @property
    def possible(self) -> bool:
        """Whether anything meets every requirement."""
        return self.objective is not None

    @property
    def moves(self) -> bool:
        """Whether more than batch and replicas would have to change."""
        return bool(set(self.differs_in) - RUNNING)


def evaluate_what_if(
    instance: Instance, changes: Mapping[str, Any], plan: Plan, shortlists: ShortlistCache
) -> WhatIf:
    """Answer an instance with some fields changed.

    Parameters
    ----------
    instance : Instance
        What was asked.
    changes : mapping of str to any
        As for `planner.io.overrides.changed`.
    plan : Plan
        Its answer, to compare with.
    shortlists : ShortlistCache
        Shortlists of deployments.

    Raises
    ------
    InputError
        Where a field cannot be changed so.
    """
    return answered(resolve(changed(instance, changes)), plan, shortlists, changes)


def answered(
    resolved: ResolvedInstance,
    plan: Plan,
    shortlists: ShortlistCache | None = None,
    changes: Mapping[str, Any] | None = None,
) -> WhatIf:
    """Plan an instance that has something changed.

    Parameters
    ----------
    resolved : ResolvedInstance
        What is supposed.
    plan : Plan
        The answer to compare with.
    shortlists : ShortlistCache, optional
        Shortlists of deployments.
    changes : mapping of str to any, optional
        What is changed of the instance.
    """
    found = solve_resolved(resolved, shortlists)
    if found is None or not found.found:
        return WhatIf(None, (), None, dict(changes or {}))
    differs = tuple(name for name in DECISIONS if getattr(found, name) != getattr(plan, name))
    return WhatIf(found.objective, differs, found, dict(changes or {}))
