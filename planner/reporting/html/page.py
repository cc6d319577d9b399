"""Pages: templates filled with findings, sealed so that nothing of them can reach the network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance
from planner.reporting.explanation_text import negligible
from planner.reporting.html import (
    explanation_section,
    fleet_charts,
    fleet_section,
    infeasible_section,
    plan_charts,
    plan_section,
    sources_section,
)
from planner.reporting.html.report_data import Findings, gathered
from planner.reporting.tornado import tornado
from planner.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

    from planner.reporting.html.batch_section import Batch

TEMPLATES = files("planner.reporting.html") / "templates"
LINKS = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)]|arXiv[ :](?P<paper>\d{4}\.\d{4,5})")
"""What becomes an anchor; following it is up to the reader."""
CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)), "�")
"""Characters that no page may hold."""


def report(
    instance: Instance | Fleet,
    *,
    title: str | None = None,
    date: str | None = None,
    source: str = "instance.yaml",
    progress: Callable[[float], None] | None = None,
) -> str:
    """Solve an instance, explain the plan, and return one self-contained page about it.

    Parameters
    ----------
    instance : Instance or Fleet
        What is asked.
    title : str, optional
        Heading of the page; the instance's name by default.
    date : str, optional
        Date to print; none by default, so that the same instance gives the same bytes.
    source : str
        The file that the page names where it says how to get the same answer.
    progress : callable, optional
        Told which part of the work is done, from 0 to 1; not of a fleet.

    Returns
    -------
    str
        HTML. Where nothing satisfies the instance, it says why and what would.

    Raises
    ------
    InputError, SolverError, CheckError
        As `planner.explain` does.

    Examples
    --------
    >>> import planner
    >>> instance = planner.read_instance("instances/llama-8b-smallest/instance.yaml")
    >>> page = planner.report(instance)
    >>> page.lower().startswith("<!doctype html>")
    True
    """
    if isinstance(instance, Fleet):
        from planner.api import solve_fleet

        return written_fleet(solve_fleet(instance), title=title, date=date, source=source)
    return written(gathered(instance, progress), title=title, date=date, source=source)


def written_fleet(
    plan: FleetPlan,
    *,
    title: str | None = None,
    date: str | None = None,
    source: str = "instance.yaml",
) -> str:
    """Return the page about a fleet's plan; parameters as for `report`."""
    shared = {
        "title": title or plan.fleet,
        "date": date,
        "plan": plan,
        "headline": fleet_section.headline(plan),
        "command": f"planner solve {shlex.quote(source)}",
        "proof": fleet_section.proof(plan),
    }
    return _filled("fleet.html.j2", shared | (_fleet(plan) if plan.found else {}))


def _fleet(plan: FleetPlan) -> dict[str, Any]:
    groups = fleet_charts.groups_of(plan)
    several = len(plan.periods) > 1
    sections = fleet_section.sections(plan)
    return {
        "figures": fleet_section.figures(plan),
        "workloads": fleet_section.workloads(plan),
        "pools": fleet_section.pools(plan),
        "use_map": fleet_charts.use_map(plan) if several else None,
        "areas": fleet_charts.areas(plan, groups) if several else [],
        "legend": list(zip(groups.names, groups.fills, strict=True)),
        "refused": fleet_section.refused(plan),
        "sections": [
            (one, fleet_charts.service_chart(plan, one.index) if several else None)
            for one in sections
        ],
        "more": len(plan.workloads) - len(sections),
    }


def written(
    found: Findings,
    *,
    title: str | None = None,
    date: str | None = None,
    source: str = "instance.yaml",
) -> str:
    """Return the page about one instance; parameters as for `report`."""
    shared = {
        "title": title or found.instance.name,
        "date": date,
        "plan": found.plan,
        "command": f"planner solve {shlex.quote(source)}",
        "instance_json": _as_json(found.instance),
        "workload": sources_section.workload(found),
        "prices_table": sources_section.prices(found),
        "records": sources_section.records(found),
        **_frontier(found),
    }
    told = _plan(found) if found.plan.found else _no_plan(found)
    return _filled("report.html.j2", shared | told)


def _as_json(instance: Instance) -> str:
    content = instance.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return json.dumps(content, indent=2, ensure_ascii=False)


def _frontier(found: Findings) -> dict[str, Any]:
    front = found.frontier
    if not front.points:
        return {"frontier": None}
    plan = found.plan if found.plan.found else None
    return {
        "frontier": front,
        "frontier_chart": plan_charts.frontier_chart(front, plan),
        "frontier_table": explanation_section.frontier_table(front, plan),
    }


