"""The paper's figures: its own search solid, whole deployments of `calibrated` dashed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper import claims, comparisons, reference
from paper.lab import Case, Lab, link, paper_model, without_base_latency
from planner.terms.collectives import PROTOCOLS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, told apart by readers with any colour vision."""
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "paper",
    "svg.fonttype": "none",
    "lines.linewidth": 1.5,
}
WIDTH, HEIGHT = 6.2, 3.6
SOLID, DASHED = "-", "--"


def curves(axes: Axes, labs: tuple[Lab, Lab], named: dict[str, Case]) -> None:
    """Draw cost over speed of each case: the paper's search, and the calibrated deployments."""
    for colour, (name, case) in zip(COLOURS, named.items(), strict=False):
        for lab, style in zip(labs, (SOLID, DASHED), strict=True):
            try:
                front = lab.front(case)
            except KeyError:
                continue
            label = name if style == SOLID else None
            axes.plot(front.speed, front.dollars, style, color=colour, label=label)
    axes.set(yscale="log", xlabel="tokens per second per request", ylabel="$ per million tokens")
    axes.set_xlim(left=0)
    axes.plot([], [], DASHED, color="grey", label="calibrated, whole numbers")
    axes.get_figure().legend(loc="outside lower center", ncols=3)


def one_panel() -> tuple[Figure, Axes]:
    """Return a figure of one panel."""
    return plt.subplots(figsize=(WIDTH, HEIGHT), layout="constrained")


def frontiers(named: dict[str, Case]) -> Callable[[tuple[Lab, Lab]], Figure]:
    """Return what draws one panel of frontiers."""

    def draw(labs: tuple[Lab, Lab]) -> Figure:
        figure, axes = one_panel()
        curves(axes, labs, named)
        return figure

    return draw


def size(labs: tuple[Lab, Lab]) -> Figure:
    """Draw the most speed over parameters."""
    figure, axes = one_panel()
    sizes = np.asarray([reference.transformer(name).parameters for name in claims.DENSE])
    for lab, style, marker in zip(labs, (SOLID, DASHED), "os", strict=True):
        speeds = [claims.top_speed(lab, claims.dense(name)) for name in claims.DENSE]
        slope = claims.exponent(sizes, speeds)
        axes.plot(sizes / 1e9, speeds, marker, label=f"{lab.name}: slope {slope:.2f}")
        fitted = np.polyfit(np.log(sizes), np.log(speeds), 1)
        axes.plot(
            sizes / 1e9,
            np.exp(np.polyval(fitted, np.log(sizes))),
            style,
            color=axes.lines[-1].get_color(),
        )
    for name, at, speed in zip(claims.DENSE, sizes, speeds, strict=True):
        axes.annotate(
            reference.rows()[name]["name"],
            (at / 1e9, speed),
            (-7, -6),
            textcoords="offset points",
            ha="right",
            fontsize=7,
        )
    axes.set(xscale="log", yscale="log", xlabel="parameters, billions", ylabel="most tokens/s")
    axes.margins(0.18, 0.12)
    axes.legend()
    return figure


def bandwidth(labs: tuple[Lab, Lab]) -> Figure:
    """Draw the most speed over the memory's bandwidth."""
    figure, axes = one_panel()
    factors = 2.0 ** np.arange(-3, 6)
    case = claims.dense("Llama_3_70B_8_bit")
    for lab, style in zip(labs, ("o-", "s--"), strict=True):
        speeds = [claims.top_speed(lab, replace(case, bandwidth=f)) for f in factors]
        axes.plot(factors, speeds, style, label=lab.name)
        if style == "o-":
            axes.plot(factors, speeds[3] * factors ** (1 / 3), ":", color="grey", label="slope 1/3")
    with without_base_latency():
        speeds = [
            claims.top_speed(labs[0], replace(case, bandwidth=f, kernels=0.0)) for f in factors
        ]
    axes.plot(factors, speeds, "^-", label="paper, without fixed latency")
    axes.set(xscale="log", yscale="log", ylabel="most tokens/s")
    axes.set_xlabel("memory bandwidth, H100 = 1")
    axes.legend()
    return figure


def stages(labs: tuple[Lab, Lab]) -> Figure:
    """Draw what doing without pipeline stages costs, over speed."""
    figure, axes = one_panel()
    for colour, llm in zip(COLOURS, ("Llama_3_70B", "Llama_3_405B"), strict=False):
        for lab, style in zip(labs, (SOLID, DASHED), strict=True):
            case = Case(llm)
            flat = replace(case, stages=False)
            fastest = min(claims.top_speed(lab, one) for one in (case, flat))
            speeds = np.linspace(0.05 * fastest, fastest, 300)
            ratio = claims.cost_at(lab, flat, speeds) / claims.cost_at(lab, case, speeds)
            name = f"{reference.rows()[llm]['name']}, {lab.name}"
            axes.plot(speeds, ratio, style, color=colour, label=name)
    axes.set(xlabel="tokens per second per request", ylabel="cost without stages / with")
    axes.set_ylim(0.9, 1.6)
    axes.legend()
    return figure


