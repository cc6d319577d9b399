"""The published precision: searched beside the usual ones, where a file names no precisions."""

from __future__ import annotations

from planner.catalogue.accelerator import PRECISIONS
from planner.errors import InputError
from planner.problem.instance import Search
from planner.problem.resolve import described


def with_published(search: Search, transformer: str | None) -> Search:
    """Return a search that has the precision in which the weights are published.

    Parameters
    ----------
    search : Search
        As a file states it.
    transformer : str, optional
        What is served: a name, or a path.
    """
    if transformer is None or "weights" in search.model_fields_set:
        return search
    try:
        published = described(transformer, "transformer").weight_precision
    except InputError:  # Whoever needs it says what is wrong.
        return search
    if published in search.weights or published not in PRECISIONS:
        return search
    return search.model_copy(update={"weights": (*search.weights, published)})
