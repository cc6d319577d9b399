"""Estimates: what the planner says of deployments that somebody else chose."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import planner
from planner import cli
from planner.analysis.estimate import COMPUTED, DEFAULTS, estimate
from planner.errors import InputError
from planner.problem.instance import Instance

ESTIMATES_ALONE = ("fits", "longest_context_tokens")
SHARED = [name for name in COMPUTED if name not in ESTIMATES_ALONE]


def resolved(
    profile: str, transformer: str, accelerator: str, prefill: int = 800, **search: object
) -> Instance:
    return Instance.model_validate(
        {
            "name": "asked",
            "workload": {
                "transformer": transformer,
                "input_tokens": prefill,
                "output_tokens": 300,
                "tokens_per_second_per_request": 10,
            },
            "pools": [{"accelerator": accelerator}],
            "search": {"batch": [1, 16, 48], **search},
            "profile": profile,
        }
    )


QUESTIONS = {
    "hopper": resolved("calibrated", "llama-3.1-70b", "h100-sxm"),
    "paper": resolved("paper", "llama-3-8b", "h200-sxm"),
    "stages": resolved("calibrated", "gemma-2-27b", "l40s", pipeline_parallel=4),
    "quantised": resolved("calibrated", "qwen2.5-14b", "b200-sxm", weights="int4", kv="fp8"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_estimate_of_a_plan_is_the_plan(name):
    instance = QUESTIONS[name]
    plan = planner.solve(instance).to_row()
    assert plan["status"] == "optimal"
    columns = ["transformer", "accelerator", "tensor_parallel", "pipeline_parallel", "batch"]
    columns += ["weight_precision", "kv_precision", "profile"]
    asked = {column: plan[column] for column in columns}
    asked |= {"input_tokens": 800, "output_tokens": 300}
    (found,) = planner.estimate(pd.DataFrame([asked])).to_dict("records")
    assert plan["replicas"] == 1
    for column in SHARED:
        assert found[column] == pytest.approx(plan[column], rel=1e-12), column
    assert found["fits"]


def deployments(**columns: object) -> pd.DataFrame:
    """Two deployments; `columns` replace or add some."""
    content = {
        "transformer": "llama-3.1-8b",
        "accelerator": "h100-sxm",
        "tensor_parallel": [1, 2],
        "batch": [4, 8],
        **columns,
    }
    return pd.DataFrame(content)


def test_left_out_columns_have_their_defaults():
    short = estimate(deployments())
    spelt_out = estimate(deployments(**DEFAULTS))
    pd.testing.assert_frame_equal(short[spelt_out.columns], spelt_out)
    assert DEFAULTS["profile"] == "calibrated"
    assert {name: short[name].iloc[0] for name in DEFAULTS} == dict(DEFAULTS)


def test_empty_cells_have_the_defaults_too():
    for name, value in DEFAULTS.items():
        cells = pd.Series([None, value], dtype=object)
        full = estimate(deployments())
        pd.testing.assert_frame_equal(
            estimate(deployments(**{name: cells}))[list(COMPUTED)], full[list(COMPUTED)]
        )


def test_the_callers_table_is_left_alone():
    asked = deployments(input_tokens=[None, 10.0])
    before = asked.copy()
    estimate(asked)
    pd.testing.assert_frame_equal(asked, before)


def test_other_columns_are_carried_and_the_order_of_rows_stays():
    asked = pd.concat(
        [
            deployments(transformer=name, accelerator=machine, note=[f"{name} 1", f"{name} 2"])
            for name, machine in (
                ("llama-3.1-70b", "h200-sxm"),
                ("llama-3.1-8b", "l40s"),
                ("gemma-3-27b", "mi300x"),
            )
        ]
    ).iloc[[3, 0, 5, 1, 4, 2]]
    found = estimate(asked)
    assert list(found.index) == list(range(6))
    for column in asked.columns:
        assert list(found[column]) == list(asked[column])
    assert list(found.columns)[-len(COMPUTED) :] == list(COMPUTED)
    for row in range(6):
        alone = estimate(asked.iloc[[row]])
        for column in COMPUTED:
            assert found[column].iloc[row] == alone[column].iloc[0]


def test_aliases_are_names_too():
    by_alias = estimate(deployments(transformer="meta-llama/Llama-3.1-8B-Instruct"))
    assert (by_alias["step_seconds"] == estimate(deployments())["step_seconds"]).all()


def test_speed_and_cost_follow_from_the_times():
    found = estimate(deployments(dollars_per_gpu_hour=[1.8, None]))
    tpot = found.step_seconds + found.stall_seconds
    np.testing.assert_allclose(found.tpot_seconds, tpot)
    np.testing.assert_allclose(found.tokens_per_second_per_request, 1 / tpot)
    np.testing.assert_allclose(found.tokens_per_second, found.batch / tpot)
    first = found.iloc[0]
    assert first.dollars_per_gpu_hour == 1.8
    assert first.dollars_per_million_tokens == pytest.approx(
        1e6 * 1.8 / 3600 / first.tokens_per_second
    )
    catalogued = estimate(deployments())["dollars_per_gpu_hour"]
    assert found.dollars_per_gpu_hour[1] == catalogued[1] > 0


def test_without_a_price_there_are_times_and_no_cost():
    found = estimate(deployments(accelerator="h800-sxm"))
    assert found[["dollars_per_gpu_hour", "dollars_per_million_tokens"]].isna().all(axis=None)
    assert (
        found.drop(columns=["dollars_per_gpu_hour", "dollars_per_million_tokens"])
        .notna()
        .all(axis=None)
    )
    priced = estimate(deployments(accelerator="h800-sxm", dollars_per_gpu_hour=2.0))
    assert (priced.dollars_per_million_tokens > 0).all()


def test_fits_compares_memory_with_what_is_usable():
    found = estimate(deployments(transformer="llama-3.1-70b", tensor_parallel=[1, 8]))
    assert list(found.fits) == [False, True]
    assert list(found.memory_bytes_per_gpu <= found.usable_memory_bytes_per_gpu) == [False, True]
    assert found.memory_bytes_per_gpu[0] > 70e9 * 2


def test_the_longest_context_fits_and_one_more_token_does_not():
    shown = {"accelerator": "l40s", "tensor_parallel": [1, 1, 1], "batch": [32, 64, 4]}
    found = estimate(deployments(**shown))
    for row, tokens in enumerate(found.longest_context_tokens):
        lengths = [tokens - 500] if tokens == 131072 else [tokens - 500, tokens - 499]
        again = estimate(
            deployments(
                **{
                    name: [value[row] if name != "accelerator" else value] * len(lengths)
                    for name, value in shown.items()
                },
                input_tokens=lengths,
                output_tokens=500,
            )
        )
        assert list(again.fits) == [True, False][: len(lengths)]
    page = (Path(__file__).parents[2] / "docs" / "memory.md").read_text(encoding="utf-8")
    assert f": {found.longest_context_tokens[0]:,} tokens" in page


def test_nothing_is_long_enough_where_weights_do_not_fit():
    found = estimate(deployments(transformer="llama-3.1-70b", tensor_parallel=[1, 1]))
    assert list(found.longest_context_tokens) == [0, 0]
    assert list(found.max_concurrency) == [0, 0]


def test_the_most_requests_fill_the_pool():
    found = estimate(deployments(batch=[8, 8], tensor_parallel=[1, 1]))
    each = 131072 * 1500
    left = found.usable_memory_bytes_per_gpu - found.memory_bytes_per_gpu + 8 * each
    np.testing.assert_allclose(found.cache_pool_bytes_per_gpu, left)
    assert list(found.max_concurrency) == [int(left[0] // each)] * 2


def test_an_empty_table_stays_empty_and_has_the_columns():
    found = estimate(deployments().iloc[:0])
    assert len(found) == 0
    assert list(found.columns) == list(estimate(deployments()).columns)


WRONG = {
    "transformer": (["llama-3.1-8b", "lama-3.1-8b"], 2, "'lama-3.1-8b'", "llama-3.1-8b"),
    "accelerator": (["h100sxm", "h100-sxm"], 1, "'h100sxm'", "h100-sxm"),
    "tensor_parallel": ([2, 3], 2, "3", "divides the 32 query heads"),
    "pipeline_parallel": ([1, 99], 2, "99", "at most the 32 layers"),
    "batch": ([1, 2.5], 2, "2.5", "a whole number"),
    "weight_precision": (["fp8", "fp7"], 2, "'fp7'", "'bf16'"),
    "kv_precision": (["int4", "fp8"], 1, "'int4'", "'bf16', 'fp8', 'int8' or 'nvfp4'"),
    "input_tokens": ([500, 10**6], 2, "1000500 tokens", "at most the 131072"),
    "output_tokens": ([0, 5], 1, "0", "a whole number"),
    "profile": (["calibrated", "paperr"], 2, "'paperr'", "paper"),
    "dollars_per_gpu_hour": ([-2.0, 1.0], 1, "-2.0", "a positive number"),
}


@pytest.mark.parametrize("column", WRONG)
def test_what_is_wrong_is_told_with_row_and_column(column):
    cells, row, found, expected = WRONG[column]
    with pytest.raises(InputError) as caught:
        estimate(deployments(**{column: cells}))
    (problem,) = caught.value.problems
    assert problem.field == f"row {row}, {column}"
    assert problem.found.startswith(found)
    assert expected in f"{problem.expected} {problem.fix}"


@pytest.mark.parametrize("cell", [math.nan, None, math.inf, -1, 0, 0.5, "two"])
@pytest.mark.parametrize("column", ["tensor_parallel", "batch"])
def test_counts_that_are_none_are_told(column, cell):
    with pytest.raises(InputError, match=f"row 2, {column}: found "):
        estimate(deployments(**{column: pd.Series([1, cell], dtype=object)}))


@pytest.mark.parametrize("column", ["transformer", "accelerator"])
@pytest.mark.parametrize("cell", [None, math.nan, 5, ""])
def test_names_that_are_none_are_told(column, cell):
    good = deployments()[column][0]
    with pytest.raises(InputError) as caught:
        estimate(deployments(**{column: pd.Series([good, cell], dtype=object)}))
    (problem,) = caught.value.problems
    assert problem.field == f"row 2, {column}"


@pytest.mark.parametrize("cell", ["much", math.inf, 0])
def test_prices_that_are_none_are_told(cell):
    with pytest.raises(InputError, match="row 2, dollars_per_gpu_hour: found "):
        estimate(deployments(dollars_per_gpu_hour=pd.Series([1.0, cell], dtype=object)))


def test_all_that_is_wrong_is_told_at_once():
    asked = pd.concat(
        [deployments(transformer="x"), deployments(accelerator="y"), deployments(profile="z")]
    )
    with pytest.raises(InputError) as caught:
        estimate(asked)
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["row 1, transformer", "row 3, accelerator", "row 5, profile"]


def test_missing_columns_are_told_with_did_you_mean():
    asked = deployments().rename(columns={"tensor_parallel": "tensor_paralel"})
    with pytest.raises(InputError) as caught:
        estimate(asked.drop(columns="batch"))
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["tensor_parallel", "batch"]
    assert "Did you mean tensor_paralel?" in str(caught.value)


def run(monkeypatch, *words) -> int:
    monkeypatch.setattr("sys.argv", ["planner", "estimate", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stopped:
        return stopped.code or 0
    return 0


def test_csv_in_csv_out(tmp_path, monkeypatch, capsys):
    asked = deployments(note=["a", None], accelerator=["h100-sxm", "h800-sxm"])
    asked.to_csv(tmp_path / "asked.csv", index=False)
    assert run(monkeypatch, tmp_path / "asked.csv", "--csv", tmp_path / "found.csv") == 0
    found, expected = pd.read_csv(tmp_path / "found.csv"), estimate(asked)
    assert list(found.columns) == list(expected.columns)
    for column in COMPUTED:
        np.testing.assert_allclose(
            found[column].to_numpy(dtype=float), expected[column].to_numpy(dtype=float), rtol=1e-11
        )
    assert run(monkeypatch, tmp_path / "asked.csv") == 0
    assert capsys.readouterr().out == (tmp_path / "found.csv").read_text()
    assert run(monkeypatch, tmp_path / "found.csv", "--csv", tmp_path / "again.csv") == 0
    assert list(pd.read_csv(tmp_path / "again.csv").step_seconds) == list(found.step_seconds)


@pytest.mark.parametrize("content", [None, b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'a\n"'])
def test_files_that_hold_no_deployments_are_told(tmp_path, monkeypatch, capsys, content):
    path = tmp_path / "asked.csv"
    if content is not None:
        path.write_bytes(content)
    assert run(monkeypatch, path) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "found" in told.err
    assert "Traceback" not in told.err


def test_fp4_names_the_cache_of_four_bits():
    asked = {"transformer": "llama-3.1-8b", "accelerator": "b200-sxm", "tensor_parallel": 1}
    rows = [asked | {"batch": 8, "kv_precision": name} for name in ("nvfp4", "fp4", "bf16")]
    found = planner.estimate(pd.DataFrame(rows))["tokens_per_second"].tolist()
    assert found[0] == found[1] > found[2]
