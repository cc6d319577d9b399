"""The catalogue on the terminal: lists, and single entries with their sources."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from planner import catalogue
from planner.catalogue.accelerator import Accelerator
from planner.catalogue.engine import Engine
from planner.catalogue.transformer import Transformer
from planner.errors import InputError, Problem, did_you_mean

LISTS = ("accelerators", "transformers", "engines", "profiles")


def show(name: str, console: Console) -> None:
    """Print a list (one of `LISTS`, or `all`) or the entry `name`.

    Raises
    ------
    InputError
        Where nothing has that name.
    """
    tables = (_accelerators, _transformers, _engines, _profiles)
    lists = dict(zip(LISTS, tables, strict=True))
    if name == "all":
        for table in lists.values():
            console.print(table())
    elif name in lists:
        console.print(lists[name]())
    else:
        _entry(name, console)


def _entry(name: str, console: Console) -> None:
    for load, render in (
        (catalogue.accelerator, _accelerator),
        (catalogue.transformer, _transformer),
        (catalogue.engine, _engine),
    ):
        try:
            record = load(name)
        except InputError:
            continue
        console.print(render(record))  # type: ignore[arg-type]
        return
    names = (catalogue.accelerator_names, catalogue.transformer_names, catalogue.engine_names)
    known = [*LISTS, *(name for load in names for name in load())]
    raise InputError(
        Problem(
            found=repr(name),
            expected=f"{', '.join(LISTS)}, or the name of an entry",
            fix=did_you_mean(name, known),
        )
    )


def _listing(title: str, *columns: str) -> Table:
    """A plain table whose first column keeps its words and whose others are numbers."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("name", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    return table


def _accelerators() -> Table:
    columns = ("TFLOP/s\nbf16", "\nfp8", "\nfp4", "memory\nGB", "memory\nTB/s")
    table = _listing("Accelerators", *columns, "link\nGB/s", "linked\nGPUs", "price\n$/h")
    table.caption = "Dense rates. * some fields were not read from a primary source"
    for name in catalogue.accelerator_names():
        record = catalogue.accelerator(name)
        rates = (_scaled(record.flop_per_second.get(p), 1e12) for p in ("bf16", "fp8", "fp4"))
        table.add_row(
            name + ("*" if record.unverified else ""),
            *rates,
            f"{record.memory_bytes / 1e9:.1f}",
            f"{record.memory_bytes_per_second / 1e12:.2f}",
            _scaled(record.link.bytes_per_second, 1e9),
            str(record.link.gpus),
            f"{record.price.dollars_per_gpu_hour:.2f}" if record.price else "",
        )
    return table


def _scaled(value: float | None, unit: float) -> str:
    return "" if value is None else f"{value / unit:,.0f}"


def _transformers() -> Table:
    columns = ("total\nbillion", "active\nbillion", "layers", "cached\nper token", "context")
    table = _listing("Transformers", *columns)
    table.add_column("layers of", justify="left")
    table.caption = "* shape not read from a primary source"
    for name in catalogue.transformer_names():
        record = catalogue.transformer(name)
        table.add_row(
            name + ("*" if record.unverified else ""),
            f"{record.parameters / 1e9:,.2f}",
            f"{record.active_parameters / 1e9:,.2f}",
            str(record.layer_count),
            f"{record.cache_elements_per_token:,}",
            f"{record.context:,}" if record.context else "",
            ", ".join(record.kinds),
        )
    return table


def _engines() -> Table:
    table = _listing("Engines")
    for column in ("release", "attention groups", "expert groups", "all-reduce"):
        table.add_column(column, overflow="fold")
    table.caption = "* some rules were not found in the engine's documentation or source"
    for name in catalogue.engine_names():
        record = catalogue.engine(name)
        table.add_row(
            name + ("*" if record.unverified else ""),
            record.version,
            record.data_parallel,
            record.expert_parallel,
            record.collectives,
        )
    return table


def _profiles() -> Table:
    table = _listing("Profiles")
    table.add_column("what")
    for name in catalogue.profile_names():
        table.add_row(name, catalogue.profile(name).title)
    return table


