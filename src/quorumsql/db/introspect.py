"""Read what a database declares, through SQLAlchemy's Inspector, into a `Schema`.

Whole-database calls (`get_multi_*`) are used where they work; one object that cannot be
described (a view over a dropped table, a virtual table whose module is not loaded) makes them
fail, and then each object is read on its own and the broken ones are left out.

What is not covered: values (see `sample`), keys that only names imply (see `foreign_keys`),
indexes, check constraints, and objects outside the default namespace.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import inspect
from sqlalchemy.engine import Connection
from sqlalchemy.engine.reflection import Inspector, ObjectKind
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from quorumsql.db.foreign_keys import resolve_foreign_keys
from quorumsql.db.kinds import declared_kind
from quorumsql.domain import Column, ForeignKey, Schema, Table

__all__ = ["DeclaredTypes", "reflect"]

DeclaredTypes: TypeAlias = Callable[[str], Mapping[str, str]]
"""Table → column → type as declared, for an engine whose types SQLAlchemy translates."""

_Found: TypeAlias = dict[str, Any]

# `catch_warnings` swaps process-wide state; two threads interleaving would leave it swapped.
_QUIET: Final = threading.Lock()


def reflect(
    connection: Connection,
    *,
    name: str,
    dialect: str,
    declared: DeclaredTypes | None = None,
    hidden: Collection[str] = (),
) -> Schema:
    """Return tables, views, columns and declared keys, without examples.

    Args:
        connection: an open connection that may read the catalogue.
        name: what people call this database.
        dialect: sqlglot's name of its SQL.
        declared: tells the types as written; without it, SQLAlchemy's names of them are used.
        hidden: tables that exist for the engine's own use.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the catalogue cannot be read at all.
    """
    with _QUIET, warnings.catch_warnings():
        # A type that SQLAlchemy does not know is no news to us: we keep the declared text.
        warnings.simplefilter("ignore", SAWarning)
        inspector = inspect(connection)
        views = [v for v in inspector.get_view_names() if v not in hidden]
        names = [t for t in inspector.get_table_names() if t not in hidden]
        columns = _columns(inspector, [*names, *views])
        keys = _per_table(inspector.get_multi_pk_constraint, inspector.get_pk_constraint, names)
        foreign = _per_table(inspector.get_multi_foreign_keys, inspector.get_foreign_keys, names)
        comments = _comments(inspector, names)
    seen = frozenset(views)
    tables = tuple(
        Table(
            name=table,
            comment=comments.get(table, ""),
            is_view=table in seen,
            columns=_describe(columns[table], keys.get(table), declared(table) if declared else {}),
        )
        for table in (*names, *views)
        if table in columns
    )
    found = tuple(k for table in names for k in _foreign_keys(table, foreign.get(table) or ()))
    return Schema(
        name=name,
        dialect=dialect,
        tables=tables,
        foreign_keys=resolve_foreign_keys(found, tables),
    )


def _columns(inspector: Inspector, names: Sequence[str]) -> Mapping[str, Any]:
    def every() -> Mapping[Any, Any]:
        return inspector.get_multi_columns(kind=ObjectKind.ANY)

    return _per_table(every, inspector.get_columns, names)


def _per_table(
    every: Callable[[], Mapping[Any, Any]], one: Callable[[str], Any], names: Iterable[str]
) -> _Found:
    """Ask for all tables at once; when that fails, one by one, leaving out what cannot be read."""
    try:
        return {table: value for (_, table), value in every().items()}
    except SQLAlchemyError:
        found: _Found = {}
        for table in names:
            try:
                found[table] = one(table)
            except SQLAlchemyError:
                continue
        return found


def _comments(inspector: Inspector, names: Sequence[str]) -> Mapping[str, str]:
    if not inspector.dialect.supports_comments:
        return {}
    found = _per_table(inspector.get_multi_table_comment, inspector.get_table_comment, names)
    return {table: value.get("text") or "" for table, value in found.items()}


def _describe(columns: Sequence[Any], key: Any, declared: Mapping[str, str]) -> tuple[Column, ...]:
    members = frozenset(key["constrained_columns"]) if key else frozenset()
    described = []
    for column in columns:
        type_ = declared.get(column["name"])
        text = str(column["type"]) if type_ is None else type_
        described.append(
            Column(
                name=column["name"],
                type=text,
                kind=declared_kind(text) or "text",
                comment=column.get("comment") or "",
                primary_key=column["name"] in members,
                nullable=bool(column.get("nullable", True)),
            )
        )
    return tuple(described)


def _foreign_keys(table: str, found: Iterable[Any]) -> Iterable[ForeignKey]:
    for key in found:
        yield ForeignKey(
            table=table,
            columns=tuple(key["constrained_columns"]),
            referred_table=key["referred_table"],
            referred_columns=tuple(key["referred_columns"]),
        )
