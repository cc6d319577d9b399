"""Sweeps: one file, many instances; each as if its file had been written by hand."""

import csv
import itertools
import json
import math
import pickle
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wrong_files import FILES, GOOD, WRONG

import planner
from planner.errors import InputError
from planner.io import yaml_json
from planner.io.instance_file import open_instances
from planner.io.json_schema import instance_schema
from planner.io.sweep import values
from planner.io.sweep_axes import MOST_POINTS, is_whole
from planner.io.yaml_json import MOST_VALUES, Source, parse, quick
from planner.plans.plan import COLUMNS, Plan, write_csv
from planner.problem.instance import Instance

ROOT = Path(__file__).parents[2]
BASE = {
    "name": "chat",
    "workload": {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 40},
    "pools": [{"accelerator": "h100-sxm"}, {"accelerator": "l40s"}],
}


def opened(sweep, **changes):
    return open_instances(json.dumps({**BASE, **changes, "sweep": sweep}), "chat.json")


def by_hand(**changes):
    return open_instances(json.dumps({**BASE, **changes}), "chat.json")[0]


def problems(deed):
    with pytest.raises(InputError) as caught:
        deed()
    return caught.value.problems


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["40 tok/s", "<<", "---", "# no", "a: b", "\t", "\u2028", "😀", "é", "\ud83d"]),
)


# Ranges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1:4:7", (1, 1.5, 2, 2.5, 3, 3.5, 4)),
        ("4:1:4", (4, 3, 2, 1)),
        (" 0 : -1 : 3 ", (0, -0.5, -1)),
        ("1k:1M:log:4", (1000, 10_000, 100_000, 1_000_000)),
        ("1.1k:2.2k:2", (1100, 2200)),
        ("1e3:.5M:2", (1000, 500_000)),
        ("1:2:log:3", (1, 1.41421356237, 2)),
    ],
)
def test_values_of_a_range(text, expected):
    assert values(text) == expected


def test_whole_ranges_have_whole_numbers_once_each():
    assert values("1:8:log:8", whole=True) == (1, 2, 3, 4, 6, 8)
    assert values("1:2:3", whole=True) == (1, 2)
    assert all(type(value) is int for value in values("1k:128k:log:8", whole=True))
    assert all(type(value) is int for value in values("20:60:3"))
    assert any(type(value) is float for value in values("20:61:3"))


ENDS = st.floats(1e-9, 1e15, allow_nan=False)


@given(first=ENDS, last=ENDS, steps=st.integers(2, 40), scale=st.sampled_from(["", "log:"]))
def test_ends_of_a_range_are_exact_and_all_between_are_in_order(first, last, steps, scale):
    text = f"{first!r}:{last!r}:{scale}{steps}"
    if first == last:
        assert problems(lambda: values(text))[0].fix.startswith("Write two ends")
        return
    found = values(text)
    assert (found[0], found[-1]) == (first, last)
    assert 2 <= len(found) <= steps
    assert list(found) == sorted(set(found), reverse=first > last)
    if abs(last - first) > 1e-6 * max(first, last):
        assert len(found) == steps


@given(first=st.integers(1, 9), steps=st.integers(3, 30), scale=st.sampled_from(["", "log:"]))
def test_steps_of_a_range_are_equal(first, steps, scale):
    found = values(f"{first}:{first * 1000}:{scale}{steps}")
    pairs = itertools.pairwise(map(math.log, found) if scale else found)
    widths = [after - before for before, after in pairs]
    assert widths == pytest.approx([widths[0]] * (steps - 1), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("", "Write numbers"),
        ("1:2", "Write numbers"),
        ("1:2:3:4", "Write numbers"),
        ("1:2:ln:4", "Write numbers"),
        ("1K:2K:3", "Write numbers"),
        ("1:2:2.5", "Write numbers"),
        ("nan:2:3", "Write numbers"),
        ("1:1e999:3", "Write ends of at most 1e18"),
        ("-1:2:log:3", "Both ends"),
        ("1:2:1", "Write 2 to 1,000,000 steps"),
        ("1:2:1000001", "Write 2 to 1,000,000 steps"),
        ("2:2.0:5", "Write two ends"),
    ],
)
def test_what_is_no_range(text, fix):
    (problem,) = problems(lambda: values(text))
    assert problem.fix.startswith(fix)
    assert problem.found == f"'{text}'"
    assert problem.expected.startswith("a range from:to:steps or from:to:log:steps")


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("workload.input_tokens", True),
        ("pools[0].gpus", True),
        ("search.batch", True),
        ("search.batch.to", True),
        ("search.tensor_parallel", True),
        ("search.tensor_parallel[0]", True),
        ("workload.tokens_per_second", False),
        ("quality.weights.fp8", False),
        ("quality.at_least", False),
        ("workload", False),
        ("solver.name", False),
        ("nonsense", False),
        ("workload.min_replicas", True),
        ("workloads[chat].max_replicas", True),
        ("n_plus_1", False),
        ("pools[eu].reserved.gpus", True),
        ("pools[eu].spot.dollars_per_gpu_hour", False),
    ],
)
def test_fields_of_whole_numbers(path, whole):
    assert is_whole(path) is whole


