"""The label of a deployment: one name for it in every file, table and message."""

from __future__ import annotations


def label(
    *,
    tensor_parallel: int,
    pipeline_parallel: int,
    data_parallel: int,
    expert_parallel: int,
    weights: str,
    kv: str,
    batch: int,
    draft: str = "",
    gamma: int = 0,
    pool: str = "",
) -> str:
    """Name a deployment by everything that was decided, in as few letters as tell it from others.

    Degrees of 1, but the tensor-parallel one, and a cache in bf16 go without saying.

    Examples
    --------
    >>> degrees = {"pipeline_parallel": 1, "data_parallel": 1, "expert_parallel": 1}
    >>> label(tensor_parallel=4, **degrees, weights="fp8", kv="bf16", batch=47, pool="h100")
    'h100 tp4 fp8 b47'
    >>> label(tensor_parallel=1, **degrees, weights="fp8", kv="fp8", batch=8, draft="mtp", gamma=2)
    'tp1 fp8 kv-fp8 mtp-x2 b8'
    """
    degrees = {"pp": pipeline_parallel, "dp": data_parallel, "ep": expert_parallel}
    parts = [pool] if pool else []
    parts.append(f"tp{tensor_parallel}")
    parts += [f"{letters}{degree}" for letters, degree in degrees.items() if degree > 1]
    parts += [weights, *([f"kv-{kv}"] if kv != "bf16" else [])]
    parts += [f"{draft}-x{gamma}"] if gamma else []
    return " ".join([*parts, f"b{batch}"])


def stages_of(label: str) -> int:
    """Return the pipeline stages that a label states; 1 where it states none.

    Examples
    --------
    >>> stages_of("tp4 pp2 fp8 b47"), stages_of("measured")
    (2, 1)
    """
    degrees = [part[2:] for part in label.split() if part.startswith("pp")]
    return next((int(degree) for degree in degrees if degree.isdecimal()), 1)


def layout_of(label: str) -> str:
    """Return what a label says of a deployment but for its batch: what is as it is without one.

    Examples
    --------
    >>> layout_of("tp4 fp8 b47"), layout_of("measured")
    ('tp4 fp8', 'measured')
    """
    layout, _, batch = label.rpartition(" b")
    return layout if layout and batch.isdecimal() else label
