"""Schema linking: the part of a large schema that a question can be about.

XiYan-SQL's schema filter (arXiv 2507.04701, section III and Algorithm 1) asks a language
model for the columns and adds the keys they imply. Here the columns are found by their
words and by the stored values that the question mentions; keys and the bridge tables
between selected tables are added in the same way. A schema that fits is left alone.

What is not covered: meaning beyond `synonyms`. A column whose name shares no word with the
question, and whose values it does not mention, is kept only when there is room.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz, process

from quorumsql.domain import Column, ForeignKey, Hit, Question, Schema
from quorumsql.joins import JoinGraph
from quorumsql.naming import singular
from quorumsql.synonyms import synonyms

__all__ = ["STOP", "Prepared", "keys_of", "link", "part_of", "within", "words_of"]

MAX_TABLES = 12
"""Tables chosen for their own sake; bridges come on top."""

QUESTION_WORDS = 64
"""Words of the question that are compared, the first ones."""

SIMILAR = 84.0
"""Least similarity of two words (0 to 100) that may be spellings of one another."""

RELEVANT = 0.25
"""A table with less than this part of the best table's score is not chosen."""

KEY_WORTH = 10.0
"""Weight of a key column in the best table; it falls with the table's place."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
STOP = frozenset(
    "a all also an and any are as at be been by did do does each every find for from give had has "
    "have how i in is it its list many me more most much name not number of on or our please "
    "return show than that the their them there these they this those to us was we were what "
    "when where which who whose with without you".split()
)


def link(
    question: Question,
    schema: Schema,
    hits: Sequence[Hit] = (),
    *,
    max_columns: int = 120,
    max_pieces: int = 440,
    prepared: Prepared | None = None,
) -> Schema:
    """Return the tables and columns of `schema` that the question may need.

    Args:
        question: its text and evidence are compared with names and comments.
        schema: everything the database has.
        hits: values that the question mentions; their columns are kept first.
        max_columns: how many columns may stay.
        max_pieces: how many word pieces their names may take, about what the embedded
            encoder has left beside a question.
        prepared: what `Prepared(schema)` was; worth keeping between questions.

    Returns:
        `schema` itself when it fits; otherwise a smaller one, tables and columns in their
        original order, with the foreign keys whose columns stayed.
    """
    budget = _Budget(columns=max_columns, pieces=max_pieces)
    prepared = prepared or Prepared(schema)
    if budget.holds(prepared):
        return schema
    scores = _Scores(question, prepared, hits)
    tables = _with_bridges(prepared, _chosen_tables(schema, scores))
    order = [*_by_importance(schema, tables, scores)]
    order += _by_importance(schema, _neighbours(schema, tables), scores)
    kept = _affordable(prepared, order, budget)
    return part_of(schema, kept)


def within(hits: Iterable[Hit], schema: Schema) -> tuple[Hit, ...]:
    """Return the hits whose column is in `schema`."""
    present = {(t.name, c.name) for t in schema.tables for c in t.columns}
    return tuple(hit for hit in hits if (hit.table, hit.column) in present)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Budget:
    columns: int
    pieces: int

    def holds(self, prepared: Prepared) -> bool:
        if prepared.width > self.columns:
            return False
        return sum(prepared.table_pieces) + sum(map(sum, prepared.pieces)) <= self.pieces


def _pieces(name: str) -> int:
    """About how many word pieces an encoder reads for this name, separator included."""
    return 1 + sum(math.ceil(len(part) / 7) for part in _PART.findall(name))


class Prepared:
    """What linking needs to know of a schema, whatever the question."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.width = sum(len(table.columns) for table in schema.tables)
        self.table_pieces = [_pieces(table.name) for table in schema.tables]
        self.pieces = [[_pieces(c.name) for c in table.columns] for table in schema.tables]
        self._split: dict[str, tuple[str, ...]] = {}
        spread: Counter[str] = Counter()
        places: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
        for t, table in enumerate(schema.tables):
            names = (table.name, table.comment, *_texts(table.columns))
            spread.update({word for name in names for word in self.words(name)})
            said = [(table.name, table.comment), *((c.name, c.comment) for c in table.columns)]
            for c, texts in enumerate(said, start=-1):
                for text in texts:
                    for word in (*self.words(text), "".join(self.words(text))):
                        places[word].add((t, c))
        every = max(len(schema.tables), 2)
        self.rarity = {
            word: 1.0 + math.log(every / count) / math.log(every) for word, count in spread.items()
        }
        self.places = dict(places)
        self.graph = JoinGraph(schema)
        self.synonyms = synonyms()

    def words(self, text: str) -> tuple[str, ...]:
        """The different words of a name or comment."""
        if text not in self._split:
            self._split[text] = tuple(dict.fromkeys(words_of(text)))
        return self._split[text]


