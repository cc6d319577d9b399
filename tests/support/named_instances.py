"""Small instances of one workload and of a fleet, in which everything has one given name."""

SEARCH = {"batch": [1, 16], "tensor_parallel": [1], "pipeline_parallel": [1]}


def chat(name, **more):
    return {
        "name": name,
        "workload": {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 40},
        "pools": [{"name": name, "accelerator": "h100-sxm", "dollars_per_gpu_hour": 2.0}],
        "search": SEARCH,
        **more,
    }


def fleet(name):
    service = {
        "name": name,
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 40,
        "requests_per_second": [4, 8],
    }
    return {
        "name": name,
        "periods": [{"name": f"{name} day"}, {"name": f"{name} night"}],
        "workloads": [service],
        "pools": [
            {"name": name, "accelerator": "h100-sxm", "on_demand": {"dollars_per_gpu_hour": 2}}
        ],
        "search": SEARCH,
    }
