"""The published precision is searched where a file names none."""

import json

import planner

FILE = (
    "workload: {{transformer: {}, tokens_per_second_per_request: 20}}\n"
    "pools: {{accelerator: h200-sxm}}\n{}\n"
)


def test_it_stands_beside_the_usual_ones(tmp_path):
    def searched(transformer, outside=""):
        (tmp_path / "instance.yaml").write_text(FILE.format(transformer, outside))
        return planner.read_instance(tmp_path).search.weights

    assert searched("kimi-k2.5") == ("bf16", "fp8", "int4")
    assert searched("gpt-oss-120b") == ("bf16", "fp8", "fp4")
    assert searched("deepseek-v3") == ("bf16", "fp8")
    assert searched("kimi-k2.5", "search: {weights: fp8}") == ("fp8",)
    assert searched("kimi-k2.5", "search: {batch: 8}") == ("bf16", "fp8", "int4")
    config = {
        **{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336},
        **{"num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 32},
        **{"vocab_size": 128256, "max_position_embeddings": 131072},
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert searched("config.json") == ("bf16", "fp8", "int4")


def test_so_it_is_for_every_workload_of_a_fleet(tmp_path):
    (tmp_path / "instance.yaml").write_text(
        "workloads:\n"
        "  - {name: a, transformer: kimi-k2.5, requests_per_second: 1}\n"
        "  - {name: b, transformer: qwen3-32b, requests_per_second: 1}\n"
        "pools: {accelerator: h200-sxm}\n"
        "search: {batch: [1, 8]}\n"
    )
    fleet = planner.read_instance(tmp_path)
    assert [one.search.weights for one in fleet.workloads] == [
        ("bf16", "fp8", "int4"),
        ("bf16", "fp8"),
    ]


def test_a_plan_in_it_is_cheaper_where_memory_is_short(tmp_path):
    text = (
        "workload: {transformer: kimi-k2.5, tokens_per_second_per_request: 20}\n"
        "pools: {accelerator: h200-sxm, gpus: 8, dollars_per_gpu_hour: 3}\n"
    )
    (tmp_path / "instance.yaml").write_text(text)
    plan = planner.solve(planner.read_instance(tmp_path))
    assert plan.weight_precision == "int4"


def test_weights_that_are_too_heavy_are_told(tmp_path):
    (tmp_path / "instance.yaml").write_text(
        "workload: {transformer: deepseek-v3, tokens_per_second_per_request: 30}\n"
        "pools: {accelerator: h200-sxm, gpus: 2, dollars_per_gpu_hour: 3}\n"
    )
    plan = planner.solve(planner.read_instance(tmp_path))
    assert plan.status == "infeasible"
    assert "Weights of 673 GB in fp8 need at least 5 h200-sxm by memory; 2 hold" in plan.message
