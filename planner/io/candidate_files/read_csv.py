"""The door for candidates: one CSV file, read and judged column by column."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.errors import InputError, Problem, nearest, reason_of
from planner.io.candidate_files.cell_errors import CellError, alike, problems, widest
from planner.io.schema_errors import EXPECTATIONS
from planner.problem.instance import LARGEST_COUNT, LARGEST_QUANTITY, LONGEST_NAME, NAME_PATTERN
from planner.problem.offers import ROLES, Floats, Ints

NAMES = ("workload", "pool", "accelerator", "label", "role", "request_class")
PARTS = ("tp", "pp", "dp", "moe_tp", "ep", "batch")
"""Columns from which a label is made where there is none."""
RATES = ("requests_per_second", "tokens_per_second")
MILLISECONDS = {"tpot_ms": "tpot_seconds", "ttft_ms": "ttft_seconds"}
GPUS, SHORT_GPUS = "gpus_per_replica", "gpus"
"""Accelerators of one replica, and what benchmarks and other tools call them."""
AMOUNTS = ("tpot_seconds", "ttft_seconds", "dollars_per_hour", "quality")
KNOWN = (*NAMES, *PARTS, GPUS, SHORT_GPUS, *RATES, *AMOUNTS, *MILLISECONDS)
OF_AICONFIGURATOR = {
    "system": "accelerator",
    "num_total_gpus": GPUS,
    "bs": "batch",
    "moe_ep": "ep",
    "seq/s": "requests_per_second",
    "tpot": "tpot_ms",
    "ttft": "ttft_ms",
}
"""Columns of the tables that AIConfigurator writes, by what they are called here; its times are in
milliseconds."""
ANY = "*"
"""Stands, as an empty cell does, for every workload or every class of requests."""


@dataclass(frozen=True, slots=True)
class Named:
    """A column of names: where each stands among those that occur, -1 for none."""

    names: tuple[str, ...]
    codes: Ints


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """A candidate file whose cells are in order, each by itself."""

    file: str
    row: Ints
    """Rows under the header, counted from 0, that the entries of all columns stand for."""
    workload: Named
    """-1 for any."""
    place: Named
    """Pool, or accelerator of pools."""
    by_accelerator: bool
    label: Named
    role: Ints
    request_class: Named
    """-1 for any."""
    gpus: Ints
    rate: Floats
    per_token: bool
    """Whether rates are output tokens per second; else they are requests per second."""
    tpot_seconds: Floats
    ttft_seconds: Floats
    dollars_per_hour: Floats
    quality: Floats

    def __len__(self) -> int:
        return len(self.row)


def read_candidate_table(path: str | Path) -> CandidateTable:
    """Read one candidate file.

    Parameters
    ----------
    path : str or Path
        A CSV file with a header.

    Returns
    -------
    Sheet
        Its columns; names are not looked up yet.

    Raises
    ------
    InputError
        With every problem found, each with file, line and column.
    """
    file = str(path)
    columns = in_our_words(_header(file))
    if wrong := _column_problems(file, columns):
        raise InputError(wrong)
    frame = _frame(file, columns)
    cell_errors: list[CellError] = []
    names = {name: _named(frame, name, cell_errors) for name in (*NAMES, *PARTS)}
    numbers = _numbers(frame, cell_errors)
    by_accelerator = "pool" not in columns
    cell_errors += _missing(frame, names, by_accelerator=by_accelerator)
    if cell_errors:
        raise InputError(problems(file, cell_errors))
    return _sheet(file, frame, names, numbers, by_accelerator=by_accelerator)


def _header(file: str) -> list[str]:
    found = _read(file, header=None, nrows=1, dtype=str, skip_blank_lines=False)
    return ["" if pd.isna(cell) else str(cell).strip() for cell in found.iloc[0]]


def in_our_words(columns: list[str]) -> list[str]:
    """Return the columns of a table; those of AIConfigurator's by what they are called here."""
    if not {"num_total_gpus", "seq/s"} <= set(columns):
        return columns
    return [OF_AICONFIGURATOR.get(name, name) for name in columns]


def _read(file: str, **options: object) -> pd.DataFrame:
    """Let pandas read a file, and say in the planner's words why it cannot."""
    expected, line = "a CSV file with a header", 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found: pd.DataFrame = pd.read_csv(  # type: ignore[call-overload]
                file,
                encoding="utf-8-sig",
                compression=None,
                keep_default_na=False,
                na_values=[""],
                **options,
            )
            return found
    except FileNotFoundError:
        reason, fix = "nothing", "Check the path; it starts at the folder of the instance file."
    except pd.errors.EmptyDataError:
        reason, fix = "an empty file", "Write the names of its columns on the first line."
    except UnicodeDecodeError:
        reason, fix = "bytes that are not UTF-8", "Save the file as UTF-8."
    except (pd.errors.ParserError, pd.errors.ParserWarning):
        expected, fix = "as many cells in every row as in the header", "Mind commas and quotes."
        line, cells = widest(file)
        reason = f"{cells} cells" if line else "quotes that do not close"
    except (OSError, ValueError) as error:
        reason = f"no readable file ({reason_of(error)})"
        fix = "Check the path."
    raise InputError(Problem(expected, reason, "", fix, file, line))


