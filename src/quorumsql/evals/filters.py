"""Filter expressions over questions, such as `joins > 1 and subquery = 0`.

    expression := term { "or" term }
    term       := factor { "and" factor }
    factor     := "not" factor | "(" expression ")" | test
    test       := name [ ("=" | "!=" | "<" | "<=" | ">" | ">=" | "~") value ]

A name alone asks whether it is there (`limit`, `having`, `abstained`); `~` asks whether a text
contains the value. Text is compared in any case of letters; a value with spaces stands in quotes.
`&&`, `||`, `!`, `==` and `<>` are understood too, as are `join` for `joins` and the like. Nothing
is evaluated as code: the expression becomes a tree of three kinds of node. `report.js` reads the
same language, and both are held against the same cases in the tests.

What is not covered: arithmetic, and comparing two names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from quorumsql.errors import UnknownName, UsageError
from quorumsql.evals.features import FEATURES

__all__ = ["ALIASES", "FLAGS", "NAMES", "NUMBERS", "TEXTS", "Facts", "Filter", "parse_filter"]

Value: TypeAlias = bool | int | float | str
Facts: TypeAlias = Mapping[str, Value]
"""What is known of one question. A name that is absent fits nothing; a feature is then 0."""

TEXTS: Final = ("db", "hardness", "status", "error", "question", "sql", "gold")
NUMBERS: Final = ("index", "confidence", "seconds", "candidates", "rows")
FLAGS: Final = ("correct", "abstained", "unscored", "gained", "lost")
NAMES: Final = (*FEATURES, *TEXTS, *NUMBERS, *FLAGS)
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "join": "joins",
        "table": "tables",
        "column": "columns",
        "aggregate": "aggregates",
        "agg": "aggregates",
        "condition": "conditions",
        "where": "conditions",
        "subqueries": "subquery",
        "group_by": "groupby",
        "group": "groupby",
        "order_by": "orderby",
        "order": "orderby",
        "setop": "setops",
        "ctes": "cte",
        "windows": "window",
        "database": "db",
        "db_id": "db",
        "difficulty": "hardness",
        "right": "correct",
        "prediction": "sql",
    }
)
_TOKEN = re.compile(
    r"""\s*(?: (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
             | (?P<op><=|>=|==|!=|<>|&&|\|\||[=<>~!()])
             | (?P<number>-?(?:\d+\.?\d*|\.\d+)%?(?![\w.]))
             | (?P<word>[\w.\-/]+) )""",
    re.VERBOSE,
)
_SAME: Final = MappingProxyType({"==": "=", "<>": "!=", "&&": "and", "||": "or", "!": "not"})
_DEEPEST: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """`name op value`."""

    name: str
    op: str
    value: Value

    def fits(self, facts: Facts) -> bool:
        fact = facts.get(self.name, 0 if self.name in FEATURES and "parsed" in facts else None)
        if fact is None:
            return False
        if isinstance(fact, str):
            return _compare_texts(self.op, fact.lower(), str(self.value).lower())
        return _compare_numbers(self.op, float(fact), float(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Not:
    """The opposite."""

    inner: _Node

    def fits(self, facts: Facts) -> bool:
        return not self.inner.fits(facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Both:
    """Both, or either, of two."""

    rule: Literal["and", "or"]
    left: _Node
    right: _Node

    def fits(self, facts: Facts) -> bool:
        if self.rule == "and":
            return self.left.fits(facts) and self.right.fits(facts)
        return self.left.fits(facts) or self.right.fits(facts)


_Node: TypeAlias = _Test | _Not | _Both


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter expression that was understood; `text` is how it was written."""

    text: str
    tree: _Node

    def fits(self, facts: Facts) -> bool:
        """Whether a question with these facts is let through."""
        return self.tree.fits(facts)


def parse_filter(text: str) -> Filter:
    """Read an expression.

    Raises:
        UnknownName: a name does not exist; the closest one is offered.
        UsageError: the expression is not well formed; the place is named.
    """
    parser = _Parser(text)
    tree = parser.expression(0)
    if parser.kind:
        raise parser.error("expected 'and', 'or' or the end")
    return Filter(text=text, tree=tree)


class _Parser:
    """Reads one token at a time; `kind` is empty at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._start = 0
        self.kind = ""
        self.token = ""
        self._advance()

    def expression(self, depth: int) -> _Node:
        node = self._term(depth)
        while self._takes("or"):
            node = _Both(rule="or", left=node, right=self._term(depth))
        return node

    def error(self, words: str) -> UsageError:
        found = repr(self.token) if self.kind else "the end"
        return UsageError(
            f"Filter {self._text!r}: {words} at position {self._start + 1}, found {found}."
        )

    def _term(self, depth: int) -> _Node:
        node = self._factor(depth)
        while self._takes("and"):
            node = _Both(rule="and", left=node, right=self._factor(depth))
        return node

    def _factor(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise self.error("nested too deeply")
        if self._takes("not"):
            return _Not(inner=self._factor(depth + 1))
        if self._takes("("):
            node = self.expression(depth + 1)
            if not self._takes(")"):
                raise self.error("expected ')'")
            return node
        return self._test()

    def _test(self) -> _Node:
        if self.kind != "word":
            raise self.error("expected a name")
        name = ALIASES.get(self.token.lower(), self.token.lower())
        if name not in NAMES:
            raise UnknownName("name in a filter", self.token, NAMES)
        self._advance()
        if self.kind != "op" or self.token not in {"=", "!=", "<", "<=", ">", ">=", "~"}:
            if name in TEXTS:
                raise self.error(f"expected a comparison after {name!r}")
            return _Test(name=name, op="!=", value=0)
        op = self.token
        self._advance()
        return _Test(name=name, op=op, value=self._value(name, op))

    def _value(self, name: str, op: str) -> Value:
        if self.kind not in {"word", "quoted", "number"}:
            raise self.error("expected a value")
        token, kind = self.token, self.kind
        if name in TEXTS:
            if op not in {"=", "!=", "~"}:
                raise self.error(f"{name!r} is text, which compares with =, != or ~ only")
            value: Value = token
        else:
            known = {"yes": True, "true": True, "no": False, "false": False}.get(token.lower())
            if (kind != "number" and known is None) or op == "~":
                raise self.error(f"{name!r} is a number or yes/no")
            value = known if known is not None else _number(token)
        self._advance()
        return value

    def _takes(self, token: str) -> bool:
        if self.kind in {"op", "word"} and self.token.lower() == token:
            self._advance()
            return True
        return False

    def _advance(self) -> None:
        rest = self._text[self._at :]
        self._start = self._at + len(rest) - len(rest.lstrip())
        if not rest.strip():
            self.kind = self.token = ""
            return
        match = _TOKEN.match(rest)
        if match is None:
            self.kind, self.token = "op", rest.strip()[0]
            raise self.error("cannot read")
        self._at += match.end()
        self.kind = match.lastgroup or ""
        self.token = match[self.kind]
        if self.kind == "quoted":
            quote = self.token[0]
            self.token = self.token[1:-1].replace(quote * 2, quote)
        elif self.kind == "op":
            self.token = _SAME.get(self.token, self.token)


def _number(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _compare_texts(op: str, fact: str, value: str) -> bool:
    match op:
        case "=":
            return fact == value
        case "!=":
            return fact != value
        case _:
            return value in fact


def _compare_numbers(op: str, fact: float, value: float) -> bool:
    match op:
        case "=":
            return fact == value
        case "!=":
            return fact != value
        case "<":
            return fact < value
        case "<=":
            return fact <= value
        case ">":
            return fact > value
        case _:
            return fact >= value
