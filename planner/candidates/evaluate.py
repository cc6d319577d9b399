"""What deployments take: every number of one pool and precision, over arrays of choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.candidates.forward_passes import (
    Degrees,
    decoding_pass,
    drafted,
    full_sequences,
    prompt_pass,
    verifying_pass,
)
from planner.problem.resolve import Drafting, ResolvedInstance, Supply
from planner.terms import serving
from planner.terms.cache_pool import CachePool, cache_pool
from planner.terms.communication import Communication, communication
from planner.terms.forward import Sums, forward, timed
from planner.terms.forward_pass import Floats, Precision
from planner.terms.memory_capacity import resident_bytes
from planner.terms.operation_counts import OperationCounts, operation_counts
from planner.terms.speculation import Drafted, tokens_per_round


@dataclass(frozen=True, slots=True)
class Timing:
    """What one accelerator, precision and profile make of some deployments."""

    arithmetic: Floats
    memory: Floats
    network: Floats
    latency: Floats
    step: Floats
    """One decoding step, or one round of drafting and verifying."""
    tokens_per_round: float
    """Tokens that a sequence gains in it."""
    prefill: Floats
    stall: Floats
    resident: Floats
    held: CachePool
    """Weights, what is left for caches, and how many sequences that holds."""
    draft_tensor_parallel: Floats


class Evaluator:
    """Times deployments of one pool; parts that many share are counted or timed once."""

    def __init__(self, resolved: ResolvedInstance, supply: Supply, degrees: Degrees) -> None:
        self.resolved, self.supply, self.degrees = resolved, supply, degrees
        self._drafted: dict[tuple[str, Precision], Drafted] = {}
        self._prompt: dict[Precision, Floats] = {}
        self._resident: dict[Precision, Floats] = {}
        self._held: dict[tuple[str, Precision], CachePool] = {}
        self._counted: tuple[tuple[int, str], OperationCounts, Communication] | None = None

    def __call__(
        self, precision: Precision, draft: Drafting | None = None, gamma: int = 0
    ) -> Timing:
        """Time the decoding round and the prompt, and count the memory.

        Calls that differ in precision or draft alone are cheapest one after another.

        Parameters
        ----------
        precision : Precision
            Formats of weights and cache.
        draft : Drafting or None
            What drafts; None drafts nothing.
        gamma : int
            Tokens drafted per round.
        """
        workload, switches = self.resolved.instance.workload, self.resolved.switches
        verify = self._verify(precision, gamma)
        prefill, resident = self._prefill(precision), self.resident(precision)
        parts = verify
        own = ranks = np.asarray(0.0)
        yielded = 1.0
        if draft is not None:
            beside = self._draft(draft, precision)
            parts = Sums(
                *(whole + gamma * one for whole, one in zip(verify, beside.sums, strict=True))
            )
            own = beside.prefill
            resident = resident + beside.resident
            ranks = beside.tensor_parallel
            yielded = tokens_per_round(draft.acceptance, gamma, switches)
        degrees = self.degrees
        busy = prefill / degrees.data_parallel + own
        if switches.prefill == "elsewhere":
            prefill = own = busy = np.asarray(0.0)
        stall = serving.prefill_stall(
            degrees.batch, workload.output_tokens, busy, degrees.pipeline_parallel
        )
        held = self._pool(precision, draft)
        return Timing(*parts, yielded, prefill + own, stall, resident, held, ranks)

    def _verify(self, precision: Precision, gamma: int) -> Sums:
        resolved, rates = self.resolved, self.supply.rates
        key = (gamma, precision.activations)
        if self._counted is None or self._counted[0] != key:
            step = verifying_pass(resolved, self.degrees, gamma)
            done = operation_counts(resolved.llm, resolved.switches, step)
            size = precision.activation_bytes
            sent = communication(resolved.llm, size, rates, resolved.switches, step)
            self._counted = (key, done, sent)
        _, done, sent = self._counted
        return timed(done, sent, precision, rates, resolved.switches, llm=resolved.llm).sums()

    def _prefill(self, precision: Precision) -> Floats:
        """Seconds in which every attention group reads a prompt, side by side."""
        if precision not in self._prompt:
            resolved = self.resolved
            step = prompt_pass(resolved, decoding_pass(resolved, self.degrees, 1))
            rates, switches = self.supply.rates, resolved.switches
            self._prompt[precision] = forward(resolved.llm, precision, rates, switches, step).step
        return self._prompt[precision]

    def resident(self, precision: Precision) -> Floats:
        """Bytes on one accelerator of the fullest stage, without a draft (T32)."""
        if precision not in self._resident:
            workload, degrees = self.resolved.instance.workload, self.degrees
            self._resident[precision] = resident_bytes(
                self.resolved.llm,
                precision,
                self.resolved.switches,
                tp=degrees.tensor_parallel,
                pp=degrees.pipeline_parallel,
                batch=degrees.batch,
                length=np.asarray(float(workload.input_tokens + workload.output_tokens)),
                dp=degrees.data_parallel,
                ep=degrees.expert_parallel,
                redundant=workload.redundant_experts,
            )
        return self._resident[precision]

    def _pool(self, precision: Precision, draft: Drafting | None) -> CachePool:
        key = (draft.name if draft is not None else "", precision)
        if key not in self._held:
            resolved = self.resolved
            beside = self._draft(draft, precision).beside if draft is not None else None
            self._held[key] = cache_pool(
                resolved.llm,
                precision,
                resolved.switches,
                full_sequences(resolved, self.degrees),
                usable=self.supply.rates.memory_bytes,
                beside=beside,
            )
        return self._held[key]

    def _draft(self, draft: Drafting, precision: Precision) -> Drafted:
        key = (draft.name, precision)
        if key not in self._drafted:
            rates = self.supply.rates
            self._drafted[key] = drafted(self.resolved, rates, draft, precision, self.degrees)
        return self._drafted[key]