def _column_problems(file: str, columns: Sequence[str]) -> list[Problem]:
    """Say which columns are missing, doubled, or not to be had together."""
    told: list[tuple[str, str, str, str]] = []
    for name in dict.fromkeys(columns):
        if columns.count(name) > 1 and name in KNOWN:
            told.append((name, "the column twice", "every column once", "Take one of them out."))
        meant = looks_like_known(name)
        if meant and meant not in columns:
            told.append((name, "an unknown column", meant, f"Did you mean {meant}?"))
    for wanted, options, fix in (
        ([GPUS, SHORT_GPUS], GPUS, "Add the accelerators that one replica takes."),
        (RATES, "requests_per_second or tokens_per_second", "Add what one replica serves."),
        (["label", *PARTS], f"label, or some of {', '.join(PARTS)}", "Name the deployments."),
        (["pool", "accelerator"], "pool or accelerator", "Say where each deployment runs."),
    ):
        if not set(wanted) & set(columns):
            told.append(("", f"the columns {', '.join(columns) or 'nothing'}", options, fix))
    for pair in (RATES, (SHORT_GPUS, GPUS), *MILLISECONDS.items()):
        if set(pair) <= set(columns):
            told.append((pair[0], f"{pair[0]} and {pair[1]}", "one of the two", "Remove one."))
    return [
        Problem(f"the column {expected}" if not name else expected, found, name, fix, file, 1)
        for name, found, expected, fix in told
    ]


def looks_like_known(name: str) -> str:
    """Return the known column for which an unknown one may be a slip of the hand; "" for none."""
    meant = nearest(name, KNOWN, most=1, cutoff=0.8)
    return meant[0] if meant and name not in KNOWN else ""


def _frame(file: str, columns: list[str]) -> pd.DataFrame:
    """Return the known columns of all rows that are not blank; the index is the row."""
    texts = {name: "category" for name in (*NAMES, *PARTS) if name in columns}
    names = [name if name in KNOWN else f"unknown {at}" for at, name in enumerate(columns)]
    frame = _read(
        file,
        header=0,
        names=names,
        index_col=False,
        dtype=texts,
        skip_blank_lines=False,
        low_memory=False,
    )
    frame = frame[[name for name in columns if name in KNOWN]]
    blank = frame.isna().all(axis=1)
    if blank.any():
        frame = frame[~blank]
    if frame.empty:
        fix = "Write one row for every deployment."
        raise InputError(Problem("at least one row under the header", "none", "", fix, file))
    return frame


def _named(frame: pd.DataFrame, name: str, cell_errors: list[CellError]) -> Named:
    """Return a column of names; one that is not there names nothing."""
    if name not in frame:
        return Named((), np.full(len(frame), -1, dtype=np.int64))
    column = frame[name].cat
    texts = [str(text).strip() for text in column.categories]
    anything = ("", ANY) if name in ("workload", "request_class") else ("",)
    names = tuple(dict.fromkeys(text for text in texts if text not in anything))
    place = {text: at for at, text in enumerate(names)}
    lookup = np.asarray([*(place.get(text, -1) for text in texts), -1], dtype=np.int64)
    codes = lookup[column.codes.to_numpy()]
    for text, at in place.items():
        if len(text) > LONGEST_NAME:
            rows = frame.index.to_numpy()[codes == at]
            cell_errors += alike(rows, name, f"at most {LONGEST_NAME} characters", "Shorten it.")
        if not re.match(NAME_PATTERN, text):
            rows = frame.index.to_numpy()[codes == at]
            cell_errors += alike(rows, name, *EXPECTATIONS["string_pattern_mismatch"])
    if name == "role":
        for text in set(names) - set(ROLES):
            rows = frame.index.to_numpy()[codes == place[text]]
            cell_errors += alike(rows, name, f"one of {', '.join(ROLES)}", "Choose one of them.")
    return Named(names, codes)


