"""Tabulating a fleet: the planner's own deployments for workloads without candidate files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from planner import catalogue
from planner.candidates.described import described
from planner.candidates.fleet.feasibility import round_trips
from planner.candidates.requirements import fits_memory
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates, label_of
from planner.catalogue.own_files import is_own_file
from planner.errors import InputError, Problem
from planner.problem.fleet import Fleet, FleetWorkload
from planner.problem.instance import Instance, Pool
from planner.problem.label import layout_of
from planner.problem.offers import Deployment, Floats, Ints, Offers
from planner.problem.resolve import ResolvedInstance, resolve
from planner.problem.tolerances import ROUNDING
from planner.problem.workload_question import workload_question

Key = tuple[float, float, float]
"""Most seconds per token, most seconds to the first token, and the round trip in the latter."""


@dataclass(frozen=True, slots=True)
class PoolShortlist:
    """Deployments of one accelerator for workloads of the same physics, those that fit."""

    resolved: ResolvedInstance
    table: Candidates
    tpot: Floats
    ttft: Floats
    rate: Floats
    """Requests per second."""
    picked: dict[Key, Ints]
    """Rows worth having, by limits."""
    described: dict[int, Deployment]
    """What is known of rows that are on offer."""


def tabulated(
    fleet: Fleet,
    which: Sequence[int],
    progress: Callable[[int], None] | None = None,
    shortlists: ShortlistCache | None = None,
) -> Offers:
    """Tabulate deployments for some workloads of a fleet.

    Of every number of accelerators the deployment stays that serves most requests within the
    limits on speed and on the first token, unless fewer accelerators serve as many. Where none is
    within the limits, the fastest and the soonest stay, so that it can be said how near they come.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    which : sequence of int
        Workloads to tabulate for, ascending.
    progress : callable, optional
        Told how many deployments were evaluated so far.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances.

    Returns
    -------
    Offers
        Sorted by workload, pool and accelerators of a replica.

    Raises
    ------
    InputError
        With every problem of the workloads and pools.
    """
    by_workload = _pool_shortlists(fleet, which, progress, shortlists or ShortlistCache())
    user_of, trips = round_trips(fleet)
    running = _running(fleet)
    parts: list[_Part] = []
    for w in which:
        workload = fleet.workloads[w]
        for p, shortlist in by_workload[w]:
            trip = float(np.nan_to_num(trips[user_of[w], p]))
            rows = _worth_having(shortlist, _limits(workload, trip), fleet)
            if (w, p) in running:
                within = _within(shortlist, _limits(workload, trip), fleet)
                rows = _with_running(shortlist, rows, running[w, p], within)
            parts.append(_Part(w, p, shortlist, rows))
    return _offers(fleet, parts)


@dataclass(frozen=True, slots=True)
class _Part:
    """Offers of one workload in one pool."""

    workload: int
    pool: int
    shortlist: PoolShortlist
    rows: Ints


def _pool_shortlists(
    fleet: Fleet,
    which: Sequence[int],
    progress: Callable[[int], None] | None,
    shortlists: ShortlistCache,
) -> dict[int, list[tuple[int, PoolShortlist]]]:
    """Return, for every workload, the pools it may use and what there is on their accelerators."""
    made: dict[str, list[tuple[int, PoolShortlist]]] = {}
    evaluated = 0
    for key, (pools, resolved) in _asked(fleet, which).items():
        made[key] = []
        for at, mine in enumerate(pools.values()):
            told = None if progress is None else partial(_tell, progress, evaluated)
            short = shortlists.shortlist(resolved, at, told)
            evaluated += short.evaluated
            shortlist = _pool_shortlist(resolved, short.in_pool(resolved, at))
            made[key] += [(pool, shortlist) for pool in mine]
        made[key].sort(key=lambda placed: placed[0])
    return {w: made[_physics(fleet.workloads[w])] for w in which}


def _tell(progress: Callable[[int], None], before: int, done: int) -> None:
    progress(before + done)


Pools = dict[str, list[int]]
"""Pools by the accelerator that they have."""


def _asked(fleet: Fleet, which: Sequence[int]) -> dict[str, tuple[Pools, ResolvedInstance]]:
    """Return, by physics of workloads, the pools that may serve them and the resolved instance."""
    problems: list[Problem] = []
    every = _pools(fleet, problems)
    found: dict[str, tuple[Pools, ResolvedInstance]] = {}
    tried: set[str] = set()
    for w in which:
        workload = fleet.workloads[w]
        unfit = list(_unfit(workload, w))
        problems += unfit
        key = _physics(workload)
        if unfit or not every or key in tried:
            continue
        tried.add(key)
        try:
            pools = _launching(every, workload.engine)
            found[key] = pools, resolve(_instance(fleet, workload, pools))
        except InputError as error:
            first = [mine[0] for mine in every.values()]
            problems += [_in_fleet(problem, w, first) for problem in error.problems]
    if problems:
        raise InputError(dict.fromkeys(problems))
    return found


def _pools(fleet: Fleet, problems: list[Problem]) -> Pools:
    """Return the pools of every accelerator."""
    found: Pools = {}
    for at, pool in enumerate(fleet.pools):
        if pool.accelerator is None:
            continue
        try:
            record = catalogue.accelerator(pool.accelerator)
        except InputError as error:
            field = f"pools[{at}].accelerator"
            problems += [replace(problem, field=field) for problem in error.problems]
            continue
        own = is_own_file(pool.accelerator)
        found.setdefault(pool.accelerator if own else record.name, []).append(at)
    if not found and not problems:
        problems.append(_NO_POOL)
    return found


def _launching(pools: Pools, engine: str | None) -> Pools:
    """Return the pools with accelerators on which an engine runs."""
    if engine is None:
        return pools
    try:
        vendors = catalogue.engine(engine).vendors
    except InputError as error:
        raise InputError(replace(one, field="engine") for one in error.problems) from None
    found = {
        name: at for name, at in pools.items() if catalogue.accelerator(name).vendor in vendors
    }
    if not found:
        raise InputError(replace(_NO_POOL, field="engine"))
    return found


_NO_POOL = Problem(
    field="pools",
    found="no pool with an accelerator on which the engine runs",
    expected="one at least, since workloads without candidate files are tabulated",
    fix="Give pools an `accelerator` of the catalogue, or workloads `deployments`.",
)


def _unfit(workload: FleetWorkload, w: int) -> Iterator[Problem]:
    """Object to workloads for which nothing can be tabulated."""
    if workload.transformer is None:
        yield Problem(
            field=f"workloads[{w}].transformer",
            found="nothing, nor `deployments`",
            expected="what is served",
            fix="Name a transformer of the catalogue, or a file of `deployments`.",
        )
    if workload.classes:
        yield Problem(
            field=f"workloads[{w}].classes",
            found="classes without `deployments`",
            expected="files of deployments that state a rate for every class",
            fix="Name files with the column `request_class`, or leave `classes` out.",
        )


def _physics(workload: FleetWorkload) -> str:
    """Name what the numbers of a workload's deployments rest on."""
    content = (
        workload.transformer,
        workload.input_tokens,
        workload.output_tokens,
        workload.drafts,
        workload.quality,
        workload.search,
        workload.expert_imbalance,
        workload.redundant_experts,
        workload.roles,
        workload.engine,
        workload.usable_memory_fraction,
        workload.collectives,
        workload.tokens_per_second_per_request is None,
        workload.time_to_first_token_seconds is None,
    )
    return repr(content)


