"""Caches in every number format: bytes by hand, in memory and in what a step moves."""

import numpy as np
import pytest

import planner
from planner.catalogue import profile, transformer
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.memory_capacity import cache_bytes

INSTANCE = {
    "name": "narrow",
    "workload": {
        "transformer": "llama-3.1-8b",
        "input_tokens": 60000,
        "output_tokens": 2000,
        "tokens_per_second_per_request": 20,
    },
    "pools": [{"accelerator": "b200-sxm", "dollars_per_gpu_hour": 4}],
    "search": {"weights": "bf16", "tensor_parallel": 1, "pipeline_parallel": 1},
}
NUMBERS = 32 * 2 * 8 * 128
"""Cached numbers of a token of Llama 3.1 8B."""


def solved(kv):
    search = {**INSTANCE["search"], "kv": kv}
    instance = planner.Instance.model_validate({**INSTANCE, "search": search})
    return instance, planner.solve(instance)


@pytest.mark.parametrize(
    ("name", "size"), [("bf16", 2.0), ("fp8", 1.0), ("int8", 1.0), ("nvfp4", 0.5625)]
)
def test_a_cached_number_has_the_bytes_of_its_format(name, size):
    one = np.asarray(1.0)
    step = ForwardPass(one, one, one, one, np.asarray(1000.0))
    switches = profile("calibrated").switches
    held = cache_bytes(transformer("llama-3.1-8b"), Precision(cache=name), switches, step)
    assert float(held) == pytest.approx(1000 * NUMBERS * size, rel=1e-12)


def test_narrower_caches_hold_more_requests_and_plans_are_checked():
    plans = {}
    for kv in ("bf16", "int8", "nvfp4"):
        instance, plan = solved(kv)
        assert planner.check_plan(plan.to_row(), instance) == []
        assert plan.kv_precision == kv
        plans[kv] = plan
    assert plans["bf16"].objective > plans["int8"].objective > plans["nvfp4"].objective


def test_fp4_is_another_name_of_the_cache_of_four_bits():
    by_name, by_format = (solved(kv)[0] for kv in (["int8", "fp4"], ["int8", "nvfp4"]))
    assert by_name.search.kv == ("int8", "nvfp4")
    assert by_name.digest == by_format.digest
    instance, plan = solved(["int8", "fp4"])
    assert plan.kv_precision == "nvfp4"
    assert planner.check_plan(plan.to_row(), instance) == []
