"""Experts, latent attention and drafts: what must hold of them whatever the constants."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import planner
from planner import catalogue
from planner.candidates.requirements import all_met, objective_values, requirements
from planner.candidates.screening import screen
from planner.candidates.table import count, tabulate
from planner.catalogue.feedforward import Dense, Experts
from planner.catalogue.transformer import LayerGroup, Transformer
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.terms.calibration import rates
from planner.terms.forward import forward
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.memory_capacity import resident_bytes
from planner.terms.speculation import tokens_per_round

PROFILE = catalogue.profile("calibrated")
SWITCHES = PROFILE.switches
RATES = rates(catalogue.accelerator("h100-sxm"), PROFILE)
MIXTURES = ("mixtral-8x7b", "deepseek-v3", "qwen3-30b-a3b", "gpt-oss-120b", "kimi-k3", "glm-4.5")
properties = settings(deadline=None, max_examples=60, derandomize=True)


def number(value: float) -> np.ndarray:
    return np.asarray(float(value))


def decoding(tp: int, dp: int, ep: int, sequences: int, imbalance: float = 1.0) -> ForwardPass:
    return ForwardPass(
        *map(number, (tp, 1, sequences, 1, 1000)), dp=number(dp), ep=number(ep), imbalance=imbalance
    )


def timed(llm: Transformer, step: ForwardPass):
    return forward(llm, Precision(), RATES, SWITCHES, step)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gemma-2-27b", "deepseek-v3"])
@pytest.mark.parametrize("tp", [1, 2, 8])
def test_one_expert_of_one_is_a_dense_block(name: str, tp: int) -> None:
    llm = catalogue.transformer(name)
    width = 10_000
    dense = tuple(LayerGroup(g.count, g.attention, Dense(width)) for g in llm.layers)
    alone = Experts(count=1, active=1, width=width, router=False)
    experts = tuple(LayerGroup(g.count, g.attention, alone) for g in llm.layers)
    step = decoding(tp, 1, 1, 37)
    one, other = (timed(replace(llm, layers=layers), step) for layers in (dense, experts))
    for mine, theirs in zip(one.sums(), other.sums(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


@pytest.mark.parametrize("name", MIXTURES)
def test_without_groups_of_experts_nothing_is_dispatched(name: str) -> None:
    terms = timed(catalogue.transformer(name), decoding(2, 4, 1, 64))
    assert terms.network_parts["experts"] == 0
    assert terms.latency_parts["experts"] == 0
    spread = timed(catalogue.transformer(name), decoding(2, 4, 8, 64))
    assert spread.network_parts["experts"] > 0
    assert spread.latency_parts["experts"] > 0


@pytest.mark.parametrize("name", MIXTURES)
def test_every_expert_is_somewhere_and_only_once(name: str) -> None:
    llm = catalogue.transformer(name)

    def held(tp: int, dp: int, ep: int) -> float:
        step = {"tp": number(tp), "dp": number(dp), "ep": number(ep), "pp": number(1)}
        none = {"batch": number(8), "length": number(0)}
        return float(resident_bytes(llm, Precision(), SWITCHES, **step, **none))

    experts = sum(
        2.0
        * group.count
        * group.feedforward.count
        * group.feedforward.expert_parameters(llm.hidden)
        for group in llm.layers
        if isinstance(group.feedforward, Experts)
    )
    saved = held(1, 1, 1) - held(1, 8, 8)
    assert saved == pytest.approx(experts * 7 / 8, rel=0.01)


def test_redundant_experts_take_memory_only_where_experts_are_spread() -> None:
    llm = catalogue.transformer("deepseek-v3")

    def held(ep: int, redundant: int) -> float:
        step = {"tp": number(1), "dp": number(8), "ep": number(ep), "pp": number(1)}
        none = {"batch": number(8), "length": number(0)}
        found = resident_bytes(llm, Precision("fp8"), SWITCHES, **step, **none, redundant=redundant)
        return float(found)

    one_expert = 3 * 7168 * 2048 * (1 + 4 / 128**2)  # A block of 128 x 128 has a scale.
    assert held(8, 16) - held(8, 0) == pytest.approx(58 * 16 / 8 * one_expert, rel=1e-9)
    assert held(1, 16) == held(1, 0)


@properties
@given(st.sampled_from(MIXTURES), st.integers(1, 2000), st.integers(1, 2000))
def test_more_tokens_touch_more_experts_and_never_all_of_them_twice(name, few, more) -> None:
    llm = catalogue.transformer(name)
    few, more = sorted((few, more))
    read = [
        float(timed(llm, decoding(1, 1, 1, tokens)).memory_parts["feedforward_weights"])
        for tokens in (few, more)
    ]
    whole = sum(
        2.0 * group.count * group.feedforward.parameters(llm.hidden)
        for group in llm.layers
        if group.feedforward is not None
    )
    assert read[0] <= read[1] * (1 + 1e-12)
    assert read[1] <= whole / RATES.memory_bytes_per_second * (1 + 1e-12)


@properties
@given(st.sampled_from(MIXTURES), st.sampled_from((2, 4, 8)), st.floats(1.0, 4.0))
def test_uneven_experts_never_help(name, ep, imbalance) -> None:
    llm = catalogue.transformer(name)
    even, uneven = (timed(llm, decoding(1, 8, ep, 128, factor)) for factor in (1.0, imbalance))
    assert float(uneven.step) >= float(even.step)
    alone = (timed(llm, decoding(8, 1, 1, 128, factor)) for factor in (1.0, imbalance))
    assert len({float(terms.step) for terms in alone}) == 1


@pytest.mark.parametrize("name", ["deepseek-v3", "kimi-k2", "deepseek-v3.2", "glm-5"])
def test_every_rank_holds_the_latent_cache_and_groups_share_it_out(name: str) -> None:
    llm = catalogue.transformer(name)

    def cache(tp: int, dp: int) -> float:
        return float(timed(llm, decoding(tp, dp, 1, 64)).memory_parts["cache"])

    assert cache(8, 1) == pytest.approx(cache(1, 1), rel=1e-12)
    assert cache(1, 8) == pytest.approx(cache(1, 1) / 8, rel=1e-12)


def test_latent_attention_is_absorbed_when_decoding_and_expanded_when_reading() -> None:
    """Per token and position of DeepSeek-V3: 2 x 128 heads x (2 x 512 + 64), and x (192 + 128)."""
    llm = catalogue.transformer("deepseek-v3")
    step = ForwardPass(*map(number, (1, 1, 1, 1, 9999)))
    absorbed = timed(llm, step).arithmetic_parts["attention"] * RATES.flop_per_second["bf16"]
    expanded = timed(llm, replace(step, prefill=True)).arithmetic_parts["attention"]
    expanded = expanded * RATES.flop_per_second["bf16"]
    assert absorbed == pytest.approx(61 * 2 * 128 * (2 * 512 + 64) * 10_000, rel=1e-9)
    assert expanded == pytest.approx(61 * 2 * 128 * (192 + 128) * 10_000, rel=1e-9)


@given(st.floats(0, 1), st.integers(0, 12))
def test_tokens_per_round_are_the_expected_run_of_acceptances(acceptance, gamma) -> None:
    run = sum(acceptance**accepted for accepted in range(gamma + 1))
    assert tokens_per_round(acceptance, gamma, SWITCHES) == pytest.approx(run, rel=1e-9)


def drafted(acceptance: float, gamma: list[int], draft: str = "llama-3.2-1b") -> Instance:
    return Instance.model_validate(
        {
            "name": "drafted",
            "workload": {
                "transformer": "llama-3.1-70b",
                "tokens_per_second_per_request": 20,
                "drafts": [{"transformer": draft, "acceptance": acceptance}],
            },
            "pools": [{"accelerator": "h100-sxm"}],
            "search": {"batch": [4, 32], "tensor_parallel": [4, 8], "gamma": gamma},
        }
    )


def test_drafting_nothing_is_the_same_as_having_no_draft() -> None:
    with_drafts = planner.solve(drafted(0.9, [0]))
    workload = drafted(0.9, [0]).workload.model_copy(update={"drafts": ()})
    without = planner.solve(drafted(0.9, [0]).model_copy(update={"workload": workload}))
    for name in ("objective", "batch", "step_seconds", "memory_bytes_per_gpu", "gamma", "draft"):
        assert getattr(with_drafts, name) == getattr(without, name)


def test_a_draft_that_is_never_accepted_never_helps() -> None:
    table = tabulate(resolve(drafted(0.0, [1, 2, 4])))
    speed = table.tokens_per_second_per_request
    for batch in (4, 32):
        for tp in (4, 8):
            rows = (table.batch == batch) & (table.tensor_parallel == tp)
            assert speed[rows & (table.gamma == 0)].max() > speed[rows & (table.gamma > 0)].max()
    assert planner.solve(drafted(0.0, [1, 2, 4])).draft == "none"


def test_a_good_draft_helps_and_takes_memory() -> None:
    table = tabulate(resolve(drafted(0.9, [3])))
    alone, helped = table.gamma == 0, table.gamma == 3
    assert table.tokens_per_second_per_request[helped].max() > (
        1.5 * table.tokens_per_second_per_request[alone].max()
    )
    assert (table.memory_bytes_per_gpu[helped] > table.memory_bytes_per_gpu[alone]).all()


def spread(**search: object) -> Instance:
    return Instance.model_validate(
        {
            "name": "spread",
            "workload": {
                "transformer": "deepseek-v3",
                "input_tokens": 2000,
                "output_tokens": 600,
                "tokens_per_second_per_request": 40,
                "tokens_per_second": 30000,
                "expert_imbalance": 1.2,
                "drafts": [
                    {"transformer": "mtp", "acceptance": 0.8},
                    {"transformer": "qwen3-0.6b", "acceptance": 0.5},
                ],
            },
            "pools": [{"accelerator": "h200-sxm"}, {"accelerator": "b200-sxm"}],
            "search": {"weights": "fp8", "kv": ["bf16", "fp8"], "gamma": [0, 1, 3], **search},
        }
    )


def test_the_survey_by_blocks_equals_brute_force_over_one_table() -> None:
    instance = spread(batch={"from": 16, "to": 200})
    resolved = resolve(instance)
    table = tabulate(resolved)
    assert len(table) == count(resolved) > 100_000
    met = all_met(requirements(resolved, table))
    values = np.where(met, objective_values(resolved, table), np.inf)
    found = screen(resolved)
    assert found.evaluated == len(table)
    assert found.choices is not None
    plan = planner.solve(instance)
    assert plan.objective == pytest.approx(values.min(), rel=1e-9)
    assert plan.candidates == len(table)
    assert plan.draft == "mtp"


def test_the_oracle_agrees_on_a_mixture_with_drafts() -> None:
    instance = spread(batch=[16, 64, 128], data_parallel=[1, 8], expert_parallel=[1, 8])
    resolved = resolve(instance)
    expected = oracle.answer(instance, oracle.rows_of(resolved, tabulate(resolved)))
    plan = planner.solve(instance)
    assert expected is not None
    assert plan.objective == pytest.approx(expected[2], rel=1e-6)
    assert plan.replicas == expected[1]


def test_quality_forbids_precisions() -> None:
    quality = {"at_least": 0.99, "weights": {"fp8": 0.98}, "kv": {"fp8": 0.995}}
    content = spread(batch=[16, 64]).model_dump(by_alias=True, exclude_unset=True)
    content["search"]["weights"] = ["bf16", "fp8"]
    plan = planner.solve(Instance.model_validate({**content, "quality": quality}))
    assert plan.weight_precision == "bf16"
    none = {"at_least": 1.0, "weights": {"bf16": 0.9, "fp8": 0.9}}
    assert planner.solve(Instance.model_validate({**content, "quality": none})).status == (
        "infeasible"
    )


@pytest.mark.parametrize("name", catalogue.transformer_names())
def test_every_transformer_of_the_catalogue_can_be_planned(name: str) -> None:
    instance = Instance.model_validate(
        {
            "name": name,
            "workload": {
                "transformer": name,
                "input_tokens": 200,
                "output_tokens": 100,
                "tokens_per_second_per_request": 1,
            },
            "pools": [{"accelerator": "b200-sxm"}, {"accelerator": "gb200-nvl72"}],
            "search": {"batch": [1, 32], "weights": ["bf16", "fp4"]},
        }
    )
    plan = planner.solve(instance)
    assert plan.found, plan.message
    assert not planner.check_plan(plan.to_row(), instance)
