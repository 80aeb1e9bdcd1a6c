"""Turn shipped graphs back into weights that can be trained: 8 bits become floats again.

The exporter names each node after the part that it came from ("/decoder.0/query/MatMul"), so the
weight that a node multiplies with has the name of that part. What the graphs fold together, the
vectors of keywords, is told apart by its size. A part that is missing, or has another size than
the model's, is an error.

What is not covered: what rounding to 8 bits took away; the weights are within half a step of
what was trained.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor

from quorumsql.errors import ModelError
from quorumsql.forms.grammar import KEYWORDS
from quorumsql.train.model import Ensemble, Shape

__all__ = ["load_reader", "load_shipped"]

Floats = npt.NDArray[np.float32]

_PRODUCT = re.compile(r"/(?P<part>.+)/(?:Gemm_)?MatMul(?:_quant)?")
_MEMORY = re.compile(r"memory(?:_(\d+))?")
_LAYER = re.compile(r"trunk\.layers\.(\d+)\.")


def load_shipped(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a folder that `export` wrote.

    Returns the weights by the names of `Ensemble`'s parameters, and a record with `shape`,
    `forms`, `held_out` and `plan`, as `embedded.train` keeps one.

    Raises:
        ModelError: a file is missing or damaged, or was made for another version.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        parts = dict(_trunk(_graph(folder / "trunk.onnx")))
        for name in manifest["members"]:
            own = _member(*(_graph(folder / f"{name}.{kind}.onnx") for kind in ("encode", "step")))
            parts |= {f"members.{name}.{part}": array for part, array in own}
            relation = np.array(manifest["relation"][name], np.float32)
            parts[f"members.{name}.relation"] = relation
        record = {key: manifest[key] for key in ("held_out", "plan")}
        weights = {name: torch.from_numpy(array.copy()) for name, array in parts.items()}
        shape, forms = _shape(weights, manifest), tuple(manifest["members"])
    except (OSError, ValueError, KeyError, DecodeError) as error:
        raise ModelError(f"The weights in {folder} cannot be read ({error}).") from error
    wanted = {name: t.shape for name, t in Ensemble(shape, forms).state_dict().items()}
    wrong = sorted(
        name
        for name in wanted.keys() | weights.keys()
        if name not in wanted or name not in weights or wanted[name] != weights[name].shape
    )
    if wrong:
        raise ModelError(
            f"The weights in {folder} do not fit this version: {len(wrong)} parts, e.g. {wrong[0]}."
        )
    return weights, {**record, "shape": shape.to_dict(), "forms": forms}


def load_reader(path: Path) -> dict[str, Tensor]:
    """Read the reader's graph that `selector.export_reader` wrote, by the names of `ReaderModel`.

    Raises:
        ModelError: the file is missing or damaged, or was made for another version.
    """
    try:
        graph = _graph(path)
        arrays = _arrays(graph)
        parts = dict(_named({n: a for n, a in arrays.items() if "onnx::" not in n}, ""))
        parts |= {f"{part}.weight": array for part, array in _products(graph, arrays)}
    except (OSError, ValueError, KeyError, DecodeError) as error:
        raise ModelError(f"The reader at {path} cannot be read ({error}).") from error
    weights = {name: torch.from_numpy(array.copy()) for name, array in parts.items()}
    if "words.weight" not in weights or "out.weight" not in weights:
        raise ModelError(f"{path} holds no reader of this version.")
    return weights


def _shape(weights: Mapping[str, Tensor], manifest: Mapping[str, Any]) -> Shape:
    """The sizes of `weights`; the number of the decoder's heads is the manifest's."""
    form = manifest["members"][0]
    layers = 1 + max(int(m[1]) for name in weights if (m := _LAYER.match(name)))
    related = [
        int(m[1]) for n in weights if n.endswith("related.weight") and (m := _LAYER.match(n))
    ]
    vocabulary, width = weights["trunk.words.weight"].shape
    heads = next((t.shape[1] for n, t in weights.items() if n.endswith("related.weight")), None)
    tops = {name.split(".")[3] for name in weights if name.startswith(f"members.{form}.top.")}
    return Shape(
        vocabulary=vocabulary,
        width=width,
        heads=heads or Shape().heads,
        hidden=weights["trunk.layers.0.up.bias"].shape[0],
        shared_layers=layers,
        plain_layers=min(related) if related else (layers if heads else 99),
        top_layers=len(tops),
        decoder_layers=manifest["layers"] // 2,
        decoder_heads=manifest.get("decoder_heads", Shape().decoder_heads),
        decoder_hidden=weights[f"members.{form}.decoder.0.up.bias"].shape[0],
        max_steps=manifest["max_steps"],
    )


def _graph(path: Path) -> onnx.GraphProto:
    return onnx.load(path).graph


def _trunk(graph: onnx.GraphProto) -> Iterator[tuple[str, Floats]]:
    arrays = _arrays(graph)
    yield from _named(arrays, "trunk.")
    for part, array in _products(graph, arrays):
        yield f"{part}.weight", array


def _member(encode: onnx.GraphProto, step: onnx.GraphProto) -> Iterator[tuple[str, Floats]]:
    for graph in (encode, step):
        arrays = _arrays(graph)
        for name, array in _named(arrays, "member."):
            yield name.removeprefix("member."), array
        for part, array in _products(graph, arrays):
            yield f"{_own(part)}.weight", array
    vectors = [each for name, each in _arrays(encode).items() if name.startswith("onnx::Expand")]
    for array in vectors:
        kind = {len(KEYWORDS) + 1: "keyword_in", len(KEYWORDS): "keyword_key"}[array.shape[1]]
        yield f"{kind}.weight", array[0]


def _arrays(graph: onnx.GraphProto) -> dict[str, npt.NDArray[Any]]:
    """What is stored in a graph, by name."""
    return {each.name: numpy_helper.to_array(each) for each in graph.initializer}


def _own(part: str) -> str:
    """The tracer runs each decoder layer's `memory` by itself, and counts."""
    found = _MEMORY.fullmatch(part)
    return part if found is None else f"decoder.{found[1] or 0}.memory"


def _named(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> Iterator[tuple[str, Floats]]:
    """What kept its parameter's name: biases, norms and vectors that are looked up."""
    for name in arrays:
        whole = name.removesuffix("_quantized")
        if not name.startswith(prefix) or "_Transposed" in name:
            continue
        if whole != name:
            yield whole, _floats(arrays, whole)
        elif not name.endswith(("_scale", "_zero_point")):
            yield name, np.asarray(arrays[name], np.float32)


def _products(
    graph: onnx.GraphProto, arrays: Mapping[str, npt.NDArray[Any]]
) -> Iterator[tuple[str, Floats]]:
    """The weights of linear layers, which graphs keep transposed."""
    for node in graph.node:
        found = _PRODUCT.fullmatch(node.name) if node.op_type == "MatMulInteger" else None
        if found:
            (name,) = (x for x in node.input if x in arrays and x.endswith("_quantized"))
            yield (
                found["part"].replace("/", "."),
                _floats(arrays, name.removesuffix("_quantized")).T,
            )


def _floats(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> Floats:
    """Scale times (stored minus zero point); both are per column where there are several."""
    stored = arrays[f"{name}_quantized"].astype(np.float32)
    zero = arrays[f"{name}_zero_point"].astype(np.float32)
    return np.asarray((stored - zero) * arrays[f"{name}_scale"], np.float32)
