"""Profile the columns of a table in one pass over its rows.

Memory stays bounded whatever the size: distinct values are counted in sketches, the most
frequent ones by lossy counting (Manku and Motwani 2002). The distinct short texts are handed
out on the way, each once, for whoever wants to index them.

What is not covered: relations between columns of one table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import date, time
from decimal import Decimal
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from quorumsql.db.kinds import kind_of
from quorumsql.db.pages import CUT, pages
from quorumsql.domain import Column, Table
from quorumsql.hashes import Sketch
from quorumsql.ports import Database
from quorumsql.profiles import (
    ColumnProfile,
    TableProfile,
    is_secret,
    packed,
    shape_of,
    with_meaning,
)

__all__ = ["profile_table"]

Scalar: TypeAlias = str | int | float | bool | None
OnTexts: TypeAlias = Callable[[str, Sequence[str]], None]

_COUNTED: Final = 20_000
_TOP: Final = 20
_SHAPED: Final = 2_000
_AT_ONCE: Final = 200
_NO_TEXTS: Final = frozenset({"secret"})


def profile_table(
    database: Database,
    table: Table,
    *,
    referring: Collection[str] = (),
    on_texts: OnTexts | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> TableProfile:
    """Read `table` and return its profile.

    Args:
        database: only reads go to it.
        table: its columns are all that is read; leave out what must stay unseen.
        referring: names of the columns from which a foreign key starts.
        on_texts: hears of each distinct text of a column once, some at a time; columns of
            secrets are never told.
        on_rows: hears how many more rows were read.

    Raises:
        DatabaseError: the table cannot be read.
    """
    profiles: list[ColumnProfile] = []
    rows = 0
    for start in range(0, len(table.columns), _AT_ONCE):
        some = table.columns[start : start + _AT_ONCE]
        tallies = [_Tally(column, wanted=on_texts is not None) for column in some]
        rows = 0
        for page in pages(database, table, some):
            rows += len(page)
            if on_rows and start == 0:
                on_rows(len(page))
            for tally, cells in zip(tallies, zip(*page, strict=True), strict=True):
                texts = tally.add(cells)
                if on_texts and texts:
                    on_texts(tally.column.name, texts)
        profiles += [tally.done(referring=tally.column.name in referring) for tally in tallies]
    return TableProfile(table=table.name, rows=rows, columns=tuple(profiles))


class _Tally:
    """What is known of one column so far."""

    def __init__(self, column: Column, *, wanted: bool) -> None:
        self.column = column
        self._rows = self._nulls = 0
        self._sketch = Sketch()
        self._counts: dict[object, int] = {}
        self._pruned = False
        self._low: dict[bool, object] = {}
        self._high: dict[bool, object] = {}
        self._lengths: list[int] = []
        self._words = self._texts = 0
        self._shapes: Counter[str] = Counter()
        self._kinds: list[object] = []
        self._seen = _Seen() if wanted and not is_secret(column.name) else None

    def add(self, cells: Sequence[object]) -> list[str]:
        """Take more cells; return the texts among them that are new, where they are wanted."""
        self._rows += len(cells)
        counts = Counter(cells)
        self._nulls += counts.pop(None, 0)
        if not counts:
            return []
        self._sketch.add([v if type(v) is str else _canonical(v) for v in counts])
        self._count(counts)
        if len(self._kinds) < _SHAPED:
            self._kinds += islice((v for v in counts if v != ""), _SHAPED - len(self._kinds))
        texts = [value for value in counts if isinstance(value, str)]
        self._extremes(texts, text=True)
        if len(texts) < len(counts):
            numbers = [_plain(v) for v in counts if not isinstance(v, str)]
            self._extremes([n for n in numbers if not isinstance(n, str)], text=False)
            self._extremes([n for n in numbers if isinstance(n, str)], text=True)
        self._look_at(texts)
        return self._seen.new(texts) if self._seen and texts else []

    def done(self, *, referring: bool) -> ColumnProfile:
        """Return the profile."""
        top = sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))[:_TOP]
        text = not self._low.keys() & {False}
        shaped = sum(self._shapes.values()) or 1
        profile = ColumnProfile(
            column=self.column.name,
            type=self.column.type,
            kind=kind_of(self.column.type, self._kinds) if self._kinds else self.column.kind,
            rows=self._rows,
            nulls=self._nulls,
            distinct=self._sketch.count() if self._pruned else len(self._counts),
            exact=not self._pruned,
            minimum=_short(self._low.get(text)),
            maximum=_short(self._high.get(text)),
            top=tuple((_short(_plain(value)), count) for value, count in top),
            shortest=min(self._lengths, default=0),
            longest=max(self._lengths, default=0),
            words=round(self._words / self._texts, 2) if self._texts else 0.0,
            patterns=tuple((s, round(n / shaped, 3)) for s, n in self._shapes.most_common(3)),
            sketch=packed(self._sketch),
        )
        return with_meaning(profile, self.column, referring=referring)

    def _count(self, counts: Counter[object]) -> None:
        for value, count in counts.items():
            self._counts[value] = self._counts.get(value, 0) + count
        if len(self._counts) > 2 * _COUNTED:
            self._pruned = True
            self._counts = _frequent(self._counts)

    def _extremes(self, values: Collection[object], *, text: bool) -> None:
        if not values:
            return
        both: list[object] = [self._low[text], self._high[text]] if text in self._low else []
        every = [*values, *both]
        self._low[text] = min(every)  # type: ignore[type-var]
        self._high[text] = max(every)  # type: ignore[type-var]

    def _look_at(self, texts: Sequence[str]) -> None:
        if texts:
            lengths = list(map(len, texts))
            self._lengths = [min([*self._lengths, *lengths]), max([*self._lengths, *lengths])]
        left = max(_SHAPED - self._texts, 0)
        for value in texts[:left]:
            self._texts += 1
            self._words += value.count(" ") + 1
            self._shapes[shape_of(value)] += 1


def _frequent(counts: dict[object, int]) -> dict[object, int]:
    """Those counted more than once, or the most frequent ones where these are still many."""
    often = {value: count for value, count in counts.items() if count > 1}
    if len(often) <= _COUNTED:
        return often
    return dict(sorted(often.items(), key=lambda item: -item[1])[:_COUNTED])


class _Seen:
    """Which texts were handed out already: eight bytes for each."""

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.int64]] = []

    def new(self, texts: Sequence[str]) -> list[str]:
        """Return those of `texts`, all different, that were not seen before."""
        hashes = np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts))
        unseen = np.ones(len(texts), bool)
        for run in self._runs:
            place = np.minimum(run.searchsorted(hashes), len(run) - 1)
            unseen &= run[place] != hashes
        if not unseen.any():
            return []
        self._runs.append(np.sort(hashes[unseen]))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate((self._runs[-1], last)))
        return [texts[i] for i in np.flatnonzero(unseen).tolist()]


def _canonical(value: object) -> str:
    """The text by which equal values of different types are equal, as joins take them."""
    if isinstance(value, float | Decimal) and value == value // 1:
        return str(int(value))
    return str(value)


def _plain(value: object) -> Scalar:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value
        case Decimal():
            return float(value)
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _short(value: object) -> Scalar:
    plain = _plain(value)
    return plain[:CUT] if isinstance(plain, str) else plain
