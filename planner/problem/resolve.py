"""An instance resolved: its names looked up in the catalogue, its values validated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, TypeVar

from planner import catalogue
from planner.catalogue.accelerator import Accelerator
from planner.catalogue.engine import Booleans, Degrees, Engine
from planner.catalogue.huggingface import read_config
from planner.catalogue.profile import Profile, Rates, Switches
from planner.catalogue.transformer import Transformer
from planner.errors import InputError, Problem
from planner.problem.engine_support import (
    engine_memory,
    launchable,
    refusals,
    unknown_collectives,
)
from planner.problem.instance import Draft, Instance, Pool
from planner.problem.validate import (
    batch_problems,
    contradictions,
    degree_problems,
    duplicate_pools,
    expert_problems,
    experts,
    length_problems,
    query_heads,
    spreads,
)
from planner.terms.calibration import rates
from planner.terms.speculation import MTP, mtp_draft

Found = TypeVar("Found")

DEFAULT_TENSOR_PARALLEL = (1, 2, 4, 8)
DEFAULT_PIPELINE_PARALLEL = (1, 2, 4)
DEFAULT_DATA_PARALLEL = (1, 2, 4, 8, 16, 32)
NO_DRAFT = "none"
PREFILL_OF: dict[str, Literal["colocated", "elsewhere"]] = {
    "colocated": "colocated",
    "decode": "elsewhere",
}
"""Where prompts are read, by the roles of replicas."""
RECENT = 8
"""Resolved instances that are kept."""


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
class Drafting:
    """One way to draft: the draft looked up, and how often its tokens are accepted."""

    name: str
    llm: Transformer
    acceptance: float

    @property
    def own(self) -> bool:
        """Whether it is the target's own prediction layer, which shares its embeddings."""
        return self.name == MTP


@dataclass(frozen=True, slots=True)
class ResolvedInstance:
    """An instance whose every name is a record and whose every default is a value."""

    instance: Instance
    llm: Transformer
    profile: Profile
    switches: Switches
    pools: tuple[Supply, ...]
    drafts: tuple[Drafting, ...] = ()
    engine: Engine | None = None

    @property
    def usable_memory_fraction(self) -> float:
        """Part of an accelerator's memory that may be filled."""
        return usable_memory_fraction(self.instance, self.profile, self.engine)

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

    @property
    def data_parallel(self) -> tuple[int, ...]:
        """Attention data-parallel degrees to try, ascending; 1 without experts."""
        named = self.instance.search.data_parallel
        default = DEFAULT_DATA_PARALLEL if experts(self.llm) else (1,)
        return tuple(sorted(set(named or default)))

    @property
    def expert_parallel(self) -> tuple[int, ...]:
        """Expert-parallel degrees to try, ascending; 1 without experts."""
        named = self.instance.search.expert_parallel
        copies = self.instance.workload.redundant_experts
        powers = tuple(2**power for power in range(17))
        default = tuple(ep for ep in powers if spreads(self.llm, ep, copies))
        return tuple(sorted(set(named or (default if experts(self.llm) else (1,)))))

    @property
    def gamma(self) -> tuple[int, ...]:
        """Numbers of drafted tokens to try, ascending, 0 among them; 0 alone without drafts."""
        return tuple(sorted({0, *self.instance.search.gamma})) if self.drafts else (0,)

    @property
    def degrees(self) -> tuple[tuple[int, ...], ...]:
        """Tensor-, pipeline-, data- and expert-parallel degrees to try."""
        axes = (self.tensor_parallel, self.pipeline_parallel)
        return (*axes, self.data_parallel, self.expert_parallel)

    def launches(
        self,
        degrees: Sequence[Degrees],
        draft: Drafting | None = None,
        weights: str | None = None,
    ) -> Booleans:
        """Tell which tensor-, pipeline-, data- and expert-parallel degrees can be launched."""
        own = draft.own if draft else None
        return launchable(self.engine, self.llm, degrees, own, weights)


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """An instance that equals itself alone: hashed by identity, since it never changes."""

    instance: Instance

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.instance is other.instance

    def __hash__(self) -> int:
        return id(self.instance)


def resolve(instance: Instance) -> ResolvedInstance:
    """Look every name up and check that the instance makes sense.

    An instance that was resolved just before is not resolved again: whoever reads, solves, checks
    and explains it gets the same object.

    Raises
    ------
    InputError
        With every problem found; fields are named, files and lines are not known here.
    """
    return _resolved(_Same(instance))


@lru_cache(maxsize=RECENT)
def _resolved(same: _Same) -> ResolvedInstance:
    instance = same.instance
    problems = [
        *contradictions(instance),
        *batch_problems(instance.search.batch),
        *duplicate_pools(instance),
    ]
    llm = _collect(problems, lambda: _transformer(instance))
    profile = _collect(problems, lambda: _named(catalogue.profile, instance.profile, "profile"))
    engine = _collect(problems, lambda: _engine(instance))
    if profile is not None:
        problems += unknown_collectives(instance, profile)
    supplies = [
        _collect(problems, partial(_supply, pool, f"pools[{index}]", profile, engine, instance))
        for index, pool in enumerate(instance.pools)
    ]
    drafts = _drafts(instance, llm, problems) if llm is not None else ()
    if problems or llm is None or profile is None:
        raise InputError(problems)
    switches = replace(profile.switches, engine_memory=engine_memory(engine, profile))
    if instance.workload.roles is not None:
        switches = replace(switches, prefill=PREFILL_OF[instance.workload.roles])
    if switches.prefill == "elsewhere" and instance.workload.time_to_first_token_seconds:
        raise InputError(_FIRST_TOKEN_ELSEWHERE)
    pools = tuple(supply for supply in supplies if supply is not None)
    resolved = ResolvedInstance(instance, llm, profile, switches, pools, drafts, engine)
    if engine is not None:
        accelerators = [supply.accelerator for supply in pools]
        problems += refusals(engine, instance, llm, accelerators, resolved.degrees)
    if problems:
        raise InputError(problems)
    return resolved


