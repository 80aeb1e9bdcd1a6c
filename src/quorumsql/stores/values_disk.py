"""The values that a text mentions, looked up in the index on disk.

The text is cut into runs of up to eight words. A run hits a value that is the run (exact, up
to case, accents, spacing and a plural ending), that is one typing error away (fuzzy), or that
holds its words side by side (prefix where it begins with them, else fuzzy). Where the text
names a column of a few short values, those count as mentioned too, faintly: "official" names
`is_official`, whose values are T and F. Among columns that hold the same value, those whose
name or table stands in the text come first.

What is not covered: meaning ("French" does not hit "France"), and two typing errors in
different halves of a value.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import numpy as np
from rapidfuzz.distance import OSA

from quorumsql.domain import Hit
from quorumsql.hashes import Hashes
from quorumsql.stores.known import Known
from quorumsql.stores.values import STOP
from quorumsql.stores.values_file import Finder
from quorumsql.stores.values_keys import (
    SHORTEST_NEAR,
    compact,
    fold,
    fold_all,
    look_up_keys,
    near_keys,
    squeezed,
)
from quorumsql.stores.values_words import dates_in, other_words

__all__ = ["DiskValueIndex"]

MAX_WORDS: Final = 8
MAX_QUESTION_WORDS: Final = 120
MAX_HITS: Final = 40
PER_RUN: Final = 10
COMMON: Final = 150
"""A word that so many values hold says nothing about any of them."""

COMPARED: Final = 600
"""Values that are compared with one run, letter by letter."""

PLAIN: Final = 0.66
"""Score from which a hit is more than faint."""

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
class _Run:
    """Words `first` to `last` of the text; `folded` is what they are looked up by."""

    start: int
    end: int
    first: int
    last: int
    text: str
    folded: str
    key: str
    near: str

    @property
    def words(self) -> int:
        return self.last - self.first + 1

    @property
    def plain(self) -> bool:
        """Whether these are words that no name is made of."""
        lower = self.text.islower() or (self.first == 0 and self.text.istitle())
        return lower and STOP.issuperset(self.text.lower().split())


@dataclass(frozen=True, slots=True)
class _Found:
    run: _Run
    part: int
    value: str
    score: float
    match: Match


class DiskValueIndex:
    """Looks stored values up in an index on disk. Safe to use from several threads."""

    def __init__(
        self, known: Known, *, hidden: Iterable[tuple[str, str]] = (), faint: bool = True
    ) -> None:
        """Take the open file of an index.

        Args:
            known: the file; it is closed with the index.
            hidden: columns (table, column) that give no hits.
            faint: whether to find what a text mentions only in part or in a manner of speaking;
                the embedded generators were not trained with such hits.
        """
        self._faint = faint
        self._known = known
        self._lock = threading.Lock()
        self._finder = Finder(known)
        self._names = _Names(self._finder.parts)
        left_out = set(hidden)
        self._hidden = {n for n, (t, c, _) in self._finder.parts.items() if (t, c) in left_out}

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._known.close()

    def mentions(self, text: str) -> tuple[Hit, ...]:
        """Return what `text` mentions, best first, at most 40 hits."""
        runs = _runs(text)
        if not runs:
            return ()
        with self._lock:
            search = _Search(self._finder, runs)
            named = self._names.in_text(runs)
            found = [*search.exact(), *search.otherwise(text), *search.near(), *search.partly()]
            if self._faint:
                found += search.misspelt()
                found += search.by_column(self._names.of_few_values(named))
            else:
                found = [f for f in found if f.match == "prefix" or f.score >= PLAIN]
        found = [one for one in found if one.part not in self._hidden]
        return tuple(self._hits(_ranked(found, named, self._names.words)))

    def _hits(self, ranked: Iterable[tuple[_Found, float]]) -> Iterator[Hit]:
        for one, score in list(ranked)[:MAX_HITS]:
            table, column, _ = self._finder.parts[one.part]
            yield Hit(
                table=table,
                column=column,
                value=one.value,
                start=one.run.start,
                end=one.run.end,
                score=round(score, 4),
                match=one.match,
            )


class _Search:
    """One look-up of all runs of one text."""

    def __init__(self, finder: Finder, runs: Sequence[_Run]) -> None:
        self._finder = finder
        self._runs = [run for run in runs if not run.plain and run.key]
        self._exact: set[_Run] = set()
        self._met: set[int] = set()  # words that some hit explains

    def exact(self) -> Iterator[_Found]:
        """Values that are a run."""
        runs = [run for run in self._runs if len(run.key) > 1 or run.text not in "aiIAst"]
        keys = look_up_keys([run.key for run in runs], "whole")
        for run, part, value, folded in self._of(runs, self._finder.find(keys)):
            if compact(folded) == run.key:
                self._exact.add(run)
                self._met.update(range(run.first, run.last + 1))
                yield _Found(run, part, value, _exactness(run.text, value), "exact")

    def otherwise(self, text: str) -> Iterator[_Found]:
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
        keys = [compact(fold(word)) for _, word, _ in others]
        found = self._finder.find(look_up_keys(keys, "whole"))
        values = self._finder.values([n for numbers in found for n in numbers])
        for (run, _, score), key, numbers in zip(others, keys, found, strict=True):
            for part, value in (values[n] for n in numbers if n in values):
                if compact(fold(value)) == key and (key not in SEXES or self._has_sexes(part)):
                    self._met.update(range(run.first, run.last + 1))
                    yield _Found(run, part, value, score, "fuzzy")

    def _has_sexes(self, part: int) -> bool:
        """Whether F and M are values of a part: F alone may stand for false."""
        return {value.lower() for value in self._finder.of_part(part, FEW_VALUES)} >= SEXES

    def near(self) -> Iterator[_Found]:
        """Values that are a run but for one typing error."""
        runs = [
            run
            for run in self._runs
            if SHORTEST_NEAR <= len(run.key) <= 60
            and not any(e.first <= run.first and run.last <= e.last for e in self._exact)
            and not {run.text.split()[0].lower(), run.text.split()[-1].lower()} & STOP
        ]
        groups = near_keys([run.near for run in runs], ("left", "right"))
        for run, part, value, folded in self._of(runs, self._of_groups(groups)):
            key = compact(folded)
            if key != run.key and _near(key, run):
                self._met.update(range(run.first, run.last + 1))
                score = 0.92 * (1 - OSA.distance(key, run.key) / max(len(key), len(run.key)))
                known = run.words == 1 and len(run.key) < 6 and run.text.islower()
                yield _Found(run, part, value, score * (0.7 if known else 1.0), "fuzzy")

    def partly(self) -> Iterator[_Found]:
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

    def misspelt(self) -> Iterator[_Found]:
        """Values that hold a word of the text but for one typing error."""
        runs = [
            run
            for run in self._runs
            if run.words == 1 and len(run.key) >= 5 and run.first not in self._met
        ]
        names = [run for run in runs if run.first > 0 and not run.text.islower()]
        runs = names or runs  # where names are written as names, other words are not names
        groups = near_keys([run.near for run in runs], ("word-left", "word-right"))
        met: dict[_Run, set[str]] = defaultdict(set)
        for run, _, _, folded in self._of(runs, self._of_groups(groups)):
            met[run].update(folded.split())
        right = {run: {w for w in words if _near(w, run)} for run, words in met.items()}
        corrected = [(run, word) for run, words in right.items() for word in sorted(words)[:4]]
        keys = look_up_keys([word for _, word in corrected], "word")
        found = [some if len(some) < COMMON else [] for some in self._finder.find(keys)]
        for (own, word), numbers in zip(corrected, found, strict=True):
            for run, part, value, folded in self._of([own], [numbers]):
                yield _partial(run, part, value, folded, word, 0.85)

    def by_column(self, parts: Mapping[int, _Run]) -> Iterator[_Found]:
        """The few values of columns that the text names; more of it where initials agree."""
        initials = {run.key[:size] for run in self._runs for size in (1, 2, 3) if run.words == 1}
        for part, run in parts.items():
            for value in self._finder.of_part(part, FEW_VALUES):
                if value.lower() in FLAGS:
                    score = FLAGS[value.lower()]
                else:
                    score = 0.5 if value.isalpha() and value.lower() in initials else 0.3
                yield _Found(run, part, value, score, "fuzzy")

    def _holding(self, runs: Sequence[_Run], kind: Literal["word", "pair"]) -> Iterator[_Found]:
        keys = look_up_keys([run.key for run in runs], kind)
        found = self._finder.find(keys)
        if kind == "word":
            found = [numbers if len(numbers) < COMMON else [] for numbers in found]
        for run, part, value, folded in self._of(runs, found):
            longest = self._longest(run, folded)
            if longest is not None and longest not in self._exact:
                self._met.update(range(longest.first, longest.last + 1))
                yield _partial(longest, part, value, folded, longest.folded, 1.0)

    def _longest(self, run: _Run, folded: str) -> _Run | None:
        """The longest run that begins as `run` does and stands in a folded value."""
        longer = (r for r in self._runs if r.first == run.first and r.last >= run.last)
        fitting = [r for r in longer if f" {r.folded} " in f" {folded} "]
        return max(fitting, key=lambda r: r.last, default=None)

    def _of_groups(self, groups: Sequence[Hashes]) -> list[list[int]]:
        """Numbers of the values that have any key of each group."""
        if not groups:
            return []
        found = iter(self._finder.find(np.concatenate(groups)))
        return [sorted({n for _ in group for n in next(found)}) for group in groups]

    def _of(
        self, runs: Sequence[_Run], found: Sequence[Sequence[int]]
    ) -> Iterator[tuple[_Run, int, str, str]]:
        """Each run with the part, the text and the folded text of the values found for it."""
        some = [list(dict.fromkeys(numbers))[:COMPARED] for numbers in found]
        values = self._finder.values([n for numbers in some for n in numbers])
        folded = dict(zip(values, fold_all([text for _, text in values.values()]), strict=True))
        for run, numbers in zip(runs, some, strict=True):
            for number in numbers:
                if number in values:
                    yield (run, *values[number], folded[number])


class _Names:
    """Which columns a text names."""

    def __init__(self, parts: Mapping[int, tuple[str, str, int]]) -> None:
        self._few = {number for number, (_, _, size) in parts.items() if 0 < size <= FEW_VALUES}
        tables = fold_all([_spaced(table) for table, _, _ in parts.values()])
        columns = fold_all([_spaced(column) for _, column, _ in parts.values()])
        self._parts: defaultdict[str, list[int]] = defaultdict(list)
        self._words: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        for number, table, column in zip(parts, tables, columns, strict=True):
            words = frozenset(table.split()), frozenset(column.split())
            self._words[number] = words
            for word in words[0] | words[1]:
                self._parts[word].append(number)

    @property
    def words(self) -> Collection[str]:
        """The words of all names."""
        return self._parts.keys()

    def in_text(self, runs: Sequence[_Run]) -> Mapping[int, tuple[float, _Run | None]]:
        """How much of the names of each part stands in the text, and where its column's does."""
        words = {run.folded: run for run in reversed(runs) if run.words == 1}
        asked = set(words) - STOP
        found: dict[int, tuple[float, _Run | None]] = {}
        for number in {n for word in asked for n in self._parts.get(word, ())}:
            table, column = self._words[number]
            own = column & asked
            share = len(own) / len(column) if column else 0.0
            rest = len(table & asked) / len(table) if table else 0.0
            place = words[min(own)] if own else None
            found[number] = (share + 0.6 * rest, place)
        return found

    def of_few_values(self, named: Mapping[int, tuple[float, _Run | None]]) -> Mapping[int, _Run]:
        """The named columns that have a few values only, the best twelve."""
        best = sorted(named.items(), key=lambda item: -item[1][0])
        few = [(n, run) for n, (_, run) in best if run is not None and n in self._few]
        return dict(few[:12])


