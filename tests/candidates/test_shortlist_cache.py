"""The cache of shortlists: it changes no plan, whoever shares it and whatever is on the disk."""

import io
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from planner.api import solve
from planner.candidates.shortlist_cache import ASKED_OF, ShortlistCache, content_key
from planner.candidates.shortlist_cache import shortlist as evaluate
from planner.candidates.table import Candidates
from planner.problem.instance import Instance
from planner.problem.resolve import resolve

BASE = {
    "name": "base",
    "workload": {
        "transformer": "deepseek-v3",
        "tokens_per_second_per_request": 20,
        "tokens_per_second": 9000,
        "drafts": [{"transformer": "mtp", "acceptance": 0.5}],
    },
    "pools": [{"accelerator": "h200-sxm", "gpus": 512}],
    "search": {
        "batch": [8, 64],
        "tensor_parallel": [1, 8],
        "pipeline_parallel": [1, 2],
        "data_parallel": [1, 8],
        "expert_parallel": [8, 64],
        "gamma": [1, 2],
        "weights": ["fp8"],
    },
}
CHANGES = {
    "workload.transformer": "deepseek-r1",
    "workload.input_tokens": 2000,
    "workload.output_tokens": 700,
    "workload.expert_imbalance": 1.5,
    "workload.redundant_experts": 64,
    "workload.drafts": [],
    "workload.drafts.0.transformer": "llama-3.2-1b",
    "workload.drafts.0.acceptance": 0.6,
    "workload.roles": "decode",
    "search.tensor_parallel": [8],
    "search.pipeline_parallel": [1],
    "search.data_parallel": [8],
    "search.expert_parallel": [8],
    "search.gamma": [1],
    "search.batch": [8, 32],
    "search.batch.from": {"from": 8},
    "search.batch.to": {"to": 64},
    "search.batch.values": [8],
    "search.weights": ["fp8", "int4"],
    "search.kv": ["fp8"],
    "quality": {"at_least": 0.9, "weights": {"fp8": 0.95}},
    "quality.at_least": {"at_least": 0.8},
    "quality.weights": {"at_least": 0.5, "weights": {"fp8": 0.95}},
    "quality.kv": {"at_least": 0.5, "kv": {"bf16": 0.95}},
    "usable_memory_fraction": 0.7,
    "profile": "paper",
    "engine": "vllm",
    "collectives": "nccl",
    "pools.accelerator": [{"accelerator": "h100-sxm"}],
}
"""Fields that change what deployments there are, or their numbers; another value of each."""
ASKED = {
    "name": "other",
    "workload.tokens_per_second_per_request": 30,
    "workload.tokens_per_second": 500,
    "pools.name": [{"accelerator": "h200-sxm", "name": "mine"}],
    "pools.gpus": [{"accelerator": "h200-sxm", "gpus": 7}],
    "pools.dollars_per_gpu_hour": [{"accelerator": "h200-sxm", "dollars_per_gpu_hour": 99}],
    "workload.max_replicas": 3,
    "objective": "dollars_per_million_tokens",
    "dollars_per_million_tokens_at_most": 5,
    "dollars_per_hour_at_most": 500,
    "speed_exponent": 1,
    "solver.name": {"name": "exhaustive"},
    "solver.time_limit_seconds": {"time_limit_seconds": 5},
    "solver.relative_gap": {"relative_gap": 0.1},
}
"""Fields that ask something of deployments; another value of each."""
BESIDES = {"workload.time_to_first_token_seconds"}
"""Whether it is asked counts; how long it may be does not."""


def fields_of(model, prefix=""):
    """Dotted names of all fields that hold a value."""
    for name, field in model.model_fields.items():
        written = f"{prefix}{field.alias or name}"
        inner = list(parts_of(field.annotation))
        if not inner:
            yield written
        for part in inner:
            yield from fields_of(part, f"{written}.")


