"""How a question's words and a schema's names relate, pair by pair.

The relations are those of RAT-SQL (Wang et al. 2020, arXiv 1911.04942, section 4): schema
linking by name and by stored value, membership of columns in tables, foreign keys.

What is not covered: meaning. Two words relate when their stems are equal; `synonyms` changes
names before they come here, and the encoder sees to the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quorumsql.domain import ColumnRef
from quorumsql.naming import stem
from quorumsql.neural.spans import Span

__all__ = ["BY_NAME", "PAIRS", "Item", "Names", "relate"]

Ints = npt.NDArray[np.int64]

EXACT, PARTIAL, STORED, NEAR = 1, 3, 5, 7
"""From a word to an item; one more from the item to the word."""
BY_NAME = (EXACT, EXACT + 1, PARTIAL, PARTIAL + 1)
"""Those that names alone tell, in both directions."""
SAME, OWNER, OWNED, SIBLING = 9, 10, 11, 12
REFERS, REFERRED, TABLE_REFERS, TABLE_REFERRED = 13, 14, 15, 16
PAIRS = 17
"""How many relations there are, with 0 for none."""

WORD = re.compile(r"\w+")
COMMON = frozenset("a an and are as at by do for from has have how id in is it no of on or the to "
                   "what which who with name names type number code".split())  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """A table, or a column of it, with the stems of its name."""

    stems: tuple[str, ...]
    table: str
    ref: ColumnRef | None


class Names:
    """The words of a question, matched with names."""

    def __init__(self, question: str) -> None:
        self.words = [(m.start(), m.end(), stem(m[0])) for m in WORD.finditer(question)]
        self._text = " " + " ".join(w for _, _, w in self.words) + " "
        self._where: dict[str, list[int]] = {}
        for number, (_, _, word) in enumerate(self.words):
            self._where.setdefault(word, []).append(number)

    def places(self, offsets: Sequence[tuple[int, int]]) -> list[int]:
        """The word that each piece of the question belongs to, -1 for none."""
        return [
            next((n for n, (s, e, _) in enumerate(self.words) if s <= start and end <= e), -1)
            for start, end in offsets
        ]

    def of_item(self, stems: Sequence[str]) -> int:
        """How a name stands in the question: 0 not at all, 1 in part, 2 whole."""
        if f" {' '.join(stems)} " in self._text:
            return 2
        return int(any(s in self._where and s not in COMMON for s in stems))

    def of_question(self, offsets: Sequence[tuple[int, int]], items: Sequence[Item]) -> list[int]:
        """Per piece: 0 in no name, 1 in a part, 2 in a column's whole name, 3 in a table's."""
        partial: set[str] = set()
        exact: dict[str, int] = {}
        for item in items:
            partial.update(s for s in item.stems if s not in COMMON)
            if self.of_item(item.stems) == 2:
                mark = 2 if item.ref else 3
                for word in item.stems:
                    exact[word] = max(mark, exact.get(word, 0))
        words = [self.words[n][2] if n >= 0 else "" for n in self.places(offsets)]
        return [exact.get(word, int(word in partial)) for word in words]

    def found(self, stems: Sequence[str]) -> dict[int, int]:
        """The words that name an item, by number: EXACT or PARTIAL."""
        found = {n: PARTIAL for s in stems if s not in COMMON for n in self._where.get(s, ())}
        for first in self._where.get(stems[0], ()) if stems else ():
            run = range(first, first + len(stems))
            if run.stop <= len(self.words) and all(
                self.words[n][2] == s for n, s in zip(run, stems, strict=True)
            ):
                found |= dict.fromkeys(run, EXACT)
        return found


def relate(
    names: Names,
    items: Sequence[Item],
    spans: Sequence[Span],
    keys: Sequence[tuple[ColumnRef, ColumnRef]],
    nodes: Ints,
) -> Ints:
    """Return (T, T): the relation of every token to every other one.

    Args:
        names: the question.
        items: columns, then tables.
        spans: the values that the question may mention.
        keys: foreign keys, column by column.
        nodes: (T,), what each token stands for: word n as n, item n as -2 - n, nothing as -1.
    """
    words, count = len(names.words), len(items)
    table = np.zeros((words + count + 1, words + count + 1), np.int64)
    _stored(table, names, items, spans)
    for number, item in enumerate(items):
        for word, relation in names.found(item.stems).items():
            before = table[word, words + number]
            if relation == EXACT or before in {0, NEAR}:
                table[word, words + number] = relation
    block = table[:words, words:-1]
    table[words:-1, :words] = np.where(block > 0, block + 1, 0).T
    table[words:-1, words:-1] = _schema(items, keys)
    own = np.where(nodes >= 0, nodes, np.where(nodes < -1, words - 2 - nodes, words + count))
    pairs: Ints = table[np.ix_(own, own)]
    return pairs


def _stored(table: Ints, names: Names, items: Sequence[Item], spans: Sequence[Span]) -> None:
    column = {item.ref: len(names.words) + n for n, item in enumerate(items) if item.ref}
    for span in spans:
        inside = [n for n, (s, e, _) in enumerate(names.words) if s < span.end and e > span.start]
        for hit in span.hits:
            place = column.get(ColumnRef(table=hit.table, column=hit.column))
            if place is None:
                continue
            relation = STORED if hit.match == "exact" else NEAR
            for word in inside:
                if table[word, place] != STORED:
                    table[word, place] = relation


def _schema(items: Sequence[Item], keys: Sequence[tuple[ColumnRef, ColumnRef]]) -> Ints:
    """Relations between the items themselves."""
    names = {name: n for n, name in enumerate(dict.fromkeys(item.table for item in items))}
    owner = np.array([names[item.table] for item in items])
    is_table = np.array([item.ref is None for item in items])
    together = owner[:, None] == owner[None, :]
    found = np.where(together, SIBLING, 0)
    found[together & is_table[None, :]] = OWNER
    found[together & is_table[:, None]] = OWNED
    np.fill_diagonal(found, SAME)
    place = {item.ref: n for n, item in enumerate(items) if item.ref}
    tables = {item.table: n for n, item in enumerate(items) if not item.ref}
    for here, there in keys:
        if here in place and there in place:
            found[place[here], place[there]] = REFERS
            found[place[there], place[here]] = REFERRED
        a, b = tables.get(here.table), tables.get(there.table)
        if a is not None and b is not None and a != b:
            found[a, b], found[b, a] = TABLE_REFERS, TABLE_REFERRED
    return found.astype(np.int64)
