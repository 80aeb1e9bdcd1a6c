"""Real questions as templates: their tables, columns and values become slots to fill anew.

After SyntaxSQLNet (Yu et al., 2018), whose templates keep the SQL pattern; here the words
of the real question are kept as well, as long as they are not about its own subject.

What is not covered: questions that imply a column without naming it, except that rows are
listed by their name and grouped by their key; `synthetic_grammar` makes those.
`synthetic_transplant` fills the templates.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from quorumsql.domain import ColumnRef, Schema
from quorumsql.forms.grammar import OPERATORS
from quorumsql.forms.linear import Token, linearise, place_of
from quorumsql.forms.tree import Predicate, Query, Value
from quorumsql.forms.write import path_of
from quorumsql.joins import JoinGraph
from quorumsql.naming import readable, stem
from quorumsql.train.data import Example
from quorumsql.train.synthetic_names import NameKey, Names, plural
from quorumsql.train.synthetic_target import Rejected, classes_of

__all__ = ["Slot", "Template", "common_words", "inner_first", "templates"]

WORD = re.compile(r"[A-Za-z]+(?:'t)?")
ABOUT = frozenset(
    "oldest older younger youngest expensive longest recent recently latest live living lives "
    "opened opening received taken held old male female born married staff birth start year "
    "years month day member members located produced called named using use used made won wins "
    "popular been settled playing shared associated work works".split()
)
"""Frequent words that fit only some columns or tables."""
PERSONAL = frozenset("who whom he she him her his person people".split())
ALWAYS = frozenset("in of for from to order number total list sort count first a an on by".split())
MIN_DATABASES, MAX_SCHEMAS = 9, 4


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a question: what stands there, and whether for one or for several."""

    what: str | ColumnRef | int
    """A table, a column, or the position of a value among the tokens of the tree."""
    many: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A question with slots, and its tree as tokens over the source's own names.

    edges: pairs of columns that a key equates, the referring one first; classes: what may
    stand for each column; shapes: the tables that each SELECT joins, inner ones first;
    silent: columns without words; people: tables whose rows the words treat as people;
    shape: the tokens without what they name.
    """

    source: Example
    parts: tuple[str | Slot, ...]
    tokens: tuple[Token, ...]
    tables: tuple[str, ...]
    edges: tuple[tuple[ColumnRef, ColumnRef], ...]
    classes: Mapping[ColumnRef, str]
    values: Mapping[int, tuple[ColumnRef, str]]
    shapes: tuple[frozenset[str], ...]
    silent: frozenset[ColumnRef]
    grouped: frozenset[ColumnRef]
    people: frozenset[str]
    shape: tuple[str, ...]


def common_words(examples: Sequence[Example]) -> frozenset[str]:
    """Words that questions over many databases use and few schemas are about."""
    asked: defaultdict[str, set[str]] = defaultdict(set)
    schemas = {example.database: example.schema for example in examples}
    for example in examples:
        for word in WORD.findall(example.question.lower()):
            asked[word].add(example.database)
    named = Counter(s for schema in schemas.values() for s in _stems(schema))
    enough = min(MIN_DATABASES, max(2, len(schemas) // 10))
    few = max(1, MAX_SCHEMAS * len(schemas) // 140)
    return ALWAYS | {
        word
        for word, databases in asked.items()
        if len(databases) >= enough and named[stem(word)] <= few and word not in ABOUT - PERSONAL
    }


def _stems(schema: Schema) -> frozenset[str]:
    names = [t.name for t in schema.tables] + [c.name for t in schema.tables for c in t.columns]
    return frozenset(stem(word) for name in names for word in readable(name).split())


def templates(
    examples: Sequence[Example], known: Mapping[NameKey, str]
) -> Iterator[Template | None]:
    """A template, or None, for each of `examples`, in order."""
    words = common_words(examples)
    schemas: dict[str, tuple[JoinGraph, Names, dict[ColumnRef, str]]] = {}
    for example in examples:
        if example.database not in schemas:
            names = Names.of(example.schema, example.database, known)
            own = (JoinGraph(example.schema), names, classes_of(example.schema, names))
            schemas[example.database] = own
        try:
            yield _template(example, words, *schemas[example.database])
        except Rejected:
            yield None


def _template(
    example: Example,
    common: frozenset[str],
    graph: JoinGraph,
    names: Names,
    classes: Mapping[ColumnRef, str],
) -> Template:
    tree = example.trees["tables"]
    queries = list(inner_first(tree))
    paths = [path_of(query, graph) for query in queries]
    if any(query.via for query in queries) or any(path is None for path in paths):
        raise Rejected("joins")
    tables = tuple(dict.fromkeys(t for path in paths if path for t in path.tables))
    edges = [tuple(pair) for path in paths if path for join in path.joins for pair in join.pairs]
    edges += list(_nested(queries))
    directed = tuple(dict.fromkeys(_directed(edge, example.schema) for edge in edges))
    tokens = linearise(tree, "tables")
    if any(token in {"+", "-", "*", "/"} for token in tokens):
        raise Rejected("arithmetic")
    values = dict(_compared(tokens))
    columns = dict.fromkeys(token for token in tokens if isinstance(token, ColumnRef))
    found = _Mentions(example.question)
    for place, value in ((p, tokens[p]) for p in values):
        found.value(place, value)
    found.names(tables, list(columns), names)
    silent = frozenset(c for c in columns if c not in found.seen)
    _may_be_silent(silent, directed, classes, found)
    _as_often(tree, found, silent, classes)
    parts = tuple(found.parts())
    rest = {w.lower() for part in parts if isinstance(part, str) for w in WORD.findall(part)}
    if strange := rest - common:
        raise Rejected(f"words of its subject: {sorted(strange)}")
    named = [table for table in tables if table in found.seen]
    if not named or not all(map(names.is_noun, named)):
        raise Rejected("no table named by a noun")
    return Template(
        source=example, parts=parts, tokens=tokens, tables=tables, edges=directed,
        classes={c: classes[c] for c in columns}, values=values,
        shapes=tuple(frozenset(path.tables) for path in paths if path),
        silent=silent, people=_people(parts), shape=tuple(place_of(t) or str(t) for t in tokens),
        grouped=frozenset(column for query in queries for column in query.group),
    )  # fmt: skip


def _people(parts: Sequence[str | Slot]) -> frozenset[str]:
    """The tables that "who" and its like speak of: the one before, else the one behind."""
    found = set()
    for place, part in enumerate(parts):
        if isinstance(part, str) and PERSONAL & set(WORD.findall(part.lower())):
            near = (*reversed(parts[:place]), *parts[place:])
            said = (p.what for p in near if isinstance(p, Slot) and isinstance(p.what, str))
            found.add(next(said, ""))
    return frozenset(found)


def inner_first(query: Query) -> Iterator[Query]:
    """All SELECTs of `query`, those inside a condition before the one around them."""
    for one in query.parts():
        yield from inner_first(one)
    yield query


def _nested(queries: Sequence[Query]) -> Iterator[tuple[ColumnRef, ColumnRef]]:
    for query in queries:
        for condition in (query.where, query.having):
            for predicate in condition.predicates if condition else ():
                yield from _equated(predicate)


def _equated(predicate: Predicate) -> Iterator[tuple[ColumnRef, ColumnRef]]:
    for operand in predicate.right:
        if predicate.operator == "in" and isinstance(operand, Query):
            left, right = predicate.left, operand.select[0]
            if not isinstance(left, ColumnRef) or not isinstance(right, ColumnRef):
                raise Rejected("nested in an expression")
            if left != right:
                yield left, right


def _directed(edge: tuple[ColumnRef, ...], schema: Schema) -> tuple[ColumnRef, ColumnRef]:
    one, two = edge
    for key in schema.foreign_keys:
        if len(key.columns) == 1:
            child = ColumnRef(table=key.table, column=key.columns[0])
            parent = ColumnRef(table=key.referred_table, column=key.referred_columns[0])
            if (one, two) == (child, parent) or (two, one) == (child, parent):
                return child, parent
    raise Rejected("equal without a key")


def _compared(tokens: Sequence[Token]) -> Iterator[tuple[int, tuple[ColumnRef, str]]]:
    """Values that stand beside a column, by their position; counts and limits are kept."""
    for place, token in enumerate(tokens):
        if not isinstance(token, Value):
            continue
        at, operator = place - 1, ""
        while isinstance(tokens[at], Value) or tokens[at] in {*OPERATORS, "between", "not"}:
            operator = str(tokens[at]) if tokens[at] not in {"not"} and not operator else operator
            at -= 1
        left, before = tokens[at], tokens[at - 1]
        counts = before == "count" or (before == "distinct" and tokens[at - 2] == "count")
        if isinstance(left, ColumnRef) and before == "sum":
            raise Rejected("a sum compared")
        if isinstance(left, ColumnRef) and not counts:
            yield place, (left, "between" if not isinstance(operator, str) else operator)


class _Mentions:
    """Which parts of a question say which table, column or value."""

    def __init__(self, question: str) -> None:
        self._question = question
        self._slots: list[tuple[int, int, Slot]] = []
        self._words = [(m.start(), m.end(), stem(m[0])) for m in re.finditer(r"\w+", question)]
        self.seen: set[str | ColumnRef | int] = set()

    def value(self, place: int, value: Token) -> None:
        text = value.text if isinstance(value, Value) else ""
        for match in re.finditer(rf"(?<!\w){re.escape(text)}(?!\w)", self._question, re.IGNORECASE):
            if text and self._free(match.start(), match.end()):
                self._add(match.start(), match.end(), Slot(place))
                return
        raise Rejected("value not said")

    def names(self, tables: Sequence[str], columns: Sequence[ColumnRef], names: Names) -> None:
        """Find the longest way in which each name is said."""
        wanted: list[tuple[tuple[str, ...], str | ColumnRef]] = []
        for table in tables:
            wanted += [(ways, table) for ways in _ways(names.tables[table], table)]
        for column in columns:
            ways = {*_ways(names.columns[column], column.column), *_ways(names.short(column), "")}
            wanted += [(way, column) for way in ways]
        wanted.sort(key=lambda pair: (-len(pair[0]), str(pair[1])))
        for stems, what in wanted:
            if what in self.seen or not stems:
                continue
            rivals = [w for s, w in wanted if s == stems and w != what and w not in self.seen]
            places = list(self._places(stems))
            if places and rivals:
                raise Rejected("a name said for two")
            for start, end, many in places:
                self._add(start, end, Slot(what, many))

    def _places(self, stems: tuple[str, ...]) -> Iterator[tuple[int, int, bool]]:
        for first in range(len(self._words) - len(stems) + 1):
            run = self._words[first : first + len(stems)]
            if tuple(word for _, _, word in run) == stems and self._free(run[0][0], run[-1][1]):
                text = self._question[run[0][0] : run[-1][1]].lower()
                if re.fullmatch(r"[\w ]+", text):
                    yield run[0][0], run[-1][1], plural(text) == text

    def _free(self, start: int, end: int) -> bool:
        return all(end <= s or start >= e for s, e, _ in self._slots)

    def _add(self, start: int, end: int, slot: Slot) -> None:
        self._slots.append((start, end, slot))
        self.seen.add(slot.what)

    def counts(self) -> Counter[ColumnRef]:
        """How often each column is said."""
        return Counter(s.what for _, _, s in self._slots if isinstance(s.what, ColumnRef))

    def parts(self) -> Iterator[str | Slot]:
        """The question from left to right."""
        at = 0
        for start, end, slot in sorted(self._slots, key=lambda s: s[0]):
            yield self._question[at:start]
            yield slot
            at = end
        yield self._question[at:]


def _ways(words: str, identifier: str) -> set[tuple[str, ...]]:
    """Stems by which a name may be said: all of it, as annotated or declared, or its head."""
    found = {tuple(stem(w) for w in words.split())}
    found.add(tuple(stem(w) for w in readable(identifier).split()))
    return found


def _as_often(
    tree: Query, found: _Mentions, silent: frozenset[ColumnRef], classes: Mapping[ColumnRef, str]
) -> None:
    """Whoever names a column twice means two, or the words are about something else."""
    used, said = Counter(tree.columns()), found.counts()
    names = [column for column in said if classes[column] == "name"]
    for column in silent:
        if column in tree.select and (classes[column] != "name" or names):
            raise Rejected("shown, not said")
    sorted_by = {item.expression for item in tree.order if tree.limit}
    for column, times in said.items():
        if times > max(used[column], 1) or (times < 2 and column in {*tree.select} & sorted_by):
            raise Rejected("said too often or too seldom")


def _may_be_silent(
    silent: frozenset[ColumnRef],
    edges: Sequence[tuple[ColumnRef, ColumnRef]],
    classes: Mapping[ColumnRef, str],
    found: _Mentions,
) -> None:
    """Keys, and names of rows whose table is said, need no words of their own."""
    for column in silent:
        key = classes[column] in {"key", "foreign"} or any(column in edge for edge in edges)
        named = classes[column] == "name" and column.table in found.seen
        if not key and not named:
            raise Rejected("column not said")
