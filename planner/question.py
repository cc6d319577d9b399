"""The question behind an instance: its names looked up in the catalogue, its sense checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from planner import catalogue
from planner.catalogue.accelerator import Accelerator
from planner.catalogue.profile import Profile, Rates, Switches
from planner.catalogue.transformer import Transformer
from planner.errors import InputError, Problem
from planner.instance import BatchRange, Instance, Pool
from planner.terms.calibration import rates
from planner.terms.forward import unsupported

Found = TypeVar("Found")

DEFAULT_TENSOR_PARALLEL = (1, 2, 4, 8)
DEFAULT_PIPELINE_PARALLEL = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Supply:
    """One pool with its accelerator looked up and its price settled."""

    label: str
    accelerator: Accelerator
    rates: Rates
    gpus: int | None
    dollars_per_gpu_hour: float
    price_source: str
    """Where the price comes from: `instance`, or provider and date of the catalogue's default."""

    @property
    def reach(self) -> int:
        """Accelerators that one tensor-parallel group may span without leaving fast links."""
        return max(self.accelerator.link.gpus, self.accelerator.node.gpus)


@dataclass(frozen=True, slots=True)
class Question:
    """An instance whose every name is a record and whose every default is a value."""

    instance: Instance
    llm: Transformer
    profile: Profile
    switches: Switches
    pools: tuple[Supply, ...]

    @property
    def tensor_parallel(self) -> tuple[int, ...]:
        """Tensor-parallel degrees to try, ascending."""
        named = self.instance.search.tensor_parallel
        heads = query_heads(self.llm)
        degrees = named or tuple(tp for tp in DEFAULT_TENSOR_PARALLEL if heads % tp == 0)
        return tuple(sorted(set(degrees)))

    @property
    def pipeline_parallel(self) -> tuple[int, ...]:
        """Pipeline-parallel degrees to try, ascending."""
        named = self.instance.search.pipeline_parallel
        layers = self.llm.layer_count
        degrees = named or tuple(pp for pp in DEFAULT_PIPELINE_PARALLEL if pp <= layers)
        return tuple(sorted(set(degrees)))


def query_heads(llm: Transformer) -> int:
    """Query heads of the layers; degrees that divide them can split attention."""
    return min(group.attention.query_heads for group in llm.layers)


def ask(instance: Instance) -> Question:
    """Look every name up and check that the instance makes sense.

    Raises
    ------
    InputError
        With every problem found; fields are named, files and lines are not known here.
    """
    problems = [
        *_contradictions(instance),
        *_batch_problems(instance.search.batch),
        *_duplicate_pools(instance),
    ]
    llm = _collect(problems, lambda: _transformer(instance))
    profile = _collect(problems, lambda: _named(catalogue.profile, instance.profile, "profile"))
    supplies = [
        _collect(problems, partial(_supply, pool, f"pools[{index}]", profile, instance))
        for index, pool in enumerate(instance.pools)
    ]
    if problems or llm is None or profile is None:
        raise InputError(problems)
    switches = profile.switches
    if instance.workload.prefill is not None:
        switches = replace(switches, prefill=instance.workload.prefill)
    if switches.prefill == "elsewhere" and instance.workload.time_to_first_token_seconds:
        raise InputError(_FIRST_TOKEN_ELSEWHERE)
    pools = tuple(supply for supply in supplies if supply is not None)
    return Question(instance, llm, profile, switches, pools)


_FIRST_TOKEN_ELSEWHERE = Problem(
    field="workload.time_to_first_token_seconds",
    found="a limit on the first token, while prompts are read elsewhere",
    expected="prompts read on these accelerators, whose time is known",
    fix="Set `workload.prefill: colocated`, or leave the limit out.",
)


def _collect(problems: list[Problem], look_up: Callable[[], Found]) -> Found | None:
    """Return what `look_up` finds, or note its problems and return None."""
    try:
        return look_up()
    except InputError as error:
        problems.extend(error.problems)
        return None


def _named(shelf: Callable[[str], Found], name: str, field: str) -> Found:
    """Look `name` up, telling the field where it stands if it is unknown."""
    try:
        return shelf(name)
    except InputError as error:
        raise InputError(replace(problem, field=field) for problem in error.problems) from None


def _transformer(instance: Instance) -> Transformer:
    llm = _named(catalogue.transformer, instance.workload.transformer, "workload.transformer")
    if kinds := unsupported(llm):
        raise InputError(
            Problem(
                field="workload.transformer",
                found=f"{llm.name}, which has {kinds} layers",
                expected="a dense transformer with grouped-query attention",
                fix="This version cannot time other layers; the catalogue only describes them.",
            )
        )
    if problems := [*_degree_problems(instance, llm), *_context_problems(instance, llm)]:
        raise InputError(problems)
    return llm


def _degree_problems(instance: Instance, llm: Transformer) -> Iterator[Problem]:
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


def _context_problems(instance: Instance, llm: Transformer) -> Iterator[Problem]:
    length = instance.workload.input_tokens + instance.workload.output_tokens
    if llm.context is not None and length > llm.context:
        yield Problem(
            field="workload.input_tokens",
            found=f"{length} tokens of prompt and answer together",
            expected=f"at most the {llm.context} tokens that {llm.name} can attend to",
            fix="Shorten the request or choose a transformer with a longer context.",
        )


def _contradictions(instance: Instance) -> Iterator[Problem]:
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


def _batch_problems(sizes: BatchRange) -> Iterator[Problem]:
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


def _duplicate_pools(instance: Instance) -> Iterator[Problem]:
    labels = Counter(pool.label for pool in instance.pools)
    for index, pool in enumerate(instance.pools):
        if labels[pool.label] > 1:
            yield Problem(
                field=f"pools[{index}]",
                found=f"the name {pool.label!r} {labels[pool.label]} times",
                expected="pools with names of their own",
                fix="Give each pool a `name`.",
            )


def _supply(pool: Pool, field: str, profile: Profile | None, instance: Instance) -> Supply | None:
    accelerator = _named(catalogue.accelerator, pool.accelerator, f"{field}.accelerator")
    if profile is None:
        return None
    found = _named(lambda _: rates(accelerator, profile), accelerator.name, f"{field}.accelerator")
    if instance.usable_memory_fraction is not None:
        share = instance.usable_memory_fraction / profile.usable_memory_fraction
        found = replace(found, memory_bytes=found.memory_bytes * share)
    price, source = _price(pool, accelerator, profile, field)
    return Supply(pool.label, accelerator, found, pool.gpus, price, source)


def _price(pool: Pool, accelerator: Accelerator, profile: Profile, field: str) -> tuple[float, str]:
    if pool.dollars_per_gpu_hour is not None:
        return pool.dollars_per_gpu_hour, "instance"
    if accelerator.name in profile.accelerators:
        return profile.accelerators[accelerator.name].dollars_per_gpu_hour, profile.name
    quote = accelerator.price
    if quote is None:
        raise InputError(
            Problem(
                field=f"{field}.dollars_per_gpu_hour",
                found="nothing",
                expected=f"a price, since the catalogue has no trustworthy one for "
                f"{accelerator.name}",
                fix="Write what one accelerator costs you per hour.",
            )
        )
    return quote.dollars_per_gpu_hour, f"{quote.provider}, {quote.kind}, {quote.date}"
