"""Engines: what each can launch, that plans are launchable, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest

import planner
from planner import catalogue
from planner.candidates.table import tabulate
from planner.catalogue.engine import Engine
from planner.errors import InputError
from planner.plans.plan import Plan
from planner.problem.instance import Instance, Search
from planner.problem.resolve import resolve
from planner.terms.calibration import implementations
from planner.verification.check_plan import check_plan

ENGINES = catalogue.engine_names()
CALIBRATED = catalogue.profile("calibrated")
DENSE = {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 40}
EXPERTS = {"transformer": "deepseek-v3", "tokens_per_second_per_request": 20}
H200 = {"accelerator": "h200-sxm"}
BATCH = [1, 8, 64, 512]
OWN = {"transformer": "mtp", "acceptance": 0.7}
OTHER = {"transformer": "qwen3-0.6b", "acceptance": 0.6}


def instance(**content: object) -> Instance:
    """An instance of defaults that `content` replaces, with few batches."""
    search = {"batch": BATCH, **content.pop("search", {})}  # type: ignore[dict-item]
    base = {"name": "engines", "workload": EXPERTS, "pools": [H200], "search": search}
    return Instance.model_validate({**base, **content})


def refusal(**content: object) -> str:
    with pytest.raises(InputError) as caught:
        resolve(instance(**content))
    return str(caught.value)


def launches(name: str, tp: int, pp: int, dp: int, ep: int) -> bool:
    return bool(catalogue.engine(name).launches(*map(np.asarray, (tp, pp, dp, ep))))


def drafts(name: str, pp: int, dp: int, *, own: bool) -> bool:
    return bool(catalogue.engine(name).drafts(np.asarray(pp), np.asarray(dp), own=own))


@pytest.mark.parametrize(("ep", "expected"), [(1, True), (16, True), (2, False), (8, False)])
def test_vllm_expert_groups_are_all_ranks_or_one_by_enable_expert_parallel(ep, expected):
    assert launches("vllm", 2, 1, 8, ep) is expected


@pytest.mark.parametrize("dp", [1, 2, 4, 8])
def test_vllm_data_parallel_size_stands_beside_tensor_parallel_size(dp):
    assert launches("vllm", 2, 1, dp, 2 * dp)


def test_vllm_expert_group_is_that_of_one_pipeline_stage():
    assert launches("vllm", 4, 2, 2, 8)
    assert not launches("vllm", 4, 2, 2, 16)


@pytest.mark.parametrize(("dp", "tp"), [(1, 8), (2, 4), (4, 2), (8, 1)])
def test_sglang_dp_size_divides_tp_size_which_is_the_whole_width(dp, tp):
    assert launches("sglang", tp, 1, dp, 8)


@pytest.mark.parametrize("ep", [1, 2, 4, 8])
def test_sglang_ep_size_may_be_below_tp_size_without_an_all_to_all_backend(ep):
    assert launches("sglang", 8, 1, 1, ep)


def test_sglang_standalone_draft_does_not_support_dp_attention():
    assert drafts("sglang", 1, 1, own=False)
    assert not drafts("sglang", 1, 8, own=False)
    assert drafts("sglang", 1, 8, own=True)


@pytest.mark.parametrize(
    ("tp", "dp", "expected"), [(8, 1, True), (1, 8, True), (1, 1, True), (2, 4, False)]
)
def test_tensorrt_llm_attention_dp_is_every_rank_or_none(tp, dp, expected):
    assert launches("tensorrt-llm", tp, 1, dp, 1) is expected


@pytest.mark.parametrize(
    ("ep", "expected"), [(1, True), (2, True), (4, True), (8, True), (3, False)]
)
def test_tensorrt_llm_moe_tensor_times_expert_parallel_is_tensor_parallel(ep, expected):
    assert launches("tensorrt-llm", 8, 1, 1, ep) is expected
    assert launches("tensorrt-llm", 1, 1, 8, ep) is expected


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("own", [True, False])
def test_speculation_does_not_combine_with_pipeline_stages_anywhere(name, own):
    assert drafts(name, 1, 1, own=own)
    assert not drafts(name, 2, 1, own=own)


@pytest.mark.parametrize("name", ENGINES)
def test_experts_and_attention_groups_combine_with_pipeline_stages(name):
    assert launches(name, 1, 2, 8, 8)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(("tp", "kv", "expected"), [(4, 8, True), (16, 8, True), (4, 10, False)])
def test_ranks_hold_equally_many_key_value_heads_or_copies(name, tp, kv, expected):
    assert bool(catalogue.engine(name).shares(np.asarray(tp), kv)) is expected


@pytest.mark.parametrize("name", ENGINES)
def test_degrees_of_one_launch_everywhere_and_so_do_default_precisions(name):
    assert launches(name, 1, 1, 1, 1)
    engine = catalogue.engine(name)
    assert set(Search().weights) <= set(engine.weights)
    assert set(Search().kv) <= set(engine.kv)


@pytest.mark.parametrize("name", ENGINES)
def test_every_rule_has_a_source_and_a_known_collective(name):
    engine = catalogue.engine(name)
    known = {field.name for field in fields(Engine)}
    assert set(engine.origin) <= known | {"default"}
    assert set(engine.unverified) <= known
    assert set(engine.origin.values()) <= set(engine.sources)
    assert all(engine.source_of(field).date for field in known)
    assert engine.collectives in implementations(CALIBRATED)


def test_switches_of_an_engine_forbid_what_they_name():
    ones = np.ones(1, dtype=np.int64)
    content = {
        field.name: getattr(catalogue.engine("vllm"), field.name) for field in fields(Engine)
    }
    content |= {"pipeline_with_experts": False, "pipeline_with_data_parallel": False, "mtp": False}
    strict = Engine(**{**content, "tensor_parallel": (1, 2), "expert_parallel": "none"})
    assert strict.launches(2 * ones, 2 * ones, ones, ones).all()
    assert not strict.launches(4 * ones, ones, ones, ones).any()
    assert not strict.launches(2 * ones, ones, ones, 2 * ones).any()
    assert not strict.launches(ones, 2 * ones, 2 * ones, ones).any()
    assert not strict.drafts(ones, ones, own=True).any()


def rule(name: str, degrees: Sequence[int], draft: str) -> bool:
    """The engines' rules once more, in plain Python."""
    tp, pp, dp, ep = degrees
    width = tp * dp
    if draft != "none" and pp > 1:
        return False
    if name == "vllm":
        return ep in (1, width)
    if name == "sglang":
        return width % ep == 0 and not (draft not in ("none", "mtp") and dp > 1)
    return width % ep == 0 and dp in (1, width)


