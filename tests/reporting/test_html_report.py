"""The report: well-formed, self-contained, the same bytes every time, and true to the plan."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

import planner
from planner.io.output import cell
from planner.plans.plan import Plan, write_csv
from planner.reporting import number_format
from planner.reporting.html import svg
from planner.reporting.html.page import linked, written
from planner.reporting.html.report_data import Findings, gathered

INSTANCES = Path(__file__).parents[2] / "instances"
HOSTILE = "</title><script>alert(1)</script><img src=https://example.org/x>\x07\x85'\""
PRINTED = HOSTILE.replace("\x07\x85", "")
"""The same without what no name may hold."""
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}
SMALL = {
    "name": "small",
    "workload": {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 60,
        "tokens_per_second": 3000,
    },
    "pools": [{"accelerator": "h100-sxm", "gpus": 16}, {"accelerator": "l40s"}],
    "search": {"batch": {"from": 1, "to": 64}},
    "speed_exponent": 2.0,
}


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], dict[str, str | None], str]] = []
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} comes twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes <{self.open[-1][0]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            names = tuple(name for name, _ in self.open)
            self.texts.append((names, self.open[-1][1] if self.open else {}, data))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str) -> list[str]:
        return [data for names, _, data in self.texts if names and names[-1] == tag]

    @property
    def words(self) -> str:
        return " ".join(
            data for names, _, data in self.texts if not {"script", "style"} & set(names)
        ).replace(number_format.SPACE, " ")


def instance(**changes: object) -> planner.Instance:
    return planner.Instance.model_validate(SMALL | changes)


@pytest.fixture(scope="module")
def found() -> Findings:
    return gathered(instance())


@pytest.fixture(scope="module")
def html(found: Findings) -> str:
    return written(found)


@pytest.fixture(scope="module")
def impossible() -> str:
    return planner.report(
        planner.read_instance(INSTANCES / "mistral-large-infeasible-speed" / "instance.yaml")
    )


def many(count: int) -> Iterator[Plan]:
    """Make up plans as a batch would write them."""
    pools = ("h100-sxm", "h200-sxm", "b200-sxm", "l40s", "mi300x", "a10", "t4", "l4")
    for number in range(count):
        if number % 50 == 7:
            yield Plan(instance=f"q{number}", status="infeasible", message="Supply is too short.")
            continue
        angle = number * 0.7
        yield Plan(
            instance=f"q{number}",
            status="optimal",
            transformer=f"t{number % 5}",
            accelerator=pools[number % 8],
            pool=pools[number % 8],
            tensor_parallel=4,
            pipeline_parallel=1,
            batch=number % 64 + 1,
            replicas=2,
            gpus=8,
            weight_precision="fp8",
            dollars_per_hour=16.0,
            dollars_per_million_tokens=math.exp(math.sin(angle)),
            tokens_per_second_per_request=40 * math.exp(math.cos(angle * 1.3)),
            objective_name="dollars_per_hour",
            calibration="measured" if number % 3 else "estimated",
            planner_version="1",
        )


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "plans.csv"
    write_csv(many(200), path)
    return path


@pytest.fixture(scope="module", params=["plan", "impossible", "plans"])
def page(request: pytest.FixtureRequest, html: str, impossible: str, plans: Path) -> str:
    pages = {"plan": html, "impossible": impossible, "plans": planner.report_of_plans(plans)}
    return pages[request.param]


def test_is_well_formed(page: str) -> None:
    read = Page(page)
    assert page.startswith("<!DOCTYPE html>")
    assert read.of("html") == [{"lang": "en"}]
    names = [one["id"] for _, one in read.elements if one.get("id")]
    assert len(names) == len(set(names))
    links = [one["href"] for one in read.of("a") if (one["href"] or "").startswith("#")]
    assert links
    assert {link[1:] for link in links if link} <= set(names)
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_rows_have_a_cell_per_column(page: str) -> None:
    for table in re.findall(r"<table.*?</table>", page, re.S):
        head, body = table.split("</thead>")
        columns = len(re.findall(r"<th\b", head))
        for row in re.findall(r"<tr.*?</tr>", body, re.S):
            assert len(re.findall(r"<t[hd]\b", row)) == columns


def test_loads_nothing(page: str) -> None:
    read = Page(page)
    for tag, attributes in read.elements:
        assert not {"style", "srcset"} & set(attributes), "the policy forbids it"
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "data", "action", "poster"):
            value = attributes.get(name)
            if value is not None and tag != "a":
                assert value.startswith(("#", "data:")), (tag, value)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "fetch(" not in page
    [policy] = [one["content"] for one in read.of("meta") if "http-equiv" in one]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_charts_are_told_to_those_who_cannot_see_them(page: str) -> None:
    charts = [one for one in Page(page).of("svg") if "chart" in (one.get("class") or "")]
    assert len(charts) >= 2
    for one in charts:
        assert one["role"] == "img"
        assert len(one["aria-label"] or "") > 40
        assert one["tabindex"] == "0"


def test_is_the_same_every_time(html: str, found: Findings) -> None:
    again = gathered(instance())
    slower = replace(again.plan, solve_seconds=(again.plan.solve_seconds or 0.0) + 1.0)
    explanation = replace(again.explanation, plan=slower)
    assert written(replace(again, explanation=explanation)) == html
    assert written(found, date="2026-01-02") != html


def test_key_figures_are_those_of_the_plan(found: Findings, html: str) -> None:
    figures = {
        attributes["data-column"]: (attributes["value"], text)
        for _, attributes, text in Page(html).texts
        if attributes.get("class") == "figure"
    }
    assert len(figures) == 5
    row = found.plan.to_row()
    for column, (exact, shown) in figures.items():
        assert exact == cell(row[column])
        scale = 1e-3 if shown.endswith("ms") else 1.0
        number = float(re.sub(r"[^\d.]", "", shown.replace(",", ""))) * scale
        assert number == pytest.approx(row[column], rel=0.006), column


def test_the_answer_comes_first_and_says_what_the_plan_says(found: Findings, html: str) -> None:
    plan, words = found.plan, Page(html).words
    headline = re.search(r'class="headline">(.*?)</p>', html)
    assert headline is not None
    assert html.index(headline[0]) < html.index("<table")
    copies = "one copy" if plan.replicas == 1 else f"{plan.replicas} replicas"
    for said in (
        f"Run {copies} of Llama 3.1 8B",
        f"{plan.gpus} × ",
        f"${plan.dollars_per_hour:.2f} an hour",
        f"{plan.tokens_per_second_per_request:.1f} tokens a second",
        f"{plan.candidates:,} ways",
    ):
        assert said in headline[1]
    assert plan.instance_digest in words
    assert found.resolved.profile.name in words


def test_what_to_launch_is_what_was_chosen(found: Findings, html: str) -> None:
    section = html[html.index('id="launch"') : html.index('id="assumptions"')]
    rows = re.findall(r'<th scope="row">(.*?)</th>\s*<td[^>]*>(.*?)</td>', section, re.S)
    shown, plan = dict(rows), found.plan
    assert shown["Pool"] == plan.pool
    assert shown["Weights"] == plan.weight_precision
    for name, value in (
        ("Replicas", plan.replicas),
        ("Accelerators of one replica", plan.gpus_per_replica),
        ("Tensor parallel", plan.tensor_parallel),
        ("Pipeline parallel", plan.pipeline_parallel),
        ("Batch", plan.batch),
    ):
        assert shown[name] == f"{value}"


def test_times_add_up_to_that_of_a_token(found: Findings, html: str) -> None:
    section = html[html.index('id="time"') : html.index('id="alternatives"')]
    terms = re.findall(r'<tr class="strong">(.*?)</tr>', section, re.S)
    noticeable = [
        float(re.findall(r"<td[^>]*>([\d.,]*)<", row)[1].replace(",", "")) for row in terms
    ]
    assert sum(noticeable[:-1]) == pytest.approx(noticeable[-1], abs=0.003)
    assert noticeable[-1] == pytest.approx(1e3 * (found.plan.tpot_seconds or 0.0), abs=0.001)


def test_the_frontier_tells_its_values(found: Findings, html: str) -> None:
    wide = html[html.index('class="chart wide"') :]
    told = re.findall(r"<use[^>]*><title>(.*?)</title>", wide[: wide.index("</svg>")], re.S)
    first = found.frontier.points[0]
    assert told[0].startswith(number_format.speed(first.tokens_per_second_per_request or 0.0))
    assert 10 < len(told) <= len(found.frontier.points) + 2
    assert any(one.startswith("the plan\n") for one in told)
    assert any(one.startswith("preferred\n") for one in told)


def test_names_cannot_spoil_the_page() -> None:
    asked = instance(
        name=PRINTED,
        pools=[{"accelerator": "h100-sxm", "name": PRINTED}],
        search={"batch": 8},
    )
    text = planner.report(asked, title=None, source=HOSTILE)
    read = Page(text)
    assert len(read.of("script")) == 1
    assert not read.of("img")
    assert read.text("title")[0] == PRINTED
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text)


def test_infeasible_says_why_and_what_would_do(impossible: str) -> None:
    read = Page(impossible)
    headline = re.search(r'class="headline">(.*?)</p>', impossible)
    assert headline is not None
    assert "Not possible at any price: 400 tokens a second" in headline[1]
    words = read.words
    assert "workload.tokens_per_second_per_request: 121" in words
    assert "What is possible" in words
    assert 'id="launch"' not in impossible


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("supply", {"pools": [{"accelerator": "h100-sxm", "gpus": 1}]}),
        ("budget", {"dollars_per_hour_at_most": 0.5}),
        ("memory", {"usable_memory_fraction": 0.001}),
    ],
)
def test_every_reason_has_a_page(kind: str, changes: dict[str, object]) -> None:
    workload = {**SMALL["workload"], "tokens_per_second": 30000}  # type: ignore[dict-item]
    asked = instance(**{"workload": workload, **changes})
    told = gathered(asked)
    assert told.diagnosis is not None, told.plan
    assert told.diagnosis.kind == kind
    text = written(told)
    Page(text)
    assert "Not possible" in text


def test_other_objectives_have_a_page() -> None:
    workload = {"transformer": "llama-3.1-8b"}
    asked = instance(
        workload=workload,
        objective="tokens_per_second_per_request",
        dollars_per_million_tokens_at_most=2.0,
        engine="vllm",
    )
    words = Page(planner.report(asked)).words
    assert "proved the fastest of" in words
    assert "Engine" in words


def test_the_papers_profile_has_a_page() -> None:
    path = INSTANCES / "llama-70b-paper" / "instance.yaml"
    words = Page(planner.report(planner.read_instance(path))).words
    assert "constants are those of the source paper" in words


def test_plans_are_counted_and_summed(plans: Path) -> None:
    words = Page(planner.report_of_plans(plans)).words
    assert "196 of 200 instances have a plan, all proved best; 4 cannot be met" in words
    assert number_format.dollars(196 * 16.0) in words
    assert words.count("Supply is too short.") == 4


def test_many_plans_are_thinned_and_the_page_says_so(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    write_csv(many(10_000), path)
    started = time.monotonic()
    text = planner.report_of_plans(path)
    assert time.monotonic() - started < 15.0
    assert len(text) < 1_000_000
    words = Page(text).words
    drawn = re.search(r"([\d,]+) plans; ([\d,]+) of them lie on or beside a mark", words)
    assert drawn is not None
    wide = text[text.index('class="chart wide"') :]
    marks = wide[: wide.index("</svg>")].count("<use")
    whole, left_out = (int(one.replace(",", "")) for one in drawn.groups())
    assert whole == 9_800
    assert marks == whole - left_out < whole
    assert "The first 500 of 10,000 plans" in words
    assert "The first 20 of 200" in words


def test_what_was_swept_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    rows = [
        replace(plan, sweep=f'{{"workload.input_tokens":{number % 4 * 1000 + 500},"engine":"e"}}')
        for number, plan in enumerate(many(60))
    ]
    write_csv(rows, path)
    text = planner.report_of_plans(path)
    words = Page(text).words
    assert "Over workload.input_tokens" in words
    assert "Over engine" in words
    assert text.count('class="multiple"') == 1
    assert "are alternatives" in words
    assert "Together, per hour" not in words


def test_a_hostile_csv_cannot_spoil_the_page(tmp_path: Path) -> None:
    path = tmp_path / "hostile.csv"
    one = next(many(1))
    rows = [
        replace(one, instance=HOSTILE, accelerator=HOSTILE, pool=HOSTILE, transformer=HOSTILE),
        replace(one, dollars_per_million_tokens=-1.0),
        replace(one, dollars_per_million_tokens=1e300, tokens_per_second_per_request=1e-300),
        Plan(instance="=1+1", status="error", message=HOSTILE * 50),
    ]
    text = write_csv(rows).replace("error,", "<b>odd</b>,", 1)
    odd = write_csv([one]).splitlines()[1].replace(",16,", ",nan,")
    path.write_text(text + odd.replace("measured", "inf") + "\n", encoding="utf-8")
    assert "nan" in odd
    read = Page(planner.report_of_plans(path))
    assert len(read.of("script")) == 1
    assert not read.of("img")
    assert not read.of("b")


def test_a_csv_of_two_columns_will_do(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("instance,status\na,optimal\nb,error\n", encoding="utf-8")
    assert "1 of 2 instances have a plan" in Page(planner.report_of_plans(path)).words


def test_links_are_anchors_and_nothing_else_is() -> None:
    assert linked("<b> arXiv 2506.04645 x") == (
        '&lt;b&gt; <a href="https://arxiv.org/abs/2506.04645" rel="noreferrer">arXiv 2506.04645'
        "</a> x"
    )
    assert str(linked("see https://a.org/b?c=1, and")).count("<a ") == 1
    assert "<a " not in linked("javascript:alert(1)")


@pytest.mark.parametrize(
    ("value", "text"),
    [(80, "$80.00"), (12345.6, "$12,346"), (-8, "−$8.00"), (0.05797, "$0.058"), (0, "$0.00")],
)
def test_dollars(value: float, text: str) -> None:
    assert number_format.dollars(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(40.0, "40"), (42.78, "42.8"), (0.0123, "0.0123"), (1234.5, "1,234"), (1e-9, "1e-09")],
)
def test_plain_numbers(value: float, text: str) -> None:
    assert number_format.plain(value) == text


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize(("low", "high"), [(1.0, 1.02), (0.3, 4.0), (5.0, 9e5), (1e-6, 1e9)])
def test_axes_have_a_few_round_ticks(low: float, high: float, log: bool) -> None:
    scale = svg.fitted([low, high], 0.0, 600.0, log=log)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= svg.MOST_TICKS
    assert ticks == sorted(set(ticks))
    assert all(0.0 <= scale.at(value) <= 600.0 for value in ticks)


def run(*arguments: str) -> tuple[int, str]:
    """Run the command as a shell would."""
    command = [sys.executable, "-m", "planner.cli", "report", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


def test_the_command_writes_the_page_and_tells_by_its_exit_code(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    folder = INSTANCES / "mistral-large-infeasible-speed"
    code, _ = run(str(folder), "-o", str(out), "--title", "Too <fast>")
    assert code == 3
    read = Page(out.read_text(encoding="utf-8"))
    assert read.text("h1") == ["Too <fast>"]


def test_the_command_reads_plans(tmp_path: Path, plans: Path) -> None:
    from planner.cli import app

    out = tmp_path / "plans.html"
    done = CliRunner().invoke(app, ["report", str(plans), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text(encoding="utf-8") == planner.report_of_plans(plans)


def test_mistakes_of_the_command_are_one_message(tmp_path: Path, plans: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("a,b\n1,2\n", encoding="utf-8")
    for arguments, said in (
        ((str(empty), "-o", str(tmp_path / "x.html")), "no plans"),
        ((str(tmp_path / "missing.yaml"), "-o", str(tmp_path / "x.html")), "missing.yaml"),
        ((str(plans), "-o", str(tmp_path / "no" / "x.html")), "cannot write here"),
    ):
        code, told = run(*arguments)
        assert code == 2, told
        assert said in told
        assert "Traceback" not in told


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--window-size=1000,900", "--virtual-time-budget=3000"),
)
PROBE = """
window.addEventListener("load", function () {
  var said = {hover: "", key: "", requests: performance.getEntriesByType("resource").length};
  var chart = document.querySelector("#frontier .chart.wide");
  var tip = function () { var one = document.querySelector("#frontier .tip"); return one && !one.hidden ? one.textContent : ""; };
  var ring = chart.querySelector(".ring"), box = ring.getBoundingClientRect();
  chart.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true}));
  said.hover = tip();
  chart.dispatchEvent(new PointerEvent("pointerleave"));
  said.gone = tip();
  chart.dispatchEvent(new KeyboardEvent("keydown", {key: "Home"}));
  said.key = tip();
  said.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  document.body.setAttribute("data-said", JSON.stringify(said));
});
"""  # noqa: E501


def opened(path: Path, html: str) -> tuple[str, list[str]]:
    """Return what a browser makes of a page, and what it logs of it."""
    assert CHROMIUM is not None
    file = path / "page.html"
    file.write_text(html, encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, file.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "HOME": str(path)},
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@needs_browser
def test_a_browser_opens_it_without_a_complaint(tmp_path: Path, html: str) -> None:
    tree, console = opened(tmp_path, html)
    assert console == []
    assert '<html lang="en" class="scripted">' in tree, "the script did not run"


@needs_browser
def test_a_browser_complains_of_what_the_policy_forbids(tmp_path: Path, html: str) -> None:
    spoiled = html.replace("</main>", '<img src="https://example.org/x.png"></main>')
    _, console = opened(tmp_path, spoiled)
    assert len(console) == 1
    assert "Content Security Policy" in console[0]


@needs_browser
def test_a_browser_shows_values_and_requests_nothing(
    tmp_path: Path, html: str, found: Findings
) -> None:
    free = re.sub(r"<meta http-equiv.*?>", "", html, count=1)
    assert free != html
    tree, console = opened(tmp_path, free.replace("</body>", f"<script>{PROBE}</script></body>"))
    assert console == []
    told = re.search(r'data-said="(.*?)"', tree)
    assert told is not None
    said = json.loads(unescape(told[1]))
    assert said["hover"].startswith("the plan\n")
    speed = number_format.speed(found.plan.tokens_per_second_per_request or 0.0)
    assert f"{speed} tokens/s for each user" in said["hover"]
    assert said["gone"] == ""
    first = found.frontier.points[0].tokens_per_second_per_request or 0.0
    assert said["key"].startswith(number_format.speed(first))
    assert said["requests"] == 0
    assert said["wide"] == 0
