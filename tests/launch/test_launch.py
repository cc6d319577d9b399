"""Launch commands: words that the engine's release knows, what it cannot express, quoting."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import planner
from planner import catalogue
from planner.errors import InputError
from planner.launch.checkpoints import checkpoint_of
from planner.launch.job import job_of
from planner.launch.launch import WRITERS, command_of, script
from planner.launch.of_plan import jobs_of_fleet, jobs_of_plan
from planner.problem.fleet import Fleet

ROOT = Path(__file__).parents[2]
INSTANCES = sorted(
    path.parent for path in (ROOT / "instances").glob("*/instance.*") if path.parent.name != "day"
)
ROW = {
    "instance": "chat",
    "workload": "qwen",
    "pool": "h100",
    "label": "tp8",
    "role": "colocated",
    "replicas": 2,
    "transformer": "qwen3-32b",
    "accelerator": "h100-sxm",
    "tensor_parallel": 8,
    "pipeline_parallel": 1,
    "data_parallel": 1,
    "expert_parallel": 1,
    "batch": 100,
    "weight_precision": "fp8",
    "kv_precision": "bf16",
    "draft": "none",
    "gamma": 0,
    "draft_tensor_parallel": 0,
    "gpus_per_replica": 8,
    "usable_memory_bytes_per_gpu": 72e9,
    "weight_bytes_per_gpu": 5e9,
    "cache_pool_bytes_per_gpu": 60e9,
}
DEEPSEEK = ROW | {
    "transformer": "deepseek-v3",
    "accelerator": "h200-sxm",
    "tensor_parallel": 1,
    "data_parallel": 8,
    "expert_parallel": 8,
}


def job(longest=2400, **changes):
    return job_of(ROW | changes, "plan.csv", longest)


def words(command):
    """The words of a command as a shell would read them, variables as they stand."""
    return shlex.split(command.text().replace("\\\n", " "), comments=True)


def flags(command):
    """Flags and their values."""
    found, last = {}, ""
    for word in words(command):
        if word.startswith("--"):
            found[last := word] = None
        elif last:
            found[last], last = word, ""
    return found


@pytest.mark.parametrize("folder", INSTANCES, ids=lambda path: path.name)
@pytest.mark.parametrize("engine", WRITERS)
def test_every_flag_of_every_plan_is_one_of_the_release(folder, engine):
    asked = planner.read_instances(next(folder.glob("instance.*")))[0]
    plan = planner.solve(asked)
    if not plan.found:
        pytest.skip("there is no plan")
    launcher = catalogue.launcher(engine)
    known = {*launcher.flags.values(), *launcher.program}
    try:
        fleet = isinstance(asked, Fleet)
        jobs = (jobs_of_fleet if fleet else jobs_of_plan)(plan, asked, engine)
        commands = [command_of(one, engine) for one, engine in jobs]
    except InputError as error:
        assert re.search(r"(cannot|no |its |starts|not)", str(error))
        return
    for command in commands:
        assert set(flags(command)) <= known
        assert max(map(len, command.text().splitlines())) <= 100


def test_vllm_is_told_everything():
    found = flags(
        command_of(
            job(kv_precision="fp8", draft="qwen3-0.6b", gamma=3, draft_tensor_parallel=8), "vllm"
        )
    )
    assert found["--tensor-parallel-size"] == "8"
    assert found["--max-num-seqs"] == "100"
    assert found["--max-model-len"] == "2400"
    assert (
        found["--gpu-memory-utilization"]
        == f"{72e9 / catalogue.accelerator('h100-sxm').memory_bytes:.2f}"
    )
    assert found["--kv-cache-dtype"] == "fp8"
    assert yaml.safe_load(found["--speculative-config"]) == {
        "method": "draft_model",
        "model": "Qwen/Qwen3-0.6B",
        "num_speculative_tokens": 3,
        "draft_tensor_parallel_size": 8,
    }
    assert words(command_of(job(), "vllm"))[:3] == ["vllm", "serve", "Qwen/Qwen3-32B-FP8"]


def test_attention_groups_share_the_sequences_and_experts_are_spread_over_all_ranks():
    one = job_of(DEEPSEEK, "plan.csv", 2600)
    vllm = flags(command_of(one, "vllm"))
    assert (vllm["--data-parallel-size"], vllm["--max-num-seqs"]) == ("8", "13")
    assert "--enable-expert-parallel" in vllm
    assert "--tensor-parallel-size" not in vllm
    sglang = flags(command_of(one, "sglang"))
    assert (sglang["--tp-size"], sglang["--dp-size"], sglang["--ep-size"]) == ("8", "8", "8")
    assert sglang["--max-running-requests"] == "100"
    assert "--enable-dp-attention" in sglang
    trt = command_of(one, "tensorrt-llm")
    assert yaml.safe_load(trt.options_text) == {"enable_attention_dp": True}
    assert flags(trt)["--max_batch_size"] == "13"


def test_own_layers_draft_by_every_engine():
    one = job_of(DEEPSEEK | {"draft": "mtp", "gamma": 2}, "plan.csv", 2600)
    vllm = flags(command_of(one, "vllm"))["--speculative-config"]
    assert yaml.safe_load(vllm) == {"method": "mtp", "num_speculative_tokens": 2}
    sglang = flags(command_of(one, "sglang"))
    assert sglang["--speculative-algorithm"] == "EAGLE"
    assert sglang["--speculative-num-draft-tokens"] == "3"
    options = yaml.safe_load(command_of(one, "tensorrt-llm").options_text)
    assert options["speculative_config"] == {"decoding_type": "MTP", "num_nextn_predict_layers": 2}


@pytest.mark.parametrize(
    ("engine", "changes", "said"),
    [
        ("vllm", DEEPSEEK | {"expert_parallel": 4}, "over 1 or all 8 ranks"),
        ("tensorrt-llm", DEEPSEEK | {"tensor_parallel": 2, "data_parallel": 4}, "1 or all 8 ranks"),
        ("vllm", {"draft": "qwen3-0.6b", "gamma": 2, "draft_tensor_parallel": 2}, "on 8 ranks"),
        ("sglang", {"draft": "qwen3-0.6b", "gamma": 2, "draft_tensor_parallel": 1}, "on 8 ranks"),
        ("vllm", {"role": "prefill"}, "no command for prefill workers"),
        ("sglang", {"kv_precision": "int8"}, "no cache in int8"),
    ],
)
def test_what_an_engine_cannot_express_is_refused_with_the_reason(engine, changes, said):
    with pytest.raises(InputError, match=said):
        command_of(job(**changes), engine)


def test_rows_without_degrees_are_refused():
    with pytest.raises(InputError, match="found no tensor_parallel"):
        job(tensor_parallel=None)


@pytest.mark.parametrize(
    ("transformer", "weights", "name", "precision"),
    [
        ("qwen3-32b", "bf16", "Qwen/Qwen3-32B", "bf16"),
        ("qwen3-32b", "fp8", "Qwen/Qwen3-32B-FP8", "fp8"),
        ("deepseek-v3", "fp8", "deepseek-ai/DeepSeek-V3", "fp8"),
        ("gpt-oss-120b", "fp4", "openai/gpt-oss-120b", "fp4"),
    ],
)
def test_a_checkpoint_is_one_that_holds_the_precision(transformer, weights, name, precision):
    one = job(transformer=transformer, weight_precision=weights, tensor_parallel=1)
    found = checkpoint_of(one, {"fp8": "fp8"})
    assert (found.word, found.precision, found.note) == (name, precision, "")


def test_a_checkpoint_whose_blocks_a_rank_would_part_is_not_taken():
    wide = {"transformer": "qwen3-235b-a22b", "accelerator": "h200-sxm", "gpus_per_replica": 8}
    parted = {"tensor_parallel": 1, "data_parallel": 8, "expert_parallel": 1}
    text = command_of(job(**wide, **parted), "vllm").text()
    assert "Qwen/Qwen3-235B-A22B " in text
    assert "--quantization fp8" in text
    whole = command_of(job(**wide, **parted | {"expert_parallel": 8}), "vllm").text()
    assert "Qwen/Qwen3-235B-A22B-FP8 " in whole
    assert "--quantization" not in whole
    published = {**DEEPSEEK, "tensor_parallel": 32, "data_parallel": 1, "expert_parallel": 1}
    with pytest.raises(InputError, match="a block of weights"):
        command_of(job_of(published | {"gpus_per_replica": 32}, "p"), "vllm")


def test_weights_in_16_bits_are_narrowed_where_the_engine_does_so():
    narrowed = flags(command_of(job(transformer="mixtral-8x7b"), "vllm"))
    assert narrowed["--quantization"] == "fp8"
    text = command_of(job(transformer="mixtral-8x7b"), "tensorrt-llm").text()
    assert '"${MODEL:?a checkpoint of mixtral-8x7b in fp8}"' in text


def test_names_are_data_for_the_shell():
    hostile = "my models/$(touch x) `y`; rm -rf ~'\"\n/config.json"
    one = replace(job(), transformer=hostile, workload="a\nb $(x)", pool="p\n; q")
    text = script([(one, "vllm")])
    assert all(line.startswith(("#", "vllm serve", "  --")) for line in text.splitlines())
    model = re.search(r'"\$\{MODEL:\?([^"]*)\}"', text)
    assert model
    assert not re.search(r"[$`;'(){}]", model[1])


def test_a_replica_beyond_a_node_says_so():
    far = job_of(
        DEEPSEEK | {"data_parallel": 32, "expert_parallel": 32, "gpus_per_replica": 32}, "p"
    )
    text = script([(far, "vllm")])
    assert "4 nodes of 8" in text
    assert "does not say how long requests are" in text


def test_launchers_are_those_of_the_engines_and_say_where_flags_come_from():
    assert set(WRITERS) == set(catalogue.engine_names())
    for name in WRITERS:
        launcher = catalogue.launcher(name)
        assert set(launcher.origin) <= {"default", *launcher.flags, "weights", "kv"}
        assert set(launcher.origin.values()) == set(launcher.sources)
