"""What is asked of a fleet: workloads, pools, periods, and what must hold for all of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from planner.problem.changes import Changes
from planner.problem.instance import (
    FILES,
    LARGEST_COUNT,
    LARGEST_QUANTITY,
    LONGEST_NAME,
    PER_CENTS,
    Count,
    DollarsOrNothing,
    DollarsPerHour,
    Draft,
    Fraction,
    Imbalance,
    Name,
    Quality,
    Redundant,
    Roles,
    Search,
    Seconds,
    SecondsOrNone,
    TokensPerSecond,
    Watts,
    as_list,
    as_part,
    reckonable,
)
from planner.problem.part import Part, Question

Key = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
"""A key that refers to a name, or to a quantile."""
Whole = Annotated[int, Field(ge=0, le=LARGEST_COUNT, strict=True)]
Amount = Annotated[
    float,
    Field(ge=0, le=LARGEST_QUANTITY, allow_inf_nan=False, strict=True),
    AfterValidator(reckonable),
]
Hours = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False, strict=True)]
Share = Annotated[
    float,
    BeforeValidator(as_part),
    Field(ge=0, lt=1, allow_inf_nan=False, strict=True),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, PER_CENTS]}),
]
Role = Literal["colocated", "prefill", "decode"]
Method = Literal["auto", "milp", "decomposition"]


MOST_PERIODS = 100_000


def _as_periods(value: Any) -> Any:
    """Let a whole number stand for so many periods of one hour."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PERIODS:
        return [{"name": str(period)} for period in range(value)]
    return value


Series = Annotated[tuple[Amount, ...], BeforeValidator(as_list), Field(min_length=1)]
"""One value for every period, or a single one for all."""
Demand = Series | dict[Key, Series]
"""A series, or one per quantile: `{p50: [...], p95: [...]}`."""
Names = Annotated[tuple[Name, ...], BeforeValidator(as_list)]
ANY: Literal["any"] = "any"
"""As many kinds of deployments as are wanted."""


def _kinds(value: Any) -> Any:
    """Accept a whole number or `any`, with one sentence for everything else."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value == ANY or (whole and 1 <= value <= LARGEST_COUNT):
        return value
    raise ValueError("a whole number from 1, or any")


MostDeployments = Annotated[
    int | Literal["any"],
    BeforeValidator(_kinds),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": ANY}]}),
]


Prices = Annotated[
    tuple[DollarsPerHour, ...],
    BeforeValidator(as_list),
    Field(min_length=1),
    PlainSerializer(lambda prices: prices[0] if len(prices) == 1 else prices),
]
"""One price for every period, or a single one for all."""


ONLY_PERIOD = "0"
"""Name of the one period of an instance that names none."""


class Period(Part):
    """A stretch of the horizon in which demand and prices stay the same."""

    name: Name
    """Name of the period in the plan, such as `Mon 18:00`."""
    hours: Hours = 1.0
    """How long it lasts."""


class OnDemand(Part):
    """Accelerators paid by the hour, as many as a period needs."""

    dollars_per_gpu_hour: Prices
    """Price of one accelerator: one for all periods, or a list with one for each."""
    gpus: Count | None = None
    """Most accelerators that can be had this way. Left out: as many as the pool has."""


class Reserved(Part):
    """Accelerators paid for through the whole horizon, used or not.

    The horizon stands for the whole term of the commitment.
    """

    dollars_per_gpu_hour: DollarsOrNothing
    """Price of one accelerator; 0 where it is paid for already."""
    gpus: Count | None = None
    """Most accelerators that can be had this way. Left out: as many as the pool has."""


class Spot(Part):
    """Accelerators paid by the hour that can be taken away at any time."""

    dollars_per_gpu_hour: Prices
    """Price of one accelerator: one for all periods, or a list with one for each."""
    interruptions_per_hour: Share = 0.0
    """How often a replica loses its accelerators. It serves nothing while another starts."""
    gpus: Count | None = None
    """Most accelerators that can be had this way. Left out: as many as the pool has."""


class FleetPool(Part):
    """Accelerators of one kind in one region, with what they cost in each way of paying."""

    name: Name
    """Name of the pool in files of deployments and in plans."""
    accelerator: Name | None = None
    """Name of an accelerator in the catalogue. Needed where the planner tabulates deployments,
    and for the catalogue's price and power."""
    region: Name | None = None
    """Where it stands."""
    gpus: Whole | None = None
    """Accelerators available. Left out: no limit."""
    gpus_per_node: Count | None = None
    """Accelerators of a node. Given: they are bought in whole nodes."""
    on_demand: OnDemand | None = None
    """Paid by the hour. Left out together with `reserved` and `spot`: at the catalogue's price."""
    reserved: Reserved | None = None
    """Paid through the whole horizon."""
    spot: Spot | None = None
    """Cheaper, and can be taken away."""
    watts_per_gpu: Watts | None = None
    """Power of a busy accelerator. Left out: the catalogue's."""
    watts_at_most: Watts | None = None
    """Cap on the power of busy accelerators in every period."""
    carbon_grams_per_kilowatt_hour: Amount | None = None
    """Carbon of the region's electricity."""


