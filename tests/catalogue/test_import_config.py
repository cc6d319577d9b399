"""A config.json in the place of a transformer's name, and as a file of the catalogue."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import planner
from planner.catalogue import loader
from planner.catalogue.huggingface import read_config
from planner.catalogue.to_yaml import as_yaml
from planner.cli import app
from planner.errors import InputError

CONFIGS = sorted((Path(__file__).parents[1] / "data" / "huggingface").glob("*.json"))
INSTANCE = """name: imported
workload:
  transformer: {transformer}
  tokens_per_second_per_request: 20
pools:
  - accelerator: b200-sxm
search: {{batch: 8, pipeline_parallel: 1}}
"""


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    """A folder with the configuration of Llama 3.1 8B."""
    content = {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    folder = tmp_path / "my-llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def write(folder: Path, transformer: str) -> Path:
    path = folder / "instance.yaml"
    path.write_text(INSTANCE.format(transformer=transformer), encoding="utf-8")
    return path


def test_a_configuration_is_planned_as_the_catalogue_s_entry_is(llama: Path) -> None:
    imported = planner.solve(planner.read_instance(write(llama, "my-llama/config.json")))
    known = planner.solve(planner.read_instance(write(llama, "llama-3.1-8b")))
    assert imported.transformer == "my-llama"
    for name in ("objective", "tensor_parallel", "weight_precision", "step_seconds"):
        assert getattr(imported, name) == getattr(known, name)


def test_the_digest_is_that_of_the_configuration_wherever_it_lies(llama: Path) -> None:
    first = planner.read_instance(write(llama, "my-llama/config.json")).digest
    (llama / "my-llama").rename(llama / "elsewhere")
    assert planner.read_instance(write(llama, "elsewhere/config.json")).digest == first
    config = llama / "elsewhere" / "config.json"
    config.write_text(config.read_text().replace("14336", "11008"), encoding="utf-8")
    assert planner.read_instance(write(llama, "elsewhere/config.json")).digest != first


def test_a_missing_configuration_is_one_message_with_its_line(llama: Path) -> None:
    with pytest.raises(InputError, match=r"instance.yaml:3: workload.transformer: found .*no file"):
        planner.read_instance(write(llama, "config.json"))


def test_an_unknown_architecture_is_refused_with_what_it_lacks(llama: Path) -> None:
    config = llama / "my-llama" / "config.json"
    config.write_text('{"model_type": "lama", "hidden_size": 64}', encoding="utf-8")
    with pytest.raises(InputError) as refused:
        planner.read_instance(write(llama, "my-llama/config.json"))
    assert "config.json" in str(refused.value)
    assert "llama" in str(refused.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_is_imported_can_be_read_back(path: Path, tmp_path: Path) -> None:
    llm = read_config(path)
    written = tmp_path / "entry.yaml"
    written.write_text(as_yaml(llm), encoding="utf-8")
    assert loader._read(written, type(llm)) == llm


def test_the_command_prints_a_file_of_the_catalogue(llama: Path) -> None:
    config = str(llama / "my-llama" / "config.json")
    result = CliRunner().invoke(app, ["import-model", config, "--name", "mine"])
    assert result.exit_code == 0
    assert result.stdout.startswith("name: mine\n")
    assert "date: ''" not in result.stdout
