"""Names as people, drivers and Kubernetes labels write them find the accelerator."""

import pytest

from planner.catalogue import loader


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("NVIDIA H100", "h100-sxm"),
        ("NVIDIA-H100-80GB-HBM3", "h100-sxm"),
        ("NVIDIA-A100-SXM4-80GB", "a100-80gb-sxm"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA B200", "b200-sxm"),
        ("AMD Instinct MI300X", "mi300x"),
        ("AMD MI300X", "mi300x"),
    ],
)
def test_a_makers_name_before_it_does_no_harm(typed, name):
    assert loader.accelerator(typed).name == name
