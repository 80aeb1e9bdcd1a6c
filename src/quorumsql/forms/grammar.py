"""The grammar of each form, and an automaton that says which token may come next.

The grammars are LL(1): a stack of symbols is the whole state of a decoder, and a beam
search that only follows `allowed` can only write SQL that parses.

What is not covered: meaning. Whether a column can be summed, or two tables joined, is left
to the weights, and to the database that runs the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from quorumsql.domain import ColumnRef
from quorumsql.forms.linear import CLAUSES, END, ONE_VALUE, PLACES, TableRef, Token
from quorumsql.forms.tree import SpanRef, Value

__all__ = ["COLUMN", "GUESS", "KEYWORDS", "ONE", "SPAN", "TABLE", "Grammar", "State", "terminal_of"]

COLUMN, TABLE, SPAN = "COLUMN", "TABLE", "SPAN"
"""Terminals that stand for pointers: to a column, a table, a span of the question."""

ONE, GUESS = "one", "guess"
"""Values that are no span: the constant 1, and a value that must be guessed from the data."""

OPERATORS = ("=", "!=", ">", "<", ">=", "<=", "contains", "starts", "ends")
FUNCTIONS = ("count", "sum", "avg", "min", "max")
SIGNS = ("+", "-", "*", "/")
COMPOUNDS = ("union", "intersect", "except")

KEYWORDS: tuple[str, ...] = (
    *("select", "distinct", "from", "via", "where", "group", "having", "order", "limit"),
    *COMPOUNDS,
    *FUNCTIONS,
    *SIGNS,
    *("star", "and", "or", "not"),
    *OPERATORS,
    *("between", "in", "null", "(", ")", "asc", "desc", ONE, GUESS, END),
    *PLACES.values(),
)

Rules = Mapping[str, tuple[tuple[str, ...], ...]]


@dataclass(frozen=True, slots=True)
class State:
    """What is still to be written: the stack, its top last, and the places of a plan."""

    stack: tuple[str, ...]
    places: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to write."""
        return not self.stack and not self.places


class Grammar:
    """Which terminals may follow, for one form."""

    def __init__(self, form: str) -> None:
        self._rules = _rules(CLAUSES[form], plan=form == "plan")
        self._nullable = _nullable(self._rules)
        self._first = {name: _first(name, self._rules, self._nullable) for name in self._rules}
        self._step = cache(self._advance)
        self.allowed = cache(self._allowed)
        self.start = State(stack=(END, "query"))

    def step(self, state: State, terminal: str) -> State:
        """Return the state after `terminal`.

        Raises:
            ValueError: the terminal is not allowed here.
        """
        if terminal not in self.allowed(state):
            raise ValueError(f"{terminal!r} may not come next")
        return self._step(state, terminal)

    def _allowed(self, state: State) -> frozenset[str]:
        found: set[str] = set()
        for symbol in reversed(state.stack):
            if symbol not in self._rules:
                found.add(symbol)
                break
            found |= self._first[symbol]
            if symbol not in self._nullable:
                break
        if not state.stack and state.places:
            found.add(state.places[0])
            if state.places[0] == SPAN:
                found.add(GUESS)
        return frozenset(found)

    def _advance(self, state: State, terminal: str) -> State:
        if not state.stack:
            return State((), state.places[1:])
        stack = list(state.stack)
        while (top := stack.pop()) in self._rules:
            stack.extend(reversed(self._choose(top, terminal)))
        kind = FILLS.get(terminal)
        return State(tuple(stack), (*state.places, kind) if kind else state.places)

    def _choose(self, name: str, terminal: str) -> tuple[str, ...]:
        for production in self._rules[name]:
            for symbol in production:
                if symbol == terminal or terminal in self._first.get(symbol, ()):
                    return production
                if symbol not in self._nullable:
                    break
        return ()


FILLS: Mapping[str, str] = {PLACES["column"]: COLUMN, PLACES["table"]: TABLE, PLACES["value"]: SPAN}


def _rules(clauses: Sequence[str], *, plan: bool) -> Rules:
    column, table, span = tuple(PLACES.values()) if plan else (COLUMN, TABLE, SPAN)
    explicit = clauses[0] == "from"
    expression = ((column,), ("star",), *((f, "distinct?", "expression") for f in FUNCTIONS),
                  *((s, "expression", "expression") for s in SIGNS))  # fmt: skip
    value = ((span,), (ONE,)) if plan else ((span,), (ONE,), (GUESS,))
    return {
        "query": (("core", "compound?"),),
        "core": (tuple(f"{clause}_" for clause in clauses),),
        "compound?": ((), *((word, "core") for word in COMPOUNDS)),
        "select_": (("select", "distinct?", "expression", "expressions"),),
        "distinct?": ((), ("distinct",)),
        "expressions": ((), ("expression", "expressions")),
        "expression": expression,
        "from_": ((("from", table, "tables", "vias"),) if explicit else ((), ("from", "some"))),
        "some": ((table, "tables", "vias"), ("via", column, "vias")),
        "tables": ((), (table, "tables")),
        "vias": ((), ("via", column, "vias")),
        "where_": ((), ("where", "condition")),
        "having_": ((), ("having", "condition")),
        "condition": (("predicate", "more"),),
        "more": ((), ("and", "predicate", "more"), ("or", "predicate", "more")),
        "predicate": (("expression", "not?", "comparison"),),
        "not?": ((), ("not",)),
        "comparison": (
            *((word, "operand") for word in OPERATORS),
            ("between", "operand", "operand"),
            ("in", "(", "query", ")"),
            ("null",),
        ),
        "operand": (("value",), ("(", "query", ")"), ("expression",)),
        "value": value,
        "group_": ((), ("group", column, "columns")),
        "columns": ((), (column, "columns")),
        "order_": ((), ("order", "ordering", "orderings")),
        "orderings": ((), ("ordering", "orderings")),
        "ordering": (("expression", "direction"),),
        "direction": (("asc",), ("desc",)),
        "limit_": ((), ("limit", "value")),
    }


def _nullable(rules: Rules) -> frozenset[str]:
    found: set[str] = set()
    while True:
        more = {n for n, ps in rules.items() if any(all(s in found for s in p) for p in ps)}
        if more == found:
            return frozenset(found)
        found = more


def _first(name: str, rules: Rules, nullable: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    for production in rules[name]:
        for symbol in production:
            found |= _first(symbol, rules, nullable) if symbol in rules else {symbol}
            if symbol not in nullable:
                break
    return frozenset(found)


def terminal_of(token: Token) -> str:
    """Return the terminal that a token is an instance of."""
    match token:
        case ColumnRef():
            return COLUMN
        case TableRef():
            return TABLE
        case SpanRef():
            return SPAN
        case Value():
            return ONE if token == ONE_VALUE else GUESS
        case str():
            return token
