"""What a batch may use of the machine: cores and memory, inside a container too."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def cores() -> int:
    """Return the cores that this process may use, whole ones, at least one."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    for quota in _limits("cpu.max"):
        if len(quota) == 2 and quota[1].isdigit():
            count = min(count, max(1, int(quota[0]) // int(quota[1])))
    return count


def memory_bytes() -> int | None:
    """Return the memory that this process may use; None where the system does not say."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return min([whole, *(int(limit[0]) for limit in _limits("memory.max"))])


def _limits(name: str) -> list[list[str]]:
    """Return the words of the limits that hold: those of the own control group and all above."""
    own = [line for line in _words(OWN_GROUP) if line.startswith("0::/")]
    parts = Path(own[0].removeprefix("0::/")).parts if own else ()
    groups = [CGROUP.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    found = [_words(group / name) for group in groups]
    return [words for words in found if words and words[0].isdigit()]


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []
