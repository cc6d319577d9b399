"""llm-inferno's JSON files into a fleet and its offers, by that tool's own performance model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from planner.errors import InputError, Problem, did_you_mean
from planner.io.document import Location
from planner.io.llm_inferno.json_files import (
    Accelerator,
    Model,
    Server,
    System,
    Target,
    Text,
    read_documents,
)
from planner.io.llm_inferno.queue_model import Replicas, busiest
from planner.problem.fleet import ANY, Fleet, FleetPool, FleetWorkload, OnDemand, Running
from planner.problem.instance import LARGEST_BATCH
from planner.problem.offers import Floats, Offers

CENTS, MILLISECONDS, SECONDS_PER_MINUTE = 100, 1000, 60


def read_inferno(folder: str | Path) -> tuple[Fleet, Offers]:
    """Read llm-inferno's files.

    Types of accelerators become pools, servers become workloads, and every model that runs on an
    accelerator becomes an offer for each of its servers, with the rate that tool would give one
    replica (`planner.io.llm_inferno.queue_model`).

    Parameters
    ----------
    folder : str or Path
        Holds `accelerator-data.json`, `model-data.json`, `serviceclass-data.json`,
        `server-data.json`, `capacity-data.json` and perhaps `optimizer-data.json`; or
        `system-data.json` with all of them.

    Returns
    -------
    tuple of Fleet and Offers
        In dollars, seconds and requests per second.

    Raises
    ------
    InputError
        With every problem found, each with file, line and field.
    """
    folder = Path(folder)
    text = Text(read_documents(folder))
    try:
        system = System.model_validate(text.value)
    except ValidationError as error:
        raise InputError(text.schema_problems(error)) from None
    if problems := [text.placed(problem, spot) for problem, spot in _contradictions(system)]:
        raise InputError(problems)
    try:
        return _fleet(system, folder.resolve().name or "inferno"), _offers(system)
    except ValidationError as error:
        found = f"numbers that make {'.'.join(map(str, error.errors()[0]['loc']))} too large"
        fix = "Check loads, costs and targets."
        raise InputError(Problem("numbers of this world", found, "", fix, str(folder))) from None


def _contradictions(system: System) -> Iterator[tuple[Problem, Location]]:
    """Yield names that are not there, and names that are there twice."""
    yield from _doubled(system)
    known = [unit.name for unit in system.accelerators.accelerators]
    for at, model in enumerate(system.models.models):
        if model.acc not in known:
            yield _unknown(model.acc, "an accelerator", known), ("modelData", "models", at, "acc")
    classes = {entry.name: entry for entry in system.classes.classes}
    for at, server in enumerate(system.servers.servers):
        here: Location = ("serverData", "servers", at)
        found = classes.get(server.service_class)
        if found is None:
            problem = _unknown(server.service_class, "a service class", list(classes))
            yield problem, (*here, "class")
            continue
        models = [target.model for target in found.targets]
        if server.model not in models:
            expected = f"a model with targets in the class {found.name}"
            yield _unknown(server.model, expected, models), (*here, "model")
    yield from _large(system)


def _large(system: System) -> Iterator[tuple[Problem, Location]]:
    """Yield models whose batch is larger than any machine's."""
    told = set()
    for row in _rows(system):
        if row.batch > LARGEST_BATCH and row.entry not in told:
            told.add(row.entry)
            found = f"a batch of {row.batch:,} requests for {row.server.name}"
            fix = "It is maxBatchSize x atTokens / avgOutTokens, or the server's maxBatchSize."
            problem = Problem(f"at most {LARGEST_BATCH:,}", found, fix=fix)
            yield problem, ("modelData", "models", row.entry, "maxBatchSize")


def _doubled(system: System) -> Iterator[tuple[Problem, Location]]:
    """Yield names that several entries have."""
    lists: dict[Location, list[Any]] = {
        ("acceleratorData", "accelerators"): [a.name for a in system.accelerators.accelerators],
        ("modelData", "models"): [f"{m.name} on {m.acc}" for m in system.models.models],
        ("serviceClassData", "serviceClasses"): [c.name for c in system.classes.classes],
        ("serverData", "servers"): [server.name for server in system.servers.servers],
        ("capacityData", "count"): [unit.type for unit in system.capacity.count],
    }
    for location, names in lists.items():
        seen: Counter[str] = Counter()
        for at, name in enumerate(names):
            seen[name] += 1
            if seen[name] == 2:
                problem = Problem("every name once", f"{name} a second time", fix="Remove one.")
                yield problem, (*location, at)


@dataclass(frozen=True, slots=True)
class _Row:
    """A model on an accelerator, for one of the servers it may serve."""

    number: int
    """Index of the server."""
    server: Server
    entry: int
    """Index of the model."""
    model: Model

    @property
    def batch(self) -> int:
        """Most requests at once: the server's own number, or what fits at its answers' length."""
        tokens = self.model.max_batch_size * self.model.at_tokens
        fitting = tokens // self.server.allocation.load.output_tokens
        return self.server.max_batch_size or max(1, fitting)


def _unknown(name: str, expected: str, known: list[str]) -> Problem:
    fix = did_you_mean(name, known) or f"There are {', '.join(known)}."
    return Problem(expected, f"'{name}'", fix=fix)


def _fleet(system: System, name: str) -> Fleet:
    return Fleet(
        name=name,
        workloads=tuple(_workload(system, server) for server in system.servers.servers),
        pools=tuple(_pools(system).values()),
        running=_running(system) or None,
    )