def _entry_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _accelerator(record: Accelerator) -> Group:
    facts = _entry_table(record.title, "field", "value", "source")
    for field, value in _facts(record).items():
        mark = " (unverified)" if field in record.unverified else ""
        facts.add_row(field, value, record.origin.get(field, record.origin["default"]) + mark)
    prices = _entry_table("Prices", "$/h", "kind", "provider", "date", "source")
    for price in record.prices:
        dollars = f"{price.dollars_per_gpu_hour:.2f}{' default' if price.default else ''}"
        prices.add_row(dollars, price.kind, price.provider, price.date, price.source)
    sources = _entry_table("Sources", "key", "title", "date")
    for key, source in record.sources.items():
        sources.add_row(key, source.title, source.date)
    return Group(facts, prices, sources, *_tail(record.aliases, record.notes))


def _facts(record: Accelerator) -> dict[str, str]:
    link, node = record.link, record.node
    facts = {
        f"flop_per_second.{name}": f"{rate / 1e12:,.1f} TFLOP/s"
        for name, rate in record.flop_per_second.items()
    }
    facts["memory_bytes"] = f"{record.memory_bytes / 1e9:.1f} GB"
    facts["memory_bytes_per_second"] = f"{record.memory_bytes_per_second / 1e12:.2f} TB/s"
    speed = f"{link.bytes_per_second / 1e9:.0f} GB/s one way"
    facts["link.bytes_per_second"] = f"{speed}, {link.technology}"
    facts["link.gpus"] = str(link.gpus)
    facts["node.gpus"] = str(node.gpus)
    if node.network_bytes_per_second is not None:
        facts["node.network_bytes_per_second"] = (
            f"{node.network_bytes_per_second / 1e9:.1f} GB/s per GPU"
        )
    if record.power_watts is not None:
        facts["power_watts"] = f"{record.power_watts:.0f} W"
    return facts


RULES = (
    *("vendors", "tensor_parallel", "data_parallel", "expert_parallel", "whole_kv_heads"),
    *("pipeline_with_experts", "pipeline_with_data_parallel", "pipeline_with_speculation"),
    *("draft_models", "draft_models_with_data_parallel", "mtp", "weights", "kv", "collectives"),
)
"""Fields of an engine that limit what it launches, in the order they are shown."""


def _engine(record: Engine) -> Group:
    rules = _entry_table(f"{record.title} {record.version}", "rule", "value", "source")
    for field in RULES:
        mark = " (unverified)" if field in record.unverified else ""
        source = record.origin.get(field, record.origin["default"]) + mark
        rules.add_row(field, _rule(getattr(record, field)), source)
    sources = _entry_table("Sources", "key", "title", "date")
    for key, entry in record.sources.items():
        sources.add_row(key, entry.title, entry.date)
    return Group(rules, sources, *_tail(record.aliases, record.notes))


def _rule(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "any"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _transformer(record: Transformer) -> Group:
    facts = _entry_table(record.title, "field", "value")
    facts.add_row("parameters", f"{record.parameters:,}")
    if record.published:
        published = f"{record.published.total_parameters:,.0f} ({record.published.source})"
        facts.add_row("published", published)
    facts.add_row("active parameters", f"{record.active_parameters:,}")
    facts.add_row("hidden size", f"{record.hidden:,}")
    tied = ", tied" if record.tied_embeddings else ""
    facts.add_row("vocabulary", f"{record.vocabulary:,}{tied}")
    for group in record.layers:
        facts.add_row(f"{group.count} layers", f"{group.attention}\n{group.feedforward}")
    facts.add_row("cached per token", f"{record.cache_elements_per_token:,} numbers")
    facts.add_row("source", f"{record.source}, {record.date}")
    return Group(facts, *_tail(record.aliases, record.notes))


def _tail(aliases: tuple[str, ...], notes: str) -> list[Text]:
    lines = [f"Aliases: {', '.join(aliases)}" if aliases else "", notes]
    return [Text(line) for line in lines if line]
