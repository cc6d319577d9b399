"""Catalogue files written out: a transformer as the YAML file that would describe it."""

from __future__ import annotations

import io
from dataclasses import fields, is_dataclass, replace
from typing import Any

from planner.catalogue.transformer import Transformer


def as_yaml(llm: Transformer, name: str | None = None) -> str:
    """Return the catalogue file of a transformer; fields at their default are left out.

    Parameters
    ----------
    llm : Transformer
        What to describe.
    name : str, optional
        Slug of the entry; the transformer's own where it is left out.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 100
    text = io.StringIO()
    yaml.dump(_content(replace(llm, name=name or llm.name)), text)
    return text.getvalue()


def _content(value: Any) -> Any:
    """Return a record as plain mappings and lists; of a union's member, its kind is kept."""
    if isinstance(value, tuple):
        return [_content(item) for item in value]
    if not is_dataclass(value):
        return value
    found = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if field.name == "kind" or item != field.default:
            found[field.name] = _content(item)
    return found