def parts_of(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from parts_of(inner)


def changed(path: str, value: object) -> dict:
    """The base with one field set; below a field that has its whole value here, that is set."""
    parts = path.split(".")
    content = {key: dict(part) if isinstance(part, dict) else part for key, part in BASE.items()}
    if parts[0] in ("pools", "solver", "quality"):
        return {**content, parts[0]: value}
    if parts[:2] == ["search", "batch"]:
        parts = parts[:2]
    if len(parts) == 1:
        return {**content, path: value}
    if parts[1:3] == ["drafts", "0"]:
        draft = {**BASE["workload"]["drafts"][0], parts[3]: value}
        return {**content, "workload": {**content["workload"], "drafts": [draft]}}
    return {**content, parts[0]: {**content[parts[0]], parts[1]: value}}


def key_of(content: dict) -> str:
    return content_key(resolve(Instance.model_validate(content)), 0)


def test_every_field_is_tried():
    """A new field must be put on one of the lists, and then on the right one."""
    tried = {path.replace("drafts.0.", "drafts.") for path in (*CHANGES, *ASKED)}
    assert set(fields_of(Instance)) - tried == BESIDES


def test_what_is_asked_of_deployments_is_what_the_key_leaves_out():
    flat = {name for name, whole in ASKED_OF.items() if whole is True}
    nested = {
        f"{name}.{one}" for name, some in ASKED_OF.items() if some is not True for one in some
    }
    assert {path.split(".")[0] for path in ASKED} - {"workload", "search"} == flat
    listed = {path for path in ASKED if path.split(".")[0] in ("workload", "search")}
    assert nested == listed | BESIDES


@pytest.mark.parametrize("path", CHANGES)
def test_fields_that_change_numbers_change_the_key(path):
    base = BASE
    if path == "profile":  # It knows neither mixtures of experts nor drafts of this kind.
        base = {"workload": {"transformer": "llama-3-70b"}, "pools": [{"accelerator": "h100-sxm"}]}
        base = {"name": "base", **base, "dollars_per_hour_at_most": 100}
        base["objective"] = "tokens_per_second_per_request"
        assert key_of({**base, "profile": "paper"}) != key_of(base)
        return
    assert key_of(changed(path, CHANGES[path])) != key_of(base)


@pytest.mark.parametrize("path", ASKED)
def test_fields_that_ask_something_change_neither_key_nor_numbers(path):
    content = changed(path, ASKED[path])
    assert content != BASE
    assert key_of(content) == key_of(BASE)
    one, other = (evaluate(resolve(Instance.model_validate(each)), 0) for each in (BASE, content))
    assert one.evaluated == other.evaluated
    for field in fields(Candidates):
        if field.name != "dollars_per_gpu_hour":  # Filled in when the shortlist is used.
            same = np.array_equal(getattr(one.table, field.name), getattr(other.table, field.name))
            assert same, field.name


def test_whether_a_first_token_is_asked_for_counts_and_how_soon_does_not():
    none = key_of(BASE)
    soon, late = (
        key_of(changed("workload.time_to_first_token_seconds", seconds)) for seconds in (1, 9)
    )
    assert soon == late != none


def test_a_new_program_does_not_use_what_an_old_one_left(monkeypatch):
    from planner.candidates import shortlist_cache

    before = key_of(BASE)
    monkeypatch.setattr(shortlist_cache, "_program", lambda: "another")
    assert key_of(BASE) != before


QUESTIONS = [
    BASE,
    *(changed("workload.tokens_per_second_per_request", speed) for speed in (5, 50, 1e6)),
    *(changed(path, ASKED[path]) for path in ("pools.dollars_per_gpu_hour", "pools.gpus")),
    changed("workload.time_to_first_token_seconds", 3),
    {**BASE, "pools": [{"accelerator": "h100-sxm"}, {"accelerator": "h200-sxm"}]},
]


def answers(shortlists: ShortlistCache | None) -> list[dict]:
    plans = [solve(Instance.model_validate(each), shortlists=shortlists) for each in QUESTIONS]
    return [{**plan.to_row(), "solve_seconds": None} for plan in plans]


def test_plans_are_the_same_with_and_without_and_from_disk(tmp_path):
    expected = answers(None)
    assert {"optimal", "infeasible"} <= {row["status"] for row in expected}
    assert answers(ShortlistCache()) == expected
    assert answers(ShortlistCache(tmp_path)) == expected
    assert len(stored(tmp_path)) == 3
    assert answers(ShortlistCache(tmp_path)) == expected


def stored(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


QUESTION = resolve(Instance.model_validate(BASE))


@pytest.fixture
def counted(monkeypatch):
    """Count evaluations."""
    from planner.candidates import shortlist_cache

    calls = []

    def counting(resolved, pool, progress=None):
        calls.append(pool)
        return evaluate(resolved, pool, progress)

    monkeypatch.setattr(shortlist_cache, "shortlist", counting)
    return calls


def test_what_is_on_disk_or_in_memory_is_not_evaluated_again(tmp_path, counted):
    told = []
    first = ShortlistCache(tmp_path)
    found = [first.shortlist(QUESTION, 0) for _ in range(2)]
    found.append(ShortlistCache(tmp_path).shortlist(QUESTION, 0, told.append))
    assert counted == [0]
    assert told == [found[0].evaluated]
    for field in fields(Candidates):
        one, _, other = (getattr(each.table, field.name) for each in found)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:200] + b"\xff" * 16 + whole[216:],
        lambda whole: b"no archive at all",
        lambda whole: foreign(x=np.arange(3)),
        lambda whole: array(np.arange(3)),
        lambda whole: array(np.asarray([{}], dtype=object)),
    ],
    ids=["empty", "cut", "damaged", "text", "foreign", "one array", "pickle"],
)
def test_files_that_cannot_be_used_are_made_again(tmp_path, counted, damage):
    ShortlistCache(tmp_path).shortlist(QUESTION, 0)
    (file,) = stored(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    ShortlistCache(tmp_path).shortlist(QUESTION, 0)
    ShortlistCache(tmp_path).shortlist(QUESTION, 0)
    assert counted == [0, 0]
    assert stored(tmp_path) == [file]
    with np.load(file) as one:
        assert set(one.files) == {"evaluated", *(field.name for field in fields(Candidates))}


def foreign(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def array(content) -> bytes:
    file = io.BytesIO()
    np.save(file, content, allow_pickle=True)
    return file.getvalue()


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path, counted):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "inside", Path("/proc/none")):
        assert ShortlistCache(folder).shortlist(QUESTION, 0).evaluated
    assert counted == [0, 0, 0]
    assert stored(tmp_path) == [tmp_path / "file"]


