"""Spider-format questions as training examples, and as batches of tensors.

What is not covered: synthetic questions; `train.synthetic` makes them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from quorumsql.db import open_database
from quorumsql.domain import ColumnRef, Hit, Schema
from quorumsql.errors import UsageError
from quorumsql.forms.grammar import Grammar
from quorumsql.forms.read import Unreadable, read
from quorumsql.forms.tree import Query
from quorumsql.forms.write import implicit
from quorumsql.joins import JoinGraph
from quorumsql.neural.relate import BY_NAME
from quorumsql.neural.targets import align, pad, targets
from quorumsql.neural.tokenise import FEATURES, ROLES, Encoded, SchemaPieces, Tokeniser, pooling
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.synonyms import Place, Synonyms
from quorumsql.train.invented import invented
from quorumsql.train.questions import own_questions

__all__ = [
    "MASK",
    "Batch",
    "Blur",
    "Example",
    "Steps",
    "collate",
    "fold_of",
    "held_out",
    "load_examples",
    "trim",
]

MASK = 103
"""The word piece that BERT-like encoders know as a hidden word."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training question: what the model sees, and the tree it should write."""

    database: str
    question: str
    schema: Schema
    pieces: SchemaPieces
    hits: tuple[Hit, ...]
    trees: dict[str, Query]
    """By form: with all tables ("tables"), or without those that follow from columns."""
    said: Mapping[Place, str] = field(default_factory=dict)
    """Names as the question says them (`synonyms`)."""
    own: bool = False
    """Whether the question is ours (`train.questions`, `train.invented`), not Spider's."""


def load_examples(
    data: Path,
    files: Sequence[str],
    tokeniser: Tokeniser,
    *,
    own: Path | None = None,
    databases: Path | None = None,
) -> list[Example]:
    """Read `files` of the Spider folder `data`, leaving out what the tree does not cover.

    Those of the file `own` (`train.questions`) come after Spider's about the same database, those
    about the invented `databases` (`train.invented`) after all.

    Raises:
        UsageError: a file is missing, or an invented database cannot be made.
    """
    rows: list[dict[str, str]] = []
    for name in files:
        path = data / name
        if not path.is_file():
            raise UsageError(f"No {path}: --data must name a folder in Spider's format.")
        rows += json.loads(path.read_text(encoding="utf-8"))
    examples: list[Example] = []
    by_database: dict[str, list[dict[str, str]]] = {}
    ours: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_database.setdefault(row["db_id"], []).append(row)
    for row in own_questions(rows, path=own) if own else ():
        ours.setdefault(row["db_id"], []).append(row)
    for name, theirs in sorted(by_database.items()):
        path = data / "database" / name / f"{name}.sqlite"
        examples += _of_database(path, theirs, ours.get(name, []), tokeniser)
    with TemporaryDirectory() as folder:
        for one in invented(databases) if databases else ():
            asked = [{"question": question, "query": sql} for question, sql in one.questions]
            examples += _of_database(one.build(Path(folder)), [], asked, tokeniser)
    return examples


def _of_database(
    path: Path,
    theirs: Sequence[dict[str, str]],
    ours: Sequence[dict[str, str]],
    tokeniser: Tokeniser,
) -> Iterator[Example]:
    database = open_database(str(path))
    schema = database.schema()
    index = MemoryValueIndex.build(database, schema)
    database.close()
    graph, pieces, synonyms = JoinGraph(schema), tokeniser.pieces(schema), Synonyms()
    for number, row in enumerate((*theirs, *ours)):
        try:
            tree = read(row["query"], schema)
        except Unreadable:
            continue
        slim, hits = implicit(tree, graph), index.mentions(row["question"])
        yield Example(
            database=path.stem,
            question=row["question"],
            schema=schema,
            pieces=pieces,
            hits=hits,
            trees={"tables": tree, "columns": slim, "plan": slim},
            said=synonyms.names(row["question"], schema, hits),
            own=number >= len(theirs),
        )


def held_out(examples: Sequence[Example], share: float) -> frozenset[str]:
    """Databases, whole, that hold about `share` of the examples; the same on every machine."""
    names = sorted({e.database for e in examples}, key=lambda n: sha256(n.encode()).hexdigest())
    wanted, found, taken = share * len(examples), 0, []
    for name in names:
        if found >= wanted:
            break
        taken.append(name)
        found += sum(e.database == name for e in examples)
    return frozenset(taken)


def fold_of(database: str) -> int:
    """0 or 1: the half that a database belongs to when members are trained on halves."""
    return sha256(f"fold {database}".encode()).digest()[0] % 2


@dataclass(frozen=True, slots=True)
class Blur:
    """Hides words of a question, and now and then which names its words match.

    Members that can copy every name learn to do nothing else, and fail where people say a
    column's name in other words.
    """

    rng: random.Random
    masked: float
    blind: float

    def __call__(self, encoded: Encoded) -> Encoded:
        """Return `encoded` with less to go by; what its spans point to is left alone."""
        ids, features, pairs = encoded.ids.copy(), encoded.features, encoded.pairs
        kept = {t for first, last in encoded.span_bounds.tolist() for t in range(first, last)}
        for token in np.flatnonzero(features[:, 0] == ROLES.index("question")).tolist():
            if self.rng.random() < self.masked and token not in kept:
                ids[token] = MASK
        if self.rng.random() < self.blind:
            features = features.copy()
            features[:, list(FEATURES).index("name")] = 0
            pairs = np.where(np.isin(pairs, BY_NAME), 0, pairs)
        return replace(encoded, ids=ids, features=features, pairs=pairs)