def _pools(system: System) -> dict[str, FleetPool]:
    """Return a pool for each type, priced by the accelerator that has fewest units of it."""
    smallest: dict[str, Accelerator] = {}
    for unit in system.accelerators.accelerators:
        known = smallest.setdefault(unit.type, unit)
        if unit.multiplicity < known.multiplicity:
            smallest[unit.type] = unit
    counts = {units.type: units.count for units in system.capacity.count}
    unlimited = system.optimizer.optimizer.unlimited
    return {
        kind: FleetPool(
            name=kind,
            gpus=None if unlimited else counts.get(kind, 0),
            on_demand=OnDemand(dollars_per_gpu_hour=(unit.cost / unit.multiplicity / CENTS,)),
            watts_per_gpu=unit.power.full / unit.multiplicity,
        )
        for kind, unit in smallest.items()
    }


def _target(system: System, server: Server) -> tuple[int, Target]:
    """Return priority and targets of a server."""
    found = next(c for c in system.classes.classes if c.name == server.service_class)
    return found.priority, next(t for t in found.targets if t.model == server.model)


def _workload(system: System, server: Server) -> FleetWorkload:
    priority, target = _target(system, server)
    load = server.allocation.load
    # A throughput that is a target takes the place of the arrivals.
    rate = target.tps / load.output_tokens or load.arrival_rate / SECONDS_PER_MINUTE
    return FleetWorkload(
        name=server.name,
        input_tokens=max(load.input_tokens, 1),
        output_tokens=load.output_tokens,
        requests_per_second=(rate,),
        tokens_per_second_per_request=MILLISECONDS / target.itl if target.itl else None,
        time_to_first_token_seconds=target.ttft / MILLISECONDS if target.ttft else None,
        priority=priority,
        min_replicas=server.min_replicas,
        max_deployments=ANY if system.optimizer.optimizer.heterogeneous else 1,
    )


def _running(system: System) -> tuple[Running, ...]:
    kinds = {unit.name: unit.type for unit in system.accelerators.accelerators}
    return tuple(
        Running(
            workload=server.name,
            pool=kinds[server.allocation.accelerator],
            label=server.allocation.accelerator,
            replicas=server.allocation.replicas,
        )
        for server in system.servers.servers
        if server.allocation.replicas and server.allocation.accelerator in kinds
    )


def _rows(system: System) -> Iterator[_Row]:
    """Yield every model of the files for each server that it may serve, by server."""
    units = {unit.name for unit in system.accelerators.accelerators}
    by_model: dict[str, list[int]] = {}
    for at, model in enumerate(system.models.models):
        by_model.setdefault(model.name, []).append(at)
    for number, server in enumerate(system.servers.servers):
        bound = server.keep and server.allocation.accelerator in units
        for at in by_model.get(server.model, []):
            model = system.models.models[at]
            if not bound or model.acc == server.allocation.accelerator:
                yield _Row(number, server, at, model)


def _offers(system: System) -> Offers:
    """Return what each server can run on, at the highest rate that its targets allow."""
    rows = list(_rows(system))
    loads = busiest(_replicas(rows, [_target(system, row.server)[1] for row in rows]))
    kept = np.flatnonzero(loads.rate > 0)
    models = [rows[at].model for at in kept]
    units = {unit.name: unit for unit in system.accelerators.accelerators}
    used = [units[model.acc] for model in models]
    places = {kind: at for at, kind in enumerate(_pools(system))}
    gpus = [m.acc_count * unit.multiplicity for m, unit in zip(models, used, strict=True)]
    return Offers(
        workload=np.asarray([rows[at].number for at in kept], dtype=np.int64),
        pool=np.asarray([places[unit.type] for unit in used], dtype=np.int64),
        label=tuple(unit.name for unit in used),
        gpus=np.asarray(gpus, dtype=np.int64),
        role=np.zeros(len(kept), dtype=np.int64),
        rates=loads.rate[kept, None] * MILLISECONDS,
        tpot_seconds=loads.tpot[kept] / MILLISECONDS,
        ttft_seconds=loads.ttft[kept] / MILLISECONDS,
        dollars_per_hour=_own_prices(system, models, used),
        quality=np.full(len(kept), np.nan),
    )


def _own_prices(system: System, models: Sequence[Model], used: Sequence[Accelerator]) -> Floats:
    """Return prices of replicas; NaN where units cost what those of the pool do."""
    pools = _pools(system)
    found = []
    for model, unit in zip(models, used, strict=True):
        dollars = model.acc_count * unit.cost / CENTS
        paid = pools[unit.type].on_demand
        common = paid.dollars_per_gpu_hour[0] * model.acc_count * unit.multiplicity if paid else 0.0
        found.append(math.nan if math.isclose(dollars, common) else dollars)
    return np.asarray(found, dtype=np.float64)


def _replicas(rows: Sequence[_Row], targets: Sequence[Target]) -> Replicas:
    """Return the replicas of servers, models and targets."""
    loads = [row.server.allocation.load for row in rows]
    parameters = [row.model.parameters for row in rows]
    return Replicas(
        alpha=_floats(entry.alpha for entry in parameters),
        beta=_floats(entry.beta for entry in parameters),
        gamma=_floats(entry.gamma for entry in parameters),
        batch=np.asarray([row.batch for row in rows], dtype=np.int64),
        input_tokens=_floats(load.input_tokens for load in loads),
        output_tokens=_floats(load.output_tokens for load in loads),
        tpot=_floats(target.itl or math.inf for target in targets),
        ttft=_floats(target.ttft or math.inf for target in targets),
        throughput=np.asarray([target.tps > 0 for target in targets], dtype=bool),
    )


def _floats(values: Iterable[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)
