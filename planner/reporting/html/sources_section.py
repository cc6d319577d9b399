"""What an answer rests on: every input with its source and date, and how far times are off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from planner.candidates.described import MEASURED_KINDS
from planner.catalogue.accelerator import Accelerator, Source
from planner.catalogue.profile import Family
from planner.problem.resolve import Supply
from planner.reporting import number_format
from planner.reporting.html.report_data import Findings
from planner.reporting.html.tables import Row, Table, table
from planner.terms.calibration import FALLBACK_FAMILY

STATED = "stated in the instance"
DEFAULT = "default"
KINDS = {
    "latent": "latent attention",
    "recurrent": "recurrent layers",
    "experts": "mixtures of experts",
}
FIELDS = {
    "flop_per_second": "arithmetic, data sheet",
    "memory_bytes": "memory",
    "memory_bytes_per_second": "memory bandwidth, data sheet",
    "link": "links",
    "node": "server",
}


def workload(found: Findings) -> Table:
    """Return what was asked for, and which of it nobody stated."""
    asked, stated = found.instance.workload, found.instance.workload.model_fields_set
    rows = [
        ("prompt", f"{asked.input_tokens:,} tokens", "input_tokens"),
        ("answer", f"{asked.output_tokens:,} tokens", "output_tokens"),
    ]
    if asked.tokens_per_second_per_request is not None:
        limit = number_format.quantity(asked.tokens_per_second_per_request, "tok/s")
        rows.append(("speed for each user", f"at least {limit}", "tokens_per_second_per_request"))
    if asked.tokens_per_second is not None:
        demand = f"{number_format.speed(asked.tokens_per_second)} tokens/s"
        rows.append(("demand of all users", demand, "tokens_per_second"))
    if asked.time_to_first_token_seconds is not None:
        wait = f"within {number_format.seconds(asked.time_to_first_token_seconds)}"
        rows.append(("first token", wait, "time_to_first_token_seconds"))
    rows.append(("prompts are read", _prefill(found), "prefill"))
    if found.resolved.expert_parallel != (1,):
        busiest = f"{number_format.plain(asked.expert_imbalance)} times the mean"
        rows.append(("busiest group of experts", busiest, "expert_imbalance"))
    for draft in found.resolved.drafts:
        rate = f"{number_format.share(draft.acceptance)} of drafted tokens accepted"
        rows.append((f"draft {draft.name}", rate, "drafts"))
    memory = found.instance.usable_memory_fraction
    filled = found.resolved.usable_memory_fraction
    told = [
        Row((name, value, STATED if field in stated else DEFAULT)) for name, value, field in rows
    ]
    origin = STATED if memory is not None else f"profile {found.resolved.profile.name}"
    told.append(Row(("memory that may be filled", number_format.share(filled), origin)))
    return table("The workload", "What | Value | Source", told)


def _prefill(found: Findings) -> str:
    here = found.resolved.switches.prefill == "colocated"
    return "on the same accelerators" if here else "elsewhere, at no cost here"


def prices(found: Findings) -> Table:
    """Return the price of every pool, with its source and its date."""
    rows = []
    for pool in found.resolved.pools:
        available = "no limit" if pool.gpus is None else f"{pool.gpus:,}"
        price = f"{number_format.dollars(pool.dollars_per_gpu_hour)}/h"
        cells = (pool.label, pool.accelerator.title, available, price, _price_source(pool))
        rows.append(Row(cells, strong=pool.label == found.plan.pool))
    columns = "Pool | Accelerator | Available | Price of one | Source of the price"
    return table("Pools and prices", columns, rows, (2, 3))


def _price_source(pool: Supply) -> str:
    if pool.price_source == "instance":
        return STATED
    quote = pool.accelerator.price
    if quote is None or not pool.price_source.startswith(quote.provider):
        return f"profile {pool.price_source}"
    source = pool.accelerator.sources[quote.source]
    return f"{quote.provider}, {quote.kind}, {quote.date}; {_sourced(source)}"


def _sourced(source: Source) -> str:
    return source.title if source.date in source.title else f"{source.title} ({source.date})"


def quotes(found: Findings) -> Table | None:
    """Return all quotes of the chosen accelerator, cheapest first; None where there are none."""
    chosen = found.supply.accelerator
    if not chosen.prices:
        return None
    ordered = sorted(chosen.prices, key=lambda one: one.dollars_per_gpu_hour)
    rows = [
        Row(
            (
                one.provider,
                f"{number_format.dollars(one.dollars_per_gpu_hour)}/h",
                one.kind,
                one.date,
                _sourced(chosen.sources[one.source]),
            )
        )
        for one in ordered
    ]
    columns = "Provider | Price of one | Kind | Date | Source"
    return table(f"Quotes for {chosen.title} in the catalogue", columns, rows, (1,))


def records(found: Findings) -> Table:
    """Return the records of the catalogue that the answer rests on, each with its source."""
    llm = found.resolved.llm
    mark = " (not verified)" if llm.unverified else ""
    size = f"{llm.parameters / 1e9:,.1f} B parameters, {llm.layer_count} layers"
    rows = [("transformer", f"{llm.title}: {size}{mark}", f"{llm.source} ({llm.date})")]
    for draft in found.resolved.drafts:
        if not draft.own:
            told = f"{draft.llm.title}: {draft.llm.parameters / 1e9:,.2g} B parameters"
            rows.append(("draft", told, f"{draft.llm.source} ({draft.llm.date})"))
    if found.plan.found:
        rows += _machine(found.supply.accelerator)
    engine = found.resolved.engine
    if engine is not None:
        told = f"{engine.title} {engine.version}: what it can launch"
        rows.append(("engine", told, _sourced(engine.source_of("data_parallel"))))
    return table("Records of the catalogue", "What | Value | Source", _once(rows))


def _once(rows: Iterable[tuple[str, str, str]]) -> list[Row]:
    """Return rows in which a source that is that of the row above is not written again."""
    told, last = [], ""
    for name, value, source in rows:
        told.append(Row((name, value, "as above" if source == last else source)))
        last = source
    return told


def _machine(one: Accelerator) -> Iterator[tuple[str, str, str]]:
    peaks = [f"{rate / 1e12:,.0f} TFLOP/s {name}" for name, rate in one.flop_per_second.items()]
    network = one.node.network_bytes_per_second
    outside = "" if network is None else f", {network / 1e9:,.3g} GB/s to others"
    values = {
        "flop_per_second": ", ".join(peaks),
        "memory_bytes": number_format.gigabytes(one.memory_bytes),
        "memory_bytes_per_second": f"{one.memory_bytes_per_second / 1e9:,.0f} GB/s",
        "link": f"{one.link.technology}, {one.link.bytes_per_second / 1e9:,.0f} GB/s each way, "
        f"{one.link.gpus} accelerators",
        "node": f"{one.node.gpus} accelerators{outside}",
    }
    for name, value in values.items():
        mark = " (not verified)" if name in one.unverified else ""
        yield f"{one.name}: {FIELDS[name]}", f"{value}{mark}", _sourced(one.source_of(name))


def constants(found: Findings) -> Table:
    """Return what the profile makes of the data sheet."""
    profile, supply = found.resolved.profile, found.supply
    rates, sheet = supply.rates, supply.accelerator
    family = _family(found)
    source = profile.title
    if family is not None and family.source in profile.sources:
        source = _sourced(profile.sources[family.source])
    reaches = [
        f"{name} {rate / 1e12:,.0f} TFLOP/s{_part(rate, sheet.flop_per_second.get(name))}"
        for name, rate in rates.flop_per_second.items()
    ]
    rows = [("arithmetic reached", "; ".join(reaches), source)]
    reached = rates.memory_bytes_per_second
    bandwidth = f"{reached / 1e9:,.0f} GB/s{_part(reached, sheet.memory_bytes_per_second)}"
    rows.append(("memory bandwidth reached", bandwidth, source))
    rows.append(("overhead of one layer", number_format.seconds(rates.layer_seconds), source))
    rows.append(("messages between accelerators", rates.collectives.kind, _messages(found)))
    title = f"Constants of the profile {profile.name}"
    return table(title, "What | Value | Source", _once(rows))


def _part(reached: float, peak: float | None) -> str:
    return "" if not peak else f", {number_format.share(reached / peak)} of the data sheet"


def _family(found: Findings) -> Family | None:
    families = found.resolved.profile.families
    return families.get(found.supply.accelerator.family) or families.get(FALLBACK_FAMILY)


def _implementation(found: Findings) -> str:
    engine, profile = found.resolved.engine, found.resolved.profile
    named = found.instance.collectives or (engine.collectives if engine else None)
    return named or profile.default_collectives


def _messages(found: Findings) -> str:
    profile, name = found.resolved.profile, found.supply.accelerator.name
    measured = profile.collectives.get(name, {}).get(_implementation(found))
    if measured is None:
        return "not measured on this accelerator"
    source = profile.sources.get(measured.source)
    return _implementation(found) if source is None else _sourced(source)


def accuracy(found: Findings) -> Table | None:
    """Return how far times of the profile are from measurements; None where nobody knows."""
    family = _family(found)
    if family is None or not family.samples:
        return None
    rows = [
        ("Family of accelerators", found.supply.accelerator.family),
        ("Measured configurations", f"{family.samples:,}"),
        (
            "Median error of the time per output token",
            "unknown" if family.median_error is None else number_format.share(family.median_error),
        ),
    ]
    if family.left_out_error is not None:
        told = number_format.share(family.left_out_error)
        rows.append(("The same for a transformer that was left out of the fit, the worst", told))
    source = found.resolved.profile.sources.get(family.source)
    if source is not None:
        rows.append(("Measurements", _sourced(source)))
    caption = "Predicted times against measured ones"
    return table(caption, "What | Value", [Row(row) for row in rows])


def carried(found: Findings) -> list[str]:
    """Say what was not measured, so that constants were carried over or assumed."""
    resolved, plan, supply = found.resolved, found.plan, found.supply
    if resolved.profile.accelerators:
        return ["The constants are those of the source paper; nothing was fitted to measurements."]
    told = []
    family = _family(found)
    if family is None or not family.samples:
        told.append(
            f"Nothing was measured on accelerators of the family {supply.accelerator.family}: "
            "how much of the data sheet they reach is carried over from others."
        )
    if _implementation(found) not in resolved.profile.collectives.get(supply.accelerator.name, ()):
        told.append(f"Messages among accelerators were not measured on {supply.accelerator.title}.")
    if kinds := _words(set(resolved.llm.kinds) - MEASURED_KINDS):
        told.append(
            f"{resolved.llm.title} has {kinds}; the constants were fitted to dense transformers "
            "without, and plans for such transformers have come out too fast."
        )
    if plan.gamma:
        told.append("Speculative decoding was not measured; how often drafts are right is stated.")
    if (plan.gpus_per_replica or 0) > supply.accelerator.node.gpus:
        told.append("A replica spans several servers; the network between them is assumed.")
    return told


def _words(kinds: Iterable[str]) -> str:
    return number_format.listed(sorted(KINDS.get(kind, kind) for kind in kinds))


def sureness(found: Findings) -> str:
    """Say in a sentence or two how far the times can be trusted."""
    plan = found.plan
    family = _family(found)
    if plan.calibration == "measured" and family is not None and family.median_error is not None:
        error = number_format.share(family.median_error)
        return (
            f"Times predicted for such accelerators are off by {error} in the median of "
            f"{family.samples:,} measurements."
        )
    if found.resolved.profile.accelerators:
        return "The times behind it are those of the source paper; they are not calibrated."
    return (
        "The times behind it are estimated: not everything that this plan runs was measured. "
        "Measure one replica before you buy many."
    )
