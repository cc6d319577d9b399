"""The paper's claims, each as a number that a lab measures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from paper import closed_form, layout_search, reference
from paper.lab import Case, Lab, link, paper_model, price, timed, without_base_latency
from planner.catalogue.attention import GroupedQuery
from planner.catalogue.feedforward import Dense
from planner.catalogue.transformer import LayerGroup, Transformer
from planner.terms.collectives import PROTOCOLS
from planner.terms.forward_pass import ONE, Floats, ForwardPass

DENSE = (
    "Llama_3_8B",
    "Llama_3_70B",
    "Mistral_Large_2",
    "GPT_3",
    "Llama_3_405B",
    "PaLM_540B",
)
"""Six dense transformers in 16 bits, 8 to 540 billion parameters."""
SPEED_BANDWIDTH = 3.3e12
"""Bytes per second that an H100's memory reaches in the program, before its cap."""
POPE = {8e9: 4.0, 62e9: 13.0, 540e9: 32.0}
"""Parameters of PaLM to milliseconds per token, as Pope et al. measured."""


def exponent(sizes: Floats | list[float], speeds: list[float]) -> float:
    """Return the slope of a line through logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(speeds), 1)[0])


def top_speed(lab: Lab, case: Case) -> float:
    """Return the most tokens per second of one sequence."""
    return float(lab.swiftest(case).speed)


def dense(llm: str) -> Case:
    """Return a case without stages and draft."""
    return Case(llm, stages=False)


def size_exponent(lab: Lab, names: tuple[str, ...] = DENSE) -> float:
    """Fit speed against parameters."""
    sizes = [reference.transformer(name).parameters for name in names]
    return exponent(sizes, [top_speed(lab, dense(name)) for name in names])


def closed_form_exponent(lab: Lab) -> float:
    """Fit the closed form's speed against parameters."""
    speeds = []
    for name in DENSE:
        llm = reference.transformer(name)
        speeds.append(
            1.0 / closed_form.fastest(2.0 * llm.parameters, llm.layer_count, 3.3e12).seconds
        )
    return exponent([reference.transformer(name).parameters for name in DENSE], speeds)


def family_exponent(lab: Lab, depth: float, llm: str = "Llama_3_70B") -> float:
    """Fit the paper's search over one transformer 1/16 to 16 times as large, L ~ size^depth."""
    model = paper_model(llm, Case(llm))
    sizes, speeds = [], []
    for factor in 2.0 ** np.arange(-4, 5, 2):
        scaled = replace(model, llm=stretched(model.llm, factor, depth))
        axes = layout_search.grid(scaled, stride=3)
        every = layout_search.frontier_grid(
            scaled, layout_search.Space(), price(Case(llm)), points=axes
        )
        sizes.append(scaled.llm.parameters)
        speeds.append(float(layout_search.swiftest(every).speed))
    return exponent(sizes, speeds)


def stretched(llm: Transformer, factor: float, depth: float) -> Transformer:
    """Return a transformer with `factor` times the weights, factor^depth times the layers."""
    wider = factor ** ((1.0 - depth) / 2.0)
    [group] = llm.layers
    heads, block = group.attention, group.feedforward
    assert isinstance(heads, GroupedQuery) and isinstance(block, Dense)
    heads = replace(heads, query_heads=heads.query_heads * wider, kv_heads=heads.kv_heads * wider)
    block = replace(block, width=block.width * wider)
    layers = LayerGroup(round(group.count * factor**depth), heads, block)
    return replace(llm, hidden=llm.hidden * wider, layers=(layers,))


def bandwidth_exponent(lab: Lab, low: int = -3, high: int = 5, kernels: float = 1.0) -> float:
    """Fit speed against the memory's bandwidth, 2^low to 2^high times today's."""
    factors = 2.0 ** np.arange(low, high + 1)
    case = replace(dense("Llama_3_70B_8_bit"), kernels=kernels)
    return exponent(factors, [top_speed(lab, replace(case, bandwidth=f)) for f in factors])


def bandwidth_exponent_without_latency(lab: Lab) -> float:
    """Fit the same where launches and messages have no fixed part."""
    with without_base_latency():
        return bandwidth_exponent(lab, kernels=0.0)


