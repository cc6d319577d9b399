"""What lies in the fullest GPU of three plans: a table, and with --plot a picture.

Prints the table of docs/memory.md and draws its picture.

    python examples/memory.py --plot docs/memory.svg
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import planner
from planner.analysis.explanation.memory_breakdown import FREE, MemoryPart, memory_breakdown
from planner.problem.resolve import resolve
from planner.reporting.plots.memory import plot_memory

INSTANCES = Path(__file__).parents[1] / "instances"
PLANS = ("llama-70b-chat", "gemma-27b-consumer-cards", "deepseek-v3-speculative")


def breakdowns() -> dict[str, Sequence[MemoryPart]]:
    """Return what lies in the fullest GPU of each plan, by the instance's name."""
    found: dict[str, Sequence[MemoryPart]] = {}
    for name in PLANS:
        instance = planner.read_instance(INSTANCES / name / "instance.yaml")
        found[name] = memory_breakdown(resolve(instance), planner.solve(instance))
    return found


def table(plans: Mapping[str, Sequence[MemoryPart]]) -> str:
    """Return the gigabytes of every part that some plan has, a column per plan."""
    sizes = {name: {one.part: one.bytes for one in parts} for name, parts in plans.items()}
    parts = dict.fromkeys(part for of in sizes.values() for part in of if part != FREE)
    lines = [f"| GB | {' | '.join(plans)} |", f"|---{'|---' * len(plans)}|"]
    for part in (*parts, FREE):
        cells = (f"{of[part] / 1e9:.2f}" if part in of else "" for of in sizes.values())
        lines.append(f"| {part} | {' | '.join(cells)} |")
    whole = (f"{sum(of.values()) / 1e9:.2f}" for of in sizes.values())
    return "\n".join([*lines, f"| may be filled | {' | '.join(whole)} |"])


def main() -> None:
    """Print the table, and draw the picture if one is asked for."""
    parser = argparse.ArgumentParser(description="What lies in the fullest GPU of three plans.")
    parser.add_argument("--plot", help="file to draw, ending in .svg, .png or .pdf")
    arguments = parser.parse_args()
    plans = breakdowns()
    print(table(plans))
    if arguments.plot:
        plot_memory(arguments.plot, plans, width=6.0)


if __name__ == "__main__":
    main()
