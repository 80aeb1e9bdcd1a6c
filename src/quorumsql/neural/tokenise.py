"""A question and a schema as the arrays that the encoder reads.

    [CLS] question [SEP] table : column , column , … [SEP] table : … [SEP]

Beside the word pieces stand four small features per token: its role (with the column's
kind), how its name matches the question, whether stored values match, and keys. Pairs of
tokens carry a relation (`neural.relate`).

What is not covered: cutting a schema to size; `stages.link` does that. A schema that is
still too long for 512 positions is cut into chunks, each read with the whole question.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from quorumsql.domain import ColumnRef, Hit, Kind, Schema
from quorumsql.naming import readable, stem
from quorumsql.neural.relate import Item, Names, relate
from quorumsql.neural.spans import Span, find_spans
from quorumsql.synonyms import Place

__all__ = [
    "FEATURES",
    "MAX_POSITIONS",
    "RELATIONS",
    "ROLES",
    "Encoded",
    "Piece",
    "SchemaPieces",
    "Tokeniser",
    "pooling",
]

MAX_POSITIONS = 512
MAX_QUESTION = 160
"""Word pieces of a question that are read; the rest is cut."""

KINDS: tuple[Kind, ...] = ("text", "number", "date", "boolean", "other")
ROLES = ("special", "question", "table", *KINDS)
FEATURES = {"role": len(ROLES), "name": 4, "value": 4, "key": 4}
"""How many values each feature has. name: none, partial, exact (a table in the question: 3).
value: none, near, exact, number. key: bit 0 primary, bit 1 foreign."""

RELATIONS = 5
"""Between a column and a span: none, near hit, exact hit, number for number, mismatch."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """One table or column: its word pieces, stems, role and key bits."""

    ids: tuple[int, ...]
    stems: tuple[str, ...]
    role: int
    key: int
    ref: ColumnRef | None
    table: str


@dataclass(frozen=True, slots=True)
class SchemaPieces:
    """A schema, cut into pieces once: per table its own piece and those of its columns.

    keys: foreign keys, column by column, each from the referring column to the other.
    """

    tables: tuple[tuple[Piece, tuple[Piece, ...]], ...]
    keys: tuple[tuple[ColumnRef, ColumnRef], ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """One question with one schema. T tokens, C columns, N tables, S spans.

    ids, position, item: (T,), `item` the index of the column (0 to C-1) or table (C to
    C+N-1) that a token belongs to, -1 for others. features: (T, 4). span_bounds: (S, 2),
    tokens first to last+1. relation: (C, S). chunk: (T,), number of the chunk. pairs: (T, T),
    how each token relates to each other one.
    """

    ids: Ints
    position: Ints
    features: Ints
    item: Ints
    chunk: Ints
    columns: tuple[ColumnRef, ...]
    tables: tuple[str, ...]
    spans: tuple[Span, ...]
    span_bounds: Ints
    relation: Ints
    pairs: Ints


class Tokeniser:
    """Turns text into arrays with the encoder's own vocabulary."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._cls, self._sep, self._colon, self._comma = map(self._id, ("[CLS]", "[SEP]", ":", ","))

    def _id(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"the tokenizer has no {token!r}")
        return int(number)

    def vocabulary(self) -> tuple[str, ...]:
        """Return the encoder's word pieces in its order: common ones come first."""
        known = self._tokenizer.get_vocab()
        return tuple(sorted(known, key=lambda piece: known[piece]))

    def pieces(self, schema: Schema) -> SchemaPieces:
        """Return the pieces of `schema`; worth keeping, they do not depend on a question."""
        foreign = {(k.table, c) for k in schema.foreign_keys for c in k.columns}
        tables = []
        for table in schema.tables:
            columns = tuple(
                self._piece(
                    column.name,
                    ROLES.index(column.kind),
                    column.primary_key + 2 * ((table.name, column.name) in foreign),
                    ColumnRef(table=table.name, column=column.name),
                    table.name,
                )
                for column in table.columns
            )
            own = self._piece(table.name, ROLES.index("table"), 0, None, table.name)
            tables.append((own, columns))
        keys = tuple(
            (ColumnRef(table=k.table, column=here), ColumnRef(table=k.referred_table, column=there))
            for k in schema.foreign_keys
            for here, there in zip(k.columns, k.referred_columns, strict=True)
        )
        return SchemaPieces(tuple(tables), keys)

    def _piece(self, name: str, role: int, key: int, ref: ColumnRef | None, table: str) -> Piece:
        return self.renamed(Piece((), (), role, key, ref, table), readable(name) or name)

    def renamed(self, piece: Piece, words: str) -> Piece:
        """Return `piece` as if its name were `words`."""
        ids = self._tokenizer.encode(words, add_special_tokens=False).ids[:12]
        stems = tuple(stem(word) for word in words.split())
        return replace(piece, ids=tuple(ids), stems=stems)

    def reworded(self, pieces: SchemaPieces, names: Mapping[Place, str]) -> SchemaPieces:
        """Return `pieces` with other words for some names, as `synonyms` finds them."""

        def changed(piece: Piece) -> Piece:
            place = (piece.table, piece.ref.column if piece.ref else None)
            return self.renamed(piece, names[place]) if place in names else piece

        tables = [(changed(table), tuple(map(changed, own))) for table, own in pieces.tables]
        return replace(pieces, tables=tuple(tables)) if names else pieces

    def encode(self, question: str, pieces: SchemaPieces, hits: Sequence[Hit]) -> Encoded:
        """Return the arrays of `question` before the schema of `pieces`."""
        encoding = self._tokenizer.encode(question, add_special_tokens=False)
        ids, offsets = encoding.ids[:MAX_QUESTION], encoding.offsets[:MAX_QUESTION]
        end = offsets[-1][1] if offsets else 0
        spans = tuple(s for s in find_spans(question, hits) if s.end <= end)
        names = Names(question)
        builder = _Builder(self._cls, self._sep)
        roles = [ROLES.index("question")] * len(ids)
        kinds = [_value_kind(start, stop, spans) for start, stop in offsets]
        items = _items(pieces)
        matches = names.of_question(offsets, items)
        builder.question(ids, list(zip(roles, matches, kinds, [0] * len(ids), strict=True)))
        near = {(h.table, h.column): 1 for h in hits} | {
            (h.table, h.column): 2 for h in hits if h.match == "exact"
        }
        columns = [c for _, cs in pieces.tables for c in cs]
        number = {id(c): i for i, c in enumerate(columns)}
        for order, (table, own) in enumerate(pieces.tables):
            parts = [(table, len(columns) + order, 0, self._colon)]
            for c in own:
                value = near.get((c.ref.table, c.ref.column), 0) if c.ref else 0
                parts.append((c, number[id(c)], value, self._comma))
            builder.table(
                [([*p.ids, mark], (p.role, names.of_item(p.stems), value, p.key), item)
                 for p, item, value, mark in parts]
            )  # fmt: skip
        bounds = [_bounds(span, offsets) for span in spans]
        return builder.done(
            columns=tuple(c.ref for c in columns if c.ref),
            tables=tuple(t.table for t, _ in pieces.tables),
            spans=spans,
            span_bounds=np.array(bounds, dtype=np.int64).reshape(-1, 2),
            relation=_relations(columns, spans),
            pairs=relate(names, items, spans, pieces.keys, builder.nodes(names.places(offsets))),
        )


