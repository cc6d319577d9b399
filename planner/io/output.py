"""The one place that writes results: CSV, JSON and text, with one way to refuse a path."""

from __future__ import annotations

import csv
import json
import math
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from planner.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT_DIGITS = 12
STDOUT = "-"
"""A path that stands for standard output."""


def cell(value: Any) -> str:
    """Return a value as a CSV cell: numbers with twelve significant digits, None empty."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{SIGNIFICANT_DIGITS}g}" if math.isfinite(value) else ""
    return str(value)


def csv_lines(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """Return rows as CSV lines without a header."""
    lines = _Lines()
    # The writer quotes a cell that has a character of the line's end: so a lone \r is quoted too.
    writer = csv.writer(lines, lineterminator="\r\n")
    for row in rows:
        writer.writerow([cell(row.get(name)) for name in columns])
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


class _Lines(list[str]):
    """Takes what a CSV writer writes, a row at a time."""

    write = list.append


def header(columns: Sequence[str]) -> str:
    """Return the CSV header."""
    return ",".join(columns) + "\n"


def make_folder(folder: Path) -> None:
    """Make a folder for results, and those that it lies in.

    Raises
    ------
    OutputError
        Where it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.at(folder, error, "folder") from error


def write_text(path: str | Path, text: str) -> None:
    """Write a result, or say why it cannot be written.

    Raises
    ------
    OutputError
        Where the path cannot be written.
    """
    with open_result(path) as result:
        result.write(text)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a result that is no text, such as a picture, or say why it cannot be written.

    Raises
    ------
    OutputError
        Where the path cannot be written.
    """
    with _open_whole(path) as result:
        result.write(content)


@contextmanager
def open_result(path: str | Path) -> Iterator[TextIO]:
    """Open a file for results in UTF-8: it is written whole, or stays as it was.

    `-` is standard output. What cannot be replaced, such as a pipe or `/dev/null`, is written as
    results come. A link stays one: its target is replaced. Permissions stay.

    Raises
    ------
    OutputError
        Where the path cannot be written.
    """
    if str(path) == STDOUT:
        if isinstance(sys.stdout, TextIOWrapper):
            # Files are UTF-8 whatever the terminal knows, and so is what takes their place.
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        return
    with _open_whole(path) as raw:
        # Names of files need not be text: what has no letter is written as an escape.
        text = TextIOWrapper(raw, "utf-8", errors="backslashreplace", newline="")
        yield text
        text.flush()
        text.detach()


@contextmanager
def _open_whole(path: str | Path) -> Iterator[BinaryIO]:
    """Open what takes the place of a file once all of it is written."""
    if "\0" in str(path):
        raise OutputError.at(path, "a name with a null byte")
    try:
        with _opened(Path(os.path.realpath(path))) as stream:
            yield stream
    except OSError as error:
        raise OutputError.at(path, error) from error


@contextmanager
def _opened(real: Path) -> Iterator[BinaryIO]:
    """Open a device or a pipe as it is, and of a file what replaces it."""
    if real.exists() and not real.is_file():
        with real.open("wb") as stream:
            yield stream
    else:
        with _replacement(real) as stream:
            yield stream


@contextmanager
def _replacement(real: Path) -> Iterator[BinaryIO]:
    """Yield a new file beside an old one, or beside none, and put it into its place."""
    number, name = mkstemp(prefix=".planner-", suffix=".tmp", dir=real.parent)
    partial = Path(name)
    try:
        with open(number, "wb") as stream:  # noqa: PTH123 the file is open already
            yield stream
            stream.flush()
            os.fsync(number)
        _permit(partial, real)
        partial.replace(real)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _permit(partial: Path, real: Path) -> None:
    """Give a new file the permissions of the old one, or those that new files get."""
    if not real.exists():
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)
        return
    old = real.stat()
    partial.chmod(stat.S_IMODE(old.st_mode))
    with suppress(OSError):  # Only root can give a file to somebody else.
        os.chown(partial, old.st_uid, old.st_gid)


def write_rows(
    rows: Iterable[dict[str, Any]], columns: Sequence[str], path: str | Path | None = None
) -> str:
    """Return rows as CSV with a header, and write it to `path` if one is given."""
    text = header(columns) + csv_lines(rows, columns)
    if path is not None:
        write_text(path, text)
    return text


def write_json(content: Any, path: str | Path | None = None) -> str:
    """Return content as indented JSON, and write it to `path` if one is given."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if path is not None:
        write_text(path, text)
    return text


def compact_json(content: Any) -> str:
    """Return content as JSON on one line, for a cell; what is no JSON is written as text."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, default=str)


def as_table(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a pandas table."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))
