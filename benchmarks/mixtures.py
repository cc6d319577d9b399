"""How far the calibrated profile is off on a mixture of experts it was not fitted to.

Reads the measurements under PLANNER_DATA: DeepSeek-R1 and V3 served whole on one node, without
drafts or disaggregation, time to the first token below 5 s. Run `python benchmarks/mixtures.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from planner.candidates.evaluate import Evaluator
from planner.candidates.forward_passes import Degrees
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.terms.forward_pass import Precision

MODELS = ("DeepSeek-R1", "DeepSeek-R1-0528", "DeepSeek-V3")
GPUS = {"H200 SXM": "h200-sxm", "B200 SXM": "b200-sxm", "MI300X": "mi300x"}
WEIGHTS = {"fp8": "fp8", "fp4": "fp4", "nvfp4": "fp4"}
KEYS = ["gpu", "weights", "tp", "ep"]
FEWEST = 5
NODE = 8


def measured(folder: Path) -> pd.DataFrame:
    """Read the rows that can be compared, one per configuration."""
    table = pd.read_csv(folder / "measured" / "serving_measurements.csv", low_memory=False)
    rows = table.assign(
        weights=table.weight_precision.map(WEIGHTS),
        batch=pd.to_numeric(table.concurrency_or_batch, errors="coerce"),
        ep=table.ep.fillna(1.0),
        seconds=table.tpot_ms / 1e3,
    )
    whole = (rows.n_gpus == rows.tp) & (rows.tp <= NODE) & (rows.dp.fillna(1) == 1)
    plain = (rows.disagg == "no") & (rows.spec_decode == "none") & (rows.ttft_ms < 5000)
    wanted = rows[rows.model.isin(MODELS) & rows.gpu.isin(GPUS) & whole & plain]
    return wanted.dropna(subset=[*KEYS, "batch", "isl", "osl", "seconds"])


def predict(row: pd.Series) -> float:
    """Predict seconds per output token of one configuration, prompts read in between."""
    content = {
        "name": "mixture",
        "workload": {
            "transformer": "deepseek-r1",
            "input_tokens": int(row.isl),
            "output_tokens": int(row.osl),
            "tokens_per_second_per_request": 1.0,
        },
        "pools": [{"accelerator": GPUS[row.gpu]}],
    }
    resolved = resolve(Instance.model_validate(content))
    one = np.asarray(1.0)
    degrees = Degrees(np.asarray(row.tp), one, np.asarray(row.batch), one, np.asarray(row.ep))
    timing = Evaluator(resolved, resolved.pools[0], degrees)(Precision(row.weights))
    return float(timing.step + timing.stall)


def main() -> None:
    """Print the relative error of every kind of configuration."""
    folder = os.environ.get("PLANNER_DATA")
    if folder is None:
        sys.exit("PLANNER_DATA is unset: it names the folder with the measurements")
    rows = measured(Path(folder))
    rows["error"] = rows.apply(predict, axis=1) / rows.seconds - 1.0
    groups = rows.groupby(KEYS).error
    found = pd.DataFrame({"rows": groups.size(), "signed median": groups.median()})
    found["median"] = groups.apply(lambda errors: errors.abs().median())
    print(found[found.rows >= FEWEST].round(3).to_string())


if __name__ == "__main__":
    main()