# Points ---------------------------------------------------------------------------------------


def test_points_are_the_product_and_the_last_field_varies_fastest():
    sweep = {"workload.input_tokens": [1000, 2000], "pools[1].gpus": [8, 16, 32]}
    found = opened(sweep)
    assert len(found) == 6
    pairs = [(one.workload.input_tokens, one.pools[1].gpus) for one in found]
    assert pairs == list(itertools.product([1000, 2000], [8, 16, 32]))
    assert found[-1] == found[5] != found[0]
    assert found[1:3] == (found[1], found[2])
    assert found[1].pools[0] == found[0].pools[0]
    for beyond in (6, -7):
        with pytest.raises(IndexError):
            found[beyond]


INPUTS = st.lists(st.integers(1, 4000), min_size=1, max_size=5, unique=True)
SPEEDS = st.lists(st.floats(1, 500), min_size=1, max_size=5, unique=True)
PRICES = st.lists(st.sampled_from([0.5, 1, 2.25, "2.5 $/h"]), min_size=1, max_size=4, unique=True)


@settings(max_examples=100, deadline=None)
@given(inputs=INPUTS, speeds=SPEEDS, prices=PRICES, data=st.data())
def test_every_point_is_the_instance_made_by_hand(inputs, speeds, prices, data):
    found = opened(
        {
            "workload": [{"input_tokens": tokens, "output_tokens": 7} for tokens in inputs],
            "pools[0].dollars_per_gpu_hour": prices,
            "workload.tokens_per_second_per_request": speeds,
        }
    )
    assert len(found) == len(inputs) * len(speeds) * len(prices)
    names = [found.name(index) for index in range(len(found))]
    assert len(set(names)) == len(names)
    index = data.draw(st.integers(0, len(found) - 1))
    tokens, price, speed = list(itertools.product(inputs, prices, speeds))[index]
    workload = {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": speed,
        "input_tokens": tokens,
        "output_tokens": 7,
    }
    pools = [{"accelerator": "h100-sxm", "dollars_per_gpu_hour": price}, {"accelerator": "l40s"}]
    hand = by_hand(name=names[index], workload=workload, pools=pools)
    assert found[index] == hand
    assert found[index].digest == hand.digest
    assert list(found[index].swept.values()) == [
        {"input_tokens": tokens, "output_tokens": 7},
        price,
        speed,
    ]


def test_parts_of_the_file_that_are_not_there_are_made():
    found = opened({"search.batch.to": "1:64:log:7", "solver.relative_gap": [0, 0.1]})
    assert [one.search.batch.last for one in found][::2] == [1, 2, 4, 8, 16, 32, 64]
    assert found[1].solver.relative_gap == 0.1
    assert found[1].digest != found[3].digest


def test_mappings_are_merged_and_lists_replaced():
    found = opened(
        {
            "pools": [[{"accelerator": "h200-sxm"}], [{"accelerator": "a100-80gb"}]],
            "search": [{}, {"batch": {"to": 8}}, {"batch": [3]}],
        },
        search={"batch": {"from": 2}, "weights": "fp8"},
    )
    assert [len(one.pools) for one in found] == [1] * 6
    sizes = [(one.search.batch.sizes()[0], one.search.batch.sizes()[-1]) for one in found]
    assert sizes == [(2, 1024), (2, 8), (3, 3)] * 2
    assert {one.search.weights for one in found} == {("fp8",)}


