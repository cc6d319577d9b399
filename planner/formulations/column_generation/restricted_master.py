"""The master: which patterns to combine, as a linear program that grows, and its dual bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.patterns import Patterns, Prices, Worth, joined, worth
from planner.formulations.column_generation.subproblems import Subproblems
from solvers.quiet_highspy import load_highspy

SETTINGS: tuple[tuple[str, Any], ...] = (
    ("output_flag", False),
    ("threads", 1),
    ("random_seed", 0),
    # Looking for dominated columns among very many patterns takes longer than solving, and so does
    # looking for symmetries among them.
    ("presolve", "off"),
    ("mip_detect_symmetry", False),
    ("mip_abs_gap", 0.0),
)


@dataclass(frozen=True, slots=True)
class Duals:
    """Values of one more unit of what the rows of the master limit."""

    block: Floats
    """(B,) dollars that one more cover of each block costs."""
    linking: Floats
    """(R,) of the rows of the market; none is positive."""

    def prices(self, linking: LinkingConstraints) -> Prices:
        """Return what patterns cost at these values."""
        budget = 1.0 - self.linking[linking.budget] if linking.budget >= 0 else 1.0
        return Prices(-self.linking[: linking.capacity_types], float(budget))

    def towards(self, other: Duals, part: float) -> Duals:
        """Return the values so far along the way to others."""
        return Duals(
            (1 - part) * self.block + part * other.block,
            (1 - part) * self.linking + part * other.linking,
        )


class Master:
    """The restricted master in HiGHS: linking variables, overuse, and patterns (G2).

    Rows: one per block (covered once), then those of the market. Overuse of a capacity type or the
    budget costs so much that it is left only where nothing else helps.
    """

    def __init__(
        self, subproblems: Subproblems, linking: LinkingConstraints, overuse_dollars: Floats
    ) -> None:
        self.subproblems, self.linking = subproblems, linking
        self.overuse_dollars = overuse_dollars
        self._parts: list[Patterns] = []
        self._highs = _highs()
        variables = _lay_out(self._highs, subproblems.number, linking, np.inf)
        rows = overused_rows(linking)
        column = np.arange(len(rows))
        entries = (column, subproblems.number + rows, np.full(len(rows), -1.0))
        add_columns(self._highs, overuse_dollars, np.full(len(rows), np.inf), entries)
        self._overuse = slice(variables, variables + len(rows))

    def add(self, patterns: Patterns) -> None:
        """Let the master choose among more patterns."""
        if len(patterns):
            add_patterns(self._highs, self.subproblems, self.linking, patterns, upper=np.inf)
            self._parts.append(patterns)

    def price_overuse(self, dollars: Floats) -> None:
        """Let overuse cost something else."""
        columns = np.arange(self._overuse.start, self._overuse.stop, dtype=np.int32)
        self._highs.changeColsCost(len(columns), columns, dollars)
        self.overuse_dollars = dollars

    @property
    def patterns(self) -> Patterns:
        """All patterns, in the order they came."""
        return joined(self._parts)

    def optimise(self, seconds: float) -> tuple[float, Duals] | None:
        """Solve it; None where time ran out.

        Returns
        -------
        tuple
            Dollars, and what rows are worth.
        """
        import highspy

        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + max(seconds, 0.01))
        self._highs.run()
        if self._highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        dual = np.array(self._highs.getSolution().row_dual)
        number = self.subproblems.number
        found = Duals(np.maximum(dual[:number], 0.0), np.minimum(dual[number:], 0.0))
        return float(self._highs.getInfo().objective_function_value), found

    def weights(self) -> Floats:
        """Return how much of every pattern the last solution takes."""
        return self._values()[self._overuse.stop :]

    def bought(self) -> Floats:
        """Return the values of the market's variables."""
        return self._values()[: self._overuse.start]

    def overuse(self) -> Floats:
        """Return what is missing of every row of `overused_rows`."""
        return self._values()[self._overuse]

    def _values(self) -> Floats:
        return np.array(self._highs.getSolution().col_value)


def overused_rows(linking: LinkingConstraints) -> Ints:
    """Return the rows to which patterns contribute: capacity types, and a budget."""
    budget = [linking.budget] if linking.budget >= 0 else []
    return np.concatenate((np.arange(linking.capacity_types), np.array(budget, dtype=np.int64)))


