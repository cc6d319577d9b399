"""What is possible: one row per deployment, one column per number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from planner.instance import Workload
from planner.question import Question, Supply
from planner.terms import serving
from planner.terms.capacity import resident_bytes
from planner.terms.forward import Terms, forward
from planner.terms.passes import Floats, Pass, Precision

Integers = npt.NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Degrees:
    """The choices of deployments of one pool and precision; arrays that broadcast together."""

    tensor_parallel: Floats
    pipeline_parallel: Floats
    batch: Floats


@dataclass(frozen=True, slots=True)
class Timing:
    """What one accelerator, precision and profile make of some deployments."""

    terms: Terms
    step: Floats
    prefill: Floats
    stall: Floats
    resident: Floats


def evaluate(question: Question, supply: Supply, precision: Precision, degrees: Degrees) -> Timing:
    """Time the decoding step and the prompt, and count the memory, of some deployments.

    Parameters
    ----------
    question : Question
        Transformer, workload, profile.
    supply : Supply
        The pool whose accelerator runs them.
    precision : Precision
        Formats of weights and cache.
    degrees : Degrees
        Parallel degrees and batch; shapes broadcast.

    Returns
    -------
    Timing
        Seconds and bytes, of shapes that broadcast to the degrees' common shape.
    """
    llm, switches, workload = question.llm, question.switches, question.instance.workload
    tp, pp, batch = degrees.tensor_parallel, degrees.pipeline_parallel, degrees.batch
    sequences = serving.micro_batch(batch, pp, whole=switches.whole_layers)
    context = serving.context_while_decoding(workload.input_tokens, workload.output_tokens)
    one = np.asarray(1.0)
    decode = Pass(tp, pp, sequences, one, np.asarray(context))
    terms = forward(llm, precision, supply.rates, switches, decode)
    step = terms.step
    prefill, stall = one * 0.0, one * 0.0
    if switches.prefill == "colocated":
        prompt = Pass(tp, pp, one, np.asarray(float(workload.input_tokens)), one * 0.0)
        prefill = forward(llm, precision, supply.rates, switches, prompt).step
        stall = serving.prefill_stall(batch, workload.output_tokens, prefill, pp)
    longest = np.asarray(float(workload.input_tokens + workload.output_tokens))
    resident = resident_bytes(llm, precision, switches, tp=tp, pp=pp, batch=batch, length=longest)
    return Timing(terms, step, prefill, stall, resident)


@dataclass(frozen=True, slots=True)
class Candidates:
    """A table of deployments; every field is an array with one entry per deployment."""

    pool: Integers
    """Index into the question's pools."""
    weights: Integers
    """Index into the instance's weight precisions."""
    kv: Integers
    """Index into the instance's cache precisions."""
    tensor_parallel: Integers
    pipeline_parallel: Integers
    batch: Integers
    arithmetic_seconds: Floats
    memory_seconds: Floats
    network_seconds: Floats
    latency_seconds: Floats
    step_seconds: Floats
    """The four terms combined: one decoding step."""
    stall_seconds: Floats
    """What reading other prompts adds to every output token."""
    prefill_seconds: Floats
    """Reading one prompt."""
    memory_bytes_per_gpu: Floats
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
        return serving.seconds_per_output_token(self.step_seconds, self.stall_seconds)

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


def label(question: Question, table: Candidates, row: int) -> str:
    """Name one deployment so that names sort by pool, degrees, precision and batch."""
    search = question.instance.search
    return (
        f"{question.pools[table.pool[row]].label}"
        f"_tp{table.tensor_parallel[row]:03d}_pp{table.pipeline_parallel[row]:03d}"
        f"_{search.weights[table.weights[row]]}_{search.kv[table.kv[row]]}"
        f"_b{table.batch[row]:05d}"
    )


def tabulate(question: Question) -> Candidates:
    """Evaluate every admissible deployment of the search space.

    Admissible: ranks hold whole heads, stages whole layers and at least one sequence each, and
    tensor-parallel groups stay on fast links unless the instance names their degree.
    """
    blocks = list(_blocks(question))
    return Candidates(
        *(
            np.concatenate([getattr(block, field.name) for block in blocks])
            for field in fields(Candidates)
        )
    )


def _blocks(question: Question) -> Iterator[Candidates]:
    """Yield one table per pool and precision."""
    search = question.instance.search
    batches = np.asarray(search.batch.sizes(), dtype=np.int64)
    for pool, supply in enumerate(question.pools):
        grid = _grid(question, supply)
        for weights, weight_format in enumerate(search.weights):
            for kv, cache_format in enumerate(search.kv):
                precision = Precision(weight_format, cache_format)
                block = _block(question, supply, precision, grid, batches)
                shape = block.batch.shape
                yield replace(
                    block,
                    pool=np.full(shape, pool),
                    weights=np.full(shape, weights),
                    kv=np.full(shape, kv),
                )


def _grid(question: Question, supply: Supply) -> tuple[Integers, Integers]:
    """Return admissible pairs of tensor- and pipeline-parallel degrees, as columns."""
    named = question.instance.search.tensor_parallel is not None
    tps = [tp for tp in question.tensor_parallel if named or tp <= supply.reach]
    pairs = [(tp, pp) for tp in tps for pp in question.pipeline_parallel]
    columns = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    return columns[:, :1], columns[:, 1:]


def _block(
    question: Question,
    supply: Supply,
    precision: Precision,
    grid: tuple[Integers, Integers],
    batches: Integers,
) -> Candidates:
    tp, pp = grid
    degrees = Degrees(tp.astype(float), pp.astype(float), batches.astype(float)[None, :])
    timing = evaluate(question, supply, precision, degrees)
    shape = np.broadcast_shapes(tp.shape, batches.shape)
    staffed = np.broadcast_to(batches[None, :] >= pp, shape)

    def column(values: npt.NDArray[Number] | float) -> npt.NDArray[Number]:
        return np.broadcast_to(values, shape)[staffed]

    none = np.zeros(0, dtype=np.int64)
    return Candidates(
        pool=none,
        weights=none,
        kv=none,
        tensor_parallel=column(tp),
        pipeline_parallel=column(pp),
        batch=column(batches),
        arithmetic_seconds=column(timing.terms.arithmetic),
        memory_seconds=column(timing.terms.memory),
        network_seconds=column(timing.terms.network),
        latency_seconds=column(timing.terms.latency),
        step_seconds=column(timing.step),
        stall_seconds=column(timing.stall),
        prefill_seconds=column(timing.prefill),
        memory_bytes_per_gpu=column(timing.resident),
        usable_bytes_per_gpu=column(supply.rates.memory_bytes),
        gpus_per_replica=column(tp * pp),
        dollars_per_gpu_hour=column(supply.dollars_per_gpu_hour),
    )
