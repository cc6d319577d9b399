"""Terms of the calibrated profile that no reference covers, against numbers worked out here."""

from dataclasses import replace

import numpy as np
import pytest

from planner import catalogue
from planner.candidates.evaluate import Evaluator
from planner.candidates.forward_passes import Degrees
from planner.catalogue.profile import Measured
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.terms.calibration import rates
from planner.terms.collectives import all_reduce
from planner.terms.forward import forward
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.memory_capacity import cache_bytes
from planner.terms.speculation import drafting

PROFILE = catalogue.profile("calibrated")
SWITCHES = PROFILE.switches
RATES = rates(catalogue.accelerator("h100-sxm"), PROFILE)
NET = RATES.collectives
assert isinstance(NET, Measured)


def number(value: float) -> np.ndarray:
    return np.asarray(float(value))


def decode(name: str, context: int = 1000, sequences: int = 64, **changes: float):
    """A decoding pass of a transformer of the catalogue on H100s; degrees are 1 unless given."""
    imbalance = changes.pop("imbalance", 1.0)
    step = ForwardPass(*map(number, (1, 1, sequences, 1, context)), imbalance=imbalance)
    step = replace(step, **{key: number(value) for key, value in changes.items()})
    return forward(catalogue.transformer(name), Precision(), RATES, SWITCHES, step)


@pytest.mark.parametrize(("groups", "outside"), [(8, 0.0), (16, 0.5)])
def test_dispatches_of_deepseek_v3(groups: int, outside: float) -> None:
    """58 layers send 7168 numbers of 2 bytes to each other group needed, and back."""
    terms = decode("deepseek-v3", dp=groups, ep=groups)
    reached = groups * (1 - (1 - 1 / groups) ** 8) * (groups - 1) / groups
    payload = 64 / groups * 7168 * 2 * reached
    per_byte = (1 - outside) / NET.send_bytes_per_second + outside / NET.network_bytes_per_second
    latency = NET.dispatch_seconds + (NET.network_seconds if outside else 0.0)
    assert terms.network_parts["experts"] == pytest.approx(2 * 58 * payload * per_byte, rel=1e-12)
    assert terms.latency_parts["experts"] == pytest.approx(2 * 58 * latency, rel=1e-12)


def test_an_all_reduce_over_two_nodes() -> None:
    """Inside each node as measured on 8, then 2 (2-1)/2 of an eighth over the network."""
    payload = 1048576.0
    message = all_reduce(NET, number(16), number(2), number(payload))
    alone, third = NET.curves[8].seconds[0], NET.curves[8].seconds[2]
    assert message.latency == pytest.approx(alone + 2 * NET.network_seconds, rel=1e-12)
    over = payload / 8 / NET.network_bytes_per_second
    assert message.transfer == pytest.approx(third - alone + over, rel=1e-12)


def test_all_reduces_of_deepseek_v3() -> None:
    """Two a layer, whether ranks split the experts or share them out whole."""
    alpha = NET.curves[8].seconds[0]
    together = decode("deepseek-v3", tp=8).latency_parts["all_reduce"]
    assert together == pytest.approx(2 * 61 * alpha, rel=1e-12)
    apart = decode("deepseek-v3", tp=8, ep=8).latency_parts["all_reduce"]
    # No expert is split here, so theirs is none; the shared one is added up instead.
    assert apart == pytest.approx(2 * 61 * alpha, rel=1e-12)


def test_cache_of_an_indexed_latent_attention() -> None:
    """Index keys of 128 at every position, the latent 576 at the 2048 kept."""
    cache = decode("deepseek-v3.2", context=10_000, sequences=3).memory_parts["cache"]
    words = 61 * (128 * 10_001 + 576 * 2048) * 3
    assert cache == pytest.approx(2 * words / RATES.memory_bytes_per_second, rel=1e-12)


