"""Catalogue files of a user's own, as instance files name them: by path, or by what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planner import catalogue
from planner.catalogue.own_files import is_own_file
from planner.catalogue.spellings import slug
from planner.errors import InputError, Problem
from planner.problem.resolve import is_config

CATALOGUE = "catalogue"
"""Key of an instance file that lists catalogue files of one's own."""
LOOK_UP = {
    "accelerators": catalogue.accelerator,
    "transformers": catalogue.transformer,
    "engines": catalogue.engine,
}
"""What such files hold, and how one is read."""


@dataclass(frozen=True, slots=True)
class OwnCatalogue:
    """What paths and names of an instance file stand for."""

    folder: Path
    """Where relative paths start."""
    paths: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Path by name and alias, by kind of file."""

    def accelerator(self, name: str) -> str:
        """Return the path that an accelerator's name stands for, or the name."""
        return self._found("accelerators", name)

    def transformer(self, name: str) -> str:
        """Return the path that a transformer's name stands for, or the name."""
        return str(self.folder / name) if is_config(name) else self._found("transformers", name)

    def engine(self, name: str | None) -> str | None:
        """Return the path that an engine's name stands for, or the name."""
        return None if name is None else self._found("engines", name)

    def profile(self, name: str) -> str:
        """Return the path of a profile, or its name."""
        return self._found("profiles", name)

    def _found(self, kind: str, name: str) -> str:
        if is_own_file(name):
            return str(self.folder / name)
        return self.paths.get(kind, {}).get(slug(name), name)


def own_catalogue(value: Mapping[str, Any], folder: Path) -> OwnCatalogue:
    """Read the catalogue files that an instance file lists.

    Parameters
    ----------
    value : mapping
        What the file says.
    folder : Path
        Where its paths start.

    Raises
    ------
    InputError
        With everything wrong in the block and in the files; fields of the block are named, the
        line in the instance file is not known here.
    """
    stated = value.get(CATALOGUE)
    if stated is None:
        return OwnCatalogue(folder)
    problems: list[Problem] = []
    if not isinstance(stated, dict):
        kinds = ", ".join(LOOK_UP)
        fix = f"Write `{CATALOGUE}: {{accelerators: my-gpu.yaml}}`."
        raise InputError(Problem(f"lists of files by {kinds}", "something else", CATALOGUE, fix))
    paths: dict[str, dict[str, str]] = {}
    for kind, files in stated.items():
        listed = files if isinstance(files, list) else [files]
        if kind not in LOOK_UP:
            known, where = ", ".join(LOOK_UP), f"{CATALOGUE}.{kind}"
            problems.append(Problem(f"one of {known}", "an unknown key", where, "Rename it."))
            continue
        for at, name in enumerate(listed):
            where = f"{CATALOGUE}.{kind}" + (f"[{at}]" if isinstance(files, list) else "")
            problems += _add(paths.setdefault(kind, {}), kind, name, folder, where)
    if problems:
        raise InputError(problems)
    return OwnCatalogue(folder, paths)


def _add(known: dict[str, str], kind: str, name: Any, folder: Path, where: str) -> list[Problem]:
    """Note the names of one file; return what is wrong with it."""
    if not isinstance(name, str) or not is_own_file(name):
        fix = "Write the path of a .yaml file, seen from the folder of the instance file."
        return [Problem("the path of a catalogue file", repr(name), where, fix)]
    path = str(folder / name)
    try:
        record: Any = LOOK_UP[kind](path)
    except InputError as error:
        return [
            one if one.file else Problem(one.expected, one.found, where, one.fix)
            for one in error.problems
        ]
    names = {slug(record.name), *map(slug, record.aliases)}
    if twice := sorted(one for one in names if known.get(one, path) != path):
        fix = "Rename one of the two."
        return [Problem("names that no other file has", ", ".join(twice), where, fix)]
    known.update(dict.fromkeys(names, path))
    return []
