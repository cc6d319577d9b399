"""The page about a fleet: well-formed, the same every time, and true to the plan."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from test_html_report import Page

import planner
from planner.plans.fleet_plan import FleetPlan
from planner.reporting.html.page import written_fleet

INSTANCES = Path(__file__).parents[2] / "instances"
HOSTILE = "</title><script>alert(1)</script><img src=https://example.org/x>'\""
FLEETS = ("day", "day-and-night", "deepseek-most-traffic", "melange")


@pytest.fixture(scope="module", params=FLEETS)
def plan(request: pytest.FixtureRequest) -> FleetPlan:
    return planner.solve(planner.read_instance(INSTANCES / request.param))


def told(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_the_page_is_well_formed_and_loads_nothing(plan: FleetPlan) -> None:
    html = written_fleet(plan)
    page = Page(html)
    for name, attributes in page.elements:
        assert name not in {"iframe", "object", "embed"}
        assert not str(attributes.get("src") or "").startswith(("http", "//"))
        assert "style" not in attributes, name
    assert written_fleet(plan) == html


def test_it_tells_what_the_plan_says(plan: FleetPlan) -> None:
    words = told(written_fleet(plan))
    assert f"${plan.dollars_per_hour:,.2f} an hour" in words
    for name in (*plan.workloads, *(pool for pool in plan.pools)):
        assert name in words
    for label in {plan.replicas.labels[at] for at in plan.replicas.label.tolist()}:
        assert label in words
    assert plan.fleet_digest in words
    if plan.traffic is not None:
        assert f"{plan.traffic.requests_per_second:,.4g} requests a second" in words
    assert ("Refused requests" in words) == bool((plan.service.shed > 0).any())


def test_bars_of_the_pools_add_up_to_the_plan(plan: FleetPlan) -> None:
    html = written_fleet(plan)
    if len(plan.periods) == 1:
        assert "GPUs by workload" not in html
        return
    wide = "".join(re.findall(r'<svg[^>]*class="chart wide"[^>]*>.*?</svg>', html, re.DOTALL))
    drawn = re.findall(r"<title>[^<]+, [^<]+\n([\d,]+) GPUs</title>", wide)
    assert sum(int(one.replace(",", "")) for one in drawn) == plan.replicas.gpus.sum()


def test_names_are_data(tmp_path: Path) -> None:
    text = (INSTANCES / "day-and-night" / "instance.yaml").read_text(encoding="utf-8")
    fleet = planner.read_instance(INSTANCES / "day-and-night")
    assert "name: chat" in text
    first = fleet.workloads[0].model_copy(update={"name": HOSTILE})
    hostile = fleet.model_copy(update={"name": HOSTILE, "workloads": (first, *fleet.workloads[1:])})
    html = written_fleet(planner.solve(hostile))
    page = Page(html)
    assert sum(name == "script" for name, _ in page.elements) == 1
    assert not any(name == "img" for name, _ in page.elements)


def test_the_command_writes_it(tmp_path: Path, run) -> None:
    out = tmp_path / "fleet.html"
    assert run("report", INSTANCES / "melange", "-o", out, "--title", "All").code == 0
    assert "<h1>All</h1>" in out.read_text(encoding="utf-8")


def test_no_plan_says_why(tmp_path: Path, run) -> None:
    (tmp_path / "short.yaml").write_text(
        "workload: {transformer: llama-3.1-70b, tokens_per_second_per_request: 40,\n"
        "  requests_per_second: 500, max_deployments: any}\n"
        "pools: {accelerator: h100-sxm, gpus: 4, dollars_per_gpu_hour: 2}\n"
    )
    ran = run("report", tmp_path / "short.yaml", "-o", tmp_path / "no.html")
    assert ran.code == 3
    words = told((tmp_path / "no.html").read_text(encoding="utf-8"))
    assert "Not possible as asked: " in words
    assert "h100-sxm" in words