def test_null_leaves_a_field_out():
    found = opened({"engine": [None, "vllm"]})
    assert [one.engine for one in found] == [None, "vllm"]
    assert [one.name for one in found] == ["chat[engine=null]", "chat[engine=vllm]"]


def test_names_show_values():
    found = opened(
        {
            "workload.tokens_per_second_per_request": [20, 40.5],
            "pools[1].dollars_per_gpu_hour": "1:4:7",
            "workload": [{"output_tokens": 7}, {"output_tokens": 9}],
        }
    )
    assert found[7].name == (
        "chat[tokens_per_second_per_request=20,dollars_per_gpu_hour=2.5,workload=#2]"
    )
    assert found.name(-1) == found[-1].name


def test_names_tell_paths_where_last_keys_are_the_same():
    found = opened({"pools[0].gpus": [8], "pools[1].gpus": [4], "search.kv": ["bf16", "fp8"]})
    assert found[1].name == "chat[pools[0].gpus=8,pools[1].gpus=4,kv=fp8]"


@pytest.mark.parametrize("base", ["x" * 170, "x" * 200])
def test_names_that_would_be_too_long_have_the_number_of_the_point(base):
    sweep = {"workload.tokens_per_second_per_request": "1:20:17", "pools[0].gpus": "1:9:9"}
    found = opened(sweep, name=base)
    assert found[16].name == f"{base[: 200 - 5]}[#17]"
    assert max(len(found.name(index)) for index in range(len(found))) <= 200
    assert len({found.name(index) for index in range(len(found))}) == len(found)


ODD = st.text(st.sampled_from("a1=,[]# "), min_size=1, max_size=8)


@given(sides=st.tuples(*[st.lists(ODD, min_size=1, max_size=4, unique=True)] * 2))
def test_names_are_unique_whatever_the_values_are(sides):
    found = opened({"pools[0].name": sides[0], "pools[1].name": sides[1]})
    names = {found.name(index) for index in range(len(found))}
    assert len(names) == len(found) == len(sides[0]) * len(sides[1])


def test_a_million_points_cost_nothing_until_they_are_asked_for():
    sweep = {"workload.input_tokens": "1:1000:1000", "workload.output_tokens": "1:1000:1000"}
    started = time.perf_counter()
    found = opened(sweep)
    assert (len(found), found[999_999].workload.output_tokens) == (1_000_000, 1000)
    assert found.swept(1000) == {"workload.input_tokens": 2, "workload.output_tokens": 1}
    assert time.perf_counter() - started < 0.5


def test_most_points_are_allowed_and_no_more():
    sweep = {"workload.input_tokens": "1:10000:10000", "workload.output_tokens": "1:1000:1000"}
    assert len(opened(sweep)) == MOST_POINTS
    assert (
        "20,000,000 points"
        in problems(lambda: opened({**sweep, "engine": [None, "vllm"]}))[0].found
    )


# What an instance knows of its sweep ------------------------------------------------------------


def test_swept_values_stay_with_an_instance_and_change_nothing_else():
    point = opened({"workload.output_tokens": [7], "pools[1].gpus": [4]})[0]
    swept = {"workload.output_tokens": 7, "pools[1].gpus": 4}
    assert list(point.swept.items()) == list(swept.items())
    assert point.model_copy(update={"engine": "vllm"}).swept == swept
    assert pickle.loads(pickle.dumps(point)).swept == swept
    plain = Instance.model_validate(point.model_dump(by_alias=True, exclude_unset=True))
    assert plain.swept == {}
    assert (plain, plain.digest, hash(plain)) == (point, point.digest, hash(point))
    assert plain != plain.model_copy(update={"engine": "vllm"})
    assert "swept" not in point.model_dump_json()
    point.swept["engine"] = "vllm"
    assert point.swept == swept


def test_sweeps_survive_pickling():
    found = opened({"workload.input_tokens": "1k:4k:4"})
    again = pickle.loads(pickle.dumps(found))
    assert [one.name for one in again] == [one.name for one in found]


def test_schema_describes_the_sweep_and_instances_have_no_such_field():
    for schema in instance_schema()["anyOf"]:
        assert schema["properties"]["sweep"]["additionalProperties"]["anyOf"]
        assert "sweep" not in schema["required"]
    with pytest.raises(ValueError, match="sweep"):
        Instance.model_validate({**BASE, "sweep": {"pools[0].gpus": [1]}})


# Wrong points -----------------------------------------------------------------------------------

