"""What deployments take: every number of one pool and precision, over arrays of choices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.question import Drafting, Question, Supply
from planner.terms import serving
from planner.terms.capacity import resident_bytes
from planner.terms.forward import Sums, Terms, forward
from planner.terms.passes import Floats, Pass, Precision
from planner.terms.speculation import Drafted, drafting, tokens_per_round, verified_positions


@dataclass(frozen=True, slots=True)
class Degrees:
    """The choices of deployments of one pool and precision; arrays that broadcast together."""

    tensor_parallel: Floats
    pipeline_parallel: Floats
    batch: Floats
    data_parallel: Floats
    expert_parallel: Floats


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
    draft_tensor_parallel: Floats


class Evaluator:
    """Times deployments of one pool and precision; parts that many share are timed once."""

    def __init__(
        self, question: Question, supply: Supply, precision: Precision, degrees: Degrees
    ) -> None:
        self.question, self.supply = question, supply
        self.precision, self.degrees = precision, degrees
        self._verified: dict[int, Sums] = {}
        self._drafted: dict[str, Drafted] = {}
        self._prompt: Floats | None = None
        self._resident: Floats | None = None

    def __call__(self, draft: Drafting | None = None, gamma: int = 0) -> Timing:
        """Time the decoding round and the prompt, and count the memory.

        Parameters
        ----------
        draft : Drafting or None
            What drafts; None drafts nothing.
        gamma : int
            Tokens drafted per round.
        """
        workload, switches = self.question.instance.workload, self.question.switches
        verify, prefill, resident = self._verify(gamma), self._prefill(), self._memory()
        parts = verify
        own = ranks = np.asarray(0.0)
        yielded = 1.0
        if draft is not None:
            drafted = self._draft(draft)
            parts = Sums(
                *(whole + gamma * one for whole, one in zip(verify, drafted.sums, strict=True))
            )
            own = drafted.prefill
            resident = resident + drafted.resident
            ranks = drafted.tensor_parallel
            yielded = tokens_per_round(draft.acceptance, gamma, switches)
        degrees = self.degrees
        busy = prefill / degrees.data_parallel + own
        if switches.prefill == "elsewhere":
            prefill = own = busy = np.asarray(0.0)
        stall = serving.prefill_stall(
            degrees.batch, workload.output_tokens, busy, degrees.pipeline_parallel
        )
        return Timing(*parts, yielded, prefill + own, stall, resident, ranks)

    def _pass(self, positions: int) -> Pass:
        workload, degrees = self.question.instance.workload, self.degrees
        whole = self.question.switches.whole_layers
        context = serving.context_while_decoding(workload.input_tokens, workload.output_tokens)
        return Pass(
            degrees.tensor_parallel,
            degrees.pipeline_parallel,
            serving.micro_batch(degrees.batch, degrees.pipeline_parallel, whole=whole),
            np.asarray(float(positions)),
            np.asarray(context),
            dp=degrees.data_parallel,
            ep=degrees.expert_parallel,
            imbalance=workload.expert_imbalance,
        )

    def _forward(self, step: Pass) -> Terms:
        question = self.question
        return forward(question.llm, self.precision, self.supply.rates, question.switches, step)

    def _verify(self, gamma: int) -> Sums:
        if gamma not in self._verified:
            positions = verified_positions(gamma, self.question.switches)
            self._verified[gamma] = self._forward(self._pass(positions)).sums()
        return self._verified[gamma]

    def _prefill(self) -> Floats:
        """Seconds in which every attention group reads a prompt, side by side."""
        if self._prompt is None:
            positions = self.question.instance.workload.input_tokens
            decode = self._pass(positions)
            groups = self.degrees.data_parallel
            step = replace(decode, sequences=groups, context=np.asarray(0.0), reading=True)
            self._prompt = self._forward(step).step
        return self._prompt

    def _memory(self) -> Floats:
        if self._resident is None:
            workload, degrees = self.question.instance.workload, self.degrees
            self._resident = resident_bytes(
                self.question.llm,
                self.precision,
                self.question.switches,
                tp=degrees.tensor_parallel,
                pp=degrees.pipeline_parallel,
                batch=degrees.batch,
                length=np.asarray(float(workload.input_tokens + workload.output_tokens)),
                dp=degrees.data_parallel,
                ep=degrees.expert_parallel,
                redundant=workload.redundant_experts,
            )
        return self._resident

    def _draft(self, draft: Drafting) -> Drafted:
        if draft.name not in self._drafted:
            workload = self.question.instance.workload
            self._drafted[draft.name] = drafting(
                draft.llm,
                self.precision,
                self.supply.rates,
                self.question.switches,
                target=self._pass(1),
                batch=self.degrees.batch,
                prompt=float(workload.input_tokens),
                longest=float(workload.input_tokens + workload.output_tokens),
                own=draft.own,
            )
        return self._drafted[draft.name]
