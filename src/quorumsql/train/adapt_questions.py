"""Synthetic questions about one database: made by the grammar, run, and kept diverse.

Each question is executed before it is kept, and one that fails, takes long, finds nothing or was
asked before is dropped. The grammar asks about some shapes of SQL far more often than about
others, so of what it makes the rarest shapes are taken first, and no statement is taken more than
`WORDINGS` times.

What is not covered: questions in users' own words, which a grammar does not know.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from quorumsql.domain import Limits, Schema
from quorumsql.errors import UsageError
from quorumsql.forms.linear import linearise, place_of
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.ports import Database, ValueIndex
from quorumsql.train.data import Example
from quorumsql.train.synthetic import Source
from quorumsql.train.synthetic_names import Names
from quorumsql.train.synthetic_target import Examiner, Target

__all__ = ["apart", "make_questions", "readable_schema"]

LIMITS = Limits(seconds=1.0, rows=2)
WORDINGS = 4
SPARE = 1.3
"""How many more are made than are wanted, so that there is something to choose from."""
BATCH = 20


def make_questions(
    database: Database,
    schema: Schema,
    index: ValueIndex,
    tokeniser: Tokeniser,
    *,
    count: int,
    seed: int,
    seconds: float,
    watch: Callable[[int], None] = lambda _: None,
) -> list[Example]:
    """Return up to `count` different questions, each with the tree that answers it.

    Args:
        database: runs the statements; only read.
        schema: what of it questions may be about.
        index: finds stored values in questions.
        tokeniser: that of the members.
        count: how many are wanted.
        seed: the same one makes the same questions, if time allows.
        seconds: how long making them may take.
        watch: told how many there are.

    Raises:
        UsageError: the schema has no table.
    """
    if not any(table.columns for table in schema.tables):
        raise UsageError("The database has no table to ask about.")
    target = Target(
        name=database.name,
        schema=schema,
        pieces=tokeniser.pieces(schema),
        names=Names.of(schema, database.name, {}),
        database=database,
        index=index,
    )
    examiner = Examiner(tokeniser, limits=LIMITS, patient=False)
    counts: Counter[str] = Counter()
    source = Source(target, (), examiner, random.Random(f"{seed}-{database.name}"), counts)
    end = time.monotonic() + seconds
    wanted, found = round(count * SPARE), dict[str, Example]()
    barren = 0
    while len(found) < wanted and time.monotonic() < end and barren < 5:
        before = len(found)
        for example in source.make(BATCH, 0.0):
            found.setdefault(example.question.lower(), example)
        barren = 0 if len(found) > before else barren + 1
        watch(min(len(found), count))
    return _diverse(list(found.values()), count)


def readable_schema(schema: Schema, unread: Sequence[str]) -> Schema:
    """Return `schema` without the columns that nobody may read values of ("people.password")."""
    patterns = [pattern.lower() for pattern in unread]

    def is_read(table: str, column: str) -> bool:
        return not any(fnmatchcase(f"{table}.{column}".lower(), p) for p in patterns)

    tables = (
        replace(t, columns=tuple(c for c in t.columns if is_read(t.name, c.name)))
        for t in schema.tables
    )
    keys = (
        key
        for key in schema.foreign_keys
        if all(is_read(key.table, c) for c in key.columns)
        and all(is_read(key.referred_table, c) for c in key.referred_columns)
    )
    kept = tuple(table for table in tables if table.columns)
    return replace(schema, tables=kept, foreign_keys=tuple(keys))


def apart(examples: Sequence[Example], count: int) -> tuple[list[Example], list[Example]]:
    """Split into about `count` to check with, and the rest to learn from; no statement in both."""
    by_statement: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_statement[repr(example.trees["tables"])].append(example)
    check: list[Example] = []
    learn: list[Example] = []
    for number, own in enumerate(by_statement.values()):
        every = max(len(by_statement) // max(count, 1), 2)
        (check if number % every == 0 and len(check) < count else learn).extend(own)
    return check, learn


def _diverse(examples: Iterable[Example], count: int) -> list[Example]:
    """Take one of each shape of SQL in turn, until there are `count`."""
    by_shape: dict[tuple[str, ...], list[Example]] = defaultdict(list)
    wordings: Counter[str] = Counter()
    for example in examples:
        statement = repr(example.trees["tables"])
        wordings[statement] += 1
        if wordings[statement] <= WORDINGS:
            by_shape[_shape(example)].append(example)
    taken: list[Example] = []
    turn = 0
    while len(taken) < count and any(len(own) > turn for own in by_shape.values()):
        taken += [own[turn] for own in by_shape.values() if len(own) > turn]
        turn += 1
    return taken[:count]


def _shape(example: Example) -> tuple[str, ...]:
    """The tokens without what they name."""
    tokens = linearise(example.trees["columns"], "columns")
    return tuple(place_of(token) or str(token) for token in tokens)
