"""Formulation F: many workloads over mixed, scarce, priced pools, every replica a decision."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.candidates.fleet.model_data import ModelData, SolveResult
from planner.formulations.fleet import (
    changes,
    costs,
    extract_solution,
    places,
    purchases,
    refusals,
    robust,
    variable_bounds,
)
from planner.formulations.fleet.index_sets import (
    IndexSets,
    Names,
    loading,
    numbered,
    refused,
    running,
    serving,
    total,
)
from planner.formulations.fleet.lagrangian_prices import lagrangian_prices
from planner.formulations.fleet.priorities import unrefused
from planner.formulations.fleet.ties import tie_breaks
from planner.problem.tolerances import PROVED, ROUNDING
from solvers import Outcome, Status, solve_in_turn

TIES_UP_TO = 150
"""Choices x periods up to which the optimum is proved without a gap and ties are broken."""
TIED = PROVED / 2
"""Relative excess of cost that breaking ties may use up: beside it, what rounding leaves in a cost
must fit into the distance that counts as proved."""


def build(data: ModelData, names: Names | None = None, *, grows: bool = False) -> pyo.ConcreteModel:
    """Formulate which replicas run where and when, and what is bought for them.

    Parameters
    ----------
    data : ModelData
        The fleet.
    names : Names, optional
        What its parts are called; numbered where left out.
    grows : bool
        Whether only a `part` of all demand, the same of each, need be served (F14).

    Returns
    -------
    ConcreteModel
        With `replicas[choice, period]` and the other decisions, all bounded, and the objective
        `best`. Amounts bought are in purchase increments: nodes where pools are bought by the node.

    Raises
    ------
    ValueError
        Where N+1 is wanted of a workload with several request classes.
    """
    of = IndexSets(data, names or numbered(data))
    if (data.wanted.survives & ~of.alike).any():
        raise ValueError("N+1 of workloads with several request classes is not formulated")
    m = pyo.ConcreteModel(name="fleet")
    if grows:
        m.part = pyo.Var(bounds=(0.0, 1.0), doc="(F14) the part of every demand that is served")
    else:
        m.part = 1.0
    _decisions(m, of)
    _coverage(m, of)
    _losses(m, of)
    _deployments(m, of)
    if data.limits.rising:
        robust.rises(m, of)
    places.places(m, of)
    purchases.purchases(m, of)
    purchases.starts(m, of)
    changes.changes(m, of)
    purchases.objective(m, of)
    purchases.limits(m, of)
    return m


def solve(
    data: ModelData,
    names: Names | None = None,
    *,
    solver: str = "highs",
    time_limit_seconds: float = 300.0,
    relative_gap: float = 0.0,
    multipliers: bool = False,
) -> SolveResult:
    """Find the cheapest plan of a fleet, with a proof.

    Ties of a fleet up to `TIES_UP_TO` are broken down to the labels (F13) where these are known, so
    that every release of a solver finds the same plan.

    Parameters
    ----------
    data : ModelData
        The fleet.
    names : Names, optional
        What the parts of the model are called; numbered where left out.
    solver : str
        `highs` or `scip`.
    time_limit_seconds, relative_gap : float
        When to stop: seconds, and (objective - bound) / objective.
    multipliers : bool
        Whether prices from the relaxation are wanted, too.

    Returns
    -------
    SolveResult
        With the decisions where there are any; dollars are recomputed from them.
    """
    m = build(data, names)
    of = IndexSets(data, names or numbered(data))
    started = time.perf_counter()
    unproved = None
    if unrefused(data) is not None:
        unproved = refusals.keep_priorities(
            m, of, solver=solver, time_limit_seconds=time_limit_seconds / 2
        )
        if unproved is not None and not unproved.has_solution:
            ended = str(unproved.status)
            return SolveResult(ended, None, math.nan, math.nan, unproved.seconds, unproved.solver)
    spent = time.perf_counter() - started
    small = len(of.pairs) <= TIES_UP_TO
    ties = tie_breaks(m, of) if data.described is not None and small else []
    outcome = solve_in_turn(
        m,
        [m.best, *ties],
        solver=solver,
        time_limit_seconds=time_limit_seconds - spent,
        relative_gap=0.0 if ties else relative_gap,
        tolerance=ROUNDING,
        tie=TIED,
        duals=multipliers,
    )
    status, seconds = _status(outcome, relative_gap), spent + outcome.seconds
    if status == "optimal" and unproved is not None:
        status = "time_limit"
    if not outcome.has_solution:
        return SolveResult(status, None, math.nan, math.nan, seconds, outcome.solver)
    decisions = extract_solution.decisions(data, m)
    dollars = costs.objective(data, decisions)
    bound = min(outcome.bound, dollars)
    prices = None if outcome.duals is None else lagrangian_prices(m, of, outcome.duals)
    return SolveResult(status, decisions, dollars, bound, seconds, outcome.solver, prices)


def _status(outcome: Outcome, relative_gap: float) -> str:
    """Whether the gap asked for is reached; a fleet solved without a gap may run out of time."""
    near = outcome.status is Status.FEASIBLE and outcome.gap <= relative_gap
    return str(Status.OPTIMAL if near else outcome.status)


def _decisions(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """Whole replicas, what is bought for them, and (F8) what may be refused."""
    m.CHOICES = pyo.Set(initialize=of.names.choices)
    m.POOLS = pyo.Set(initialize=of.names.pools)
    m.CLASSES = pyo.Set(initialize=of.names.classes)
    m.PERIODS = pyo.Set(initialize=of.periods)
    m.replicas = pyo.Var(
        m.CHOICES, m.PERIODS, domain=pyo.NonNegativeIntegers, doc="replicas of this deployment"
    )
    for (c, t), most in np.ndenumerate(of.most):
        m.replicas[of.choice(c, t)].bounds = (int(of.least[c, t]), int(most))
    purchases.amounts(m, of)
    most_refused = {of.workload(w, t): float(of.data.wanted.shed_at_most[w]) for w, t in of.busy()}
    m.shed = pyo.Var(
        list(most_refused),
        bounds=lambda _, *at: (0.0, most_refused[at]),
        doc="(F8) part of the demand that is refused, no more than allowed",
    )


def _coverage(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F1) Every request class is served, (F2) by replicas that can."""
    wanted = of.data.wanted
    stages, classes, served = of.covered(), of.covered_classes(), of.served()

    @m.Constraint(list(stages), doc="(F1) every stage of the requests is served or refused")
    def covered(m: Any, *at: Any) -> Any:
        w, t, rows = stages[at]
        demand = wanted.demand[w, t]
        by_all = running(of, m.replicas, rows, t, demand)
        return total([*by_all, refused(of, m.shed, w, t, demand)]) >= m.part

    m.served = pyo.Var(
        list(served),
        bounds=(0.0, 1.0),
        doc="part of this class that this deployment serves",
    )

    @m.Constraint(list(classes), doc="(F1) every request class is served or refused")
    def class_covered(m: Any, *at: Any) -> Any:
        w, k, t = classes[at]
        demand = wanted.demand[w, t]
        by_all = serving(of, m.served, (w, k, t))
        return total([*by_all, refused(of, m.shed, w, t, demand)]) >= m.part

    loaded = {of.choice(c, t): (c, t) for c, _, t in served.values()}

    @m.Constraint(list(loaded), doc="(F2) replicas serve no more than they can")
    def within_capacity(m: Any, *at: Any) -> Any:
        busy = loading(of, m.served, *loaded[at])
        return total([*busy, (-1.0, m.replicas[at])]) <= 0.0


