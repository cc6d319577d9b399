"""Where commands write what they found, judged before anything is solved."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path


def check_places(files: Iterable[Path], pictures: Iterable[Path | None]) -> None:
    """Refuse results that could not be written, before anything is solved."""
    from planner.errors import OutputError
    from planner.io.output import STDOUT

    if some := [picture for picture in pictures if picture is not None]:
        from planner.reporting.plots.style import check_suffix

        for picture in some:
            check_suffix(picture)
    for path in files:
        if str(path) != STDOUT and (reason := _obstacle(path)):
            raise OutputError.at(path, os.strerror(reason))


def _obstacle(path: Path) -> int:
    """Return the number of the error that writing a file would end with; 0 where it is none."""
    if path.is_dir():
        return errno.EISDIR
    if not path.parent.is_dir():
        return errno.ENOENT
    return 0 if os.access(path if path.exists() else path.parent, os.W_OK) else errno.EACCES


def make_folder(folder: Path) -> None:
    """Make a folder for results, or say why it cannot be."""
    from planner.errors import OutputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.at(folder, error, "folder") from error
