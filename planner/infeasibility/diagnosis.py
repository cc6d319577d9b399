"""Why no deployment satisfies an instance, and the least that would have to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from planner.candidates import Candidates
from planner.infeasibility.obstacles import Best, Kind, lead, obstacle
from planner.infeasibility.prospects import Prospect
from planner.infeasibility.relaxing import Relaxation, cheapest_together, levers, singles
from planner.infeasibility.widening import Fullness, Widening, left_out, widened
from planner.infeasibility.wording import change_words, listed, money, number, running
from planner.instance import Instance
from planner.question import Question, ask
from planner.survey import survey
from planner.tables import Tables

NOTHING_HELPS = "No change of requirements, nor any wider search that was tried, makes it feasible."
LONGEST_MESSAGE = 600
"""Characters of a message, which is a cell of a table."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why an instance is infeasible, and what would make it feasible."""

    instance: str
    kind: Kind
    """`physical`: no deployment is as fast at any price; `memory`: nothing fits; `supply`: too few
    accelerators or replicas; `budget`: a ceiling on cost; `contradiction`: requirements exclude
    each other; `search`: nothing is admissible. See `planner.infeasibility.obstacles.obstacle`."""
    sentence: str
    """What stands in the way, in words."""
    conflict: tuple[str, ...]
    """The fewest requirements that no deployment meets together, by the names that the column
    `binding` has, within what `kind` is about; empty where nothing is admissible."""
    best: tuple[Best, ...]
    """Where `kind` is `physical`, the best there is and what holds it back."""
    fullness: Fullness | None
    """Where `kind` is `memory`, the deployment that comes nearest to fitting."""
    relaxations: tuple[Relaxation, ...]
    """The least change of every field that suffices by itself, the smallest first."""
    together: Relaxation | None
    """Where no field does, the cheapest of the smallest sets of fields that do."""
    widenings: tuple[Widening, ...]
    """Values outside the search that suffice, where nothing fits or nothing is admissible."""
    searched: tuple[str, ...]
    """Pools."""
    objective_name: str

    def text(self) -> str:
        """Return several lines for a person."""
        return "\n".join(_lines(self))

    def message(self) -> str:
        """Return one line of at most `LONGEST_MESSAGE` characters or so."""
        return _message(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain types, as JSON has them."""
        found: dict[str, Any] = _plain(self)
        return found


def diagnose(instance: Instance, tables: Tables | None = None) -> Diagnosis | None:
    """Say why an instance is infeasible and what is the least that would have to change.

    Parameters
    ----------
    instance : Instance
        What is asked.
    tables : Tables, optional
        Shortlists of earlier instances.

    Returns
    -------
    Diagnosis or None
        None where some deployment satisfies the instance: there is nothing to diagnose.

    Raises
    ------
    InputError
        Where the instance names what does not exist or contradicts itself.
    """
    question, kept = ask(instance), tables or Tables()
    found = survey(question, tables=kept)
    return None if found.missing is None else diagnosed(question, found.missing, kept)


def diagnosed(question: Question, table: Candidates, tables: Tables | None = None) -> Diagnosis:
    """Diagnose a question from the shortlists of its pools.

    Parameters
    ----------
    question : Question
        One that no deployment satisfies.
    table : Candidates
        What lasts of all its pools: `Survey.missing`.
    tables : Tables, optional
        Shortlists of earlier questions, for changes that alter the numbers of deployments.
    """
    kept = tables or Tables()
    found = obstacle(question, table)
    # Whoever states how far memory may be filled can state more; else only memory calls for it.
    memory = found.kind == "memory" or question.instance.usable_memory_fraction is not None
    free = levers(question, memory=memory) if len(table) else ()
    alone = singles(question, table, free, kept)
    together = None if alone else cheapest_together(question, table, free, kept)
    widenings: tuple[Widening, ...] = ()
    if found.kind == "memory":
        widenings = widened(question, kept)
    elif found.kind == "search":
        widenings = left_out(question, kept)
    return Diagnosis(
        question.instance.name,
        found.kind,
        lead(question, found),
        found.conflict,
        found.best,
        found.fullness,
        alone,
        together,
        widenings,
        tuple(pool.label for pool in question.pools),
        question.instance.aim,
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _changed(relaxation: Relaxation) -> str:
    return listed(map(change_words, relaxation.changes))


def _widening(widening: Widening) -> str:
    if widening.added is None:
        return f"leave {widening.field} out"
    return f"widen {widening.field} to {widening.added}"


def _offers(found: Diagnosis, *, brief: bool) -> tuple[str, list[str]]:
    """Return how the message goes on, and what can be done, each with what it costs."""
    ways = [
        f"{_changed(one)} ({money(one.plan, found.objective_name)})" for one in found.relaxations
    ]
    widenings = [
        f"{_widening(one)} ({money(one.plan, found.objective_name)})" for one in found.widenings
    ]
    if ways or widenings:
        one_of = " any one of" if len(ways) + len(widenings) > 1 else ""
        return f"It becomes feasible with{one_of}:", [*ways, *widenings]
    if found.together is not None:
        price = money(found.together.plan, found.objective_name)
        wanted = listed(change_words(one, brief=brief) for one in found.together.changes)
        return "No single change suffices; the cheapest together:", [f"{wanted} ({price})"]
    return (NOTHING_HELPS if found.kind != "search" else ""), []


def _message(found: Diagnosis, *, brief: bool = False) -> str:
    opening, offers = _offers(found, brief=brief)
    parts = [found.sentence, opening] if opening else [found.sentence]
    text, told = " ".join(parts), 0
    for offer in offers:
        longer = f"{text}{';' if told else ''} {offer}"
        if told and len(longer) > LONGEST_MESSAGE - 20:
            return f"{text}; and {number(len(offers) - told)} more."
        text, told = longer, told + 1
    if len(text) >= LONGEST_MESSAGE and not brief:  # What was asked is in the sentence already.
        return _message(found, brief=True)
    return f"{text}." if told else text


def _lines(found: Diagnosis) -> Iterator[str]:
    yield found.sentence
    if found.relaxations:
        several = len(found.relaxations) > 1
        yield (
            "It becomes feasible with any one of these changes:"
            if several
            else ("It becomes feasible with this change:")
        )
        for relaxation in found.relaxations:
            yield from _of(relaxation, found.objective_name)
    elif found.together is not None:
        yield "No single change of a requirement suffices. The cheapest changes together:"
        yield from _of(found.together, found.objective_name)
    elif found.kind != "search" and not found.widenings:
        yield NOTHING_HELPS
    if found.widenings:
        yield "It becomes feasible with a wider search:"
    for widening in found.widenings:
        yield f"  - {_widening(widening)}"
        yield f"    then {_result(widening.plan, found.objective_name)}"
    yield f"Searched: {', '.join(found.searched)}."


def _of(relaxation: Relaxation, aim: str) -> Iterator[str]:
    for index, change in enumerate(relaxation.changes):
        yield f"  {'+' if index else '-'} {change_words(change)}"
        yield f"    {change.field}: {number(change.needed).replace(',', '')}"
    yield f"    then {_result(relaxation.plan, aim)}"


def _result(plan: Prospect, aim: str) -> str:
    return f"{money(plan, aim)} with {running(plan)}"
