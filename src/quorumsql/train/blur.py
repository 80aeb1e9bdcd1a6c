"""Lessons made harder for the reader: some words of a question hidden, names in other words.

A reader that only counts which words of the question stand in the SQL too is right often enough to
learn nothing else. All candidates of a question are changed alike.

What is not covered: what members read; `train.data` and `train.rename` change that.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from quorumsql.neural.meaning import WordMeaning
from quorumsql.neural.reader import Page
from quorumsql.train.data import MASK
from quorumsql.train.rename import OtherWords

__all__ = ["Blur"]

_QUOTED = re.compile(r"('[^']*')")
_WORD = re.compile(r"[a-z]+")
_SQL = frozenset(
    "select from where group order having limit distinct between like union intersect except join "
    "left outer desc exists null count case when then else over partition".split()
)


class Blur:
    """Changes the texts and pages of one question's candidates."""

    def __init__(self, masked: float, renamed: float) -> None:
        """`masked` is a share of word pieces, `renamed` one of questions."""
        self._masked, self._renamed = masked, renamed
        self._other = OtherWords(WordMeaning())

    def renamed(
        self, texts: Sequence[tuple[str, ...]], rng: random.Random
    ) -> list[tuple[str, ...]]:
        """Return (question, sql, result, left_out) of each candidate, names changed or not."""
        if not texts or rng.random() >= self._renamed:
            return list(texts)
        names = {w for _, sql, _, left in texts for w in _names(sql) | _names(left)}
        other = self._other.of(names, texts[0][0], rng)
        return [
            (question, _changed(sql, other), result, _changed(left, other))
            for question, sql, result, left in texts
        ]

    def hidden(self, pages: Sequence[Page], rng: random.Random) -> list[Page]:
        """Return `pages` with the same pieces of the question hidden in each."""
        if not pages:
            return []
        asked = np.flatnonzero(pages[0].part == 0)[1:-1]  # neither the first token nor the last
        gone = [place for place in asked.tolist() if rng.random() < self._masked]
        return [replace(page, ids=_masked(page, gone)) for page in pages]


def _masked(page: Page, places: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    ids = page.ids.copy()
    ids[places] = MASK
    return ids


def _names(text: str) -> set[str]:
    return {w for part in _QUOTED.split(text)[::2] for w in _WORD.findall(part)} - _SQL


def _changed(text: str, other: dict[str, str]) -> str:
    parts = _QUOTED.split(text)
    parts[::2] = [_WORD.sub(lambda m: other.get(m[0], m[0]), part) for part in parts[::2]]
    return "".join(parts)
