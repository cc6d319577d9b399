"""The source paper's search: the fastest layout of real-valued degrees, and what speed costs.

Version F of the paper's program takes numbers of accelerators, stages and sequences as real, tries
a few layouts at every point of a grid, and keeps what no other point beats. Plans are not made
this way; `docs/paper.md` compares both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planner.catalogue.feedforward import Experts
from planner.catalogue.profile import Rates, Switches
from planner.catalogue.transformer import Transformer
from planner.terms import feedforward, serving, speculation
from planner.terms.forward import Terms, forward
from planner.terms.forward_pass import ONE, Floats, ForwardPass, Precision
from planner.terms.memory_capacity import resident_bytes

GRID_POINTS = 400
LARGEST = 2.0**18
"""Most accelerators and, times the sparsity, most sequences of the grid."""
STAGE_DEGREES = 10
ATTENTION_GROUPS = 6
GAMMAS = (2, 3, 4, 5)
"""Drafted tokens of a round that are tried."""
LATENCY_BOUNDS = 1000
SLOWEST = 100.0
"""Loosest latency bound over the least latency."""
ALPHA = 3.0
"""Exponent of speed in what the paper prefers."""


@dataclass(frozen=True, slots=True)
class Model:
    """A transformer in some precision on one kind of accelerator, as a profile times it."""

    llm: Transformer
    precision: Precision
    rates: Rates
    switches: Switches


@dataclass(frozen=True, slots=True)
class Space:
    """Which layouts are tried beside one- and two-dimensional tensor parallelism."""

    stages: bool = False
    """Pipeline stages."""
    groups: bool = True
    """Groups for attention and for experts: version `new` of F, not `final`."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What drafts tokens, and the probability that one is accepted."""

    model: Model
    acceptance: float


@dataclass(frozen=True, slots=True)
class Points:
    """Deployments as arrays of one shape."""

    gpus: Floats
    batch: Floats
    seconds: Floats
    """Per token of one sequence; infinite where nothing is feasible."""
    dollars: Floats
    """Per million tokens."""

    @property
    def speed(self) -> Floats:
        """Tokens per second of one sequence."""
        return 1.0 / self.seconds

    def take(self, index: npt.NDArray[np.intp] | int) -> Points:
        """Return the deployments at `index` of the flattened arrays."""
        every = (self.gpus, self.batch, self.seconds, self.dollars)
        return Points(*(np.ravel(array)[index] for array in every))


def sparsity(model: Model) -> float:
    """Experts per active expert; 1 without experts."""
    for group in model.llm.layers:
        if isinstance(group.feedforward, Experts):
            return feedforward.sparsity(group.feedforward, model.switches)
    return 1.0


def experts(model: Model) -> float:
    """Experts of a layer; 1 without."""
    for group in model.llm.layers:
        if isinstance(group.feedforward, Experts):
            return float(group.feedforward.count)
    return 1.0


def stage_degrees(model: Model, space: Space, gpus: Floats, batch: Floats) -> Iterator[Floats]:
    """Yield the pipeline degrees that F tries: 1, or ten real ones up to min(batch, layers) (T63).

    Version `final` goes up to the layers at every point.
    """
    layers = float(model.llm.layer_count)
    deepest = np.minimum(batch, layers) if space.groups else np.full_like(batch, layers)
    for part in np.linspace(0.0, 1.0, STAGE_DEGREES if space.stages else 1):
        yield deepest**part + 0.0 * gpus


def attention_groups(space: Space, width: Floats) -> Iterator[Floats]:
    """Yield the numbers of attention groups that F tries: six real ones up to every rank (T64)."""
    for part in np.linspace(0.0, 1.0, ATTENTION_GROUPS if space.groups else 1):
        yield np.maximum(width, 1.0) ** part


def expert_groups(model: Model, space: Space, width: Floats, sequences: Floats) -> Floats:
    """Return F's number of groups of experts: all it can have, or one (T65).

    One where the micro-batch has fewer than two sequences for each expert per active one.
    """
    if not space.groups:
        return np.ones_like(width)
    most = np.clip(width, 1.0, experts(model))
    return np.where(sequences < 2.0 * sparsity(model), 1.0, most)


def feasible(
    model: Model, space: Space, gpus: Floats, batch: Floats, pp: Floats, *, context: float
) -> npt.NDArray[np.bool_]:
    """Whether F lets a point count: memory, and a rank and a sequence for each stage (T66).

    Version `new` asks for the cache of one micro-batch only, which is a mistake of its own.
    """
    resident = resident_bytes(
        model.llm,
        model.precision,
        model.switches,
        tp=gpus,
        pp=ONE,
        batch=batch / pp if space.groups else batch,
        length=np.asarray(context),
    )
    admissible = pp <= np.minimum(gpus, batch)
    held: npt.NDArray[np.bool_] = resident <= model.rates.memory_bytes
    return admissible & held


def passes(
    model: Model,
    space: Space,
    gpus: Floats,
    batch: Floats,
    *,
    context: float,
    positions: float = 1.0,
) -> Iterator[tuple[npt.NDArray[np.bool_], ForwardPass]]:
    """Yield every layout F tries at each point, with the points where it is feasible (T67)."""
    for pp in stage_degrees(model, space, gpus, batch):
        allowed = feasible(model, space, gpus, batch, pp, context=context)
        width, sequences = gpus / pp, batch / pp
        ep = expert_groups(model, space, width, sequences)
        for dp in attention_groups(space, width):
            for layout in ("1d", "2d"):
                yield (
                    allowed,
                    ForwardPass(
                        tp=width / dp,
                        pp=pp,
                        sequences=sequences,
                        positions=np.asarray(positions),
                        context=np.asarray(context),
                        layout=layout,
                        dp=dp,
                        ep=ep,
                    ),
                )