def _plan(found: Findings) -> dict[str, Any]:
    plan, explanation = found.plan, found.explanation
    swings = tornado(explanation)
    return {
        "tornado": plan_charts.tornado_chart(swings) if swings.rows else None,
        "headline": plan_section.headline(found),
        "reasons": plan_section.reasons(found),
        "sureness": sources_section.sureness(found),
        "figures": plan_section.figures(found),
        "requirements": plan_section.requirements(found),
        "time_bar": plan_charts.time_bar(explanation.time, plan.tpot_seconds or 1.0),
        "legend": explanation_section.legend(found),
        "time_table": explanation_section.time_table(found),
        "runner_ups": explanation_section.runner_ups(found),
        "speed_table": explanation_section.speed_table(found),
        "supplies": explanation_section.supplies(found),
        "break_even": explanation_section.prices(found),
        "by": f"{100 * explanation.by:.3g} %",
        "left_out": swings.left_out,
        "sensitivity_table": explanation_section.sensitivity_table(found),
        "unfelt": negligible(explanation),
        "launch": plan_section.launch(found),
        "quotes": sources_section.quotes(found),
        "constants": sources_section.constants(found),
        "accuracy": sources_section.accuracy(found),
        "carried": sources_section.carried(found),
        "proof": plan_section.proof(plan),
        "diagnosis": None,
    }


def _no_plan(found: Findings) -> dict[str, Any]:
    diagnosis, plan = found.diagnosis, found.plan
    rows = [("Planner version", __version__), ("Instance digest", plan.instance_digest)]
    return {
        "headline": plan.message if diagnosis is None else infeasible_section.headline(diagnosis),
        "diagnosis": diagnosis,
        "ways_out": infeasible_section.ways_out(diagnosis) if diagnosis is not None else None,
        "wider": infeasible_section.wider(diagnosis) if diagnosis is not None else None,
        "origin": rows,
    }


def report_of_plans(path: str | Path, *, title: str | None = None, date: str | None = None) -> str:
    """Return one self-contained page about the plans of a CSV.

    Parameters
    ----------
    path : str or Path
        A CSV as `planner batch` and `planner solve` write it.
    title : str, optional
        Heading of the page; the file's name by default.
    date : str, optional
        Date to print; none by default.

    Returns
    -------
    str
        HTML. Scatter and list of plans are thinned where there are many, and say so.

    Raises
    ------
    InputError
        Where the file cannot be read or holds no plans.

    Examples
    --------
    >>> import planner
    >>> instance = planner.read_instance("instances/llama-8b-smallest/instance.yaml")
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "plans.csv"
    >>> text = planner.solve(instance).to_csv(path)
    >>> planner.report_of_plans(path).lower().startswith("<!doctype html>")
    True
    """
    from planner.reporting.html.batch_section import read_batch

    batch = read_batch(path)
    return _filled("plans.html.j2", {"title": title or batch.name, "date": date, **_batch(batch)})


def _batch(batch: Batch) -> dict[str, Any]:
    from planner.reporting.html import batch_charts, batch_section

    drawn = bool(batch.points)
    return {
        "headline": batch_section.summary(batch),
        "adds_up": batch_section.adds_up(batch),
        "figures": batch_section.figures(batch),
        "statuses": batch_section.statuses(batch),
        "scatter": batch_charts.scatter(batch) if drawn else None,
        "kinds": batch_charts.accelerators(batch) if drawn else [],
        "drawn": len(batch.points),
        "left_out": batch_charts.left_out(batch) if drawn else 0,
        "by_accelerator": batch_section.grouped(batch, "accelerator", "accelerator"),
        "by_transformer": batch_section.grouped(batch, "transformer", "transformer"),
        "multiples": batch_charts.multiples(batch),
        "swept": [batch_section.swept_table(batch, field) for field in batch.swept],
        "failures": batch_section.failures(batch),
        "plans": batch_section.plans(batch),
        "versions": batch_section.versions(batch),
    }


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["linked"] = linked
    return environment


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _filled(template: str, content: dict[str, Any]) -> str:
    style, script = _text("style.css"), _text("hover.js")
    text = _environment().get_template(template)
    html = text.render(
        content
        | {
            "style": Markup(style),
            "script": Markup(script),
            "policy": f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
            f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'",
            "version": __version__,
        }
    )
    # What cannot be encoded or shown, in a name say, must not spoil the page.
    return html.translate(CONTROLS).encode("utf-8", "replace").decode("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def linked(text: str) -> Markup:
    """Return text in which addresses and papers are anchors."""
    found, last = Markup(""), 0
    for match in LINKS.finditer(text):
        paper = match["paper"]
        address = f"https://arxiv.org/abs/{paper}" if paper else match[0]
        anchor = Markup('<a href="{}" rel="noreferrer">{}</a>').format(address, match[0])
        found, last = found + escape(text[last : match.start()]) + anchor, match.end()
    return found + escape(text[last:])
