"""What an engine can launch of an instance, and what to say where it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from planner import catalogue
from planner.catalogue.accelerator import Accelerator
from planner.catalogue.attention import GroupedQuery
from planner.catalogue.engine import Booleans, Degrees, Engine, Split
from planner.catalogue.engine_memory import EngineMemory
from planner.catalogue.feedforward import Dense
from planner.catalogue.profile import Profile
from planner.catalogue.transformer import Transformer
from planner.errors import Problem, did_you_mean
from planner.problem.instance import Instance
from planner.terms.calibration import implementations
from planner.terms.speculation import MTP

AXES = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")
SPLITS: Mapping[Split, str] = {
    "none": "1",
    "none-or-width": "1 or tensor times data parallelism",
    "divides-width": "a divisor of tensor times data parallelism",
}


def launchable(
    engine: Engine | None,
    llm: Transformer,
    degrees: Sequence[Degrees],
    own: bool | None = None,
    weights: str | None = None,
) -> Booleans:
    """Tell which deployments of a transformer an engine can launch.

    Parameters
    ----------
    engine : Engine or None
        None launches everything.
    llm : Transformer
        What is served.
    degrees : sequence of arrays of int
        Tensor-, pipeline-, data- and expert-parallel degrees that broadcast together.
    own : bool or None
        Whether the transformer's own layers draft, or another transformer; None: nothing does.
    weights : str, optional
        Precision of the weights. Where the checkpoint is published in it, and in blocks that share
        a scale, every rank must hold whole blocks.
    """
    tp, pp, dp, ep = degrees
    if engine is None:
        return np.ones(np.broadcast_shapes(tp.shape, pp.shape, dp.shape, ep.shape), dtype=bool)
    attentions = {group.attention for group in llm.layers}
    fits = engine.launches(tp, pp, dp, ep)
    for heads in {found.kv_heads for found in attentions if isinstance(found, GroupedQuery)}:
        fits = fits & engine.shares(tp, heads)
    if weights == llm.weight_precision and llm.checkpoint is not None and llm.checkpoint.block:
        fits = fits & whole_blocks(llm, max(llm.checkpoint.block), degrees)
    return fits if own is None else fits & engine.drafts(pp, dp, own=own)


def whole_blocks(llm: Transformer, block: int, degrees: Sequence[Degrees]) -> Booleans:
    """Tell where every rank holds whole blocks of quantised weights.

    Engines split matrices by columns on the way in and by rows on the way out, and keep one scale
    for a block: a rank with part of a block cannot read it (vLLM refuses such shards when it
    loads them).

    Parameters
    ----------
    llm : Transformer
        What is served.
    block : int
        Rows or columns of weights that share a scale.
    degrees : sequence of arrays of int
        As for `launchable`.
    """
    tp, _, dp, ep = degrees
    fits = np.ones(np.broadcast_shapes(tp.shape, dp.shape, ep.shape), dtype=bool)
    for group in llm.layers:
        heads, feedforward = group.attention, group.feedforward
        if isinstance(heads, GroupedQuery):
            held = np.maximum(heads.kv_heads // tp, 1) * np.gcd(heads.head_dim, heads.value_size)
            fits = fits & _whole(heads.query_width, tp, block) & ((held % block == 0) | (tp == 1))
        if isinstance(feedforward, Dense):
            fits = fits & _whole(feedforward.width, tp, block)
        elif feedforward is not None:
            fits = fits & _whole(feedforward.width, tp * dp // ep, block)
            fits = fits & _whole(feedforward.shared_width, tp, block)
    return fits


def _whole(width: int, ranks: Degrees, block: int) -> Booleans:
    """Tell where ranks share out a width in whole blocks; alone, a rank has all of it."""
    return np.asarray((ranks == 1) | (width % (ranks * block) == 0))


def engine_memory(engine: Engine | None, profile: Profile) -> EngineMemory | None:
    """Return what an engine takes of a GPU beside weights and cache.

    Where the instance names none, or one of which it is not known, that of the profile's engine
    stands for it. A profile without one counts nothing.
    """
    if not profile.memory_of_engine:
        return None
    known = engine.memory_taken if engine is not None else None
    return known or catalogue.engine(profile.memory_of_engine).memory_taken


def refusals(
    engine: Engine,
    instance: Instance,
    llm: Transformer,
    accelerators: Sequence[Accelerator],
    degrees: Sequence[Sequence[int]],
) -> Iterator[Problem]:
    """Name everything that an instance asks for and its engine cannot do.

    Parameters
    ----------
    engine : Engine
        The engine that the instance names.
    instance : Instance
        What was asked.
    llm : Transformer
        What is served.
    accelerators : sequence of Accelerator
        One per pool.
    degrees : sequence of sequences of int
        Tensor-, pipeline-, data- and expert-parallel degrees that are searched.
    """
    yield from _pools(engine, accelerators)
    yield from _degrees(engine, instance, llm, degrees)
    yield from _precisions(engine, instance)
    for index, draft in enumerate(instance.workload.drafts):
        own = draft.transformer == MTP
        if not (engine.mtp if own else engine.draft_models):
            yield Problem(
                field=f"workload.drafts[{index}].transformer",
                found=draft.transformer,
                expected=f"a draft that {engine.name} supports",
                fix=_limits(engine),
            )


def _limits(engine: Engine) -> str:
    return f"`planner catalogue {engine.name}` shows its limits."


def _pools(engine: Engine, accelerators: Sequence[Accelerator]) -> Iterator[Problem]:
    for index, accelerator in enumerate(accelerators):
        if accelerator.vendor not in engine.vendors:
            yield Problem(
                field=f"pools[{index}].accelerator",
                found=f"{accelerator.name} of {accelerator.vendor}",
                expected=f"one of {', '.join(engine.vendors)}, on which {engine.name} runs",
                fix="Take the pool out, or name another engine.",
            )


def _degrees(
    engine: Engine, instance: Instance, llm: Transformer, degrees: Sequence[Sequence[int]]
) -> Iterator[Problem]:
    """Name every degree of the instance that no launchable combination has."""
    arrays = [np.asarray(axis, dtype=np.int64) for axis in degrees]
    tp, pp, dp, ep = (grid.ravel() for grid in np.meshgrid(*arrays, indexing="ij"))
    fits = ((tp * dp) % ep == 0) & launchable(engine, llm, (tp, pp, dp, ep))
    for axis, column in zip(AXES, (tp, pp, dp, ep), strict=True):
        possible = set(column[fits].tolist())
        for index, degree in enumerate(getattr(instance.search, axis) or ()):
            if degree not in possible:
                yield Problem(
                    field=f"search.{axis}[{index}]",
                    found=str(degree),
                    expected=f"a degree that {engine.name} launches with others of the search",
                    fix=f"{_rule(engine, axis)} {_limits(engine)}".strip(),
                )


def _rule(engine: Engine, axis: str) -> str:
    if axis == "data_parallel":
        return f"There it is {SPLITS[engine.data_parallel]}."
    if axis == "expert_parallel":
        return f"There it is {SPLITS[engine.expert_parallel]}."
    if axis == "tensor_parallel" and engine.whole_kv_heads:
        return "There it divides the key/value heads or is a multiple of them."
    return ""


def _precisions(engine: Engine, instance: Instance) -> Iterator[Problem]:
    for axis, known in (("weights", engine.weights), ("kv", engine.kv)):
        for index, precision in enumerate(getattr(instance.search, axis)):
            if precision not in known:
                yield Problem(
                    field=f"search.{axis}[{index}]",
                    found=precision,
                    expected=f"one of {', '.join(known)}, which {engine.name} loads",
                    fix="Take it out of the list, or name another engine.",
                )


def unknown_collectives(instance: Instance, profile: Profile) -> Iterator[Problem]:
    """Object to an implementation of collectives that the profile does not know."""
    name, known = instance.collectives, implementations(profile)
    if name is None or name in known:
        return
    if not known:
        yield Problem(
            field="collectives",
            found=repr(name),
            expected=f"none, since the profile {profile.name} has its own",
            fix="Remove it, or use `profile: calibrated`.",
        )
        return
    yield Problem(
        field="collectives",
        found=repr(name),
        expected=f"one of {', '.join(known)}",
        fix=did_you_mean(name, known) or "Choose one.",
    )
