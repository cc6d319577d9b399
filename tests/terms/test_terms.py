"""Terms: what must hold of times and bytes whatever the constants, and a few counted by hand."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import catalogue
from planner.catalogue.profile import Measured, NcclTree, Rates, Ring, Switches
from planner.terms import attention, serving
from planner.terms.calibration import rates
from planner.terms.collectives import all_reduce, curve_of, stage_hops
from planner.terms.forward import Terms, forward, overlap, step_seconds
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.memory_capacity import cache_bytes, resident_bytes, weight_bytes
from planner.terms.weight_formats import weight_bits

DENSE = [
    name
    for name in catalogue.transformer_names()
    if set(catalogue.transformer(name).kinds) == {"grouped-query", "dense"}
    and all(group.attention and group.feedforward for group in catalogue.transformer(name).layers)
]
WINDOWED = [
    name
    for name in DENSE
    if any(group.attention.window for group in catalogue.transformer(name).layers)
]
PROFILES = {name: catalogue.profile(name) for name in ("calibrated", "paper")}
MACHINES = [
    *(("calibrated", name) for name in catalogue.accelerator_names()),
    *(("paper", name) for name in PROFILES["paper"].accelerators),
]
FITTED = {
    name: rates(catalogue.accelerator(name), PROFILES["calibrated"]).collectives
    for name in catalogue.accelerator_names()
}
MEASURED = {name: net for name, net in FITTED.items() if isinstance(net, Measured)}
LARGEST = 1_000_000.0

properties = settings(max_examples=60, deadline=None, derandomize=True)
transformers = st.sampled_from(DENSE).map(catalogue.transformer)
machines = st.sampled_from(MACHINES)
networks = st.sampled_from(sorted(MEASURED)).map(MEASURED.get)
precisions = st.builds(
    Precision, st.sampled_from(["bf16", "fp8", "int4"]), st.sampled_from(["bf16", "fp8"])
)
positive = st.floats(1e-6, 1e6)


def number(value: float) -> np.ndarray:
    return np.asarray(float(value))


def machine(name: tuple[str, str]) -> tuple[Rates, Switches]:
    profile = PROFILES[name[0]]
    return rates(catalogue.accelerator(name[1]), profile), profile.switches


def decoding(tp: float = 1, pp: float = 1, batch: float = 1, context: float = 1000) -> ForwardPass:
    return ForwardPass(*map(number, (tp, pp, batch, 1, context)))


steps = st.builds(
    decoding,
    tp=st.sampled_from([1, 2, 4, 8, 16]),
    pp=st.sampled_from([1, 2, 4, 5]),
    batch=st.integers(1, 2000),
    context=st.integers(0, 100_000),
)


@properties
@given(transformers, machines, precisions, steps, st.floats(1.01, 10))
def test_more_bandwidth_shortens_memory_alone(llm, name, precision, step, factor):
    have, switches = machine(name)
    more = replace(have, memory_bytes_per_second=have.memory_bytes_per_second * factor)
    slow, fast = (forward(llm, precision, found, switches, step) for found in (have, more))
    assert fast.memory == pytest.approx(slow.memory / factor, rel=1e-12)
    assert (fast.arithmetic, fast.network, fast.latency) == (
        slow.arithmetic,
        slow.network,
        slow.latency,
    )
    assert fast.step <= slow.step
    if have.combine_power == 1.0:
        assert fast.step < slow.step


@properties
@given(transformers, machines, precisions, steps, st.floats(1.01, 10))
def test_more_flop_per_second_shortens_arithmetic_alone(llm, name, precision, step, factor):
    have, switches = machine(name)
    faster = {key: rate * factor for key, rate in have.flop_per_second.items()}
    more = replace(have, flop_per_second=faster)
    slow, fast = (forward(llm, precision, found, switches, step) for found in (have, more))
    assert fast.arithmetic == pytest.approx(slow.arithmetic / factor, rel=1e-12)
    assert (fast.memory, fast.network, fast.latency) == (slow.memory, slow.network, slow.latency)
    assert fast.step <= slow.step
    if have.combine_power == 1.0:
        assert fast.step < slow.step


@properties
@given(transformers, machines, precisions, steps, st.integers(1, 100_000))
def test_step_grows_with_context(llm, name, precision, step, further):
    have, switches = machine(name)
    longer = replace(step, context=step.context + further)
    short, long = (forward(llm, precision, have, switches, each) for each in (step, longer))
    assert long.arithmetic >= short.arithmetic
    assert long.memory >= short.memory
    assert (long.network, long.latency) == (short.network, short.latency)
    windows = [group.attention.window for group in llm.layers]
    if None in windows:
        assert long.arithmetic > short.arithmetic
        assert long.memory > short.memory
        assert long.step > short.step


@properties
@given(transformers, machines, precisions, steps, st.integers(1, 500))
def test_step_grows_with_batch(llm, name, precision, step, further):
    have, switches = machine(name)
    larger = replace(step, sequences=step.sequences + further)
    few, many = (forward(llm, precision, have, switches, each) for each in (step, larger))
    assert many.arithmetic > few.arithmetic
    assert many.memory > few.memory
    messages = few.network + few.latency
    assert many.network + many.latency >= messages * (1 - 1e-12)
    assert many.step > few.step


@properties
@given(transformers, machines, precisions, steps)
def test_one_rank_reduces_nothing_and_one_stage_hands_nothing_on(llm, name, precision, step):
    have, switches = machine(name)
    alone = forward(llm, precision, have, switches, replace(step, tp=number(1)))
    assert alone.network_parts["all_reduce"] == 0.0
    assert alone.latency_parts["all_reduce"] == 0.0
    unstaged = forward(llm, precision, have, switches, replace(step, pp=number(1)))
    assert unstaged.network_parts["stage_hops"] == 0.0
    assert unstaged.latency_parts["stage_hops"] == 0.0
    split = replace(step, tp=number(8), pp=number(4))
    both = forward(llm, precision, have, switches, split)
    for parts in (both.network_parts, both.latency_parts):
        assert parts["all_reduce"] > 0.0
        assert parts["stage_hops"] > 0.0


@properties
@given(st.lists(positive, min_size=4, max_size=4), st.sampled_from([1.0, 2.5, math.inf]))
def test_step_is_network_and_latency_on_top_of_the_overlap(seconds, power):
    arithmetic, memory, network, latency = map(number, seconds)
    together = overlap(arithmetic, memory, power)
    whole = step_seconds(arithmetic, memory, network, latency, power)
    assert whole == pytest.approx(network + latency + together, rel=1e-15)
    more = step_seconds(arithmetic, memory, network + 1.0, latency + 2.0, power)
    assert more - whole == pytest.approx(3.0, abs=1e-9)


def test_terms_are_the_sums_of_their_parts():
    parts = {"a": number(1), "b": number(2)}
    terms = Terms(parts, {"c": number(7)}, {}, {"d": number(5)}, math.inf)
    assert [terms.arithmetic, terms.memory, terms.network, terms.latency] == [3, 7, 0, 5]
    assert terms.step == 0 + 5 + max(3, 7)


@properties
@given(positive, positive, st.floats(1.001, 60))
def test_overlap_lies_between_maximum_and_sum(one, other, power):
    found = overlap(number(one), number(other), power)
    assert overlap(number(one), number(other), math.inf) == max(one, other)
    assert overlap(number(one), number(other), 1.0) == one + other
    assert max(one, other) <= found <= one + other
    assert found == overlap(number(other), number(one), power)
    assert found == pytest.approx(max(one, other) * _norm(one, other, power), rel=1e-9)


def _norm(one: float, other: float, power: float) -> float:
    small = min(one, other) / max(one, other)
    return (1 + small**power) ** (1 / power)


@properties
@given(positive, positive, st.floats(1.0, 50), st.floats(0.01, 50))
def test_overlap_falls_as_the_power_rises(one, other, power, further):
    high = overlap(number(one), number(other), power + further)
    assert high <= overlap(number(one), number(other), power) * (1 + 1e-14)


def test_overlap_of_nothing_is_nothing():
    for power in (1.0, 3.0, math.inf):
        assert overlap(number(0), number(0), power) == pytest.approx(0.0, abs=1e-300)
        assert overlap(number(0), number(2), power) == pytest.approx(2.0)


@properties
@given(st.integers(0, 300), st.integers(1, 300), st.one_of(st.none(), st.integers(1, 400)))
def test_attended_positions_are_the_mean_over_new_positions(cached, new, window):
    total = 0
    for position in range(1, new + 1):
        seen = cached + position
        total += seen if window is None else min(seen, window)
    step = ForwardPass(*map(number, (1, 1, 1, new, cached)))
    assert attention.attended(window, step, Switches()) == pytest.approx(total / new, rel=1e-12)
    paper = attention.attended(window, step, Switches(attention_context="cached"))
    assert paper == cached


@properties
@given(st.sampled_from(WINDOWED).map(catalogue.transformer), steps)
def test_sliding_windows_read_no_more_than_the_window(llm, step):
    switches = Switches()
    have = rates(catalogue.accelerator("h100-sxm"), PROFILES["calibrated"])
    for group in (group for group in llm.layers if group.attention.window):
        heads = group.attention
        held = attention.cache_elements_per_rank(heads, number(LARGEST), step.tp, switches)
        share = max(1, heads.kv_heads / float(step.tp)) * 2 * heads.head_dim
        assert held == heads.window * share
        assert attention.attended(heads.window, step, switches) <= heads.window
    step = replace(step, pp=number(1))
    read = forward(llm, Precision(), have, switches, step).memory_parts["cache"]
    words = 0.0
    for group in llm.layers:
        heads = group.attention
        length = min(step.context + 1, heads.window or math.inf)
        words += group.count * length * max(1, heads.kv_heads / step.tp) * 2 * heads.head_dim
    expected = words * 2 * step.sequences / have.memory_bytes_per_second
    assert read == pytest.approx(expected, rel=1e-12)


@properties
@given(transformers, st.sampled_from([2, 4, 8]))
def test_cache_is_replicated_beyond_the_key_value_heads(llm, times):
    heads = max(group.attention.kv_heads for group in llm.layers)

    def on_a_rank(profile: str, tp: float) -> np.ndarray:
        return cache_bytes(llm, Precision(), PROFILES[profile].switches, decoding(tp))

    assert on_a_rank("calibrated", heads) == on_a_rank("calibrated", heads * times)
    assert on_a_rank("paper", heads) == pytest.approx(times * on_a_rank("paper", heads * times))
    assert on_a_rank("calibrated", 1) == pytest.approx(on_a_rank("paper", 1), rel=1e-12)


@properties
@given(networks, st.sampled_from([2, 4, 8, 16, 48, 72]), st.floats(0, 1e9), st.floats(0, 1e9))
def test_measured_all_reduce_grows_with_payload(net, ranks, payload, further):
    nodes = math.ceil(ranks / net.node_gpus)
    small, large = (
        all_reduce(net, number(ranks), number(nodes), number(size))
        for size in (payload, payload + further)
    )
    assert small.latency == large.latency
    assert large.transfer >= small.transfer - 1e-12
    if further > 1.0:
        assert large.transfer > small.transfer


@properties
@given(networks, st.sampled_from([2, 4, 8, 16, 48, 72]), st.floats(0, 1e9))
def test_measured_all_reduce_takes_no_less_than_each_of_its_legs(net, ranks, payload):
    nodes = math.ceil(ranks / net.node_gpus)
    local = ranks / nodes
    message = all_reduce(net, number(ranks), number(nodes), number(payload))
    whole = float(message.latency + message.transfer)
    inside = 0.0
    if local > 1:
        curve = curve_of(net, local)
        inside = float(np.interp(payload, net.payload_bytes, curve.seconds))
        inside += max(0.0, payload - net.payload_bytes[-1]) / curve.bytes_per_second
    between = 2 * (nodes - 1) / nodes * payload / local / net.network_bytes_per_second
    between += 2 * math.log2(nodes) * net.network_seconds
    assert whole == pytest.approx(inside + between, rel=1e-9)
    assert whole >= max(inside, between) * (1 - 1e-9)


@pytest.mark.parametrize("name", PROFILES["calibrated"].collectives)
def test_measured_points_are_met_exactly(name):
    table = PROFILES["calibrated"].collectives[name]["vllm-graph"]
    net = MEASURED[name]
    for ranks, curve in table.curves.items():
        assert curve_of(net, ranks) is curve
        if ranks > net.node_gpus:
            continue
        payloads = np.asarray(net.payload_bytes)
        message = all_reduce(net, number(ranks), number(1), payloads)
        assert message.latency + message.transfer == pytest.approx(curve.seconds, rel=1e-12)
        assert message.latency == pytest.approx(curve.seconds[0])
        beyond = all_reduce(net, number(ranks), number(1), number(payloads[-1] + 1e9))
        more = beyond.latency + beyond.transfer - curve.seconds[-1]
        assert more == pytest.approx(1e9 / curve.bytes_per_second, rel=1e-9)


@pytest.mark.parametrize("name", MEASURED)
def test_latency_does_not_fall_as_ranks_are_added(name):
    net = MEASURED[name]
    latencies = [curve_of(net, ranks).seconds[0] for ranks in (2, 3, 4, 5, 6, 8, 12, 16, 32, 72)]
    assert latencies == sorted(latencies)


@pytest.mark.parametrize("name", MEASURED)
def test_curves_between_and_beyond_the_measured_ones(name):
    net = MEASURED[name]
    low, middle, high = (curve_of(net, ranks) for ranks in (2, 2 * math.sqrt(2), 4))
    for between, *ends in zip(middle.seconds, low.seconds, high.seconds, strict=True):
        assert between == pytest.approx(sum(ends) / 2)
    assert 1 / middle.bytes_per_second == pytest.approx(
        (1 / low.bytes_per_second + 1 / high.bytes_per_second) / 2
    )
    largest = max(net.curves)
    last, before = net.curves[largest], net.curves[sorted(net.curves)[-2]]
    doubled = curve_of(net, 2 * largest)
    ring = (2 * largest - 1) / (2 * largest) / ((largest - 1) / largest)
    assert doubled.bytes_per_second == pytest.approx(last.bytes_per_second / ring)
    growth = max(0.0, last.seconds[0] - before.seconds[0])
    assert doubled.seconds[0] == pytest.approx(last.seconds[0] + growth)
    assert doubled.seconds[-1] >= last.seconds[-1]


@properties
@given(st.sampled_from([1, 2, 4, 8, 72]), st.sampled_from([1, 2, 3, 4, 8, 16]), st.integers(1, 24))
def test_hops_cross_nodes_where_neighbouring_stages_lie_on_different_ones(node_gpus, tp, pp):
    hop, crossing, size = 1.0, 1000.0, 3.0
    net = replace(
        MEASURED["h100-sxm"],
        node_gpus=node_gpus,
        send_seconds=hop,
        send_bytes_per_second=1.0 / hop,
        network_seconds=crossing,
        network_bytes_per_second=1.0 / crossing,
    )
    stages_of_a_node = max(1, node_gpus // tp)
    nodes = [stage // stages_of_a_node for stage in range(pp)]
    crossings = sum(one != other for one, other in pairwise(nodes))
    inside = pp - 1 - crossings
    back = 0.0 if pp == 1 else (crossing if nodes[-1] != nodes[0] else hop)
    message = stage_hops(net, number(tp), number(pp), number(size))
    assert message.latency == inside * hop + crossings * crossing + back
    assert message.transfer == pytest.approx(size * (inside * hop + crossings * crossing))


def test_a_ring_takes_each_hop_twice_and_almost_all_of_the_payload():
    net = Ring(bytes_per_second=100.0, hop_seconds=2.0)
    message = all_reduce(net, number(4), number(1), number(800))
    assert message.latency == 2 * 3 * 2.0
    assert message.transfer == pytest.approx(3 / 4 * 800 / 100)


def test_nccl_takes_its_fastest_protocol():
    net = NcclTree(225e9, 25e9, 8, overlapped=True)
    tiny = all_reduce(net, number(8), number(1), number(0))
    assert tiny.latency == pytest.approx(2 * 0.6e-6 * 7 + 6.8e-6)
    large = all_reduce(net, number(2), number(1), number(1e12))
    assert large.latency == pytest.approx(2 * 28e-6)
    assert large.transfer == pytest.approx(1e12 * 1 / (2 * 225e9))


def parameters_by_part(group, hidden):
    found = {}
    if group.attention is not None:
        kind = "recurrent" if group.attention.kind == "recurrent" else "attention"
        found[kind] = group.attention.parameters(hidden)
    if (block := group.feedforward) is not None and block.kind == "dense":
        found["dense"] = block.parameters(hidden)
    elif block is not None:
        router = hidden * block.count if block.router else 0
        found["router"], found["shared"] = router, block.common_parameters(hidden) - router
        found["experts"] = block.parameters(hidden) - block.common_parameters(hidden)
    return found


@properties
@given(
    transformers,
    precisions,
    st.sampled_from(sorted(PROFILES)),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.sampled_from([1, 2, 3, 4, 7]),
)
def test_no_weight_is_lost_between_ranks_and_stages(llm, precision, profile, tp, pp):
    switches = PROFILES[profile].switches
    held = tp * pp * weight_bytes(llm, precision, switches, decoding(tp, pp))
    bits = weight_bits(llm, precision.weights, switches)
    least = sum(
        group.count * parameters * bits.bytes_of(part)
        for group in llm.layers
        for part, parameters in parameters_by_part(group, llm.hidden).items()
    )
    least += llm.embedding_parameters * bits.bytes_of("embeddings")
    least += 0 if llm.tied_embeddings else llm.embedding_parameters * bits.bytes_of("head")
    least += llm.look_up_parameters * bits.bytes_of("embeddings") + 2 * llm.tower_parameters
    assert held >= least * (1 - 1e-12)
    if tp == pp == 1:
        assert held == pytest.approx(least, rel=1e-12)


@properties
@given(transformers, precisions, st.sampled_from(sorted(PROFILES)), steps, st.integers(1, 100))
def test_resident_bytes_grow_with_batch_and_length(llm, precision, profile, step, further):
    def resident(batch: float, length: float) -> float:
        return resident_bytes(
            llm,
            precision,
            PROFILES[profile].switches,
            tp=step.tp,
            pp=step.pp,
            batch=number(batch),
            length=number(length),
        )

    batch, length = float(step.sequences), float(step.context) + 1
    assert resident(batch + further, length) > resident(batch, length)
    assert resident(batch, length + further) >= resident(batch, length)


@properties
@given(st.integers(1, 12), st.integers(1, 6), st.floats(0.001, 5), st.floats(0.001, 50))
def test_stall_is_what_a_replica_that_reads_one_prompt_per_answer_loses(sequences, turns, step, p):
    """Sequences end evenly spread; each is followed by one prompt, during which all wait."""
    output = sequences * turns
    left = [turns * (slot + 1) for slot in range(sequences)]
    clock, tokens = 0.0, 0
    for _ in range(3 * output):
        clock += step
        tokens += sequences
        left = [remaining - 1 for remaining in left]
        for slot, remaining in enumerate(left):
            if remaining == 0:
                clock += p
                left[slot] = output
    stall = serving.prefill_stall(number(sequences), output, number(p), number(1))
    tpot = serving.seconds_per_output_token(number(step), stall)
    assert tpot == pytest.approx(clock / (3 * output), rel=1e-9)
    rate = serving.tokens_per_second(number(sequences), tpot)
    assert rate == pytest.approx(tokens / clock, rel=1e-9)


def test_serving_by_hand():
    # 32 sequences of 64 tokens: every token half a prompt, whose 2 s spread over 4 stages.
    assert serving.prefill_stall(number(32), 64, number(2), number(4)) == 0.5 * 2 / 4
    assert serving.time_to_first_token(number(2), number(0.5)) == 2.5
    assert serving.context_while_decoding(1000, 500) == 1250
    assert serving.micro_batch(number(10), number(4), whole=True) == 3
    assert serving.micro_batch(number(10), number(4), whole=False) == 2.5
    # 4 GPUs at 3.6 $/h make 0.004 $/s; a million tokens at 1000 per second take 1000 s.
    cost = serving.dollars_per_million_tokens(number(4), 3.6, number(1000))
    assert cost == pytest.approx(4.0)
    assert serving.dollars_per_hour(number(3), number(4), 2.5) == 30.0


@properties
@given(st.integers(1, 10_000), st.floats(1e-3, 1e6))
def test_replicas_are_exact_where_the_demand_is_a_multiple(replicas, rate):
    demand = replicas * rate
    assert serving.replicas_for(demand, number(rate)) == replicas
    assert serving.replicas_for(demand * (1 + 1e-6), number(rate)) == replicas + 1
    assert serving.replicas_for(rate * 1e-9, number(rate)) == 1


ATTENTION_WEIGHTS = 8192 * 64 * 128 * 2 + 8192 * 8 * 128 * 2  # Q and O, K and V: 150,994,944
BLOCK_WEIGHTS = 3 * 8192 * 28672  # gate, up, down: 704,643,072
LAYERS = 80
OUTPUT = 128256 * 8192  # 1,050,673,152
CACHED = 2 * 8 * 128 * LAYERS  # numbers per position: 163,840


def counted(tp: int, batch: int) -> Terms:
    """A decoding step of Llama 3.1 70B at 1 FLOP/s and 1 B/s: seconds are FLOP and bytes."""
    unit = Rates(
        flop_per_second={"bf16": 1.0, "fp8": 2.0},
        memory_bytes=1.0,
        memory_bytes_per_second=1.0,
        layer_seconds=0.0,
        step_seconds=0.0,
        collectives=Ring(1.0, 0.0),
    )
    llm = catalogue.transformer("llama-3.1-70b")
    return forward(llm, Precision(), unit, Switches(), decoding(tp, 1, batch, 1000))


def test_flop_of_llama_70b_by_hand():
    weights = LAYERS * (ATTENTION_WEIGHTS + BLOCK_WEIGHTS) + OUTPUT
    assert weights == 69_501_714_432
    # 64 heads of 128: 2 FLOP for a score and 2 for a value, each with 1000 cached and itself.
    scores = LAYERS * 4 * 64 * 128 * 1001
    assert scores == 2_624_061_440
    assert counted(1, 1).arithmetic == 2 * weights + scores == 141_627_490_304
    assert counted(1, 7).arithmetic == 7 * 141_627_490_304
    assert counted(8, 1).arithmetic == 141_627_490_304 / 8


def test_bytes_of_llama_70b_by_hand():
    weights = 2 * (LAYERS * (ATTENTION_WEIGHTS + BLOCK_WEIGHTS) + OUTPUT)
    assert weights == 139_003_428_864
    cache = CACHED * 2 * 1001
    assert cache == 328_007_680
    # In and out: QKV 8192 + 10240, O 8192 + 8192, gate and up 8192 + 57344, down 28672 + 8192.
    words = 18_432 + 16_384 + 65_536 + 36_864
    activations = 2 * LAYERS * words
    assert activations == 21_954_560
    assert counted(1, 1).memory == weights + cache + activations == 139_353_391_104
    assert counted(1, 3).memory == weights + 3 * (cache + activations)


def test_bytes_of_llama_70b_on_sixteen_ranks_by_hand():
    """Eight key/value heads on sixteen ranks: each holds one, so that every head lies twice."""
    parts = counted(16, 1).memory_parts
    queries_and_output = 8192 * 64 * 128 * 2 // 16
    one_head = 8192 * 2 * 128
    assert parts["attention_weights"] == 2 * LAYERS * (queries_and_output + one_head)
    assert parts["feedforward_weights"] == 2 * LAYERS * BLOCK_WEIGHTS // 16
    assert parts["cache"] == 2 * LAYERS * 2 * 128 * 1001
    assert parts["output_projection"] == 2 * OUTPUT // 16


def test_all_reduces_of_llama_70b_by_hand():
    """Two sums a layer of 8192 two-byte words per sequence; a ring moves 7/8 of them at 1 B/s."""
    assert counted(8, 5).network == pytest.approx(LAYERS * 2 * 5 * 8192 * 2 * 7 / 8)


def test_resident_bytes_of_llama_70b_by_hand():
    llm = catalogue.transformer("llama-3.1-70b")
    found = resident_bytes(
        llm,
        Precision("fp8", "fp8"),
        Switches(),
        tp=number(8),
        pp=number(1),
        batch=number(16),
        length=number(2000),
    )
    weights = LAYERS * (ATTENTION_WEIGHTS + BLOCK_WEIGHTS) // 8 + 2 * 2 * OUTPUT // 8
    cache = CACHED // 8 * 2000 * 16
    assert found == weights + cache
