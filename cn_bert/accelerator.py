"""Tell DeepSpeed what this process computes on, before anything imports it."""

from __future__ import annotations

import os


def name_accelerator() -> None:
    """Say aloud that there is no GPU. DeepSpeed finds that out by itself, and warns each time that it had to."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
