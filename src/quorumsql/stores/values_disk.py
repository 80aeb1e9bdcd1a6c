"""The values that a text mentions, looked up in the index on disk.

The text is cut into runs of up to eight words. A run hits a value that is the run (exact, up
to case, accents, spacing and a plural ending), that is one typing error away (fuzzy), or that
holds its words side by side (prefix where it begins with them, else fuzzy). Where the text
names a column of a few short values, those count as mentioned too, faintly: "official" names
`is_official`, whose values are T and F. Among columns that hold the same value, those whose
name or table stands in the text come first.

What is not covered: meaning ("French" hits "France" because a list says so), and two typing
errors in one value.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from quorumsql.domain import Hit
from quorumsql.stores.known import Known
from quorumsql.stores.values import STOP
from quorumsql.stores.values_file import Finder
from quorumsql.stores.values_keys import fold_all
from quorumsql.stores.values_search import FEW_VALUES, FLAGS, Found, Run, Search, runs_of

__all__ = ["DiskValueIndex"]

MAX_HITS: Final = 40
PER_RUN: Final = 10
PLAIN: Final = 0.66
"""Score from which a hit is more than faint."""


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
        """Close the files; safe to call twice."""
        with self._lock:
            self._finder.close()
            self._known.close()

    def mentions(self, text: str) -> tuple[Hit, ...]:
        """Return what `text` mentions, best first, at most 40 hits."""
        runs = runs_of(text)
        if not runs:
            return ()
        with self._lock:
            search = Search(self._finder, runs)
            named = self._names.in_text(runs)
            found = [*search.exact(), *search.otherwise(text), *search.near(), *search.partly()]
            if self._faint:
                found += search.misspelt()
                found += search.by_column(self._names.of_few_values(named))
            else:
                found = [f for f in found if f.match == "prefix" or f.score >= PLAIN]
        found = [one for one in found if one.part not in self._hidden]
        return tuple(self._hits(_ranked(found, named, self._names.words)))

    def _hits(self, ranked: Iterable[tuple[Found, float]]) -> Iterator[Hit]:
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

    def in_text(self, runs: Sequence[Run]) -> Mapping[int, tuple[float, Run | None]]:
        """How much of the names of each part stands in the text, and where its column's does."""
        words = {run.folded: run for run in reversed(runs) if run.words == 1}
        asked = set(words) - STOP
        found: dict[int, tuple[float, Run | None]] = {}
        for number in {n for word in asked for n in self._parts.get(word, ())}:
            table, column = self._words[number]
            own = column & asked
            share = len(own) / len(column) if column else 0.0
            rest = len(table & asked) / len(table) if table else 0.0
            place = words[min(own)] if own else None
            found[number] = (share + 0.6 * rest, place)
        return found

    def of_few_values(self, named: Mapping[int, tuple[float, Run | None]]) -> Mapping[int, Run]:
        """The named columns that have a few values only, the best twelve."""
        best = sorted(named.items(), key=lambda item: -item[1][0])
        few = [(n, run) for n, (_, run) in best if run is not None and n in self._few]
        return dict(few[:12])


def _ranked(
    found: Iterable[Found],
    named: Mapping[int, tuple[float, Run | None]],
    schema_words: Collection[str],
) -> Iterator[tuple[Found, float]]:
    """Order by score; the second column of the same words yields to the first of others.

    A word that names a table or column hardly ever means a value that only resembles it.
    """
    groups: defaultdict[tuple[int, int], dict[tuple[int, str], Found]] = defaultdict(dict)
    for one in found:
        own = groups[one.run.start, one.run.end]
        before = own.get((one.part, one.value))
        if before is None or before.score < one.score:
            own[one.part, one.value] = one
    exact = [p for p, own in groups.items() if any(f.match == "exact" for f in own.values())]
    scored: list[tuple[Found, float]] = []
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


def _named(one: Found, named: Mapping[int, tuple[float, Run | None]]) -> float:
    return named[one.part][0] if one.part in named else 0.0


def _spaced(name: str) -> str:
    """An identifier as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)", " ", name)