def _losses(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F2) What is left serves all when one replica is lost; which deployments are used."""
    wanted, workload = of.data.wanted, of.data.choices.workload
    counted = wanted.survives | ~wanted.mixes
    used = {of.choice(c, t): (c, t) for c, t in of.pairs if counted[workload[c]]}
    m.used = pyo.Var(list(used), domain=pyo.Binary, doc="whether this deployment is used")

    @m.Constraint(list(used), doc="(F2) only what is used has replicas")
    def replicas_are_used(m: Any, *at: Any) -> Any:
        return total([(1.0, m.replicas[at]), (-float(of.most[used[at]]), m.used[at])]) <= 0.0

    losses = {
        (*at, of.names.choices[c]): (w, t, rows, c)
        for at, (w, t, rows) in of.covered().items()
        for c in rows
        if wanted.survives[w]
    }

    @m.Constraint(list(losses), doc="(F2) with one replica fewer of a used deployment, too")
    def survives_a_loss(m: Any, *at: Any) -> Any:
        w, t, rows, c = losses[at]
        demand = wanted.demand[w, t]
        lost = -min(of.rate[c] / demand, 1.0), m.used[of.choice(c, t)]
        left = [*running(of, m.replicas, rows, t, demand), lost, refused(of, m.shed, w, t, demand)]
        return total(left) >= m.part


def _deployments(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F10) Fewest and most replicas, and (F11) no more kinds of deployments than allowed."""
    wanted, choices = of.data.wanted, of.data.choices
    least = {
        (of.names.workloads[w], stage, of.periods[t]): (w, t, rows)
        for w in np.flatnonzero(wanted.least > 0)
        for stage, rows in of.stages[w].items()
        for t in range(len(of.periods))
    }

    @m.Constraint(list(least), doc="(F10) no fewer replicas for each stage than wanted")
    def fewest_replicas(m: Any, *at: Any) -> Any:
        w, t, rows = least[at]
        every = np.flatnonzero(choices.workload == w).tolist()
        able = ((float(c in rows), m.replicas[of.choice(c, t)]) for c in every)
        return total(able) >= float(wanted.least[w])

    most = {
        of.workload(w, t): (w, t)
        for w in np.flatnonzero(np.isfinite(wanted.most))
        for t in range(len(of.periods))
    }

    @m.Constraint(list(most), doc="(F10) no more replicas than allowed")
    def most_replicas(m: Any, *at: Any) -> Any:
        w, t = most[at]
        rows = np.flatnonzero(choices.workload == w)
        running = [(1.0, m.replicas[of.choice(c, t)]) for c in rows]
        return total(running) <= float(wanted.most[w]) if running else pyo.Constraint.Skip

    _kinds(m, of)


