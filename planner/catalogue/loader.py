"""Catalogue files: a record by slug or alias, and suggestions for near misses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from planner.catalogue.accelerator import Accelerator
from planner.catalogue.engine import Engine
from planner.catalogue.launcher import Launcher
from planner.catalogue.machine_types import accelerator_of
from planner.catalogue.own_files import complaints, content_of, is_own_file, text_of
from planner.catalogue.profile import Profile
from planner.catalogue.spellings import MAKERS, is_nearly, same_accelerator, same_transformer, slug
from planner.catalogue.transformer import Transformer
from planner.errors import InputError, Problem, UnknownNameError, nearest

DATA = Path(__file__).parent / "data"
ACCELERATORS = DATA / "accelerators"
TRANSFORMERS = DATA / "transformers"
PROFILES = DATA / "profiles"
ENGINES = DATA / "engines"
LAUNCHERS = DATA / "launchers"
SAME: Mapping[Path, Callable[[str], str]] = {
    ACCELERATORS: same_accelerator,
    TRANSFORMERS: same_transformer,
}
"""What all spellings of a name have in common."""


def accelerator(name: str) -> Accelerator:
    """Return the accelerator called `name` (slug, alias, or path of a file of one's own).

    Raises
    ------
    UnknownNameError
        Where no file describes it; the nearest names are suggested.
    """
    record: Accelerator = _record(ACCELERATORS, name, Accelerator)
    return record


def transformer(name: str) -> Transformer:
    """Return the transformer called `name` (slug, alias, or path of a file of one's own).

    Raises
    ------
    UnknownNameError
        Where no file describes it; the nearest names are suggested.
    """
    record: Transformer = _record(TRANSFORMERS, name, Transformer)
    return record


def profile(name: str) -> Profile:
    """Return the profile called `name`, or that of a path.

    Raises
    ------
    UnknownNameError
        Where there is none of that name.
    """
    record: Profile = _record(PROFILES, name, Profile)
    return record


def engine(name: str) -> Engine:
    """Return the serving engine called `name` (slug, alias, or path of a file of one's own).

    Raises
    ------
    UnknownNameError
        Where no file describes it; the nearest names are suggested.
    """
    record: Engine = _record(ENGINES, name, Engine)
    return record


def launcher(name: str) -> Launcher:
    """Return how the engine called `name` is started.

    Raises
    ------
    UnknownNameError
        Where that is not known.
    """
    record: Launcher = _record(LAUNCHERS, name, Launcher)
    return record


@cache
def accelerator_names() -> tuple[str, ...]:
    """Return the slugs of all accelerators, sorted."""
    return _slugs(ACCELERATORS)


@cache
def transformer_names() -> tuple[str, ...]:
    """Return the slugs of all transformers, sorted."""
    return _slugs(TRANSFORMERS)


@cache
def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles, sorted."""
    return _slugs(PROFILES)


@cache
def engine_names() -> tuple[str, ...]:
    """Return the slugs of all serving engines, sorted."""
    return _slugs(ENGINES)


def _record(folder: Path, name: str, record: type) -> Any:
    """Return a record of the catalogue by name, or of a user's own file by path."""
    if is_own_file(name):
        return _own_record(name, text_of(name), record)
    return _shipped(folder, name, record)


@cache
def _shipped(folder: Path, name: str, record: type) -> Any:
    return _read(_find(folder, name, folder.name.removesuffix("s")), record)


@lru_cache(maxsize=256)
def _own_record(path: str, text: str, record: type) -> Any:
    """Validate a user's file; the same text is read once."""
    from pydantic import ValidationError

    content = {key: _dates_as_text(value, key) for key, value in content_of(path, text).items()}
    try:
        return _validated(content, record)
    except ValidationError as error:
        raise InputError(complaints(path, text, error.errors(include_url=False))) from None


def _slugs(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def _find(folder: Path, name: str, kind: str) -> Path:
    wanted = slug(name)
    direct = folder / f"{wanted}.yaml"
    if wanted and direct.exists():
        return direct
    aliases = _aliases(folder)
    if wanted in aliases:
        return aliases[wanted]
    maker, _, rest = wanted.partition("-")
    if kind == "accelerator" and maker in MAKERS and rest:
        return _find(folder, rest, kind)
    if folder in SAME and len(alike := _spelt(folder).get(SAME[folder](name), ())) == 1:
        return next(iter(alike))
    listing = f"`planner catalogue {kind}s` lists them all."
    if folder == TRANSFORMERS:
        listing += " A path of its config.json will do."
    raise UnknownNameError(
        Problem(
            expected=f"the name of {'an' if kind[0] in 'aeiou' else 'a'} {kind} in the catalogue",
            found=repr(name),
            fix=" ".join(part for part in (_suggestion(folder, name), listing) if part),
        )
    )


def _suggestion(folder: Path, name: str) -> str:
    """Return a sentence that suggests what a name may stand for, by the names of files."""
    if folder == ACCELERATORS and (inside := accelerator_of(name)):
        return f"That is a machine with {inside}: write this, and `gpus_per_node`."
    if folder in SAME:
        spelt = SAME[folder](name)
        alike = {
            path.stem for key, of in _spelt(folder).items() if is_nearly(spelt, key) for path in of
        }
        if alike:
            return f"Did you mean {', '.join(sorted(alike)[:3])}?"
    aliases = _aliases(folder)
    known = sorted({*_slugs(folder), *aliases})
    close = nearest(slug(name), known)
    found = dict.fromkeys(aliases[one].stem if one in aliases else one for one in close)
    return f"Did you mean {', '.join(found)}?" if found else ""


@cache
def _aliases(folder: Path) -> dict[str, Path]:
    """Map every alias to its file; two files that claim one alias are an error in the data."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.yaml")):
        for alias in _load(path).get("aliases", ()):
            other = found.setdefault(slug(alias), path)
            if other != path:
                raise ValueError(f"{path.name} and {other.name} both claim the alias {alias!r}")
    return found


@cache
def _spelt(folder: Path) -> dict[str, set[Path]]:
    """Map what all spellings of a name have in common to the files that it may stand for."""
    found: dict[str, set[Path]] = {}
    for path in sorted(folder.glob("*.yaml")):
        for name in (path.stem, *_load(path).get("aliases", ())):
            found.setdefault(SAME[folder](name), set()).add(path)
    return found


def _load(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML

    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return {key: _dates_as_text(value, key) for key, value in loaded.items()}


def _dates_as_text(value: Any, key: str = "") -> Any:
    """YAML reads 2026-09-25 as a date and 2026 as a number; records keep dates as text."""
    if isinstance(value, dict):
        return {inner: _dates_as_text(item, inner) for inner, item in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(item) for item in value]
    return str(value) if key == "date" else value


def _read(path: Path, record: type) -> Any:
    """Validate one catalogue file strictly: unknown keys and wrong types are errors."""
    return _validated(_load(path), record)


def _validated(content: dict[str, Any], record: type) -> Any:
    from pydantic import TypeAdapter

    if record is Transformer and "layers" in content:
        content = _spread_layers(content)
    return TypeAdapter(record).validate_python(content, extra="forbid")


def _spread_layers(content: dict[str, Any]) -> dict[str, Any]:
    """Let layer groups inherit the file's common attention and feed-forward block."""
    common = {key: content.pop(key) for key in ("attention", "feedforward") if key in content}
    layers = content["layers"]
    groups = [{"count": layers}] if isinstance(layers, int) else layers
    return {**content, "layers": [{**common, **group} for group in groups]}