YAML = """name: chat
workload: {transformer: llama-3.1-8b, tokens_per_second_per_request: 40}
pools: [{accelerator: h100-sxm}]
search: {tensor_parallel: [1, 8]}
sweep:
  workload.input_tokens:
    - 1000
    - 1000.5
    - 200k
  workload:
    - {output_tokens: 500}
    - output_tokens: 500
      outputs: 3
"""


def test_a_wrong_point_fails_alone_at_the_line_of_its_value():
    found = open_instances(YAML, "chat.yaml")
    assert found[0].workload.input_tokens == 1000
    assert str(problems(lambda: found[2])[0]) == (
        "chat.yaml:8: workload.input_tokens: found 1000.5, expected a whole number. "
        "Write digits only, without quotes or unit."
    )
    assert problems(lambda: found[4])[0].found == "'200k'"
    tokens, unknown = problems(lambda: found[3])
    assert (tokens.line, unknown.line) == (8, 13)
    assert (unknown.field, unknown.found) == ("workload.outputs", "an unknown key")
    assert found[0].name == "chat[input_tokens=1000,workload=#1]"


def test_a_value_of_a_range_that_is_wrong_is_told():
    found = open_instances(
        YAML[: YAML.index("sweep:")] + "sweep:\n  workload.input_tokens: 1k:256k:log:3\n", "a.yaml"
    )
    assert found[1].workload.input_tokens == 16_000
    (problem,) = problems(lambda: found[2])
    assert (problem.line, problem.field) == (6, "workload.input_tokens")
    assert problem.found.startswith("256500 tokens of prompt and answer")
    found = open_instances(
        YAML[: YAML.index("sweep:")] + "sweep:\n  pools[0].gpus: 0:9:2\n", "a.yaml"
    )
    assert problems(lambda: found[0])[0].found == "0"


def test_what_only_one_point_makes_wrong_elsewhere_names_the_point():
    text = (
        YAML[: YAML.index("sweep:")]
        + "sweep:\n  workload.transformer: [llama-3.1-8b, smollm2-135m]\n"
    )
    text = text.replace("[1, 8]", "[1, 8, 32]").replace("smollm2-135m", "gemma-2-9b")
    found = open_instances(text, "chat.yaml")
    assert found[0].workload.transformer == "llama-3.1-8b"
    (problem,) = problems(lambda: found[1])
    assert (problem.line, problem.field) == (4, "search.tensor_parallel[2]")
    assert problem.found == "32 (in point 2 of the sweep)"


def test_mistakes_outside_the_sweep_are_told_when_the_file_is_opened():
    (problem,) = problems(lambda: opened({"workload.input_tokens": [1, 2]}, objectve=3))
    assert (problem.field, problem.found) == ("objectve", "an unknown key")
    assert opened({"workload.input_tokens": [0, 1]})[1].workload.input_tokens == 1


PATHS = ["workload", "pools", "pools[0]", "pools[1].gpus", "search", "search.batch", "quality"]
PATHS += ["search.batch.to", "workload.drafts[0].acceptance", "engine", "x", "pools[9]", "sweep"]
PARTS = st.sampled_from([{}, {"gpus": 3}, {"batch": {}}, {"batch": 2}, {"to": 9}, {"x": {"y": 1}}])
LISTS = st.sampled_from([[], [None], [{"accelerator": "l40s"}], [[1]], [{"gpus": {"x": [1]}}]])
ODD_VALUES = st.one_of(SCALARS, PARTS, LISTS)
ODD_BLOCKS = st.one_of(
    SCALARS,
    st.dictionaries(
        st.one_of(st.sampled_from(PATHS), st.text(max_size=6)),
        st.one_of(st.lists(ODD_VALUES, max_size=3), st.sampled_from(["1:9:3", "x"]), ODD_VALUES),
        max_size=3,
    ),
)


