"""Predictions against measurements, and against the data sheets that none may beat."""

from __future__ import annotations

import importlib.util
import math
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from planner import catalogue
from planner.catalogue.accelerator import PRECISIONS, Accelerator
from planner.catalogue.attention import GroupedQuery
from planner.catalogue.profile import Measured, Profile
from planner.catalogue.transformer import Transformer
from planner.terms.calibration import rates
from planner.terms.forward import forward
from planner.terms.forward_pass import ForwardPass, Precision

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "accuracy.py"
DATA = os.environ.get("PLANNER_DATA")
FITTED = ("ada", "ampere", "blackwell", "hopper")
SLACK = 0.01
OVERHEAD_2024 = 79.5e-6

needs_data = pytest.mark.skipif(
    not DATA, reason="PLANNER_DATA is unset: it names the folder with the measurements"
)


@pytest.fixture(scope="module")
def accuracy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("accuracy", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured(accuracy):
    return accuracy.load(Path(DATA))


@pytest.fixture(scope="module")
def calibrated() -> Profile:
    return catalogue.profile("calibrated")


def median_error(accuracy, measured, profile: Profile, family: str) -> float:
    rows = measured[measured.family == family]
    return float(accuracy.compare(rows, profile, ["family"])["median"].iloc[0])


@needs_data
@pytest.mark.parametrize("family", FITTED)
def test_median_error_is_what_the_profile_claims(accuracy, measured, calibrated, family):
    claimed = calibrated.families[family].median_error
    assert median_error(accuracy, measured, calibrated, family) <= claimed + SLACK
    assert median_error(accuracy, measured, calibrated, family) == pytest.approx(claimed, abs=6e-4)


@needs_data
@pytest.mark.parametrize("family", FITTED)
def test_samples_are_the_rows_used(measured, calibrated, family):
    assert calibrated.families[family].samples == (measured.family == family).sum()


@needs_data
@pytest.mark.parametrize("family", FITTED)
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_another_memory_efficiency_breaks_the_claim(accuracy, measured, calibrated, family, factor):
    fitted = calibrated.families[family]
    other = accuracy.altered(
        calibrated, family, memory_efficiency=fitted.memory_efficiency * factor
    )
    assert median_error(accuracy, measured, other, family) > fitted.median_error + SLACK


@needs_data
def test_hopper_efficiencies_fit_clean_decoding_steps_with_the_overhead_of_their_time(
    accuracy, measured, calibrated
):
    rows = measured[(measured.source == "dli") & measured.gpu.isin(["h100-sxm", "h200-sxm"])]
    then = accuracy.altered(calibrated, "hopper", layer_seconds=OVERHEAD_2024)
    assert len(rows) == 719
    table = accuracy.compare(rows, then, ["source"])
    assert table["median"].iloc[0] <= 0.053 + SLACK
    assert abs(table["signed"].iloc[0]) <= SLACK


@needs_data
@pytest.mark.parametrize(("worst", "tp"), [(0.20, 2), (0.08, 4), (0.11, 8)])
def test_all_reduces_over_pcie_are_not_several_times_off(accuracy, measured, calibrated, worst, tp):
    rows = measured[(measured.gpu == "l40s") & (measured.tp == tp)]
    assert accuracy.compare(rows, calibrated, ["tp"])["median"].iloc[0] <= worst


@needs_data
def test_the_script_prints_the_table(accuracy, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["accuracy.py"])
    accuracy.main()
    printed = capsys.readouterr().out
    assert "median" in printed and "blackwell" in printed


def test_the_script_says_what_it_needs(accuracy, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["accuracy.py"])
    monkeypatch.delenv("PLANNER_DATA", raising=False)
    with pytest.raises(SystemExit) as stopped:
        accuracy.main()
    assert stopped.value.code == 2
    assert "PLANNER_DATA" in capsys.readouterr().err


@pytest.mark.parametrize("name", catalogue.accelerator_names())
def test_every_accelerator_has_rates_within_its_data_sheet(calibrated, name):
    sheet = catalogue.accelerator(name)
    found = rates(sheet, calibrated)
    assert set(found.flop_per_second) == set(sheet.flop_per_second)
    for precision, flop in found.flop_per_second.items():
        assert 0 < flop <= sheet.flop_per_second[precision]
    assert 0 < found.memory_bytes_per_second <= sheet.memory_bytes_per_second
    assert 0 < found.memory_bytes <= sheet.memory_bytes
    assert found.layer_seconds > 0 and found.step_seconds >= 0
    assert found.combine_power >= 1
    net = found.collectives
    for curve in net.curves.values() if isinstance(net, Measured) else ():
        assert list(curve.seconds) == sorted(curve.seconds)
        assert all(0 < number < math.inf for number in (*curve.seconds, curve.bytes_per_second))


def test_efficiencies_are_plausible(calibrated):
    for family in calibrated.families.values():
        by_precision = family.arithmetic_efficiency_by_precision.values()
        for efficiency in (family.arithmetic_efficiency, *by_precision):
            assert 0 < efficiency <= 0.95
        assert 0 < family.memory_efficiency <= 0.95


TP = (1, 8)
BATCH = (1, 256)
CONTEXT = (128, 8192)


def roofline(
    llm: Transformer, sheet: Accelerator, weights: str, case: tuple[int, int, int]
) -> float:
    """Least seconds of a decoding step at every number of the data sheet, in plain Python."""
    tp, batch, context = case
    cached = attended = 0
    for group in llm.layers:
        heads = group.attention
        if isinstance(heads, GroupedQuery):
            positions = min(context, heads.window or context)
            width = heads.query_heads * (heads.head_dim + (heads.value_dim or heads.head_dim))
            cached += group.count * heads.cache_elements() * positions
            attended += group.count * 2 * width * positions
        elif heads is not None and heads.kind == "latent" and heads.indexer is None:
            cached += group.count * heads.cache_elements() * context
    read = llm.active_parameters * PRECISIONS[weights] + batch * cached * 2.0
    peak = max(sheet.flop_per_second.get(weights, 0.0), sheet.flop_per_second["bf16"])
    flop = batch * (2 * llm.active_parameters + attended)
    return max(read / sheet.memory_bytes_per_second, flop / peak) / tp


@pytest.mark.parametrize("name", catalogue.accelerator_names())
@pytest.mark.parametrize("weights", ["bf16", "fp8", "fp4"])
def test_no_prediction_beats_the_data_sheet(calibrated, name, weights):
    sheet = catalogue.accelerator(name)
    found = rates(sheet, calibrated)
    tp, batch, context = np.meshgrid(
        *(np.asarray(axis, dtype=float) for axis in (TP, BATCH, CONTEXT)), indexing="ij"
    )
    one = np.asarray(1.0)
    for slug in catalogue.transformer_names():
        llm = catalogue.transformer(slug)
        step = forward(
            llm,
            Precision(weights),
            found,
            calibrated.switches,
            ForwardPass(tp, one, batch, one, context),
        ).step
        for index in np.ndindex(step.shape):
            case = (int(tp[index]), int(batch[index]), int(context[index]))
            least = roofline(llm, sheet, weights, case)
            assert step[index] >= least, f"{slug} {weights} {case}: {step[index]} < {least}"
