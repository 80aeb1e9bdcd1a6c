"""Losses of the reader: how far its scores are from saying which candidates are right.

Each adds two halves: which candidate of a question is right (softmax over them), and whether each
is (so that scores mean the same for every question). They differ in how they see noise:

plain: one dropout mask. samples: several on one reading, the mean of their losses (multi-sample
dropout, Inoue 2019, arXiv 1905.09788). ensemble: the second half is another convex loss in each
step (EnsLoss, Dai 2024, arXiv 2409.00908, algorithm 1), so that no single one is overfitted.

What is not covered: weights of questions or of candidates; all count alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["LOSSES", "Loss"]

Loss = Callable[[Tensor, Tensor, Sequence[int]], Tensor]
"""Scores (samples, B), right (B,) and how many candidates each question has → a scalar."""

POWERS = (0.5, 1.0, 1.5, 2.0)
"""Of the inverse Box-Cox transformation that random gradients go through."""


def samples(scores: Tensor, right: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the mean over all masks of the scores."""
    alone = F.binary_cross_entropy_with_logits(scores, right.float().expand_as(scores))
    return 0.5 * alone + _among(scores, right, sizes)


def plain(scores: Tensor, right: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the loss under the first mask."""
    return samples(scores[:1], right, sizes)


def ensemble(scores: Tensor, right: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the loss whose second half is a random one; its gradient is what it is made for.

    Gradients of a convex loss fall with the margin: positive random numbers are handed out in
    that order. Beyond a margin of 1 they fall with it, as those of losses bounded below do.
    """
    first = scores[:1]
    signs = right.float() * 2 - 1
    margins = (signs * first[0]).detach()
    power = POWERS[int(torch.randint(len(POWERS), ()))]
    drawn = (power * (torch.rand_like(margins) + 0.1) + 1) ** (1 / power)
    falling = (drawn / drawn.mean()).sort(descending=True).values
    steep = torch.empty_like(falling)
    steep[margins.argsort()] = falling
    steep = torch.where(margins > 1, steep / margins.clamp(min=1.0), steep)
    return 0.25 * -(steep * signs * first[0]).mean() + _among(first, right, sizes)


def _among(scores: Tensor, right: Tensor, sizes: Sequence[int]) -> Tensor:
    parts = zip(scores.split(list(sizes), dim=1), right.split(list(sizes)), strict=True)
    lost = [
        (own.logsumexp(1) - own.masked_fill(~flags, -1e4).logsumexp(1)).mean()
        for own, flags in parts
    ]
    return torch.stack(lost).mean()


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {"plain": plain, "samples": samples, "ensemble": ensemble}
)
