"""The embedded members in torch: one encoder trunk, and per member a top layer and a decoder.

A decoder step chooses one action out of [keywords | columns | tables | spans]. Keywords have
learned vectors; the others are pointers to the pooled encoder states of what they stand for.

What is not covered: running them. `train.export` writes ONNX graphs that `neural` runs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quorumsql.forms.grammar import KEYWORDS
from quorumsql.neural.relate import PAIRS
from quorumsql.neural.tokenise import FEATURES, MAX_POSITIONS, RELATIONS

__all__ = ["EncoderLayer", "Ensemble", "Member", "Shape", "Trunk", "copy_layer"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes. The defaults are MiniLM-L6 with its last layer once more per member."""

    vocabulary: int = 30_522
    width: int = 384
    heads: int = 12
    hidden: int = 1_536
    shared_layers: int = 6
    plain_layers: int = 2
    """How many of the lowest layers know no relations between tokens."""
    top_layers: int = 1
    decoder_layers: int = 3
    decoder_heads: int = 6
    decoder_hidden: int = 1_024
    max_steps: int = 72
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        """The sizes as plain values."""
        return asdict(self)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Multi-head attention of (B, L, D) over (B, M, D).

    `mask` (B or 1, 1, L or 1, M) is added to the scores: 0 to see, very negative to hide.
    Written out because torch's fused kernel is four times slower backwards on a CPU.
    """
    batch, length, width = q.shape
    q, k, v = (x.view(-1, x.shape[1], heads, width // heads).transpose(1, 2) for x in (q, k, v))
    with torch.autocast(q.device.type, enabled=False):
        scores = (q * (width // heads) ** -0.5) @ k.transpose(2, 3)
        if mask is not None:
            scores = scores + mask.to(scores.dtype)
        out = torch.softmax(scores, -1) @ v
    return out.transpose(1, 2).reshape(batch, length, width)


class EncoderLayer(nn.Module):
    """One BERT layer (post-norm), with MiniLM's parameter names shortened.

    A `related` layer adds to each head's scores a number learned per relation of two tokens
    (after RAT-SQL, Wang et al. 2020, arXiv 1911.04942, with one number in place of vectors).
    Without dropout: shuffled and trimmed schemas regularise, and random numbers are slow.
    """

    def __init__(self, shape: Shape, *, related: bool) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.related = nn.Embedding(PAIRS, shape.heads) if related else None
        if self.related is not None:
            nn.init.zeros_(self.related.weight)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)
        self.up, self.down = nn.Linear(width, shape.hidden), nn.Linear(shape.hidden, width)

    def forward(self, x: Tensor, mask: Tensor | None, pairs: Tensor) -> Tensor:
        """(B, T, D), with pairs (B, T, T) → (B, T, D)."""
        if self.related is not None:
            bias = self._bias(pairs)
            mask = bias if mask is None else mask + bias
        seen = attend(self.query(x), self.key(x), self.value(x), self.heads, mask)
        x = self.norm1(x + self.out(seen))
        result: Tensor = self.norm2(x + self.down(F.gelu(self.up(x))))
        return result

    def _bias(self, pairs: Tensor) -> Tensor:
        """(B, T, T) → (B, heads, T, T); while training as a product, since its gradient is fast."""
        assert self.related is not None
        if not self.training:
            looked_up: Tensor = self.related(pairs).permute(0, 3, 1, 2)
            return looked_up
        weight = self.related.weight
        kinds = torch.arange(PAIRS, device=pairs.device, dtype=pairs.dtype)[:, None]
        chosen = (kinds == pairs.flatten()).to(weight.dtype)
        return (weight.T @ chosen).view(self.heads, *pairs.shape).transpose(0, 1)


class Trunk(nn.Module):
    """Embeddings and the encoder layers that all members share."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(MAX_POSITIONS, shape.width)
        self.norm = nn.LayerNorm(shape.width, 1e-12)
        self.features = nn.ModuleList(nn.Embedding(n, shape.width) for n in FEATURES.values())
        for embedding in self.features:
            nn.init.normal_(embedding.weight, std=0.02)
        self.layers = nn.ModuleList(
            EncoderLayer(shape, related=number >= shape.plain_layers)
            for number in range(shape.shared_layers)
        )
        self.dropout = nn.Dropout(shape.dropout)

    def forward(
        self, ids: Tensor, position: Tensor, features: Tensor, pairs: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Ids and positions (B, T), features (B, T, 4), pairs (B, T, T) → states (B, T, D)."""
        x: Tensor = self.norm(self.words(ids) + self.positions(position))
        for number, embedding in enumerate(self.features):
            x = x + embedding(features[:, :, number])
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, mask, pairs)
        return x


class DecoderLayer(nn.Module):
    """Pre-norm layer: itself, the encoder's states, a small network."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.decoder_heads
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.self_in, self.self_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.memory = nn.Linear(width, 2 * width)
        self.up, self.down = (
            nn.Linear(width, shape.decoder_hidden),
            nn.Linear(shape.decoder_hidden, width),
        )
        self.dropout = nn.Dropout(shape.dropout)

    def forward(
        self, x: Tensor, past: tuple[Tensor, Tensor] | None, memory: tuple[Tensor, Tensor],
        mask: Tensor | None, memory_mask: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Return the new states (B, L, D), and the keys and values of all steps so far."""
        q, k, v = self.self_in(self.norm1(x)).chunk(3, dim=-1)
        if past is not None:
            k, v = torch.cat((past[0], k), dim=1), torch.cat((past[1], v), dim=1)
        x = x + self.dropout(self.self_out(attend(q, k, v, self.heads, mask)))
        seen = attend(self.query(self.norm2(x)), *memory, self.heads, memory_mask)
        x = x + self.dropout(self.out(seen))
        x = x + self.dropout(self.down(F.gelu(self.up(self.norm3(x)))))
        return x, k, v


class Member(nn.Module):
    """One generator: top encoder layers of its own, pointers, decoder."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.top = nn.ModuleList(
            EncoderLayer(shape, related=shape.shared_layers + number >= shape.plain_layers)
            for number in range(shape.top_layers)
        )
        self.item_in, self.item_key = nn.Linear(width, width), nn.Linear(width, width)
        self.span_in, self.span_key = nn.Linear(width, width), nn.Linear(width, width)
        self.keyword_in = nn.Embedding(len(KEYWORDS) + 1, width)  # the last one starts a query
        self.keyword_key = nn.Embedding(len(KEYWORDS), width)
        for embedding in (self.keyword_in, self.keyword_key):
            nn.init.normal_(embedding.weight, std=0.05)
        self.steps = nn.Embedding(shape.max_steps, width)
        nn.init.normal_(self.steps.weight, std=0.02)
        self.decoder = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.decoder_layers))
        self.norm, self.query = nn.LayerNorm(width), nn.Linear(width, width)
        self.relation = nn.Parameter(torch.zeros(RELATIONS))
        self.scale = width**-0.5

    def encode(
        self, states: Tensor, pairs: Tensor, mask: Tensor | None, items: Tensor, spans: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return memory (B, T, D), action inputs and action keys (B, A, D).

        `items` (B, I, T) and `spans` (B, S, T) are pooling weights that sum to 1 per row.
        """
        for layer in self.top:
            states = layer(states, mask, pairs)
        item, span = items.to(states.dtype) @ states, spans.to(states.dtype) @ states
        batch = states.shape[0]
        words = self.keyword_in.weight.unsqueeze(0).expand(batch, -1, -1)
        keys = self.keyword_key.weight.unsqueeze(0).expand(batch, -1, -1)
        inputs = torch.cat(
            (words[:, :-1], self.item_in(item), self.span_in(span), words[:, -1:]), 1
        )
        keys = torch.cat((keys, self.item_key(item), self.span_key(span)), 1)
        return states, inputs, keys

    def memories(self, states: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the encoder's states for each decoder layer."""
        pairs: list[tuple[Tensor, Tensor]] = []
        for layer in self.decoder:
            assert isinstance(layer, DecoderLayer)
            k, v = layer.memory(states).chunk(2, dim=-1)
            pairs.append((k, v))
        return pairs

    def forward(
        self, states: Tensor, mask: Tensor | None, inputs: Tensor, keys: Tensor, actions: Tensor
    ) -> Tensor:
        """Teacher forcing: actions so far (B, L) → scores of the next (B, L, A), unmasked."""
        length = actions.shape[1]
        x = torch.gather(inputs, 1, actions.unsqueeze(-1).expand(-1, -1, inputs.shape[-1]))
        x = x + self.steps.weight[:length]
        causal = torch.full((length, length), -1e4, device=x.device).triu(1)[None, None]
        for layer, memory in zip(self.decoder, self.memories(states), strict=True):
            x, _, _ = layer(x, None, memory, causal, mask)
        scores: Tensor = self.query(self.norm(x)) @ keys.transpose(1, 2) * self.scale
        return scores


class Ensemble(nn.Module):
    """The trunk and its members by name."""

    def __init__(self, shape: Shape, names: tuple[str, ...]) -> None:
        super().__init__()
        self.trunk = Trunk(shape)
        self.members = nn.ModuleDict({name: Member(shape) for name in names})

    def load_minilm(self, weights: dict[str, Tensor]) -> None:
        """Start from a BERT-like encoder: shared layers first, its last one for every member."""
        trunk = self.trunk
        with torch.no_grad():
            copy_embeddings(trunk, weights)
            for number, layer in enumerate(trunk.layers):
                copy_layer(layer, weights, number)
            for member in self.members.values():
                assert isinstance(member, Member)
                for layer in member.top:
                    copy_layer(layer, weights, _last_layer(weights))

    def freeze(self, layers: int) -> None:
        """Keep the word embeddings and the lowest `layers` of the trunk as they are."""
        frozen = [
            self.trunk.words,
            self.trunk.positions,
            self.trunk.norm,
            *self.trunk.layers[:layers],
        ]
        for module in frozen:
            module.requires_grad_(False)


PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm2": "output.LayerNorm",
}


def _last_layer(weights: dict[str, Tensor]) -> int:
    return max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))


def copy_embeddings(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy those of a BERT-like encoder into `words`, `positions` and `norm` of a model."""
    words, positions, norm = (model.get_submodule(n) for n in ("words", "positions", "norm"))
    kind = weights["embeddings.token_type_embeddings.weight"][0]
    words.weight.copy_(weights["embeddings.word_embeddings.weight"])
    positions.weight.copy_(weights["embeddings.position_embeddings.weight"] + kind)
    norm.weight.copy_(weights["embeddings.LayerNorm.weight"])
    norm.bias.copy_(weights["embeddings.LayerNorm.bias"])


def copy_layer(layer: nn.Module, weights: dict[str, Tensor], number: int) -> None:
    """Copy layer `number` of a BERT-like encoder into an `EncoderLayer`."""
    for ours, theirs in PARTS.items():
        part = getattr(layer, ours)
        part.weight.copy_(weights[f"encoder.layer.{number}.{theirs}.weight"])
        part.bias.copy_(weights[f"encoder.layer.{number}.{theirs}.bias"])
