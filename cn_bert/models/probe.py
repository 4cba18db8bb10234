"""The guard in front of every run: sequences of a packed row must not see each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cn_bert.layout import Layout
from corpus_tools.errors import RefusedError


@torch.no_grad()
def probe(encoder: nn.Module, vocabulary_size: int) -> None:
    """Change one sequence of a packed row: the other's output must not move.

    A class that swallows unknown arguments would attend across sequences in silence; this is the guard against it.
    Each of two sequences is changed in turn, because a causal encoder leaks in one direction only.

    Raises:
        RefusedError: the other sequence's output moved, or a changed sequence's own did not.
    """
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    ids = torch.arange(12, device=device).remainder(vocabulary_size)[None]
    first, second = slice(0, 5), slice(5, 12)
    before = _outputs(encoder, ids)
    apart = True
    for changed, other in ((first, second), (second, first)):
        altered = ids.clone()
        altered[0, changed] = (ids[0, changed] + 7).remainder(vocabulary_size)
        after = _outputs(encoder, altered)
        apart &= torch.equal(before[other], after[other]) and not torch.equal(before[changed], after[changed])
    encoder.train(was_training)
    if not apart:
        raise RefusedError(
            f"{type(encoder).__name__} does not keep the sequences of a packed row apart; it cannot be pre-trained here"
        )


def _outputs(encoder: nn.Module, ids: Tensor) -> Tensor:
    """Run the probe's row: two sequences, of 5 and 7 tokens."""
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]], device=ids.device)
    layout = Layout.of(np.array([0, 5, 12])).to(ids.device)
    hidden: Tensor = encoder(
        input_ids=ids, position_ids=positions, token_type_ids=torch.zeros_like(ids), layout=layout
    )[0][0]
    return hidden