class _Scores:
    """How strongly the question speaks of each table and each of its columns."""

    def __init__(self, question: Question, prepared: Prepared, hits: Sequence[Hit]) -> None:
        meant = prepared.synonyms.said(question.text, prepared.schema, hits).values()
        words = _Words(" ".join((*meant, question.text, question.evidence)), prepared)
        hit_scores: dict[tuple[str, str], float] = {}
        for hit in hits:
            place = (hit.table, hit.column)
            hit_scores[place] = max(hit_scores.get(place, 0.0), hit.score)
        hit_tables = {table for table, _ in hit_scores}
        spoken_of = words.places()
        touched = {t for t, _ in spoken_of}
        self.columns: list[list[float]] = []
        self.tables: list[float] = []
        for t, table in enumerate(prepared.schema.tables):
            if t not in touched and table.name not in hit_tables:
                self.columns.append([0.0] * len(table.columns))
                self.tables.append(0.0)
                continue
            own = words.match(table.name, table.comment) if (t, -1) in spoken_of else 0.0
            columns = [
                (words.match(column.name, column.comment) if (t, c) in spoken_of else 0.0)
                + 1.5 * hit_scores.get((table.name, column.name), 0.0)
                for c, column in enumerate(table.columns)
            ]
            best = sorted(columns, reverse=True)[:3]
            self.columns.append(columns)
            self.tables.append(1.5 * own + sum(c / n for n, c in enumerate(best, start=1)))


class _Words:
    """Matches words of names with words of the question; rare words weigh more."""

    def __init__(self, text: str, prepared: Prepared) -> None:
        asked = [word for word in words_of(text) if word not in STOP]
        self._asked = tuple(dict.fromkeys(asked))[:QUESTION_WORDS]
        self._prepared = prepared
        self._strength = _strengths(self._asked, tuple(prepared.rarity))
        self._matched: dict[tuple[str, str], float] = {}

    def places(self) -> set[tuple[int, int]]:
        """Table and column (-1 for the table itself) of every name that can match at all."""
        found = (self._prepared.places.get(word, ()) for word in (*self._strength, *self._asked))
        return {place for places in found for place in places}

    def match(self, name: str, comment: str) -> float:
        """0 without a common word, about 1 to 2 for a name that the question spells out."""
        found = self._matched.get((name, comment))
        if found is None:  # many tables have columns of the same name
            found = self._coverage(name) + (0.4 * self._coverage(comment) if comment else 0.0)
            self._matched[name, comment] = found
        return found

    def _coverage(self, text: str) -> float:
        words = self._prepared.words(text)
        if len(words) > 1 and "".join(words) in self._asked:  # lapTimes, asked for as "laptimes"
            return math.sqrt(len(words))
        if not any(word in self._strength for word in words):
            return 0.0
        rarity = self._prepared.rarity
        found = sum(self._strength.get(word, 0.0) * rarity[word] for word in words)
        return found / math.sqrt(len(words))


def _texts(columns: Iterable[Column]) -> Iterable[str]:
    for column in columns:
        yield column.name
        if column.comment:
            yield column.comment


def words_of(text: str) -> list[str]:
    """Return the words of a text or an identifier, in lower case and singular."""
    return [singular(part.lower()) for part in _PART.findall(text)]


def _strengths(asked: Sequence[str], vocabulary: Sequence[str]) -> Mapping[str, float]:
    """How well each word of the schema is matched by some word of the question, if at all."""
    known = set(vocabulary)
    strengths = {word: 1.0 for word in asked if word in known}
    by_letter: dict[str, list[str]] = {}  # a typing error seldom hits the first letter
    for word in vocabulary:
        if len(word) >= 4 and word not in strengths:
            by_letter.setdefault(word[0], []).append(word)
    for word in asked:
        near = by_letter.get(word[0], ()) if len(word) >= 4 else ()
        for other, score, _ in process.extract_iter(
            word, near, scorer=fuzz.ratio, score_cutoff=SIMILAR
        ):
            strengths[other] = max(strengths.get(other, 0.0), 0.7 * score / 100)
    return strengths


def _chosen_tables(schema: Schema, scores: _Scores) -> list[int]:
    """Indexes of the relevant tables, best first; all of them when none stands out."""
    order = sorted(range(len(schema.tables)), key=lambda i: (-scores.tables[i], i))
    best = scores.tables[order[0]] if order else 0.0
    if best <= 0.0:
        return order
    return [i for i in order if scores.tables[i] >= RELEVANT * best][:MAX_TABLES]