PARTS = ("messages: latency", "launches", "messages: transfer", "memory", "arithmetic beyond it")


def shares_of(lab: Lab, llm: str, *, fast: bool) -> list[float]:
    """Return the parts of a token's time at one deployment without stages."""
    case = claims.dense(llm)
    terms = lab.terms(case, lab.swiftest(case) if fast else lab.preferred(case))
    latency = terms.latency_parts
    messages = latency["all_reduce"] + latency["experts"] + latency["stage_hops"]
    beyond = terms.step - terms.network - terms.latency - terms.memory
    parts = (messages, latency["launches"], terms.network, terms.memory, beyond)
    return [float(np.ravel(part / terms.step)[0]) for part in parts]


def shares(labs: tuple[Lab, Lab]) -> Figure:
    """Draw where the time of a token goes, at most speed and at the preferred point."""
    names = ("Llama_3_70B", "Llama_3_405B", "Mixtral_8x22B", "DeepSeek_V3")
    figure, panels = plt.subplots(1, 2, figsize=(WIDTH, HEIGHT), layout="constrained", sharey=True)
    for axes, fast in zip(panels, (True, False), strict=True):
        bars = [
            (f"{reference.rows()[name]['name']}, {lab.name}", shares_of(lab, name, fast=fast))
            for name in names
            for lab in labs
        ]
        left = np.zeros(len(bars))
        for colour, (index, part) in zip(COLOURS, enumerate(PARTS), strict=False):
            width = np.asarray([bar[1][index] for bar in bars])
            axes.barh([bar[0] for bar in bars], width, left=left, color=colour, label=part)
            left += width
        axes.set(title="most speed" if fast else "preferred", xlim=(0, 1), xlabel="part of a token")
        axes.grid(visible=False)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def collectives(labs: tuple[Lab, Lab]) -> Figure:
    """Draw the time of an all-reduce over its payload, by protocol."""
    figure, axes = one_panel()
    payload = np.geomspace(1e4, 1e9, 200)
    net = link(paper_model("Llama_3_70B", Case("Llama_3_70B")).rates)
    for colour, (name, one) in zip(COLOURS, PROTOCOLS.items(), strict=False):
        latency = 2.0 * one.rank_seconds * 7.0 + one.base_seconds
        transfer = 7.0 / 8.0 * payload / (net.intra_bytes_per_second * one.bandwidth)
        axes.plot(payload / 1e6, 1e6 * (latency + transfer), color=colour, label=name)
        crossing = latency / (transfer[0] / payload[0])
        axes.plot(crossing / 1e6, 2e6 * latency, "o", color=colour)
    axes.plot([], [], "o", color="grey", label="transfer = latency")
    axes.set(xscale="log", yscale="log", xlabel="payload, MB", ylabel="microseconds")
    axes.set_title("all-reduce over 8 ranks of an H100 node, paper's constants", fontsize=9)
    axes.legend()
    return figure


ALL = {name: replace(case, stages=True) for name, case in comparisons.TABLES_2_3.items()}
CAPTIONS = {
    "models": "Cost against speed of the transformers of Tables 2 and 3, with a draft",
    "draft": "Llama 3 70B and 405B in 16 bits, with and without a draft",
    "precision": "Llama 3 70B in 16, 8 and 4 bits",
    "generations": "Llama 3 70B in 8 bits on three generations of accelerators",
    "context": "Mistral Large 2 and DeepSeek-V3, without context and after 100,000 tokens",
    "stages": "What doing without pipeline stages costs",
    "size": "Most speed against parameters",
    "bandwidth": "Most speed of Llama 3 70B in 8 bits against memory bandwidth",
    "shares": "Where the time of a token goes",
    "collectives": "The payload at which a collective's transfer overtakes its latency",
}
DRAFTS = {
    f"{name}{', draft' * bool(part)}": Case(llm, acceptance=part, stages=False)
    for name, llm in (("70B", "Llama_3_70B"), ("405B", "Llama_3_405B"))
    for part in (0.0, 0.8)
}
CONTEXTS = {
    f"{name}, {'100K' if length else 'no context'}": Case(llm, context=length, stages=False)
    for name, llm in (("Mistral Large 2", "Mistral_Large_2"), ("DeepSeek-V3", "DeepSeek_V3"))
    for length in (0.0, 1e5)
}
DRAWN: dict[str, Callable[[tuple[Lab, Lab]], Figure]] = {
    "models": frontiers(ALL),
    "draft": frontiers(DRAFTS),
    "precision": frontiers(comparisons.TABLE_6),
    "generations": frontiers(comparisons.TABLE_4),
    "context": frontiers(CONTEXTS),
    "stages": stages,
    "size": size,
    "bandwidth": bandwidth,
    "shares": shares,
    "collectives": collectives,
}


def draw(name: str, labs: tuple[Lab, Lab], folder: Path, kinds: tuple[str, ...] = ("svg",)) -> None:
    """Write one figure."""
    with mpl.rc_context({**STYLE, "backend": "agg"}):
        figure = DRAWN[name](labs)
        for kind in kinds:
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(folder / f"{name}.{kind}", metadata=metadata, dpi=110)
        plt.close(figure)