def test_a_full_disk_does_no_harm_and_leaves_nothing(tmp_path):
    code = (
        "import json, resource, sys\n"
        "from planner.problem.instance import Instance\n"
        "from planner.problem.resolve import resolve\n"
        "from planner.candidates.shortlist_cache import ShortlistCache\n"
        "resolved = resolve(Instance.model_validate(json.loads(sys.argv[1])))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "print(ShortlistCache(sys.argv[2]).shortlist(resolved, 0).evaluated > 0)"
    )
    command = [sys.executable, "-c", code, json.dumps(BASE), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "True\n"
    assert stored(tmp_path) == []


SHARE = """
import json, sys
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.candidates.shortlist_cache import ShortlistCache
resolved = resolve(Instance.model_validate(json.loads(sys.argv[1])))
answers = lambda: {
    ShortlistCache(sys.argv[2]).shortlist(resolved, 0).table.step_seconds.sum() for _ in range(20)
}
print(len(answers()))
for path in __import__("pathlib").Path(sys.argv[2]).rglob("*.npz"):
    path.unlink(missing_ok=True)
print(answers())
"""


def test_several_processes_share_a_folder(tmp_path):
    command = [sys.executable, "-c", SHARE, json.dumps(BASE), str(tmp_path)]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    told = {each.communicate(timeout=60) for each in running}
    expected = float(evaluate(QUESTION, 0).table.step_seconds.sum())
    ((out, errors),) = told
    assert errors == ""
    assert out.startswith("1\n{")
    assert repr(expected) in out
    assert len(stored(tmp_path)) == 1


def test_memory_is_bounded_and_what_was_used_last_stays(counted):
    size = sum(
        getattr(evaluate(QUESTION, 0).table, field.name).nbytes for field in fields(Candidates)
    )
    first, second, third = (
        resolve(Instance.model_validate(changed("workload.output_tokens", tokens)))
        for tokens in (500, 501, 502)
    )
    shortlists = ShortlistCache(memory_bytes=int(2.5 * size))
    for resolved in (first, second, first, third):
        shortlists.shortlist(resolved, 0)
    assert len(counted) == 3
    assert shortlists._held_bytes <= 2.5 * size
    shortlists.shortlist(first, 0)
    assert len(counted) == 3
    shortlists.shortlist(second, 0)
    assert len(counted) == 4
    small = ShortlistCache(memory_bytes=size // 2)
    small.shortlist(first, 0)
    assert (small._held_bytes, len(small._held)) == (0, 0)


def test_files_are_readable_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        ShortlistCache(tmp_path).shortlist(QUESTION, 0)
    finally:
        os.umask(before)
    (file,) = stored(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o644
