"""Estimates: the time, memory and cost of deployments that somebody else chose."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.candidates.evaluate import Evaluator, Timing
from planner.candidates.forward_passes import Degrees
from planner.errors import InputError, Problem, did_you_mean
from planner.io.csv_table import read_table
from planner.problem.instance import Instance
from planner.problem.resolve import NO_DRAFT, ResolvedInstance, resolve
from planner.terms import serving
from planner.terms.forward_pass import Floats, Precision
from planner.terms.longest_context import longest_context
from planner.terms.memory_capacity import resident_bytes

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("transformer", "accelerator", "tensor_parallel", "batch")
DEFAULTS: Mapping[str, Any] = {
    "pipeline_parallel": 1,
    "data_parallel": 1,
    "expert_parallel": 1,
    "draft": NO_DRAFT,
    "acceptance": 0.0,
    "gamma": 0,
    "weight_precision": "bf16",
    "kv_precision": "bf16",
    "input_tokens": 1000,
    "output_tokens": 500,
    "profile": "calibrated",
}
COUNTS = (
    "tensor_parallel",
    "pipeline_parallel",
    "data_parallel",
    "expert_parallel",
    "batch",
    "input_tokens",
    "output_tokens",
)
LONGEST = 2**24
"""Tokens that are tried of a transformer that states no longest context."""
DEGREES = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")
COLUMN_OF: Mapping[str, str] = {"weights": "weight_precision", "kv": "kv_precision"}
"""Columns that an instance calls otherwise."""
COMMON = (
    "transformer",
    "accelerator",
    "weight_precision",
    "kv_precision",
    "input_tokens",
    "output_tokens",
    "profile",
    "draft",
    "acceptance",
    "gamma",
)
"""Columns whose values are shared by the rows that are timed together."""
COMPUTED = (
    "gpus_per_replica",
    "tokens_per_second",
    "tokens_per_second_per_request",
    "dollars_per_gpu_hour",
    "dollars_per_million_tokens",
    "arithmetic_seconds",
    "memory_seconds",
    "network_seconds",
    "latency_seconds",
    "step_seconds",
    "stall_seconds",
    "tpot_seconds",
    "prefill_seconds",
    "time_to_first_token_seconds",
    "memory_bytes_per_gpu",
    "weight_bytes_per_gpu",
    "cache_pool_bytes_per_gpu",
    "max_concurrency",
    "longest_context_tokens",
    "usable_memory_bytes_per_gpu",
    "fits",
)
"""Columns of the result, in order."""


def estimate(deployments: pd.DataFrame) -> pd.DataFrame:
    """Time explicitly given deployments.

    Parameters
    ----------
    deployments : DataFrame
        One row per deployment: `transformer`, `accelerator`, `tensor_parallel`, `batch`, and
        optionally `pipeline_parallel`, `weight_precision`, `kv_precision`, `input_tokens`,
        `output_tokens`, `profile`, `dollars_per_gpu_hour`. Other columns are carried along.

    Returns
    -------
    DataFrame
        The same rows with the columns of a plan: the four terms, step, speed of one replica,
        memory and whether it fits, cost.

    Raises
    ------
    InputError
        With every row that cannot be timed, numbered from 1.

    Examples
    --------
    >>> import planner
    >>> import pandas as pd
    >>> row = {"transformer": "llama-3.1-8b", "accelerator": "h100-sxm"}
    >>> row |= {"tensor_parallel": 1, "batch": 8}
    >>> bool(planner.estimate(pd.DataFrame([row])).step_seconds[0] > 0)
    True
    """
    table = _complete(deployments)
    problems: list[Problem] = []
    results: list[pd.DataFrame] = []
    for key, group in table.groupby(list(COMMON), sort=False, dropna=False):
        assert isinstance(key, tuple)
        try:
            results.append(_timed(dict(zip(COMMON, key, strict=True)), group))
        except InputError as error:
            problems += [_in_row(problem, group) for problem in error.problems]
    if problems:
        raise InputError(problems)
    return _joined(table, results)


def _joined(table: pd.DataFrame, results: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    numbers = pd.concat(results).sort_index() if results else pd.DataFrame(columns=list(COMPUTED))
    kept = [name for name in table.columns if name not in numbers.columns]
    return pd.concat([table[kept], numbers], axis=1)


def _in_row(problem: Problem, group: pd.DataFrame) -> Problem:
    """Name the row and column behind a field of the instance, of which a degree lies deepest."""
    names = re.findall(r"\w+", problem.field)
    place = int(names.pop()) if names[-1].isdigit() else 0
    column = COLUMN_OF.get(names[-1], names[-1])
    row = group.index[0]
    if column in DEGREES:
        row = group.index[group[column] == sorted(set(group[column]))[place]][0]
    return Problem(problem.expected, problem.found, f"row {row + 1}, {column}", problem.fix)


def _complete(deployments: pd.DataFrame) -> pd.DataFrame:
    """Fill in defaults; refuse missing columns and counts that are not whole."""
    columns = [str(name) for name in deployments.columns]
    problems = [
        Problem(
            field=name,
            found="no such column",
            expected=f"the columns {', '.join(REQUIRED)}",
            fix=did_you_mean(name, columns),
        )
        for name in REQUIRED
        if name not in columns
    ]
    if problems:
        raise InputError(problems)
    table = deployments.reset_index(drop=True).copy()
    for name, value in DEFAULTS.items():
        table[name] = table[name].fillna(value) if name in table.columns else value
    for name in COUNTS:
        table[name] = _counts(name, table[name], problems)
    if "dollars_per_gpu_hour" in table.columns:
        table["dollars_per_gpu_hour"] = _quotes(table["dollars_per_gpu_hour"], problems)
    if problems:
        raise InputError(problems)
    return table


def _counts(name: str, column: pd.Series[Any], problems: list[Problem]) -> list[int]:
    counts = []
    for row, value in enumerate(column):
        try:
            number = float(value)
            whole = number == int(number) and number >= 1
        except (TypeError, ValueError, OverflowError):
            number, whole = 1.0, False
        if not whole:
            problems.append(
                Problem(
                    field=f"row {row + 1}, {name}",
                    found=repr(value) if isinstance(value, str) else str(value),
                    expected="a whole number of at least 1",
                )
            )
        counts.append(int(number) if whole else 1)
    return counts


def _quotes(column: pd.Series[Any], problems: list[Problem]) -> list[float]:
    """Read prices; NaN where a cell is empty."""
    import pandas as pd

    quotes = []
    for row, value in enumerate(column):
        try:
            quote = math.nan if pd.isna(value) else float(value)
            usable = math.isnan(quote) or 0.0 < quote < math.inf
        except (TypeError, ValueError):
            quote, usable = math.nan, False
        if not usable:
            problems.append(
                Problem(
                    field=f"row {row + 1}, dollars_per_gpu_hour",
                    found=repr(value) if isinstance(value, str) else str(value),
                    expected="a positive number, or an empty cell for the catalogue's price",
                )
            )
        quotes.append(quote)
    return quotes


def _question(common: Mapping[str, Hashable], group: pd.DataFrame) -> ResolvedInstance:
    """Ask about all rows at once, so that they are checked as an instance is."""
    from pydantic import ValidationError

    pool: dict[str, Any] = {"accelerator": common["accelerator"], "dollars_per_gpu_hour": 1.0}
    content = {
        "name": "estimate",
        "workload": {
            "transformer": common["transformer"],
            "input_tokens": common["input_tokens"],
            "output_tokens": common["output_tokens"],
            "tokens_per_second_per_request": 1.0,
            "drafts": _drafts(common),
        },
        "pools": [pool],
        "search": {
            **{name: sorted(set(group[name].tolist())) for name in DEGREES},
            "gamma": [common["gamma"]],
            "weights": [common["weight_precision"]],
            "kv": [common["kv_precision"]],
        },
        "profile": common["profile"],
    }
    try:
        return resolve(Instance.model_validate(content))
    except ValidationError as error:
        raise InputError(
            Problem(
                field=".".join(str(part) for part in details["loc"]),
                found=repr(details["input"]),
                expected=details["msg"].removeprefix("Input should be ").lower(),
            )
            for details in error.errors()
            if details["loc"] != ("pools",)
        ) from None


def _drafts(common: Mapping[str, Hashable]) -> list[dict[str, Hashable]]:
    if common["draft"] == NO_DRAFT:
        return []
    return [{"transformer": common["draft"], "acceptance": common["acceptance"]}]


def _timed(common: Mapping[str, Hashable], group: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    resolved = _question(common, group)
    supply = resolved.pools[0]
    search = resolved.instance.search
    precision = Precision(search.weights[0], search.kv[0])
    tp, pp, dp, ep, batch = (group[name].to_numpy(dtype=float) for name in (*DEGREES, "batch"))
    evaluate = Evaluator(resolved, supply, Degrees(tp, pp, batch, dp, ep))
    gamma = resolved.instance.search.gamma[0] if resolved.drafts else 0
    timing = evaluate(precision, resolved.drafts[0] if gamma else None, gamma)
    tpot = serving.seconds_per_output_token(timing.step / timing.tokens_per_round, timing.stall)
    rate = serving.tokens_per_second(batch, tpot)
    prices = _prices(resolved, group)
    numbers = {
        "gpus_per_replica": (tp * dp * pp).astype(int),
        "tokens_per_second": rate,
        "tokens_per_second_per_request": 1.0 / tpot,
        "dollars_per_gpu_hour": prices,
        "dollars_per_million_tokens": serving.dollars_per_million_tokens(
            tp * dp * pp, prices, rate
        ),
        "arithmetic_seconds": timing.arithmetic,
        "memory_seconds": timing.memory,
        "network_seconds": timing.network,
        "latency_seconds": timing.latency,
        "step_seconds": timing.step,
        "stall_seconds": timing.stall,
        "tpot_seconds": tpot,
        "prefill_seconds": timing.prefill,
        "time_to_first_token_seconds": serving.time_to_first_token(timing.prefill, timing.step),
        "memory_bytes_per_gpu": timing.resident,
        "weight_bytes_per_gpu": timing.held.weights,
        "cache_pool_bytes_per_gpu": timing.held.pool,
        "max_concurrency": timing.held.sequences.astype(int),
        "longest_context_tokens": _longest(evaluate, timing).astype(int),
        "usable_memory_bytes_per_gpu": supply.rates.memory_bytes,
        "fits": timing.resident <= supply.rates.memory_bytes,
    }
    shaped = {name: np.broadcast_to(numbers[name], tp.shape) for name in COMPUTED}
    return pd.DataFrame(shaped, index=group.index)


def _longest(evaluate: Evaluator, timing: Timing) -> Floats:
    """Return the longest context of each batch; a draft's cache is that of its own length."""
    resolved, degrees = evaluate.resolved, evaluate.degrees
    precision = Precision(resolved.instance.search.weights[0], resolved.instance.search.kv[0])
    own = evaluate.resident(precision)

    def resident_at(length: Floats) -> Floats:
        return (
            timing.resident
            - own
            + resident_bytes(
                resolved.llm,
                precision,
                resolved.switches,
                tp=degrees.tensor_parallel,
                pp=degrees.pipeline_parallel,
                batch=degrees.batch,
                length=length,
                dp=degrees.data_parallel,
                ep=degrees.expert_parallel,
            )
        )

    usable, most = evaluate.supply.rates.memory_bytes, resolved.llm.context or LONGEST
    return longest_context(resident_at, usable, float(most))


def _prices(
    resolved: ResolvedInstance, group: pd.DataFrame
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Prices of the rows, or else the profile's or the catalogue's; NaN where there is none."""
    accelerator = resolved.pools[0].accelerator
    quote = resolved.profile.accelerators.get(accelerator.name) or accelerator.price
    default = quote.dollars_per_gpu_hour if quote else float("nan")
    if "dollars_per_gpu_hour" not in group.columns:
        return np.full(len(group), default)
    prices = group["dollars_per_gpu_hour"].astype(float).fillna(default)
    return np.asarray(prices, dtype=np.float64)


def read_deployments(path: str | Path) -> pd.DataFrame:
    """Read a CSV of deployments.

    Raises
    ------
    InputError
        Where the file cannot be read as CSV.
    """
    import pandas as pd

    read_table(Path(path))
    return pd.read_csv(path)