def trim(example: Example, rng: random.Random, *, budget: int) -> SchemaPieces:
    """Shuffle the schema, and keep the columns of the query plus a random part of the rest.

    XiYan-SQL trains on partially filtered schemas (paper, section IV); here it also
    shortens the input: about `budget` word pieces are kept.
    """
    used = set(_columns(example.trees["tables"]))
    tables_used = set(_tables(example.trees["tables"]))
    keep = rng.uniform(0.4, 1.2)
    whole = sum(len(c.ids) + 1 for _, cs in example.pieces.tables for c in cs)
    keep = min(keep, budget / max(whole, 1))
    tables = []
    for table, columns in example.pieces.tables:
        own = [c for c in columns if c.ref in used or rng.random() < keep]
        if own or table.table in tables_used:
            rng.shuffle(own)
            tables.append((table, tuple(own)))
    rng.shuffle(tables)
    return SchemaPieces(tuple(tables), example.pieces.keys)


def _queries(query: Query) -> Iterator[Query]:
    yield query
    for one in query.parts():
        yield from _queries(one)


def _columns(query: Query) -> Iterator[ColumnRef]:
    for each in _queries(query):
        yield from each.columns()
        yield from each.via


def _tables(query: Query) -> Iterator[str]:
    for each in _queries(query):
        yield from each.tables


@dataclass(frozen=True, slots=True)
class Batch:
    """B examples padded to T tokens, I items, S spans, A actions; by form, L steps.

    pairs: (B, T, T), relations between tokens.
    """

    ids: Tensor
    position: Tensor
    features: Tensor
    mask: Tensor
    pairs: Tensor
    items: Tensor
    spans: Tensor
    steps: dict[str, Steps]


@dataclass(frozen=True, slots=True)
class Steps:
    """Teacher forcing for one form: `neural.targets.Written` as tensors."""

    inputs: Tensor
    targets: Tensor
    allowed: Tensor
    relation: Tensor


def collate(
    examples: Sequence[Example],
    pieces: Sequence[SchemaPieces],
    tokeniser: Tokeniser,
    grammars: Mapping[str, Grammar],
    blur: Callable[[Encoded], Encoded] = lambda encoded: encoded,
) -> Batch:
    """Encode, blur and pad `examples`, each with its own view of the schema."""
    encoded = [
        blur(tokeniser.encode(e.question, p, e.hits)) for e, p in zip(examples, pieces, strict=True)
    ]
    size = len(examples)
    length = _up(max(len(e.ids) for e in encoded), 16)
    items = _up(max(len(e.columns) + len(e.tables) for e in encoded), 8)
    spans = _up(max(len(e.spans) for e in encoded), 4)
    ids, position = np.zeros((size, length), np.int64), np.zeros((size, length), np.int64)
    features = np.zeros((size, length, encoded[0].features.shape[1]), np.int64)
    mask = np.zeros((size, length), bool)
    pairs = np.zeros((size, length, length), np.int32)
    item_pool = np.zeros((size, items, length), np.float32)
    span_pool = np.zeros((size, spans, length), np.float32)
    for row, e in enumerate(encoded):
        count = len(e.ids)
        ids[row, :count], position[row, :count], mask[row, :count] = e.ids, e.position, True
        features[row, :count], pairs[row, :count, :count] = e.features, e.pairs
        pools = pooling(e)
        item_pool[row, : len(pools[0]), :count] = pools[0]
        span_pool[row, : len(pools[1]), :count] = pools[1]
    steps = {
        form: _steps(form, grammar, examples, encoded, items, spans)
        for form, grammar in grammars.items()
    }
    return Batch(
        ids=torch.from_numpy(ids),
        position=torch.from_numpy(position),
        features=torch.from_numpy(features),
        mask=torch.from_numpy(mask),
        pairs=torch.from_numpy(pairs),
        items=torch.from_numpy(item_pool),
        spans=torch.from_numpy(span_pool),
        steps=steps,
    )


def _up(number: int, step: int) -> int:
    """The next multiple: few different shapes, since a kernel is made for each new one."""
    return -(-max(number, 1) // step) * step


def _steps(
    form: str,
    grammar: Grammar,
    examples: Sequence[Example],
    encoded: Sequence[Encoded],
    items: int,
    spans: int,
) -> Steps:
    rows = [
        targets(align(x.trees[form], e, x.schema), form, grammar, e)
        for x, e in zip(examples, encoded, strict=True)
    ]
    made = pad(rows, encoded, items, spans)
    return Steps(
        inputs=torch.from_numpy(made.inputs),
        targets=torch.from_numpy(made.targets),
        allowed=torch.from_numpy(made.allowed),
        relation=torch.from_numpy(made.relation),
    )
