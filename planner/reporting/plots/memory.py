"""Memory charts: what lies in the fullest GPU of each of several plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from planner.analysis.explanation.memory_breakdown import DRAFT, FREE, WORDS, MemoryPart
from planner.reporting.plots.style import (
    COLOURS,
    COLUMN_WIDTH,
    GREY,
    figure,
    put_legend,
    root,
    shortened,
)

GROUPS: Mapping[str, Sequence[str]] = {
    "attention": ("attention", "recurrent"),
    "blocks and experts": ("dense", "experts", "shared", "router"),
    "look-ups, projection, towers": ("embeddings", "head", "towers"),
    "caches and states": ("cache", "states"),
    "the engine": ("activations", "communication"),
}
"""Parts that have one colour, and its name."""
ROW_INCHES, FRAME_INCHES = 0.34, 0.5
BAR, NAME_SIZE, NAME_SHARE = 0.6, 6.5, 0.36


def plot_memory(
    path: str | Path,
    plans: Mapping[str, Sequence[MemoryPart]],
    width: float = COLUMN_WIDTH,
) -> None:
    """Draw one bar per plan, the same bytes for the same plans.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    plans : mapping of str to sequence of MemoryPart
        Name of each plan, and what lies in its fullest GPU.
    width : float
        Inches.

    Raises
    ------
    InputError
        Where the file has another suffix.
    OutputError
        Where it cannot be written.
    """
    from matplotlib.patches import Patch

    with figure(path, width, FRAME_INCHES + ROW_INCHES * len(plans)) as axes:
        handles = {}
        for row, parts in enumerate(plans.values()):
            left = 0.0
            for (name, gigabytes), colour in zip(
                grouped(parts).items(), (*COLOURS[:6], "white"), strict=True
            ):
                edge = GREY if name == FREE else "white"
                axes.barh(row, gigabytes, BAR, left=left, color=colour, edgecolor=edge, lw=0.4)
                left += gigabytes
                if gigabytes:
                    handles[name] = Patch(facecolor=colour, edgecolor=edge)
        names = [shortened(name, NAME_SHARE * width, NAME_SIZE) for name in plans]
        axes.set_yticks(range(len(plans)), names, fontsize=NAME_SIZE)
        axes.set_ylim(len(plans) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("GB of a GPU that may be filled")
        put_legend(root(axes), [(handle, name) for name, handle in handles.items()])


def grouped(parts: Sequence[MemoryPart]) -> dict[str, float]:
    """Return gigabytes by group of parts, the draft's and what is free last; 0 where none."""
    sizes = {one.part: one.bytes / 1e9 for one in parts}
    found = {
        name: sum(sizes.get(WORDS[part], 0.0) for part in members)
        for name, members in GROUPS.items()
    }
    return {**found, DRAFT: sizes.get(DRAFT, 0.0), FREE: sizes.get(FREE, 0.0)}
