"""The fields of one config.json, read with every complaint kept for the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from planner.errors import Problem

MISSING = "nothing"
PLACEHOLDER = 1
"""Stands in for a number that could not be read, so that the next ones still are."""
LONGEST_FOUND = 60
MOST_LAYERS = 10_000
HIDDEN = ("hidden_size", "n_embd", "n_embed", "d_model")


class Fields:
    """One mapping of a configuration; parts of it share the list of problems.

    Parameters
    ----------
    values : mapping
        The configuration, or the part of it that describes the language model.
    file : str
        What to call the file in messages.
    prefix : str
        Dotted path of the part inside the file, empty for the whole.
    problems : list of Problem, optional
        Where complaints go; a new list by default.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        file: str,
        prefix: str = "",
        problems: list[Problem] | None = None,
    ) -> None:
        self.values, self.file, self.prefix = values, file, prefix
        self.problems: list[Problem] = [] if problems is None else problems

    def complain(self, field: str, expected: str, fix: str = "", found: str | None = None) -> None:
        """Note the first problem of a field; what was found is looked up unless it is told."""
        said = self._found(field) if found is None else found
        problem = Problem(expected, said, f"{self.prefix}{field}", fix, self.file)
        if problem.field not in {known.field for known in self.problems}:
            self.problems.append(problem)

    def refuse_if(self, condition: object, field: str, expected: str) -> None:
        """Refuse a variant that the planner cannot describe."""
        if condition:
            self.complain(field, expected, "The planner cannot describe this variant exactly.")

    def _found(self, field: str) -> str:
        if field not in self.values:
            return MISSING
        text = repr(self.values[field])
        return text if len(text) <= LONGEST_FOUND else f"{text[:LONGEST_FOUND]}..."

    def has(self, *names: str) -> bool:
        """Tell whether one of the fields is there and not null."""
        return any(self.values.get(name) is not None for name in names)

    def _name(self, names: Sequence[str]) -> str:
        return next((name for name in names if self.has(name)), names[0])

    def count(self, *names: str, default: int | None = None) -> int:
        """Return the first of the fields that is there: a whole number of 1 or more."""
        name = self._name(names)
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        other = f" (or {', '.join(names[1:])})" if len(names) > 1 and value is None else ""
        self.complain(name, f"a whole number of 1 or more{other}")
        return PLACEHOLDER

    def number(self, *names: str) -> int:
        """Return the first of the fields that is there: a whole number, 0 where none is there."""
        name = self._name(names)
        return 0 if self.values.get(name) in (None, 0) else self.count(name)

    def flag(self, name: str, default: bool) -> bool:
        """Return a field that is true or false."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            self.complain(name, "true or false")
        return value if isinstance(value, bool) else default

    def section(self, name: str) -> Fields:
        """Return a mapping inside this one; empty, with a complaint, where there is none."""
        value = self.values.get(name)
        if not isinstance(value, Mapping):
            self.complain(name, "a mapping")
            value = {}
        return Fields(value, self.file, f"{self.prefix}{name}.", self.problems)

    def per_layer(self, name: str, allowed: Collection[object], layers: int) -> list[Any]:
        """Return a list with an entry for each layer; all of the first kind where it is bad."""
        value = self.values.get(name)
        kinds = ", ".join(map(str, allowed))
        if not isinstance(value, list) or len(value) < layers:
            self.complain(name, f"a list of {layers} entries, one for each layer: {kinds}")
        elif strange := [entry for entry in value if entry not in allowed]:
            found = f"the entry {strange[0]!r}"
            self.complain(name, f"entries out of {kinds}", found=found)
        else:
            return value[:layers]
        return [next(iter(allowed))] * layers

    def numbers(self, name: str) -> list[int]:
        """Return a list of whole numbers; empty, with a complaint, where it is something else."""
        value = self.values.get(name)
        if isinstance(value, list) and all(type(entry) is int for entry in value):
            return value
        self.complain(name, "a list of whole numbers")
        return []

    def head_size(self, queries: int) -> int:
        """Return the size of a head: stated, else the hidden size over the number of heads."""
        if self.has("head_dim"):
            return self.count("head_dim")
        if self.hidden % queries and not self.problems:
            self.complain(self._name(HIDDEN), f"a multiple of the {queries} heads, or a head_dim")
        return max(self.hidden // queries, 1)

    @property
    def hidden(self) -> int:
        """Hidden size."""
        return self.count(*HIDDEN)

    @property
    def layers(self) -> int:
        """Number of layers."""
        names = ("num_hidden_layers", "n_layer", "n_layers")
        layers = self.count(*names)
        if layers > MOST_LAYERS:
            self.complain(self._name(names), f"at most {MOST_LAYERS} layers")
        return min(layers, MOST_LAYERS)