def latency_cut(lab: Lab) -> float:
    """Return what doubling the bandwidth takes off the time of a token."""
    case = dense("Llama_3_70B_8_bit")
    return 1.0 - top_speed(lab, case) / top_speed(lab, replace(case, bandwidth=2.0))


def equal_cost(lab: Lab, one: Case, other: Case, low: float, high: float) -> Floats:
    """Return how much faster `one` is at costs from `low` to `high` that both can meet."""
    dollars = np.geomspace(low, high, 200)
    ours, theirs = (layout_search.speed_at(lab.front(case), dollars) for case in (one, other))
    both = (ours > 0.0) & (theirs > 0.0)
    return ours[both] / theirs[both]


def drafted_gain(lab: Lab, llm: str, low: float, high: float) -> float:
    """Return the median gain of a draft at equal cost."""
    case = dense(llm)
    return float(np.median(equal_cost(lab, replace(case, acceptance=0.8), case, low, high))) - 1.0


def drafted_speed(lab: Lab, llm: str) -> float:
    """Return how much faster the fastest deployment is with a draft."""
    case = Case(llm)
    return top_speed(lab, replace(case, acceptance=0.8)) / top_speed(lab, case) - 1.0


def narrower_speed(lab: Lab, one: str, other: str) -> float:
    """Return how much faster the fastest deployment is in half the bits."""
    return top_speed(lab, Case(one)) / top_speed(lab, Case(other)) - 1.0


def narrower_gain(lab: Lab, one: str, other: str) -> float:
    """Return the median gain of half the bits at equal cost."""
    return float(np.median(equal_cost(lab, dense(one), dense(other), 0.15, 5.0))) - 1.0


def generation_gain(lab: Lab, new: str, old: str) -> float:
    """Return the median gain of a generation of accelerators at equal cost."""
    one, other = (replace(dense("Llama_3_70B_8_bit"), gpu=gpu) for gpu in (new, old))
    return float(np.median(equal_cost(lab, one, other, 0.3, 30.0))) - 1.0


def generation_speed(lab: Lab, new: str, old: str) -> float:
    """Return how much faster the fastest deployment of a generation is."""
    one, other = (Case("Llama_3_70B_8_bit", gpu=gpu) for gpu in (new, old))
    return top_speed(lab, one) / top_speed(lab, other) - 1.0


def cost_at(lab: Lab, case: Case, speeds: Floats) -> Floats:
    """Return the least dollars per million tokens at each speed, infinite where too fast."""
    front = lab.front(case)
    order = np.argsort(-front.speed, kind="stable")
    least = np.concatenate([[np.inf], np.minimum.accumulate(front.dollars[order])])
    return least[np.searchsorted(-front.speed[order], -speeds, side="right")]


def without_stages(lab: Lab, llm: str, memory: float = 1.0, part: float = 50.0) -> float:
    """Return what doing without pipeline stages costs: a percentile over speeds, as a ratio."""
    case = Case(llm, memory=memory)
    flat = replace(case, stages=False)
    fastest = min(top_speed(lab, case), top_speed(lab, flat))
    slowest = max(float(lab.front(one).speed.min()) for one in (case, flat))
    speeds = np.geomspace(slowest, fastest, 400)
    ratios = cost_at(lab, flat, speeds) / cost_at(lab, case, speeds)
    return float(np.percentile(ratios[np.isfinite(ratios)], part))


def want_of_memory(lab: Lab, speed: float, llm: str = "Llama_3_405B") -> float:
    """Return the cost at a speed over that with boundless memory, without stages."""
    speeds = np.asarray([speed])
    boundless = replace(dense(llm), memory=math.inf)
    return float((cost_at(lab, dense(llm), speeds) / cost_at(lab, boundless, speeds))[0])


def reading_all_memory(lab: Lab) -> float:
    """Return the milliseconds in which an H100 reads all of its memory."""
    rates = paper_model("Llama_3_70B", Case("Llama_3_70B")).rates
    return 1e3 * rates.memory_bytes / SPEED_BANDWIDTH


def message_share(lab: Lab, llm: str) -> float:
    """Return the part of a token's time that is latency of messages, at the most speed."""
    case = dense(llm)
    terms = lab.terms(case, lab.swiftest(case))
    parts = terms.latency_parts
    messages = parts["all_reduce"] + parts["experts"] + parts["stage_hops"]
    return float(np.ravel(messages / terms.step)[0])


