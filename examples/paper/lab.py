"""One question asked in two ways: the paper's search over real numbers, and whole deployments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from paper import layout_search, reference
from planner import catalogue
from planner.catalogue.profile import NcclTree, Rates
from planner.terms import collectives, serving, speculation
from planner.terms.calibration import rates
from planner.terms.forward import Terms, forward
from planner.terms.forward_pass import Floats, ForwardPass, Precision
from planner.terms.memory_capacity import resident_bytes

CATALOGUE = {
    "Llama_3_8B": "llama-3-8b",
    "Llama_3_70B": "llama-3-70b",
    "Llama_3_70B_8_bit": "llama-3-70b",
    "Llama_3_70B_4_bit": "llama-3-70b",
    "Llama_3_405B": "llama-3.1-405b",
    "Llama_3_405B_8_bit": "llama-3.1-405b",
    "Mistral_Large_2": "mistral-large-2",
    "GPT_3": "gpt-3-175b",
    "PaLM_540B": "palm-540b",
    "Mixtral_8x22B": "mixtral-8x22b",
    "DeepSeek_V3": "deepseek-v3",
}
"""The program's transformers under their names in the catalogue; GPT-4 is a guess and not there."""
BATCHES = 120
LARGEST_SHARE = 8192
"""Most sequences of one attention group and stage that are tried."""


@dataclass(frozen=True, slots=True)
class Case:
    """A transformer on one kind of accelerator, and what is changed about either."""

    llm: str
    gpu: str = "H100"
    context: float = 0.0
    acceptance: float = 0.0
    """Of the draft's tokens; 0 for no draft."""
    draft: str = "Llama_3_8B"
    stages: bool = True
    bandwidth: float = 1.0
    """Factor on the memory's bandwidth."""
    memory: float = 1.0
    """Factor on the memory's size."""
    kernels: float = 1.0
    """Factor on the time of launches."""


@dataclass(frozen=True)
class Lab:
    """A way to find the deployments of a case; two of one name answer alike."""

    name: str
    every: Callable[[Case], layout_search.Points]
    terms: Callable[[Case, layout_search.Points], Terms]
    """Terms of one deployment without a draft, the fastest layout of its size."""
    model: Callable[[str, Case], layout_search.Model]
    label: Callable[[Case, layout_search.Points], str]
    """Degrees of one deployment, in words."""

    def front(self, case: Case) -> layout_search.Points:
        """Return the deployments that no other beats, fastest first."""
        return layout_search.frontier(self.every(case))

    def swiftest(self, case: Case) -> layout_search.Points:
        """Return the fastest deployment."""
        return layout_search.swiftest(self.every(case))

    def preferred(self, case: Case) -> layout_search.Points:
        """Return the deployment of most speed^3 per dollar."""
        return layout_search.preferred(self.front(case))


def changed(found: Rates, case: Case) -> Rates:
    """Return the rates with the case's factors."""
    return replace(
        found,
        memory_bytes=found.memory_bytes * case.memory,
        memory_bytes_per_second=found.memory_bytes_per_second * case.bandwidth,
        layer_seconds=found.layer_seconds * case.kernels,
    )


def paper_model(llm: str, case: Case) -> layout_search.Model:
    """Return the program's transformer on its accelerator, as F times it."""
    profile = catalogue.profile("paper")
    found = rates(catalogue.accelerator(reference.ACCELERATORS[case.gpu]), profile)
    precision = Precision(weights=reference.weights(llm))
    return layout_search.Model(
        reference.transformer(llm), precision, changed(found, case), profile.switches
    )


def calibrated_model(llm: str, case: Case) -> layout_search.Model:
    """Return the catalogue's transformer and accelerator, as `calibrated` times them."""
    profile = catalogue.profile("calibrated")
    found = rates(catalogue.accelerator(reference.ACCELERATORS[case.gpu]), profile)
    precision = Precision(weights=reference.weights(llm))
    return layout_search.Model(
        catalogue.transformer(CATALOGUE[llm]), precision, changed(found, case), profile.switches
    )


def price(case: Case) -> float:
    """Return the paper's price of one accelerator and hour, under either profile."""
    return reference.dollars_per_gpu_hour(reference.ACCELERATORS[case.gpu])


def search(case: Case, stride: int) -> layout_search.Points:
    """Return every `stride`-th point of either axis of the paper's grid."""
    model = paper_model(case.llm, case)
    return layout_search.frontier_grid(
        model,
        layout_search.Space(stages=case.stages),
        price(case),
        context=case.context,
        draft=draft_of(case),
        points=axes(case, model, stride),
    )


def real(stride: int = 1, known: dict[Case, layout_search.Points] | None = None) -> Lab:
    """Return the paper's own search; `known` holds what was searched before."""
    found = {} if known is None else known

    def every(case: Case) -> layout_search.Points:
        if case not in found:
            found[case] = search(case, stride)
        return found[case]

    def terms(case: Case, point: layout_search.Points) -> Terms:
        model, space = paper_model(case.llm, case), layout_search.Space(stages=case.stages)
        gpus, batch = float(point.gpus), float(point.batch)
        return layout_search.fastest(model, space, gpus, batch, context=case.context)[1]

    def label(case: Case, point: layout_search.Points) -> str:
        return f"{point.gpus:.1f} GPUs, batch {point.batch:.1f}"

    return Lab("paper", every, terms, paper_model, label)


def draft_of(case: Case) -> layout_search.Draft | None:
    """Return the draft of a case as F times it."""
    if not case.acceptance:
        return None
    return layout_search.Draft(paper_model(case.draft, case), case.acceptance)


