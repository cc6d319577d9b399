"""Predicted memory against what an engine reported when it started.

Reads `measured/engine_memory.csv` of the folder that PLANNER_DATA names: weights, cache pool and
sequences of full length, per run. Prints a row per run and the errors.

    PLANNER_DATA=<folder> python benchmarks/memory.py
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from planner import catalogue
from planner.catalogue.engine_memory import memory_at
from planner.catalogue.huggingface import read_config
from planner.catalogue.transformer import Transformer
from planner.terms.cache_pool import cache_pool
from planner.terms.forward_pass import ForwardPass, Precision

CONFIGS = Path(__file__).parents[1] / "tests" / "data"
BY_CONFIG = {
    "codellama/CodeLlama-7b-hf": "memory/codellama-7b.json",
    "google/gemma-7b": "huggingface/gemma-7b.json",
    "ibm-granite/granite-3.1-2b-instruct": "memory/granite-3.1-2b.json",
    "ibm-granite/granite-3.1-8b-instruct": "huggingface/granite-3.1-8b.json",
    "ibm-granite/granite-3.3-8b-instruct": "huggingface/granite-3.1-8b.json",
    "ibm-granite/granite-vision-3.3-2b": "memory/granite-vision-3.3-2b.json",
    "microsoft/phi-2": "huggingface/phi-2.json",
}
"""Models that the catalogue does not have, and where their configuration lies."""
BY_NAME = {
    "RedHatAI/Qwen2.5-7B-Instruct-fp8-dynamic": ("qwen2.5-7b", "fp8"),
    "RedHatAI/Qwen2.5-7B-Instruct-quantized.w8a8": ("qwen2.5-7b", "int8"),
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16": ("llama-3.1-8b", "int4"),
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8": ("llama-3.1-8b", "int8"),
}
"""Checkpoints of others: transformer of the catalogue, and precision."""
GIB = 2.0**30
ENGINE, GPU = "vllm", "h100-sxm"
CACHES = {"auto": "bf16", "fp8": "fp8"}


def load(folder: Path) -> pd.DataFrame:
    """Return the runs whose numbers the planner knows: weights of 16 bits or fewer."""
    table = pd.read_csv(folder / "measured" / "engine_memory.csv")
    return table[table.dtype != "float32"].reset_index(drop=True)


def transformer(model: str) -> Transformer:
    """Return the shape of a model of the table."""
    if model in BY_CONFIG:
        return read_config(CONFIGS / BY_CONFIG[model])
    return catalogue.transformer(BY_NAME[model][0] if model in BY_NAME else model)


def weights(row: pd.Series) -> str:
    """Return the precision of a run's weights."""
    if row.model in BY_NAME:
        return BY_NAME[row.model][1]
    return "fp8" if row.quant == "fp8" else "bf16"


def predict(row: pd.Series) -> tuple[float, float, float]:
    """Return weights, cache pool (GiB) and sequences of full length of one run."""
    taken = memory_at(ENGINE, catalogue.engine(ENGINE).memory, row.version)
    switches = replace(catalogue.profile("calibrated").switches, engine_memory=taken)
    one, tp, pp = (np.asarray(float(number)) for number in (1, row.tp, row.pp))
    step = ForwardPass(tp, pp, one, one, np.asarray(float(row.max_model_len)))
    precision = Precision(weights(row), CACHES[row.kv_dtype])
    usable = row.gmu * catalogue.accelerator(GPU).memory_bytes
    found = cache_pool(transformer(row.model), precision, switches, step, usable=usable)
    return float(found.weights) / GIB, float(found.pool) / GIB, float(found.sequences)


def compare(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each run with what was predicted, and the relative errors.

    The engine states parts of a sequence, the planner whole ones: up to 1 is lost by that.
    """
    names = ["weights", "pool", "sequences"]
    predicted = pd.DataFrame([predict(row) for _, row in rows.iterrows()], columns=names)
    measured = rows[["weights_gib", "kv_gib", "concurrency"]].set_axis(names, axis=1)
    errors = predicted / measured - 1.0
    table = rows[["model", "max_model_len", "tp", "pp", "kv_dtype"]]
    for name in names:
        told = {name: measured[name], f"{name} predicted": predicted[name]}
        table = table.assign(**told, **{f"{name} error": errors[name]})
    return table


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and largest size of the errors."""
    sizes = table[[name for name in table if str(name).endswith(" error")]].abs()
    return pd.DataFrame({"mean": sizes.mean(), "worst": sizes.max(), "runs": len(sizes)})


def main() -> None:
    """Print the table and the errors."""
    parser = argparse.ArgumentParser(description="Memory against reports of an engine.")
    parser.parse_args()
    if "PLANNER_DATA" not in os.environ:
        parser.exit(2, "PLANNER_DATA is unset: it names the folder that holds measured/.\n")
    table = compare(load(Path(os.environ["PLANNER_DATA"])))
    for part in (table, summary(table).reset_index(names="")):
        print(part.to_string(index=False, float_format="{:.3f}".format), end="\n\n")


if __name__ == "__main__":
    main()