def launch_share(lab: Lab, llm: str) -> float:
    """Return the part of a token's time that is launches, at the most speed."""
    case = dense(llm)
    terms = lab.terms(case, lab.swiftest(case))
    return float(np.ravel(terms.latency_parts["launches"] / terms.step)[0])


def memory_share(lab: Lab, llm: str) -> float:
    """Return the part of a token's time that reading memory is, at the preferred point."""
    case = dense(llm)
    terms = lab.terms(case, lab.preferred(case))
    return float(np.ravel(terms.memory / terms.step)[0])


def crossover_megabytes(lab: Lab, protocol: str, ranks: float, nodes: float) -> float:
    """Return the payload at which an all-reduce's transfer takes as long as its latency."""
    one = PROTOCOLS[protocol]
    net = link(paper_model("Llama_3_70B", Case("Llama_3_70B")).rates)
    local = ranks / nodes
    latency = 2.0 * (one.rank_seconds * (local - 1.0) + one.node_seconds * math.log2(nodes))
    inside = nodes * (local - 1.0) / (ranks * net.intra_bytes_per_second)
    between = (nodes - 1.0) / (ranks * net.inter_bytes_per_second)
    return (latency + one.base_seconds) * one.bandwidth / max(inside, between) / 1e6


def utilisation(lab: Lab) -> float:
    """Return the arithmetic's part of the time at the preferred point of 70B in 16 bits."""
    case = dense("Llama_3_70B")
    point = lab.preferred(case)
    flat = ForwardPass(point.gpus, ONE, point.batch, ONE, np.asarray(0.0))
    return float(timed(lab.model(case.llm, case), flat).arithmetic / point.seconds)


def cache_gigabytes(lab: Lab) -> float:
    """Return the cache of one sequence of 100,000 tokens on Mistral Large 2."""
    llm = lab.model("Mistral_Large_2", Case("Mistral_Large_2")).llm
    return 2.0 * llm.cache_elements_per_token * 1e5 / 1e9


def cache_cost(lab: Lab) -> float:
    """Return the dollars of reading that cache for a million tokens, at $2 and peak bandwidth."""
    return cache_gigabytes(lab) * 1e9 / SPEED_BANDWIDTH * 2.0 / 3600.0 * 1e6


def least_cost(lab: Lab, llm: str, context: float) -> float:
    """Return the least dollars per million tokens."""
    return float(lab.front(Case(llm, context=context)).dollars.min())


def long_context_speed(lab: Lab) -> float:
    """Return the most speed of Mistral Large 2 after 100,000 tokens over that after none."""
    case = dense("Mistral_Large_2")
    return top_speed(lab, replace(case, context=1e5)) / top_speed(lab, case)


def latent_saving(lab: Lab, speed: float) -> float:
    """Return the cost of Mistral Large 2 over DeepSeek-V3's at 100,000 tokens and a speed."""
    cases = [replace(dense(llm), context=1e5) for llm in ("Mistral_Large_2", "DeepSeek_V3")]
    large, latent = (cost_at(lab, case, np.asarray([speed]))[0] for case in cases)
    return float(large / latent)


def latent_crossover(lab: Lab) -> float:
    """Return the context at which DeepSeek-V3's attention outweighs all its other arithmetic."""
    llm = "DeepSeek_V3"
    step = ForwardPass(ONE, ONE, ONE, ONE, np.asarray(1e4))
    parts = timed(lab.model(llm, Case(llm)), step).arithmetic_parts
    return float(1e4 * (parts["feedforward"] + parts["projections"]) / parts["attention"])


def special_hardware(lab: Lab, llm: str) -> float:
    """Return the most speed of a Groq LPU over an H100's."""
    return top_speed(lab, Case(llm, gpu="Groq")) / top_speed(lab, Case(llm))


def price_of_haste(lab: Lab, llm: str) -> float:
    """Return the closed form's cost at the least latency over its least cost."""
    one = reference.transformer(llm)
    found = closed_form.fastest(2.0 * one.parameters, one.layer_count, SPEED_BANDWIDTH)
    return found.gpus * found.seconds / (2.0 * one.parameters / SPEED_BANDWIDTH)


def pope(lab: Lab) -> float:
    """Fit PaLM's measured latency against its parameters."""
    return exponent(list(POPE), list(POPE.values()))
