"""The accelerator files against the facts table they were written from."""

import csv
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from planner.catalogue import loader, machine_types, spellings
from planner.errors import UnknownNameError

FACTS = Path(__file__).parents[1] / "data" / "catalogue"

# Slug to row of accelerators.csv.
ROWS = {
    "a10": "A10",
    "a100-40gb-sxm": "A100 40GB SXM",
    "a100-80gb-pcie": "A100 80GB PCIe",
    "a100-80gb-sxm": "A100 80GB SXM",
    "a10g": "A10G",
    "a30": "A30",
    "arc-pro-b60": "Arc Pro B60",
    "ascend-910b2": "Ascend 910B2",
    "b200-sxm": "B200 SXM",
    "b300-sxm": "B300 SXM",
    "gaudi2": "Gaudi2",
    "gaudi3": "Gaudi3",
    "gb200-nvl72": "GB200 NVL72",
    "gb300-nvl72": "GB300 NVL72",
    "gh200": "GH200 144GB",
    "groq-lpu": "Groq LPU v1",
    "h100-nvl": "H100 NVL",
    "h100-pcie": "H100 PCIe",
    "h100-sxm": "H100 SXM",
    "h20": "H20",
    "h200-sxm": "H200 SXM",
    "h800-sxm": "H800 SXM",
    "inferentia2": "Inferentia2",
    "l4": "L4",
    "l40": "L40",
    "l40s": "L40S",
    "mi250x": "MI250X",
    "mi300x": "MI300X",
    "mi325x": "MI325X",
    "mi355x": "MI355X",
    "rtx-3090": "RTX 3090",
    "rtx-4090": "RTX 4090",
    "rtx-5090": "RTX 5090",
    "rtx-pro-6000": "RTX PRO 6000 Server",
    "t4": "T4",
    "tpu-v4": "TPU v4",
    "tpu-v5e": "TPU v5e",
    "tpu-v5p": "TPU v5p",
    "tpu-v6e": "TPU v6e",
    "tpu-v7": "TPU7x Ironwood",
    "trainium1": "Trainium1",
    "trainium2": "Trainium2",
    "trainium3": "Trainium3",
    "v100-sxm": "V100 SXM2 32GB",
}
# Versions of a machine above that have no row of their own.
VERSIONS = {"a800-80gb-sxm", "gh200-96gb", "rtx-a6000", "v100-pcie"}

# Slug to the name prices.csv uses, where it is not the name of the row.
QUOTED_AS = {
    "a800-80gb-sxm": "NVIDIA A800-SXM4-80GB",
    "gh200-96gb": "GH200",
    "h20": "H20-3e",
    "rtx-a6000": "NVIDIA RTX A6000",
    "v100-pcie": "V100 PCIe 32GB",
    "v100-sxm": "V100 PCIe 32GB",
}

FIELD_OF_CELL = {
    "bf16_tflops_dense": "flop_per_second.bf16",
    "fp8_tflops_dense": "flop_per_second.fp8",
    "int8_tops_dense": "flop_per_second.int8",
    "fp4_tflops_dense": "flop_per_second.fp4",
    "mem_gb": "memory_bytes",
    "mem_bw_TBps": "memory_bytes_per_second",
    "link_tech": "link.technology",
    "link_uni_GBps_per_gpu": "link.bytes_per_second",
    "link_domain_size": "link.gpus",
    "nic_Gbps_per_gpu": "node.network_bytes_per_second",
    "power_w": "power_watts",
}
UNIT = {
    "bf16_tflops_dense": 1e12,
    "fp8_tflops_dense": 1e12,
    "int8_tops_dense": 1e12,
    "fp4_tflops_dense": 1e12,
    "mem_bw_TBps": 1e12,
    "link_uni_GBps_per_gpu": 1e9,
    "link_domain_size": 1,
    "nic_Gbps_per_gpu": 1e9 / 8,
    "power_w": 1,
}
# Cells the table marks as unread or leaves empty, read since in the vendor's documentation.
READ_SINCE = {
    "inferentia2": {"flop_per_second.int8"},
    "tpu-v5e": {"node.network_bytes_per_second"},
    "trainium3": {"memory_bytes", "memory_bytes_per_second", "link.technology"},
}
# Fields the table leaves empty and the file fills from another source or marks unverified.
FILLED = {
    "gh200": {"link.gpus"},
    "groq-lpu": {"link.bytes_per_second", "link.gpus"},
    "tpu-v5e": {"node.network_bytes_per_second"},
    "trainium3": {"link.bytes_per_second", "link.gpus"},
}
# MXFP8 of Trainium3 is 3.75 times its bf16, both dense.
FP8_MORE_THAN_TWICE = {"trainium3"}
# fp4 of the RTX 5090 is 4 times its fp8, which is halved by fp32 accumulation; both dense.
FP4_MORE_THAN_THRICE = {"rtx-5090"}

