"""Read what a database declares, through SQLAlchemy's Inspector, into a `Schema`.

Whole-database calls (`get_multi_*`) are used where they work; one object that cannot be
described (a view over a dropped table, a virtual table whose module is not loaded) makes them
fail, and then each object is read on its own and the broken ones are left out.

What is not covered: values (see `sample`), keys that only names imply (see `foreign_keys`),
indexes, check constraints, and keys to tables outside the scope.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import inspect, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.engine.reflection import Inspector, ObjectKind
from sqlalchemy.exc import CompileError, SAWarning, SQLAlchemyError

from quorumsql.db.foreign_keys import resolve_foreign_keys
from quorumsql.db.kinds import declared_kind
from quorumsql.domain import Column, ForeignKey, Schema, Table

__all__ = ["DeclaredTypes", "Scope", "reflect"]

DeclaredTypes: TypeAlias = Callable[[str], Mapping[str, str]]
"""Table → column → type as declared, for an engine whose types SQLAlchemy translates."""

_Found: TypeAlias = dict[str, Any]

# `catch_warnings` swaps process-wide state; two threads interleaving would leave it swapped.
_QUIET: Final = threading.Lock()

_LABELS: Final = 5
"""Labels of an enumeration that serve as examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What of a database is described.

    Tables of the namespace `default` have bare names, those of `others` are named with it;
    None is the namespace of an engine that has only one. `hidden` are tables and views that
    exist for the engine's own use or may not be read, `hidden_columns` likewise.
    """

    default: str | None = None
    has_default: bool = True
    others: tuple[str, ...] = ()
    hidden: frozenset[tuple[str | None, str]] = frozenset()
    hidden_columns: frozenset[tuple[str | None, str, str]] = frozenset()

    def name(self, namespace: str | None, table: str) -> str:
        """Return the name by which statements reach a table."""
        return table if self._is_default(namespace) else f"{namespace}.{table}"

    def namespace(self, namespace: str | None) -> str | None:
        """Return what statements must write before a table's name, if anything."""
        return None if self._is_default(namespace) else namespace

    @property
    def namespaces(self) -> tuple[str | None, ...]:
        """All of them, the default first."""
        return (*((self.default,) if self.has_default else ()), *self.others)

    def _is_default(self, namespace: str | None) -> bool:
        return self.has_default and namespace in {None, self.default}


def reflect(
    connection: Connection,
    *,
    name: str,
    dialect: str,
    declared: DeclaredTypes | None = None,
    scope: Scope | None = None,
) -> Schema:
    """Return tables, views, columns and declared keys; no examples but labels of enumerations.

    Args:
        connection: an open connection that may read the catalogue.
        name: what people call this database.
        dialect: sqlglot's name of its SQL.
        declared: tells the types as written; without it, SQLAlchemy's names of them are used.
        scope: which namespaces, and what to leave out; by default the engine's own default.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the catalogue cannot be read at all.
    """
    scope = scope or Scope()
    tables: list[Table] = []
    keys: list[ForeignKey] = []
    with _QUIET, warnings.catch_warnings():
        # A type that SQLAlchemy does not know is no news to us: we keep the declared text.
        warnings.simplefilter("ignore", SAWarning)
        inspector = inspect(connection)
        for namespace in scope.namespaces:
            reader = _Namespace(inspector, namespace, scope)
            tables += reader.tables(declared)
            keys += reader.foreign_keys()
    # Tables, then views, by name: catalogues have orders of their own, and order must not matter.
    tables.sort(key=lambda table: (table.is_view, table.schema or "", table.name))
    return Schema(
        name=name,
        dialect=dialect,
        tables=tuple(tables),
        foreign_keys=resolve_foreign_keys(keys, tables),
        namespace=scope.default or inspector.default_schema_name or "",
    )


