"""Keys under other names: those of earlier files, of other tools, and those still to come."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner.io.words_of_other_tools import NOT_YET, OF_MANIFESTS, OF_OTHER_TOOLS

CALLED_SO_NOW = "It is called so now."
CALLED_SO_HERE = "It is called so here."


@dataclass(frozen=True, slots=True)
class OtherName:
    """What a key that no file has is told."""

    expected: str
    fix: str
    shows_value: bool
    """Whether what was found is the value; else that the key is not known."""


def other_name(key: str, value: Any, inside: str) -> OtherName | None:
    """Return what a key is called here, if it is known under another name.

    Parameters
    ----------
    key : str
        A key that may not be where it is.
    value : any
        Its value.
    inside : str
        Name of the part that holds it, such as `search`; empty at the top level.
    """
    if key in _BY_VALUE and inside in _BY_VALUE[key][0]:
        _, by_value, otherwise = _BY_VALUE[key]
        new = by_value.get(value, otherwise) if isinstance(value, str | bool) else otherwise
        return OtherName(new, CALLED_SO_NOW, True)
    if (inside, key) in MOVED:
        return OtherName(*MOVED[inside, key], shows_value=True)
    if key in RENAMED:
        return OtherName(RENAMED[key].format(value), CALLED_SO_NOW, True)
    return _of_others(key, inside)


def _of_others(key: str, inside: str) -> OtherName | None:
    """Return what a key of another tool is called here."""
    if key in OF_MANIFESTS and not inside:
        return OtherName("an instance", "Manifests of Kubernetes are not read.", False)
    for plain in (key.replace("-", "_"), _QUANTILE.sub("", key.replace("-", "_"))):
        if plain in NOT_YET:
            return OtherName("fields that plans use so far", NOT_YET[plain], False)
        if plain in OF_OTHER_TOOLS:
            return OtherName(OF_OTHER_TOOLS[plain], CALLED_SO_HERE, False)
    return None


_WORKLOADS = ("workload", "workloads")
_BY_VALUE: Mapping[str, tuple[tuple[str, ...], Mapping[Any, str], str]] = {
    "mixing": (
        _WORKLOADS,
        {True: "max_deployments: any", False: "max_deployments: 1"},
        "max_deployments",
    ),
    "prefill": (
        _WORKLOADS,
        {"colocated": "roles: colocated", "elsewhere": "roles: decode"},
        "roles: colocated or decode",
    ),
}
"""Keys whose value has another name too: the parts that had them, new by old value, else."""
MOVED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("search", "max_replicas"): (
        "max_replicas of the workload",
        "It limits replicas and not the search.",
    ),
    ("reserved", "term_hours"): (
        "no term",
        "Remove it: a reservation is paid through the horizon, which stands for its whole term.",
    ),
    ("", "quantile"): ("demand_quantile", CALLED_SO_NOW),
    ("", "dollars_at_most"): (
        "dollars_per_hour_at_most",
        "It limits the mean cost of an hour: divide by the hours of the horizon.",
    ),
}
"""Keys of earlier files by the part that had them: what they are now, and why."""
RENAMED: Mapping[str, str] = {
    "candidates": "deployments",
    "quality_at_least": "quality: {{at_least: {}}}",
}
"""Keys of earlier files by what they are called now."""
_QUANTILE = re.compile(r"^(p\d\d|mean|median)_|_(p\d\d|mean|median)(?=_ms$|_seconds$|$)")
"""What other tools write before or behind a time to say which quantile it is."""
