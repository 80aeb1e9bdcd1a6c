"""The reader in torch: an encoder with marks for parts and matching words, one number on top.

What is not covered: running it. `train.selector` writes the ONNX graph that `neural.reader` runs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quorumsql.neural.tokenise import MAX_POSITIONS
from quorumsql.train.model import EncoderLayer, Shape

__all__ = ["ReaderModel"]

LAYERS, PARTS = 6, 4
SAMPLES = 4
"""Dropout masks on one reading while training (multi-sample dropout, Inoue 2019, arXiv
1905.09788): the mean of their losses says more than one."""


class ReaderModel(nn.Module):
    """Pages (B, T) → log odds (B,)."""

    def __init__(self, shape: Shape, layers: int = LAYERS) -> None:
        super().__init__()
        width = shape.width
        self.words = nn.Embedding(shape.vocabulary, width)
        self.positions = nn.Embedding(MAX_POSITIONS, width)
        self.part, self.match = nn.Embedding(PARTS, width), nn.Embedding(2, width)
        for embedding in (self.part, self.match):
            nn.init.normal_(embedding.weight, std=0.02)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.ModuleList(EncoderLayer(shape, related=False) for _ in range(layers))
        self.pool, self.out = nn.Linear(3 * width, width), nn.Linear(width, 1)
        self.dropout, self.last_dropout = nn.Dropout(shape.dropout), nn.Dropout(0.3)

    def forward(self, ids: Tensor, part: Tensor, match: Tensor, mask: Tensor) -> Tensor:
        """Return (B,), or (SAMPLES, B) while training."""
        order = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.positions(order)[None])
        x = self.dropout(x + self.part(part) + self.match(match))
        hidden = (1.0 - mask.to(x.dtype))[:, None, None, :] * -1e4
        for layer in self.layers:
            x = layer(x, hidden, ids)
        pooled = torch.tanh(self.pool(_pooled(x, part, mask)))
        if not self.training:
            score: Tensor = self.out(pooled)[:, 0]
            return score
        return torch.stack([self.out(self.last_dropout(pooled))[:, 0] for _ in range(SAMPLES)])

    def freeze(self, layers: int) -> None:
        """Keep what looks words up as it is, and the first `layers` layers."""
        self.words.requires_grad_(False)
        if layers:
            for part in (self.positions, self.part, self.match, self.norm, *self.layers[:layers]):
                part.requires_grad_(False)

    def load_start(self, weights: dict[str, Tensor]) -> None:
        """Start from a reader, or from the trunk of members, which knows questions and names.

        What is not in `weights` stays as it is; relations between tokens are left behind.
        """
        own = self.state_dict()
        trunk = {name.removeprefix("trunk."): tensor for name, tensor in weights.items()}
        known = {name: trunk[name].float() for name in own.keys() & trunk.keys()}
        self.load_state_dict(own | known)


def _pooled(states: Tensor, part: Tensor, mask: Tensor) -> Tensor:
    """First token, mean of the question and mean of the rest: (B, 3 D)."""
    shown = mask.to(states.dtype)
    asked = shown * (part == 0)
    means = []
    for weights in (asked, shown - asked):
        total = weights.sum(1, keepdim=True).clamp(min=1.0)
        means.append((states * (weights / total)[:, :, None]).sum(1))
    return torch.cat((states[:, 0], *means), 1)