_FIRST_TOKEN_ELSEWHERE = Problem(
    field="workload.time_to_first_token_seconds",
    found="a limit on the first token, while prompts are read elsewhere",
    expected="prompts read on these accelerators, whose time is known",
    fix="Set `workload.roles: colocated`, or leave the limit out.",
)


def _collect(problems: list[Problem], look_up: Callable[[], Found]) -> Found | None:
    """Return what `look_up` finds, or note its problems and return None."""
    try:
        return look_up()
    except InputError as error:
        problems.extend(error.problems)
        return None


def _named(load: Callable[[str], Found], name: str, field: str) -> Found:
    """Look `name` up, telling the field where it stands if it is unknown."""
    try:
        return load(name)
    except InputError as error:
        raise InputError(
            problem if problem.file else replace(problem, field=field) for problem in error.problems
        ) from None


def is_config(name: str) -> bool:
    """Whether a transformer is named by the path of its Hugging Face config.json."""
    return name.endswith(".json")


def described(name: str, field: str) -> Transformer:
    """Look a transformer up in the catalogue, or read its configuration.

    Raises
    ------
    InputError
        Where there is none, with the field.
    """
    if is_config(name):
        if not Path(name).is_file():
            raise InputError(
                Problem(
                    field=field,
                    found=f"{name}, where no file is",
                    expected="the path of a config.json",
                    fix="Paths start at the folder of the instance file.",
                )
            )
        return read_config(Path(name))
    return _named(catalogue.transformer, name, field)


def _engine(instance: Instance) -> Engine | None:
    return None if instance.engine is None else _named(catalogue.engine, instance.engine, "engine")


def _transformer(instance: Instance) -> Transformer:
    llm = described(instance.workload.transformer, "workload.transformer")
    if problems := [
        *degree_problems(instance, llm),
        *expert_problems(instance, llm),
        *length_problems(instance, llm, "workload.input_tokens"),
    ]:
        raise InputError(problems)
    return llm


def _drafts(instance: Instance, llm: Transformer, problems: list[Problem]) -> tuple[Drafting, ...]:
    found: dict[str, Drafting] = {}
    for index, draft in enumerate(instance.workload.drafts):
        field = f"workload.drafts[{index}].transformer"
        drafting = _collect(problems, partial(_drafting, draft, llm, field))
        if drafting is None:
            continue
        problems.extend(length_problems(instance, drafting.llm, field))
        if drafting.name in found:
            problems.append(
                Problem(
                    field=field,
                    found=f"{drafting.name} a second time",
                    expected="every draft once",
                    fix="Take one of them out.",
                )
            )
        found[drafting.name] = drafting
    return tuple(found.values())


def _drafting(draft: Draft, llm: Transformer, field: str) -> Drafting:
    if draft.transformer == MTP:
        if not llm.prediction_layers:
            raise InputError(
                Problem(
                    field=field,
                    found=f"{MTP}, but {llm.name} has no such layers",
                    expected="a smaller transformer of the catalogue",
                    fix=f"`{MTP}` stands for the transformer's own multi-token-prediction layers.",
                )
            )
        return Drafting(MTP, mtp_draft(llm), draft.acceptance)
    found = described(draft.transformer, field)
    if found.parameters >= llm.parameters:
        raise InputError(
            Problem(
                field=field,
                found=f"{found.name} with {found.parameters / 1e9:.1f} B parameters",
                expected=f"a transformer smaller than {llm.name}",
                fix="A draft that is no smaller cannot help.",
            )
        )
    return Drafting(found.name, found, draft.acceptance)


def _supply(
    pool: Pool, field: str, profile: Profile | None, engine: Engine | None, instance: Instance
) -> Supply | None:
    accelerator = _named(catalogue.accelerator, pool.accelerator, f"{field}.accelerator")
    if profile is None:
        return None
    chosen = instance.collectives or (engine.collectives if engine else None)
    found = _named(
        lambda _: rates(accelerator, profile, chosen), accelerator.name, f"{field}.accelerator"
    )
    share = usable_memory_fraction(instance, profile, engine) / profile.usable_memory_fraction
    if share != 1.0:
        found = replace(found, memory_bytes=found.memory_bytes * share)
    price, source = _price(pool, accelerator, profile, field)
    return Supply(pool.label, accelerator, found, pool.gpus, price, source)


def usable_memory_fraction(instance: Instance, profile: Profile, engine: Engine | None) -> float:
    """Return the part of memory that is filled: the instance's, the engine's or the profile's."""
    if instance.usable_memory_fraction is not None:
        return instance.usable_memory_fraction
    taken = engine.memory_taken if engine is not None and profile.memory_of_engine else None
    return taken.utilisation if taken is not None else profile.usable_memory_fraction


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
    return quote.dollars_per_gpu_hour, quote.quote