def _missing(
    frame: pd.DataFrame, names: dict[str, Named], *, by_accelerator: bool
) -> list[CellError]:
    """Object to empty cells where every row must name something."""
    needed = {"accelerator" if by_accelerator else "pool": "a name in every row"}
    if "label" in frame:
        needed["label"] = "a name in every row"
    else:
        needed |= {name: "a number in every row" for name in PARTS if name in frame}
    rows = frame.index.to_numpy()
    return [
        cell_error
        for name, expected in needed.items()
        for cell_error in alike(rows[names[name].codes < 0], name, expected, "Fill it in.")
    ]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the numbers of a column must be."""

    expected: str
    holds: Callable[[Floats], NDArray[np.bool_]]
    required: bool = False


_NOT_NEGATIVE = _Rule(
    f"a number from 0 to {LARGEST_QUANTITY:g}",
    lambda values: (values >= 0) & (values <= LARGEST_QUANTITY),
)
_WHOLE = _Rule(
    f"a whole number from 1 to {LARGEST_COUNT:,}",
    lambda values: (values >= 1) & (values <= LARGEST_COUNT) & (values == np.floor(values)),
    required=True,
)
_RULES = {
    **dict.fromkeys((GPUS, SHORT_GPUS), _WHOLE),
    **{name: _Rule(_NOT_NEGATIVE.expected, _NOT_NEGATIVE.holds, required=True) for name in RATES},
}


def _numbers(frame: pd.DataFrame, cell_errors: list[CellError]) -> dict[str, Floats]:
    """Return the columns of numbers, NaN where a cell is empty."""
    found = {}
    for name in (GPUS, SHORT_GPUS, *RATES, *AMOUNTS, *MILLISECONDS):
        if name not in frame:
            continue
        rule, column = _RULES.get(name, _NOT_NEGATIVE), frame[name]
        empty = column.isna().to_numpy()
        if column.dtype.kind in "iuf":
            values = column.to_numpy(dtype=np.float64)
        else:
            text = column.astype(str)
            values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore"):
            wrong = ~rule.holds(values) & (rule.required | ~empty)
        rows = frame.index.to_numpy()[wrong]
        cell_errors += alike(rows, name, rule.expected, "Write a plain number without a unit.")
        found[name] = values
    return found


def _sheet(
    file: str,
    frame: pd.DataFrame,
    names: dict[str, Named],
    numbers: dict[str, Floats],
    *,
    by_accelerator: bool,
) -> CandidateTable:
    """Put a sheet together."""
    unstated = np.full(len(frame), np.nan)
    for thousandths, name in MILLISECONDS.items():
        if thousandths in numbers:
            numbers[name] = numbers[thousandths] / 1e3
    rate = next(name for name in RATES if name in numbers)
    roles = np.asarray([*map(ROLES.index, names["role"].names), 0], dtype=np.int64)
    columns = {
        "workload": names["workload"].codes,
        "place": names["accelerator" if by_accelerator else "pool"].codes,
        "role": roles[names["role"].codes],
        "request_class": names["request_class"].codes,
        "gpus": numbers[GPUS if GPUS in numbers else SHORT_GPUS].astype(np.int64),
        "rate": numbers[rate],
        **{name: numbers.get(name, unstated) for name in AMOUNTS},
    }
    columns["row"] = frame.index.to_numpy(dtype=np.int64)
    label = names["label"]
    if "label" not in frame:
        label, columns = _labelled(frame, names, columns)
    columns["label"] = label.codes
    place = names["accelerator" if by_accelerator else "pool"].names
    return CandidateTable(
        file=file,
        workload=Named(names["workload"].names, columns.pop("workload")),
        place=Named(place, columns.pop("place")),
        by_accelerator=by_accelerator,
        label=Named(label.names, columns.pop("label")),
        request_class=Named(names["request_class"].names, columns.pop("request_class")),
        per_token=rate == "tokens_per_second",
        **columns,
    )


def _labelled(
    frame: pd.DataFrame, names: dict[str, Named], columns: dict[str, NDArray[Any]]
) -> tuple[Named, dict[str, NDArray[Any]]]:
    """Name deployments by role and degrees (`decode tp4 pp1 batch16`), and drop repeated rows.

    Tools write a row once for every setting they try, named in no column: rows that are alike in
    all columns are one deployment, and others of the same degrees are numbered.
    """
    parts = [name for name in PARTS if name in frame]
    together = np.column_stack([columns["role"], *(names[name].codes for name in parts)])
    kinds, codes = np.unique(together, axis=0, return_inverse=True)
    labels = []
    for role, *degrees in kinds.tolist():
        words = [f"{part}{names[part].names[at]}" for part, at in zip(parts, degrees, strict=True)]
        labels.append(" ".join([*([ROLES[role]] if role else []), *words]))
    said = {**columns, "label": codes.ravel()}
    table = pd.DataFrame({name: column for name, column in said.items() if name != "row"})
    fresh = ~table.duplicated().to_numpy()
    said = {name: column[fresh] for name, column in said.items()}
    label = Named(tuple(labels), said.pop("label").astype(np.int64))
    return (label if "request_class" in frame else _numbered(label, said)), said


def _numbered(label: Named, columns: dict[str, NDArray[Any]]) -> Named:
    """Number rows of a workload and pool that have one label, from the second."""
    key = {name: columns[name] for name in ("workload", "place")} | {"label": label.codes}
    turn = pd.DataFrame(key).groupby(list(key), sort=False).cumcount().to_numpy()
    kinds, codes = np.unique(np.column_stack([label.codes, turn]), axis=0, return_inverse=True)
    texts = [
        f"{label.names[at]} ({number + 1})" if number else label.names[at]
        for at, number in kinds.tolist()
    ]
    return Named(tuple(texts), codes.ravel().astype(np.int64))
