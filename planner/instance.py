"""What is asked: one workload, the pools it may run on, the search space and the objective."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from planner.units import quantity

LARGEST_COUNT = 10_000_000
LARGEST_BATCH = 65_536
LARGEST_QUANTITY = 1e18

Precision = Literal["bf16", "fp8", "int8", "fp4", "int4"]
CachePrecision = Literal["bf16", "fp8"]
Objective = Literal[
    "dollars_per_hour", "dollars_per_million_tokens", "tokens_per_second_per_request"
]


def _in(dimension: str) -> Any:
    """Accept plain numbers and strings with a unit of `dimension`; insist on positive ones."""
    return [
        BeforeValidator(lambda value: None if value is None else quantity(value, dimension)),
        Field(gt=0, le=LARGEST_QUANTITY, allow_inf_nan=False),
    ]


Seconds = Annotated[float, *_in("seconds")]
Bytes = Annotated[float, *_in("bytes")]
BytesPerSecond = Annotated[float, *_in("bytes per second")]
TokensPerSecond = Annotated[float, *_in("tokens per second")]
DollarsPerHour = Annotated[float, *_in("dollars per hour")]
Dollars = Annotated[float, Field(gt=0, le=LARGEST_QUANTITY, allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT, strict=True)]
Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)]


def _as_list(value: Any) -> Any:
    """Let a single value stand for a list of one."""
    return value if value is None or isinstance(value, list | tuple) else [value]


def _as_range(value: Any) -> Any:
    """Let a number stand for one batch size, and a list for exactly those."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {"from": value, "to": value}
    return {"values": value} if isinstance(value, list | tuple) else value


class Part(BaseModel):
    """A frozen part of an instance; keys it does not know are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True
    )


class Workload(Part):
    """What is served, and how fast it must be."""

    transformer: str = Field(min_length=1, max_length=200)
    """Name of a transformer in the catalogue (`planner catalogue transformers`)."""
    input_tokens: Count = 1000
    """Prompt length of a typical request, in tokens."""
    output_tokens: Count = 500
    """Answer length of a typical request, in tokens."""
    tokens_per_second_per_request: TokensPerSecond | None = None
    """Slowest output speed one user may see. May be left out only where it is the objective."""
    tokens_per_second: TokensPerSecond | None = None
    """Output tokens per second of all requests together. Left out: one replica is planned, and
    cost counts per token at saturation."""
    time_to_first_token_seconds: Seconds | None = None
    """Longest wait for the first token on an idle replica."""
    prefill: Literal["colocated", "elsewhere"] | None = None
    """Whether prompts are read on the same accelerators (`colocated`) or by others whose cost is
    not counted (`elsewhere`). Left out: as the profile says."""


class Pool(Part):
    """Accelerators of one kind that can be had at one price."""

    accelerator: str = Field(min_length=1, max_length=200)
    """Name of an accelerator in the catalogue (`planner catalogue accelerators`)."""
    name: str | None = Field(default=None, min_length=1, max_length=200)
    """Name of the pool in the plan; needed where two pools have the same accelerator."""
    gpus: Count | None = None
    """Accelerators available. Left out: no limit."""
    dollars_per_gpu_hour: DollarsPerHour | None = None
    """Price of one accelerator. Left out: the catalogue's dated default."""

    @property
    def label(self) -> str:
        """Name of the pool in the plan."""
        return self.name or self.accelerator


class BatchRange(Part):
    """Batch sizes of one replica: every whole number of a range, or a list."""

    first: Annotated[int, Field(ge=1, le=LARGEST_BATCH, strict=True)] = Field(
        default=1, alias="from"
    )
    """Smallest batch."""
    last: Annotated[int, Field(ge=1, le=LARGEST_BATCH, strict=True)] = Field(
        default=1024, alias="to"
    )
    """Largest batch."""
    values: tuple[Annotated[int, Field(ge=1, le=LARGEST_BATCH, strict=True)], ...] | None = Field(
        default=None, min_length=1
    )
    """Exactly these batches instead of a range."""

    def sizes(self) -> tuple[int, ...]:
        """Return every batch size, ascending."""
        return tuple(sorted(set(self.values or range(self.first, self.last + 1))))


Degrees = Annotated[tuple[Count, ...], BeforeValidator(_as_list), Field(min_length=1)]


class Search(Part):
    """The design space: values each decision may take. Everything has a default."""

    tensor_parallel: Degrees | None = None
    """Tensor-parallel degrees. Left out: 1, 2, 4 and 8, as far as they divide the heads and the
    accelerator's links reach. Degrees that are named here must divide the heads."""
    pipeline_parallel: Degrees | None = None
    """Pipeline-parallel degrees. Left out: 1, 2 and 4, as far as there are layers."""
    batch: Annotated[BatchRange, BeforeValidator(_as_range)] = BatchRange()
    """Batch sizes of one replica: `{from: 1, to: 1024}`, a list, or one number."""
    weights: Annotated[tuple[Precision, ...], BeforeValidator(_as_list), Field(min_length=1)] = (
        "bf16",
        "fp8",
    )
    """Precisions of the weights."""
    kv: Annotated[tuple[CachePrecision, ...], BeforeValidator(_as_list), Field(min_length=1)] = (
        "bf16",
    )
    """Precisions of the key/value cache."""
    max_replicas: Count = 512
    """Most replicas of the deployment."""


class Solver(Part):
    """Which solver proves the plan, and how hard it tries."""

    name: Literal["highs", "scip", "exhaustive"] = "highs"
    """`highs` (default), `scip` (extra `scip`), or `exhaustive` (small instances only)."""
    time_limit_seconds: Seconds = 60.0
    """Seconds after which the solver returns the best plan it has, with its bound."""
    relative_gap: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, strict=True)] = 0.0
    """Gap between plan and bound at which the solver may stop."""


class Instance(Part):
    """One question: which deployment of this workload on these pools is best."""

    name: str = Field(min_length=1, max_length=200)
    """Name of the instance; it stands in the first column of the plan."""
    workload: Workload
    """What is served, and how fast it must be."""
    pools: tuple[Pool, ...] = Field(min_length=1)
    """Where it may run: one deployment in one of these pools is chosen."""
    search: Search = Search()
    """The design space."""
    objective: Objective | None = None
    """What is best: least `dollars_per_hour` at the demanded tokens per second, least
    `dollars_per_million_tokens` at saturation, or most `tokens_per_second_per_request` under a
    ceiling on cost. Left out: dollars per hour where `workload.tokens_per_second` is given, else
    dollars per million tokens."""
    dollars_per_million_tokens_at_most: Dollars | None = None
    """Ceiling on the cost of a million output tokens of a busy replica."""
    dollars_per_hour_at_most: DollarsPerHour | None = None
    """Ceiling on the cost of all replicas."""
    usable_memory_fraction: Fraction | None = None
    """Part of an accelerator's memory that may be filled. Left out: as the profile says
    (0.9 of `calibrated`)."""
    profile: str = Field(default="calibrated", min_length=1, max_length=200)
    """How time is predicted: `calibrated`, or `paper` for the source paper's own constants."""
    solver: Solver = Solver()
    """Which solver proves the plan."""

    @property
    def aim(self) -> Objective:
        """The objective, with the default resolved."""
        if self.objective is not None:
            return self.objective
        if self.workload.tokens_per_second is not None:
            return "dollars_per_hour"
        return "dollars_per_million_tokens"

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name the question, whatever solver answers it."""
        content = self.model_dump(mode="json", by_alias=True, exclude={"solver"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
