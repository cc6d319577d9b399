"""What is asked: one workload, the pools it may run on, the search space and the objective."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
)

from planner.errors import CONTROLS
from planner.problem.part import Part, Question
from planner.units import quantity

LARGEST_COUNT = 10_000_000
LARGEST_BATCH = 65_536
LARGEST_QUANTITY = 1e18
LONGEST_NAME = 200
SMALLEST_QUANTITY = 1e-18
"""Numbers that are nearer to 0, and are not 0, are too small to reckon with."""
NAME_PATTERN = rf"^[^=+\-@{CONTROLS}][^{CONTROLS}]*$"
"""One line that drives no terminal, and begins with none of what makes a spreadsheet's formula."""
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=NAME_PATTERN)]

Precision = Literal["bf16", "fp8", "int8", "fp4", "int4"]
CacheFormat = Literal["bf16", "fp8", "int8", "nvfp4"]
CachePrecision = Annotated[
    CacheFormat, BeforeValidator(lambda name: "nvfp4" if name == "fp4" else name)
]
"""Engines have one cache of 4 bits, which they call nvfp4, fp4 or fp4_e2m1."""
Objective = Literal[
    "dollars_per_hour", "dollars_per_million_tokens", "tokens_per_second_per_request"
]


def reckonable(value: float) -> float:
    """Return a number; one that is not 0 and too near to it is refused."""
    if 0 < value < SMALLEST_QUANTITY:
        raise ValueError(f"a number of at least {SMALLEST_QUANTITY:g}")
    return value


def _in(dimension: str, *, zero: bool = False) -> Any:
    """Accept plain numbers and strings with a unit of `dimension`, above 0 or from `zero` on."""
    lowest, bound = ("minimum", "ge") if zero else ("exclusiveMinimum", "gt")
    number = {"type": "number", lowest: 0, "maximum": LARGEST_QUANTITY}
    limits: dict[str, Any] = {bound: 0, "le": LARGEST_QUANTITY}
    return [
        BeforeValidator(lambda value: None if value is None else quantity(value, dimension)),
        Field(allow_inf_nan=False, **limits),
        AfterValidator(reckonable),
        WithJsonSchema({"anyOf": [number, {"type": "string"}]}),
    ]


Seconds = Annotated[float, *_in("seconds")]
SecondsOrNone = Annotated[float, *_in("seconds", zero=True)]
Watts = Annotated[float, *_in("watts", zero=True)]
Bytes = Annotated[float, *_in("bytes")]
BytesPerSecond = Annotated[float, *_in("bytes per second")]
TokensPerSecond = Annotated[float, *_in("tokens per second")]
DollarsPerHour = Annotated[float, *_in("dollars per hour")]
DollarsOrNothing = Annotated[float, *_in("dollars per hour", zero=True)]
Dollars = Annotated[
    float,
    Field(gt=0, le=LARGEST_QUANTITY, allow_inf_nan=False, strict=True),
    AfterValidator(reckonable),
]
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT, strict=True)]
PER_CENT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*")


def as_part(value: Any) -> Any:
    """Return the part of 1 that `10%` is; anything else as it is."""
    match = PER_CENT.fullmatch(value) if isinstance(value, str) else None
    return value if match is None else float(match[1]) / 100.0


PER_CENTS: dict[str, Any] = {"type": "string", "pattern": "%"}
Fraction = Annotated[
    float,
    BeforeValidator(as_part),
    Field(gt=0, le=1, allow_inf_nan=False, strict=True),
    AfterValidator(reckonable),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, PER_CENTS]}),
]


def as_list(value: Any) -> Any:
    """Let a single value stand for a list of one."""
    return value if value is None or isinstance(value, list | tuple) else [value]


