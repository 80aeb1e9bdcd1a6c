"""The keys under which a stored value is found, and those under which a question looks.

A value is folded as people compare it: no case, accents, punctuation or plural endings. Its
keys are hashes of the folded text as a whole (without its spaces), of either half of it with the
length (doubled letters single; one typing error leaves one half intact: the pigeonhole argument
of PassJoin, Li et al. 2011), of its words and pairs of words, and of either half of a word.

What is not covered: two errors in different halves, and irregular plurals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import numpy as np

from quorumsql.hashes import Hashes, text_hashes

__all__ = [
    "KeyKind",
    "Keys",
    "compact",
    "fold",
    "fold_all",
    "keys_of",
    "look_up_keys",
    "near_keys",
    "squeezed",
]

KeyKind: TypeAlias = Literal["whole", "left", "right", "word", "pair", "word-left", "word-right"]

_KINDS: Final = ("whole", "left", "right", "word", "pair", "word-left", "word-right")
_SALTS: Final = {kind: (n + 1) * 0x9E3779B97F4A7C15 % 2**64 for n, kind in enumerate(_KINDS)}
_PER_LENGTH: Final = np.uint64(0xD6E8FEB86659FD93)

SHORTEST_NEAR: Final = 4
"""Shorter texts have no near matches: every one would be near to many."""

_OWN_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"}
)
_MARKS: Final = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_APART: Final = re.compile(r"[^\w\n+#]|_")
_IDEOGRAPH: Final = re.compile("([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")
_DOUBLED: Final = re.compile(r"([^\W\d_])\1+")
_PLURALS: Final = (  # the letters first, then what stands before them: so the search is quick
    (re.compile(r"ies(?![^\W_])(?<=[^\W\d_]{2}ies)"), "y"),
    (re.compile(r"es(?![^\W_])(?<=[^\W\d_]{3}es)(?:(?<=sses)|(?<=xes)|(?<=ches)|(?<=shes))"), ""),
    (re.compile(r"s(?![^\W_])(?<=[^\W\d_]{3}s)(?<!ss)"), ""),
)


def fold_all(texts: Sequence[str]) -> list[str]:
    """Return each text folded: words in lower case, singular, one space apart."""
    joined = "\n".join(texts)
    if joined.count("\n") >= len(texts):
        joined = "\n".join(text.replace("\n", " ") for text in texts)
    joined = joined.casefold()
    if not joined.isascii():
        joined = unicodedata.normalize("NFKD", joined.translate(_OWN_LETTERS))
        joined = _IDEOGRAPH.sub(r" \1 ", _MARKS.sub("", joined))
    joined = _APART.sub(" ", joined)
    for ending, singular in _PLURALS:
        joined = ending.sub(singular, joined)
    return [" ".join(line.split()) for line in joined.split("\n")] if texts else []


def fold(text: str) -> str:
    """Return one text folded."""
    return fold_all([text])[0]


def compact(folded: str) -> str:
    """Return a folded text without its spaces: "new york" and "newyork" are the same."""
    return folded.replace(" ", "")


def squeezed(key: str) -> str:
    """Return a compact text with doubled letters single: "caribbean" and "carribean" agree."""
    return _DOUBLED.sub(r"\1", key)


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of many values: `hashes[i]` belongs to value number `owners[i]`."""

    hashes: Hashes
    owners: np.ndarray[tuple[int], np.dtype[np.uint32]]


