"""SQL in plain words, clause by clause, from its parse tree.

    Shows Name and the number of rows. From customer, joined with orders. Keeps rows where
    city is 'Paris'. One line per Name. Sorted by the number of rows, largest first. At most 5.

What is not covered: whether the SQL answers a question, and how an engine would run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

__all__ = ["Clauses", "clauses", "explain"]

Clauses: TypeAlias = Mapping[str, tuple[str, ...]]
"""A query part by part: columns, distinct, tables, filter, group, having, order, limit."""

COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "is",
    exp.NEQ: "is not",
    exp.GT: "is above",
    exp.LT: "is below",
    exp.GTE: "is at least",
    exp.LTE: "is at most",
    exp.Like: "looks like",
    exp.ILike: "looks like",
}
PATTERNS: dict[tuple[bool, bool], tuple[str, str]] = {
    (False, True): ("begins with", "does not begin with"),
    (True, False): ("ends with", "does not end with"),
    (True, True): ("contains", "does not contain"),
}
"""What a pattern and its negation mean, by whether anything may stand before and behind it."""
SIZES = ("smallest first", "largest first")
NAMING = ("name", "title", "label", "city", "country", "town", "street", "email")
"""What names of columns that hold text end with; types are not known here."""
AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Sum: "the sum of",
    exp.Avg: "the average of",
    exp.Min: "the smallest",
    exp.Max: "the largest",
}
SETS: dict[type[exp.Expr], str] = {
    exp.Union: "Together with",
    exp.Intersect: "Only what is also in",
    exp.Except: "Without what is in",
}
ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "plus",
    exp.Sub: "minus",
    exp.Mul: "times",
    exp.Div: "divided by",
}


def explain(sql: str, dialect: str) -> str:
    """Return what `sql` does, as a few short sentences; SQL itself where there are no words.

    SQL that does not parse is explained as exactly that.
    """
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
    except (SqlglotError, RecursionError):
        return "This is not SQL that can be read."
    return " ".join(_Words(dialect).query(tree))


def clauses(sql: str, dialect: str, *, tables: bool = False) -> Clauses | None:
    """Return the parts of a plain SELECT in words, conditions that must all hold one by one.

    With `tables`, columns are named with their table. None for set operations, CTEs, and SQL that
    does not parse: they have no parts that could be compared.
    """
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
    except (SqlglotError, RecursionError):
        return None
    if not isinstance(tree, exp.Select) or tree.ctes:
        return None
    if tables:
        tree = _with_tables(tree)
    words = _Words(dialect)
    group, order, limit = (tree.args.get(name) for name in ("group", "order", "limit"))
    source = tree.args.get("from_")
    first = (words.source(source.this),) if source else ()
    return {
        "columns": tuple(words.value(item.unalias()) for item in tree.expressions),
        "distinct": ("distinct",) if tree.args.get("distinct") else (),
        "tables": (*first, *(words.joined(join) for join in tree.args.get("joins") or ())),
        "filter": words.conditions(tree.args.get("where")),
        "group": tuple(words.value(item) for item in group.expressions) if group else (),
        "having": words.conditions(tree.args.get("having")),
        "order": tuple(words.keys(order)) if order else (),
        "limit": (words.text(limit.expression),) if isinstance(limit, exp.Limit) else (),
    }


def _with_tables(tree: exp.Select) -> exp.Select:
    """The query with columns called "name of table"."""
    copy = tree.copy()
    called = {table.alias_or_name.lower(): table.name for table in copy.find_all(exp.Table)}
    for column in copy.find_all(exp.Column):
        table = called.get(column.table.lower())
        if table and isinstance(column.this, exp.Identifier):
            column.this.set("this", f"{column.name} of {table}")
    return copy


class _Words:
    def __init__(self, dialect: str) -> None:
        self._dialect = dialect

    def query(self, tree: exp.Expr) -> Iterator[str]:
        match tree:
            case exp.Select():
                yield from self._named(tree)
                yield from self.select(tree)
            case exp.Subquery():
                yield from self.query(tree.this)
            case exp.SetOperation():
                yield from self._named(tree)
                yield from self.query(tree.this)
                word = next(w for kind, w in SETS.items() if isinstance(tree, kind))
                yield f"{word} this:"
                yield from self.query(tree.expression)
                yield from self.ending(tree)
            case _:
                yield f"This is not a query that reads rows: {self.text(tree)}"

    def _named(self, tree: exp.Expr) -> Iterator[str]:
        for part in tree.ctes if isinstance(tree, exp.Query) else ():
            inner = " ".join(self.query(part.this))
            yield f"First makes {part.alias} ({inner.rstrip('.')})."

    def select(self, tree: exp.Select) -> Iterator[str]:
        shown = _joined([self.shown(item) for item in tree.expressions])
        yield f"Shows {'the different ' if tree.args.get('distinct') else ''}{shown}."
        source = tree.args.get("from_")
        if source is not None:
            joins = [self.join(join) for join in tree.args.get("joins") or ()]
            yield ", ".join((f"From {self.source(source.this)}", *joins)) + "."
        if tree.args.get("where"):
            yield f"Keeps rows where {self.condition(tree.args['where'].this)}."
        if tree.args.get("group"):
            groups = [self.value(item) for item in tree.args["group"].expressions]
            yield f"One line per {_joined(groups)}."
        if tree.args.get("having"):
            yield f"Keeps lines where {self.condition(tree.args['having'].this)}."
        yield from self.ending(tree)

    def ending(self, tree: exp.Query) -> Iterator[str]:
        if tree.args.get("order"):
            yield f"Sorted by {'; then '.join(self.keys(tree.args['order']))}."
        if tree.args.get("limit"):
            yield f"At most {self.text(tree.args['limit'].expression)}."
        if tree.args.get("offset"):
            yield f"Skips the first {self.text(tree.args['offset'].expression)}."

    def joined(self, tree: exp.Join) -> str:
        """What is joined, and that it need not be there."""
        outer = str(tree.side).upper() == "LEFT"
        return f"{self.source(tree.this)}{', where there is one' if outer else ''}"

    def keys(self, tree: exp.Expr) -> Iterator[str]:
        for item in tree.expressions:
            if isinstance(item, exp.Ordered):
                ends = ("A to Z", "Z to A") if _is_text(item.this) else SIZES
                yield f"{self.value(item.this)}, {ends[bool(item.args.get('desc'))]}"

    def conditions(self, clause: exp.Expr | None) -> tuple[str, ...]:
        """The conditions of a clause that must all hold."""
        if clause is None:
            return ()
        inner = clause.this.unnest()
        parts = inner.flatten() if isinstance(inner, exp.And) else (inner,)
        return tuple(self.condition(part) for part in parts)

    def source(self, tree: exp.Expr) -> str:
        match tree:
            case exp.Table():
                return str(tree.name)
            case exp.Subquery():
                return f"({' '.join(self.query(tree.this)).rstrip('.')})"
            case _:
                return self.text(tree)

    def join(self, tree: exp.Join) -> str:
        side = str(tree.side or tree.kind).upper()
        word = {"LEFT": "with, where there is one,", "CROSS": "with every row of"}.get(side, "with")
        return f"joined {word} {self.source(tree.this)}"

    def shown(self, tree: exp.Expr) -> str:
        if isinstance(tree, exp.Alias):
            return f"{self.value(tree.this)} as {tree.alias}"
        return self.value(tree)

    def value(self, tree: exp.Expr) -> str:
        match tree:
            case exp.Column(this=exp.Star()) | exp.Star():
                return "everything"
            case exp.Column():
                return str(tree.name)
            case exp.Count():
                return self.count(tree)
            case exp.Distinct():
                return "the different " + _joined([self.value(e) for e in tree.expressions])
            case exp.Paren():
                return f"({self.value(tree.this)})"
            case exp.Subquery() | exp.Select():
                return f"({' '.join(self.query(tree)).rstrip('.')})"
        for kinds in (AGGREGATES, ARITHMETIC):
            word = kinds.get(type(tree))
            if word and kinds is AGGREGATES:
                return f"{word} {self.value(tree.this)}"
            if word:
                return f"{self.value(tree.this)} {word} {self.value(tree.expression)}"
        return self.text(tree)

    def count(self, tree: exp.Count) -> str:
        match tree.this:
            case exp.Star() | exp.Literal() | None:
                return "the number of rows"
            case exp.Distinct() as inner:
                return f"the number of {self.value(inner).removeprefix('the ')}"
            case inner:
                return f"the number of {self.value(inner)}"

    def condition(self, tree: exp.Expr) -> str:
        match tree:
            case exp.And() | exp.Or():
                word = "and" if isinstance(tree, exp.And) else "or"
                return f"{self.condition(tree.this)} {word} {self.condition(tree.expression)}"
            case exp.Not(this=exp.Is()):
                return f"{self.value(tree.this.this)} is known"
            case exp.Not():
                return f"not ({self.condition(tree.this)})"
            case exp.Paren():
                return f"({self.condition(tree.this)})"
            case exp.Is(expression=exp.Null()):
                return f"{self.value(tree.this)} is unknown"
            case _:
                return self.comparison(tree)

    def comparison(self, tree: exp.Expr) -> str:
        match tree:
            case exp.Between():
                low, high = (self.value(tree.args[end]) for end in ("low", "high"))
                return f"{self.value(tree.this)} is between {low} and {high}"
            case exp.In():
                inside = tree.args.get("query")
                among = [self.value(e) for e in ((inside,) if inside else tree.expressions)]
                return f"{self.value(tree.this)} is one of {_joined(among, 'or')}"
            case exp.Exists():
                return f"there is any of ({' '.join(self.query(tree.this)).rstrip('.')})"
        word = COMPARISONS.get(type(tree))
        if word is None:
            return self.text(tree)
        if isinstance(tree, exp.Like | exp.ILike) and (found := self.pattern(tree)):
            return found
        if tree.args.get("negate"):
            word = f"is nothing that {word}"
        return f"{self.value(tree.this)} {word} {self.value(tree.expression)}"

    def pattern(self, tree: exp.Expr) -> str:
        """A pattern with wildcards at its ends only, in words; empty for others."""
        sought = tree.args["expression"]
        if not (isinstance(sought, exp.Literal) and sought.is_string):
            return ""
        pattern = str(sought.this)
        inner = pattern.removeprefix("%").removesuffix("%")
        words = PATTERNS.get((pattern.startswith("%"), pattern.endswith("%")))
        if words is None or not inner or {"%", "_", "\\"} & set(inner):
            return ""
        word = words[bool(tree.args.get("negate"))]
        return f"{self.value(tree.this)} {word} {self.text(exp.Literal.string(inner))}"

    def text(self, tree: exp.Expr) -> str:
        return tree.sql(dialect=self._dialect)


def _is_text(tree: exp.Expr) -> bool:
    """Whether a sorted value is surely text, by the name of its column."""
    return isinstance(tree, exp.Column) and tree.name.lower().endswith(NAMING)


def _joined(parts: Sequence[str], word: str = "and") -> str:
    """Return "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"