def _as_range(value: Any) -> Any:
    """Let a number stand for one batch size, and a list for exactly those."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {"from": value, "to": value}
    return {"values": value} if isinstance(value, list | tuple) else value


def _one_role(value: Any) -> Any:
    """Accept a list of one for a role; say why several roles cannot be planned."""
    role = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
    if role == "disaggregated" or isinstance(role, list | tuple):
        raise ValueError(
            "colocated or decode, since prefill and decode replicas side by side are planned from "
            "`deployments` alone so far"
        )
    return role


Imbalance = Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False, strict=True)]
Redundant = Annotated[int, Field(ge=0, le=LARGEST_COUNT, strict=True)]
Roles = Annotated[
    Literal["colocated", "decode"] | None,
    BeforeValidator(_one_role),
    WithJsonSchema({"enum": ["colocated", "decode"]}),
]


class Draft(Part):
    """A way to draft tokens that the transformer then verifies, several at once."""

    transformer: Name
    """Name of a smaller transformer in the catalogue, or `mtp` for the transformer's own
    multi-token-prediction layers."""
    acceptance: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
    """Probability that a drafted token is accepted, each given that the ones before were."""


class Quality(Part):
    """How good answers are with each precision, and the least that will do."""

    at_least: Fraction
    """Least product of the weights' and the cache's quality."""
    weights: dict[Precision, Fraction] = Field(default_factory=dict)
    """Quality of each weight precision; one not named counts 1."""
    kv: dict[CachePrecision, Fraction] = Field(default_factory=dict)
    """Quality of each cache precision; one not named counts 1."""

    def of(self, weights: str, kv: str) -> float:
        """Return the quality of a deployment with these precisions."""
        table: dict[str, float] = {f"weights {name}": value for name, value in self.weights.items()}
        table.update({f"kv {name}": value for name, value in self.kv.items()})
        return table.get(f"weights {weights}", 1.0) * table.get(f"kv {kv}", 1.0)


class Workload(Part):
    """What is served, and how fast it must be."""

    transformer: Name
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
    expert_imbalance: Imbalance = 1.0
    """Tokens of the busiest group of experts over the mean, where experts are spread."""
    redundant_experts: Redundant = 0
    """Copies of busy experts, beside each layer's own, where experts are spread; they take memory
    and make the imbalance what it is."""
    drafts: Annotated[tuple[Draft, ...], BeforeValidator(as_list)] = ()
    """Drafts that speculative decoding may use; drafting nothing is always possible."""
    roles: Roles = None
    """What replicas do: `colocated` ones read prompts and answer them; `decode` ones answer
    prompts that are read elsewhere, at no cost here. Left out: as the profile says."""
    max_replicas: Count | None = None
    """Most replicas of the deployment. Left out: no limit."""


class Pool(Part):
    """Accelerators of one kind that can be had at one price."""

    accelerator: Name
    """Name of an accelerator in the catalogue (`planner catalogue accelerators`)."""
    name: Name | None = None
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


def _one_or_many(item: dict[str, Any]) -> WithJsonSchema:
    """Describe a list that a single value may stand for."""
    many = {"type": "array", "items": item, "minItems": 1}
    return WithJsonSchema({"anyOf": [item, many]})


DEGREE: dict[str, Any] = {"type": "integer", "minimum": 1}
Degrees = Annotated[
    tuple[Count, ...], BeforeValidator(as_list), Field(min_length=1), _one_or_many(DEGREE)
]
BATCH: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": LARGEST_BATCH}
BATCHES: dict[str, Any] = {"type": "array", "items": BATCH, "minItems": 1}
BATCH_RANGE = {
    "anyOf": [
        BATCH,
        BATCHES,
        {
            "type": "object",
            "properties": {"from": BATCH, "to": BATCH, "values": BATCHES},
            "additionalProperties": False,
        },
    ]
}


class Search(Part):
    """The design space: values each decision may take. Everything has a default."""

    tensor_parallel: Degrees | None = None
    """Tensor-parallel degrees. Left out: 1, 2, 4 and 8, as far as they divide the heads and the
    accelerator's links reach. Degrees that are named here must divide the heads."""
    pipeline_parallel: Degrees | None = None
    """Pipeline-parallel degrees. Left out: 1, 2 and 4, as far as there are layers."""
    data_parallel: Degrees | None = None
    """Attention groups that share out the sequences of one replica of a mixture of experts. Left
    out: powers of two up to 32; 1 for dense transformers."""
    expert_parallel: Degrees | None = None
    """Groups of accelerators that share out the experts. Left out: powers of two that divide their
    number; 1 for dense transformers."""
    gamma: Annotated[
        tuple[Annotated[int, Field(ge=0, le=64, strict=True)], ...],
        BeforeValidator(as_list),
        Field(min_length=1),
        _one_or_many({"type": "integer", "minimum": 0, "maximum": 64}),
    ] = (0, 1, 2, 3, 4, 5)
    """Tokens drafted per round, where there are drafts; 0 drafts none."""
    batch: Annotated[BatchRange, BeforeValidator(_as_range), WithJsonSchema(BATCH_RANGE)] = (
        BatchRange()
    )
    """Batch sizes of one replica: `{from: 1, to: 1024}`, a list, or one number."""
    weights: Annotated[
        tuple[Precision, ...],
        BeforeValidator(as_list),
        Field(min_length=1),
        _one_or_many({"enum": list(get_args(Precision))}),
    ] = (
        "bf16",
        "fp8",
    )
    """Precisions of the weights."""
    kv: Annotated[
        tuple[CachePrecision, ...],
        BeforeValidator(as_list),
        Field(min_length=1),
        _one_or_many({"enum": list(get_args(CacheFormat))}),
    ] = ("bf16",)
    """Precisions of the key/value cache."""


