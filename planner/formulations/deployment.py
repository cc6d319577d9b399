"""Formulation D: one workload, one deployment, every choice a discrete decision with a name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr import LinearExpression

from planner.candidates.table import Candidates, available_gpus, draft_name, sort_key
from planner.problem.limits import LIMITS
from planner.problem.resolve import ResolvedInstance
from planner.terms import serving
from planner.terms.forward_pass import Floats

GIGA = 1e9
"""Memory enters the model in GB, which keeps its coefficients near 1."""
MILLI = 1e-3
"""Time enters the model in milliseconds, for the same reason."""


def build(resolved: ResolvedInstance, table: Candidates) -> pyo.ConcreteModel:
    """Formulate the choice among `table`'s deployments.

    Parameters
    ----------
    resolved : ResolvedInstance
        What is asked.
    table : Candidates
        The deployments to choose from; the model is exact for them whether or not requirements
        were applied before.

    Returns
    -------
    ConcreteModel
        With `decide[family, value]` and `replicas[candidate]` discrete, `choose[candidate]`
        determined by them, and the objectives of `objectives`.
    """
    m = pyo.ConcreteModel(name=resolved.instance.name)
    m.CANDIDATES = pyo.Set(initialize=[sort_key(resolved, table, row) for row in range(len(table))])
    _decisions(m, _choices(resolved, table))
    _time_terms(m, resolved, table)
    _replicas(m, resolved, table)
    _requirements(m, resolved, table)
    _objectives(m, resolved, table)
    return m


def objectives(m: pyo.ConcreteModel) -> list[pyo.Objective]:
    """Return the objective and what breaks its ties, in order."""
    return [m.best, m.fewest_gpus, m.fastest_request, m.first_label]


def chosen_row(m: pyo.ConcreteModel) -> tuple[int, int]:
    """Return the chosen row of the table and its number of replicas."""
    for row, name in enumerate(m.CANDIDATES):
        if pyo.value(m.choose[name]) > 0.5:
            running = pyo.value(m.running[name])
            return row, round(running)
    raise ValueError("the model holds no chosen deployment")


def _choices(resolved: ResolvedInstance, table: Candidates) -> Mapping[str, list[Any]]:
    """Value of every decision family for every candidate."""
    search = resolved.instance.search
    return {
        "pool": [resolved.pools[index].label for index in table.pool],
        "tensor_parallel": table.tensor_parallel.tolist(),
        "pipeline_parallel": table.pipeline_parallel.tolist(),
        "data_parallel": table.data_parallel.tolist(),
        "expert_parallel": table.expert_parallel.tolist(),
        "batch": table.batch.tolist(),
        "weight_precision": [search.weights[index] for index in table.weights],
        "kv_precision": [search.kv[index] for index in table.kv],
        "draft": [draft_name(resolved, int(index)) for index in table.draft],
        "gamma": table.gamma.tolist(),
    }


def _weighted(m: pyo.ConcreteModel, weights: Iterable[float], variable: Any = None) -> Any:
    """Sum weights over candidates, in the table's order."""
    over = m.choose if variable is None else variable
    terms = [over[name] for name in m.CANDIDATES]
    if isinstance(over, pyo.Var):  # Read by solvers several times faster than a sum of products.
        return LinearExpression(linear_coefs=[float(w) for w in weights], linear_vars=terms)
    return pyo.quicksum((float(w) * term for w, term in zip(weights, terms, strict=True)))


def _decisions(m: pyo.ConcreteModel, choices: Mapping[str, list[Any]]) -> None:
    members: dict[tuple[str, Any], list[str]] = {}
    for family, values in choices.items():
        for name, value in zip(m.CANDIDATES, values, strict=True):
            members.setdefault((family, value), []).append(name)
    m.FAMILIES = pyo.Set(initialize=list(choices))
    m.VALUES = pyo.Set(initialize=list(members), dimen=2)
    m.decide = pyo.Var(m.VALUES, domain=pyo.Binary, doc="this value is taken in this family")
    m.choose = pyo.Var(m.CANDIDATES, bounds=(0, 1), doc="this deployment is the one")

    @m.Constraint(m.FAMILIES, doc="(D1) one value per family")
    def one_value(m: Any, family: str) -> Any:
        return pyo.quicksum(m.decide[f, v] for f, v in m.VALUES if f == family) == 1

    @m.Constraint(m.VALUES, doc="(D2) the tuple of values is the deployment")
    def tuple_is_deployment(m: Any, family: str, value: Any) -> Any:
        chosen = pyo.quicksum(m.choose[name] for name in members[family, value])
        return chosen == m.decide[family, value]


def _time_terms(m: pyo.ConcreteModel, resolved: ResolvedInstance, table: Candidates) -> None:
    """(D3) The time terms of the chosen deployment, and (D4) the speed they must allow."""
    causes = {
        "arithmetic": table.arithmetic_seconds / table.tokens_per_round,
        "memory": table.memory_seconds / table.tokens_per_round,
        "network": table.network_seconds / table.tokens_per_round,
        "latency": table.latency_seconds / table.tokens_per_round,
        "step": table.step_seconds / table.tokens_per_round,
        "stall": table.stall_seconds,
    }

    @m.Expression(causes, doc="(D3) milliseconds per token of the chosen deployment, by cause")
    def milliseconds(m: Any, cause: str) -> Any:
        return _weighted(m, causes[cause] / MILLI)

    speed = resolved.instance.workload.tokens_per_second_per_request
    if speed is None:
        return
    allowed = 1.0 / speed / MILLI
    roofline = all(math.isinf(pool.rates.combine_power) for pool in resolved.pools)
    if roofline and not resolved.drafts:

        @m.Constraint(["arithmetic", "memory"], doc="(D4) fast enough under each ceiling")
        def fast_enough(m: Any, ceiling: str) -> Any:
            t = m.milliseconds
            return t["network"] + t["latency"] + t[ceiling] + t["stall"] <= allowed

        return

    @m.Constraint(doc="(D4) fast enough, where ceilings add up in part or over passes")
    def fast_enough_combined(m: Any) -> Any:
        return m.milliseconds["step"] + m.milliseconds["stall"] <= allowed