def _kinds(m: pyo.ConcreteModel, of: IndexSets) -> None:
    """(F11) No more kinds of deployments than allowed; one on steady and spot is one kind."""
    wanted, choices = of.data.wanted, of.data.choices
    limited = np.flatnonzero(~wanted.mixes[choices.workload])
    kinds = {int(c): np.flatnonzero(of.kind == of.kind[c]).tolist() for c in limited}
    both = {
        of.choice(c, t): of.choice(of.kind[c], t)
        for c, rows in kinds.items()
        for t in range(len(of.periods))
        if len(rows) > 1
    }
    m.kind_used = pyo.Var(
        list(dict.fromkeys(both.values())),
        domain=pyo.Binary,
        doc="whether this deployment is used, on steady or on spot accelerators",
    )

    @m.Constraint(list(both), doc="(F11) a deployment of which some replicas are used is used")
    def kind_is_used(m: Any, *at: Any) -> Any:
        return total([(1.0, m.kind_used[both[at]]), (-1.0, m.used[at])]) >= 0.0

    def used(m: Any, c: int, t: int) -> Any:
        return (m.used if len(kinds[c]) == 1 else m.kind_used)[of.choice(of.kind[c], t)]

    few = {
        (name, stage, period): (firsts, t, float(wanted.kinds[w]))
        for w, name in enumerate(of.names.workloads)
        for stage, rows in of.stages[w].items()
        if len(firsts := sorted({int(of.kind[c]) for c in rows})) > wanted.kinds[w]
        for t, period in enumerate(of.periods)
    }

    @m.Constraint(list(few), doc="(F11) few kinds of deployments serve each stage")
    def few_deployments(m: Any, *at: Any) -> Any:
        firsts, t, most = few[at]
        return total((1.0, used(m, c, t)) for c in firsts) <= most

    if not isinstance(m.part, float):
        return  # How many are needed depends on the part.
    needed = variable_bounds.fewest_alone(
        of.data, wanted.demand * (1 - wanted.shed_at_most[:, None])
    )
    needed += (needed > 0) & wanted.survives[choices.workload][:, None]
    single = {
        of.choice(c, t): (c, t, float(least))
        for c, rows in kinds.items()
        for t in range(len(of.periods))
        if c == of.kind[c] and wanted.kinds[choices.workload[c]] == 1
        if (least := needed[rows, t].min()) > 1
    }

    @m.Constraint(list(single), doc="(F11) valid: the one deployment needs whole replicas")
    def whole_replicas(m: Any, *at: Any) -> Any:
        c, t, least = single[at]
        running = [(1.0, m.replicas[of.choice(one, t)]) for one in kinds[c]]
        return total([*running, (-least, used(m, c, t))]) >= 0.0