def _with_bridges(prepared: Prepared, chosen: Sequence[int]) -> list[int]:
    """`chosen`, each followed by the tables that connect it to the ones before it."""
    if len(chosen) > MAX_TABLES:
        return list(chosen)
    schema, graph = prepared.schema, prepared.graph
    position = {table.name: i for i, table in enumerate(schema.tables)}
    tables: list[int] = []
    for index in chosen:
        name = schema.tables[index].name
        together = [schema.tables[i].name for i in tables]
        path = graph.path([*together[:1], name]) if together else None
        bridges = [position[table] for table in path.tables] if path else []
        tables.extend(i for i in dict.fromkeys([index, *bridges]) if i not in tables)
    return tables


def _neighbours(schema: Schema, tables: Sequence[int]) -> list[int]:
    """Tables that a foreign key ties to `tables`: they get the room that is left."""
    position = {table.name: i for i, table in enumerate(schema.tables)}
    inside = set(tables)
    near: set[int] = set()
    for key in schema.foreign_keys:
        ends = {position[n] for n in (key.table, key.referred_table) if n in position}
        if ends & inside:
            near |= ends - inside
    return sorted(near)


def _by_importance(schema: Schema, tables: Sequence[int], scores: _Scores) -> list[tuple[int, int]]:
    """Places of all columns of `tables`: keys and hits first, then by score, then in order."""
    keys = keys_of(schema, tables)
    places = [(rank, t, c) for rank, t in enumerate(tables) for c in range(_width(schema, t))]

    def importance(place: tuple[int, int, int]) -> tuple[float, int, int]:
        rank, t, c = place
        strength = scores.columns[t][c]
        joined = 0.3 * scores.tables[t] if strength > 0 else 0.0
        key = KEY_WORTH / (1 + rank) if (t, c) in keys else 0.0
        return (-(strength + joined + key), rank, c)

    return [(t, c) for _, t, c in sorted(places, key=importance)]


def _affordable(
    prepared: Prepared, order: Iterable[tuple[int, int]], budget: _Budget
) -> list[tuple[int, int]]:
    """The places of `order`, first come first served, for which there is room."""
    kept: list[tuple[int, int]] = []
    seen: set[int] = set()
    pieces = budget.pieces
    for t, c in order:
        cost = prepared.pieces[t][c] + (0 if t in seen else prepared.table_pieces[t])
        if len(kept) >= budget.columns or pieces <= 0:
            break
        if cost <= pieces:
            pieces -= cost
            seen.add(t)
            kept.append((t, c))
    return kept


def _width(schema: Schema, table: int) -> int:
    return len(schema.tables[table].columns)


def keys_of(schema: Schema, tables: Sequence[int]) -> set[tuple[int, int]]:
    """Primary keys of `tables`, and both ends of every foreign key between two of them."""
    names = {schema.tables[t].name: t for t in tables}
    found = {
        (t, c)
        for t in tables
        for c, column in enumerate(schema.tables[t].columns)
        if column.primary_key
    }
    for key in schema.foreign_keys:
        if key.table in names and key.referred_table in names:
            found |= _ends(schema, names[key.table], key.columns)
            found |= _ends(schema, names[key.referred_table], key.referred_columns)
    return found


def _ends(schema: Schema, table: int, columns: Sequence[str]) -> set[tuple[int, int]]:
    wanted = {name.lower() for name in columns}
    own = schema.tables[table].columns
    return {(table, c) for c, column in enumerate(own) if column.name.lower() in wanted}


def part_of(schema: Schema, kept: Iterable[tuple[int, int]]) -> Schema:
    """Return the columns at these places (table, column), with the keys that fit them."""
    by_table: dict[int, list[int]] = {}
    for t, c in kept:
        by_table.setdefault(t, []).append(c)
    tables = tuple(
        replace(schema.tables[t], columns=tuple(schema.tables[t].columns[c] for c in sorted(own)))
        for t, own in sorted(by_table.items())
    )
    names = {table.name: {c.name.lower() for c in table.columns} for table in tables}
    keys = tuple(key for key in schema.foreign_keys if _stays(key, names))
    return replace(schema, tables=tables, foreign_keys=keys)


def _stays(key: ForeignKey, names: Mapping[str, set[str]]) -> bool:
    own, referred = names.get(key.table, set()), names.get(key.referred_table, set())
    return {c.lower() for c in key.columns} <= own and {
        c.lower() for c in key.referred_columns
    } <= referred