def _replicas(m: pyo.ConcreteModel, resolved: ResolvedInstance, table: Candidates) -> None:
    """(D6) Replicas that together meet the demand; one replica where there is none."""
    demand = resolved.instance.workload.tokens_per_second
    m.running = pyo.Expression(m.CANDIDATES, doc="replicas of this deployment")
    if demand is None:
        for name in m.CANDIDATES:
            m.running[name] = m.choose[name]
        return
    rate = table.replica_tokens_per_second
    needed = dict(zip(m.CANDIDATES, serving.replicas_for(demand, rate), strict=True))
    allowed = _most_replicas(resolved, table, np.asarray(list(needed.values())))
    most = dict(zip(m.CANDIDATES, allowed, strict=True))
    m.replicas = pyo.Var(
        m.CANDIDATES,
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, name: (0, most[name]),
        doc="copies of this deployment",
    )
    for name in m.CANDIDATES:
        m.running[name] = m.replicas[name]

    # A rate above the demand counts as the demand: the same for whole replicas, and tighter.
    parts = np.minimum(rate * (1.0 + 1e-9), demand) / demand

    @m.Constraint(doc="(D6) all replicas together are fast enough")
    def throughput(m: Any) -> Any:
        return _weighted(m, parts, m.replicas) >= 1.0

    @m.Constraint(m.CANDIDATES, doc="(D6) only the chosen deployment runs")
    def only_the_chosen_runs(m: Any, name: str) -> Any:
        return m.replicas[name] <= most[name] * m.choose[name]

    @m.Constraint(m.CANDIDATES, doc="(D6) valid: the chosen one needs whole replicas")
    def whole_replicas(m: Any, name: str) -> Any:
        return m.replicas[name] >= needed[name] * m.choose[name]


def _most_replicas(resolved: ResolvedInstance, table: Candidates, needed: Floats) -> Floats:
    """Most replicas the instance and the pool's accelerators allow; no more help than needed."""
    supply = np.floor(available_gpus(resolved, table) / table.gpus_per_replica)
    most = np.minimum(resolved.instance.workload.max_replicas or np.inf, supply)
    return np.where(np.isinf(most), needed, most)


def _requirements(m: pyo.ConcreteModel, resolved: ResolvedInstance, table: Candidates) -> None:
    """(D5) Memory, and (D7) whatever else the instance requires."""

    @m.Constraint(doc="(D5) the fullest accelerator holds what must lie in it")
    def memory_capacity(m: Any) -> Any:
        spare = table.usable_bytes_per_gpu - table.memory_bytes_per_gpu
        return _weighted(m, spare / GIGA) >= 0.0

    @m.Constraint(doc="(D7) the pool has the accelerators")
    def gpu_supply(m: Any) -> Any:
        limited = np.isfinite(available_gpus(resolved, table))
        if not limited.any():
            return pyo.Constraint.Skip
        supply = np.where(limited, available_gpus(resolved, table), 0)
        used = _weighted(m, np.where(limited, table.gpus_per_replica, 0), m.running)
        return used <= _weighted(m, supply)

    ceilings = {
        one.column.removesuffix("_seconds"): (one.stated(resolved.instance), one.column)
        for one in LIMITS
        if one.at_most and one.group in ("latency", "budget")
    }
    asked = [name for name, (limit, _) in ceilings.items() if limit is not None]

    @m.Constraint(asked, doc="(D7) no more than the ceiling")
    def at_most(m: Any, name: str) -> Any:
        limit, column = ceilings[name]
        if column == "dollars_per_hour":
            attained = _weighted(m, table.dollars_per_hour(np.ones(len(table))), m.running)
        else:
            attained = _weighted(m, getattr(table, column))
        return attained <= limit


def _objectives(m: pyo.ConcreteModel, resolved: ResolvedInstance, table: Candidates) -> None:
    """(D8) The objective, then fewer accelerators, then faster requests, then the label."""
    per_replica = table.dollars_per_hour(np.ones(len(table)))
    speed = _weighted(m, table.tokens_per_second_per_request)
    aims = {
        "dollars_per_hour": lambda: _weighted(m, per_replica, m.running),
        "dollars_per_million_tokens": lambda: _weighted(m, table.dollars_per_million_tokens),
        "tokens_per_second_per_request": lambda: speed,
    }
    aim = resolved.instance.aim
    sense = pyo.maximize if aim == "tokens_per_second_per_request" else pyo.minimize
    m.best = pyo.Objective(expr=aims[aim](), sense=sense, doc=f"(D8) {aim}")
    gpus = _weighted(m, table.gpus_per_replica, m.running)
    m.fewest_gpus = pyo.Objective(expr=gpus, doc="(D9) ties: fewer accelerators")
    m.fastest_request = pyo.Objective(
        expr=speed, sense=pyo.maximize, doc="(D9) ties: faster requests"
    )
    ranks = np.argsort(np.argsort(list(m.CANDIDATES)))
    m.first_label = pyo.Objective(expr=_weighted(m, ranks), doc="(D9) ties: the label")
