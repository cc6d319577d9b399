"""The paper profile against the source paper's own program, term by term."""

import csv
from pathlib import Path

import numpy as np
import pytest

from planner import catalogue
from planner.catalogue.transformer import Dense, GroupedQuery, LayerGroup, Transformer
from planner.terms import toy
from planner.terms.calibration import rates
from planner.terms.capacity import resident_bytes
from planner.terms.forward import Terms, forward
from planner.terms.passes import Pass, Precision

DATA = Path(__file__).parent / "data" / "reference"
PROFILE = catalogue.profile("paper")
TOLERANCE = 1e-6


def read(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def reference_transformer(row: dict[str, str]) -> Transformer:
    """A dense transformer of the paper's program, from its table of derived numbers."""
    attention = GroupedQuery(
        query_heads=int(row["n_query_heads"]),
        kv_heads=int(row["n_query_heads"]) // int(row["group_size"]),
        head_dim=int(row["d_head"]),
    )
    block = Dense(width=int(row["d_ff"]), gated=row["ff_matrix_in"] == "2")
    return Transformer(
        name=row["id"],
        title=row["name"],
        hidden=int(row["d_model"]),
        vocabulary=int(row["vocab"]),
        layers=(LayerGroup(int(row["layers"]), attention, block),),
        source="reference_transformers.csv",
        date="2025-05-27",
    )


WEIGHTS = {"0.5": "fp4", "1": "fp8", "2": "bf16"}
TRANSFORMERS = {
    row["id"]: (reference_transformer(row), WEIGHTS[row["weight_bytes"]])
    for row in read("reference_transformers.csv")
    if row["n_experts"] == "1" and row["d_model"].isdigit()
}
GOLDEN = read("golden_terms_dense_F_final.csv")


def golden_terms(rows: list[dict[str, str]], name: str, layout: str) -> Terms:
    """All rows of one transformer and layout, timed in one call."""
    column = {
        key: np.asarray([float(row[key]) for row in rows])
        for key in ("n_gpu", "batch", "pp", "input_len", "seq_len")
    }
    llm, weights = TRANSFORMERS[name]
    step = Pass(
        tp=column["n_gpu"] / column["pp"],
        pp=column["pp"],
        sequences=column["batch"] / column["pp"],
        positions=column["seq_len"],
        context=column["input_len"],
        layout="1d" if layout == "1D" else "2d",
    )
    found = rates(catalogue.accelerator("h100-sxm"), PROFILE)
    return forward(llm, Precision(weights=weights), found, PROFILE.switches, step)


COLUMNS = {
    "total_ignoring_fit_s": lambda t: t.step,
    "kernel_s": lambda t: t.latency_parts["launches"],
    "net_latency_s": lambda t: t.latency_parts["all_reduce"],
    "net_bandwidth_s": lambda t: t.network_parts["all_reduce"],
    "p2p_latency_s": lambda t: t.latency_parts["stage_hops"],
    "p2p_bandwidth_s": lambda t: t.network_parts["stage_hops"],
    "memory_s": lambda t: t.memory,
    "mem_ff_w_s": lambda t: t.memory_parts["feedforward_weights"],
    "mem_ff_act_s": lambda t: t.memory_parts["feedforward_activations"],
    "mem_attn_w_s": lambda t: t.memory_parts["attention_weights"],
    "mem_attn_act_s": lambda t: t.memory_parts["attention_activations"],
    "mem_kv_s": lambda t: t.memory_parts["cache"],
    "mem_unembed_s": lambda t: t.memory_parts["output_projection"],
    "arithmetic_s": lambda t: t.arithmetic,
    "arith_ff_s": lambda t: t.arithmetic_parts["feedforward"],
    "arith_attnproj_s": lambda t: t.arithmetic_parts["projections"],
    "arith_attnkv_s": lambda t: t.arithmetic_parts["attention"],
}
GROUPS = sorted({(row["model"], row["tp_layout"]) for row in GOLDEN})


@pytest.mark.parametrize(("name", "layout"), GROUPS)
@pytest.mark.parametrize("column", COLUMNS)
def test_every_term_agrees_with_the_reference(name: str, layout: str, column: str) -> None:
    rows = [row for row in GOLDEN if (row["model"], row["tp_layout"]) == (name, layout)]
    expected = np.asarray([float(row[column]) for row in rows])
    found = np.broadcast_to(COLUMNS[column](golden_terms(rows, name, layout)), expected.shape)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=0.0)


def test_the_golden_rows_are_all_there() -> None:
    assert len(GOLDEN) == 912
    assert len(GROUPS) == 6


@pytest.mark.parametrize("name", sorted({row["model"] for row in GOLDEN}))
def test_what_fits_agrees_with_the_reference(name: str) -> None:
    rows = [row for row in GOLDEN if row["model"] == name]
    llm, weights = TRANSFORMERS[name]
    column = {
        key: np.asarray([float(row[key]) for row in rows])
        for key in ("n_gpu", "batch", "pp", "input_len")
    }
    resident = resident_bytes(
        llm,
        Precision(weights=weights),
        PROFILE.switches,
        tp=column["n_gpu"] / column["pp"],
        pp=column["pp"],
        batch=column["batch"],
        length=column["input_len"],
    )
    capacity = rates(catalogue.accelerator("h100-sxm"), PROFILE).memory_bytes
    staffed = column["pp"] <= np.minimum(column["n_gpu"], column["batch"])
    expected = np.asarray([row["fits"] == "1" for row in rows])
    np.testing.assert_array_equal((resident <= capacity) & staffed, expected)
    assert expected.any()


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_derived_numbers_of_dense_transformers(name: str) -> None:
    row = next(row for row in read("reference_transformers.csv") if row["id"] == name)
    llm, _ = TRANSFORMERS[name]
    assert llm.parameters == pytest.approx(float(row["total_params"]), rel=1e-12)
    cache_bytes = llm.cache_elements_per_token * float(row["act_bytes"])
    assert cache_bytes == pytest.approx(float(row["kv_bytes_per_token"]), rel=1e-12)


TABLE_1 = {
    "Llama 3 8B": "Llama_3_8B",
    "Llama 3 70B": "Llama_3_70B",
    "GPT-3": "GPT_3",
    "PaLM-540B": "PaLM_540B",
    "GPT-4 (architecture from Patel and Wong 2023)": "GPT_4",
}


@pytest.mark.parametrize("row", [row for row in read("paper_tables.csv") if row["table"] == "1"])
def test_table_1_from_the_closed_form(row: dict[str, str]) -> None:
    shape = next(r for r in read("reference_transformers.csv") if r["id"] == TABLE_1[row["row"]])
    fastest = toy.fastest(
        weight_bytes=float(shape["weight_bytes"]) * float(shape["total_params"]),
        layers=int(shape["layers"]),
        memory_bytes_per_second=3.3e12,
    )
    assert round(1.0 / fastest.seconds) == int(row["tokens_per_s"])
    assert round(fastest.gpus) == int(row["n_gpu"])