class RequestClass(Part):
    """Requests of one kind, of which deployments state how many they serve."""

    name: Name
    """Name in the column `request_class` of deployments."""
    share: Fraction
    """Part of the workload's requests."""


class FleetWorkload(Part):
    """One model to serve: how much, how fast, where, and how safely."""

    name: Name
    """Name of the workload in files of deployments and in plans."""
    transformer: Name | None = None
    """Name of a transformer in the catalogue; needed where the planner tabulates deployments."""
    input_tokens: Count = 1000
    """Prompt length of a typical request."""
    output_tokens: Count = 500
    """Answer length of a typical request."""
    requests_per_second: Demand | None = None
    """Demand in every period; this or `tokens_per_second`."""
    tokens_per_second: Demand | None = None
    """Demand in output tokens per second in every period."""
    tokens_per_second_per_request: TokensPerSecond | None = None
    """Slowest output speed one user may see."""
    time_to_first_token_seconds: Seconds | None = None
    """Longest wait for the first token, round trip between regions included."""
    priority: Count = 1
    """1 is served first where not all can be."""
    drafts: Annotated[tuple[Draft, ...], BeforeValidator(as_list)] = ()
    """Drafts that speculative decoding may use."""
    expert_imbalance: Imbalance = 1.0
    """Tokens of the busiest group of experts over the mean, where experts are spread."""
    redundant_experts: Redundant = 0
    """Copies of busy experts, beside each layer's own, where experts are spread."""
    roles: Roles = None
    """What replicas do: `colocated` ones read prompts and answer them; `decode` ones answer
    prompts that are read elsewhere, at no cost here. Left out: as the profile says."""
    engine: Name | None = None
    """Serving engine that must be able to launch what the planner tabulates."""
    usable_memory_fraction: Fraction | None = None
    """Part of an accelerator's memory that may be filled. Left out: as the profile says."""
    collectives: Name | None = None
    """Whose all-reduces count. Left out: those of the engine, else those of vLLM."""
    quality: Quality | None = None
    """Least quality of precisions, by a table of your own, or of the column `quality` of
    deployments from files."""
    search: Search = Search()
    """The design space of a replica, where the planner tabulates deployments."""
    deployments: Names = ()
    """CSV files of deployments to choose from in place of the planner's own."""
    classes: Annotated[tuple[RequestClass, ...], BeforeValidator(as_list)] = ()
    """Kinds of requests; shares sum to 1. Left out: all requests are alike."""
    regions: Names | None = None
    """Regions in which requests may be served. Left out: all."""
    users_in: Name | None = None
    """Region where requests come from; round trips from there count to the first token."""
    headroom: Share = 0.0
    """Part of every replica's throughput that is kept free."""
    n_plus_1: bool = False
    """Whether demand must still be met when any one replica fails."""
    min_replicas: Whole = 0
    """Fewest replicas in every period."""
    max_replicas: Count | None = None
    """Most replicas in every period. Left out: no limit."""
    max_deployments: MostDeployments = 1
    """Kinds of deployments, by pool and label, that may share the demand of a period, or `any`.
    The same one on accelerators that stay and on spot ones is one kind; so is a pair of prefill
    and decode workers."""
    spot: bool = True
    """Whether replicas may run on accelerators that can be taken away."""
    startup_seconds: SecondsOrNone = 0.0
    """How long a replica's accelerators are paid for before it serves."""
    startup_dollars: Amount = 0.0
    """What starting a replica costs beside that."""
    shed_at_most: Fraction | None = None
    """Part of the demand of a period that may be refused. Left out: none."""
    shed_dollars_per_1000_requests: Amount | None = None
    """What refusing a thousand requests costs; needed with `shed_at_most`."""


class Running(Part):
    """Replicas that run already; starting others costs, stopping them does not."""

    workload: Name
    """Name of the workload."""
    pool: Name
    """Name of the pool."""
    label: Name
    """The deployment, as files of deployments and plans call it."""
    replicas: Count
    """How many."""
    spot: bool = False
    """Whether they run on accelerators that can be taken away."""


