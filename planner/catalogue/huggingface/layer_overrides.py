"""Layers that differ from the others: `per_layer_config` of a configuration."""

from __future__ import annotations

from collections.abc import Mapping

from planner.catalogue.huggingface.blocks import Layer, Reader
from planner.catalogue.huggingface.fields import Fields

SECTION = "per_layer_config"


def read_layers(read: Reader, f: Fields) -> list[Layer]:
    """Return every layer; a field that `per_layer_config` states for one counts there alone.

    Parameters
    ----------
    read : callable
        Reads all layers of a configuration.
    f : Fields
        The configuration of the language model.
    """
    layers = read(f)
    for changes, numbers in _overrides(f, len(layers)):
        changed = Fields({**f.values, **changes}, f.file, f.prefix, f.problems)
        for number, layer in enumerate(read(changed)):
            if number in numbers:
                layers[number] = layer
    return layers


def _overrides(f: Fields, layers: int) -> list[tuple[Mapping[str, object], set[int]]]:
    """Return distinct changes, and the layers that they hold for."""
    found: list[tuple[Mapping[str, object], set[int]]] = []
    if not f.has(SECTION):
        return found
    part = f.section(SECTION)
    for key in part.values:
        changes = part.section(key).values
        number = int(key) if str(key).isdecimal() and len(str(key)) < 9 else layers
        if number >= layers and not f.problems:
            expected = f"the number of a layer, from 0 to {layers - 1}"
            part.complain(str(key), expected, found=str(key))
        same = next((numbers for known, numbers in found if known == changes), None)
        if same is None:
            found.append((changes, {number}))
        else:
            same.add(number)
    return found
