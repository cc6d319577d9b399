"""Groups of experts hold equally many, the redundant ones among them."""

from __future__ import annotations

import re
from typing import Any

import pytest

import planner
from planner.errors import InputError
from planner.problem.instance import Instance
from planner.problem.resolve import resolve


def asked(redundant: int, **search: Any) -> Instance:
    return Instance.model_validate(
        {
            "name": "copies",
            "workload": {
                "transformer": "deepseek-v3",
                "input_tokens": 2000,
                "output_tokens": 1000,
                "tokens_per_second_per_request": 20,
                "redundant_experts": redundant,
            },
            "pools": [{"accelerator": "h800-sxm", "gpus": 144, "dollars_per_gpu_hour": 2.0}],
            "search": {
                "tensor_parallel": [1],
                "pipeline_parallel": [1],
                "weights": ["fp8"],
                **search,
            },
        }
    )


def test_144_groups_hold_two_of_288_experts_each() -> None:
    """DeepSeek's own deployment for decoding: 256 experts and 32 copies over 144 accelerators."""
    sizes = {"from": 144, "to": 20_000}
    plan = planner.solve(asked(32, data_parallel=[144], expert_parallel=[144], batch=sizes))
    assert (plan.status, plan.expert_parallel, plan.gpus) == ("optimal", 144, 144)
    assert (
        planner.check_plan(
            plan.to_row(), asked(32, data_parallel=[144], expert_parallel=[144], batch=sizes)
        )
        == []
    )


@pytest.mark.parametrize(("copies", "degree"), [(0, 144), (32, 64), (32, 256)])
def test_other_numbers_are_refused(copies: int, degree: int) -> None:
    beside = " and the 32 redundant ones together" if copies else ""
    expected = f"divides the 256 experts of deepseek-v3{beside}."
    with pytest.raises(InputError, match=re.escape(expected)):
        resolve(asked(copies, data_parallel=[degree], expert_parallel=[degree]))


def test_the_default_degrees_divide_both_together() -> None:
    assert resolve(asked(32)).expert_parallel == (1, 2, 4, 8, 16, 32)
    assert max(resolve(asked(0)).expert_parallel) == 256
