"""Properties of every picture: no text on another, none cut, legends that say what is drawn."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import drawn_figures
import fleet_plans
import numpy as np
import pytest
from test_fleet_plots import busy

import planner
from planner.analysis.explain import explain
from planner.analysis.fleet.robustness import PriceOfRobustness, Robust
from planner.analysis.fleet.stress_test import Headroom, Headrooms, Stress
from planner.analysis.frontier import frontier
from planner.analysis.parameter_sweep import over
from planner.problem.instance import Instance
from planner.reporting.explanation_text import assumed
from planner.reporting.plots import style
from planner.reporting.plots.fleet_plan import plot_use, plot_workloads
from planner.reporting.plots.fleet_what_if import plot_headrooms, plot_robustness, plot_stress
from planner.reporting.plots.frontier import (
    frontier_lines,
    over_lines,
    plot_best,
    plot_frontiers,
)
from planner.reporting.plots.tornado import plot_tornado
from planner.reporting.tornado import tornado

INSTANCES = Path(__file__).parents[2] / "instances"
NAMES = (
    "chat",
    "$x$ and $y",
    "_hidden",
    "a very long name of an instance that somebody derived from a ticket, a team and a date, " * 2,
    "x" * 200,
    "50 % <b>&amp; \\frac{1}{2}",
    "模型 для",
)
CHAT = {
    "workload": {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 40,
        "tokens_per_second": 9000,
    },
    "pools": [
        {"accelerator": "h100-sxm", "gpus": 16},
        {"name": "cards", "accelerator": "l40s", "gpus": 16},
    ],
    "search": {"batch": [1, 8, 32, 64], "tensor_parallel": [1, 2], "pipeline_parallel": [1]},
}


def instance(name="chat", **changed):
    return Instance.model_validate({"name": name, **CHAT, **changed})


def figure_of(draw, *words, **more):
    """Draw, and return the figure after the properties that hold for all of them are checked."""
    with drawn_figures.kept() as figures:
        draw(*words, **more)
    (figure,) = figures
    assert drawn_figures.overlaps(figure) == []
    assert drawn_figures.outside(figure) == []
    return figure


def texts(figure):
    return [text for text, _ in drawn_figures.boxes(figure)]


@cache
def explained(name):
    return explain(planner.read_instance(INSTANCES / name / "instance.yaml"))


@pytest.mark.parametrize(
    "name", ["llama-70b-chat", "gemma-27b-consumer-cards", "llama-405b-fastest", "smallest"]
)
@pytest.mark.parametrize("width", [2.6, 3.4])
def test_a_tornado_has_room_for_all_it_says(name, width, tmp_path):
    found = explained(name)
    figure = figure_of(plot_tornado, tmp_path / "t.svg", found, width)
    (axes,) = figure.axes
    inner = axes.get_window_extent()
    ends = [text for text in axes.texts if text.get_text()]
    assert len(ends) == sum(bool(bar.text) for bar in tornado(found).bars)
    for text in ends:
        box = text.get_window_extent()
        assert inner.x0 - 1 <= box.x0 and box.x1 <= inner.x1 + 1


def test_a_tornado_states_values_with_their_units_and_the_accelerators(tmp_path):
    said = "\n".join(
        texts(figure_of(plot_tornado, tmp_path / "t.svg", explained("llama-70b-chat")))
    )
    for line in ("demand\n20,000 tokens/s", "speed asked for\n40 tokens/s", "$2.00/h each"):
        assert line in said
    assert "$ per hour" in said and "× h100-sxm" in said
    found = explained("gemma-27b-consumer-cards")
    said = "\n".join(texts(figure_of(plot_tornado, tmp_path / "t.svg", found)))
    assert "price of gaming\nrtx-4090, " in said


def test_values_of_fields_have_units():
    assert assumed("tokens_per_second", 2500.0) == "2,500 tokens/s"
    assert assumed("usable_memory_fraction", 0.9) == "90\N{NO-BREAK SPACE}%"
    assert assumed("dollars_per_gpu_hour", 0.0) == "$0.00/h each"
    assert assumed("expert_imbalance", 1.25) == "1.25"


def test_the_legend_of_a_tornado_has_what_is_drawn(tmp_path):
    for name in ("llama-70b-chat", "gemma-27b-consumer-cards", "smallest"):
        figure = figure_of(plot_tornado, tmp_path / "t.svg", explained(name))
        bars = list(tornado(explained(name)).bars)
        wanted = {
            "another layout": any(bar.moves for bar in bars),
            "another batch": any(bar.differs and not bar.moves for bar in bars),
            "no deployment would do": any(bar.impossible for bar in bars),
        }
        legend = drawn_figures.explained(figure)
        assert legend[:2] == ["10 % lower", "10 % higher"]
        assert legend[2:] == [text for text, drawn in wanted.items() if drawn]
    pools = [{"accelerator": "h100-sxm", "gpus": 1}]
    little = {**CHAT["workload"], "tokens_per_second": 4000}
    tight = explain(instance(pools=pools, workload=little), by=0.9)
    assert any(bar.impossible for bar in tornado(tight).bars)
    figure = figure_of(plot_tornado, tmp_path / "t.svg", tight)
    assert "no deployment would do" in drawn_figures.explained(figure)


@pytest.mark.parametrize("name", NAMES)
def test_a_tornado_bears_any_name(name, tmp_path):
    found = explained("gemma-27b-consumer-cards")
    plan = replace(found.plan, instance=name, pool=name)
    rows = [
        replace(row, assumption=row.assumption.replace("gaming", name))
        for row in found.sensitivities
    ]
    figure_of(
        plot_tornado, tmp_path / "t.svg", replace(found, plan=plan, sensitivities=tuple(rows))
    )
    ElementTree.parse(tmp_path / "t.svg")


@cache
def chat_frontier():
    return frontier(instance())


def called(name):
    found = chat_frontier()
    points = tuple(replace(point, instance=name) for point in found.points)
    asked = found.instance.model_copy(update={"name": name})
    return replace(found, instance=asked, points=points)


@pytest.mark.parametrize("width", [2.6, 7.0])
@pytest.mark.parametrize("names", [NAMES[:1], NAMES[:2], NAMES])
def test_frontiers_are_told_apart(names, width, tmp_path):
    found = [called(name) for name in names]
    figure = figure_of(plot_frontiers, tmp_path / "f.svg", frontier_lines(found), "", width)
    legend = drawn_figures.explained(figure)
    assert "target 40 tokens/s" in legend and "cheapest at the target" in legend
    assert len(legend) == len(set(legend)) == (len(names) if len(names) > 1 else 0) + 2
    if names == NAMES:
        assert {"chat", "$x$ and $y", "_hidden"} <= set(legend)
        assert sum("…" in text for text in legend) >= 2
    assert {"tokens/s per request", "$ per million output tokens"} <= set(texts(figure))


def test_near_targets_and_ceilings_are_named_beside_each_other(tmp_path):
    found = [
        frontier(
            instance(
                f"at {speed}",
                workload={**CHAT["workload"], "tokens_per_second_per_request": speed},
                dollars_per_million_tokens_at_most=speed / 20,
            )
        )
        for speed in (35, 36, 40)
    ]
    figure = figure_of(plot_frontiers, tmp_path / "f.svg", frontier_lines(found))
    legend = drawn_figures.explained(figure)
    assert "target 35, 36 and 40 tokens/s" in legend
    assert "at most $1.75, $1.8 and $2 per million tokens" in legend
    dotted = [line for line in figure.axes[0].get_lines() if line.get_linewidth() < 0.8]
    assert len(dotted) == 6


def test_a_frontier_of_one_point(tmp_path):
    found = replace(chat_frontier(), points=chat_frontier().points[:1])
    figure_of(plot_frontiers, tmp_path / "f.png", frontier_lines([found]))


def test_values_of_a_field_are_named_with_their_unit(tmp_path):
    found = over(instance(), "workload.input_tokens", range(500, 5500, 500))
    figure = figure_of(plot_frontiers, tmp_path / "f.svg", over_lines([found]), found.field)
    assert "prompt (tokens)" in texts(figure)
    legend = drawn_figures.explained(figure)
    assert legend[0] == "500" and "5,000" in legend and len(legend) == 9
    found = [
        over(instance(name), "workload.input_tokens", (500, 1000), best=True) for name in NAMES[:4]
    ]
    figure = figure_of(plot_best, tmp_path / "b.svg", found)
    assert drawn_figures.explained(figure)[:3] == list(NAMES[:3])


def stressed(name, workloads=3, periods=2):
    factors = (1.0, 1.5, 2.0)
    share = np.ones((3, workloads, periods)) / np.array(factors)[:, None, None]
    return Stress(
        name,
        tuple(f"{name} {w}" for w in range(workloads)),
        tuple(map(str, range(periods))),
        factors,
        share,
        share.mean(axis=(1, 2)),
        np.zeros(3),
        (("a", "0"),) * 3,
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_if_pictures_bear_any_name(name, tmp_path):
    two = [("steady", stressed(name)), (name, stressed(name))]
    figure = figure_of(plot_stress, tmp_path / "s.svg", two)
    assert drawn_figures.explained(figure)[:2] == [
        "steady, all requests",
        "steady, the worst workload and period",
    ]
    rooms = [Headroom(part, "optimal", 40 + part, 0.0, 1, 0.5, 0) for part in (0, 0.1, 0.11, 0.9)]
    figure_of(plot_headrooms, tmp_path / "h.svg", Headrooms(name, 1.5, tuple(rooms)))
    same = [Headroom(part, "optimal", 40.0, 0.0, 1, 0.5, 0) for part in (0, 0.1, 0.2)]
    figure = figure_of(plot_headrooms, tmp_path / "h.svg", Headrooms(name, 1.5, tuple(same)))
    assert "0%–20%" in texts(figure)
    rows = [Robust(n, "optimal", 1.0, 1.0, 0, 0.1 * n, 0.1 * n, 0.11 * n) for n in range(3)]
    figure = figure_of(plot_robustness, tmp_path / "r.svg", PriceOfRobustness(name, 0.5, rows))
    assert len(drawn_figures.explained(figure)) == 2


def test_stress_explains_only_lines_that_are_drawn(tmp_path):
    for workloads, periods, legend in (
        (1, 1, ["fleet 0"]),
        (1, 2, ["fleet 0", "the worst period"]),
        (2, 1, ["all requests", "the worst workload and period"]),
    ):
        found = [("plan", stressed("fleet", workloads, periods))]
        figure = figure_of(plot_stress, tmp_path / "s.svg", found)
        assert drawn_figures.explained(figure) == legend
        lines = figure.axes[0].get_lines()
        assert len(lines) == len(legend)
        handles = figure.legends[0].get_lines()
        assert [one.get_linestyle() for one in handles] == [one.get_linestyle() for one in lines]
        assert [one.get_color() for one in handles] == [one.get_color() for one in lines]


@pytest.mark.parametrize("draw", [plot_use, plot_workloads])
@pytest.mark.parametrize("width", [3.4, 7.0])
@pytest.mark.parametrize("size", [(1, 1, 1), (24, 7, 3), (24, 100, 12), (24, 100, 50)], ids=str)
def test_plans_of_every_size(draw, width, size, tmp_path):
    figure_of(draw, tmp_path / "p.svg", busy(*size), width)


@pytest.mark.parametrize("draw", [plot_use, plot_workloads])
@pytest.mark.parametrize("name", NAMES)
def test_plans_with_any_names(draw, name, tmp_path):
    plan = busy(24, 5, 3)
    plan = replace(
        plan,
        fleet=name,
        workloads=tuple(f"{name} {at}" for at in range(5)),
        pools=tuple(f"{name} {at}" for at in range(3)),
        periods=tuple(f"{name} {at}" for at in range(24)),
        supply=np.array([100.0, np.inf, 7.0]),
    )
    figure_of(draw, tmp_path / "p.svg", plan, accelerators=("h100-sxm",) * 3)
    ElementTree.parse(tmp_path / "p.svg")


def test_unused_pools_are_named_and_not_drawn(tmp_path):
    plan = busy(24, 2, 5)
    figure = figure_of(plot_workloads, tmp_path / "p.svg", plan, accelerators=("h100-sxm",) * 5)
    unused = "unused: pool 2 (h100-sxm), pool 3 (h100-sxm), pool 4 (h100-sxm)"
    assert any(unused in text for text in texts(figure))
    assert len(figure.axes) == 2
    nothing = replace(
        plan,
        replicas=replace(plan.replicas, gpus=plan.replicas.gpus * 0),
        purchases=replace(plan.purchases, gpus=plan.purchases.gpus * 0),
    )
    figure = figure_of(plot_workloads, tmp_path / "p.svg", nothing)
    assert "no GPUs" in texts(figure)
    assert "pool 1, unused" in texts(figure_of(plot_use, tmp_path / "p.svg", nothing))


def test_pools_are_named_with_their_accelerators(tmp_path):
    plan = fleet_plans.shop()[2]
    kinds = ("h100-sxm", "l40s")
    said = texts(figure_of(plot_use, tmp_path / "p.svg", plan, accelerators=kinds))
    assert "h100-eu (h100-sxm), of 32" in said and "% of GPUs in use" in said
    figure = figure_of(plot_workloads, tmp_path / "p.svg", plan, accelerators=kinds)
    assert "l40s-us (l40s), 20 GPUs" in texts(figure) and "GPUs" in texts(figure)


def test_the_legend_of_a_plan_has_what_is_bought(tmp_path):
    plan = fleet_plans.shop()[2]
    figure = figure_of(plot_workloads, tmp_path / "p.svg", plan)
    bought = ["bought reserved", "with on demand", "with spot"]
    assert [text for text in drawn_figures.explained(figure) if text in bought] == bought
    rented = replace(plan.purchases, market=plan.purchases.market * 0 + 1)
    figure = figure_of(plot_workloads, tmp_path / "p.svg", replace(plan, purchases=rented))
    assert "bought on demand" in drawn_figures.explained(figure)
    assert "with spot" not in drawn_figures.explained(figure)


def test_long_texts_keep_both_ends():
    text = style.shortened("alpha" * 40 + "omega", 1.0, 7)
    assert text.startswith("alpha") and text.endswith("ega") and "…" in text
    assert style.breadth(text, 7) <= 1.0
    assert style.shortened("short", 1.0, 7) == "short"
    lines = style.wrapped("one two three four five six seven eight nine ten", 1.0, 7, 2)
    assert lines.count("\n") == 1 and lines.endswith("ten") and "…" in lines
