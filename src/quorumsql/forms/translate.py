"""SQLite's SQL, as the embedded members write it, in the SQL of the engine they face.

sqlglot knows how the dialects spell the same thing. Here is what it cannot know without a schema,
so that a statement means on every engine what it means on SQLite:

- names as the catalogue spells them, with their namespace, quoted only where they must be;
- types: engines that compare strictly get values of the column's own type, or text on both sides;
- `LIKE` that ignores case, division of integers that stays an integer;
- what `grouping` makes of columns beside aggregates;
- a subquery used as a value gives its first row, where others raise an error.

What is not covered: letter case. Text compares and sorts by the collation of the engine's own
columns: MariaDB's `=` ignores case, PostgreSQL may sort by a language's rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, SqlglotError

from quorumsql.dialects import known_dialect
from quorumsql.domain import Column, Kind, Schema
from quorumsql.forms.grouping import regroup
from quorumsql.forms.sources import Sources
from quorumsql.sql import declared_kind, quote

__all__ = ["translate"]

STRICT = frozenset({"postgres", "duckdb"})
"""Engines that compare no text with a number, and group strictly."""

_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_PATTERNS = (exp.Like, exp.ILike)
_SUMMED = (exp.Sum, exp.Avg, exp.Add, exp.Sub, exp.Mul, exp.Div)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?")
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d+)?\s*")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TRUE, _FALSE = {"1", "t", "true", "y", "yes"}, {"0", "f", "false", "n", "no"}


def translate(sql: str, schema: Schema) -> str:
    """Return `sql`, which is SQLite's, as SQL of the dialect of `schema`.

    What sqlglot cannot read stays as it is.
    """
    if schema.dialect == "sqlite":
        return sql
    try:
        tree = sqlglot.parse_one(sql, dialect="sqlite")
    except (SqlglotError, RecursionError):
        return sql
    for select in list(tree.find_all(exp.Select)):
        _Select(select, schema).translate()
    if not Dialect.get(schema.dialect):
        for limit in list(tree.find_all(exp.Limit)):
            fetch = exp.Fetch(direction="FIRST", count=limit.expression)
            limit.replace(fetch)
    known = known_dialect(schema.dialect)
    return tree.sql(dialect=known, unsupported_level=ErrorLevel.IGNORE)


class _Select:
    """One SELECT with the tables that it reads."""

    def __init__(self, select: exp.Select, schema: Schema) -> None:
        self._select, self._schema = select, schema
        self._dialect = schema.dialect
        self._sources = Sources(select, schema)

    def translate(self) -> None:
        """Rewrite the tree in place."""
        for node in list(self._own(exp.Column)):
            self._texts(node)
        for node in list(self._own(*_PATTERNS)):
            self._pattern(node)
        for node in list(self._own(*_COMPARED, exp.Between, exp.In)):
            self._comparison(node)
        for node in list(self._own(exp.Div)):
            self._division(node)
        if self._dialect in STRICT:
            for node in list(self._own(*_SUMMED)):
                self._summed(node)
        for node in list(self._own(exp.Subquery)):
            self._subquery(node)
        self._stars()
        regroup(self._select, self._sources, self._dialect)
        self._nulls()
        self._names()

    def _own(self, *types: type[exp.Expr]) -> Iterator[exp.Expr]:
        """Yield the nodes of these types that belong to this SELECT, not to one inside it."""
        return self._sources.own(*types)

    def _column(self, node: exp.Expr | None) -> Column | None:
        found = self._sources.column(node)
        return found[1] if found else None

    def _texts(self, node: exp.Expr) -> None:
        """Read "a name" that names nothing as text: SQLite does."""
        name = node.this
        unknown = not node.args.get("table") and name.args.get("quoted")
        if unknown and self._sources.complete and not self._sources.names(name.name):
            node.replace(exp.Literal.string(name.name))

    def _pattern(self, node: exp.Expr) -> None:
        column = self._column(node.this)
        if column is not None and self._dialect in STRICT and not _is_text(column):
            node.this.replace(_text(node.this))
        letters = any(c.isalpha() for c in _literal(node.expression) or "a")
        if self._dialect in STRICT and isinstance(node, exp.Like) and letters:
            node.replace(exp.ILike(this=node.this, expression=node.expression))

    def _comparison(self, node: exp.Expr) -> None:
        """Make both sides of a comparison of one type."""
        sides: list[exp.Expr] = [node.this]
        match node:
            case exp.Between():
                sides += [node.args["low"], node.args["high"]]
            case exp.In():
                sides += node.expressions
            case _:
                sides.append(node.expression)
        columns = [self._column(side) for side in sides]
        literals = [side for side in sides if _literal(side) is not None]
        own = next((column for column in columns if column is not None), None)
        if own is None:
            return
        if all(c is not None for c in columns):
            if self._dialect in STRICT and len({_family(c) for c in columns if c}) > 1:
                self._as_texts(sides)
        elif literals and len(literals) == len(sides) - 1:
            self._literals(own, next(s for s in sides if self._column(s)), literals)

    def _literals(self, column: Column, side: exp.Expr, literals: list[exp.Expr]) -> None:
        """Write literals as the type of the column that they are compared with."""
        rewrite = self._rewriting(column)
        texts = [_literal(literal) or "" for literal in literals]
        new = [rewrite(text) for text in texts] if rewrite else None
        if new is None:
            return
        if any(value is None for value in new):
            side.replace(_text(side))
            new = [exp.Literal.string(text) for text in texts]
        for literal, value in zip(literals, new, strict=True):
            if value is not None:
                literal.replace(value)

    def _rewriting(self, column: Column) -> Callable[[str], exp.Expr | None] | None:
        """What turns a text into a literal of the column's type; it gives None where none fits."""
        family = _family(column)
        if family == "date" and self._dialect in {*STRICT, "mysql"}:
            return partial(_moment, column.type.upper())
        if self._dialect not in STRICT:
            return None
        match family:
            case "boolean":
                return _truth
            case "number":
                return _number
            case "text":
                return partial(_word, column.type)
            case _:
                return lambda _: None

    def _as_texts(self, sides: list[exp.Expr]) -> None:
        for side in sides:
            column = self._column(side)
            if column is not None and not _is_text(column):
                side.replace(_text(side))

    def _division(self, node: exp.Expr) -> None:
        """Divide integers as SQLite does; what is zero below gives NULL."""
        if not (self._is_integer(node.this) and self._is_integer(node.expression)):
            return
        if self._dialect in {"mysql", "duckdb"}:
            divided = exp.IntDiv(this=node.this, expression=node.expression)
            node.replace(
                exp.Paren(this=divided) if isinstance(node.parent, exp.Binary) else divided
            )

    def _is_integer(self, node: exp.Expr) -> bool:
        match node:
            case exp.Literal():
                return not node.is_string and str(node.this).isdigit()
            case exp.Count():
                return True
            case exp.Sum() | exp.Min() | exp.Max() | exp.Paren():
                return self._is_integer(node.this)
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
                return self._is_integer(node.this) and self._is_integer(node.expression)
        column = self._column(node)
        return column is not None and "INT" in column.type.upper() and _family(column) == "number"

    def _summed(self, node: exp.Expr) -> None:
        """Calculate with numbers that are stored as text, and count what is true."""
        for side in (node.this, node.args.get("expression")):
            column = self._column(side)
            if column is None or not isinstance(side, exp.Expr):
                continue
            if _family(column) == "text" and column.kind == "number":
                filled = exp.func("NULLIF", side.copy(), exp.Literal.string(""))
                side.replace(
                    exp.cast(filled, "DECIMAL" if self._dialect == "postgres" else "DOUBLE")
                )
            elif _family(column) == "boolean":
                side.replace(exp.cast(side.copy(), "INT"))

    def _subquery(self, node: exp.Expr) -> None:
        """A subquery that stands for one value gives one row; MySQL takes no LIMIT after IN."""
        query = node.this
        if isinstance(node.parent, exp.In):
            if self._dialect == "mysql" and query.args.get("limit"):
                inner = exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier("s")))
                node.set("this", exp.select("*").from_(inner))
            return
        is_value = isinstance(node.parent, (*_COMPARED, exp.Between, exp.Binary))
        if is_value and isinstance(query, exp.Select) and not query.args.get("limit"):
            if query.args.get("group") or not query.find(exp.AggFunc):
                query.limit(1, copy=False)

    def _stars(self) -> None:
        """Write `name, *` as `name, t.*`: MySQL takes a bare star only where it stands first."""
        shown = self._select.expressions
        tables = [source for _, source in self._sources.tables if source is not None]
        for star in [e for e in shown[1:] if isinstance(e, exp.Star)]:
            if self._dialect == "mysql" and self._sources.complete:
                all_of = [exp.column(exp.Star(), table=self._name(t.bare_name)) for t in tables]
                at = shown.index(star)
                self._select.set("expressions", [*shown[:at], *all_of, *shown[at + 1 :]])

    def _nulls(self) -> None:
        """Say nothing about the place of NULLs where there can be none."""
        for node in list(self._own(exp.Ordered)):
            column = self._column(node.this)
            if (column is not None and not column.nullable) or isinstance(node.this, exp.Count):
                node.set("nulls_first", self._nulls_first(descending=bool(node.args.get("desc"))))

    def _nulls_first(self, *, descending: bool) -> bool:
        """Where the engine puts NULLs when nothing is said."""
        known = known_dialect(self._dialect)
        match Dialect.get_or_raise(known).NULL_ORDERING:
            case "nulls_are_small":
                return not descending
            case "nulls_are_large":
                return descending
            case _:
                return False

    def _names(self) -> None:
        """Spell names as the catalogue does, with their namespace."""
        for node in list(self._own(exp.Column)):
            found = self._sources.column(node)
            if found is not None:
                table, column = found
                node.set("this", self._name(column.name))
                if node.args.get("table"):
                    node.set("table", self._name(table.bare_name))
                    node.set("db", self._name(table.schema) if table.schema else None)
        for node, source in self._sources.tables:
            if source is not None:
                node.set("this", self._name(source.bare_name))
                node.set("db", self._name(source.schema) if source.schema else None)

    def _name(self, name: str) -> exp.Identifier:
        return exp.to_identifier(name, quoted=quote(name, self._dialect) != name)