@settings(max_examples=400, deadline=None)
@given(block=ODD_BLOCKS, batch=st.sampled_from([3, [1, 2], {"from": 2}]), indent=st.integers(0, 1))
def test_any_block_is_read_or_refused(block, batch, indent):
    content = {**BASE, "search": {"batch": batch}, "sweep": block}
    text = json.dumps(content, indent=indent or None)
    deeds = [lambda: open_instances(text, "a.json")]
    try:
        found = open_instances(text, "a.json")
        deeds = [lambda at=at: found[at] for at in range(len(found))]
    except InputError:
        pass
    for deed in deeds:
        try:
            assert deed().digest
        except InputError as error:
            assert error.problems
            for problem in error.problems:
                assert problem.file == "a.json"
                assert 1 <= problem.line <= text.count("\n") + 1
                assert problem.found and problem.expected
                assert str(problem).isprintable()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"workload": [{"input_tokens": 1}]}, {"workload.input_tokens": [1]}),
        ({"search": [{}, {"batch": {}}]}, {"search.batch": [1]}),
        ({"search.batch": [1]}, {"search.batch.to": [1]}),
        ({"pools[0]": [None]}, {"pools[0].gpus": [1]}),
        ({"search": [{"batch": {"to": 1}}]}, {"search.batch": [{"to": 2}]}),
    ],
)
def test_no_field_is_set_twice_in_either_order(one, other):
    for first, second in ((one, other), (other, one)):
        (problem,) = problems(lambda f=first, s=second: opened({**f, **s}))
        assert problem.found == f"a field that `{next(iter(first))}` sets too"
        assert problem.field == f"sweep.{next(iter(second))}"


def test_fields_beside_each_other_may_be_set_in_either_order():
    one, other = {"workload": [{"input_tokens": 3}, {}]}, {"workload.output_tokens": [4]}
    for sweep in ({**one, **other}, {**other, **one}):
        found = opened(sweep)[0].workload
        assert (found.input_tokens, found.output_tokens) == (3, 4)


def test_dates_are_no_values_of_an_instance():
    found = open_instances(
        YAML[: YAML.index("sweep:")] + "sweep:\n  engine: [2026-01-01]\n", "a.yaml"
    )
    (problem,) = problems(lambda: found[0])
    assert (problem.line, problem.found) == (6, "2026-01-01")
    assert found.name(0) == "chat[engine=#1]"


def test_a_file_that_sweeps_is_not_one_instance(tmp_path):
    path = tmp_path / "chat.yaml"
    path.write_text(YAML, encoding="utf-8")
    assert len(planner.read_instances(path)) == 6
    assert str(problems(lambda: planner.read_instance(path))[0]) == (
        f"{path}:5: sweep: found a sweep of 6 points, expected one instance. "
        "Use planner.read_instances, or planner batch."
    )


def test_a_file_without_a_sweep_is_a_sequence_of_one(tmp_path):
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    found = planner.read_instances(path)
    assert (len(found), found.name(0), found.swept(0)) == (1, "chat", {})
    assert found[0] is found[-1]
    assert found[0] == planner.read_instance(path)
    with pytest.raises(IndexError):
        found[1]


def test_configs_lie_beside_the_file_or_in_the_folder_that_is_named(tmp_path):
    workload = {**BASE["workload"], "transformer": "config.json"}
    text = json.dumps({**BASE, "workload": workload, "sweep": {"pools[0].gpus": [1, 2]}})
    for folder, where in ((None, Path("there")), (tmp_path, tmp_path)):
        (problem,) = problems(lambda f=folder: open_instances(text, "there/a.json", 3, f)[0])
        assert problem.found.startswith(str(where / "config.json"))
        assert problem.line == 3


# Lines of JSON ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "chat",}',
        '{"name": "chat", "name": "chat"}',
        '{"name": NaN}',
        "[1]",
        "",
        json.dumps({**BASE, "engin": "vllm"}),
        json.dumps({**BASE, "engine": "vlm"}),
        json.dumps({**BASE, "sweep": {"pools[3].gpus": [1]}}),
        json.dumps({**BASE, "sweep": {"pool": [1]}}),
    ],
)
def test_messages_have_the_line_of_the_file(text):
    found = problems(lambda: open_instances(text, "all.jsonl", 1_000_007))
    assert {(problem.file, problem.line) for problem in found} == {("all.jsonl", 1_000_007)}
    assert "as on line 1," not in str(found[0])


def test_keys_that_come_twice_are_told_with_the_lines_of_the_file():
    (problem,) = problems(lambda: open_instances("name: a\nname: b\n", "a.yaml", 11))
    assert (problem.line, problem.found) == (12, "the same key as on line 11")


# The fast way for JSON --------------------------------------------------------------------------


def slow_or_refused(text, file):
    try:
        return repr(parse(text, file).value)
    except InputError as error:
        return str(error)