def keys_of(texts: Sequence[str], known_words: set[int]) -> Keys:
    """Return all keys under which `texts` are stored.

    Halves of words are keys of the first value that holds the word; `known_words` remembers
    for the caller which words those were.
    """
    folded = fold_all(texts)
    wholes = [line.replace(" ", "") for line in folded]
    every = np.arange(len(texts), dtype=np.uint32)
    found = [
        (text_hashes(wholes, _SALTS["whole"]), every),
        *_halves(wholes, every, "left", "right"),
    ]
    words: list[str] = []
    word_owners: list[int] = []
    pairs: list[str] = []
    pair_owners: list[int] = []
    for owner, line in enumerate(folded):
        if " " in line:
            parts = line.split(" ")
            own = {part for part in parts if len(part) > 1}
            words += own
            word_owners += [owner] * len(own)
            if len(parts) > 2:
                pairs += [one + other for one, other in pairwise(parts)]
                pair_owners += [owner] * (len(parts) - 1)
    hashes, owners = text_hashes(words, _SALTS["word"]), np.array(word_owners, np.uint32)
    found.append((hashes, owners))
    found.append((text_hashes(pairs, _SALTS["pair"]), np.array(pair_owners, np.uint32)))
    new = [i for i, h in enumerate(hashes.tolist()) if h not in known_words]
    known_words.update(hashes[new].tolist())
    found += _halves([words[i] for i in new], owners[new], "word-left", "word-right")
    return Keys(
        np.concatenate([hashes for hashes, _ in found]),
        np.concatenate([owners for _, owners in found]),
    )


def _halves(
    texts: Sequence[str],
    owners: np.ndarray[tuple[int], np.dtype[np.uint32]],
    left: KeyKind,
    right: KeyKind,
) -> Iterator[tuple[Hashes, np.ndarray[tuple[int], np.dtype[np.uint32]]]]:
    texts = _DOUBLED.sub(r"\1", "\n".join(texts)).split("\n") if texts else []
    long = [i for i, text in enumerate(texts) if len(text) >= SHORTEST_NEAR]
    own = owners[long]
    lengths = np.array([len(texts[i]) for i in long], np.uint64) * _PER_LENGTH
    lefts = [texts[i][: len(texts[i]) // 2] for i in long]
    rights = [texts[i][len(texts[i]) // 2 :] for i in long]
    yield text_hashes(lefts, lengths + np.uint64(_SALTS[left])), own
    yield text_hashes(rights, lengths + np.uint64(_SALTS[right])), own


def look_up_keys(texts: Sequence[str], kind: KeyKind) -> Hashes:
    """Return the key of each compact text as a `whole`, a `word` or a `pair`."""
    return text_hashes(texts, _SALTS[kind])


def near_keys(texts: Sequence[str], kinds: tuple[KeyKind, KeyKind]) -> list[Hashes]:
    """Return for each squeezed text the keys that values one error away may have.

    `kinds` is `("left", "right")` for whole values, `("word-left", "word-right")` for words.
    """
    pieces: list[str] = []
    salts: list[int] = []
    counts: list[int] = []
    for text in texts:
        own = set(_near_pieces(text, kinds))
        pieces += [piece for piece, _ in own]
        salts += [salt for _, salt in own]
        counts.append(len(own))
    hashes = text_hashes(pieces, np.array(salts, np.uint64))
    return np.split(hashes, np.cumsum(counts)[:-1]) if texts else []


def _near_pieces(text: str, kinds: tuple[KeyKind, KeyKind]) -> Iterator[tuple[str, int]]:
    """Halves of texts of about this length, each with its salt."""
    for length in (len(text) - 1, len(text), len(text) + 1):
        if length < SHORTEST_NEAR:
            continue
        size = length * int(_PER_LENGTH)
        half = length // 2
        yield text[:half], (size + _SALTS[kinds[0]]) % 2**64
        rest = length - half
        if rest <= len(text):
            yield text[len(text) - rest :], (size + _SALTS[kinds[1]]) % 2**64
    if len(text) >= SHORTEST_NEAR:  # two letters changed places across the middle
        half = len(text) // 2
        swapped = text[: half - 1] + text[half] + text[half - 1] + text[half + 1 :]
        size = len(text) * int(_PER_LENGTH)
        yield swapped[:half], (size + _SALTS[kinds[0]]) % 2**64