def _instance(fleet: Fleet, workload: FleetWorkload, pools: Iterable[str]) -> Instance:
    """Return the question of one workload on one accelerator of each kind."""
    # Prices are the fleet's own: any number will do here, and none is looked up.
    named = (Pool(accelerator=name, dollars_per_gpu_hour=1.0) for name in pools)
    return workload_question(fleet, workload, named)


def _in_fleet(problem: Problem, w: int, pools: Sequence[int]) -> Problem:
    """Return a problem of an instance with its field as the fleet has it."""
    part, dot, rest = problem.field.partition(".")
    if part.startswith("pools["):
        part = f"pools[{pools[int(part[6:-1])]}]"
    elif part == "workload":
        part = f"workloads[{w}]"
    elif part != "profile":
        part = f"workloads[{w}].{part}"
    return replace(problem, field=f"{part}{dot}{rest}")


def _pool_shortlist(resolved: ResolvedInstance, table: Candidates) -> PoolShortlist:
    table = table.take(fits_memory(table))
    rate = table.replica_tokens_per_second / resolved.instance.workload.output_tokens
    return PoolShortlist(
        resolved, table, table.tpot_seconds, table.time_to_first_token_seconds, rate, {}, {}
    )


def _limits(workload: FleetWorkload, trip: float) -> Key:
    speed, first = workload.tokens_per_second_per_request, workload.time_to_first_token_seconds
    return (np.inf if speed is None else 1.0 / speed), (np.inf if first is None else first), trip


def _worth_having(shortlist: PoolShortlist, limits: Key, fleet: Fleet) -> Ints:
    """Return the best deployment of every number of accelerators, or those that come nearest."""
    if limits not in shortlist.picked:
        within = _within(shortlist, limits, fleet)
        if not len(shortlist.table):
            shortlist.picked[limits] = np.zeros(0, dtype=np.int64)
        elif not within.any():
            nearest = {int(np.argmin(shortlist.tpot)), int(np.argmin(shortlist.ttft))}
            shortlist.picked[limits] = np.asarray(sorted(nearest), dtype=np.int64)
        else:
            shortlist.picked[limits] = _best(shortlist, np.flatnonzero(within))
    return shortlist.picked[limits]


