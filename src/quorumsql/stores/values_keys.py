"""The keys under which a stored value is found, and those under which a question looks.

A value is folded as people compare it: no case, accents, punctuation, plural endings or doubled
letters. Its keys are hashes of the folded text as a whole (without its spaces), of its words and
of pairs of words; where a plural ending was taken away, also of the text with it. Nothing is
stored for typing errors: a question looks under the keys of all texts that are one error away
from its words, tens of thousands of them, whose hashes are known without making the texts.

What is not covered: two errors in one value, and irregular plurals.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from quorumsql.hashes import Hashes, edited_hashes, text_hashes

__all__ = [
    "KeyKind",
    "Keys",
    "compact",
    "fold",
    "fold_all",
    "fold_both",
    "foreign_letters",
    "keys_of",
    "look_up_keys",
    "near_keys",
    "squeezed",
]

KeyKind: TypeAlias = Literal["whole", "word", "pair"]
Owners: TypeAlias = npt.NDArray[np.uint32]

_SALTS: Final = {
    kind: (n + 1) * 0x9E3779B97F4A7C15 % 2**64 for n, kind in enumerate(("whole", "word", "pair"))
}
_LATIN: Final = "abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"

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
    return _lines(_singular(_lower(texts))) if texts else []


def fold_both(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return each text folded, and each text folded but for its plural endings."""
    if not texts:
        return [], []
    lower = _lower(texts)
    singular = _singular(lower)
    folded = _lines(singular)
    return folded, (folded if singular == lower else _lines(lower))


def fold(text: str) -> str:
    """Return one text folded."""
    return fold_all([text])[0]


def _lower(texts: Sequence[str]) -> str:
    """The texts, a line each, of lower-case letters and digits without accents."""
    joined = "\n".join(texts)
    if joined.count("\n") >= len(texts):
        joined = "\n".join(text.replace("\n", " ") for text in texts)
    joined = joined.casefold()
    if not joined.isascii():
        joined = unicodedata.normalize("NFKD", joined.translate(_OWN_LETTERS))
        joined = _IDEOGRAPH.sub(r" \1 ", _MARKS.sub("", joined))
    return _APART.sub(" ", joined)


def _singular(joined: str) -> str:
    for ending, singular in _PLURALS:
        joined = ending.sub(singular, joined)
    return joined


def _lines(joined: str) -> list[str]:
    return [" ".join(line.split()) for line in joined.split("\n")]


def compact(folded: str) -> str:
    """Return a folded text without its spaces: "new york" and "newyork" are the same."""
    return folded.replace(" ", "")


def squeezed(key: str) -> str:
    """Return a compact text with doubled letters single: "caribbean" and "carribean" agree."""
    return _DOUBLED.sub(r"\1", key)


def _squeezed_all(texts: Sequence[str]) -> list[str]:
    return _DOUBLED.sub(r"\1", "\n".join(texts)).split("\n") if texts else []


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of many values: `hashes[i]` belongs to value number `owners[i]`.

    `letters` holds, once for every text that has one, letters beyond those of English.
    """

    hashes: Hashes
    owners: Owners
    letters: str = ""


def keys_of(texts: Sequence[str]) -> Keys:
    """Return all keys under which `texts` are stored."""
    folded, written = fold_both(texts)
    lines = list(enumerate(folded))
    if written is not folded:
        pairs = enumerate(zip(folded, written, strict=True))
        lines += [(owner, line) for owner, (other, line) in pairs if line != other]
    owners = np.array([owner for owner, _ in lines], np.uint32)
    wholes = _squeezed_all([line.replace(" ", "") for _, line in lines])
    found = [(text_hashes(wholes, _SALTS["whole"]), owners), *_inner_keys(lines)]
    return Keys(
        np.concatenate([hashes for hashes, _ in found]),
        np.concatenate([owners for _, owners in found]),
        foreign_letters(folded),
    )


def _inner_keys(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[Hashes, Owners]]:
    """Keys of the words of values with several, and of pairs of words of those with more."""
    words: list[str] = []
    word_owners: list[int] = []
    pairs: list[str] = []
    pair_owners: list[int] = []
    several = [(owner, line) for owner, line in lines if " " in line]
    squeezed_lines = _squeezed_all([line for _, line in several])
    for (owner, _), line in zip(several, squeezed_lines, strict=True):
        parts = line.split(" ")
        own = {part for part in parts if len(part) > 1}
        words += own
        word_owners += [owner] * len(own)
        if len(parts) > 2:
            pairs += [
                one + (other[1:] if one[-1] == other[0] and one[-1].isalpha() else other)
                for one, other in pairwise(parts)
            ]
            pair_owners += [owner] * (len(parts) - 1)
    yield text_hashes(words, _SALTS["word"]), np.array(word_owners, np.uint32)
    yield text_hashes(pairs, _SALTS["pair"]), np.array(pair_owners, np.uint32)


def foreign_letters(folded: Sequence[str]) -> str:
    """Return the letters beyond those of English, each as often as texts have it."""
    rare = [text for text in folded if not text.isascii()]
    return "".join(c for text in rare for c in set(text) if c > "\x7f" and c.isalnum())


def look_up_keys(texts: Sequence[str], kind: KeyKind) -> Hashes:
    """Return the key of each squeezed compact text as a `whole`, a `word` or a `pair`."""
    return text_hashes(texts, _SALTS[kind])


def near_keys(
    texts: Sequence[str], kind: KeyKind, letters: str = ""
) -> tuple[Hashes, npt.NDArray[np.intp]]:
    """Return the keys of what one typing error may have made of each text, and whose they are.

    Args:
        texts: compact and not squeezed, shorter than 500 characters.
        kind: which keys.
        letters: those beyond English that stored values have.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    short = _squeezed_all(texts)
    for number, text in enumerate(short):
        if text:
            groups[_letters_for(text, letters)].append(number)
    hashes: list[Hashes] = [np.empty(0, np.uint64)]
    owners: list[npt.NDArray[np.intp]] = [np.empty(0, np.intp)]
    for own, numbers in groups.items():
        found, places = edited_hashes([short[n] for n in numbers], own, _SALTS[kind])
        hashes.append(found)
        owners.append(np.array(numbers, np.intp)[places])
        rest = [(other, n) for n in numbers for other in _undoubled(texts[n], short[n], own)]
        hashes.append(text_hashes([other for other, _ in rest], _SALTS[kind]))
        owners.append(np.array([n for _, n in rest], np.intp))
    return np.concatenate(hashes), np.concatenate(owners)


def _letters_for(text: str, foreign: str) -> str:
    """What may have stood in the place of a letter of `text`."""
    latin = _LATIN if any("a" <= c <= "z" for c in text) else ""
    digits = _DIGITS if any("0" <= c <= "9" for c in text) else ""
    return latin + digits + ("" if text.isascii() else foreign) or _LATIN


def _undoubled(text: str, short: str, letters: str) -> Iterator[str]:
    """Squeezed texts one error away from `text` that are two edits away from `short`.

    An error can bring two equal letters together, or part them.
    """
    for i in range(1, len(short) - 1):
        if short[i - 1] == short[i + 1] and short[i].isalpha():
            yield short[:i] + short[i + 2 :]
    if text == short:
        return
    for i, (one, other) in enumerate(pairwise(text)):
        head, tail = text[: i + 1], text[i + 1 :]
        if one == other and one.isalpha():
            left, right = squeezed(head), squeezed(tail)
            yield from (left + letter + right for letter in letters if letter != one)
        elif one != other and (head[-2:-1] == one or tail[1:2] == other):
            yield squeezed(head[:-1] + other + one + tail[1:])
