"""The trained graphs, loaded once and run with onnxruntime.

What is not covered: accelerators; these graphs are small, and quantised for the CPU.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state

from quorumsql.errors import ModelError
from quorumsql.neural.tokenise import Encoded, Tokeniser, pooling

__all__ = ["Graphs", "Memory", "open_graph"]

Floats = npt.NDArray[np.float32]
_Feeds: TypeAlias = Mapping[str, npt.NDArray[Any]]

_AT_ONCE = 8
"""Questions whose pass of the trunk is kept: a server answers several at once, and the members of
one would else throw out what those of another are about to read."""

_LOAD_ERRORS = (  # onnxruntime's errors have no common base
    onnxruntime_pybind11_state.Fail,
    onnxruntime_pybind11_state.InvalidArgument,
    onnxruntime_pybind11_state.InvalidGraph,
    onnxruntime_pybind11_state.InvalidProtobuf,
    onnxruntime_pybind11_state.NoSuchFile,
)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a decoder reads: memory (2L, T, D), action inputs (A + 1, D), action keys (A, D)."""

    memory: Floats
    inputs: Floats
    keys: Floats


class _Pass:
    """One question's pass of the trunk, made by the first member that needs it."""

    def __init__(self, encoded: Encoded) -> None:
        self.encoded = encoded
        self.lock = threading.Lock()
        self.states: Floats | None = None


class Graphs:
    """The trunk and the members of one folder of weights. Safe to use from several threads."""

    def __init__(self, folder: Path, names: Collection[str] | None = None) -> None:
        """Load what is in `folder`; of the members only those called `names`, where given.

        A member that is alone has both threads, which several share by running at the same time.

        Raises:
            ModelError: a file is missing or was made for another version.
        """
        try:
            self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
            self.tokeniser = Tokeniser(folder / "tokenizer.json")
            self._trunk = open_graph(folder / "trunk.onnx", threads=2)
            own = [n for n in self.manifest["members"] if names is None or n in names]
            threads = 2 if len(own) == 1 else 1
            self._encode = {n: open_graph(folder / f"{n}.encode.onnx", threads) for n in own}
            self._step = {n: open_graph(folder / f"{n}.step.onnx", threads) for n in own}
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"The embedded weights in {folder} cannot be loaded ({error}): "
                "install quorumsql again, or run quorum train embedded."
            ) from error
        self._lock = threading.Lock()
        self._passes: deque[_Pass] = deque(maxlen=_AT_ONCE)

    def encode(self, encoded: Encoded, member: str) -> Memory:
        """Return what the decoder of `member` reads; members share one pass of the trunk."""
        states = self._states(encoded)
        items, spans = pooling(encoded)
        if not len(spans):
            spans = np.zeros((1, len(encoded.ids)), np.float32)
        feeds: _Feeds = {"states": states, "pairs": encoded.pairs, "items": items, "spans": spans}
        return Memory(*_run(self._encode[member], feeds))

    def _states(self, encoded: Encoded) -> Floats:
        with self._lock:
            mine = next((one for one in self._passes if one.encoded is encoded), None)
            if mine is None:
                mine = _Pass(encoded)
                self._passes.append(mine)
        with mine.lock:
            if mine.states is None:
                mine.states = self._passed(encoded)
            return mine.states

    def _passed(self, encoded: Encoded) -> Floats:
        """The states of the trunk, chunk after chunk."""
        parts = []
        for number in range(int(encoded.chunk[-1]) + 1):
            own = encoded.chunk == number
            feeds: _Feeds = {
                "ids": encoded.ids[own],
                "position": encoded.position[own],
                "features": encoded.features[own],
                "pairs": encoded.pairs[np.ix_(own, own)],
            }
            parts.append(_run(self._trunk, feeds)[0])
        return np.concatenate(parts)

    def step(
        self, member: str, memory: Memory, actions: npt.NDArray[np.int64], step: int, past: Floats
    ) -> tuple[Floats, Floats]:
        """Advance B hypotheses by one action each: scores (B, A) and the new past."""
        feeds = {
            "x": memory.inputs[actions],
            "step": np.array([step], np.int64),
            "past": past,
            "memory": memory.memory,
            "keys": memory.keys,
        }
        scores, after = self._step[member].run(None, feeds)
        return scores, after


def _run(session: ort.InferenceSession, feeds: _Feeds) -> list[Floats]:
    """Run a graph with what it asks for: one without related layers asks for no pairs."""
    asked = {node.name for node in session.get_inputs()}
    results: list[Floats] = session.run(None, {n: x for n, x in feeds.items() if n in asked})
    return results


def open_graph(path: Path, threads: int = 1) -> ort.InferenceSession:
    """Return a graph that is ready to run on the CPU.

    Raises:
        OSError: the file is missing or is no graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for the next run at full speed keep a core from whatever comes in between.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (RuntimeError, *_LOAD_ERRORS) as error:
        raise OSError(f"{path.name} is damaged or missing") from error
