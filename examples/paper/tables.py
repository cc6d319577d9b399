"""The paper's tables and claims in Markdown: printed, computed, and what can be deployed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from paper import closed_form, comparisons, layout_search, reference
from paper.lab import Case, Lab, real
from paper.ledger import CLAIMS, Claim

TITLES = {
    "1": "Table 1: the fastest token by the closed form (Eq. 14), 16 bits, H100",
    "2": "Table 2: most speed, draft Llama 3 8B at acceptance 0.8, H100",
    "3": "Table 3: preferred, draft Llama 3 8B at acceptance 0.8, H100",
    "4": "Table 4: most speed of Llama 3 70B in 8 bits, no draft",
    "5": "Table 5: preferred, with (S) and without a draft, 16 bits, H100",
    "6": "Table 6: preferred, Llama 3 70B, H100, no draft",
}
NOTES = {
    "5": "The paper made this table with another version of its program (2025-05-22), which "
    "multiplies the traffic of activations by too many ranks. F gives other numbers.",
}
NOT_THERE = "not in the catalogue"
Tick = Callable[[str], None]


def rows_of(table: str) -> list[dict[str, str]]:
    """Return the rows of one table of the paper."""
    return [row for row in reference.read("paper_tables.csv") if row["table"] == table]


def printed(row: dict[str, str]) -> str:
    """Return a row as the paper prints it."""
    cost = f", ${row['usd_per_Mtok']}" if row["usd_per_Mtok"] else ""
    batch = f", batch {row['batch']}" if row["batch"] else ""
    return f"{row['tokens_per_s']} tok/s{cost}, {row['n_gpu']} GPUs{batch}"


def chosen(lab: Lab, case: Case, kind: str) -> layout_search.Points:
    """Return the fastest or the preferred deployment."""
    return lab.swiftest(case) if kind == "max_speed" else lab.preferred(case)


def described(lab: Lab, case: Case, kind: str) -> str:
    """Return the deployment in words; nothing where the lab has no such transformer."""
    try:
        point = chosen(lab, case, kind)
    except KeyError:
        return NOT_THERE
    cost = "" if kind == "max_speed" else f", ${point.dollars:.2f}"
    return f"{point.speed:.1f} tok/s{cost}, {lab.label(case, point)}"


def table_1() -> Iterator[str]:
    """Yield the lines of the closed form's table."""
    yield from (f"#### {TITLES['1']}", "", "| transformer | paper | ours |", "|---|---|---|")
    for row in rows_of("1"):
        llm = reference.transformer(comparisons.TABLE_1[row["row"]])
        found = closed_form.fastest(2.0 * llm.parameters, llm.layer_count, 3.3e12)
        ours = f"{1.0 / found.seconds:.1f} tok/s, {found.gpus:.1f} GPUs"
        yield f"| {row['row']} | {printed(row)} | {ours} |"
    yield ""


def table(number: str, labs: list[Lab], tick: Tick) -> Iterator[str]:
    """Yield the lines of one table: the paper's number, then each lab's."""
    yield from (f"#### {TITLES[number]}", "")
    if number in NOTES:
        yield from (NOTES[number], "")
    yield "| case | paper | ours | whole, `paper` | whole, `calibrated` |"
    yield "|---|---|---|---|---|"
    for row in rows_of(number):
        tick(f"table {number}: {row['row']}")
        case, kind = comparisons.table_case(row)
        cells = [described(lab, case, kind) for lab in labs]
        yield f"| {' | '.join([row['row'], printed(row), *cells])} |"
    yield ""


def measured(claim: Claim, lab: Lab) -> float:
    """Return the claim's number; not a number where the lab cannot know it."""
    if claim.needs == "real" and lab.name != real().name:
        return math.nan
    try:
        return claim.measure(lab)
    except KeyError:
        return math.nan


def shown(claim: Claim, number: float) -> str:
    """Return a number in the claim's style."""
    return "-" if math.isnan(number) else claim.style.format(number)


HEADS = (
    "claim",
    "paper says",
    "its program",
    "ours",
    "holds",
    "whole, `paper`",
    "whole, `calibrated`",
    "holds",
    "figure",
)


def claim_lines(labs: list[Lab], folder: str, tick: Tick) -> Iterator[str]:
    """Yield the table of claims: the paper, its program, each lab, and what holds in which."""
    yield f"| {' | '.join(HEADS)} |"
    yield "|---" * len(HEADS) + "|"
    for claim in CLAIMS:
        tick(claim.title)
        asked = labs[:1] if claim.needs == "nothing" else labs
        found = [measured(claim, lab) for lab in asked]
        found += [math.nan] * (len(labs) - len(found))
        ours, mine, calibrated = (shown(claim, number) for number in found)
        figure = f"[{claim.figure}]({folder}/{claim.figure}.svg)" if claim.figure else ""
        cells = [claim.title, claim.printed, shown(claim, claim.computed)]
        cells += [ours, claim.verdict(found[0]), mine, calibrated, claim.verdict(found[2]), figure]
        yield f"| {' | '.join(cells)} |"
    yield ""


def figure_lines(folder: Path, captions: dict[str, str]) -> Iterator[str]:
    """Yield the figures with their captions."""
    for name, caption in captions.items():
        yield from (f"![{caption}]({folder.name}/{name}.svg)", "", f"*{caption}*", "")
