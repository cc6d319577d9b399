"""The objective `requests_per_second`: the demands stated are a mix that grows by one factor."""

from __future__ import annotations

from typing import Literal

from planner.problem.fleet import Demand, Fleet, FleetWorkload

MOST_TRAFFIC: Literal["requests_per_second"] = "requests_per_second"


def asks_most_traffic(fleet: Fleet) -> bool:
    """Tell whether a fleet asks for the most traffic, not for the least cost."""
    return fleet.objective == MOST_TRAFFIC


def grown(fleet: Fleet, factor: float) -> Fleet:
    """Return the fleet that asks for the least cost of the mix, grown by a factor.

    Parameters
    ----------
    fleet : Fleet
        One that asks for the most traffic. Its only workload may state no demand: it is one
        request per second then.
    factor : float
        What every demand is multiplied by.
    """
    workloads = tuple(_grown(workload, factor) for workload in fleet.workloads)
    return fleet.model_copy(update={"workloads": workloads, "objective": "dollars_per_hour"})


def _grown(workload: FleetWorkload, factor: float) -> FleetWorkload:
    if workload.tokens_per_second is not None:
        return workload.model_copy(
            update={"tokens_per_second": _times(workload.tokens_per_second, factor)}
        )
    stated = workload.requests_per_second
    demand: Demand = (1.0,) if stated is None else stated
    return workload.model_copy(update={"requests_per_second": _times(demand, factor)})


def _times(demand: Demand, factor: float) -> Demand:
    if isinstance(demand, dict):
        return {name: tuple(factor * one for one in series) for name, series in demand.items()}
    return tuple(factor * one for one in demand)
