"""Every table, figure and claim of the source paper, computed again, in one command.

Prints the section of docs/paper.md that holds them, and draws docs/paper/*.svg:

    python examples/paper.py --write

`--quick` searches every fourth point of either axis of the paper's grid: the same page in seconds,
with numbers a few per cent off. `--write` puts the section into docs/paper.md. It needs matplotlib.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from paper import comparisons, tables
from paper.lab import Case, Lab, calibrated_model, paper_model, real, search, whole
from paper.ledger import CLAIMS
from rich.console import Console
from rich.progress import Progress

PAGE = Path(__file__).resolve().parent.parent / "docs" / "paper.md"
FOLDER = PAGE.with_suffix("")
BEGIN, END = "<!-- begin: examples/paper.py -->", "<!-- end: examples/paper.py -->"
QUICK = 4


def searched(case: Case, stride: int) -> tuple[Case, object]:
    """Search one case, in a process of its own."""
    return case, search(case, stride)


def slow_cases() -> list[Case]:
    """Return the cases of the tables: with stages, the longest first."""
    cases = {case for group in comparisons.TABLES.values() for case in group.values()}
    return sorted(cases, key=lambda case: (-case.acceptance, case.llm, case.gpu))


def lines(labs: list[Lab], progress: Progress, *, figures: bool) -> Iterator[str]:
    """Yield the section: tables, claims, figures."""
    rows = sum(len(tables.rows_of(number)) for number in comparisons.TABLES)
    task = progress.add_task("tables and claims", total=rows + len(CLAIMS))

    def tick(text: str) -> None:
        progress.update(task, advance=1, description=text[:50].ljust(50))

    yield from ("### Tables", "")
    yield from tables.table_1()
    yield from chain.from_iterable(tables.table(n, labs, tick) for n in comparisons.TABLES)
    yield from ("### Claims", "")
    yield from tables.claim_lines(labs, FOLDER.name, tick)
    if figures:
        yield from ("### Figures", "")
        yield from drawn((labs[0], labs[-1]), progress)


def drawn(labs: tuple[Lab, Lab], progress: Progress) -> Iterator[str]:
    """Draw every figure and yield the lines that show them."""
    from paper import figures

    FOLDER.mkdir(exist_ok=True)
    for name in progress.track(figures.CAPTIONS, description="figures".ljust(50)):
        figures.draw(name, labs, FOLDER)
    yield from tables.figure_lines(FOLDER, figures.CAPTIONS)


def put(section: str) -> None:
    """Put the section between its marks in docs/paper.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{section}{END}{rest.split(END)[1]}", encoding="utf-8")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every fourth point of the grid")
    parser.add_argument("--write", action="store_true", help="put the section into docs/paper.md")
    parser.add_argument("--no-figures", action="store_true", help="tables and claims alone")
    return parser.parse_args()


def main() -> None:
    """Search, then print."""
    asked = options()
    if not asked.no_figures and find_spec("matplotlib") is None:
        sys.exit("Figures need matplotlib: `pip install matplotlib`, or ask for --no-figures.")
    stride = QUICK if asked.quick else 1
    known: dict = {}
    with Progress(console=Console(stderr=True)) as progress:
        cases = slow_cases()
        task = progress.add_task("the paper's grids".ljust(50), total=len(cases))
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            for case, points in pool.map(partial(searched, stride=stride), cases):
                known[case] = points
                progress.advance(task)
        labs = [
            real(stride, known),
            whole(paper_model, "paper, whole"),
            whole(calibrated_model, "calibrated"),
        ]
        section = "\n".join(lines(labs, progress, figures=not asked.no_figures))
    sys.stdout.write(section)
    if asked.write:
        put(section)


if __name__ == "__main__":
    main()
