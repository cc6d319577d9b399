"""Where commands write what they found, judged before anything is solved."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path


def check_places(
    files: Iterable[Path],
    pictures: Iterable[Path | None],
    inputs: Iterable[Path] = (),
    inside: Iterable[Path] = (),
) -> None:
    """Refuse results that could not be written, or would destroy, before anything is solved.

    Parameters
    ----------
    files : iterable of Path
        All results, pictures among them.
    pictures : iterable of Path or None
        Those that are pictures.
    inputs : iterable of Path
        Files, and folders with files, that the command reads; those that they name count too.
    inside : iterable of Path
        More results, in folders that are made where they are not there.

    Raises
    ------
    InputError
        Where a picture has another suffix, a result would overwrite what is read, or two results
        are one file.
    OutputError
        Where a result cannot be written.
    """
    from planner.errors import OutputError
    from planner.io.output import STDOUT

    if some := [picture for picture in pictures if picture is not None]:
        from planner.reporting.plots.style import check_suffix

        for picture in some:
            check_suffix(picture)
    results = list(files)
    for path in results:
        if str(path) != STDOUT and (reason := _obstacle(path)):
            raise OutputError.at(path, os.strerror(reason))
    check_apart([*results, *inside], inputs)


def check_apart(results: Sequence[Path], inputs: Iterable[Path]) -> None:
    """Refuse results that would overwrite what is read or each other, as `check_places` does."""
    _insist_on_apart(results)
    _insist_on_new(results, inputs)


def _insist_on_apart(results: Sequence[Path]) -> None:
    """Refuse to write two results into one file."""
    from planner.errors import InputError, Problem

    seen: dict[Hashable, Path] = {}
    for path in results:
        for identity in _identities(path):
            if seen.setdefault(identity, path) is not path:
                found = f"the place of {seen[identity]} too"
                fix = "Name another file for one of the two."
                raise InputError(Problem("a file of its own", found, fix=fix, file=str(path)))


def _identities(path: Path) -> set[Hashable]:
    """Return what tells one file from another; nothing of a device, which takes any number."""
    from planner.io.output import STDOUT

    if str(path) == STDOUT:
        return {STDOUT}
    try:
        if not path.exists():
            return {os.path.realpath(path)}
        found = path.stat()
    except (OSError, ValueError):  # It can be no file: whoever writes it is told.
        return set()
    return set() if stat.S_ISCHR(found.st_mode) else {(found.st_dev, found.st_ino)}


def _insist_on_new(results: Sequence[Path], inputs: Iterable[Path]) -> None:
    """Refuse to overwrite what is read: only a file that is there already can be that."""
    from planner.errors import InputError, Problem
    from planner.io.files_read import files_read

    known = [(identity, path) for path in results for identity in _identities(path)]
    risky = {identity: path for identity, path in known if path.is_file()}
    if not risky:
        return
    for source in inputs:
        for file in files_read(source, risky.values()):
            if hit := _identities(file) & risky.keys():
                said = "" if file == source else f", of {source}"
                fix = "Name another file: this one would be lost."
                found = f"the input {file}{said}"
                raise InputError(
                    Problem("a file to write", found, fix=fix, file=str(risky[hit.pop()]))
                )


def _obstacle(path: Path) -> int:
    """Return the number of the error that writing a file would end with; 0 where it is none."""
    try:
        if path.is_dir():
            return errno.EISDIR
        path.exists()
    except (OSError, ValueError) as error:
        return getattr(error, "errno", None) or errno.EINVAL
    if not path.parent.is_dir():
        return errno.ENOENT
    return 0 if os.access(path if path.exists() else path.parent, os.W_OK) else errno.EACCES
