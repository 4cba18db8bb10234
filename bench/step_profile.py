"""Where a training step spends its time, by the profiler of torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity

KINDS: Final = {
    "attention": r"flash|fmha|varlen|packed_attention|_Attention",
    "matrix products": r"gemm|nvjet|cutlass|cublas|xmma|::(add)?b?mm$|mkldnn_linear|_linear",
    "between ranks": r"nccl|all_?reduce|c10d",
    "fused by the compiler": r"^triton_|cpp_fused|CompiledF",
    "normalisation": r"layer_?norm|gammabeta",
    "optimizer": r"adam|multi_tensor|_foreach|vector_norm|lpnorm",
    "the vocabulary's losses": r"soft_?max|argmax|nll|_Loss",
    "look-ups": r"embedding|index|gather|scatter",
    "copies and casts": r"copy|memcpy|memset|fill|zero_|::cat$|CatArray",
    "dropout": r"dropout|bernoulli|random_|_Drop",
}
"""Kinds of work by the names of kernels on a GPU and of operators on a CPU; the first that fits."""
MOST: Final = 40
"""Lines of the table."""


def profile(work: Callable[[], Any], device: torch.device, path: str) -> dict[str, float]:
    """Run some work under the profiler.

    Args:
        work: what is looked at; it is run once more before, so that nothing is new to it.
        device: what it computes on.
        path: the table goes to PATH.txt, the trace for chrome://tracing to PATH.trace.json.gz.

    Returns:
        The share of the device's time that each kind of work takes, the largest first.
    """
    work()
    on_gpu = device.type == "cuda"
    seen = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with torch.profiler.profile(activities=seen) as profiler:
        work()
    events = profiler.key_averages()
    sort_by = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    profiler.export_chrome_trace(f"{path}.trace.json.gz")
    times: Counter[str] = Counter()
    for event in events:
        if event.device_type == (DeviceType.CUDA if on_gpu else DeviceType.CPU) and not event.is_user_annotation:
            times[kind_of(event.key)] += getattr(event, sort_by)
    shares = {kind: round(time / times.total(), 4) for kind, time in times.most_common()}
    with open(f"{path}.txt", "w", encoding="utf-8") as out:
        out.writelines(f"{share:7.2%}  {kind}\n" for kind, share in shares.items())
        out.write("\n" + events.table(sort_by=sort_by, row_limit=MOST, max_name_column_width=80))
    return shares


def kind_of(name: str) -> str:
    return next((kind for kind, names in KINDS.items() if re.search(names, name, re.IGNORECASE)), "all else")
