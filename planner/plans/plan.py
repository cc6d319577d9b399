"""The answer: what to run, what it takes, what it costs, and how that is known."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from planner.io.output import compact_json, csv_lines, header, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

Status = Literal[
    "optimal", "feasible", "time_limit", "infeasible", "no_solution_in_time", "input_error", "error"
]
FOUND: tuple[Status, ...] = ("optimal", "feasible", "time_limit")
"""Statuses of plans that hold something to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One answered instance; the fields are the columns of the CSV, in order.

    Numbers of a deployment are None where there is none: then `status` says so and `message` why.
    """

    instance: str
    """Name of the instance."""
    status: Status
    """`optimal` is proved; `feasible` and `time_limit` have a bound; `infeasible` is a fact about
    the instance."""
    objective_name: str = ""
    objective: float | None = None
    """Value of what was optimised."""
    bound: float | None = None
    """Proven bound on it."""
    safe_bound: float | None = None
    """Bound on a fleet's objective that trusts no solver's tolerance."""
    gap: float | None = None
    """Relative distance of objective and bound."""
    formulation: str = ""
    """What was solved: `deployment`, `milp` or `decomposition`."""
    solver: str = ""
    solve_seconds: float | None = None
    """Wall time of the solver."""
    binding: str = ""
    """Requirements without which the objective would be better, and by how much."""
    candidates: int | None = None
    """Deployments that were evaluated."""
    profile: str = ""
    planner_version: str = ""
    instance_digest: str = ""
    source: str = ""
    """File, and line where it holds several, that the instance came from."""
    sweep: str = ""
    """Swept fields and their values as a JSON object; empty without a sweep."""
    message: str = ""
    """Why there is no deployment, or what else to know."""
    rows: int = 1
    """Rows of the instance's plan, which belong together."""
    workload: str = ""
    """Its name; where it has none, the transformer as written."""
    period: str = ""
    pool: str = ""
    """Pool of the instance that was chosen."""
    market: str = ""
    """`steady` or `spot`."""
    role: str = ""
    """`colocated`, `prefill` or `decode`."""
    label: str = ""
    """The deployment's name within its pool; empty where there is none."""
    transformer: str = ""
    accelerator: str = ""
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    data_parallel: int | None = None
    expert_parallel: int | None = None
    batch: int | None = None
    """Sequences in flight on one replica, over all its pipeline stages."""
    weight_precision: str = ""
    kv_precision: str = ""
    draft: str = ""
    """Draft transformer of speculative decoding; `none` where there is none."""
    gamma: int | None = None
    """Tokens drafted per round; 0 where nothing is drafted."""
    draft_tensor_parallel: int | None = None
    """Ranks of the draft; 0 where nothing is drafted."""
    gpus_per_replica: int | None = None
    quality: float | None = None
    """Quality of its answers; None where none is stated."""
    arithmetic_seconds: float | None = None
    """Arithmetic of one decoding step."""
    memory_seconds: float | None = None
    """Reading and writing memory in one decoding step."""
    network_seconds: float | None = None
    """Payload crossing links in one decoding step."""
    latency_seconds: float | None = None
    """Launches, overheads and the fixed part of messages in one decoding step."""
    step_seconds: float | None = None
    """One decoding step, or round of drafting and verifying: the four terms combined."""
    tokens_per_round: float | None = None
    """Tokens one sequence gains in a step, or in a round of drafting and verifying."""
    stall_seconds: float | None = None
    """What reading other users' prompts adds to every output token."""
    prefill_seconds: float | None = None
    """Reading one prompt."""
    memory_bytes_per_gpu: float | None = None
    """What lies in the fullest accelerator's memory."""
    weight_bytes_per_gpu: float | None = None
    """Weights on the accelerator that holds most of them."""
    cache_pool_bytes_per_gpu: float | None = None
    """What is left for caches there, beside weights and what the engine takes."""
    max_concurrency: int | None = None
    """Sequences of full length that the pools of one replica hold, as an engine counts them."""
    usable_memory_bytes_per_gpu: float | None = None
    tokens_per_second_per_request: float | None = None
    """Output tokens per second that one user sees."""
    tpot_seconds: float | None = None
    """Time per output token that one user sees: step / tokens per round + stall."""
    time_to_first_token_seconds: float | None = None
    """Prompt and first step on an idle replica; waiting in queues is not counted."""
    profile_error: float | None = None
    """Median relative error of the profile on measurements of this family; empty where unknown."""
    calibration: str = ""
    """`measured`, or `estimated` where constants were carried over from other hardware."""
    replicas: int | None = None
    starts: int | None = None
    """Replicas that did not run before."""
    gpus: int | None = None
    requests_per_second: float | None = None
    """Requests per second that all replicas can serve together."""
    tokens_per_second: float | None = None
    """Output tokens per second that all replicas can give together."""
    utilisation: float | None = None
    """Demanded part of the tokens per second; 1 where no demand was stated."""
    dollars_per_gpu_hour: float | None = None
    price_source: str = ""
    dollars_per_hour: float | None = None
    """Cost of all replicas."""
    dollars_per_million_tokens: float | None = None
    """Cost of a million output tokens of busy replicas."""

    @property
    def found(self) -> bool:
        """Whether the plan holds a deployment."""
        return self.status in FOUND

    def to_row(self) -> dict[str, Any]:
        """Return the plan as one flat mapping, column by column; what is not finite is None."""
        return {name: _finite(getattr(self, name)) for name in COLUMNS}

    def to_lines(self) -> str:
        """Return the rows of the plan as CSV lines without a header."""
        return csv_lines([self.to_row()], COLUMNS)

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the plan as CSV with a header, and write it to `path` if one is given."""
        return write_csv([self], path)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the plan as a JSON object, and write it to `path` if one is given."""
        return write_json(self.to_row(), path)

    def write(self, folder: str | Path) -> None:
        """Write plan.csv, purchases.csv, service.csv and summary.json into a folder.

        Raises
        ------
        OutputError
            Where they cannot be written.
        """
        from planner.plans.folder import write_plans

        write_plans([self], Path(folder))

    def table(self) -> pd.DataFrame:
        """Return the plan as a table of one row."""
        import pandas as pd

        return pd.DataFrame([self.to_row()], columns=list(COLUMNS))


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Plan))
TIME_COLUMNS: frozenset[str] = frozenset({"solve_seconds"})
"""Columns that differ from run to run."""


def swept_text(swept: Mapping[str, Any]) -> str:
    """Return the column `sweep`: fields and values as compact JSON, empty where there are none."""
    if not swept:
        return ""
    # A date that YAML reads is no JSON, and no value of an instance either.
    return compact_json(swept)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rewritten(lines: str, changes: Mapping[str, str]) -> str:
    """Return CSV lines of plans, without a header, with other cells in some columns."""
    rows = csv.reader(StringIO(lines, newline=""), strict=True)
    named = (dict(zip(COLUMNS, row, strict=True)) for row in rows)
    return csv_lines(({**row, **changes} for row in named), COLUMNS)


def write_csv(plans: Iterable[Plan], path: str | Path | None = None) -> str:
    """Return plans as CSV with a header, and write it to `path` if one is given."""
    text = header(COLUMNS) + "".join(plan.to_lines() for plan in plans)
    if path is not None:
        write_text(path, text)
    return text
