"""The sense of an instance: contradictions that a look at the catalogue reveals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from planner.catalogue.feedforward import Experts
from planner.catalogue.transformer import Transformer
from planner.errors import Problem
from planner.problem.instance import BatchRange, Instance


def experts(llm: Transformer) -> tuple[int, ...]:
    """Numbers of experts of the layers that have some."""
    blocks = (group.feedforward for group in llm.layers)
    return tuple(sorted({block.count for block in blocks if isinstance(block, Experts)}))


def spreads(llm: Transformer, degree: int, redundant: int) -> bool:
    """Tell whether groups can hold equally many experts, with the copies where there are groups."""
    copies = redundant if degree > 1 else 0
    return not any((count + copies) % degree for count in experts(llm))


def query_heads(llm: Transformer) -> int:
    """Query heads that all layers have in common; degrees that divide them split attention."""
    return math.gcd(*(group.attention.query_heads for group in llm.layers if group.attention))


def degree_problems(instance: Instance, llm: Transformer) -> Iterator[Problem]:
    """Degrees that are named must divide heads and layers."""
    heads = query_heads(llm)
    for index, tp in enumerate(instance.search.tensor_parallel or ()):
        if heads % tp:
            yield Problem(
                field=f"search.tensor_parallel[{index}]",
                found=str(tp),
                expected=f"a degree that divides the {heads} query heads of {llm.name}",
                fix="Ranks hold whole heads; take it out of the list.",
            )
    for index, pp in enumerate(instance.search.pipeline_parallel or ()):
        if pp > llm.layer_count:
            yield Problem(
                field=f"search.pipeline_parallel[{index}]",
                found=str(pp),
                expected=f"at most the {llm.layer_count} layers of {llm.name}",
                fix="Stages hold whole layers; take it out of the list.",
            )


def expert_problems(instance: Instance, llm: Transformer) -> Iterator[Problem]:
    """Experts can be spread only where there are some, in groups of equal size."""
    search, counts = instance.search, experts(llm)
    for name in ("data_parallel", "expert_parallel"):
        for index, degree in enumerate(getattr(search, name) or ()):
            if degree > 1 and not counts:
                yield Problem(
                    field=f"search.{name}[{index}]",
                    found=str(degree),
                    expected=f"1, since {llm.name} has no experts",
                    fix="Only experts are spread over groups; take it out of the list.",
                )
    copies = instance.workload.redundant_experts
    beside = f" and the {copies} redundant ones together" if copies else ""
    for index, ep in enumerate(search.expert_parallel or ()):
        if not spreads(llm, ep, copies):
            yield Problem(
                field=f"search.expert_parallel[{index}]",
                found=str(ep),
                expected=f"a degree that divides the {counts[0]} experts of {llm.name}{beside}",
                fix="Groups hold equally many experts; take it out of the list.",
            )


def length_problems(instance: Instance, llm: Transformer, field: str) -> Iterator[Problem]:
    """Prompt and answer must fit what a transformer attends to."""
    length = instance.workload.input_tokens + instance.workload.output_tokens
    if llm.context is not None and length > llm.context:
        yield Problem(
            field=field,
            found=f"{length} tokens of prompt and answer together",
            expected=f"at most the {llm.context} tokens that {llm.name} can attend to",
            fix="Shorten the request or choose a transformer with a longer context.",
        )


def contradictions(instance: Instance) -> Iterator[Problem]:
    """Objective, targets and ceilings must make sense together."""
    workload, aim = instance.workload, instance.aim
    if aim == "dollars_per_hour" and workload.tokens_per_second is None:
        yield Problem(
            field="objective",
            found="dollars_per_hour without workload.tokens_per_second",
            expected="a demand, since one idle replica is always cheapest",
            fix="Give workload.tokens_per_second, or minimise dollars_per_million_tokens.",
        )
    ceilings = (instance.dollars_per_million_tokens_at_most, instance.dollars_per_hour_at_most)
    if aim == "tokens_per_second_per_request" and ceilings == (None, None):
        yield Problem(
            field="objective",
            found="tokens_per_second_per_request without a ceiling on cost",
            expected="dollars_per_million_tokens_at_most or dollars_per_hour_at_most beside it",
            fix="Say what the speed may cost.",
        )
    if aim != "tokens_per_second_per_request" and workload.tokens_per_second_per_request is None:
        yield Problem(
            field="workload.tokens_per_second_per_request",
            found="nothing",
            expected="the slowest speed one user may see, such as 40",
            fix="Without it the cheapest deployment may be arbitrarily slow.",
        )


def batch_problems(sizes: BatchRange) -> Iterator[Problem]:
    """A range of batches must be one."""
    if sizes.values is not None and {"first", "last"} & sizes.model_fields_set:
        yield Problem(
            field="search.batch",
            found="a list and a range",
            expected="one of the two",
            fix="Remove `values`, or `from` and `to`.",
        )
    if sizes.values is None and sizes.first > sizes.last:
        yield Problem(
            field="search.batch",
            found=f"from {sizes.first} to {sizes.last}",
            expected="a range that does not end before it starts",
            fix="Let `to` be no smaller than `from`.",
        )


def duplicate_pools(instance: Instance) -> Iterator[Problem]:
    """Pools must be told apart."""
    labels = Counter(pool.label for pool in instance.pools)
    for index, pool in enumerate(instance.pools):
        if labels[pool.label] > 1:
            yield Problem(
                field=f"pools[{index}]",
                found=f"the name {pool.label!r} {labels[pool.label]} times",
                expected="pools with names of their own",
                fix="Give each pool a `name`.",
            )
