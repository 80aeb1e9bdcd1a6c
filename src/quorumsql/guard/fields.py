"""Fields that PostgreSQL reads as calls: `(x).f`, and `g.f` over a function `g` in FROM.

Both mean `f(x)` where the value x has no field f, and `f` may be a type as well:
`SELECT g.pg_read_file FROM lower('/etc/passwd') AS g` reads a file. So in the place of a field
stands only what a function in FROM gives out.

What is not covered: `(c).f` over a column and `t.f` over a table, where somebody wrote a function
for its type: without the schema f could be a field. Under permissions the first is refused too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from quorumsql.dialects import known_dialect
from quorumsql.guard.functions import is_denied
from quorumsql.guard.types import names_objects

__all__ = ["call_as_field", "is_known_field"]


def call_as_field(tree: exp.Expr, dialect: str, vouched: Collection[str]) -> exp.Expr | None:
    """Return the first field of `tree` that the engine may take for a call that does more.

    Args:
        tree: the statement.
        dialect: sqlglot's name of the engine's SQL.
        vouched: names of functions that the user vouches for, in lower case.
    """
    if dialect not in _CALLING and known_dialect(dialect):
        return None
    sources = _Sources.of(tree, dialect, vouched)
    for node in tree.walk():
        if isinstance(node, exp.Column) and node.table and sources.values:
            name = node.name.lower()
            if name not in vouched and not sources.may_read(node.table.lower(), name, dialect):
                return node
        elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
            name = node.expression.name.lower()
            bad = _has_no_fields(node.this) or _does_more(name, dialect)
            if bad and name not in vouched:
                return node
    return None


def is_known_field(node: exp.Dot) -> bool:
    """Whether `(x).f` is surely a field: one that the function x gives out."""
    return node.expression.name.lower() in _given_out(_called(node.this))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """What stands in FROM: names of rows, whose fields are columns, and of values without any.

    `values` has the columns of each that are known, None where they can be any.
    """

    rows: frozenset[str]
    values: Mapping[str, frozenset[str] | None]

    @classmethod
    def of(cls, tree: exp.Expr, dialect: str, vouched: Collection[str]) -> _Sources:
        rows, values = set[str](), dict[str, frozenset[str] | None]()
        for node in tree.find_all(exp.Table, exp.Subquery, exp.Values, exp.Unnest, exp.Lateral):
            if _gives_rows(node):
                rows.add(node.alias_or_name.lower())
                continue
            given = _columns(node, vouched)
            for name in [node.alias.lower()] if node.alias else _words(node, dialect):
                values[name] = given
        return cls(rows=frozenset(rows), values=values)

    def may_read(self, source: str, name: str, dialect: str) -> bool:
        """Whether `source.name` is a column, or else does no harm as a call."""
        given = self.values.get(source, frozenset())
        if name == "*" or (given is not None and name in given):
            return True
        if _does_more(name, dialect):  # also of rows: a name may be both
            return False
        return given is None or (source in self.rows and source not in self.values)


def _gives_rows(node: exp.Expr) -> bool:
    if isinstance(node, (exp.Subquery, exp.Values)):
        return True
    inner = node.this
    if isinstance(inner, exp.Identifier):  # current_user is a function without brackets
        is_name = bool(inner.args.get("quoted") or node.args.get("db"))
        return is_name or inner.name.lower() not in _BARE
    kinds = (exp.Subquery, exp.Values, exp.JSONTable, exp.XMLTable)
    return not isinstance(node, exp.Unnest) and isinstance(inner, kinds)


def _columns(node: exp.Expr, vouched: Collection[str]) -> frozenset[str] | None:
    """The columns of a function in FROM, in lower case; None where they can be any."""
    called = _called(node.this) if isinstance(node.this, exp.Expr) else ""
    if called in vouched or "populate_record" in called:
        return None
    alias = node.args.get("alias")
    named = alias.columns if isinstance(alias, exp.TableAlias) else []
    number = node.args.get("offset")  # the last of unnest(…) WITH ORDINALITY AS u(x, i)
    named = [*named, number] if isinstance(number, exp.Identifier) else named
    if named:
        return frozenset(column.name.lower() for column in named)
    own = _given_out(called) or frozenset({node.alias.lower() or called})  # g.g is the value itself
    return own | {"ordinality"} if node.args.get("ordinality") or number else own


def _words(node: exp.Expr, dialect: str) -> Iterator[str]:
    """All that a function in FROM could be called where the statement gives it no name."""
    text = node.sql(dialect=known_dialect(dialect))
    yield from (word.lower() for word in re.findall(r"[^\W\d]\w*", text))


def _does_more(name: str, dialect: str) -> bool:
    return is_denied(name, dialect) or name.startswith("pg_") or names_objects(name)


def _has_no_fields(node: exp.Expr) -> bool:
    """Whether a value is surely none of a type with fields."""
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return node.to.this is not exp.DType.USERDEFINED
    return isinstance(node, _PLAIN) and not isinstance(node, exp.Dot)


def _called(node: exp.Expr) -> str:
    """The name of a function in lower case, "" for all else."""
    node = node.unnest()
    if not isinstance(node, exp.Func):
        return ""
    return (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()


def _given_out(function: str) -> frozenset[str]:
    """The columns that one of PostgreSQL's own functions names itself."""
    if re.fullmatch(r"jsonb?_each(_text)?", function):
        return frozenset({"key", "value"})
    return frozenset({"value"} if re.fullmatch(r"jsonb?_array_elements(_text)?", function) else ())


_CALLING: Final = frozenset({"postgres", "redshift", "materialize", "risingwave"})
_PLAIN: Final = (exp.Literal, exp.Null, exp.Boolean, exp.Binary, exp.Neg, exp.Not)
_BARE: Final = frozenset(
    """
    current_catalog current_date current_role current_schema current_time current_timestamp
    current_user localtime localtimestamp session_user system_user user
    """.split()
)
