"""Catalogue files of a user's own: by path, by name, and with mistakes in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import planner
from planner.catalogue import loader
from planner.errors import InputError

GPU = """\
name: my-gpu
title: A GPU of our own
vendor: nvidia
family: hopper
aliases: [Our GPU]
flop_per_second: {bf16: 1200e12, fp8: 2400e12}
memory_bytes: 120e9
memory_bytes_per_second: 4e12
link: {technology: NVLink4, bytes_per_second: 450e9, gpus: 8}
node: {gpus: 8, network_bytes_per_second: 50e9}
origin: {default: sheet}
sources:
  sheet: {title: our data sheet, date: 2026-11}
"""
BY_PATH = """\
workload: {transformer: llama-3.1-70b, tokens_per_second_per_request: 40}
pools: {accelerator: ./my-gpu.yaml, dollars_per_gpu_hour: 2}
"""
BY_NAME = "catalogue: {accelerators: my-gpu.yaml}\n" + BY_PATH.replace("./my-gpu.yaml", "Our GPU")
FLEET = BY_PATH.replace("40}", "40, requests_per_second: 3, max_deployments: any}")
H100 = (loader.ACCELERATORS / "h100-sxm.yaml").read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "my-gpu.yaml").write_text(GPU)
    (tmp_path / "one.yaml").write_text(BY_PATH)
    (tmp_path / "named.yaml").write_text(BY_NAME)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


@pytest.mark.parametrize("file", ["one.yaml", "named.yaml"])
def test_an_accelerator_of_ones_own_is_planned_for_and_checked(home: Path, file: str, run) -> None:
    plan = planner.solve(planner.read_instance(home / file))
    assert (plan.status, plan.accelerator) == ("optimal", "my-gpu")
    assert plan.usable_memory_bytes_per_gpu == pytest.approx(0.9 * 120e9)
    assert run("solve", home / file, "--csv", home / "plan.csv").code == 0
    assert run("check", home / "plan.csv", home / file).code == 0


def test_a_fleet_runs_on_it_too(home: Path, run) -> None:
    ran = run("solve", home / "fleet.yaml", "--folder", home / "plan")
    assert "my-gpu" in ran.out
    assert run("check", home / "plan", home / "fleet.yaml").code == 0


def test_a_copy_of_a_shipped_file_gives_the_same_numbers(home: Path) -> None:
    (home / "my-gpu.yaml").write_text(H100)
    own = planner.solve(planner.read_instance(home / "one.yaml"))
    (home / "shipped.yaml").write_text(BY_PATH.replace("./my-gpu.yaml", "h100-sxm"))
    shipped = planner.solve(planner.read_instance(home / "shipped.yaml"))
    assert own.to_row() | _only(shipped) == shipped.to_row()


def _only(plan: planner.Plan) -> dict[str, object]:
    """What differs all the same: names, and the seconds it took."""
    row = plan.to_row()
    return {name: row[name] for name in ("instance", "pool", "instance_digest", "solve_seconds")}


@pytest.mark.parametrize("file", ["one.yaml", "fleet.yaml"])
def test_another_content_is_another_question(home: Path, file: str) -> None:
    first = planner.read_instance(home / file)
    before, digest = planner.solve(first), first.digest
    (home / "my-gpu.yaml").write_text(GPU.replace("4e12", "2e12"))
    second = planner.read_instance(home / file)
    assert second.digest != digest
    assert planner.solve(second).dollars_per_hour != before.dollars_per_hour or (
        planner.solve(second).to_row() != before.to_row()
    )


def test_transformer_engine_and_profile_of_ones_own(home: Path) -> None:
    for name, folder, shipped in (
        ("model", loader.TRANSFORMERS, "llama-3.1-8b"),
        ("engine", loader.ENGINES, "vllm"),
        ("profile", loader.PROFILES, "calibrated"),
    ):
        text = (folder / f"{shipped}.yaml").read_text(encoding="utf-8")
        text = re.sub(r"(?m)^(aliases:.*|name: .*)\n", "", text)
        (home / f"{name}.yaml").write_text(f"name: my-{name}\n{text}")
    (home / "all.yaml").write_text(
        "catalogue: {transformers: [model.yaml], engines: engine.yaml}\n"
        "workload: {transformer: My Model, tokens_per_second_per_request: 40}\n"
        "pools: {accelerator: H100}\nengine: my-engine\nprofile: profile.yaml\n"
    )
    plan = planner.solve(planner.read_instance(home / "all.yaml"))
    assert (plan.transformer, plan.profile) == ("my-model", "my-profile")


MISTAKES = {
    "memory_bytes: 120e9": (
        "memory_bytes: lots",
        "my-gpu.yaml:7: memory_bytes: found 'lots', expected a valid number.",
    ),
    "title: A GPU of our own\n": ("", "my-gpu.yaml:1: title: found nothing, expected a value"),
    "vendor": ("maker", "my-gpu.yaml:3: maker: found an unknown key"),
    "{gpus: 8, network": (
        "{gpus: eight, network",
        "my-gpu.yaml:10: node.gpus: found 'eight', expected a valid integer.",
    ),
    "[Our GPU]": ("[Our GPU", "my-gpu.yaml:6: found expected ',' or ']'"),
    GPU: ("- 1\n", "my-gpu.yaml:1: found a list, expected a mapping"),
}


@pytest.mark.parametrize("old", MISTAKES)
@pytest.mark.parametrize("file", ["one.yaml", "named.yaml", "fleet.yaml"])
def test_a_mistake_is_told_with_its_line(home: Path, file: str, old: str) -> None:
    new, told = MISTAKES[old]
    assert old in GPU
    (home / "my-gpu.yaml").write_text(GPU.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        planner.read_instance(home / file)
    assert str(home / told) in str(caught.value)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("{accelerators: gone.yaml}", "catalogue.accelerators: found "),
        ("{accelerators: h100}", "catalogue.accelerators: found 'h100', expected the path of"),
        ("{gpus: my-gpu.yaml}", "catalogue.gpus: found an unknown key, expected one of accel"),
        ("[my-gpu.yaml]", "catalogue: found something else, expected lists of files"),
    ],
)
@pytest.mark.parametrize("text", [BY_PATH, FLEET], ids=["one", "fleet"])
def test_a_wrong_block_is_told_with_its_place(home: Path, block: str, told: str, text: str) -> None:
    (home / "wrong.yaml").write_text(f"{text}catalogue: {block}\n")
    with pytest.raises(InputError, match=re.escape(f"wrong.yaml:3: {told}")):
        planner.read_instance(home / "wrong.yaml")


def test_no_file_of_that_path_is_told_where_it_is_named(home: Path) -> None:
    (home / "my-gpu.yaml").unlink()
    for file in ("one.yaml", "fleet.yaml"):
        with pytest.raises(InputError, match=r"yaml:2: pools.accelerator: found .*no file is"):
            planner.read_instance(home / file)