def _items(pieces: SchemaPieces) -> tuple[Item, ...]:
    """All columns, then all tables: the order in which items are counted."""
    parts = [p for _, cs in pieces.tables for p in cs] + [t for t, _ in pieces.tables]
    return tuple(Item(stems=p.stems, table=p.table, ref=p.ref) for p in parts)


_Token: TypeAlias = tuple[int, tuple[int, ...], int]
"""Word piece, features, item."""


class _Builder:
    """Collects tokens; starts a new chunk, with the question repeated, where one is full."""

    def __init__(self, cls: int, sep: int) -> None:
        self._sep = sep
        self._head: list[_Token] = [(cls, (0, 0, 0, 0), -1)]
        self._chunks: list[list[_Token]] = []

    def question(self, ids: Sequence[int], features: Sequence[tuple[int, ...]]) -> None:
        self._head += [(i, f, -1) for i, f in zip(ids, features, strict=True)]
        self._head.append((self._sep, (0, 0, 0, 0), -1))
        self._chunks.append(list(self._head))

    def table(self, parts: Sequence[tuple[list[int], tuple[int, ...], int]]) -> None:
        for ids, features, item in parts:
            if len(self._chunks[-1]) + len(ids) + 1 > MAX_POSITIONS:
                self._chunks.append(list(self._head))
            self._chunks[-1] += [(i, features, item) for i in ids]
        self._chunks[-1].append((self._sep, (0, 0, 0, 0), -1))

    def nodes(self, places: Sequence[int]) -> Ints:
        """Per token what it stands for: a word (from 0), an item (-2 and down), or nothing (-1).

        `places` names the word of each of the question's pieces.
        """
        found: list[int] = []
        for chunk in self._chunks:
            own = [-1] * len(self._head)
            own[1 : 1 + len(places)] = places
            found += own + [-2 - item if item >= 0 else -1 for _, _, item in chunk[len(own) :]]
        return np.array(found, dtype=np.int64)

    def done(
        self,
        *,
        columns: tuple[ColumnRef, ...],
        tables: tuple[str, ...],
        spans: tuple[Span, ...],
        span_bounds: Ints,
        relation: Ints,
        pairs: Ints,
    ) -> Encoded:
        tokens = [token for chunk in self._chunks for token in chunk]
        return Encoded(
            ids=np.array([t[0] for t in tokens], dtype=np.int64),
            position=np.concatenate([np.arange(len(c), dtype=np.int64) for c in self._chunks]),
            features=np.array([t[1] for t in tokens], dtype=np.int64),
            item=np.array([t[2] for t in tokens], dtype=np.int64),
            chunk=np.repeat(np.arange(len(self._chunks)), [len(c) for c in self._chunks]),
            columns=columns,
            tables=tables,
            spans=spans,
            span_bounds=span_bounds,
            relation=relation,
            pairs=pairs,
        )


