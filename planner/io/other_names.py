"""Keys under other names: those of earlier files, those of other tools, and those still to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CALLED_SO_NOW = "It is called so now."
CALLED_SO_HERE = "It is called so here."


@dataclass(frozen=True, slots=True)
class OtherName:
    """What a key that no file has is told."""

    expected: str
    fix: str
    shows_value: bool
    """Whether what was found is the value; else that the key is not known."""


def other_name(key: str, value: Any, inside: str) -> OtherName | None:
    """Return what a key is called here, if it is known under another name.

    Parameters
    ----------
    key : str
        A key that may not be where it is.
    value : any
        Its value.
    inside : str
        Name of the part that holds it, such as `search`; empty at the top level.
    """
    if key in _BY_VALUE and inside in _BY_VALUE[key][0]:
        _, by_value, otherwise = _BY_VALUE[key]
        new = by_value.get(value, otherwise) if isinstance(value, str | bool) else otherwise
        return OtherName(new, CALLED_SO_NOW, True)
    if (inside, key) in MOVED:
        return OtherName(*MOVED[inside, key], shows_value=True)
    if key in RENAMED:
        return OtherName(RENAMED[key].format(value), CALLED_SO_NOW, True)
    if key in NOT_YET:
        return OtherName("fields that plans use so far", NOT_YET[key], False)
    if key in OF_OTHER_TOOLS:
        return OtherName(OF_OTHER_TOOLS[key], CALLED_SO_HERE, False)
    return None


_WORKLOADS = ("workload", "workloads")
_BY_VALUE: Mapping[str, tuple[tuple[str, ...], Mapping[Any, str], str]] = {
    "mixing": (
        _WORKLOADS,
        {True: "max_deployments: any", False: "max_deployments: 1"},
        "max_deployments",
    ),
    "prefill": (
        _WORKLOADS,
        {"colocated": "roles: colocated", "elsewhere": "roles: decode"},
        "roles: colocated or decode",
    ),
}
"""Keys whose value has another name too: the parts that had them, new by old value, else."""
MOVED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("search", "max_replicas"): (
        "max_replicas of the workload",
        "It limits replicas and not the search.",
    ),
    ("", "quantile"): ("demand_quantile", CALLED_SO_NOW),
    ("", "dollars_at_most"): (
        "dollars_per_hour_at_most",
        "It limits the mean cost of an hour: divide by the hours of the horizon.",
    ),
}
"""Keys of earlier files by the part that had them: what they are now, and why."""
RENAMED: Mapping[str, str] = {
    "candidates": "deployments",
    "quality_at_least": "quality: {{at_least: {}}}",
}
"""Keys of earlier files by what they are called now."""
OF_OTHER_TOOLS: Mapping[str, str] = {
    **dict.fromkeys(("isl", "input_len", "random_input_len", "prompt_tokens"), "input_tokens"),
    **dict.fromkeys(("osl", "output_len", "random_output_len", "max_tokens"), "output_tokens"),
    **dict.fromkeys(("qps", "rps", "request_rate", "requests"), "requests_per_second"),
    **dict.fromkeys(
        ("ttft", "slo_ttft", "ttft_seconds", "ttft_p95", "ttft_p99"), "time_to_first_token_seconds"
    ),
    **dict.fromkeys(
        ("tpot", "itl", "slo_tpot", "slo_itl", "tpot_seconds", "tpot_p95"),
        "tokens_per_second_per_request, the inverse of the time per output token",
    ),
    **dict.fromkeys(
        ("price", "cost", "dollars_per_hour", "price_per_hour", "hourly_price"),
        "dollars_per_gpu_hour of a pool",
    ),
    **dict.fromkeys(("model", "llm", "model_name"), "transformer"),
    **dict.fromkeys(("gpu", "gpu_type", "instance_type"), "accelerator"),
    **dict.fromkeys(("count", "num_gpus", "gpu_count"), "gpus"),
    **dict.fromkeys(("tp", "tensor_parallel_size", "tp_size"), "search.tensor_parallel"),
    **dict.fromkeys(("pp", "pipeline_parallel_size", "pp_size"), "search.pipeline_parallel"),
    **dict.fromkeys(("ep", "ep_size", "enable_expert_parallel"), "search.expert_parallel"),
    **dict.fromkeys(("dp", "data_parallel_size", "dp_size"), "search.data_parallel"),
    **dict.fromkeys(("max_num_seqs", "batch_size", "max_running_requests"), "search.batch"),
    **dict.fromkeys(("dtype", "quantization", "precision"), "search.weights"),
    **dict.fromkeys(("kv_cache_dtype", "kv_dtype"), "search.kv"),
    **dict.fromkeys(("gpu_memory_utilization", "mem_fraction_static"), "usable_memory_fraction"),
    **dict.fromkeys(("minReplicas", "min_replica"), "min_replicas"),
    **dict.fromkeys(("maxReplicas", "max_replica"), "max_replicas"),
}
"""Keys of other tools, and abbreviations, by what they are called here."""
NOT_YET: Mapping[str, str] = {
    **dict.fromkeys(
        ("arrival_scv", "burstiness"),
        "Queues are not modelled yet: a first token is that of an idle replica. Remove it, and "
        "keep `headroom`.",
    ),
    "prefix_cache_hit": "Prefix caches are not modelled yet. Remove it, or state the input tokens "
    "that are not found in the cache.",
    "trace": "Traces are not read yet. State `input_tokens` and `output_tokens`.",
    "time_per_output_token_seconds": "State its inverse, `tokens_per_second_per_request`.",
    "confidence": "Errors of the prediction are no part of a plan yet. Remove it, and keep "
    "`headroom`.",
    "router": "Queues are not modelled yet, nor how requests find a replica. Remove it.",
    "launch": "Launch files are not written yet. Remove it.",
}
"""Fields that are to come, and what can be said today."""
