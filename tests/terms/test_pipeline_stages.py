"""Which layers lie on which stage, and what the fullest one holds."""

from __future__ import annotations

import numpy as np
import pytest

from planner import catalogue
from planner.catalogue import transformer_names
from planner.catalogue.attention import GroupedQuery
from planner.catalogue.feedforward import Dense
from planner.catalogue.profile import Switches
from planner.catalogue.transformer import LayerGroup, Transformer
from planner.terms.forward_pass import Precision
from planner.terms.memory_capacity import resident_bytes
from planner.terms.pipeline_stages import stage_sizes, stages

SWITCHES = Switches()
HEADS = GroupedQuery(query_heads=64, kv_heads=16, head_dim=128)


def uneven() -> Transformer:
    """Return ten large layers with attention and ten small ones without, one after the other."""
    large = LayerGroup(10, HEADS, Dense(28672))
    small = LayerGroup(10, None, Dense(2816))
    order = (0,) * 10 + (1,) * 10
    return Transformer("uneven", "Uneven", 8192, 128256, (large, small), "", "", order=order)


def held(llm: Transformer, pp: list[float], batch: float = 16.0) -> np.ndarray:
    return resident_bytes(
        llm,
        Precision(),
        SWITCHES,
        tp=np.asarray(1.0),
        pp=np.asarray(pp),
        batch=np.asarray(batch),
        length=np.asarray(4000.0),
    )


def test_large_layers_stay_where_they_are() -> None:
    """All large layers, all caches and one embedding lie on the first of two stages."""
    attention = 8192 * (2 * 64 + 2 * 16) * 128
    weights = 2 * 10 * (attention + 3 * 8192 * 28672)
    cache = 16 * 10 * 4000 * 2 * 16 * 128 * 2
    assert held(uneven(), [2.0])[0] == weights + cache + 128256 * 8192 * 2


@pytest.mark.parametrize("name", transformer_names())
def test_the_fullest_stage_is_the_fullest_of_all_counted_one_by_one(name: str) -> None:
    """A pipeline stage is as full as the transformer that has its layers alone, in one stage."""
    llm = catalogue.transformer(name)
    order = llm.order or (0,) * llm.layer_count
    if not llm.order and len(llm.layers) > 1:
        pytest.skip("the order of its layers is not known")
    matrix = float(llm.embedding_parameters * 2)
    for pp in (1, 2, 3, 4, 8):
        fullest, first = 0.0, 0
        for index, size in enumerate(stage_sizes(llm.layer_count, pp)):
            groups = order[first : first + size]
            first += size
            alone = sum(_layer(llm, group) for group in groups)
            ends = (index == 0) + (index == pp - 1) if pp > 1 else 2 - llm.tied_embeddings
            alone_there = 2.0 * (llm.tower_parameters + llm.look_up_parameters)
            towers = alone_there if index == 0 else 0.0
            fullest = max(fullest, alone + ends * matrix + towers)
        assert held(llm, [float(pp)])[0] == pytest.approx(fullest, rel=1e-12), pp


def _layer(llm: Transformer, group: int) -> float:
    """Return what one layer holds: of two copies of it, what the second adds."""
    one, two = (
        Transformer("", "", llm.hidden, 0, (LayerGroup(n, *_parts(llm, group)),), "", "")
        for n in (1, 2)
    )
    return float(held(two, [1.0])[0] - held(one, [1.0])[0])


def _parts(llm: Transformer, group: int) -> tuple[object, object]:
    return llm.layers[group].attention, llm.layers[group].feedforward


@pytest.mark.parametrize(
    ("layers", "pp", "sizes"),
    [(32, 4, [8, 8, 8, 8]), (31, 4, [8, 8, 8, 7]), (61, 4, [15, 15, 16, 15]), (3, 2, [2, 1])],
)
def test_sizes_of_stages(layers: int, pp: int, sizes: list[int]) -> None:
    """As vLLM divides layers: the rest goes to the stages before the last."""
    assert stage_sizes(layers, pp) == sizes


def test_stages_that_hold_no_more_than_another_are_left_out() -> None:
    assert len(stages(catalogue.transformer("llama-3.1-70b"), 4)) == 2
    assert len(stages(catalogue.transformer("deepseek-v3"), 4)) == 3


def test_an_order_without_the_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        Transformer("", "", 8, 8, (LayerGroup(2, HEADS, None),), "", "", order=(0,))