def test_scores_of_an_indexed_latent_attention() -> None:
    """128 heads over 2048 positions, and 64 index heads of 128 over all of them."""
    scores = decode("deepseek-v3.2", context=10_000, sequences=3).arithmetic_parts["attention"]
    flop = 61 * 3 * (2 * 128 * (2 * 512 + 64) * 2048 + 2 * 64 * 128 * 10_001)
    assert scores == pytest.approx(flop / RATES.flop_per_second["bf16"], rel=1e-12)


def test_states_and_caches_of_a_hybrid() -> None:
    """Qwen3.5 27B: 48 states of 48 x 128 x 128 in 32 bits, 16 layers of 4 x 256 twice in 16."""
    parts = decode("qwen3.5-27b", context=1000, sequences=5).memory_parts
    cached = 5 * 16 * 2 * 4 * 256 * 1001 * 2
    assert parts["cache"] == pytest.approx(cached / RATES.memory_bytes_per_second, rel=1e-12)
    state = 48 * 128 * 128 * 4 + 3 * (2 * 16 * 128 + 48 * 128) * 2
    moved = 5 * 48 * 2 * state
    assert parts["states"] == pytest.approx(moved / RATES.memory_bytes_per_second, rel=1e-12)


@pytest.mark.parametrize("kv", ["bf16", "fp8"])
def test_states_lie_in_memory_in_their_own_precision(kv: str) -> None:
    """Qwen3.5 27B: 151 MB of states in 32 bits and 2.9 MB of convolutions, whatever the cache's."""
    step = ForwardPass(*map(number, (1, 1, 256, 1, 1500)))
    llm, precision = catalogue.transformer("qwen3.5-27b"), Precision("fp8", kv)
    states = 150_994_944 + 48 * 3 * 10_240 * 2
    cached = 16 * 2 * 4 * 256 * 1500 * precision.cache_bytes
    assert cache_bytes(llm, precision, SWITCHES, step) == states + cached


def test_the_busiest_group_of_experts_sets_the_pace() -> None:
    """Mixtral 8x7B over 8 groups: two active experts of 3 x 4096 x 14336, and a router of 8."""
    flop = decode("mixtral-8x7b", dp=8, ep=8, imbalance=2.0).arithmetic_parts["feedforward"]
    routed, router = 2 * 3 * 4096 * 14336, 4096 * 8
    expected = 32 * 2 * (2.0 * routed + router) * 64 / 8
    assert flop == pytest.approx(expected / RATES.flop_per_second["bf16"], rel=1e-12)


def test_stages_wait_for_the_draft() -> None:
    target = ForwardPass(*map(number, (2, 1, 16, 1, 500)))
    draft = catalogue.transformer("llama-3.2-1b")

    def step(stages: int) -> float:
        found = drafting(
            draft,
            Precision(),
            RATES,
            SWITCHES,
            target=replace(target, pp=number(stages)),
            batch=number(64),
            prompt=400.0,
            longest=600.0,
            own=False,
        )
        return float(found.sums.step)

    assert step(4) == pytest.approx(4 * step(1), rel=1e-12)


@pytest.mark.parametrize(("stages", "groups"), [(1, 1), (2, 1), (1, 4), (2, 4)])
def test_prompts_stall_decoding(stages: int, groups: int) -> None:
    """Every 300 tokens of the 96 sequences a prompt is read, by all stages and groups at once."""
    content = {
        "name": "stall",
        "workload": {
            "transformer": "mixtral-8x7b",
            "input_tokens": 700,
            "output_tokens": 300,
            "tokens_per_second_per_request": 1,
        },
        "pools": [{"accelerator": "h100-sxm"}],
    }
    resolved = resolve(Instance.model_validate(content))
    degrees = Degrees(*map(number, (2, stages, 96, groups, 1)))
    timing = Evaluator(resolved, resolved.pools[0], degrees)(Precision())
    expected = 96 / 300 * timing.prefill / groups / stages
    assert timing.stall == pytest.approx(float(expected), rel=1e-12)