KINDS = {"on-demand", "rental", "marketplace", "TCO", "index", "capacity block", "assumption"}
ESTIMATED = {"ascend-910b2", "h20"}

# Names of the measurements that no file describes; another machine must not stand in for them.
NOT_DESCRIBED = {
    "A100-80 (form factor not stated)": "PCIe or SXM is unknown",
    "H20-3e": "bandwidth not found in a source",
    "H200 NVL": "not in the facts table",
    "Huawei Ascend Ascend910": "the exact chip is not stated",
    "M2 Ultra": "not a server accelerator",
    "MTT S4000": "no specification at hand",
    "RTX 4000 Ada": "not in the facts table",
    "RTX 4080": "not in the facts table",
    "RTX 4090 D": "not an RTX 4090",
    "RTX 5000 Ada": "not in the facts table",
    "RTX 6000 Ada": "not in the facts table",
    "V100S-32 PCIe": "faster than a V100; bandwidth not found in a source",
}


def rows():
    with (FACTS / "accelerators.csv").open(encoding="utf-8", newline="") as file:
        return {row["gpu"]: row for row in csv.DictReader(file)}


def quotes():
    with (FACTS / "prices.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def value(record, field):
    found = record
    for part in field.split("."):
        found = found.get(part) if isinstance(found, dict) else getattr(found, part)
    return found


def unread_cells(row):
    text = row["unverified_fields"]
    cells = FIELD_OF_CELL if text == "ALL SPEC" else re.sub(r"\(.*?\)", "", text).split()
    return {FIELD_OF_CELL[cell] for cell in cells if row[cell]}


def exists(record, field):
    try:
        return value(record, field) is not None
    except AttributeError:
        return False


every_file = pytest.mark.parametrize("name", loader.accelerator_names())
every_row = pytest.mark.parametrize("name", sorted(ROWS))


def test_every_row_of_the_table_has_a_file():
    assert set(loader.accelerator_names()) == set(ROWS) | VERSIONS
    assert sorted(ROWS.values()) == sorted(rows())


@every_file
def test_name_and_aliases_find_the_file(name):
    record = loader.accelerator(name)
    assert record.name == name == spellings.slug(name)
    assert len({spellings.slug(alias) for alias in record.aliases}) == len(record.aliases)
    for alias in record.aliases:
        assert loader.accelerator(alias) == record
        assert (
            spellings.slug(alias) == name or spellings.slug(alias) not in loader.accelerator_names()
        )


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("H100", "h100-sxm"),
        ("h200", "h200-sxm"),
        ("b200", "b200-sxm"),
        ("a100-80gb", "a100-80gb-sxm"),
        ("gb200", "gb200-nvl72"),
        ("4090", "rtx-4090"),
        ("v5e", "tpu-v5e"),
        ("TPU v5 lite", "tpu-v5e"),
        ("GH200 96GB", "gh200-96gb"),
        ("NVIDIA-H100-80GB-HBM3", "h100-sxm"),
        ("H100-SXM5-80GB", "h100-sxm"),
        ("Tesla V100-SXM2-32GB", "v100-sxm"),
        ("a100-40", "a100-40gb-sxm"),
    ],
)
def test_names_people_type(typed, name):
    assert loader.accelerator(typed).name == name


@pytest.mark.parametrize(
    ("machine", "inside"),
    [
        ("p5.48xlarge", "h100-sxm"),
        ("p5en.48xlarge", "h200-sxm"),
        ("g6e.xlarge", "l40s"),
        ("a3-megagpu-8g", "h100-sxm"),
        ("a2-ultragpu-8g", "a100-80gb-sxm"),
        ("Standard_ND96isr_H200_v5", "h200-sxm"),
        ("Standard_NC40ads_H100_v5", "h100-nvl"),
    ],
)
def test_a_machine_type_is_told_what_is_in_it(machine, inside):
    with pytest.raises(UnknownNameError, match=f"a machine with {inside}: "):
        loader.accelerator(machine)


def test_what_is_said_to_be_in_machines_is_in_the_catalogue():
    assert set(machine_types.ACCELERATORS_OF.values()) <= set(loader.accelerator_names())