def step_seconds(
    model: Model,
    space: Space,
    gpus: Floats,
    batch: Floats,
    *,
    context: float = 0.0,
    positions: float = 1.0,
) -> Floats:
    """Seconds of a pass in the fastest layout F tries; infinite where none is feasible (T68)."""
    best: Floats = np.full(np.broadcast_shapes(gpus.shape, batch.shape), np.inf)
    for allowed, step in passes(model, space, gpus, batch, context=context, positions=positions):
        terms = forward(model.llm, model.precision, model.rates, model.switches, step)
        best = np.minimum(best, np.where(allowed, terms.step, np.inf))
    return best


def fastest(
    model: Model, space: Space, gpus: float, batch: float, *, context: float = 0.0
) -> tuple[ForwardPass, Terms]:
    """Return the fastest layout at one point, and its terms."""
    one, many = np.asarray([gpus]), np.asarray([batch])
    found = [
        (step, forward(model.llm, model.precision, model.rates, model.switches, step))
        for allowed, step in passes(model, space, one, many, context=context)
        if allowed.all()
    ]
    return min(found, key=lambda pair: float(pair[1].step[0]))


def token_seconds(
    model: Model,
    space: Space,
    gpus: Floats,
    batch: Floats,
    *,
    context: float = 0.0,
    draft: Draft | None = None,
) -> Floats:
    """Seconds per token, with a draft wherever that is faster (T69)."""
    best = step_seconds(model, space, gpus, batch, context=context)
    if draft is None:
        return best
    drafted = step_seconds(draft.model, space, gpus, batch, context=context)
    for gamma in GAMMAS:
        positions = float(speculation.verified_positions(gamma, model.switches))
        verified = step_seconds(model, space, gpus, batch, context=context, positions=positions)
        tokens = speculation.tokens_per_round(draft.acceptance, gamma, model.switches)
        best = np.minimum(best, (verified + gamma * drafted) / tokens)
    return best


def grid(model: Model, points: int = GRID_POINTS, stride: int = 1) -> tuple[Floats, Floats]:
    """Return F's grid: accelerators down, sequences across, both in equal ratios (T70).

    Parameters
    ----------
    points : int
        Of each axis.
    stride : int
        Every how many of them are kept; more is a faster and coarser search.
    """
    ones = resident_bytes(
        model.llm,
        model.precision,
        model.switches,
        tp=ONE,
        pp=ONE,
        batch=np.asarray(0.0),
        length=np.asarray(0.0),
    )
    fewest = float(ones) / model.rates.memory_bytes
    gpus = np.geomspace(fewest, LARGEST, points)[::stride, np.newaxis]
    batch = np.geomspace(1.0, LARGEST * sparsity(model), points)[np.newaxis, ::stride]
    return gpus, batch


def frontier_grid(
    model: Model,
    space: Space,
    dollars_per_gpu_hour: float,
    *,
    context: float = 0.0,
    draft: Draft | None = None,
    points: tuple[Floats, Floats] | None = None,
) -> Points:
    """Time and price every point of the grid, or of the given axes."""
    gpus, batch = points or grid(model)
    seconds = token_seconds(model, space, gpus, batch, context=context, draft=draft)
    gpus, batch = np.broadcast_arrays(gpus, batch)
    with np.errstate(divide="ignore"):
        dollars = serving.dollars_per_million_tokens(gpus, dollars_per_gpu_hour, batch / seconds)
    return Points(gpus, batch, seconds, dollars)


def frontier(every: Points) -> Points:
    """Keep the cheapest point within each of F's latency bounds, fastest first (T71)."""
    order = np.argsort(every.seconds, axis=None, kind="stable")
    order = order[np.isfinite(np.ravel(every.seconds)[order])]
    ranked = every.take(order)
    cheapest = np.minimum.accumulate(ranked.dollars)
    first = np.flatnonzero(ranked.dollars <= cheapest)
    least = float(ranked.seconds[0])
    bounds = np.geomspace(least, SLOWEST * least, LATENCY_BOUNDS)
    within = np.searchsorted(ranked.seconds, bounds, side="right") - 1
    kept = first[np.searchsorted(first, within, side="right") - 1]
    return ranked.take(np.unique(kept))


def preferred(every: Points, alpha: float = ALPHA) -> Points:
    """Return the point with the most speed^alpha per dollar (T72)."""
    return every.take(int(np.nanargmax(every.speed**alpha / every.dollars)))


def swiftest(every: Points) -> Points:
    """Return the fastest point; of equally fast ones the first."""
    return every.take(int(np.argmin(every.seconds)))


def speed_at(every: Points, dollars: Floats) -> Floats:
    """Return the most speed that each number of dollars per million tokens buys; 0 for none."""
    order = np.argsort(every.dollars, axis=None, kind="stable")
    ranked = every.take(order)
    best = np.concatenate([[0.0], np.maximum.accumulate(ranked.speed)])
    return best[np.searchsorted(ranked.dollars, dollars, side="right")]