def _within(shortlist: PoolShortlist, limits: Key, fleet: Fleet) -> NDArray[np.bool_]:
    tpot, ttft, trip = limits
    first = shortlist.ttft * fleet.prediction.time_to_first_token + trip
    return (shortlist.tpot <= tpot * (1 + ROUNDING)) & (first <= ttft * (1 + ROUNDING))


def _best(shortlist: PoolShortlist, rows: Ints) -> Ints:
    """Return the rows that serve more than any with as many accelerators or fewer."""
    gpus = shortlist.table.gpus_per_replica
    order = rows[np.lexsort((shortlist.tpot[rows], -shortlist.rate[rows], gpus[rows]))]
    before = np.concatenate(([-np.inf], np.maximum.accumulate(shortlist.rate[order])[:-1]))
    return order[shortlist.rate[order] > before]


def _running(fleet: Fleet) -> dict[tuple[int, int], set[str]]:
    """Return the labels that run, by workload and pool."""
    workloads = {workload.name: at for at, workload in enumerate(fleet.workloads)}
    pools = {pool.name: at for at, pool in enumerate(fleet.pools)}
    found: dict[tuple[int, int], set[str]] = {}
    for entry in fleet.running or ():
        place = workloads.get(entry.workload, -1), pools.get(entry.pool, -1)
        found.setdefault(place, set()).add(entry.label)
    return found


def _with_running(
    shortlist: PoolShortlist, rows: Ints, labels: set[str], within: NDArray[np.bool_]
) -> Ints:
    """Return the rows, those that run already, and the best batches of the same layouts."""
    layouts: dict[str, list[int]] = {layout_of(label): [] for label in labels}
    more = []
    for at in range(len(shortlist.table)):
        label = _label(shortlist, at)
        if label in labels:
            more.append(at)
        if within[at] and (layout := layout_of(label)) in layouts:
            layouts[layout].append(at)
    more += [max(same, key=lambda at: shortlist.rate[at]) for same in layouts.values() if same]
    found: Ints = np.unique(np.concatenate([rows, np.asarray(more, dtype=np.int64)]))
    return found[np.argsort(shortlist.table.gpus_per_replica[found], kind="stable")]


def _label(shortlist: PoolShortlist, row: int) -> str:
    return label_of(shortlist.resolved, shortlist.table, row, pool=False)


def _offers(fleet: Fleet, parts: Sequence[_Part]) -> Offers:
    """Put the offers of all workloads and pools together."""

    def column(values: Callable[[_Part], Floats]) -> Floats:
        return np.concatenate([np.zeros(0), *map(values, parts)])

    def gpus(part: _Part) -> Floats:
        return part.shortlist.table.gpus_per_replica[part.rows].astype(np.float64)

    sizes = np.asarray([len(part.rows) for part in parts], dtype=np.int64)
    total = int(sizes.sum())
    classes = max(len(one.classes) or 1 for one in fleet.workloads)
    rates = np.zeros((total, classes))
    rates[:, 0] = column(lambda part: part.shortlist.rate[part.rows])
    return Offers(
        workload=np.repeat(np.asarray([part.workload for part in parts], dtype=np.int64), sizes),
        pool=np.repeat(np.asarray([part.pool for part in parts], dtype=np.int64), sizes),
        label=tuple(_label(part.shortlist, int(row)) for part in parts for row in part.rows),
        gpus=column(gpus).astype(np.int64),
        role=np.zeros(total, dtype=np.int64),
        rates=rates,
        tpot_seconds=column(lambda part: part.shortlist.tpot[part.rows]),
        ttft_seconds=column(lambda part: part.shortlist.ttft[part.rows]),
        dollars_per_hour=np.full(total, np.nan),
        quality=column(_quality),
        deployment=tuple(one for part in parts for one in _described(part)),
    )


def _described(part: _Part) -> Iterator[Deployment]:
    """Yield what is known of the deployments of a part; equal ones are one object."""
    shortlist = part.shortlist
    for row in part.rows.tolist():
        if row not in shortlist.described:
            shortlist.described[row] = described(shortlist.resolved, shortlist.table, row)
        yield shortlist.described[row]


def _quality(part: _Part) -> Floats:
    """Return the quality of deployments by the workload's own table; NaN without one."""
    instance, table = part.shortlist.resolved.instance, part.shortlist.table
    if instance.quality is None:
        return np.full(len(part.rows), np.nan)
    weights, kv = instance.search.weights, instance.search.kv
    of = [[instance.quality.of(weight, cache) for cache in kv] for weight in weights]
    found: Floats = np.asarray(of)[table.weights[part.rows], table.kv[part.rows]]
    return found
