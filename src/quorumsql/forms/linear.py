"""Query trees as token sequences and back, one order of clauses per form.

Three forms, three ways to think about the same query:

    columns   SELECT first; tables follow from the columns, FROM names only the others
    tables    FROM first and complete, then the clauses in the order in which they run
    plan      the skeleton of `columns` first, with places for names; then what fills them

What is not covered: scoring; `neural.decode` writes the tokens that this module reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from quorumsql.domain import ColumnRef
from quorumsql.forms.tree import (
    Arithmetic,
    Call,
    Condition,
    Expression,
    Operand,
    Ordering,
    Predicate,
    Query,
    SpanRef,
    Star,
    Value,
)

__all__ = [
    "CLAUSES",
    "END",
    "FORMS",
    "ONE_VALUE",
    "PLACES",
    "TableRef",
    "Token",
    "linearise",
    "parse",
    "place_of",
]

END = "end"
CLAUSES: dict[str, tuple[str, ...]] = {
    "columns": ("select", "from", "where", "group", "having", "order", "limit"),
    "tables": ("from", "where", "group", "having", "select", "order", "limit"),
    "plan": ("select", "from", "where", "group", "having", "order", "limit"),
}
FORMS = tuple(CLAUSES)
AGGREGATES = frozenset({"count", "sum", "avg", "min", "max"})
ARITHMETIC = frozenset("+-*/")
COMPOUNDS = frozenset({"union", "intersect", "except"})


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table as a token."""

    table: str


Token: TypeAlias = str | ColumnRef | TableRef | Value | SpanRef
ONE_VALUE = Value("1", number=True)
PLACES = {"column": "_column", "table": "_table", "value": "_value"}


def place_of(token: Token) -> str | None:
    """The placeholder that stands for this token in a plan; None for a keyword.

    The constant 1 is part of the plan itself: "the oldest" means LIMIT 1.
    """
    match token:
        case ColumnRef():
            return PLACES["column"]
        case TableRef():
            return PLACES["table"]
        case SpanRef():
            return PLACES["value"]
        case Value():
            return PLACES["value"] if token != ONE_VALUE else None
        case str():
            return None


def linearise(query: Query, form: str) -> tuple[Token, ...]:
    """Return the tokens of `query` in `form`, ending with END (in a plan, END of the skeleton)."""
    tokens = [*_Line(CLAUSES[form]).query(query), END]
    if form != "plan":
        return tuple(tokens)
    skeleton: list[Token] = [place_of(token) or token for token in tokens]
    return (*skeleton, *(token for token in tokens if place_of(token)))


class _Line:
    """Writes the tokens of a tree with one order of clauses."""

    def __init__(self, clauses: Sequence[str]) -> None:
        self._clauses = clauses

    def query(self, query: Query) -> Iterator[Token]:
        for clause in self._clauses:
            yield from getattr(self, "tables" if clause == "from" else clause)(query)
        if query.compound:
            yield query.compound[0]
            yield from self.query(query.compound[1])

    def select(self, query: Query) -> Iterator[Token]:
        yield "select"
        if query.distinct:
            yield "distinct"
        for expression in query.select:
            yield from self.expression(expression)

    def tables(self, query: Query) -> Iterator[Token]:
        if query.tables or query.via:
            yield "from"
            yield from map(TableRef, query.tables)
            for column in query.via:
                yield "via"
                yield column

    def where(self, query: Query) -> Iterator[Token]:
        yield from self.condition("where", query.where)

    def group(self, query: Query) -> Iterator[Token]:
        if query.group:
            yield "group"
            yield from query.group

    def having(self, query: Query) -> Iterator[Token]:
        yield from self.condition("having", query.having)

    def order(self, query: Query) -> Iterator[Token]:
        if query.order:
            yield "order"
            for ordering in query.order:
                yield from self.expression(ordering.expression)
                yield "desc" if ordering.descending else "asc"

    def limit(self, query: Query) -> Iterator[Token]:
        if query.limit:
            yield "limit"
            yield query.limit

    def condition(self, word: str, condition: Condition | None) -> Iterator[Token]:
        if condition:
            words = (word, *condition.connectors)
            for before, predicate in zip(words, condition.predicates, strict=True):
                yield before
                yield from self.predicate(predicate)

    def predicate(self, predicate: Predicate) -> Iterator[Token]:
        yield from self.expression(predicate.left)
        if predicate.negated:
            yield "not"
        yield predicate.operator
        for operand in predicate.right:
            yield from self.operand(operand)

    def operand(self, operand: Operand) -> Iterator[Token]:
        match operand:
            case Value() | SpanRef():
                yield operand
            case Query():
                yield "("
                yield from self.query(operand)
                yield ")"
            case _:
                yield from self.expression(operand)

    def expression(self, expression: Expression) -> Iterator[Token]:
        match expression:
            case ColumnRef():
                yield expression
            case Star():
                yield "star"
            case Call(function, argument, distinct):
                yield function
                if distinct:
                    yield "distinct"
                yield from self.expression(argument)
            case Arithmetic(operator, left, right):
                yield operator
                yield from self.expression(left)
                yield from self.expression(right)