def _ranked(
    found: Iterable[_Found],
    named: Mapping[int, tuple[float, _Run | None]],
    schema_words: Collection[str],
) -> Iterator[tuple[_Found, float]]:
    """Order by score; the second column of the same words yields to the first of others.

    A word that names a table or column hardly ever means a value that only resembles it.
    """
    groups: defaultdict[tuple[int, int], dict[tuple[int, str], _Found]] = defaultdict(dict)
    for one in found:
        own = groups[one.run.start, one.run.end]
        before = own.get((one.part, one.value))
        if before is None or before.score < one.score:
            own[one.part, one.value] = one
    exact = [p for p, own in groups.items() if any(f.match == "exact" for f in own.values())]
    scored: list[tuple[_Found, float]] = []
    for (start, end), own in groups.items():
        inside = any(s <= start and end <= e and (s, e) != (start, end) for s, e in exact)
        order = sorted(own.values(), key=lambda f: -f.score - 0.12 * _named(f, named))
        for rank, one in enumerate(order[:PER_RUN]):
            fine = 0.04 * min(rank, 6) + (0.35 if inside else 0.0)
            resembles = one.match != "exact" and one.run.folded in schema_words
            if resembles and one.score not in {0.3, *FLAGS.values(), 0.5}:
                fine += 0.45
            scored.append((one, max(one.score - fine, 0.01)))
    scored.sort(key=lambda s: (-s[1], s[0].run.start - s[0].run.end, s[0].run.start))
    seen: set[tuple[int, str]] = set()
    for one, score in scored:  # what several runs hit counts for the best of them
        if (one.part, one.value) not in seen:
            seen.add((one.part, one.value))
            yield one, score


