"""The forward passes behind a deployment: decoding or verifying, a prompt, and the draft's.

The one way from decisions to passes; the checker has its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.catalogue.profile import Rates
from planner.problem.resolve import Drafting, ResolvedInstance
from planner.terms import serving
from planner.terms.forward_pass import Floats, ForwardPass, Precision
from planner.terms.speculation import Drafted, drafting, verified_positions


@dataclass(frozen=True, slots=True)
class Degrees:
    """The choices of deployments of one pool and precision; arrays that broadcast together."""

    tensor_parallel: Floats
    pipeline_parallel: Floats
    batch: Floats
    data_parallel: Floats
    expert_parallel: Floats


def decoding_pass(resolved: ResolvedInstance, degrees: Degrees, positions: int) -> ForwardPass:
    """Return the pass that decodes so many positions of every sequence of a micro-batch."""
    workload, whole = resolved.instance.workload, resolved.switches.whole_layers
    context = serving.context_while_decoding(workload.input_tokens, workload.output_tokens)
    return ForwardPass(
        degrees.tensor_parallel,
        degrees.pipeline_parallel,
        serving.micro_batch(degrees.batch, degrees.pipeline_parallel, whole=whole),
        np.asarray(float(positions)),
        np.asarray(context),
        dp=degrees.data_parallel,
        ep=degrees.expert_parallel,
        imbalance=workload.expert_imbalance,
    )


def verifying_pass(resolved: ResolvedInstance, degrees: Degrees, gamma: int) -> ForwardPass:
    """Return the pass that verifies what was drafted; without a draft, it decodes one position."""
    return decoding_pass(resolved, degrees, verified_positions(gamma, resolved.switches))


def prompt_pass(resolved: ResolvedInstance, decoding: ForwardPass) -> ForwardPass:
    """Return the pass in which every attention group reads a prompt, side by side."""
    return replace(
        decoding,
        sequences=decoding.dp,
        positions=np.asarray(float(resolved.instance.workload.input_tokens)),
        context=np.asarray(0.0),
        prefill=True,
    )


def full_sequences(resolved: ResolvedInstance, degrees: Degrees) -> ForwardPass:
    """Return the batch at the end of its answers, when its caches are longest."""
    workload = resolved.instance.workload
    return ForwardPass(
        degrees.tensor_parallel,
        degrees.pipeline_parallel,
        degrees.batch,
        np.asarray(1.0),
        np.asarray(float(workload.input_tokens + workload.output_tokens)),
        dp=degrees.data_parallel,
        ep=degrees.expert_parallel,
        redundant=workload.redundant_experts,
    )


def drafted(
    resolved: ResolvedInstance,
    rates: Rates,
    draft: Drafting,
    precision: Precision,
    degrees: Degrees,
) -> Drafted:
    """Return what a draft takes beside its target: one position at a time, and its prompt."""
    workload = resolved.instance.workload
    return drafting(
        draft.llm,
        precision,
        rates,
        resolved.switches,
        target=decoding_pass(resolved, degrees, 1),
        batch=degrees.batch,
        prompt=float(workload.input_tokens),
        longest=float(workload.input_tokens + workload.output_tokens),
        own=draft.own,
    )