@every_file
def test_every_number_has_a_dated_source(name):
    record = loader.accelerator(name)
    used = set(record.origin.values()) | {price.source for price in record.prices}
    assert "default" in record.origin
    assert used == set(record.sources)
    fields = [field for field in record.origin if field != "default"]
    assert [field for field in (*fields, *record.unverified) if not exists(record, field)] == []
    for dated in (*record.sources.values(), *record.prices):
        assert re.fullmatch(r"20\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", dated.date)


@every_file
def test_prices(name):
    record = loader.accelerator(name)
    assert sum(price.default for price in record.prices) <= 1
    assert {price.kind for price in record.prices} <= KINDS
    assert all(0.05 < price.dollars_per_gpu_hour < 15 for price in record.prices)
    kind = record.price.kind if record.price else None
    assert kind not in {"TCO"}
    assert (kind == "assumption") == (name in ESTIMATED)


@every_file
def test_prices_are_all_the_quotes_of_the_table(name):
    quoted_as = QUOTED_AS.get(name, ROWS.get(name))
    expected = Counter(
        (float(quote["usd_per_gpu_hr"]), quote["date"])
        for quote in quotes()
        if quote["gpu"] == quoted_as
    )
    found = Counter(
        (price.dollars_per_gpu_hour, price.date) for price in loader.accelerator(name).prices
    )
    assert found == expected


def test_quotes_without_a_file():
    quoted = {QUOTED_AS.get(name, ROWS.get(name)) for name in loader.accelerator_names()}
    assert {quote["gpu"] for quote in quotes()} - quoted == {
        "NVIDIA GeForce RTX 4090 D",
        "Huawei Ascend Ascend910",
    }


@every_row
def test_numbers_equal_the_table(name):
    record, row = loader.accelerator(name), rows()[ROWS[name]]
    for cell, unit in UNIT.items():
        field = FIELD_OF_CELL[cell]
        if row[cell]:
            assert value(record, field) == pytest.approx(float(row[cell]) * unit, rel=1e-3), field
        elif field not in FILLED.get(name, ()):
            assert value(record, field) is None, field
    # Nominal gigabytes against what the device reports: up to 1024^3 / 1000^3 = 7.4 % more.
    assert 1 <= record.memory_bytes / (float(row["mem_gb"]) * 1e9) < 1.08


@every_row
def test_unread_cells_are_marked(name):
    record, row = loader.accelerator(name), rows()[ROWS[name]]
    unread = unread_cells(row) | FILLED.get(name, set())
    assert unread - READ_SINCE.get(name, set()) <= set(record.unverified)


@every_file
def test_rates_are_dense(name):
    rate = loader.accelerator(name).flop_per_second
    if name in FP8_MORE_THAN_TWICE:
        assert rate["fp8"] > 2.05 * rate["bf16"]
    else:
        assert rate.get("fp8", 0) <= 2.05 * rate["bf16"]
    if name in FP4_MORE_THAN_THRICE:
        assert 3.1 * rate["fp8"] < rate["fp4"] <= 2.05 * rate["int8"]
    else:
        assert rate.get("fp4", 0) <= 3.1 * rate.get("fp8", 0)


@every_file
def test_domain_and_server_fit_together(name):
    record = loader.accelerator(name)
    small, large = sorted((record.link.gpus, record.node.gpus))
    assert large % small == 0
    assert record.memory_bytes_per_second > record.link.bytes_per_second


@pytest.mark.parametrize(
    ("changed", "base", "fields"),
    [
        ("a800-80gb-sxm", "a100-80gb-sxm", {"link", "node", "prices"}),
        ("gh200-96gb", "gh200", {"memory_bytes", "memory_bytes_per_second", "prices"}),
    ],
)
def test_versions_differ_from_their_base_only_as_stated(changed, base, fields):
    names = {"title", "name", "aliases", "origin", "sources", "unverified", "notes"}
    one, other = loader.accelerator(changed), loader.accelerator(base)
    differing = {key for key in one.__slots__ if getattr(one, key) != getattr(other, key)}
    assert differing - names == fields


def test_names_of_the_measurements_are_described():
    if "PLANNER_DATA" not in os.environ:
        pytest.skip("PLANNER_DATA is unset: the measurements are not part of the project")
    path = Path(os.environ["PLANNER_DATA"]) / "measured" / "serving_measurements.csv"
    with path.open(encoding="utf-8", newline="") as file:
        measured = {row["gpu"] for row in csv.DictReader(file)}
    unknown = set()
    for name in measured:
        try:
            loader.accelerator(name)
        except UnknownNameError:
            unknown.add(name)
    assert unknown == set(NOT_DESCRIBED)
