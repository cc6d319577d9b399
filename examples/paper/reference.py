"""The transformers, accelerators and printed tables of the source paper's program."""

from __future__ import annotations

import csv
import gzip
import io
from functools import cache
from pathlib import Path

from planner import catalogue
from planner.catalogue.attention import Attention, GroupedQuery, Latent
from planner.catalogue.feedforward import Dense, Experts, FeedForward
from planner.catalogue.transformer import LayerGroup, Transformer

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "reference"
WEIGHTS = {"0.5": "fp4", "1": "fp8", "2": "bf16"}
ACCELERATORS = {
    "H100": "h100-sxm",
    "H800": "h800-sxm",
    "H20": "h20",
    "H200": "h200-sxm",
    "A100": "a100-80gb-sxm",
    "V100": "v100-sxm",
    "TPU v4": "tpu-v4",
    "Groq": "groq-lpu",
}
"""The program's accelerators under their names in the catalogue."""


@cache
def read(name: str) -> list[dict[str, str]]:
    """Return the rows of a file of `tests/data/reference`."""
    content = (DATA / name).read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"))))


def whole(text: str) -> int:
    """Return a count; the scaled transformers of the program have fractional ones."""
    return int(text) if text.isdigit() else float(text)  # type: ignore[return-value]


def _attention(row: dict[str, str]) -> Attention:
    heads, size, group = (whole(row[key]) for key in ("n_query_heads", "d_head", "group_size"))
    if row["mla"] == "1":
        latent, queries = int(row["mla_kv_dim"]), int(row["mla_q_dim"])
        return Latent(heads, latent, 0, size, size, query_latent=queries, down_projections=2)
    kv_heads = heads / group
    return GroupedQuery(heads, int(kv_heads) if kv_heads.is_integer() else kv_heads, size)


def _feedforward(row: dict[str, str]) -> FeedForward:
    width, gated = whole(row["d_ff"]), row["ff_matrix_in"] == "2"
    if row["n_experts"] == "1":
        return Dense(width, gated)
    count, active = int(row["n_experts"]), int(row["n_active_experts"])
    return Experts(count, active, width, gated=gated, router=False)


@cache
def rows() -> dict[str, dict[str, str]]:
    """Return the program's transformers by name, with the numbers it derives."""
    return {row["id"]: row for row in read("reference_transformers.csv")}


@cache
def transformer(name: str) -> Transformer:
    """Return a transformer as the program describes it."""
    row = rows()[name]
    return Transformer(
        name=name,
        title=row["name"],
        hidden=whole(row["d_model"]),
        vocabulary=int(row["vocab"]),
        layers=(LayerGroup(int(row["layers"]), _attention(row), _feedforward(row)),),
        source="reference_transformers.csv",
        date="2025-05-27",
    )


def weights(name: str) -> str:
    """Return the precision of a transformer's weights in the program."""
    return WEIGHTS[rows()[name]["weight_bytes"]]


def dollars_per_gpu_hour(accelerator: str) -> float:
    """Return the program's price."""
    return catalogue.profile("paper").accelerators[accelerator].dollars_per_gpu_hour
