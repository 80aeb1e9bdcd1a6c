"""One look-up: the runs of words of a text, and the stored values that each of them hits.

What is not covered: which hit matters more; `values_disk` orders them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import numpy as np
from rapidfuzz.distance import OSA

from quorumsql.hashes import Hashes
from quorumsql.stores.values import STOP
from quorumsql.stores.values_file import Finder
from quorumsql.stores.values_keys import (
    KeyKind,
    compact,
    fold_all,
    fold_both,
    look_up_keys,
    near_keys,
    squeezed,
)
from quorumsql.stores.values_words import dates_in, other_words

__all__ = ["FEW_VALUES", "FLAGS", "Found", "Run", "Search", "runs_of"]

MAX_WORDS: Final = 8
MAX_QUESTION_WORDS: Final = 120
COMMON: Final = 150
"""What so many values hold says nothing about any of them."""

COMPARED: Final = 600
"""Values that are compared with one run, letter by letter."""

SHORTEST_NEAR: Final = 4
"""Shorter texts have no near matches: every one would be near to many."""

LONGEST_NEAR: Final = 60
NEAR_LETTERS: Final = 4_000
"""Letters of all runs together in which a typing error is looked for."""

CORRECTIONS: Final = 6
FEW_VALUES: Final = 6
SEXES: Final = frozenset("fm")
FLAGS: Final = MappingProxyType(
    {"t": 0.62, "y": 0.62, "1": 0.5, "true": 0.62, "yes": 0.62}
    | {"f": 0.45, "n": 0.45, "0": 0.45, "false": 0.45, "no": 0.45}
)
"""How likely a text that names a column of yes and no means this one."""
WORD: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\\W_\u3040-\u9fff\uac00-\ud7af]+[+#]*"
)

Match: TypeAlias = Literal["exact", "prefix", "fuzzy"]


@dataclass(frozen=True, slots=True)
class Run:
    """Words `first` to `last` of the text.

    `folded` is what they are compared by, `key` the same without spaces, `near` that without
    doubled letters; `written` is `key` with its plural endings.
    """

    start: int
    end: int
    first: int
    last: int
    text: str
    folded: str
    key: str
    near: str
    written: str

    @property
    def words(self) -> int:
        """How many words these are."""
        return self.last - self.first + 1

    @property
    def plain(self) -> bool:
        """Whether these are words that no name is made of."""
        lower = self.text.islower() or (self.first == 0 and self.text.istitle())
        return lower and STOP.issuperset(self.text.lower().split())


@dataclass(frozen=True, slots=True)
class Found:
    """A value of a part that a run hits."""

    run: Run
    part: int
    value: str
    score: float
    match: Match


class Search:
    """One look-up of all runs of one text."""

    def __init__(self, finder: Finder, runs: Sequence[Run]) -> None:
        self._finder = finder
        self._runs = [run for run in runs if not run.plain and run.key]
        self._exact: set[Run] = set()
        self._met: set[int] = set()  # words that some hit explains

    def exact(self) -> Iterator[Found]:
        """Values that are a run, or are it but for doubled letters."""
        runs = [run for run in self._runs if len(run.key) > 1 or run.text not in "aiIAst"]
        keys = look_up_keys([run.near for run in runs], "whole")
        doubled: list[Found] = []
        for run, part, value, folded in self._of(runs, self._finder.find(keys)):
            if compact(folded) == run.key:
                self._exact.add(run)
                self._met.update(range(run.first, run.last + 1))
                yield Found(run, part, value, _exactness(run.text, value, folded), "exact")
            elif len(run.key) >= SHORTEST_NEAR:
                doubled.append(Found(run, part, value, _likeness(run, value), "fuzzy"))
        for found in doubled:
            self._met.update(range(found.run.first, found.run.last + 1))
            yield found

    def otherwise(self, text: str) -> Iterator[Found]:
        """Values that are a run in other words."""
        others = [
            (run, word, score)
            for run in self._runs
            if run.words <= 3 and run not in self._exact
            for word, score in other_words(run.text)
        ]
        for start, end, date in dates_in(text):
            inside = [r for r in self._runs if start <= r.start and r.end <= end]
            if inside:
                others.append((max(inside, key=lambda r: r.words), date, 0.97))
        keys = [compact(line) for line in fold_all([word for _, word, _ in others])]
        found = self._finder.find(look_up_keys([squeezed(key) for key in keys], "whole"))
        values = self._finder.values(n for numbers in found for n in numbers)
        folded = dict(zip(values, fold_all([text for _, text in values.values()]), strict=True))
        for (run, _, score), key, numbers in zip(others, keys, found, strict=True):
            for number in (n for n in numbers if n in values):
                part, value = values[number]
                fits = key not in SEXES or self._has_sexes(part)
                if compact(folded[number]) == key and fits:
                    self._met.update(range(run.first, run.last + 1))
                    yield Found(run, part, value, score, "fuzzy")

    def _has_sexes(self, part: int) -> bool:
        """Whether F and M are values of a part: F alone may stand for false."""
        return {value.lower() for value in self._finder.of_part(part, FEW_VALUES)} >= SEXES

    def near(self) -> Iterator[Found]:
        """Values that are a run but for one typing error."""
        runs = self._worth_a_near_look()
        for run, part, value, folded in self._of(runs, self._near_numbers(runs, "whole")):
            key = compact(folded)
            if key != run.key and _near(value, run):
                self._met.update(range(run.first, run.last + 1))
                known = run.words == 1 and len(run.key) < 6 and run.text.islower()
                doubtful = 0.6 if run in self._exact else 0.7 if known else 1.0
                yield Found(run, part, value, _likeness(run, value) * doubtful, "fuzzy")

    def _worth_a_near_look(self) -> list[Run]:
        """Runs that may be a value with a typing error, shorter ones first, not too many.

        One error spoils one word of a value, so all others are words that some value has.
        """
        unknown = self._unknown_words()
        chosen: list[Run] = []
        left = NEAR_LETTERS
        for run in sorted(self._runs, key=lambda r: (r.words, r.first)):
            whole = any(
                e.first <= run.first and run.last <= e.last and (e is not run or len(e.key) < 6)
                for e in self._exact
            )
            odd = sum(word in unknown for word in range(run.first, run.last + 1))
            words = run.text.lower().split()
            if (
                SHORTEST_NEAR <= len(run.key) <= LONGEST_NEAR
                and not whole
                and not run.key.isdigit()  # another digit makes another number
                and (odd <= 1 or run.words <= 2)
                and not {words[0], words[-1]} & STOP
            ):
                left -= len(run.key)
                if left < 0:
                    break
                chosen.append(run)
        return chosen

    def _unknown_words(self) -> set[int]:
        """Places of the words that no value of several words has."""
        single = [run for run in self._runs if run.words == 1 and len(run.key) > 1]
        present = self._finder.present(look_up_keys([run.near for run in single], "word"))
        return {run.first for run, known in zip(single, present.tolist(), strict=True) if not known}

    def partly(self) -> Iterator[Found]:
        """Values that hold a run of words beside others."""
        pairs = [run for run in self._runs if run.words == 2]
        yield from self._holding(pairs, "pair")
        whole = {run.first for run in self._exact if run.words == 1}
        single = [
            run
            for run in self._runs
            if run.words == 1 and len(run.key) > 2 and run.first not in whole
        ]
        yield from self._holding(single, "word")

    def misspelt(self) -> Iterator[Found]:
        """Values that hold a word of the text but for one typing error."""
        runs = [
            run
            for run in self._runs
            if run.words == 1
            and len(run.key) >= 5
            and run.first not in self._met
            and not run.key.isdigit()
        ]
        names = [run for run in runs if run.first > 0 and not run.text.islower()]
        runs = names or runs  # where names are written as names, other words are not names
        numbers = self._near_numbers(runs, "word", most=COMMON, corrections=CORRECTIONS)
        for run, part, value, folded in self._of(runs, numbers):
            word = next((w for w in folded.split() if _near_word(w, run)), None)
            if word is not None:
                yield _partial(run, part, value, folded, word, 0.85)

    def by_column(self, parts: Mapping[int, Run]) -> Iterator[Found]:
        """The few values of columns that the text names; more of it where initials agree."""
        initials = {run.key[:size] for run in self._runs for size in (1, 2, 3) if run.words == 1}
        for part, run in parts.items():
            for value in self._finder.of_part(part, FEW_VALUES):
                if value.lower() in FLAGS:
                    score = FLAGS[value.lower()]
                else:
                    score = 0.5 if value.isalpha() and value.lower() in initials else 0.3
                yield Found(run, part, value, score, "fuzzy")

    def _holding(self, runs: Sequence[Run], kind: Literal["word", "pair"]) -> Iterator[Found]:
        keys = look_up_keys([run.near for run in runs], kind)
        found = self._finder.find(keys, most=COMMON)
        for run, part, value, folded in self._of(runs, found):
            longest = self._longest(run, folded)
            if longest is not None and longest not in self._exact:
                self._met.update(range(longest.first, longest.last + 1))
                yield _partial(longest, part, value, folded, longest.folded, 1.0)

    def _longest(self, run: Run, folded: str) -> Run | None:
        """The longest run that begins as `run` does and stands in a folded value."""
        longer = (r for r in self._runs if r.first == run.first and r.last >= run.last)
        fitting = [r for r in longer if f" {r.folded} " in f" {folded} "]
        return max(fitting, key=lambda r: r.last, default=None)

    def _near_numbers(
        self, runs: Sequence[Run], kind: KeyKind, *, most: int | None = None, corrections: int = 0
    ) -> list[list[int]]:
        """For each run the numbers of the values with a key that is one typing error away."""
        forms = [(n, form) for n, run in enumerate(runs) for form in {run.written, run.key}]
        hashes, places = near_keys([form for _, form in forms], kind, self._finder.letters)
        there = np.flatnonzero(self._finder.present(hashes))
        keys: defaultdict[int, set[int]] = defaultdict(set)
        for place, key in zip(places[there].tolist(), hashes[there].tolist(), strict=True):
            keys[forms[place][0]].add(key)
        own = [(n, key) for n, some in keys.items() for key in sorted(some)]
        flat: Hashes = np.array([key for _, key in own], np.uint64)
        numbers: list[list[int]] = [[] for _ in runs]
        taken = [0] * len(runs)
        for (n, _), some in zip(own, self._finder.find(flat, most=most), strict=True):
            if some and (not corrections or taken[n] < corrections):
                taken[n] += 1
                numbers[n] += some
        return numbers

    def _of(
        self, runs: Sequence[Run], found: Sequence[Sequence[int]]
    ) -> Iterator[tuple[Run, int, str, str]]:
        """Each run with the part, the text and the folded text of the values found for it."""
        some = [list(dict.fromkeys(numbers))[:COMPARED] for numbers in found]
        values = self._finder.values(n for numbers in some for n in numbers)
        folded = dict(zip(values, fold_all([text for _, text in values.values()]), strict=True))
        for run, numbers in zip(runs, some, strict=True):
            for number in numbers:
                if number in values:
                    yield (run, *values[number], folded[number])


def _forms(value: str) -> tuple[str, str]:
    (folded,), (written,) = fold_both([value])
    return compact(folded), compact(written)


def _near(value: str, run: Run) -> bool:
    """Whether one typing error, or letters doubled or not, make the difference."""
    return any(
        OSA.distance(one, other, score_cutoff=1) <= 1
        or OSA.distance(squeezed(one), squeezed(other), score_cutoff=1) <= 1
        for one in set(_forms(value))
        for other in {run.key, run.written}
        if abs(len(one) - len(other)) <= 3
    )


def _near_word(word: str, run: Run) -> bool:
    return any(
        OSA.distance(squeezed(word), squeezed(other), score_cutoff=1) <= 1
        or OSA.distance(word, other, score_cutoff=1) <= 1
        for other in {run.key, run.written}
    )


def _likeness(run: Run, value: str) -> float:
    """The score of a value that is a run but for an error."""
    forms = zip(_forms(value), (run.key, run.written), strict=True)
    shares = [OSA.distance(one, own) / max(len(one), len(own), 1) for one, own in forms]
    return 0.92 * (1 - min(shares))


def _exactness(text: str, value: str, folded: str) -> float:
    if text == value:
        return 1.0
    if text.casefold() == value.casefold():
        return 0.99
    return 0.97 if fold_all([text])[0] == folded else 0.95


def _partial(run: Run, part: int, value: str, folded: str, words: str, factor: float) -> Found:
    share = len(words) / max(len(folded), 1)
    begins = folded.startswith(words)
    score = (0.5 if begins else 0.45) + 0.4 * share
    return Found(run, part, value, factor * score, "prefix" if begins else "fuzzy")


def runs_of(text: str) -> list[Run]:
    """Return all runs of up to eight words of the text."""
    words = [(m.start(), m.end()) for m in WORD.finditer(text)][:MAX_QUESTION_WORDS]
    places = [
        (first, last)
        for first in range(len(words))
        for last in range(first, min(first + MAX_WORDS, len(words)))
    ]
    texts = [text[words[first][0] : words[last][1]] for first, last in places]
    both = zip(places, texts, *fold_both(texts), strict=True)
    return [
        Run(
            start=words[first][0],
            end=words[last][1],
            first=first,
            last=last,
            text=own,
            folded=folded,
            key=compact(folded),
            near=squeezed(compact(folded)),
            written=compact(written),
        )
        for (first, last), own, folded, written in both
    ]