def lagrangian(linking: LinkingConstraints, duals: Duals, block_prices: float) -> float:
    """Return the lower bound that prices prove (G4).

    Every feasible fleet costs at least the cheapest pattern of each block, what rows limit at
    their price, and the least that variables add at their reduced cost; for any prices.

    Parameters
    ----------
    linking : LinkingConstraints
        What blocks share.
    duals : Duals
        Prices of its rows, not positive.
    block_prices : float
        Sum over blocks of the price of a cheapest pattern.
    """
    reduced = linking.cost - np.bincount(
        linking.column,
        weights=linking.coefficient * duals.linking[linking.row],
        minlength=len(linking.cost),
    )
    # Reduced costs of zero come out as rounding errors, which large bounds would blow up.
    scale = np.abs(linking.cost) + np.abs(duals.linking).max(initial=0.0)
    reduced[np.abs(reduced) <= 1e-11 * scale] = 0.0
    variables = float(np.minimum(reduced, 0.0) @ linking.most)
    return block_prices + float(duals.linking @ linking.upper) + variables


def _highs() -> Any:
    highs = load_highspy().Highs()
    for name, value in SETTINGS:
        highs.setOptionValue(name, value)
    return highs


def new_program(subproblems: int, linking: LinkingConstraints, most: float) -> tuple[Any, int]:
    """Return HiGHS with the rows of a master and the variables of its market, and their number.

    Parameters
    ----------
    blocks : int
        Number of blocks.
    linking : LinkingConstraints
        What they share.
    most : float
        How often a block may be covered.
    """
    highs = _highs()
    return highs, _lay_out(highs, subproblems, linking, most)


def _lay_out(highs: Any, subproblems: int, linking: LinkingConstraints, most: float) -> int:
    """Add the rows and the variables of the market; return the number of variables."""
    rows = subproblems + len(linking.upper)
    lower = np.concatenate((np.ones(subproblems), np.full(len(linking.upper), -np.inf)))
    upper = np.concatenate((np.full(subproblems, most), linking.upper))
    none = np.zeros(0)
    empty = np.zeros(0, dtype=np.int32)
    highs.addRows(rows, lower, upper, 0, np.zeros(rows, dtype=np.int32), empty, none)
    entries = (linking.column, subproblems + linking.row, linking.coefficient)
    add_columns(highs, linking.cost, linking.most, entries)
    return len(linking.cost)


def add_patterns(
    highs: Any,
    subproblems: Subproblems,
    linking: LinkingConstraints,
    patterns: Patterns,
    *,
    upper: float,
    extra: Floats | float = 0.0,
) -> None:
    """Add patterns as columns, with what they cost beside what they take."""
    taken: Worth = worth(subproblems, patterns)
    column = np.arange(len(patterns))
    columns, rows, values = [column, taken.pattern], [patterns.block], [np.ones(len(patterns))]
    rows.append(subproblems.number + taken.capacity_type)
    values.append(taken.gpus)
    if linking.budget >= 0:
        paying = np.flatnonzero(taken.dollars)
        columns.append(paying)
        rows.append(np.full(len(paying), subproblems.number + linking.budget))
        values.append(taken.dollars[paying])
    entries = (np.concatenate(columns), np.concatenate(rows), np.concatenate(values))
    cost = taken.dollars + taken.penalty + extra
    add_columns(highs, cost, np.full(len(patterns), upper), entries)


def add_columns(
    highs: Any, cost: Floats, upper: Floats, entries: tuple[Ints, Ints, Floats]
) -> None:
    """Add columns given as triples of column, row and value."""
    column, row, value = entries
    order = np.lexsort((row, column))
    number = np.bincount(column, minlength=len(cost))
    start = np.concatenate(([0], np.cumsum(number)[:-1])).astype(np.int32)
    highs.addCols(
        len(cost),
        np.asarray(cost, dtype=np.float64),
        np.zeros(len(cost)),
        np.asarray(upper, dtype=np.float64),
        len(column),
        start,
        row[order].astype(np.int32),
        np.asarray(value[order], dtype=np.float64),
    )
