"""Read SQL the way Spider's exact-set match does.

The official parser knows a part of SQL only, and misreads some of it; a statement that it does not
read never matches. Both belong to the official verdict, so this reader accepts what that one
accepts and sees in it what that one sees. The accidents among them, listed in docs/scoring.md:

- a column after a comparison hides everything up to `,`, `)`, `and` or the next clause:
  `a = b or c = d` is one condition;
- whatever has a name after `AS` is an alias everywhere in the statement, and an alias that is
  called like a table of the schema makes the statement unreadable;
- only `JOIN` joins: commas, `LEFT JOIN` and an alias without `AS` are not read;
- `LIMIT n` is a limit, whatever n is; `ORDER BY a, b DESC` has one direction, the last one.

Source: Yu et al. 2018, "Spider: A Large-Scale Human-Labeled Dataset for Complex and Cross-Domain
Semantic Parsing and Text-to-SQL Task", section 6, and its released evaluation.

What is not covered: SQL that the official parser does not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from quorumsql.evals.exact_words import NotParsed, words

__all__ = ["EMPTY", "Catalog", "Column", "Condition", "Expression", "Query", "parse"]

AGGREGATES = ("none", "max", "min", "count", "sum", "avg")
OPERATORS = ("none", "-", "+", "*", "/")
COMPARISONS = frozenset(
    {"not", "between", "=", ">", "<", ">=", "<=", "!=", "in", "like", "is", "exists"}
)
SET_OPERATIONS = ("intersect", "union", "except")
CLAUSES = frozenset({"select", "from", "where", "group", "order", "limit", *SET_OPERATIONS})
JOINING = frozenset({"join", "on", "as"})
CLOSING = frozenset({")", ";"})
END_OF_LIST = CLAUSES | CLOSING
END_OF_CONDITIONS = END_OF_LIST | JOINING
END_OF_VALUE = CLAUSES | JOINING | {",", ")", "and"}


class Column(NamedTuple):
    """A column, perhaps inside an aggregate. `distinct` is None once it no longer counts."""

    aggregate: str
    name: str
    distinct: bool | None


class Expression(NamedTuple):
    """One column, or two with an operator between them."""

    operator: str
    left: Column
    right: Column | None


class Condition(NamedTuple):
    """A comparison; the second value is that of BETWEEN."""

    negated: bool
    comparison: str
    expression: Expression
    value: Value
    second: Value


Conditions: TypeAlias = "tuple[Condition | str, ...]"
"""Conditions with `and` or `or` between them; the official parser may forget to see one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A statement as the official parser sees it. `tables` holds names and derived tables."""

    distinct: bool | None
    select: tuple[tuple[str, Expression], ...]
    tables: tuple[str | Query, ...]
    joins: Conditions
    where: Conditions
    group: tuple[Column, ...]
    having: Conditions
    order: tuple[str, tuple[Expression, ...]] | None
    limit: bool
    intersect: Query | None = None
    union: Query | None = None
    except_: Query | None = None


Value: TypeAlias = "str | float | Column | Query | None"

EMPTY = Query(
    distinct=False,
    select=(),
    tables=(),
    joins=(),
    where=(),
    group=(),
    having=(),
    order=None,
    limit=False,
)
"""What stands for a prediction that cannot be read."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Tables and their columns in lower case, and the identifiers that stand for them."""

    columns: Mapping[str, Sequence[str]]
    names: Mapping[str, str]

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[str]]) -> Catalog:
        """Make the identifiers: `__table.column__`, `__table__`, `__all__` for the star."""
        names = {"*": "__all__"}
        names |= {f"{t}.{c}": f"__{t}.{c}__" for t, found in columns.items() for c in found}
        names |= {table: f"__{table}__" for table in columns}
        return cls(columns, names)


def parse(sql: str, catalog: Catalog) -> Query:
    """Read one statement over the tables of `catalog`; what follows its end is ignored.

    Raises:
        NotParsed: the official parser does not read it.
    """
    found = words(sql)
    try:
        return _Reader(found, catalog, _aliases(found, catalog)).query()
    except RecursionError as error:
        raise NotParsed("nested too deeply") from error


