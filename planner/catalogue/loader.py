"""Catalogue files: a record by slug or alias, and suggestions for near misses."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from planner.catalogue.accelerator import Accelerator
from planner.catalogue.engine import Engine
from planner.catalogue.own_files import complaints, content_of, is_own_file, text_of
from planner.catalogue.profile import Profile
from planner.catalogue.transformer import Transformer
from planner.errors import InputError, Problem, UnknownNameError, did_you_mean

DATA = Path(__file__).parent / "data"
ACCELERATORS = DATA / "accelerators"
TRANSFORMERS = DATA / "transformers"
PROFILES = DATA / "profiles"
ENGINES = DATA / "engines"
MAKERS = ("nvidia", "amd", "intel", "google", "aws", "huawei")
"""Words that people, drivers and Kubernetes labels put before an accelerator's name."""


def slug(name: str) -> str:
    """Return `name` in the form catalogue names take: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")


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
    known = sorted({*_slugs(folder), *aliases})
    listing = f"`planner catalogue {kind}s` lists them all."
    raise UnknownNameError(
        Problem(
            expected=f"the name of {'an' if kind[0] in 'aeiou' else 'a'} {kind} in the catalogue",
            found=repr(name),
            fix=" ".join(part for part in (did_you_mean(wanted, known), listing) if part),
        )
    )


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
