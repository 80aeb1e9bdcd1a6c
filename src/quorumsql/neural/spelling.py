"""Mends typing errors in the words of a question before members read it.

A word that neither the schema nor the encoder's vocabulary knows becomes the one that does and is
one error away: a letter more, less or other, or two letters swapped (the distance of Damerau 1964).
Words of the schema come first, then frequent ones, as the vocabulary is ordered. What may be a
value is left alone: capitals, quotes, and what stored values are like. A word in small letters that
the index found to be a stored value but for one error becomes that value.

What is not covered: errors that make another word ("form" for "from"), errors in the first letter,
short words, and other languages than English.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from rapidfuzz.distance import OSA
from tokenizers import Tokenizer

from quorumsql.domain import Hit, Schema
from quorumsql.naming import readable, stem
from quorumsql.neural.spans import QUOTED, SPELT

__all__ = ["Speller", "names_of", "words_known"]

SHORT = 5
"""Letters; a shorter word of the vocabulary is near to too many."""
_TOKENIZER = Path(__file__).parent / "weights" / "tokenizer.json"
_WORD = re.compile(r"(?<![\w'’\"-])[a-z]{4,}(?![\w'’\"-])")
_DOUBLED = re.compile(r"(.)\1")
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
            hits: what of the data the question mentions; their words are left alone, but for
                typing errors in a value.
        """
        meant = self._meant(text, hits)
        kept = [(hit.start, hit.end) for hit in hits]
        kept += [match.span() for known in (QUOTED, SPELT) for match in known.finditer(text)]
        changes = [(*place, value) for place, value in meant.items()]
        for match in _WORD.finditer(text):
            free = all(match.end() <= start or end <= match.start() for start, end in kept)
            if free and (other := self._mend(match[0], names)) is not None:
                changes.append((match.start(), match.end(), other))
        for start, end, other in sorted(changes, reverse=True):
            text = text[:start] + other + text[end:]

        def moved(place: int) -> int:
            return place + sum(len(o) - (e - s) for s, e, o in changes if e <= place)

        return text, tuple(
            replace(
                hit,
                start=moved(hit.start),
                end=moved(hit.end),
                match="exact" if meant.get((hit.start, hit.end)) == hit.value else hit.match,
            )
            if changes
            else hit
            for hit in hits
        )

    def _meant(self, text: str, hits: Sequence[Hit]) -> dict[tuple[int, int], str]:
        """Places of words that are a stored value but for a typing error, with that value.

        Only of words in small letters: a name that is like another may be one.
        """
        found: dict[tuple[int, int], str] = {}
        for hit in sorted(hits, key=lambda hit: -hit.score):
            free = all(hit.end <= start or end <= hit.start for start, end in found)
            if free and hit.match == "fuzzy" and isinstance(hit.value, str):
                word, value = text[hit.start : hit.end], hit.value.lower()
                lower = word.islower() or (hit.start == 0 and word.istitle())
                if lower and self._is_typo(word.lower(), value):
                    found[hit.start, hit.end] = hit.value
        return found

    def _is_typo(self, word: str, value: str) -> bool:
        """Whether `word` is `value` but for doubled letters, or no word and one error away."""
        if len(word) < SHORT or word == value:
            return False
        if _DOUBLED.sub(r"\1", word) == _DOUBLED.sub(r"\1", value):
            return True
        known = all(one in self._order or stem(one) in self._order for one in word.split())
        return not known and _is_near(word, value)

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


def words_known(schema: Schema) -> Callable[[str], bool]:
    """Return what tells words that are no typing errors in a value.

    Those are English words, as far as the encoder's vocabulary has them, the words of `schema`, and
    what is one error away from one of those.
    """
    names, english = names_of(schema), _english()
    like: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if len(name) >= SHORT:
            like[name[0]].append(name)

    def is_known(word: str) -> bool:
        if any(one in names or one in english for one in (word, stem(word))):
            return True
        return any(_is_near(word, name) for name in like.get(word[0], ()))

    return is_known


@cache
def _english() -> frozenset[str]:
    words = Tokenizer.from_file(str(_TOKENIZER)).get_vocab()
    return frozenset(word for word in words if _KNOWN.fullmatch(word))
