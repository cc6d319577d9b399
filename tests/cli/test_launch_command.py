"""`planner launch`: instances and plans in, a script for a shell out."""

import subprocess

import pytest

CHAT = """\
name: chat
workload:
  {transformer: qwen3-32b, tokens_per_second_per_request: 30, tokens_per_second: 4000,
   input_tokens: 2000, output_tokens: 400}
pools: [{accelerator: h100-sxm, dollars_per_gpu_hour: 2.5}]
search: {tensor_parallel: [1, 2], pipeline_parallel: 1, batch: [8, 32], weights: fp8}
"""
SHOP = """\
name: shop
periods: 2
workloads:
  - {name: chat, transformer: qwen3-32b, requests_per_second: [3, 9], engine: sglang,
     tokens_per_second_per_request: 30}
  - {name: code, transformer: llama-3.1-8b, requests_per_second: 5, input_tokens: 4000,
     tokens_per_second_per_request: 30}
pools: [{accelerator: h100-sxm, dollars_per_gpu_hour: 2.5}]
search: {tensor_parallel: [1, 2], pipeline_parallel: 1, batch: [8, 32], weights: fp8}
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """An instance of one deployment, and a fleet, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat.yaml").write_text(CHAT, encoding="utf-8")
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    return tmp_path


def test_an_instance_its_plan_and_its_folder_give_one_command(run, files):
    direct = run("launch", "chat.yaml")
    assert direct.code == 0
    assert "vllm serve Qwen/Qwen3-32B-FP8" in direct.out
    assert "--max-model-len 2400" in direct.out
    run("solve", "chat.yaml", "--folder", "plan", "--csv", "plan.csv", "-q")
    for plan in ("plan", "plan/plan.csv", "plan.csv"):
        assert run("launch", plan, "chat.yaml").out == direct.out
    alone = run("launch", "plan.csv")
    assert "name the instance, too" in alone.out
    assert "--max-model-len" not in alone.out


def test_a_fleet_has_a_command_for_every_kind_of_replica(run, files):
    ran = run("launch", "shop.yaml")
    assert ran.code == 0
    assert "--context-length 1500" in ran.out
    assert "--max-model-len 4500" in ran.out
    run("solve", "shop.yaml", "--folder", "plan", "-q")
    assert run("launch", "plan", "shop.yaml").out == ran.out


def test_what_is_refused_hides_no_other(run, files):
    (files / "both.yaml").write_text(SHOP.replace("engine: sglang", "engine: vllm"), "utf-8")
    run("solve", "both.yaml", "--csv", "plan.csv", "-q")
    text = (files / "plan.csv").read_text()
    (files / "plan.csv").write_text(text.replace("colocated", "prefill", 1))
    ran = run("launch", "plan.csv", "both.yaml")
    assert ran.code == 2
    assert "no command for prefill workers" in ran.err
    assert ran.out.startswith("#")
    assert "vllm serve" in ran.out


def test_the_script_is_a_shell_s(run, files):
    (files / "run.sh").write_text(run("launch", "shop.yaml").out)
    ran = subprocess.run(["sh", "-n", "run.sh"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_panel_ends_with_the_command(run, files):
    told = run("solve", "chat.yaml").out
    assert "vllm serve Qwen/Qwen3-32B-FP8" in told
    assert told.index("Origin") < told.index("vllm serve")


def test_the_panel_says_what_the_engine_does_not_start(run, files):
    text = CHAT.replace("qwen3-32b", "qwen3-30b-a3b").replace(
        "tensor_parallel: [1, 2]", "tensor_parallel: 1, data_parallel: 4, expert_parallel: 2"
    )
    (files / "odd.yaml").write_text(text, encoding="utf-8")
    told = " ".join(run("solve", "odd.yaml").out.replace("│", " ").split())
    assert "its experts are spread over 1 or all 4 ranks" in told
    ran = run("launch", "odd.yaml")
    assert ran.code == 2
    assert "leaves such deployments out" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing.yaml",), "nothing.yaml: found nothing"),
        (("chat.yaml", "shop.yaml"), "expected a plan before the instance"),
        (("table.csv",), "table.csv: found other columns, expected a CSV of plans"),
        (("empty.csv",), "empty.csv: found other columns, expected a CSV of plans"),
    ],
)
def test_mistakes_are_one_message(run, files, arguments, said):
    (files / "table.csv").write_text("a,b\n1,2\n")
    (files / "empty.csv").write_text("")
    ran = run("launch", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_plan_without_a_deployment_is_told(run, files):
    text = CHAT.replace("request: 30", "request: 1e6")
    (files / "hopeless.yaml").write_text(text, encoding="utf-8")
    assert run("launch", "hopeless.yaml").code == 3
    run("solve", "hopeless.yaml", "--csv", "none.csv", "-q")
    ran = run("launch", "none.csv")
    assert ran.code == 2
    assert "found infeasible alone, expected a plan with a deployment" in ran.err
