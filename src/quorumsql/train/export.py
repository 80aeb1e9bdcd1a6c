"""Write trained members as quantised ONNX graphs, the form in which the package ships them.

    trunk.onnx           ids, position, features, pairs → states
    NAME.encode.onnx     states, pairs, items, spans → memory, inputs, keys
    NAME.step.onnx       action vectors, step, past, memory, keys → scores, past

What is not covered: loading them. `neural.graphs` does that.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quorumsql.forms.grammar import KEYWORDS
from quorumsql.neural.tokenise import FEATURES
from quorumsql.train.model import Ensemble, Member, Shape, Trunk

__all__ = ["export", "export_model", "load_weights"]

TOKENS, ITEMS, SPANS = 24, 7, 3
"""Sizes that the tracer sees; the graphs take any."""


class _TrunkGraph(nn.Module):
    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, ids: Tensor, position: Tensor, features: Tensor, pairs: Tensor) -> Tensor:
        states: Tensor = self.trunk(ids[None], position[None], features[None], pairs[None], None)
        return states[0]


class _EncodeGraph(nn.Module):
    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member

    def forward(
        self, states: Tensor, pairs: Tensor, items: Tensor, spans: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch = (states[None], pairs[None], None, items[None], spans[None])
        own, inputs, keys = self.member.encode(*batch)
        memory = [part[0] for pair in self.member.memories(own) for part in pair]
        return torch.stack(memory), inputs[0], keys[0]


class _StepGraph(nn.Module):
    """One step of B hypotheses: x (B, D), step (1,), past (2L, B, t, D), memory (2L, T, D)."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member

    def forward(
        self, x: Tensor, step: Tensor, past: Tensor, memory: Tensor, keys: Tensor
    ) -> tuple[Tensor, Tensor]:
        state = (x + self.member.steps(step))[:, None]
        after: list[Tensor] = []
        for number, layer in enumerate(self.member.decoder):
            before = (past[2 * number], past[2 * number + 1])
            seen = (memory[2 * number][None], memory[2 * number + 1][None])
            state, k, v = layer(state, before, seen, None, None)
            after += [k, v]
        query = self.member.query(self.member.norm(state[:, 0]))
        return query @ keys.transpose(0, 1) * self.member.scale, torch.stack(after)


def load_weights(path: Path) -> tuple[Ensemble, dict[str, Any]]:
    """Read what `embedded.train` wrote: the model, ready to run, and its record."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    model = Ensemble(_shape(saved), tuple(saved["forms"]))
    model.load_state_dict({name: tensor.float() for name, tensor in saved.pop("weights").items()})
    model.eval()
    return model, saved


def _shape(record: Mapping[str, Any]) -> Shape:
    """The sizes of a checkpoint; those of before relations have plain layers only."""
    return Shape(**{"plain_layers": 99, **record["shape"]})


def export(weights: Path, out: Path, *, tokenizer: Path) -> None:
    """Write the graphs, the tokenizer and `manifest.json` of `weights` into `out`."""
    model, record = load_weights(weights)
    export_model(model, record, out, tokenizer=tokenizer)


def export_model(
    model: Ensemble,
    record: Mapping[str, Any],
    out: Path,
    *,
    tokenizer: Path,
    trunk: Path | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write the graphs, the tokenizer and `manifest.json` of `model` into `out`.

    Args:
        model: what is written.
        record: its `shape`, `plan` and `held_out`, as `load_weights` returns them.
        out: the folder; made when absent.
        tokenizer: this file is copied.
        trunk: this graph is copied instead of exporting the model's own trunk.
        notes: more for the manifest.
    """
    out.mkdir(parents=True, exist_ok=True)
    shape = _shape(record)
    if trunk is None:
        _write_trunk(model.trunk, out / "trunk.onnx")
    else:
        shutil.copyfile(trunk, out / "trunk.onnx")
    for name, member in model.members.items():
        assert isinstance(member, Member)
        _write_encode(member, shape, out / f"{name}.encode.onnx")
        _write_step(member, shape, out / f"{name}.step.onnx")
    shutil.copyfile(tokenizer, out / "tokenizer.json")
    relation = {n: m.relation.tolist() for n, m in model.members.items() if isinstance(m, Member)}
    manifest = {
        "members": list(model.members),
        "keywords": list(KEYWORDS),
        "layers": 2 * shape.decoder_layers,
        "width": shape.width,
        "max_steps": shape.max_steps,
        "decoder_heads": shape.decoder_heads,
        "relation": relation,
        "plan": record["plan"],
        "held_out": record["held_out"],
        **(notes or {}),
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (out / "manifest.json").write_text(text, encoding="utf-8")


def _write_trunk(trunk: Trunk, path: Path) -> None:
    ids = torch.ones(TOKENS, dtype=torch.long)
    features = torch.zeros(TOKENS, len(FEATURES), dtype=torch.long)
    inputs = (ids, torch.arange(TOKENS), features, _no_pairs())
    axes = {
        "ids": {0: "T"},
        "position": {0: "T"},
        "features": {0: "T"},
        "pairs": {0: "T", 1: "T"},
        "states": {0: "T"},
    }
    _write(_TrunkGraph(trunk), inputs, axes, ["states"], path)


def _no_pairs() -> Tensor:
    return torch.zeros(TOKENS, TOKENS, dtype=torch.long)


def _write_encode(member: Member, shape: Shape, path: Path) -> None:
    states = torch.rand(TOKENS, shape.width)
    inputs = (states, _no_pairs(), torch.rand(ITEMS, TOKENS), torch.rand(SPANS, TOKENS))
    axes = {
        "states": {0: "T"},
        "pairs": {0: "T", 1: "T"},
        "items": {0: "I", 1: "T"},
        "spans": {0: "S", 1: "T"},
        "memory": {1: "T"},
        "inputs": {0: "V"},
        "keys": {0: "A"},
    }
    _write(_EncodeGraph(member), inputs, axes, ["memory", "inputs", "keys"], path)


def _write_step(member: Member, shape: Shape, path: Path) -> None:
    layers, width = 2 * shape.decoder_layers, shape.width
    inputs = (
        torch.rand(2, width),
        torch.zeros(1, dtype=torch.long),
        torch.rand(layers, 2, 3, width),
        torch.rand(layers, TOKENS, width),
        torch.rand(len(KEYWORDS) + ITEMS + SPANS, width),
    )
    axes = {
        "x": {0: "B"},
        "step": {},
        "past": {1: "B", 2: "P"},
        "memory": {1: "T"},
        "keys": {0: "A"},
        "scores": {0: "B", 1: "A"},
        "after": {1: "B", 2: "Q"},
    }
    _write(_StepGraph(member), inputs, axes, ["scores", "after"], path)


def _write(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    axes: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str],
    path: Path,
) -> None:
    """Export by tracing, then quantise the weights to 8 bits per channel.

    `axes` names inputs in order, then outputs, each with its dimensions that vary.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    module.eval()
    names = [name for name in axes if name not in outputs]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of shapes that `axes` declares
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            module,
            inputs,
            str(plain),
            input_names=names,
            output_names=list(outputs),
            dynamic_axes={name: dict(sizes) for name, sizes in axes.items() if sizes},
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(
            plain,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        )
