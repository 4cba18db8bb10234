"""The loss whose gradient is made in the forward pass equals PyTorch's cross-entropy."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cn_bert.objectives.vocabulary_loss import ROWS, vocabulary_loss


def made(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(2)
    hidden, weight, bias = torch.randn(n, 16), torch.randn(300, 16), torch.randn(300)
    return *(x.requires_grad_() for x in (hidden, weight, bias)), torch.randint(0, 300, (n,))  # type: ignore[return-value]


@pytest.mark.parametrize("n", [1, ROWS, 2 * ROWS + 5])
def test_loss_hits_and_gradients_equal_cross_entropy(n: int) -> None:
    hidden, weight, bias, labels = made(n)
    scores = hidden @ weight.t() + bias
    expected = cross_entropy(scores, labels, reduction="sum")
    wanted = torch.autograd.grad(expected * 0.37, (hidden, weight, bias))

    total, right = vocabulary_loss(hidden, weight, bias, labels)
    found = torch.autograd.grad(total * 0.37, (hidden, weight, bias))

    torch.testing.assert_close(total, expected)
    assert right.item() == (scores.argmax(-1) == labels).sum().item()
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_nothing_masked_is_a_loss_of_zero_with_gradients_of_zero() -> None:
    hidden, weight, bias, labels = made(0)
    total, right = vocabulary_loss(hidden, weight, bias, labels)
    total.backward()
    assert total.item() == right.item() == 0
    assert weight.grad is not None
    assert not weight.grad.any()


def test_under_autocast_gradients_point_where_those_of_fp32_do() -> None:
    hidden, weight, bias, labels = made(200)
    exact = torch.autograd.grad(vocabulary_loss(hidden, weight, bias, labels)[0], (hidden, weight, bias))
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = vocabulary_loss(hidden, weight, bias, labels)
    for one, other in zip(torch.autograd.grad(total, (hidden, weight, bias)), exact, strict=True):
        assert one.dtype == torch.float32
        assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.999


def test_scores_so_far_apart_that_a_share_is_zero_still_have_a_finite_loss() -> None:
    weight = torch.eye(3) * 200
    total, _ = vocabulary_loss(torch.tensor([[1.0, 0, 0]]), weight, torch.zeros(3), torch.tensor([2]))
    torch.testing.assert_close(total, torch.tensor(200.0))