class Solver(Part):
    """Which solver proves the plan, and how hard it tries."""

    name: Literal["highs", "scip", "exhaustive"] = "highs"
    """`highs` (default), `scip` (extra `scip`), or `exhaustive` (small instances only)."""
    time_limit_seconds: Seconds = 300.0
    """Seconds after which the solver returns the best plan it has, with its bound."""
    relative_gap: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, strict=True)] = 0.0
    """Gap between plan and bound at which the solver may stop."""


def _content_of(name: str) -> str:
    """Return a name, or for the path of a file what is in it, wherever it lies."""
    path = Path(name)
    if path.suffix not in FILES or not path.is_file():
        return name
    return hashlib.sha256(path.read_bytes()).hexdigest()


FILES = (".json", ".yaml", ".yml")
"""Suffixes of files that may stand for names of the catalogue: of a config.json, and of one's own
catalogue."""


SWEEP = "sweep"
"""Key of a file whose fields take several values; it makes the file many instances."""
SWEEP_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Fields and the values each takes in turn: a list, or a range such as 1:4:7 "
    "or 1k:128k:log:8. The file stands for one instance per combination.",
    "minProperties": 1,
    "additionalProperties": {"anyOf": [{"type": "array", "minItems": 1}, {"type": "string"}]},
}


class Instance(Question):
    """Asks which deployment of this workload on these pools is best."""

    name: Name
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
    speed_exponent: (
        Annotated[float, Field(ge=0, le=10, allow_inf_nan=False, strict=True)] | None
    ) = None
    """Exponent of speed in what a token is worth to the customer: of the frontier, the point with
    the most speed^exponent per dollar is preferred. Left out: no point is. It changes no plan."""
    quality: Quality | None = None
    """Least quality of precisions, by a table of your own. Left out: every precision will do."""
    usable_memory_fraction: Fraction | None = None
    """Part of an accelerator's memory that may be filled. Left out: as the profile says
    (0.9 of `calibrated`)."""
    profile: Name = "calibrated"
    """How time is predicted: `calibrated`, or `paper` for the source paper's own constants."""
    engine: Name | None = None
    """Serving engine (`vllm`, `sglang`, `tensorrt-llm`) that must be able to launch the plan. Left
    out: physics alone limits it."""
    collectives: Name | None = None
    """Whose all-reduces count, for example `nccl`. Left out: those of the engine, else those of
    vLLM in a CUDA graph."""
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
        """Twelve hexadecimal digits that name what is asked, whatever solver answers it."""
        # Without what is at its default, so that fields to come leave the digest as it was.
        content = self.model_dump(
            mode="json", by_alias=True, exclude={"solver"}, exclude_defaults=True
        )
        workload = content["workload"]
        for named in (workload, *workload.get("drafts", ())):
            named["transformer"] = _content_of(named["transformer"])
        for pool in content["pools"]:
            pool["accelerator"] = _content_of(pool["accelerator"])
        for key in ("engine", "profile"):
            if key in content:
                content[key] = _content_of(content[key])
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
