"""Pictures of fleets' plans: what is drawn, and that labels fit."""

import itertools
from dataclasses import replace
from xml.etree import ElementTree

import fleet_plans
import numpy as np
import pytest

from planner.errors import InputError, OutputError
from planner.plans.fleet_plan import Purchases, Replicas, Service
from planner.reporting.plots import fleet_plan
from planner.reporting.plots.fleet_plan import plot_use, plot_workloads


def texts(path):
    """Return the texts of an SVG picture."""
    root = ElementTree.parse(path).getroot()
    return ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("text")]


def busy(periods, workloads, pools, name="Mon {:02d}:00"):
    """Return a plan in which workload w takes w + 1 accelerators of pool w in every period."""
    w = np.repeat(np.arange(workloads), periods)
    zeros, ones = np.zeros(len(w), dtype=np.int64), np.ones(len(w))
    bought = np.bincount(np.arange(workloads) % pools, np.arange(workloads) + 1.0, pools)
    none = np.full(pools, np.nan)
    return replace(
        fleet_plans.shop()[2],
        prices=None,
        fleet="busy",
        workloads=tuple(f"workload {at}" for at in range(workloads)),
        pools=tuple(f"pool {at}" for at in range(pools)),
        periods=tuple(name.format(at % 24) for at in range(periods)),
        hours=np.ones(periods),
        supply=np.full(pools, np.inf),
        replicas=Replicas(
            w,
            np.tile(np.arange(periods), workloads),
            w % pools,
            zeros > 0,
            zeros,
            zeros,
            zeros + 1,
            w + 1,
            ones,
            ones,
            ones,
            zeros,
            ones * np.nan,
            ones * np.nan,
            zeros,
            w + 1,
            ones * np.nan,
            ones * np.nan,
            None,
            ("one",),
            ("instance",),
            zeros,
            ({},),
        ),
        purchases=Purchases(
            np.arange(pools), zeros[:pools], zeros[:pools] - 1, bought, none, none, none, none, none
        ),
        service=Service(*(np.ones((workloads, periods)),) * 4, np.ones(workloads, dtype=np.int64)),
    )


@pytest.mark.parametrize("draw", [plot_use, plot_workloads])
@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_pictures_are_the_same_every_time(draw, suffix, tmp_path):
    _, _, plan = fleet_plans.shop()
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    draw(one, plan)
    draw(other, plan)
    assert one.read_bytes() == other.read_bytes()
    starts = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    assert one.read_bytes().startswith(starts[suffix])


@pytest.mark.parametrize("draw", [plot_use, plot_workloads])
def test_what_cannot_be_drawn_is_refused(draw, tmp_path):
    _, _, plan = fleet_plans.shop()
    with pytest.raises(InputError, match=r"\.svg"):
        draw(tmp_path / "plan.txt", plan)
    with pytest.raises(OutputError):
        draw(tmp_path / "nowhere" / "plan.svg", plan)
    with pytest.raises(InputError, match="found infeasible, expected a plan that was found"):
        draw(tmp_path / "plan.svg", replace(plan, status="infeasible"))


def test_the_heat_map_has_the_part_in_use(tmp_path):
    plot_use(tmp_path / "use.svg", fleet_plans.shop()[2])
    found = texts(tmp_path / "use.svg")
    # 18 and 6 of 32 accelerators, 13 and 10 of 20.
    for text in ("56", "19", "65", "50", "day", "night", "h100-eu, of 32", "l40s-us, of 20"):
        assert text in found
    assert {"% of GPUs in use", "period", "GPUs in use, shop"} <= set(found)


def test_without_a_limit_the_peak_is_full(tmp_path):
    plot_use(tmp_path / "use.svg", fleet_plans.classy()[2])
    found = texts(tmp_path / "use.svg")
    assert "here, of peak 7" in found
    assert "100" in found


def test_many_periods_have_few_labels_and_no_numbers(tmp_path):
    plot_use(tmp_path / "use.svg", busy(168, 3, 3))
    found = texts(tmp_path / "use.svg")
    named = [text for text in found if text.startswith("Mon")]
    assert 4 <= len(named) <= 8
    assert set(named) == {"Mon 00:00"}  # Whole days apart.
    assert not {"33", "67"} & set(found)


def test_many_workloads_share_one_colour(tmp_path):
    plot_workloads(tmp_path / "area.svg", busy(24, 40, 2))
    found = texts(tmp_path / "area.svg")
    named = [text for text in found if text.startswith("workload")]
    assert named == [f"workload {at}" for at in range(39, 33, -1)]
    assert "34 others" in found
    assert "bought reserved" in found
    assert "all there are" not in found


def test_seven_workloads_are_all_named(tmp_path):
    plot_workloads(tmp_path / "area.svg", busy(24, 7, 2))
    found = texts(tmp_path / "area.svg")
    assert len([text for text in found if text.startswith("workload")]) == 7
    assert not any("others" in text for text in found)


def test_many_pools_are_cut_to_those_used_most(tmp_path):
    plot_workloads(tmp_path / "area.svg", busy(4, 50, 50))
    found = texts(tmp_path / "area.svg")
    assert {"GPUs by workload, busy", "the 12 most used of 50 pools"} <= set(found)
    assert [text for text in found if text.startswith("pool")] == [
        f"pool {at}" for at in range(38, 50)
    ]
    plot_use(tmp_path / "use.svg", busy(4, 50, 50))
    assert "the 40 most used of 50 pools" in texts(tmp_path / "use.svg")


def test_a_limit_is_drawn_where_it_is_near(tmp_path):
    plan = busy(24, 2, 2)
    plot_workloads(tmp_path / "area.svg", replace(plan, supply=np.array([1.0, 200.0])))
    assert "all there are" in texts(tmp_path / "area.svg")
    plot_workloads(tmp_path / "area.svg", replace(plan, supply=np.array([100.0, 200.0])))
    assert "all there are" not in texts(tmp_path / "area.svg")


def test_purchases_lie_on_top_of_each_other():
    _, _, plan = fleet_plans.shop()
    lines = {market: bought.tolist() for market, bought in fleet_plan._bought(plan, 0)}
    assert lines == {0: [8.0, 8.0], 1: [24.0, 8.0]}
    lines = {market: bought.tolist() for market, bought in fleet_plan._bought(plan, 1)}
    assert lines == {1: [5.0, 5.0], 2: [11.0, 10.0]}


@pytest.mark.parametrize(
    ("periods", "width", "name"),
    [(168, 7.0, "Mon {:02d}:00"), (168, 3.4, "{:02d}"), (9, 7.0, "x" * 60), (1, 3.4, "now")],
)
def test_labels_of_periods_do_not_overlap(periods, width, name, tmp_path, monkeypatch):
    axes = []
    name_periods = fleet_plan._name_periods
    monkeypatch.setattr(
        fleet_plan, "_name_periods", lambda one, *rest: (axes.append(one), name_periods(one, *rest))
    )
    for draw in (plot_use, plot_workloads):
        draw(tmp_path / "plan.png", busy(periods, 5, 5, name), width)
    assert len(axes) == 3  # One heat map, and the last of both columns of areas.
    for one in axes:
        one.get_figure(root=True).draw_without_rendering()
        boxes = [label.get_window_extent() for label in one.get_xticklabels()]
        assert boxes
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
