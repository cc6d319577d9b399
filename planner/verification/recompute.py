"""Numbers of deployments from their decisions alone, for the checker."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.problem.resolve import Drafting, ResolvedInstance, Supply
from planner.terms import serving
from planner.terms.cache_pool import cache_pool
from planner.terms.forward import forward
from planner.terms.forward_pass import Floats, ForwardPass, Precision
from planner.terms.memory_capacity import resident_bytes
from planner.terms.speculation import Drafted, drafting, tokens_per_round, verified_positions

TERMS = ("arithmetic", "memory", "network", "latency", "step")


@dataclass(frozen=True, slots=True)
class Decisions:
    """What plans decide about one replica; degrees and batch may be arrays, one entry per plan."""

    precision: Precision
    tensor_parallel: Floats | int
    pipeline_parallel: Floats | int
    data_parallel: Floats | int
    expert_parallel: Floats | int
    batch: Floats | int
    draft: Drafting | None
    gamma: int

    @property
    def degrees(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Tensor-, pipeline-, data- and expert-parallel degrees, as arrays."""
        return (
            _array(self.tensor_parallel),
            _array(self.pipeline_parallel),
            _array(self.data_parallel),
            _array(self.expert_parallel),
        )

    @property
    def gpus(self) -> Floats | int:
        """Accelerators of one replica."""
        return self.tensor_parallel * self.data_parallel * self.pipeline_parallel


def recomputed(
    resolved: ResolvedInstance, supply: Supply, decided: Decisions, replicas: Floats | int
) -> dict[str, Floats]:
    """Return every number of plans by its column, from the decisions alone.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    supply : Supply
        The pool that was chosen.
    decided : Decisions
        Of one plan, or of several that differ in degrees and batch alone.
    replicas : int or array of float
        How many run.

    Returns
    -------
    dict of str to array of float
        One entry per plan, or arrays without a dimension for one.
    """
    times = _times(resolved, supply, decided)
    workload, price = resolved.instance.workload, supply.dollars_per_gpu_hour
    gpus, rate = decided.gpus, decided.batch / times["tpot_seconds"]
    demand = workload.tokens_per_second
    found = {
        **times,
        "gpus_per_replica": gpus,
        "gpus": gpus * replicas,
        "replicas": replicas,
        "tokens_per_second_per_request": 1.0 / times["tpot_seconds"],
        "tokens_per_second": rate * replicas,
        "requests_per_second": rate * replicas / workload.output_tokens,
        "dollars_per_gpu_hour": price,
        "dollars_per_hour": gpus * replicas * price,
        "dollars_per_million_tokens": gpus * price / 3600.0 / rate * 1e6,
        "usable_memory_bytes_per_gpu": supply.rates.memory_bytes,
        "utilisation": 1.0 if demand is None else demand / (rate * replicas),
    }
    shape = np.shape(decided.batch)
    return {name: np.broadcast_to(value, shape) for name, value in found.items()}


def _pass(resolved: ResolvedInstance, decided: Decisions) -> ForwardPass:
    """The decoding pass that verifies what was drafted."""
    workload, switches = resolved.instance.workload, resolved.switches
    batch, stages = _array(decided.batch), _array(decided.pipeline_parallel)
    return ForwardPass(
        _array(decided.tensor_parallel),
        stages,
        serving.micro_batch(batch, stages, whole=switches.whole_layers),
        np.asarray(float(verified_positions(decided.gamma, switches))),
        np.asarray(serving.context_while_decoding(workload.input_tokens, workload.output_tokens)),
        dp=_array(decided.data_parallel),
        ep=_array(decided.expert_parallel),
        imbalance=workload.expert_imbalance,
    )


def _array(value: Floats | int) -> Floats:
    return np.asarray(value, dtype=float)


def _times(resolved: ResolvedInstance, supply: Supply, decided: Decisions) -> dict[str, Floats]:
    workload, switches = resolved.instance.workload, resolved.switches
    verify = _pass(resolved, decided)
    timed = forward(resolved.llm, decided.precision, supply.rates, switches, verify)
    prompt = replace(
        verify,
        sequences=verify.dp,
        positions=np.asarray(float(workload.input_tokens)),
        context=np.asarray(0.0),
        prefill=True,
    )
    prefill = forward(resolved.llm, decided.precision, supply.rates, switches, prompt).step
    drafted = _drafted(resolved, supply, decided, verify)
    own, gamma = drafted.prefill if drafted else np.asarray(0.0), decided.gamma
    read = float(switches.prefill == "colocated")
    first, busy = read * (prefill + own), read * (prefill / verify.dp + own)
    stall = decided.batch / workload.output_tokens * busy / verify.pp
    terms = {
        f"{name}_seconds": getattr(timed, name)
        + (gamma * getattr(drafted.sums, name) if drafted else 0.0)
        for name in TERMS
    }
    yielded = 1.0
    if decided.draft is not None:
        yielded = tokens_per_round(decided.draft.acceptance, gamma, switches)
    return {
        **terms,
        "tokens_per_round": np.asarray(yielded),
        "draft_tensor_parallel": drafted.tensor_parallel if drafted else np.asarray(0.0),
        "stall_seconds": stall,
        "prefill_seconds": first,
        "tpot_seconds": terms["step_seconds"] / yielded + stall,
        "time_to_first_token_seconds": first + terms["step_seconds"],
        "memory_bytes_per_gpu": _memory(resolved, decided, verify, drafted),
        **_pool(resolved, supply, decided, drafted),
    }


def _drafted(
    resolved: ResolvedInstance, supply: Supply, decided: Decisions, verify: ForwardPass
) -> Drafted | None:
    if decided.draft is None:
        return None
    workload = resolved.instance.workload
    return drafting(
        decided.draft.llm,
        decided.precision,
        supply.rates,
        resolved.switches,
        target=verify,
        batch=_array(decided.batch),
        prompt=float(workload.input_tokens),
        longest=float(workload.input_tokens + workload.output_tokens),
        own=decided.draft.own,
    )


def _pool(
    resolved: ResolvedInstance, supply: Supply, decided: Decisions, drafted: Drafted | None
) -> dict[str, Floats]:
    """What lies on a GPU beside caches, and what is left for them."""
    tp, pp, dp, ep = decided.degrees
    workload = resolved.instance.workload
    longest = np.asarray(float(workload.input_tokens + workload.output_tokens))
    full = ForwardPass(
        *(tp, pp, _array(decided.batch), np.asarray(1.0), longest),
        dp=dp,
        ep=ep,
        redundant=workload.redundant_experts,
    )
    found = cache_pool(
        resolved.llm,
        decided.precision,
        resolved.switches,
        full,
        usable=supply.rates.memory_bytes,
        beside=drafted.beside if drafted else None,
    )
    return {
        "weight_bytes_per_gpu": found.weights,
        "cache_pool_bytes_per_gpu": found.pool,
        "max_concurrency": found.sequences,
    }


def _memory(
    resolved: ResolvedInstance, decided: Decisions, verify: ForwardPass, drafted: Drafted | None
) -> Floats:
    workload = resolved.instance.workload
    resident = resident_bytes(
        resolved.llm,
        decided.precision,
        resolved.switches,
        tp=verify.tp,
        pp=verify.pp,
        batch=_array(decided.batch),
        length=np.asarray(float(workload.input_tokens + workload.output_tokens)),
        dp=verify.dp,
        ep=verify.ep,
        redundant=workload.redundant_experts,
    )
    return resident + drafted.resident if drafted else resident
