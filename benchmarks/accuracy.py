"""How far predictions are from measured times per output token, source by source.

    PLANNER_DATA=<folder> python benchmarks/accuracy.py [--profile NAME] [--leave-out]

reads `measured/serving_measurements.csv` in that folder. One line per source, accelerator,
transformer, weight precision and tensor-parallel degree: rows, median and 90 % quantile of the
relative error, and its median with sign (below zero: predicted too fast). Then one line per family
of accelerators, over the rows its constants claim. `--leave-out` (needs scipy) also fits each
family without one transformer and predicts that transformer.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from planner import catalogue
from planner.candidates.evaluate import Evaluator
from planner.candidates.forward_passes import Degrees
from planner.catalogue.profile import Profile
from planner.problem.instance import Instance, Pool, Workload
from planner.problem.resolve import ResolvedInstance, resolve
from planner.terms.calibration import rates
from planner.terms.forward_pass import Precision

GPUS = {"A100-80 SXM": "a100-80gb-sxm", "GH200 96GB": "gh200-96gb", "H100 NVL": "h100-nvl"}
GPUS |= {f"{name} SXM": f"{name.lower()}-sxm" for name in ("H100", "H200", "B200")}
GPUS |= {"L40": "l40", "L40S": "l40s"}
LLMS = ["GPT-J-6B", "Llama-2-7B", "Llama-2-70B", "Mistral-7B", "Qwen3-8B"]
LLMS += ["Llama-3.1-8B", "Llama-3.1-70B"]
WEIGHTS = {"fp16": "bf16", "bf16": "bf16", "fp8": "fp8", "fp8_block": "fp8", "nvfp4": "fp4"}
SOURCES = {
    "NVIDIA DLI sizing course: TRT-LLM 0.9.0 sweep": "dli",
    "AIConfigurator silicon_sample (InferenceX dumps + NVIDIA runs)": "samples",
    "silybench-data": "silybench",
}
SATURATED_TTFT_MS = 5000.0
KEYS = ["source", "engine", "gpu", "transformer", "weights", "tp"]
# Constants of a family that are fitted again when a transformer is left out.
FREE = {"hopper": ("layer_seconds",)}
FREE |= dict.fromkeys(["ampere", "ada"], ("memory_efficiency", "layer_seconds"))


def load(data: Path) -> pd.DataFrame:
    """Return the rows predictions can be held against: one row per measured configuration.

    Left out: precision or batch not stated, pools of their own for prefill, and queues (more than
    five seconds to the first token; not in the static-batch sweep, which has no queue).
    """
    table = pd.read_csv(data / "measured" / "serving_measurements.csv", low_memory=False)
    names = {"isl": "input_tokens", "osl": "output_tokens", "concurrency_or_batch": "batch"}
    rows = table.rename(columns=names).assign(
        source=table.source.map(SOURCES),
        engine=table.engine.str.replace(r" *\(.*|\s+$", "", regex=True).fillna("not stated"),
        gpu=table.gpu.map(GPUS),
        transformer=table.model.map({name: name.lower() for name in LLMS}),
        weights=table.weight_precision.map(WEIGHTS),
        batch=pd.to_numeric(table.concurrency_or_batch, errors="coerce"),
        seconds=table.tpot_ms / 1e3,
    )
    queued = (rows.source != "dli") & (rows.ttft_ms > SATURATED_TTFT_MS)
    wanted = [*KEYS, "batch", "input_tokens", "output_tokens", "seconds"]
    rows = rows[~queued & (rows.disagg == "no")][wanted].dropna().astype({"tp": int})
    # Cache precision is stated nowhere. Llama 3.1 70B: full batches fit only with 8 bits a number.
    eight = (rows.source == "dli") | (rows.transformer == "llama-3.1-70b")
    rows["cache"] = np.where(eight & (rows.weights != "bf16"), "fp8", "bf16")
    # Family whose claimed error covers the row; empty where the row only serves comparison.
    rows["family"] = ""
    dli, recent = rows.source == "dli", rows.transformer.isin(["llama-3.1-70b", "qwen3-8b"])
    rows.loc[recent & rows.gpu.isin(["h100-sxm", "h200-sxm"]), "family"] = "hopper"
    rows.loc[recent & (rows.gpu == "b200-sxm"), "family"] = "blackwell"
    rows.loc[dli & (rows.gpu == "a100-80gb-sxm"), "family"] = "ampere"
    rows.loc[dli & rows.gpu.isin(["l40", "l40s"]) & (rows.tp == 1), "family"] = "ada"
    return rows.reset_index(drop=True)


@cache
def _question(gpu: str, llm: str) -> ResolvedInstance:
    workload = Workload(transformer=llm, tokens_per_second_per_request=1.0)
    pool = Pool(accelerator=gpu, dollars_per_gpu_hour=1.0)
    return resolve(Instance(name="accuracy", workload=workload, pools=(pool,)))


def predict(rows: pd.DataFrame, profile: Profile) -> npt.NDArray[np.float64]:
    """Predict seconds per output token: steps of static batches and medians, else with stalls."""
    seconds = np.zeros(len(rows))
    keys = ["gpu", "transformer", "weights", "cache", "tp", "input_tokens", "output_tokens"]
    for (gpu, llm, weights, kv, tp, isl, osl), where in rows.groupby(keys).indices.items():
        resolved = _question(gpu, llm)
        # Set here, not asked: dummy weights were run beyond the context ask() accepts.
        lengths = {"input_tokens": int(isl), "output_tokens": int(osl)}
        workload = resolved.instance.workload.model_copy(update=lengths)
        instance = resolved.instance.model_copy(update={"workload": workload})
        supply = resolved.pools[0]
        supply = replace(supply, rates=rates(supply.accelerator, profile))
        batch = rows.batch.to_numpy(float)[where]
        one = np.asarray(1.0)
        degrees = Degrees(np.asarray(float(tp)), one, batch, one, one)
        asked = replace(resolved, instance=instance)
        timing = Evaluator(asked, supply, degrees)(Precision(weights, kv))
        served = rows.source.to_numpy()[where] == "samples"
        seconds[where] = timing.step + np.where(served, timing.stall, 0.0)
    return seconds


def compare(rows: pd.DataFrame, profile: Profile, by: list[str]) -> pd.DataFrame:
    """Return rows, median error, 90 % quantile and signed median of each group."""
    error = predict(rows, profile) / rows.seconds - 1.0
    groups = rows.assign(error=error, size=error.abs()).groupby(by)
    table = groups["size"].agg(rows="size", median="median", p90=lambda part: part.quantile(0.9))
    return table.assign(signed=groups["error"].median()).reset_index()


def altered(profile: Profile, family: str, **constants: float) -> Profile:
    """Return the profile with some constants of one family replaced."""
    changed = replace(profile.families[family], **constants)
    return replace(profile, families={**profile.families, family: changed})


def left_out(rows: pd.DataFrame, profile: Profile, family: str) -> pd.DataFrame:
    """Fit the family's constants without each transformer in turn; return errors on that one."""
    from scipy.optimize import least_squares

    start = profile.families[family]
    unit = np.asarray([getattr(start, name) for name in FREE[family]])
    most = [0.95 / u if n[0] == "m" else 10.0 for u, n in zip(unit, FREE[family], strict=True)]

    def fitted(scale: npt.NDArray[np.float64]) -> Profile:
        constants = dict(zip(FREE[family], scale * unit, strict=True))
        return altered(profile, family, **constants)

    tables = []
    for llm, test in rows.groupby("transformer"):
        train = rows[rows.transformer != llm]
        best = least_squares(
            lambda scale, train=train: np.log(predict(train, fitted(scale)) / train.seconds),
            np.ones(len(unit)), bounds=(0.0, most), loss="soft_l1", f_scale=0.1,
        )  # fmt: skip
        tables.append(compare(test, fitted(best.x), ["family", "transformer"]))
    return pd.concat(tables)


def main() -> None:
    parser = argparse.ArgumentParser(description="Errors of predictions against measurements.")
    parser.add_argument("--profile", default="calibrated")
    parser.add_argument("--leave-out", action="store_true", help="also fit without a transformer")
    arguments = parser.parse_args()
    if "PLANNER_DATA" not in os.environ:
        parser.exit(2, "PLANNER_DATA is unset: it names the folder that holds measured/.\n")
    rows, profile = load(Path(os.environ["PLANNER_DATA"])), catalogue.profile(arguments.profile)
    claimed = rows[rows.family != ""]
    tables = [compare(rows, profile, KEYS), compare(rows, profile, ["source", "gpu"])]
    tables.append(compare(claimed, profile, ["family"]))
    if arguments.leave_out:
        tables.extend(left_out(claimed[claimed.family == f], profile, f) for f in FREE)
    for table in tables:
        print(table.to_string(index=False, float_format="{:.3f}".format), end="\n\n")


if __name__ == "__main__":
    main()
