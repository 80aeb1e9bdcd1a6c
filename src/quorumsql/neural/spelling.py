"""Mends typing errors in the words of a question before members read it.

A word that neither the schema nor the encoder's vocabulary knows becomes the one that does and is
one error away: a letter more, less or other, or two letters swapped (the distance of Damerau 1964).
Words of the schema come first, then frequent ones, as the vocabulary is ordered. What may be a
value is left alone: capitals, quotes, and what stored values are like.

What is not covered: errors that make another word ("form" for "from"), errors in the first letter,
short words, and other languages than English.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from rapidfuzz.distance import OSA

from quorumsql.domain import Hit, Schema
from quorumsql.neural.relate import stem
from quorumsql.neural.spans import QUOTED
from quorumsql.neural.tokenise import readable

__all__ = ["Speller", "names_of"]

SHORT = 5
"""Letters; a shorter word of the vocabulary is near to too many."""
_WORD = re.compile(r"(?<![\w'’\"-])[a-z]{4,}(?![\w'’\"-])")
_KNOWN = re.compile(r"[a-z]{3,}")


class Speller:
    """Knows the words of a vocabulary; never changes after it is made."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """Take words in the order of how common they are."""
        words = [word for word in vocabulary if _KNOWN.fullmatch(word)]
        self._order = {word: place for place, word in enumerate(words)}
        self._like: dict[tuple[str, int], list[str]] = {}
        for word in words:
            self._like.setdefault((word[0], len(word)), []).append(word)

    def mended(
        self, text: str, names: Collection[str], hits: Sequence[Hit]
    ) -> tuple[str, tuple[Hit, ...]]:
        """Return `text` with its errors mended, and `hits` at their places in it.

        Args:
            text: a question.
            names: the words of the schema, as `names_of` gives them.
            hits: what of the data the question mentions; their words are left alone.
        """
        kept = [(hit.start, hit.end) for hit in hits]
        kept += [match.span() for match in QUOTED.finditer(text)]
        changes: list[tuple[int, int, str]] = []
        for match in _WORD.finditer(text):
            free = all(match.end() <= start or end <= match.start() for start, end in kept)
            if free and (other := self._mend(match[0], names)) is not None:
                changes.append((match.start(), match.end(), other))
        for start, end, other in reversed(changes):
            text = text[:start] + other + text[end:]

        def moved(place: int) -> int:
            return place + sum(len(o) - (e - s) for s, e, o in changes if e <= place)

        return text, tuple(
            replace(hit, start=moved(hit.start), end=moved(hit.end)) if changes else hit
            for hit in hits
        )

    def _mend(self, word: str, names: Collection[str]) -> str | None:
        if any(one in names or one in self._order for one in (word, stem(word))):
            return None
        if near := [name for name in names if _is_near(word, name)]:
            return min(near)
        lengths = range(max(len(word) - 1, SHORT), len(word) + 2)
        like = (other for n in lengths for other in self._like.get((word[0], n), ()))
        near = [other for other in like if _is_near(word, other)]
        return min(near, key=lambda other: self._order[other], default=None)


def _is_near(word: str, other: str) -> bool:
    if word[0] != other[0] or abs(len(word) - len(other)) > 1:
        return False
    return OSA.distance(word, other, score_cutoff=1) == 1


def names_of(schema: Schema) -> frozenset[str]:
    """Return the words of all names of a schema, as they are and by their stems."""
    names = (name for t in schema.tables for name in (t.name, *(c.name for c in t.columns)))
    words = {word for name in names for word in readable(name).split()}
    return frozenset(words | {stem(word) for word in words})