def _value_kind(start: int, end: int, spans: Collection[Span]) -> int:
    kind = 0
    for span in spans:
        if span.start <= start and end <= span.end:
            exact = any(h.match == "exact" for h in span.hits)
            found = 2 if exact else 3 if span.number else 1
            kind = found if kind in {0, 1} else kind
    return kind


def _bounds(span: Span, offsets: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Tokens of `span`, counted in the whole input, where [CLS] comes first."""
    inside = [i for i, (s, e) in enumerate(offsets) if s < span.end and e > span.start]
    return (inside[0] + 1, inside[-1] + 2) if inside else (0, 1)


def _relations(columns: Sequence[Piece], spans: Sequence[Span]) -> Ints:
    relation = np.zeros((len(columns), len(spans)), dtype=np.int64)
    numeric = ROLES.index("number")
    for c, column in enumerate(columns):
        for s, span in enumerate(spans):
            relation[c, s] = _relation(column, span, numeric)
    return relation


def _relation(column: Piece, span: Span, numeric: int) -> int:
    own = [
        h
        for h in span.hits
        if column.ref and (h.table, h.column) == (column.ref.table, column.ref.column)
    ]
    if own:
        return 2 if any(h.match == "exact" for h in own) else 1
    if column.role == numeric:
        return 3 if span.number is not None else 4
    return 0


def pooling(encoded: Encoded) -> tuple[Floats, Floats]:
    """Weights that average the tokens of each column and table (C+N, T) and span (S, T)."""
    items, length = len(encoded.columns) + len(encoded.tables), len(encoded.ids)
    own = (encoded.item[None, :] == np.arange(items)[:, None]).astype(np.float32)
    own /= np.maximum(own.sum(axis=1, keepdims=True), 1)
    where = np.arange(length)[None, :]
    first, last = encoded.span_bounds[:, :1], encoded.span_bounds[:, 1:]
    spans = ((where >= first) & (where < last) & (encoded.chunk[None, :] == 0)).astype(np.float32)
    return own, spans / np.maximum(spans.sum(axis=1, keepdims=True), 1)
