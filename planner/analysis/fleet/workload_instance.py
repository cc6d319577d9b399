"""One workload of a fleet as an instance of its own, on the fleet's pools at their prices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from planner import catalogue
from planner.candidates.fleet.demand import horizon
from planner.candidates.fleet.feasibility import round_trips
from planner.candidates.fleet.supply import mean_price
from planner.errors import InputError, Problem, hint
from planner.problem.fleet import Fleet, FleetPool, FleetWorkload, Reserved
from planner.problem.instance import Instance, Pool
from planner.problem.workload_question import workload_question


def workload_instance(fleet: Fleet, which: int) -> Instance:
    """Return what one workload asks of a busy replica.

    Demand, guarantees and ways of paying stay with the fleet. A pool has its on-demand price, in
    the mean of the horizon, else its reserved, else its spot price; what is paid for already has
    the catalogue's. The limit on the first token is less by the longest round trip to a pool.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    which : int
        Number of the workload.

    Raises
    ------
    InputError
        Where the workload takes its deployments from files, has no transformer, or no pool that
        may serve it has an accelerator of the catalogue on which its engine runs.
    """
    workload = fleet.workloads[which]
    if workload.deployments or fleet.deployments or workload.transformer is None:
        expected = "a workload whose deployments the planner draws up"
        fix = "What a file of deployments holds is looked at in the file."
        found = "`deployments` from files"
        raise InputError(Problem(expected, found, f"workloads[{which}]", fix))
    places = [at for at, pool in enumerate(fleet.pools) if _serves(workload, pool)]
    pools = [Pool.model_validate(_pool(fleet, fleet.pools[at])) for at in places]
    if not pools:
        expected = "a pool that may serve the workload, with an accelerator of the catalogue"
        raise InputError(Problem(expected, "none", f"workloads[{which}]"))
    question = workload_question(fleet, workload, pools)
    first = _first_token(fleet, which, places)
    lone = question.workload.model_copy(update={"time_to_first_token_seconds": first})
    return question.model_copy(update={"workload": lone})


def numbers_of(fleet: Fleet, names: tuple[str, ...]) -> Iterator[int]:
    """Yield the numbers of workloads by their names; of all where none is named.

    Raises
    ------
    InputError
        Where there is no such workload.
    """
    known = [workload.name for workload in fleet.workloads]
    for name in names:
        if name not in known:
            expected = "a workload of the instance"
            raise InputError(Problem(expected, f"'{name}'", "--workload", hint(name, known)))
    yield from (at for at, name in enumerate(known) if not names or name in names)


def _serves(workload: FleetWorkload, pool: FleetPool) -> bool:
    """Tell whether a pool may serve a workload with what the planner draws up."""
    if pool.accelerator is None or pool.gpus == 0:
        return False
    if workload.regions is not None and pool.region not in workload.regions:
        return False
    vendor = catalogue.accelerator(pool.accelerator).vendor
    return workload.engine is None or vendor in catalogue.engine(workload.engine).vendors


def _pool(fleet: Fleet, pool: FleetPool) -> dict[str, object]:
    """Return a pool of one deployment; a price that is left out is the catalogue's."""
    found: dict[str, object] = {"accelerator": pool.accelerator, "name": pool.name}
    if pool.gpus is not None:
        found["gpus"] = pool.gpus
    if price := _price(fleet, pool):
        found["dollars_per_gpu_hour"] = price
    return found


def _price(fleet: Fleet, pool: FleetPool) -> float:
    """Return the price of an accelerator in $/h; 0 where none is stated."""
    for way in ("on_demand", "reserved", "spot"):
        if getattr(pool, way) is not None:
            return stated_price(fleet, pool, way)
    return 0.0


def stated_price(fleet: Fleet, pool: FleetPool, way: str) -> float:
    """Return the price of one way of paying in $/h, in the mean of the horizon."""
    paid = getattr(pool, way)
    if isinstance(paid, Reserved):
        return paid.dollars_per_gpu_hour
    return mean_price(paid, horizon(fleet))


def _first_token(fleet: Fleet, which: int, pools: list[int]) -> float | None:
    """Return the limit on the first token of an idle replica, in seconds."""
    limit = fleet.workloads[which].time_to_first_token_seconds
    if limit is None:
        return None
    user_of, trips = round_trips(fleet)
    farthest = float(np.nan_to_num(trips[user_of[which], pools]).max())
    left = (limit - farthest) / fleet.prediction.time_to_first_token
    if left <= 0:
        expected = f"round trips of less than {limit:g} s, the limit on the first token"
        field = f"workloads[{which}].time_to_first_token_seconds"
        fix = "Name the `regions` that may serve it."
        raise InputError(Problem(expected, f"{farthest:g} s to the farthest pool", field, fix))
    return left
