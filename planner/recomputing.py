"""Numbers of one deployment from its decisions alone, for the checker."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.question import Drafting, Question, Supply
from planner.terms import serving
from planner.terms.capacity import resident_bytes
from planner.terms.forward import forward
from planner.terms.passes import Pass, Precision
from planner.terms.speculation import Drafted, drafting, tokens_per_round, verified_positions


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a plan decides about one replica."""

    precision: Precision
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    expert_parallel: int
    batch: int
    draft: Drafting | None
    gamma: int

    @property
    def gpus(self) -> int:
        """Accelerators of one replica."""
        return self.tensor_parallel * self.data_parallel * self.pipeline_parallel


def recomputed(
    question: Question, supply: Supply, decided: Decisions, replicas: int
) -> dict[str, float]:
    """Return every number of a plan by its column, from the decisions alone."""
    times = _times(question, supply, decided)
    workload, price = question.instance.workload, supply.dollars_per_gpu_hour
    rate = decided.batch / times["tpot_seconds"]
    demand = workload.tokens_per_second
    return {
        **times,
        "gpus_per_replica": decided.gpus,
        "gpus": decided.gpus * replicas,
        "replicas": replicas,
        "tokens_per_second_per_request": 1.0 / times["tpot_seconds"],
        "tokens_per_second": rate * replicas,
        "dollars_per_gpu_hour": price,
        "dollars_per_hour": decided.gpus * replicas * price,
        "dollars_per_million_tokens": decided.gpus * price / 3600.0 / rate * 1e6,
        "usable_memory_bytes_per_gpu": supply.rates.memory_bytes,
        "utilisation": 1.0 if demand is None else demand / (rate * replicas),
    }


def _pass(question: Question, decided: Decisions) -> Pass:
    """The decoding pass that verifies what was drafted."""
    workload, switches = question.instance.workload, question.switches
    batch, stages = (
        np.asarray(float(value)) for value in (decided.batch, decided.pipeline_parallel)
    )
    return Pass(
        np.asarray(float(decided.tensor_parallel)),
        stages,
        serving.micro_batch(batch, stages, whole=switches.whole_layers),
        np.asarray(float(verified_positions(decided.gamma, switches))),
        np.asarray(serving.context_while_decoding(workload.input_tokens, workload.output_tokens)),
        dp=np.asarray(float(decided.data_parallel)),
        ep=np.asarray(float(decided.expert_parallel)),
        imbalance=workload.expert_imbalance,
    )


def _times(question: Question, supply: Supply, decided: Decisions) -> dict[str, float]:
    workload, switches = question.instance.workload, question.switches
    verify = _pass(question, decided)
    timed = forward(question.llm, decided.precision, supply.rates, switches, verify)
    prompt = replace(
        verify,
        sequences=verify.dp,
        positions=np.asarray(float(workload.input_tokens)),
        context=np.asarray(0.0),
        reading=True,
    )
    prefill = forward(question.llm, decided.precision, supply.rates, switches, prompt).step
    drafted = _drafted(question, supply, decided, verify)
    own, gamma = float(drafted.prefill) if drafted else 0.0, decided.gamma
    read = switches.prefill == "colocated"
    first = float(prefill) + own if read else 0.0
    busy = float(prefill) / decided.data_parallel + own if read else 0.0
    stall = decided.batch / workload.output_tokens * busy / decided.pipeline_parallel
    terms = {}
    for name in ("arithmetic", "memory", "network", "latency", "step"):
        one = float(getattr(drafted.sums, name)) if drafted else 0.0
        terms[f"{name}_seconds"] = float(getattr(timed, name)) + gamma * one
    yielded = 1.0
    if decided.draft is not None:
        yielded = tokens_per_round(decided.draft.acceptance, gamma, switches)
    return {
        **terms,
        "tokens_per_round": yielded,
        "draft_tensor_parallel": float(drafted.tensor_parallel) if drafted else 0.0,
        "stall_seconds": stall,
        "prefill_seconds": first,
        "tpot_seconds": terms["step_seconds"] / yielded + stall,
        "time_to_first_token_seconds": first + terms["step_seconds"],
        "memory_bytes_per_gpu": _memory(question, decided, verify, drafted),
    }


def _drafted(
    question: Question, supply: Supply, decided: Decisions, verify: Pass
) -> Drafted | None:
    if decided.draft is None:
        return None
    workload = question.instance.workload
    return drafting(
        decided.draft.llm,
        decided.precision,
        supply.rates,
        question.switches,
        target=verify,
        batch=np.asarray(float(decided.batch)),
        prompt=float(workload.input_tokens),
        longest=float(workload.input_tokens + workload.output_tokens),
        own=decided.draft.own,
    )


def _memory(question: Question, decided: Decisions, verify: Pass, drafted: Drafted | None) -> float:
    workload = question.instance.workload
    resident = resident_bytes(
        question.llm,
        decided.precision,
        question.switches,
        tp=verify.tp,
        pp=verify.pp,
        batch=np.asarray(float(decided.batch)),
        length=np.asarray(float(workload.input_tokens + workload.output_tokens)),
        dp=verify.dp,
        ep=verify.ep,
        redundant=workload.redundant_experts,
    )
    return float(resident) + (float(drafted.resident) if drafted else 0.0)
