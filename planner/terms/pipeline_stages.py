"""Pipeline stages: which layers and embeddings lie on each, and which stages can be the fullest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Transformer
from planner.terms.forward_pass import Floats


class Stage(NamedTuple):
    """What lies on one stage."""

    layers: tuple[float, ...]
    """Layers of every group of the transformer."""
    look_up: float
    """Embedding matrices that words are looked up in."""
    head: float
    """Output projections of their own."""
    towers: float = 0.0
    """Towers that encode images, and look-ups of layers: all of them or none."""


class StageArrays(NamedTuple):
    """What lies on one stage of every deployment."""

    layers: tuple[Floats, ...]
    """Layers of every group of the transformer, one array for each."""
    look_up: Floats
    """Embedding matrices that words are looked up in."""
    head: Floats
    """Output projections of their own."""
    towers: Floats
    """Towers that encode images, and look-ups of layers: all of them or none."""


def fullest_stages(llm: Transformer, pp: Floats, switches: Switches) -> Iterator[StageArrays]:
    """Yield stages of which one is the fullest, for every number of stages at once.

    Which of them holds most depends on the other degrees and the batch, so that whoever asks takes
    the largest of what they hold.

    Parameters
    ----------
    llm : Transformer
        Layers of any kind.
    pp : array of float
        Pipeline stages; whole numbers but in the source paper's program.
    switches : Switches
        Whether stages hold whole layers.
    """
    if not switches.whole_layers:
        layers = tuple(group.count / pp for group in llm.layers)
        yield StageArrays(layers, 1.0 / pp, _own_head(llm) / pp, 1.0 / pp)
        return
    degrees, where = np.unique(pp, return_inverse=True)
    where = where.reshape(np.shape(pp))
    options = [stages(llm, int(degree)) for degree in degrees]
    for turn in range(max(map(len, options))):
        chosen = [found[min(turn, len(found) - 1)] for found in options]
        counts = np.array([stage.layers for stage in chosen])
        yield StageArrays(
            tuple(column[where] for column in counts.T),
            np.array([stage.look_up for stage in chosen])[where],
            np.array([stage.head for stage in chosen])[where],
            np.array([stage.towers for stage in chosen])[where],
        )


def on_stage(counts: Sequence[Floats], layers: Sequence[Floats]) -> Floats:
    """Add up a number per layer over the layers of a stage, so many of every group."""
    total: Floats = np.asarray(0.0)
    for count, one in zip(counts, layers, strict=True):
        total = total + count * one
    return total


@cache
def stages(llm: Transformer, pp: int) -> tuple[Stage, ...]:
    """Return the stages of a pipeline, without those that hold no more than another (T33).

    Stages are runs of layers. Of `L` layers each of `pp` stages holds the whole part of `L / pp`,
    and those before the last take one more each of the rest, as vLLM and SGLang divide them. The
    first has the look-up and the towers, the last the output projection. Where the order of the
    layers is not known every stage has its share of each group.
    """
    sizes = stage_sizes(llm.layer_count, pp)
    ends = np.cumsum([0, *sizes])
    found = []
    for index, (first, last) in enumerate(pairwise(ends.tolist())):
        head = _own_head(llm) if pp == 1 else float(index == pp - 1)
        towers = float(index == 0 and llm.tower_parameters + llm.look_up_parameters > 0)
        found.append(Stage(_layers(llm, first, last), float(index == 0), head, towers))
    distinct = list(dict.fromkeys(found))
    return tuple(stage for stage in distinct if not _held_by_another(stage, distinct))


def stage_sizes(layers: int, pp: int) -> list[int]:
    """Return the layers of every stage: of the rest, one more each for those before the last."""
    sizes = [layers // pp] * pp
    for index in range(2, layers % pp + 2):
        sizes[-index] += 1
    return sizes


def _layers(llm: Transformer, first: int, last: int) -> tuple[float, ...]:
    if not llm.order:
        share = (last - first) / llm.layer_count
        return tuple(group.count * share for group in llm.layers)
    counts = Counter(llm.order[first:last])
    return tuple(float(counts[group]) for group in range(len(llm.layers)))


def _held_by_another(stage: Stage, others: Sequence[Stage]) -> bool:
    """Tell whether another stage holds all that this one does, and more."""
    mine = (*stage.layers, *stage[1:])
    return any(
        other != stage
        and all(a <= b for a, b in zip(mine, (*other.layers, *other[1:]), strict=True))
        for other in others
    )


def _own_head(llm: Transformer) -> float:
    """Output projections beside the look-up: none where it is tied."""
    return 0.0 if llm.tied_embeddings else 1.0