def fast_or_refused(text, file):
    try:
        return repr(Source(text, file).value)
    except InputError as error:
        return str(error)


JSONS = st.dictionaries(
    st.one_of(st.text(max_size=8), st.sampled_from(sorted(GOOD))),
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=5,
)


@settings(max_examples=400, deadline=None)
@given(
    value=JSONS,
    indent=st.sampled_from([None, 0, 2, "\t"]),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : "), (",\n", "\n:")]),
    ascii_=st.booleans(),
    file=st.sampled_from(["a.json", "a.jsonl", "a.yaml"]),
)
def test_fast_way_and_slow_way_agree(value, indent, separators, ascii_, file):
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=ascii_)
    assert fast_or_refused(text, file) == slow_or_refused(text, file)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_fast_way_and_slow_way_agree_on_spoilt_text(data):
    text = json.dumps(GOOD, indent=data.draw(st.sampled_from([None, 1])))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 4))
        patch = data.draw(
            st.text(st.sampled_from('{}[],:"\\u0d8 \n\t\r1e9.-\x7f\x85\xa0\ufeff'), max_size=3)
        )
        text = text[:start] + patch + text[end:]
    assert fast_or_refused(text, "a.json") == slow_or_refused(text, "a.json")


JSON_FILES = [
    *(WRONG / name for name in FILES if name.endswith(".json")),
    *sorted((ROOT / "tests" / "data").glob("**/*.json")),
    *sorted((ROOT / "instances").glob("**/*.json")),
]


@pytest.mark.parametrize("path", dict.fromkeys(JSON_FILES), ids=lambda path: path.stem)
def test_fast_way_and_slow_way_agree_on_files(path):
    text = path.read_text("utf-8")
    assert fast_or_refused(text, path.name) == slow_or_refused(text, path.name)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '{"": 1}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": ' + "1" * 5000 + "}",
        '{"a": "\\ud83d"}',
        '{"a": "\u2028"}',
        '{"a": "\x7f"}',
        '{"a"\n: 1}',
        "{" + '"a": {' * 20 + "}" * 21,
        '{"a": ' + "[" * 20 + "]" * 20 + "}",
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        json.dumps({"a": [1] * MOST_VALUES}),
        "[1]",
        "3",
        "name: chat",
        '{"a": 1,}',
    ],
)
def test_what_is_unusual_is_left_to_the_slow_way(text):
    assert quick(text, "a.json") is None


def test_plain_json_never_meets_the_slow_way(monkeypatch):
    def refuse(*_):
        raise AssertionError("the slow way was taken")

    monkeypatch.setattr(yaml_json, "parse", refuse)
    for file in ("a.json", "a.jsonl", "a.yaml"):
        assert open_instances(json.dumps(GOOD, indent=2), file)[0].name == "chat"
    assert open_instances(json.dumps(GOOD, indent="\t"), "a.json")[0].name == "chat"
    assert len(opened({"workload.input_tokens": "1:9:9"})) == 9
    with pytest.raises(AssertionError, match="slow way"):
        open_instances(json.dumps(GOOD, indent="\t"), "a.yaml")


@pytest.mark.parametrize("depth", [19, 20, 21])
def test_depth_is_the_same_both_ways(depth):
    text = '{"a":' * depth + "1" + "}" * depth
    assert (quick(text, "a.json") is None) == (depth > 20)
    assert fast_or_refused(text, "a.json") == slow_or_refused(text, "a.json")


# Plans ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    """Plans of a sweep, one of them infeasible, in a file."""
    sweep = {
        "workload": [{"input_tokens": 1000}, {"input_tokens": 2000}],
        "pools[0].gpus": [8, 16],
        "profile": ["calibrated"],
        "search.batch": [[1, 2], {"to": 4}],
        "workload.tokens_per_second_per_request": [20, 1e6],
    }
    path = tmp_path_factory.mktemp("plans") / "plans.csv"
    write_csv(map(planner.solve, opened(sweep)), path)
    return path