def _named(one: _Found, named: Mapping[int, tuple[float, _Run | None]]) -> float:
    return named[one.part][0] if one.part in named else 0.0


def _near(key: str, run: _Run) -> bool:
    """Whether one typing error, or letters doubled or not, make the difference."""
    if abs(len(key) - len(run.key)) > 3:
        return False
    return OSA.distance(squeezed(key), run.near, score_cutoff=1) <= 1


def _exactness(text: str, value: str) -> float:
    if text == value:
        return 1.0
    if text.casefold() == value.casefold():
        return 0.99
    return 0.97 if fold(text) == fold(value) else 0.95


def _partial(run: _Run, part: int, value: str, folded: str, words: str, factor: float) -> _Found:
    share = len(words) / max(len(folded), 1)
    begins = folded.startswith(words)
    score = (0.5 if begins else 0.45) + 0.4 * share
    return _Found(run, part, value, factor * score, "prefix" if begins else "fuzzy")


def _spaced(name: str) -> str:
    """An identifier as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)", " ", name)


def _runs(text: str) -> list[_Run]:
    """All runs of up to eight words of the text."""
    words = [(m.start(), m.end()) for m in WORD.finditer(text)][:MAX_QUESTION_WORDS]
    places = [
        (first, last)
        for first in range(len(words))
        for last in range(first, min(first + MAX_WORDS, len(words)))
    ]
    texts = [text[words[first][0] : words[last][1]] for first, last in places]
    folded = fold_all(texts)
    keys = [compact(line) for line in folded]
    return [
        _Run(words[first][0], words[last][1], first, last, *rest)
        for (first, last), *rest in zip(
            places, texts, folded, keys, map(squeezed, keys), strict=True
        )
    ]
