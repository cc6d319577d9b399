"""What is possible: one row per deployment, one column per number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import product
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from planner.candidates.evaluate import Evaluator, Timing
from planner.candidates.forward_passes import Degrees
from planner.problem.instance import Workload
from planner.problem.label import label
from planner.problem.resolve import NO_DRAFT, ResolvedInstance, Supply
from planner.terms import serving
from planner.terms.forward_pass import Floats, Precision

Integers = npt.NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Candidates:
    """A table of deployments; every field is an array with one entry per deployment."""

    pool: Integers
    """Index into the instance's pools."""
    weights: Integers
    """Index into the instance's weight precisions."""
    kv: Integers
    """Index into the instance's cache precisions."""
    draft: Integers
    """Index into the instance's drafts, from 1; 0 where nothing is drafted."""
    gamma: Integers
    """Tokens drafted per round."""
    tensor_parallel: Integers
    pipeline_parallel: Integers
    data_parallel: Integers
    expert_parallel: Integers
    batch: Integers
    draft_tensor_parallel: Floats
    """Ranks of the draft; 0 where there is none."""
    arithmetic_seconds: Floats
    memory_seconds: Floats
    network_seconds: Floats
    latency_seconds: Floats
    step_seconds: Floats
    """The four terms combined: one decoding step, or one round of drafting and verifying."""
    tokens_per_round: Floats
    """Tokens a sequence gains in one step or round."""
    stall_seconds: Floats
    """What reading other prompts adds to every output token."""
    prefill_seconds: Floats
    """Reading one prompt."""
    memory_bytes_per_gpu: Floats
    weight_bytes_per_gpu: Floats
    cache_pool_bytes_per_gpu: Floats
    max_concurrency: Floats
    usable_bytes_per_gpu: Floats
    gpus_per_replica: Integers
    dollars_per_gpu_hour: Floats

    def __len__(self) -> int:
        return len(self.pool)

    def take(self, rows: npt.NDArray[np.bool_] | Integers) -> Candidates:
        """Return the candidates of some rows, in their order."""
        return Candidates(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def tpot_seconds(self) -> Floats:
        """Seconds per output token that a user sees."""
        step = self.step_seconds / self.tokens_per_round
        return serving.seconds_per_output_token(step, self.stall_seconds)

    @property
    def tokens_per_second_per_request(self) -> Floats:
        """Output tokens per second that a user sees."""
        return 1.0 / self.tpot_seconds

    @property
    def replica_tokens_per_second(self) -> Floats:
        """Output tokens per second of a full replica."""
        return serving.tokens_per_second(self.batch.astype(float), self.tpot_seconds)

    @property
    def time_to_first_token_seconds(self) -> Floats:
        """Seconds to the first token on an idle replica."""
        return serving.time_to_first_token(self.prefill_seconds, self.step_seconds)

    @property
    def dollars_per_million_tokens(self) -> Floats:
        """Dollars per million output tokens of a full replica."""
        return serving.dollars_per_million_tokens(
            self.gpus_per_replica.astype(float),
            self.dollars_per_gpu_hour,
            self.replica_tokens_per_second,
        )

    def dollars_per_hour(self, replicas: Floats) -> Floats:
        """Dollars per hour of so many replicas of each."""
        gpus = self.gpus_per_replica.astype(float)
        return serving.dollars_per_hour(replicas, gpus, self.dollars_per_gpu_hour)

    def replicas_needed(self, workload: Workload) -> Floats:
        """Fewest replicas that meet the demand; one where there is none."""
        if workload.tokens_per_second is None:
            return np.ones(len(self))
        return serving.replicas_for(workload.tokens_per_second, self.replica_tokens_per_second)


def available_gpus(resolved: ResolvedInstance, table: Candidates) -> Floats:
    """Accelerators in the pool of every candidate; infinite where there is no limit."""
    return np.asarray([pool.gpus or np.inf for pool in resolved.pools])[table.pool]


def draft_name(resolved: ResolvedInstance, index: int) -> str:
    """Return the name of a draft by its index in the table; `none` for 0."""
    return resolved.drafts[index - 1].name if index else NO_DRAFT


def label_of(resolved: ResolvedInstance, table: Candidates, row: int, *, pool: bool = True) -> str:
    """Return the label of one deployment, with its pool or without."""
    search, drafted = resolved.instance.search, int(table.draft[row])
    return label(
        tensor_parallel=int(table.tensor_parallel[row]),
        pipeline_parallel=int(table.pipeline_parallel[row]),
        data_parallel=int(table.data_parallel[row]),
        expert_parallel=int(table.expert_parallel[row]),
        weights=search.weights[table.weights[row]],
        kv=search.kv[table.kv[row]],
        batch=int(table.batch[row]),
        draft=draft_name(resolved, drafted) if drafted else "",
        gamma=int(table.gamma[row]),
        pool=resolved.pools[table.pool[row]].label if pool else "",
    )


def sort_key(resolved: ResolvedInstance, table: Candidates, row: int) -> str:
    """Name one deployment so that names sort by pool, degrees, precisions, draft and batch.

    It breaks the last ties, and names the components of the model.
    """
    search = resolved.instance.search
    parts = [
        resolved.pools[table.pool[row]].label,
        f"tp{table.tensor_parallel[row]:03d}",
        f"pp{table.pipeline_parallel[row]:03d}",
    ]
    if table.data_parallel[row] * table.expert_parallel[row] > 1:
        parts += [f"dp{table.data_parallel[row]:03d}", f"ep{table.expert_parallel[row]:03d}"]
    parts += [search.weights[table.weights[row]], search.kv[table.kv[row]]]
    if table.draft[row]:
        parts += [draft_name(resolved, int(table.draft[row])), f"g{table.gamma[row]:02d}"]
    return "_".join([*parts, f"b{table.batch[row]:05d}"])


def tabulate(resolved: ResolvedInstance) -> Candidates:
    """Evaluate every admissible deployment of the search space, in one table."""
    return concatenate(blocks(resolved))


def blocks(resolved: ResolvedInstance) -> Iterator[Candidates]:
    """Yield every admissible deployment of the search space, in blocks of one pool each."""
    for pool in range(len(resolved.pools)):
        for block in blocks_of(resolved, pool):
            yield block.table(block.admissible)


def concatenate(tables: Iterable[Candidates]) -> Candidates:
    """Return one table of the rows of several."""
    found = list(tables)
    none = np.zeros(0, dtype=np.int64)  # Whole numbers give way to any others.
    return Candidates(
        *(
            np.concatenate([getattr(table, field.name) for table in found] or [none])
            for field in fields(Candidates)
        )
    )


def count(resolved: ResolvedInstance) -> int:
    """Return how many deployments `blocks` yields in all."""
    batches = np.asarray(resolved.instance.search.batch.sizes(), dtype=np.int64)
    admissible = 0
    for supply in resolved.pools:
        _, pp, dp, _ = _grid(resolved, supply)
        admissible += int(np.count_nonzero(batches[None, :] >= pp * dp))
    drafted = sum(gamma > 0 for gamma in resolved.gamma) * len(resolved.drafts)
    return admissible * len(_formats(resolved)) * (1 + drafted)


def _formats(resolved: ResolvedInstance) -> list[tuple[tuple[int, str], tuple[int, str]]]:
    """List the precisions of weights and cache that are good enough, with their indices."""
    search, quality = resolved.instance.search, resolved.instance.quality
    return [
        (weights, kv)
        for weights, kv in product(enumerate(search.weights), enumerate(search.kv))
        if quality is None or quality.of(weights[1], kv[1]) >= quality.at_least
    ]


@dataclass(frozen=True, slots=True)
class Block:
    """Deployments of one pool, precision, draft and gamma; layouts down, batches across."""

    supply: Supply
    timing: Timing
    grid: tuple[Integers, ...]
    """Tensor-, pipeline-, data- and expert-parallel degrees, as columns."""
    batches: Integers
    admissible: npt.NDArray[np.bool_]
    """Where there is a deployment."""
    pool: int
    weights: int
    kv: int
    draft: int
    gamma: int

    def __len__(self) -> int:
        return int(np.count_nonzero(self.admissible))

    @property
    def gpus_per_replica(self) -> Integers:
        """Accelerators of a replica of every layout, as a column."""
        tp, pp, dp, _ = self.grid
        return tp * dp * pp

    def table(self, mask: npt.NDArray[np.bool_]) -> Candidates:
        """Return the deployments that `mask` marks, layout by layout."""

        def column(values: npt.NDArray[Number] | float) -> npt.NDArray[Number]:
            return np.broadcast_to(values, mask.shape)[mask]

        def same(value: Number | int) -> npt.NDArray[Number]:
            return np.full(np.count_nonzero(mask), value)

        tp, pp, dp, ep = self.grid
        timing = self.timing
        return Candidates(
            pool=same(self.pool),
            weights=same(self.weights),
            kv=same(self.kv),
            draft=same(self.draft),
            gamma=same(self.gamma),
            tensor_parallel=column(tp),
            pipeline_parallel=column(pp),
            data_parallel=column(dp),
            expert_parallel=column(ep),
            batch=column(self.batches),
            draft_tensor_parallel=column(timing.draft_tensor_parallel),
            arithmetic_seconds=column(timing.arithmetic),
            memory_seconds=column(timing.memory),
            network_seconds=column(timing.network),
            latency_seconds=column(timing.latency),
            step_seconds=column(timing.step),
            tokens_per_round=column(timing.tokens_per_round),
            stall_seconds=column(timing.stall),
            prefill_seconds=column(timing.prefill),
            memory_bytes_per_gpu=column(timing.resident),
            weight_bytes_per_gpu=column(timing.held.weights),
            cache_pool_bytes_per_gpu=column(timing.held.pool),
            max_concurrency=column(timing.held.sequences),
            usable_bytes_per_gpu=column(self.supply.rates.memory_bytes),
            gpus_per_replica=column(self.gpus_per_replica),
            dollars_per_gpu_hour=column(self.supply.dollars_per_gpu_hour),
        )


def blocks_of(resolved: ResolvedInstance, pool: int) -> Iterator[Block]:
    """Yield the deployments of one pool: of one precision, draft and gamma after another.

    Admissible: ranks hold whole heads, groups whole experts, stages whole layers and at least one
    sequence each, attention groups at least one sequence; tensor-parallel groups stay on fast links
    unless the instance names their degree; precisions are good enough.
    """
    batches = np.asarray(resolved.instance.search.batch.sizes(), dtype=np.int64)
    supply = resolved.pools[pool]
    grid = _grid(resolved, supply)
    tp, pp, dp, ep = (column.astype(float) for column in grid)
    degrees = Degrees(tp, pp, batches.astype(float)[None, :], dp, ep)
    enough = batches[None, :] >= grid[1] * grid[2]
    evaluate = Evaluator(resolved, supply, degrees)
    for gamma in resolved.gamma:
        drafts = list(enumerate(resolved.drafts, start=1)) if gamma else [(0, None)]
        for ((weights, weight_format), (kv, cache_format)), (draft, drafting) in product(
            _formats(resolved), drafts
        ):
            timing = evaluate(Precision(weight_format, cache_format), drafting, gamma)
            admissible = enough & resolved.launches(grid, drafting, weight_format)
            yield Block(supply, timing, grid, batches, admissible, pool, weights, kv, draft, gamma)


def _grid(resolved: ResolvedInstance, supply: Supply) -> tuple[Integers, ...]:
    """Return admissible tensor-, pipeline-, data- and expert-parallel degrees, as columns."""
    named = resolved.instance.search.tensor_parallel is not None
    tps = [tp for tp in resolved.tensor_parallel if named or tp <= supply.reach]
    combinations = product(
        tps, resolved.pipeline_parallel, resolved.data_parallel, resolved.expert_parallel
    )
    rows = [(tp, pp, dp, ep) for tp, pp, dp, ep in combinations if (tp * dp) % ep == 0]
    columns = np.asarray(rows, dtype=np.int64).reshape(-1, 4)
    columns = columns[resolved.launches(list(columns.T))]
    return tuple(columns[:, [index]] for index in range(4))
