"""The question of one workload of a fleet, as an instance of its own."""

from __future__ import annotations

from collections.abc import Iterable

from planner.problem.fleet import Fleet, FleetWorkload
from planner.problem.instance import Instance, Pool, Workload


def workload_question(fleet: Fleet, workload: FleetWorkload, pools: Iterable[Pool]) -> Instance:
    """Return what a workload of a fleet asks of one replica of each kind.

    Demand, guarantees and prices stay with the fleet: what is left decides times and memory.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    workload : FleetWorkload
        One of its workloads, with a transformer.
    pools : iterable of Pool
        Accelerators that are looked at.
    """
    return Instance(
        name=workload.name,
        workload=lone_workload(workload),
        pools=tuple(pools),
        search=workload.search,
        quality=workload.quality,
        engine=workload.engine,
        usable_memory_fraction=workload.usable_memory_fraction,
        collectives=workload.collectives,
        profile=fleet.profile,
    )


def lone_workload(workload: FleetWorkload) -> Workload:
    """Return a workload without its demand and its guarantees."""
    return Workload(
        transformer=workload.transformer or "",
        input_tokens=workload.input_tokens,
        output_tokens=workload.output_tokens,
        tokens_per_second_per_request=workload.tokens_per_second_per_request,
        time_to_first_token_seconds=workload.time_to_first_token_seconds,
        drafts=workload.drafts,
        expert_imbalance=workload.expert_imbalance,
        redundant_experts=workload.redundant_experts,
        roles=workload.roles,
    )
