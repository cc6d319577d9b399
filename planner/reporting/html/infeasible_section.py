"""Why nothing satisfies an instance, and what would."""

from __future__ import annotations

from planner.infeasibility.diagnosis import Diagnosis
from planner.infeasibility.relaxations import Change, Relaxation
from planner.infeasibility.relaxed_plan import RelaxedPlan
from planner.infeasibility.search_extension import SearchExtension
from planner.infeasibility.wording import attained, change_words, number
from planner.problem.limits import FIRST_TOKEN
from planner.reporting import number_format
from planner.reporting.html.tables import Row, Table, table

LEADS = {
    "memory": "Not possible: the transformer does not fit into the memory of these accelerators.",
    "supply": "Not possible with the accelerators and replicas that may be used.",
    "budget": "Not possible within the budget.",
    "contradiction": "Not possible: the requirements exclude each other.",
    "search": "Not possible: the search space leaves no deployment.",
}
"""What stands in the way, in a sentence for everybody; what physics forbids is told by number."""
COLUMNS = "Change | In the file | Cost then | What runs then"


def headline(found: Diagnosis) -> str:
    """Return what stands in the way, in a sentence that needs no glossary."""
    if not found.best:
        return LEADS.get(found.kind, "Not possible as asked.")
    told = []
    for one in found.best:
        late = one.requirement == FIRST_TOKEN
        best = attained(one.attained, at_most=late)
        if late:
            asked, reached = number_format.seconds(one.asked), number_format.seconds(best)
            told.append(f"a first token within {asked}; the soonest comes after {reached}")
        else:
            asked, reached = number_format.plain(one.asked), number_format.plain(best)
            told.append(f"{asked} tokens a second for each user; the most possible is {reached}")
    return f"Not possible at any price: {'; nor '.join(told)}."


def ways_out(found: Diagnosis) -> Table | None:
    """Return the changes of requirements that suffice; None where there are none."""
    ways = found.relaxations or ((found.together,) if found.together is not None else ())
    if not ways:
        return None
    caption = "Any one of these changes makes it possible" if len(ways) > 1 else "What would do"
    if not found.relaxations:
        caption = "No single change suffices; the cheapest changes together"
    return table(caption, COLUMNS, [_row(way, found.objective_name) for way in ways], (2,))


def _row(way: Relaxation, aim: str) -> Row:
    said = number_format.listed([change_words(change) for change in way.changes])
    fields = "; ".join(map(_field, way.changes))
    return Row((said, fields, _cost(way.plan, aim), _running(way.plan)))


def _field(change: Change) -> str:
    return f"{change.field}: {number(change.needed).replace(',', '')}"


def _cost(plan: RelaxedPlan, aim: str) -> str:
    if aim == "dollars_per_million_tokens":
        return f"{number_format.per_million(plan.dollars_per_million_tokens)}/Mtok"
    return f"{number_format.dollars(plan.dollars_per_hour)}/h"


def _running(plan: RelaxedPlan) -> str:
    copies = "" if plan.replicas == 1 else f"{plan.replicas:,} replicas of "
    return f"{copies}{plan.deployment}"


def wider(found: Diagnosis) -> Table | None:
    """Return the wider searches that suffice; None where none were needed or found."""
    if not found.widenings:
        return None
    rows = [
        Row((_widened(one), one.field, _cost(one.plan, found.objective_name), _running(one.plan)))
        for one in found.widenings
    ]
    return table("A wider search makes it possible", COLUMNS, rows, (2,))


def _widened(one: SearchExtension) -> str:
    return "leave it out" if one.added is None else f"allow {one.added} too"
