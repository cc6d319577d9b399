"""What exists: accelerators, transformers, engines and profiles, each read from one YAML file."""

from planner.catalogue.loader import (
    accelerator,
    accelerator_names,
    engine,
    engine_names,
    launcher,
    profile,
    profile_names,
    transformer,
    transformer_names,
)

__all__ = [
    "accelerator",
    "accelerator_names",
    "engine",
    "engine_names",
    "launcher",
    "profile",
    "profile_names",
    "transformer",
    "transformer_names",
]