class Scenario(Part):
    """One way demand may turn out; reserved accelerators are bought before it is known."""

    name: Name
    """Name of the scenario in the plan."""
    probability: Fraction
    """Probabilities sum to 1."""
    factor: Amount = 1.0
    """Factor on the demand of every workload."""
    factors: dict[Key, Amount] = Field(default_factory=dict)
    """Factor by workload, in place of `factor`."""


class Robustness(Part):
    """Rises of demand for which accelerators are bought beforehand."""

    workloads: Whole
    """Most workloads whose demand rises at once."""
    rise: Amount
    """By how much: 0.5 is half as much again."""


class Prediction(Part):
    """What to make of the figures of deployments before they are trusted."""

    prefill_rate: Fraction = 1.0
    """Factor on the throughput of prefill workers."""
    decode_rate: Fraction = 1.0
    """Factor on the throughput of decode workers."""
    colocated_rate: Fraction = 1.0
    """Factor on the throughput of workers that do both."""
    time_to_first_token: Annotated[float, Field(ge=1, le=1000, strict=True)] = 1.0
    """Factor on times to the first token."""


def _put_contents_for_paths(content: dict[str, Any]) -> None:
    """Let what is in the files of a fleet stand for their paths, wherever they lie."""
    known: dict[str, str] = {}

    def content_of(path: str) -> str:
        if path not in known:
            file = Path(path)
            there = file.is_file()
            known[path] = hashlib.sha256(file.read_bytes()).hexdigest() if there else path
        return known[path]

    for part in (content, *content["workloads"]):
        if "deployments" in part:
            part["deployments"] = [content_of(path) for path in part["deployments"]]
        for named in (part, *part.get("drafts", ()), *part.get("pools", ())):
            for key in ("transformer", "accelerator", "engine", "profile"):
                if (named.get(key) or "").endswith(FILES):
                    named[key] = content_of(named[key])


class FleetSolver(Part):
    """Which formulation proves the plan, and how hard it tries."""

    method: Method = "auto"
    """`milp` is formulation F, `decomposition` is G; `auto` chooses by size."""
    time_limit_seconds: Seconds = 300.0
    """Seconds after which the best plan so far is returned, with its bound."""
    relative_gap: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, strict=True)] = 1e-4
    """Gap between plan and bound at which to stop; 0 proves the optimum."""


class Fleet(Question):
    """Asks which replicas of which deployments, where and when, cost least."""

    name: Name
    """Name of the fleet."""
    workloads: tuple[FleetWorkload, ...] = Field(min_length=1)
    """What is served."""
    pools: tuple[FleetPool, ...] = Field(min_length=1)
    """Where it may run."""
    periods: Annotated[tuple[Period, ...], BeforeValidator(_as_periods), Field(min_length=1)] = (
        Period(name=ONLY_PERIOD),
    )
    """The horizon, one period after the other; a whole number stands for so many hours."""
    deployments: Names = ()
    """CSV files of deployments for workloads that name none of their own."""
    round_trip_seconds: dict[Key, dict[Key, SecondsOrNone]] = Field(default_factory=dict)
    """Round trip from the users' region to the serving one; none within a region."""
    prediction: Prediction = Prediction()
    """What to make of the figures of deployments."""
    objective: Literal["dollars_per_hour", "requests_per_second"] = "dollars_per_hour"
    """What is sought: the least cost of the demand, or the most traffic on limited accelerators or
    money: the demands stated are a mix that grows by one factor."""
    dollars_per_hour_at_most: DollarsPerHour | None = None
    """Ceiling on the cost of an hour, in the mean of the horizon."""
    watts_at_most: Watts | None = None
    """Cap on the power of all busy accelerators in every period."""
    carbon_kilograms_at_most: Amount | None = None
    """Cap on the carbon of busy accelerators over the horizon."""
    demand_quantile: Name | None = None
    """Which quantile of demand is planned for, where demand has several."""
    scenarios: tuple[Scenario, ...] = ()
    """Ways demand may turn out."""
    robustness: Robustness | None = None
    """Rises of demand that supply must be bought for."""
    running: tuple[Running, ...] | None = None
    """Replicas that run before the first period. Left out: the first period starts for free."""
    changes: Changes | None = None
    """For what, and how much, what runs may change. Left out: for any saving, all of it."""
    profile: Name = "calibrated"
    """How time is predicted where the planner tabulates: `calibrated`, or `paper`."""
    solver: FleetSolver = FleetSolver()
    """Which formulation proves the plan."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name what is asked, whatever solver answers it."""
        # Of large fleets most fields are at their defaults; without them this takes a seventh of
        # the time, and fields that later versions add leave the digest as it was.
        content = self.model_dump(
            mode="json", by_alias=True, exclude={"solver"}, exclude_defaults=True
        )
        _put_contents_for_paths(content)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