def parse(tokens: Sequence[Token], form: str) -> Query:
    """Return the tree that `linearise` would turn into `tokens`.

    Raises:
        ValueError: the tokens do not belong to the form's grammar.
    """
    if form == "plan":
        cut = tokens.index(END) + 1
        fill = iter(tokens[cut:])
        places = frozenset(PLACES.values())
        tokens = [next(fill) if token in places else token for token in tokens[:cut]]
    return _Reader(tokens).whole()


class _Reader:
    """Recursive descent. Each clause starts with its own word, so their order is free."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens, self._at = tokens, 0

    def whole(self) -> Query:
        query = self.query()
        if self.next() != END:
            raise ValueError("tokens after the end")
        return query

    def peek(self) -> Token:
        if self._at >= len(self._tokens):
            raise ValueError("tokens end too early")
        return self._tokens[self._at]

    def next(self) -> Token:
        token = self.peek()
        self._at += 1
        return token

    def take(self, word: str) -> bool:
        found = self.peek() == word
        self._at += found
        return found

    def query(self) -> Query:
        parts: dict[str, Any] = {}
        while (word := self.peek()) in CLAUSES["columns"]:
            self._at += 1
            parts |= getattr(self, f"{word}_clause")()
        if word in COMPOUNDS:
            self._at += 1
            parts["compound"] = (word, self.query())
        return Query(**parts)

    def select_clause(self) -> dict[str, object]:
        distinct = self.take("distinct")
        items = [self.expression()]
        while self.starts_expression():
            items.append(self.expression())
        return {"distinct": distinct, "select": tuple(items)}

    def from_clause(self) -> dict[str, object]:
        tables, via = [], []
        while isinstance(token := self.peek(), TableRef):
            tables.append(token.table)
            self._at += 1
        while self.take("via"):
            via.append(self.column())
        return {"tables": tuple(tables), "via": tuple(via)}

    def where_clause(self) -> dict[str, object]:
        return {"where": self.condition()}

    def group_clause(self) -> dict[str, object]:
        columns = [self.column()]
        while isinstance(self.peek(), ColumnRef):
            columns.append(self.column())
        return {"group": tuple(columns)}

    def having_clause(self) -> dict[str, object]:
        return {"having": self.condition()}

    def order_clause(self) -> dict[str, object]:
        items = []
        while self.starts_expression():
            expression = self.expression()
            items.append(Ordering(expression, self.next() == "desc"))
        return {"order": tuple(items)}

    def limit_clause(self) -> dict[str, object]:
        value = self.next()
        if not isinstance(value, Value | SpanRef):
            raise ValueError("LIMIT needs a value")
        return {"limit": value}

    def column(self) -> ColumnRef:
        token = self.next()
        if not isinstance(token, ColumnRef):
            raise ValueError(f"expected a column, not {token!r}")
        return token

    def condition(self) -> Condition:
        predicates, words = [self.predicate()], []
        while (word := self.peek()) in {"and", "or"}:
            self._at += 1
            words.append(str(word))
            predicates.append(self.predicate())
        return Condition(tuple(predicates), tuple(words))

    def predicate(self) -> Predicate:
        left = self.expression()
        negated = self.take("not")
        operator = str(self.next())
        count = {"null": 0, "between": 2}.get(operator, 1)
        return Predicate(left, operator, tuple(self.operand() for _ in range(count)), negated)

    def operand(self) -> Operand:
        token = self.peek()
        if isinstance(token, Value | SpanRef):
            self._at += 1
            return token
        if self.take("("):
            query = self.query()
            if not self.take(")"):
                raise ValueError("a subquery is not closed")
            return query
        return self.expression()

    def starts_expression(self) -> bool:
        token = self.peek()
        return isinstance(token, ColumnRef) or token in AGGREGATES | ARITHMETIC | {"star"}

    def expression(self) -> Expression:
        token = self.next()
        if isinstance(token, ColumnRef):
            return token
        if token == "star":
            return Star()
        if token in AGGREGATES:
            distinct = self.take("distinct")
            return Call(str(token), self.expression(), distinct)
        if token in ARITHMETIC:
            return Arithmetic(str(token), self.expression(), self.expression())
        raise ValueError(f"expected an expression, not {token!r}")