def whole_blocks(degrees: Sequence[int]) -> bool:
    """Whether ranks hold whole blocks of 128 of DeepSeek-V3: dense, shared and routed widths."""
    tp, _, dp, ep = degrees
    shares = ((18_432, tp), (2_048, tp), (2_048, tp * dp // ep))
    return all(ranks == 1 or width % (128 * ranks) == 0 for width, ranks in shares)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("own", [True, False])
def test_the_table_holds_exactly_what_the_engine_launches(name, own):
    llm = EXPERTS["transformer"]
    workload = {**EXPERTS, "transformer": llm, "drafts": [OWN if own else OTHER]}
    free = resolve(instance(workload=workload, search={"gamma": [0, 2]}))
    bound = resolve(instance(workload=workload, search={"gamma": [0, 2]}, engine=name))

    def rows(resolved: planner.problem.resolve.ResolvedInstance) -> set[tuple[object, ...]]:
        table = tabulate(resolved)
        drafted = [["none", free.drafts[0].name][index] for index in table.draft]
        axes = (table.tensor_parallel, table.pipeline_parallel, table.data_parallel)
        degrees = [column.tolist() for column in (*axes, table.expert_parallel)]
        rest = (table.weights, table.batch, table.gamma)
        return set(zip(*degrees, drafted, *(column.tolist() for column in rest), strict=True))

    everything, eight_bits = rows(free), free.instance.search.weights.index("fp8")
    assert rows(bound) == {
        row
        for row in everything
        if rule(name, row[:4], row[4]) and (row[5] != eight_bits or whole_blocks(row[:4]))
    }
    assert rows(bound) < everything


@pytest.mark.parametrize("name", ENGINES)
def test_dense_tables_lose_only_speculation_over_stages(name):
    workload = {**DENSE, "drafts": [{"transformer": "llama-3.2-1b", "acceptance": 0.7}]}
    free, bound = (
        tabulate(resolve(instance(workload=workload, **engine)))
        for engine in ({}, {"engine": name})
    )
    kept = (free.pipeline_parallel == 1) | (free.gamma == 0)
    assert len(bound) == np.count_nonzero(kept) < len(free)


def solved(**content: object) -> tuple[Plan, Instance]:
    resolved = instance(**content)
    return planner.solve(resolved), resolved


ASKED = {
    "experts": {"workload": EXPERTS},
    "own draft": {"workload": {**EXPERTS, "drafts": [OWN]}, "search": {"gamma": [0, 1, 3]}},
    "other draft": {"workload": {**EXPERTS, "drafts": [OTHER]}, "search": {"gamma": [0, 3]}},
    "dense": {"workload": DENSE},
    "ten key/value heads": {"workload": {**DENSE, "transformer": "phi-3-medium"}},
}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("content", ASKED.values(), ids=ASKED)
def test_an_engine_costs_nothing_less_and_its_plan_passes_the_checker(name, content):
    # With the same all-reduces; an engine's own may be faster than the default ones.
    free, _ = solved(**content, collectives="vllm-graph")
    bound, resolved = solved(**content, collectives="vllm-graph", engine=name)
    assert free.status == bound.status == "optimal"
    assert free.objective <= bound.objective * (1 + 1e-12)
    row = bound.to_row()
    assert check_plan(row, resolved) == []
    degrees = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")
    assert rule(name, [row[degree] for degree in degrees], row["draft"])


def test_the_checker_finds_a_deployment_that_the_engine_cannot_launch():
    search = {
        "tensor_parallel": 8,
        "pipeline_parallel": 2,
        "data_parallel": 1,
        "expert_parallel": 4,
    }
    plan, _ = solved(search=search, collectives="vllm-graph")
    asked = instance(engine="vllm", collectives="vllm-graph")
    found = check_plan({**plan.to_row(), "instance_digest": asked.digest}, asked)
    assert [finding.column for finding in found] == ["engine"]
    assert str(found[0]) == (
        "engine: found tp 8, pp 2, dp 1, ep 4 with the draft none, "
        "expected a deployment that vllm launches."
    )


MESSAGES = {
    "engine: found 'vlm', expected the name of an engine in the catalogue. Did you mean vllm? "
    "`planner catalogue engines` lists them all.": {"engine": "vlm"},
    "collectives: found 'nccl-three', expected one of nccl, nccl-tree, sglang-eager, sglang-graph, "
    "trtllm, vllm-eager, vllm-graph. Did you mean nccl-tree?": {"collectives": "nccl-three"},
    "collectives: found 'nccl', expected none, since the profile paper has its own. Remove it, or "
    "use `profile: calibrated`.": {
        "collectives": "nccl",
        "profile": "paper",
        "workload": DENSE,
    },
    "search.expert_parallel[1]: found 4, expected a degree that vllm launches with others of the "
    "search. There it is 1 or tensor times data parallelism. `planner catalogue vllm` shows its "
    "limits.": {
        "engine": "vllm",
        "search": {"tensor_parallel": 8, "data_parallel": 1, "expert_parallel": [8, 4]},
    },
    "search.data_parallel[0]: found 4, expected a degree that tensorrt-llm launches with others of "
    "the search. There it is 1 or tensor times data parallelism. `planner catalogue tensorrt-llm` "
    "shows its limits.": {
        "engine": "tensorrt-llm",
        "search": {"tensor_parallel": [2, 4], "data_parallel": [4, 1]},
    },
    "search.tensor_parallel[1]: found 4, expected a degree that vllm launches with others of the "
    "search. There it divides the key/value heads or is a multiple of them. `planner catalogue "
    "vllm` shows its limits.": {
        "engine": "vllm",
        "workload": {**DENSE, "transformer": "phi-3-medium"},
        "search": {"tensor_parallel": [2, 4]},
    },
    "search.weights[1]: found int8, expected one of bf16, fp8, fp4, int4, which tensorrt-llm "
    "loads. Take it out of the list, or name another engine.": {
        "engine": "tensorrt-llm",
        "search": {"weights": ["bf16", "int8"]},
    },
    "pools[1].accelerator: found mi300x of amd, expected one of nvidia, on which tensorrt-llm "
    "runs. Take the pool out, or name another engine.": {
        "engine": "tensorrt-llm",
        "pools": [H200, {"accelerator": "mi300x", "dollars_per_gpu_hour": 2.0}],
    },
}


@pytest.mark.parametrize(("message", "content"), MESSAGES.items())
def test_what_cannot_be_is_refused_with_its_field(message, content):
    assert refusal(**content) == message


def test_paper_profile_keeps_its_own_collectives_under_an_engine():
    search = {"batch": BATCH}
    common = {"workload": DENSE, "profile": "paper", "pools": [{"accelerator": "h100-sxm"}]}
    free, bound = (
        resolve(instance(**common, search=search, engine=name)) for name in (None, "sglang")
    )
    assert free.pools == bound.pools


def test_questions_without_engine_and_collectives_keep_their_digest():
    plain = instance()
    assert plain.digest == instance(engine=None, collectives=None).digest
    assert (
        len({plain.digest, instance(engine="vllm").digest, instance(collectives="nccl").digest})
        == 3
    )


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("vllm", {"bf16", "fp8", "int8", "nvfp4"}),
        ("sglang", {"bf16", "fp8", "nvfp4"}),
        ("tensorrt-llm", {"bf16", "fp8", "nvfp4"}),
    ],
)
def test_caches_that_engines_keep(name, known):
    assert set(catalogue.engine(name).kv) == known