def _family(column: Column) -> Kind:
    """What the engine takes a column for, whatever its values look like."""
    return declared_kind(column.type) or ("text" if column.type else column.kind)


def _is_text(column: Column) -> bool:
    """Whether the engine compares the column with any text."""
    special = ("ENUM", "UUID", "JSON", "XML", "INET", "CIDR", "BIT", "TSVECTOR", "OID")
    return _family(column) == "text" and not column.type.upper().startswith(special)


def _text(node: exp.Expr) -> exp.Expr:
    return exp.cast(node.copy(), "TEXT")


def _literal(node: exp.Expr) -> str | None:
    """The text of a literal, also of a negative number."""
    if isinstance(node, exp.Literal):
        return str(node.this)
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return f"-{node.this.this}"
    return None


def _moment(type_: str, text: str) -> exp.Expr | None:
    pattern = _TIME if type_.startswith("TIME") and "STAMP" not in type_ else _DATE
    return exp.Literal.string(text) if pattern.fullmatch(text.strip()) else None


def _truth(text: str) -> exp.Expr | None:
    lower = text.strip().lower()
    return exp.true() if lower in _TRUE else exp.false() if lower in _FALSE else None


def _number(text: str) -> exp.Expr | None:
    plain = text.strip().lstrip("+")
    if not _NUMBER.fullmatch(plain):
        return None
    number = exp.Literal.number(plain.lstrip("-"))
    return exp.Neg(this=number) if plain.startswith("-") else number


def _word(type_: str, text: str) -> exp.Expr | None:
    upper = type_.upper()
    if upper.startswith("ENUM("):
        fits = "'" + text.replace("'", "''") + "'" in type_
    elif upper.startswith("UUID"):
        fits = _UUID.fullmatch(text.strip()) is not None
    else:
        fits = not upper.startswith(("JSON", "XML", "INET", "CIDR", "BIT", "TSVECTOR", "OID"))
    return exp.Literal.string(text) if fits else None
