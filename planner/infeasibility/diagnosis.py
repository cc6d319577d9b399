"""Why no deployment satisfies an instance, and the least that would have to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from planner.candidates.screening import screen
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates
from planner.infeasibility.causes import Best, Kind, lead, main_cause
from planner.infeasibility.relaxations import (
    Relaxation,
    cheapest_together,
    relaxable_parameters,
    singles,
)
from planner.infeasibility.relaxed_plan import RelaxedPlan
from planner.infeasibility.search_extension import (
    Fullness,
    SearchExtension,
    left_out,
    search_extension,
)
from planner.infeasibility.wording import change_words, listed, money, number, running
from planner.problem.instance import Instance
from planner.problem.resolve import ResolvedInstance, resolve

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
    each other; `search`: nothing is admissible. See `planner.infeasibility.causes.main_cause`."""
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
    widenings: tuple[SearchExtension, ...]
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


def diagnose(instance: Instance, shortlists: ShortlistCache | None = None) -> Diagnosis | None:
    """Say why an instance is infeasible and what is the least that would have to change.

    Parameters
    ----------
    instance : Instance
        What is asked.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances.

    Returns
    -------
    Diagnosis or None
        None where some deployment satisfies the instance: there is nothing to diagnose.

    Raises
    ------
    InputError
        Where the instance names what does not exist or contradicts itself.

    Examples
    --------
    >>> import planner
    >>> instance = planner.read_instance("instances/llama-70b-short-supply/instance.yaml")
    >>> planner.diagnose(instance).kind
    'supply'
    """
    resolved, kept = resolve(instance), shortlists or ShortlistCache()
    found = screen(resolved, shortlists=kept)
    return None if found.missing is None else diagnosed(resolved, found.missing, kept)


def diagnosed(
    resolved: ResolvedInstance, table: Candidates, shortlists: ShortlistCache | None = None
) -> Diagnosis:
    """Diagnose an instance from the shortlists of its pools.

    Parameters
    ----------
    resolved : ResolvedInstance
        One that no deployment satisfies.
    table : Candidates
        What lasts of all its pools: `Screening.missing`.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances, for changes that alter the numbers of deployments.
    """
    kept = shortlists or ShortlistCache()
    found = main_cause(resolved, table)
    # Whoever states how far memory may be filled can state more; else only memory calls for it.
    memory = found.kind == "memory" or resolved.instance.usable_memory_fraction is not None
    free = relaxable_parameters(resolved, memory=memory) if len(table) else ()
    alone = singles(resolved, table, free, kept)
    together = None if alone else cheapest_together(resolved, table, free, kept)
    widenings: tuple[SearchExtension, ...] = ()
    if found.kind == "memory":
        widenings = search_extension(resolved, kept)
    elif found.kind == "search":
        widenings = left_out(resolved, kept)
    return Diagnosis(
        resolved.instance.name,
        found.kind,
        lead(resolved, found),
        found.conflict,
        found.best,
        found.fullness,
        alone,
        together,
        widenings,
        tuple(pool.label for pool in resolved.pools),
        resolved.instance.aim,
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _changed(relaxation: Relaxation) -> str:
    return listed(map(change_words, relaxation.changes))


def _widening(widening: SearchExtension) -> str:
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


def _result(plan: RelaxedPlan, aim: str) -> str:
    return f"{money(plan, aim)} with {running(plan)}"