class _Namespace:
    """Everything in one namespace, read in as few calls as possible."""

    def __init__(self, inspector: Inspector, namespace: str | None, scope: Scope) -> None:
        self._inspector, self._namespace, self._scope = inspector, namespace, scope
        seen = [*inspector.get_view_names(namespace), *_materialised(inspector, namespace)]
        self._views = self._shown(seen)
        self._tables = self._shown(inspector.get_table_names(namespace))

    def tables(self, declared: DeclaredTypes | None) -> Iterable[Table]:
        """Yield tables, then views, that can be described."""
        inspector = self._inspector
        every = [*self._tables, *self._views]
        columns = self._each(inspector.get_multi_columns, inspector.get_columns, every)
        keys = self._each(inspector.get_multi_pk_constraint, inspector.get_pk_constraint)
        comments = self._comments(every)
        for name in every:
            if name in columns:
                yield Table(
                    name=self._scope.name(self._namespace, name),
                    schema=self._scope.namespace(self._namespace),
                    comment=comments.get(name, ""),
                    is_view=name in self._views,
                    definition=self._definition(name) if name in self._views else "",
                    columns=_describe(
                        self._readable(name, columns[name]),
                        keys.get(name),
                        declared(name) if declared else {},
                        self._inspector,
                    ),
                )

    def foreign_keys(self) -> Iterable[ForeignKey]:
        """Yield the declared keys of all tables, as they are declared."""
        inspector = self._inspector
        found = self._each(inspector.get_multi_foreign_keys, inspector.get_foreign_keys)
        for table in sorted(self._tables):
            for key in found.get(table) or ():
                yield ForeignKey(
                    table=self._scope.name(self._namespace, table),
                    columns=tuple(key["constrained_columns"]),
                    referred_table=self._scope.name(
                        key.get("referred_schema") or self._namespace, key["referred_table"]
                    ),
                    referred_columns=tuple(key["referred_columns"]),
                )

    def _definition(self, view: str) -> str:
        """The SQL of a view, empty where the engine does not tell it."""
        try:
            return str(self._inspector.get_view_definition(view, self._namespace) or "")
        except (SQLAlchemyError, NotImplementedError):
            return ""

    def _shown(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(n for n in names if (self._namespace, n) not in self._scope.hidden)

    def _readable(self, table: str, columns: Sequence[Any]) -> Sequence[Any]:
        hidden = self._scope.hidden_columns
        return [c for c in columns if (self._namespace, table, c["name"]) not in hidden]

    def _comments(self, names: Sequence[str]) -> Mapping[str, str]:
        inspector = self._inspector
        if not inspector.dialect.supports_comments:
            return {}
        found = self._each(inspector.get_multi_table_comment, inspector.get_table_comment, names)
        # MySQL's catalogue says VIEW where a table has its comment.
        comments = {table: (value or {}).get("text") or "" for table, value in found.items()}
        return {t: text for t, text in comments.items() if t not in self._views or text != "VIEW"}

    def _each(
        self,
        every: Callable[..., Mapping[Any, Any]],
        one: Callable[..., Any],
        names: Sequence[str] | None = None,
    ) -> _Found:
        """Ask for all at once; when that fails, one by one, leaving out what cannot be read."""
        kind = ObjectKind.TABLE if names is None else ObjectKind.ANY
        try:
            found = every(schema=self._namespace, kind=kind)
        except SQLAlchemyError:
            return self._one_by_one(one, self._tables if names is None else names)
        return {table: value for (_, table), value in found.items()}

    def _one_by_one(self, one: Callable[..., Any], names: Sequence[str]) -> _Found:
        found: _Found = {}
        for table in names:
            try:
                found[table] = one(table, schema=self._namespace)
            except SQLAlchemyError:
                continue
        return found


def _materialised(inspector: Inspector, namespace: str | None) -> Sequence[str]:
    try:
        return inspector.get_materialized_view_names(namespace)
    except NotImplementedError:
        return ()


def _describe(
    columns: Sequence[Any], key: Any, declared: Mapping[str, str], inspector: Inspector
) -> tuple[Column, ...]:
    members = frozenset(key["constrained_columns"]) if key else frozenset()
    described = []
    for column in columns:
        type_ = declared.get(column["name"])
        text = _type(column["type"], inspector) if type_ is None else type_
        described.append(
            Column(
                name=column["name"],
                type=text,
                kind=declared_kind(text) or "text",
                comment=column.get("comment") or "",
                primary_key=column["name"] in members,
                nullable=bool(column.get("nullable", True)),
                examples=_labels(column["type"]),
            )
        )
    return tuple(described)


def _type(type_: Any, inspector: Inspector) -> str:
    """The type in words; what SQLAlchemy does not know has none."""
    match type_:
        case types.NullType():
            return ""
        case types.Enum(enums=labels):
            quoted = ", ".join("'" + label.replace("'", "''") + "'" for label in labels)
            return f"ENUM({quoted})"
        case postgresql.DOMAIN(data_type=inner):
            return _type(inner, inspector)
    try:
        return str(type_.compile(dialect=inspector.dialect))
    except CompileError:
        return str(type_)


def _labels(type_: Any) -> tuple[object, ...]:
    return tuple(type_.enums[:_LABELS]) if isinstance(type_, types.Enum) else ()
