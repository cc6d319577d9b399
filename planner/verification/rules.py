"""What an instance allows, and what it asks: for one plan or for many, as arrays of truths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from planner.problem.resolve import ResolvedInstance, Supply
from planner.problem.tolerances import CHECKED
from planner.problem.validate import experts, query_heads
from planner.terms.forward_pass import Floats
from planner.verification.recompute import Decisions

Truths = npt.NDArray[np.bool_]


def allowed(
    resolved: ResolvedInstance, supply: Supply, decided: Decisions, replicas: Floats | int
) -> dict[str, Truths]:
    """Tell of every decision whether the instance allows it, by column."""
    search, quality, llm = resolved.instance.search, resolved.instance.quality, resolved.llm
    tp, pp, dp, ep = decided.degrees
    weights, cache = decided.precision.weights, decided.precision.cache
    good = quality is None or quality.of(weights, cache) >= quality.at_least
    reach = (tp <= supply.reach) | (search.tensor_parallel is not None)
    held = [
        count + (ep > 1) * resolved.instance.workload.redundant_experts for count in experts(llm)
    ]
    whole_experts = np.all([count % ep == 0 for count in held] or [ep > 0], axis=0)
    truths = {
        "tensor_parallel": np.isin(tp, resolved.tensor_parallel)
        & (query_heads(llm) % tp == 0)
        & reach,
        "pipeline_parallel": np.isin(pp, resolved.pipeline_parallel) & (pp <= llm.layer_count),
        "data_parallel": np.isin(dp, resolved.data_parallel),
        "expert_parallel": np.isin(ep, resolved.expert_parallel)
        & ((tp * dp) % ep == 0)
        & whole_experts,
        "batch": np.isin(decided.batch, search.batch.sizes()) & (decided.batch >= pp * dp),
        "weight_precision": weights in search.weights and good,
        "kv_precision": cache in search.kv and good,
        "gamma": decided.gamma in resolved.gamma,
        "replicas": np.asarray(replicas) <= (resolved.instance.workload.max_replicas or np.inf),
    }
    return {column: np.broadcast_to(truth, np.shape(tp)) for column, truth in truths.items()}


def launches(resolved: ResolvedInstance, decided: Decisions) -> Truths:
    """Tell whether the instance's engine, if it names one, can launch the deployments."""
    degrees = [degree.astype(np.int64) for degree in decided.degrees]
    starts = resolved.launches(degrees, decided.draft, decided.precision.weights)
    return np.broadcast_to(starts, degrees[0].shape)


def broken_limits(
    resolved: ResolvedInstance, supply: Supply, numbers: Mapping[str, Floats]
) -> Iterator[tuple[str, Truths, str]]:
    """Yield every limit of the instance: its column, where it is broken, and what it asks."""
    instance, workload = resolved.instance, resolved.instance.workload
    at_most = {
        "memory_bytes_per_gpu": supply.rates.memory_bytes,
        "gpus": supply.gpus,
        "time_to_first_token_seconds": workload.time_to_first_token_seconds,
        "dollars_per_million_tokens": instance.dollars_per_million_tokens_at_most,
        "dollars_per_hour": instance.dollars_per_hour_at_most,
    }
    at_least = {
        "tokens_per_second_per_request": workload.tokens_per_second_per_request,
        "tokens_per_second": workload.tokens_per_second,
    }
    for column, limit in at_most.items():
        if limit is not None:
            over = np.asarray(numbers[column] > limit * (1.0 + CHECKED))
            yield column, over, f"at most {limit:.9g}"
    for column, limit in at_least.items():
        if limit is not None:
            under = np.asarray(numbers[column] < limit * (1.0 - CHECKED))
            yield column, under, f"at least {limit:.9g}"
