"""How near words are in meaning, by a table of vectors: no network runs, a look takes microseconds.

Source: Model2Vec (Tulkens and van Dongen 2024): the sentence encoder reads every token of its
vocabulary alone, principal components make the vectors short, and a text is the mean of its tokens'
vectors, rare ones counting more. Made by `train.word_vectors` from MiniLM (NOTICE).

What is not covered: the order of words, and words whose meaning the text around them decides.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from quorumsql.errors import ModelError
from quorumsql.kept import Kept

__all__ = ["VECTORS", "WordMeaning"]

VECTORS = Path(__file__).with_name("words.npz")
_TOKENIZER = Path(__file__).parent / "weights" / "tokenizer.json"
_KEPT = 20_000

Floats = npt.NDArray[np.float32]


class WordMeaning:
    """A `Meaning`: cosines between the vectors of short texts. Safe for threads."""

    def __init__(self, path: Path = VECTORS, tokenizer: Path = _TOKENIZER) -> None:
        """Load the table.

        Raises:
            ModelError: it cannot be loaded.
        """
        try:
            with np.load(path) as kept:
                self._table = kept["vectors"].astype(np.float32) * kept["scales"][:, None]
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"The word vectors {path} cannot be loaded ({error}): install quorumsql again."
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._lock = threading.Lock()
        self._known: dict[str, Floats] = {}
        self._of_names: Kept[Sequence[str], Floats] = Kept(self._vectors)

    def nearness(self, words: Sequence[str], names: Sequence[str]) -> tuple[tuple[float, ...], ...]:
        """Return the cosine of each of `words` with each of `names`."""
        if not words or not names:
            return tuple(() for _ in words)
        kept = isinstance(names, tuple)  # those of a schema, which stay one object
        vectors = self._of_names.of(names) if kept else self._vectors(names)
        cosines = self._vectors(words) @ vectors.T
        return tuple(tuple(row) for row in cosines.tolist())

    def _vectors(self, texts: Sequence[str]) -> Floats:
        with self._lock:
            if len(self._known) > _KEPT:
                self._known.clear()
            for text in texts:
                if text not in self._known:
                    self._known[text] = self.vector(text)
            return np.stack([self._known[text] for text in texts])

    def vocabulary(self) -> tuple[tuple[str, ...], Floats]:
        """Return the encoder's English words, and their directions (words, dimensions)."""
        words = sorted(
            w for w in self._tokenizer.get_vocab() if w.isascii() and w.isalpha() and len(w) > 2
        )
        return tuple(words), np.stack([self.vector(word) for word in words])

    def vector(self, text: str) -> Floats:
        """The direction of a text; nothing points nowhere."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        total: Floats = self._table[ids].sum(axis=0)
        length = float(np.linalg.norm(total))
        return total / length if length > 0 else total
