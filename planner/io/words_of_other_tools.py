"""Words of other tools for what an instance says, and fields and forms that are still to come."""

from __future__ import annotations

from collections.abc import Mapping

OF_OTHER_TOOLS: Mapping[str, str] = {
    key: field
    for field, keys in {
        "input_tokens": "isl input_len input_length input_sequence_length random_input_len "
        "prompt_len prompt_length prompt_tokens prefill_tokens mean_input_tokens "
        "avg_input_tokens num_prompt_tokens prompt_size",
        "output_tokens": "osl output_len output_length output_sequence_length random_output_len "
        "completion_tokens generation_tokens decode_tokens max_tokens max_new_tokens "
        "mean_output_tokens avg_output_tokens num_output_tokens",
        "requests_per_second": "qps rps rate request_rate arrival_rate requests demand load "
        "requests_per_s req_per_s reqs_per_second",
        "requests_per_second, such as `600 req/min`": "requests_per_minute rpm requests_per_hour "
        "requests_per_day",
        "tokens_per_second of output, or requests_per_second": "tps throughput output_throughput "
        "total_tokens_per_second token_rate tok_per_s tokens_per_s",
        "requests_per_second, and search.batch for the most sequences at once": "concurrency "
        "max_concurrency concurrent_requests users num_users concurrent_users",
        "time_to_first_token_seconds": "ttft slo_ttft ttft_slo max_ttft ttft_seconds ttft_s "
        "time_to_first_token first_token first_token_latency mean_ttft",
        "time_to_first_token_seconds, such as `1500 ms`": "ttft_ms slo_ttft_ms max_ttft_ms "
        "mean_ttft_ms time_to_first_token_ms",
        "tokens_per_second_per_request, the inverse of the time per output token": "tpot itl "
        "slo_tpot slo_itl tpot_slo itl_slo max_tpot max_itl tpot_seconds tpot_ms itl_ms "
        "slo_tpot_ms slo_itl_ms max_tpot_ms max_itl_ms mean_tpot_ms mean_itl_ms "
        "time_per_output_token time_per_output_token_ms inter_token_latency "
        "inter_token_latency_ms",
        "tokens_per_second_per_request": "tokens_per_second_per_user tps_per_user tok_s_user "
        "interactivity user_throughput output_tokens_per_second_per_request speed",
        "tokens_per_second_per_request and time_to_first_token_seconds": "slo slos sla targets "
        "latency_target latency_targets service_level",
        "dollars_per_gpu_hour of a pool": "price cost dollars_per_hour price_per_hour "
        "hourly_price hourly_cost cost_per_hour usd_per_hour dollars_per_gpu usd_per_gpu_hour "
        "cost_per_gpu_hour price_per_gpu_hour gpu_price",
        "on_demand of a pool": "ondemand on_demand_price",
        "spot of a pool": "spot_price preemptible preemptible_price",
        "reserved of a pool": "reservation reserved_price commitment committed",
        "owned: {gpus: ...} of a pool": "owned_gpus own on_prem",
        "dollars_per_gpu_hour after the discount": "discount",
        "transformer": "model llm model_name model_id hf_model model_path base_model checkpoint",
        "accelerator": "gpu gpu_type gpu_name gpu_model device device_type sku instance_type "
        "machine_type accelerator_type",
        "gpus": "count num_gpus gpu_count n_gpus quantity max_gpus gpu_limit available capacity",
        "gpus, and gpus_per_node": "nodes num_nodes node_count",
        "gpus_per_node": "gpus_per_host gpus_per_server gpus_per_machine gpus_per_instance "
        "node_size",
        "region": "zone location az availability_zone datacenter data_center",
        "an accelerator, from the catalogue or a file of your own": "memory memory_gb vram "
        "memory_size bandwidth memory_bandwidth flops tflops nvlink interconnect",
        "watts_per_gpu": "power tdp watts power_watts",
        "pools": "hardware cluster accelerators resources",
        "workloads": "models services applications jobs",
        "dollars_per_hour_at_most": "budget max_cost cost_limit max_dollars cost_budget "
        "max_price max_cost_per_hour budget_per_hour",
        "objective": "goal minimize minimise maximize maximise optimize optimise optimize_for "
        "optimise_for",
        "periods": "horizon interval intervals schedule time_slots timesteps",
        "engine": "backend framework runtime serving_engine inference_engine engine_name "
        "engine_version",
        "solver.time_limit_seconds": "time_limit timeout timelimit time_limit_s",
        "solver.relative_gap": "gap mip_gap mipgap rel_gap mip_rel_gap tolerance",
        "solver.name": "solver_name",
        "search.tensor_parallel": "tp tensor_parallel_size tp_size tensor_parallelism",
        "search.pipeline_parallel": "pp pipeline_parallel_size pp_size pipeline_parallelism",
        "search.expert_parallel": "ep ep_size moe_ep moe_ep_size enable_expert_parallel "
        "expert_parallel_size",
        "search.data_parallel": "dp data_parallel_size dp_size",
        "search.batch": "max_num_seqs batch_size max_batch_size max_running_requests "
        "max_batch batches",
        "search.weights": "dtype quantization quantisation quant precision weight_precision "
        "weight_dtype weights_dtype",
        "search.kv": "kv_cache_dtype kv_dtype kv_precision kv_cache_precision kv_quantization",
        "search.gamma": "num_speculative_tokens spec_tokens speculative_tokens "
        "speculative_num_draft_tokens speculative_num_steps num_draft_tokens",
        "drafts": "draft draft_model speculative speculative_config speculative_model "
        "speculative_decoding speculator",
        "usable_memory_fraction": "gpu_memory_utilization mem_fraction_static memory_utilization "
        "free_gpu_memory_fraction",
        "min_replicas and max_replicas": "replicas num_replicas replica_count",
        "min_replicas": "minReplicas min_replica min_workers min_instances",
        "max_replicas": "maxReplicas max_replica max_workers max_instances",
        "priority": "priority_class priorityClassName priorityClass",
        "input_tokens and output_tokens, whose sum is the longest context": "context_length "
        "max_model_len max_seq_len max_sequence_length context context_window",
    }.items()
    for key in keys.split()
}
"""Keys of other tools, and abbreviations, by what they are called here."""
NOT_YET: Mapping[str, str] = {
    **dict.fromkeys(
        ("arrival_scv", "burstiness"),
        "Queues are not modelled yet: a first token is that of an idle replica. Remove it, and "
        "keep `headroom`.",
    ),
    **dict.fromkeys(
        ("goodput", "percentile", "percentiles", "attainment", "slo_attainment"),
        "Queues are not modelled yet, and with them percentiles. Remove it, and keep `headroom`.",
    ),
    **dict.fromkeys(
        ("e2e", "e2el", "e2e_latency", "latency", "end_to_end_latency", "request_latency"),
        "End-to-end times are no target yet. State `time_to_first_token_seconds` and "
        "`tokens_per_second_per_request`.",
    ),
    **dict.fromkeys(
        ("prefix_cache_hit", "prefix_cache_hit_rate", "prefix_hit_rate", "cache_hit_rate"),
        "Prefix caches are not modelled yet. Remove it, or state the input tokens that are not "
        "found in the cache.",
    ),
    **dict.fromkeys(
        ("trace", "trace_file", "traces", "dataset", "dataset_name", "dataset_path"),
        "Traces are not read yet. State `input_tokens` and `output_tokens`.",
    ),
    **dict.fromkeys(
        (
            *("chunked_prefill", "enable_chunked_prefill", "chunked_prefill_size"),
            *("batched_tokens", "max_num_batched_tokens", "max_num_tokens"),
        ),
        "Chunked prefill is not modelled yet. Remove it.",
    ),
    **dict.fromkeys(
        ("cp", "context_parallel", "context_parallel_size", "etp", "expert_tensor_parallel"),
        "Such degrees are not modelled. Remove it.",
    ),
    **dict.fromkeys(
        ("prefill", "decode"),
        "Replicas for prompts alone and for answers alone are not modelled yet. Remove it.",
    ),
    "time_per_output_token_seconds": "State its inverse, `tokens_per_second_per_request`.",
    "confidence": "Errors of the prediction are no part of a plan yet. Remove it, and keep "
    "`headroom`.",
    "router": "Queues are not modelled yet, nor how requests find a replica. Remove it.",
    "launch": "Launch files are not written yet. Remove it.",
    "network_bytes_per_second": "The network is that of the accelerator's record. Remove it, or "
    "name an accelerator file of your own.",
    "node_selector": "Launch files are not written yet. Remove it.",
}
"""Fields that are to come, or are so called by other tools, and what can be said today."""
OF_MANIFESTS = ("apiVersion", "kind", "metadata", "spec")
_IDLE = "Percentiles are not modelled yet. Write the number alone: it is that of an idle replica."
_FULL = "Percentiles are not modelled yet. Write the number alone: it is that of a full batch."
_LENGTHS = "Lengths that differ are not modelled yet. Write their mean."
_PERIODS = "Numbers that change by period are not modelled yet here. Write the smallest of them."
FORMS_NOT_YET: Mapping[tuple[str, type], str] = {
    ("time_to_first_token_seconds", dict): _IDLE,
    ("tokens_per_second_per_request", dict): _FULL,
    ("input_tokens", dict): _LENGTHS,
    ("output_tokens", dict): _LENGTHS,
    ("gpus", list): _PERIODS,
    ("engine", dict): "Releases of engines are not told apart yet. Write the name alone.",
}
"""Mappings and lists that are to be values of fields, and what can be said today."""
