"""A linear Pyomo model as rows, read once for a solver that takes numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo
from pyomo.repn import generate_standard_repn


class NotLinearError(RuntimeError):
    """A constraint or objective is not linear."""


@dataclass(frozen=True, slots=True)
class Row:
    """One linear row: lower <= sum of coefficients x variables <= upper."""

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Score:
    """One objective: a constant and a coefficient for some columns."""

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    constant: float
    maximised: bool


@dataclass(frozen=True, slots=True)
class Linear:
    """The active variables, constraints and chosen objectives of a model."""

    variables: list[Any]
    constraints: list[Any]
    rows: list[Row]
    scores: list[Score]

    def load(self, values: Sequence[float]) -> None:
        """Put a solution into the model's variables, whole where they are discrete."""
        for variable, value in zip(self.variables, values, strict=True):
            number = float(value) if variable.is_continuous() else round(value)
            variable.set_value(number, skip_validation=True)


def linear_form(model: pyo.ConcreteModel, objectives: Sequence[pyo.Objective]) -> Linear:
    """Read a model's rows and some of its objectives.

    Raises
    ------
    NotLinearError
        Where one of them is not linear.
    """
    variables = list(model.component_data_objects(pyo.Var, active=True))
    index = {id(variable): column for column, variable in enumerate(variables)}
    constraints = list(model.component_data_objects(pyo.Constraint, active=True))
    return Linear(
        variables,
        constraints,
        [_row(constraint, index) for constraint in constraints],
        [_score(objective, index) for objective in objectives],
    )


def _linear(component: Any, expression: Any) -> Any:
    found = generate_standard_repn(expression)
    if not found.is_linear():
        raise NotLinearError(f"{component.name} is not linear")
    return found


def _row(constraint: Any, index: dict[int, int]) -> Row:
    linear = _linear(constraint, constraint.body)
    lower = -math.inf if constraint.lower is None else pyo.value(constraint.lower)
    upper = math.inf if constraint.upper is None else pyo.value(constraint.upper)
    return Row(
        tuple(index[id(variable)] for variable in linear.linear_vars),
        tuple(linear.linear_coefs),
        lower - linear.constant,
        upper - linear.constant,
    )


def _score(objective: Any, index: dict[int, int]) -> Score:
    linear = _linear(objective, objective.expr)
    return Score(
        tuple(index[id(variable)] for variable in linear.linear_vars),
        tuple(linear.linear_coefs),
        float(linear.constant),
        objective.sense == pyo.maximize,
    )
