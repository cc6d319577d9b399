"""What exists: accelerators, transformers and profiles by name, each read from one YAML file."""

from planner.catalogue.shelf import (
    accelerator,
    accelerator_names,
    profile,
    profile_names,
    transformer,
    transformer_names,
)

__all__ = [
    "accelerator",
    "accelerator_names",
    "profile",
    "profile_names",
    "transformer",
    "transformer_names",
]