def test_plans_come_back_with_what_was_swept(plans):
    table = planner.read_plans(plans)
    added = [
        "workload.input_tokens",
        "pools[0].gpus",
        "sweep.profile",
        "search.batch",
        "workload.tokens_per_second_per_request",
        "search.batch.to",
    ]
    assert list(table.columns) == [*COLUMNS, *added]
    assert len(table) == 16
    assert (table["workload.input_tokens"].dtype, table["tensor_parallel"].dtype) == ("Int64",) * 2
    assert table["tensor_parallel"].isna().sum() == 8
    assert table["search.batch"].tolist()[:4] == ["[1,2]", "[1,2]", "", ""]
    assert table["search.batch.to"].isna().tolist()[:4] == [True, True, False, False]
    assert table["dollars_per_hour"].dtype == "float64"
    assert table["accelerator"].isin(["h100-sxm", "l40s", ""]).all()
    text = [field for field, kind in Plan.__annotations__.items() if "int" not in kind]
    text = [name for name in text if "float" not in Plan.__annotations__[name]]
    assert not table[text].isna().any().any()
    pivot = table.pivot_table("dollars_per_hour", "workload.input_tokens", "pools[0].gpus")
    assert pivot.shape == (2, 2)
    assert pivot.notna().all().all()


def test_column_sweep_is_compact_json_and_empty_without_a_sweep(plans):
    with plans.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert row["sweep"] == (
        '{"workload":{"input_tokens":1000},"pools[0].gpus":8,"profile":"calibrated",'
        '"search.batch":[1,2],"workload.tokens_per_second_per_request":20}'
    )
    assert row["source"] == ""
    plain = planner.solve(by_hand(search={"batch": 1}))
    assert (plain.sweep, plain.source) == ("", "")
    assert COLUMNS[COLUMNS.index("source") :][:3] == ("source", "sweep", "message")


def test_plans_without_a_sweep_come_back(tmp_path):
    path = tmp_path / "plans.csv"
    write_csv([Plan(instance="a", status="error", message="x")], path)
    table = planner.read_plans(path)
    assert list(table.columns) == list(COLUMNS)
    assert (table.loc[0, "message"], table.loc[0, "accelerator"]) == ("x", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found an empty file, expected a CSV of plans, as `planner` writes it with a header"),
        ("a,b\n1,2\n", "found no plans"),
        ("instance,status\n", "found no plans, expected a header with `instance` and `status`"),
        ("instance,status\na\n", ":2: found 1 cells, expected 2 cells, as in the header"),
        ("instance,status\na,b,c\n", ":2: found 3 cells, expected 2 cells, as in the header"),
        ("instance,status,batch\na,b,x\n", ":2: found 'x' as batch, expected a whole number"),
        ("instance,status,gap\na,b,x\n", "found 'x' as gap, expected a number"),
        ("instance,status,sweep\na,b,[1]\n", "found '[1]' as sweep, expected a JSON object"),
        ("instance,status,sweep\na,b,{\n", "found '{' as sweep, expected a JSON object"),
    ],
)
def test_what_is_no_csv_of_plans(text, said, tmp_path):
    path = tmp_path / "plans.csv"
    path.write_text(text, encoding="utf-8")
    (problem,) = problems(lambda: planner.read_plans(path))
    assert said in str(problem)
    assert str(problem).startswith(str(path))


def test_missing_csv_is_told_as_by_the_checker(tmp_path):
    (problem,) = problems(lambda: planner.read_plans(tmp_path / "none.csv"))
    assert problem.expected == "a CSV of plans, as `planner` writes it"


# The page ---------------------------------------------------------------------------------------


def example():
    page = (ROOT / "docs" / "instance.md").read_text(encoding="utf-8")
    section = page[page.index("## Sweeps") : page.index("## Objectives")]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)
    return section, [re.sub(r"(?m)^    ", "", block).strip("\n") + "\n" for block in blocks]


def test_example_on_the_page_is_right():
    section, (text, _) = example()
    found = open_instances(text, "chat.yaml")
    assert f"= {len(found)} instances" in section
    names = [one.name for one in found]
    assert re.search(r"after its values: `(.*)`", section)[1] in names


def test_python_on_the_page_runs(tmp_path, monkeypatch):
    text, code = example()[1]
    monkeypatch.chdir(tmp_path)
    text = text.replace("1:4:7", "1:4:2").replace("[20, 40, 60]", "[20]")
    Path("chat.yaml").write_text(text, encoding="utf-8")
    space = {}
    exec(code.rsplit("\n", 2)[0], space)
    pivot = eval(code.splitlines()[-1], space)
    assert pivot.shape == (2, 2)
    assert pivot.notna().all().all()