def _aliases(found: Sequence[str], catalog: Catalog) -> Mapping[str, str]:
    """What stands after every AS, with what stands before it, and the tables themselves."""
    aliases: dict[str, str] = {}
    for i, word in enumerate(found):
        if word == "as":
            if i + 1 == len(found):
                raise NotParsed("nothing follows AS")
            aliases[found[i + 1]] = found[i - 1]
    for table in catalog.columns:
        if table in aliases:
            raise NotParsed(f"the alias {table} is called like a table")
        aliases[table] = table
    return aliases


class _Reader:
    """Reads words from left to right; `at` is the next one.

    `sees` is false at the end, where `word` fails: which of the two a rule uses decides whether
    a statement may end there.
    """

    def __init__(self, found: Sequence[str], catalog: Catalog, aliases: Mapping[str, str]) -> None:
        self.words = found
        self.catalog = catalog
        self.aliases = aliases
        self.at = 0

    def query(self) -> Query:
        """Read a query, whose FROM comes first because it says what the columns are of."""
        opened = self._skip("(", required=True)
        select = self.at
        tables, joins, known = self._from(select - opened)
        after_from, self.at = self.at, select
        distinct, selected = self._select(known)
        self.at = after_from
        where = self._conditions(known) if self._skip("where") else ()
        group = self._group(known)
        having = self._conditions(known) if self._skip("having") else ()
        order = self._order(known)
        limit = self._limit()
        while self._skip(";"):
            pass
        if opened:
            self._expect(")")
        while self._skip(";"):
            pass
        combined: dict[str, Query] = {}
        if self._sees(SET_OPERATIONS):
            operation = self._next()
            combined["except_" if operation == "except" else operation] = self.query()
        return Query(
            distinct=distinct,
            select=selected,
            tables=tables,
            joins=joins,
            where=where,
            group=group,
            having=having,
            order=order,
            limit=limit,
            **combined,
        )

    def _from(self, start: int) -> tuple[tuple[str | Query, ...], Conditions, list[str]]:
        """Read the tables after the first FROM at or after `start`, and what they are joined on."""
        try:
            self.at = self.words.index("from", start) + 1
        except ValueError as error:
            raise NotParsed("no FROM") from error
        tables: list[str | Query] = []
        joins: list[Condition | str] = []
        known: list[str] = []
        while self.at < len(self.words):
            opened = self._skip("(")
            if self._word() == "select":
                tables.append(self.query())
            else:
                self._skip("join")
                name = self._table()
                tables.append(self._identifier(name))
                known.append(name)
            if self._skip("on"):
                found = self._conditions(known)
                joins.extend(["and", *found] if joins else found)
            if opened:
                self._expect(")")
            if self._sees(END_OF_LIST):
                break
        return tuple(tables), tuple(joins), known

    def _table(self) -> str:
        name = self._named(self._next())
        if self._skip("as"):
            self.at += 1
        return name

    def _select(self, known: Sequence[str]) -> tuple[bool, tuple[tuple[str, Expression], ...]]:
        self._expect("select")
        distinct = self._skip("distinct")
        selected: list[tuple[str, Expression]] = []
        while self.at < len(self.words) and not self._sees(CLAUSES):
            aggregate = self._next() if self._sees(AGGREGATES) else "none"
            selected.append((aggregate, self._expression(known)))
            self._skip(",")
        return distinct, tuple(selected)

    def _group(self, known: Sequence[str]) -> tuple[Column, ...]:
        if not self._skip("group"):
            return ()
        self._expect("by")
        columns: list[Column] = []
        while self.at < len(self.words) and not self._sees(END_OF_LIST):
            columns.append(self._column(known))
            if not self._skip(","):
                break
        return tuple(columns)

    def _order(self, known: Sequence[str]) -> tuple[str, tuple[Expression, ...]] | None:
        if not self._skip("order"):
            return None
        self._expect("by")
        direction = "asc"
        expressions: list[Expression] = []
        while self.at < len(self.words) and not self._sees(END_OF_LIST):
            expressions.append(self._expression(known))
            if self._sees(("asc", "desc")):
                direction = self._next()
            if not self._skip(","):
                break
        return direction, tuple(expressions)

    def _limit(self) -> bool:
        if not self._skip("limit"):
            return False
        self._next()
        return True

    def _conditions(self, known: Sequence[str]) -> Conditions:
        conditions: list[Condition | str] = []
        while self.at < len(self.words):
            conditions.append(self._condition(known))
            if self._sees(END_OF_CONDITIONS):
                break
            if self._sees(("and", "or")):
                conditions.append(self._next())
        return tuple(conditions)

    def _condition(self, known: Sequence[str]) -> Condition:
        expression = self._expression(known)
        negated = self._skip("not", required=True)
        comparison = self._next()
        if comparison not in COMPARISONS:
            raise NotParsed(f"{comparison} compares nothing")
        value, second = self._value(known), None
        if comparison == "between":
            self._expect("and")
            second = self._value(known)
        return Condition(negated, comparison, expression, value, second)

    def _value(self, known: Sequence[str]) -> Value:
        start = self.at
        opened = self._skip("(", required=True)
        word = self._word()
        value: Value
        if word == "select":
            value = self.query()
        elif '"' in word:
            value = self._next()
        else:
            try:
                value = float(word)
                self.at += 1
            except ValueError:
                value = self._hiding_column(start, known)
        if opened:
            self._expect(")")
        return value

    def _hiding_column(self, start: int, known: Sequence[str]) -> Column:
        """Read the column at `start`, and skip what it hides: see the top of this module."""
        while self.at < len(self.words) and self.words[self.at] not in END_OF_VALUE:
            self.at += 1
        inside = _Reader(self.words[start : self.at], self.catalog, self.aliases)
        return inside._column(known)

    def _expression(self, known: Sequence[str]) -> Expression:
        opened = self._skip("(", required=True)
        left = self._column(known)
        operator, right = "none", None
        if self._sees(OPERATORS):
            operator = self._next()
            right = self._column(known)
        if opened:
            self._expect(")")
        return Expression(operator, left, right)

    def _column(self, known: Sequence[str]) -> Column:
        opened = self._skip("(", required=True)
        if self._word() in AGGREGATES:
            aggregate = self._next()
            self._expect("(")
            distinct = self._skip("distinct", required=True)
            name = self._name(known)
            self._expect(")")
            return Column(aggregate, name, distinct)  # a bracket before it stays open: an accident
        distinct = self._skip("distinct")
        name = self._name(known)
        if opened:
            self._expect(")")
        return Column("none", name, distinct)

    def _name(self, known: Sequence[str]) -> str:
        """Read a column's name: a star, with its table, or of the first table that has it."""
        word = self._next()
        if word == "*":
            return self.catalog.names[word]
        if "." in word:
            table, _, column = word.partition(".")
            if "." in column:
                raise NotParsed(f"{word} has two dots")
            return self._identifier(f"{self._named(table)}.{column}")
        for table in map(self._named, known):
            if table not in self.catalog.columns:
                raise NotParsed(f"no table {table}")
            if word in self.catalog.columns[table]:
                return self._identifier(f"{table}.{word}")
        raise NotParsed(f"no column {word}")

    def _named(self, alias: str) -> str:
        if alias not in self.aliases:
            raise NotParsed(f"no table {alias}")
        return self.aliases[alias]

    def _identifier(self, name: str) -> str:
        if name not in self.catalog.names:
            raise NotParsed(f"no table or column {name}")
        return self.catalog.names[name]

    def _word(self) -> str:
        if self.at >= len(self.words):
            raise NotParsed("ends too early")
        return self.words[self.at]

    def _next(self) -> str:
        word = self._word()
        self.at += 1
        return word

    def _sees(self, some: Sequence[str] | frozenset[str]) -> bool:
        return self.at < len(self.words) and self.words[self.at] in some

    def _skip(self, word: str, *, required: bool = False) -> bool:
        """Step over `word` if it comes next; where `required`, some word has to come."""
        if required:
            self._word()
        if self.at < len(self.words) and self.words[self.at] == word:
            self.at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if self._next() != word:
            raise NotParsed(f"{word} expected")