def axes(case: Case, model: layout_search.Model, stride: int) -> tuple[Floats, Floats]:
    """Return the grid; where memory has no end, accelerators from one up."""
    if math.isinf(case.memory):
        gpus = np.geomspace(1.0, layout_search.LARGEST, layout_search.GRID_POINTS)[
            ::stride, np.newaxis
        ]
        return gpus, axes(replace(case, memory=1.0), paper_model(case.llm, Case(case.llm)), stride)[
            1
        ]
    return layout_search.grid(model, stride=stride)


@dataclass(frozen=True)
class Whole:
    """Deployments of whole numbers: degrees, batch and, in the same order, seconds of a token."""

    step: ForwardPass
    batch: Floats
    seconds: Floats


def whole(model: Callable[[str, Case], layout_search.Model], name: str) -> Lab:
    """Return the search over deployments of whole numbers, one-dimensional and within memory."""

    @cache
    def found(case: Case) -> Whole:
        return whole_deployments(model, case)

    @cache
    def every(case: Case) -> layout_search.Points:
        one = found(case)
        gpus = one.step.width * one.step.pp
        with np.errstate(divide="ignore"):
            output = one.batch / one.seconds
            dollars = serving.dollars_per_million_tokens(gpus, price(case), output)
        return layout_search.Points(gpus, one.batch, one.seconds, dollars)

    def index(case: Case, point: layout_search.Points) -> int:
        points = every(case)
        same = (points.seconds == point.seconds) & (points.batch == point.batch)
        return int(np.flatnonzero(same & (points.gpus == point.gpus))[0])

    def terms(case: Case, point: layout_search.Points) -> Terms:
        step, at = found(case).step, [index(case, point)]
        varying = ("tp", "pp", "dp", "ep", "sequences")
        chosen = replace(step, **{key: getattr(step, key)[at] for key in varying})
        return timed(model(case.llm, case), chosen)

    def label(case: Case, point: layout_search.Points) -> str:
        step, at = found(case).step, index(case, point)
        degrees = {key: int(getattr(step, key)[at]) for key in ("tp", "pp", "dp", "ep")}
        parts = [f"{key} {n}" for key, n in degrees.items() if n > 1 or key == "tp"]
        return ", ".join([*parts, f"batch {point.batch:.0f}"])

    return Lab(name, every, terms, model, label)


def timed(model: layout_search.Model, step: ForwardPass) -> Terms:
    """Time a pass of a model."""
    return forward(model.llm, model.precision, model.rates, model.switches, step)


def layouts(model: layout_search.Model, *, stages: bool) -> Iterator[tuple[int, int, int, int]]:
    """Yield degrees: powers of two; only experts want groups of attention and of themselves."""
    powers = [1, 2, 4, 8, 16, 32, 64]
    heads = min(g.attention.query_heads for g in model.llm.layers if g.attention)
    experts = int(layout_search.experts(model))
    for tp, pp, dp in product(powers, powers[:5] if stages else [1], powers):
        if heads % tp or (experts == 1 and dp > 1) or pp > model.llm.layer_count:
            continue
        for ep in powers:
            if experts % ep == 0 and ep <= tp * dp:
                yield tp, pp, dp, ep


def whole_deployments(model_of: Callable[[str, Case], layout_search.Model], case: Case) -> Whole:
    """Time every deployment of whole numbers that memory holds, with a draft where that helps."""
    model = model_of(case.llm, case)
    degrees = np.asarray(list(layouts(model, stages=case.stages)), dtype=float)
    shares = np.unique(np.round(np.geomspace(1, LARGEST_SHARE, BATCHES)))
    tp, pp, dp, ep = (np.repeat(column, shares.size) for column in degrees.T)
    batch = np.tile(shares, len(degrees)) * pp * dp
    context = np.asarray(case.context)
    step = ForwardPass(tp, pp, batch / pp, np.asarray(1.0), context, dp=dp, ep=ep)
    resident = resident_bytes(
        model.llm,
        model.precision,
        model.switches,
        tp=tp,
        pp=pp,
        batch=batch,
        length=context,
        dp=dp,
        ep=ep,
    )
    capacity = model.rates.memory_bytes
    seconds = np.where(resident <= capacity, timed(model, step).step, np.inf)
    if case.acceptance:
        drafted = whole_drafted(model, model_of(case.draft, case), case, step, batch)
        fits = resident + drafted.resident <= capacity
        for gamma in layout_search.GAMMAS:
            positions = float(speculation.verified_positions(gamma, model.switches))
            verify = timed(model, replace(step, positions=np.asarray(positions))).step
            tokens = speculation.tokens_per_round(case.acceptance, gamma, model.switches)
            one = (verify + gamma * drafted.sums.step) / tokens
            seconds = np.where(fits, np.minimum(seconds, one), seconds)
    return Whole(step, batch, seconds)


def whole_drafted(
    model: layout_search.Model,
    draft: layout_search.Model,
    case: Case,
    step: ForwardPass,
    batch: Floats,
) -> speculation.Drafted:
    """Time one drafting step on the accelerators of each deployment."""
    return speculation.drafting(
        draft.llm,
        draft.precision,
        model.rates,
        model.switches,
        target=step,
        batch=batch,
        prompt=1.0,
        longest=case.context,
        own=False,
    )


@contextmanager
def without_base_latency() -> Iterator[None]:
    """Take the fixed part of every message away, and give it back."""
    kept = dict(collectives.PROTOCOLS)
    try:
        for name, protocol in kept.items():
            collectives.PROTOCOLS[name] = protocol._replace(base_seconds=0.0)
        yield
    finally:
        collectives.PROTOCOLS.update(kept)


def link(found: Rates) -> NcclTree:
    """Return the network of an accelerator that speaks NCCL."""
    assert isinstance(found.collectives, NcclTree)
    return found.collectives
