"""Schemas as somebody else would have named them, so that members cannot live by copying names.

In training a schema is now and then read with other words in its names: ones that the sentence
encoder's vectors find near (`neural.meaning`: "tall" for a height, "nation" for a country), or
shortened ones ("cust"). The question keeps its words, so it is as if it avoided the names, which is
what Spider-Syn and Spider-Realistic do from the other side (Gan et al. 2021; Deng et al. 2021).

What is not covered: names that take more than another word each, and the SQL, which keeps the
real names.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from quorumsql.naming import readable, stem
from quorumsql.neural.meaning import WordMeaning
from quorumsql.neural.tokenise import Piece, SchemaPieces, Tokeniser

__all__ = ["OtherWords", "Renamer"]

NEAREST = 6
NEAR = 0.6
"""Least cosine of a word and one that stands for it."""
LONG = 4
"""Letters; shorter words ("id", "to", "max") stay."""
ALONE = frozenset(
    {"first", "last", "other", "from", "code", "number", "male", "female", "highest", "lowest"}
)
"""What is nearest to these means something else."""


class OtherWords:
    """Finds words that could stand for others. Remembers what is near to which word."""

    def __init__(self, meaning: WordMeaning, *, share: float = 0.5) -> None:
        """`share` is that of the words of a schema that change."""
        self._meaning, self._share = meaning, share
        self._words, self._vectors = meaning.vocabulary()
        self._near: dict[str, tuple[str, ...]] = {}

    def of(self, words: Collection[str], question: str, rng: random.Random) -> dict[str, str]:
        """Return other words for a share of `words`, none of which `words` or question hold."""
        taken = {stem(w) for w in (*words, *readable(question).split())}
        return {
            word: self._another(word, taken, rng)
            for word in sorted(words)
            if rng.random() < self._share and len(word) >= LONG and word not in ALONE
        }

    def near(self, word: str) -> tuple[str, ...]:
        """Return single words near to `word`, nearest first; none where it is no known word."""
        if word not in self._near:
            self._near[word] = self._nearest(word) if word in self._words else ()
        return self._near[word]

    def _nearest(self, word: str) -> tuple[str, ...]:
        cosines = self._vectors @ self._meaning.vector(word)
        best = [int(i) for i in np.argsort(-cosines)[: 4 * NEAREST] if cosines[i] >= NEAR]
        return tuple(w for w in (self._words[i] for i in best) if w != word)[:NEAREST]

    def _another(self, word: str, taken: set[str], rng: random.Random) -> str:
        near = [w for w in self.near(word) if stem(w) not in taken]
        if near and rng.random() < 0.75:
            return rng.choice(near)
        return word[: rng.randint(3, max(len(word) - 1, 3))]


class Renamer:
    """Gives the names of a schema other words."""

    def __init__(self, tokeniser: Tokeniser, words: OtherWords) -> None:
        self.tokeniser, self._other = tokeniser, words

    def __call__(self, pieces: SchemaPieces, question: str, rng: random.Random) -> SchemaPieces:
        """Return `pieces` with other words; one word changes the same way in all names."""
        names = {id(p): _words(p) for table, own in pieces.tables for p in (table, *own)}
        other = self._other.of({w for name in names.values() for w in name}, question, rng)

        def renamed(piece: Piece) -> Piece:
            before = names[id(piece)]
            after = [other.get(word, word) for word in before]
            return piece if after == before else self.tokeniser.renamed(piece, " ".join(after))

        tables = [(renamed(table), tuple(map(renamed, own))) for table, own in pieces.tables]
        return replace(pieces, tables=tuple(tables))


def _words(piece: Piece) -> list[str]:
    name = piece.ref.column if piece.ref else piece.table
    return (readable(name) or name).split()
