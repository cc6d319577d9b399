"""Collectives: whose all-reduce counts, what it takes as measured, and rings on a torus."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import planner
from planner import catalogue
from planner.candidates.table import tabulate
from planner.catalogue.profile import Measured, NcclTree, Ring
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.terms.calibration import NCCL_TREE, implementations, rates
from planner.terms.collectives import all_reduce, curve_of
from planner.verification.check_plan import check_plan

CALIBRATED = catalogue.profile("calibrated")
DENSE = {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 40}


def instance(**content: object) -> Instance:
    """A dense instance of few batches on H200 that `content` changes."""
    base = {"name": "collectives", "workload": DENSE, "pools": [{"accelerator": "h200-sxm"}]}
    return Instance.model_validate({**base, "search": {"batch": [1, 8, 64, 512]}, **content})


def latency(
    implementation: str | None, accelerator: str, ranks: int, payload: float = 8192
) -> float:
    net = rates(catalogue.accelerator(accelerator), CALIBRATED, implementation).collectives
    nodes = 1 if isinstance(net, Ring) else np.ceil(ranks / net.node_gpus)
    message = all_reduce(net, *(np.asarray(float(x)) for x in (ranks, nodes, payload)))
    return float(message.latency + message.transfer)


@pytest.mark.parametrize(
    ("implementation", "least", "most"),
    [
        ("trtllm", 3.3e-6, 3.5e-6),
        ("sglang-graph", 3.5e-6, 3.7e-6),
        (None, 4.7e-6, 5.0e-6),
        ("vllm-graph", 4.7e-6, 5.0e-6),
        ("nccl", 15.6e-6, 16.1e-6),
        ("vllm-eager", 20e-6, 24e-6),
        ("sglang-eager", 30e-6, 33e-6),
        ("nccl-tree", 15e-6, 16e-6),
    ],
)
def test_8_kb_over_8_h100_takes_what_was_measured(implementation, least, most):
    assert least <= latency(implementation, "h100-sxm", 8) <= most


@pytest.mark.parametrize("name", CALIBRATED.collectives)
@pytest.mark.parametrize("implementation", implementations(CALIBRATED))
def test_every_implementation_times_every_measured_accelerator(name, implementation):
    payloads = [0.0, 1e4, 1e6, 1e8]
    for ranks in (2, 4, 8):
        times = [latency(implementation, name, ranks, payload) for payload in payloads]
        assert times == sorted(times)
        assert 1e-6 < times[0] < 2e-4


def test_engines_bring_their_own_all_reduce_and_the_instance_overrules_them():
    def net(**content: str) -> object:
        return resolve(instance(**content)).pools[0].rates.collectives

    assert net(engine="vllm") == net() == net(collectives="vllm-graph")
    assert net(engine="sglang") == net(collectives="sglang-graph") != net()
    assert net(engine="tensorrt-llm") == net(collectives="trtllm")
    assert net(engine="sglang", collectives="nccl") == net(collectives="nccl")


def test_slower_collectives_make_slower_steps():
    speeds = []
    for name in ("sglang-graph", "vllm-graph", "nccl", "sglang-eager"):
        search = {"batch": [1], "tensor_parallel": 8, "weights": "bf16", "pipeline_parallel": 1}
        content = {"workload": {**DENSE, "transformer": "llama-3.1-70b"}, "search": search}
        table = tabulate(resolve(instance(**content, collectives=name)))
        speeds.append(float(table.tokens_per_second_per_request[0]))
    assert speeds == sorted(speeds, reverse=True)
    assert len(set(speeds)) == 4


def test_what_nobody_measured_is_estimated():
    def estimated(accelerator: str, implementation: str | None) -> bool:
        return rates(catalogue.accelerator(accelerator), CALIBRATED, implementation).estimated

    assert not estimated("h100-sxm", "trtllm")
    assert not estimated("h100-nvl", None)
    assert estimated("h100-nvl", "trtllm")
    assert estimated("h100-sxm", NCCL_TREE)
    assert estimated("mi300x", None)
    # Of the H100 NVL only one implementation was measured; its PCIe is in the way of any other.
    assert latency("trtllm", "h100-nvl", 4) == latency(None, "h100-nvl", 4)


def test_pcie_takes_the_stand_in_of_the_same_implementation():
    assert latency("nccl", "l4", 2) == latency("nccl", "l40s", 2)
    assert latency("nccl", "l4", 2) != latency("vllm-graph", "l4", 2)


def test_nccl_tree_has_the_bandwidths_of_the_data_sheet():
    net = rates(catalogue.accelerator("h100-sxm"), CALIBRATED, NCCL_TREE).collectives
    assert isinstance(net, NcclTree)
    assert net.intra_bytes_per_second == pytest.approx(450e9 * 0.75 / 2)
    assert net.inter_bytes_per_second == pytest.approx(50e9 * 0.8 / 2)
    assert net.node_gpus == 8 and not net.overlapped


@pytest.mark.parametrize("implementation", [*implementations(CALIBRATED), None])
@pytest.mark.parametrize("name", ["gb200-nvl72", "gb300-nvl72"])
def test_72_ranks_of_an_nvl72_stay_on_nvlink(name, implementation):
    net = rates(catalogue.accelerator(name), CALIBRATED, implementation).collectives
    assert net.node_gpus == 72
    whole, more = latency(implementation, name, 72, 1e9), latency(implementation, name, 144, 1e9)
    network = 50e9 * 0.8
    assert whole < 1e9 / network / 2
    assert more > whole
    if isinstance(net, Measured):
        assert whole == pytest.approx(curve_time(net, 72, 1e9), rel=1e-9)


def curve_time(net: Measured, ranks: int, payload: float) -> float:
    curve = curve_of(net, ranks)
    return curve.seconds[-1] + (payload - net.payload_bytes[-1]) / curve.bytes_per_second


@pytest.mark.parametrize("name", [name for name in catalogue.accelerator_names() if "tpu" in name])
def test_ring_latency_of_a_tpu_grows_linearly_and_bandwidth_is_the_data_sheets(name):
    sheet = catalogue.accelerator(name)
    for ranks, implementation in product((2, 3, 4, 8, 64), (None, "nccl", NCCL_TREE)):
        assert latency(implementation, name, ranks, 0.0) == pytest.approx(2 * (ranks - 1) * 1e-6)
        seconds = latency(implementation, name, ranks, 1e9) - 2 * (ranks - 1) * 1e-6
        links = sheet.link.bytes_per_second * CALIBRATED.link_efficiency
        assert seconds == pytest.approx(2 * (ranks - 1) / ranks * 1e9 / links)
    assert rates(sheet, CALIBRATED).estimated


def test_tpus_are_planned_over_their_torus():
    pools = [{"accelerator": "tpu-v5e"}]
    resolved = instance(workload={**DENSE, "tokens_per_second_per_request": 20}, pools=pools)
    plan = planner.solve(resolved)
    assert plan.status == "optimal"
    assert check_plan(plan.to_row(), resolved) == []


@pytest.mark.parametrize("overlapped", [False, True])
def test_parts_inside_and_between_nodes_add_up_unless_they_overlap(overlapped):
    """16 ranks on two nodes: 14 of 16 parts stay inside at 200 B/s, 1 of 16 crosses at 50 B/s."""
    net = NcclTree(200.0, 50.0, 8, overlapped=overlapped)
    found = all_reduce(net, np.array(16.0), np.array(2.0), np.array(1e9)).transfer
    inside, between = 14 / 16 / 200, 1 / 16 / 50
    assert found == pytest.approx(1e9 * (max(inside, between) if overlapped else inside + between))
