"""Read what a DuckDB database declares, from DuckDB's own catalogue functions.

They know what SQLAlchemy has no words for: lists, structs, enumerations, comments on columns.

What is not covered: macros, sequences and indexes; keys between schemas, which DuckDB does not
have; the length in `VARCHAR(20)`, which DuckDB forgets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from quorumsql.db.foreign_keys import resolve_foreign_keys
from quorumsql.db.kinds import declared_kind
from quorumsql.domain import Column, ForeignKey, Kind, Row, Schema, Table

__all__ = ["describe", "kind_of_type"]

Read: TypeAlias = Callable[[str], list[Row]]

_HERE: Final = "database_name = current_database() AND NOT internal"
_TABLES: Final = f"""
    SELECT schema_name, table_name, coalesce(comment, ''), false, table_oid, ''
    FROM duckdb_tables() WHERE {_HERE}
    UNION ALL
    SELECT schema_name, view_name, coalesce(comment, ''), true, view_oid, sql
    FROM duckdb_views() WHERE {_HERE}
    ORDER BY 4, 1, 2
"""
_COLUMNS: Final = f"""
    SELECT schema_name, table_name, column_name, data_type, is_nullable, coalesce(comment, '')
    FROM duckdb_columns() WHERE {_HERE} ORDER BY table_oid, column_index
"""
_KEYS: Final = """
    SELECT schema_name, table_name, constraint_type, constraint_column_names,
        referenced_table, referenced_column_names
    FROM duckdb_constraints()
    WHERE database_name = current_database() AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY')
    ORDER BY 1, 2, constraint_index
"""
_NESTED: Final = re.compile(r"(STRUCT|MAP|UNION|LIST|VARIANT)\b|.*\[\d*\]$", re.DOTALL)


def describe(read: Read, *, name: str) -> Schema:
    """Return tables, views, columns and declared keys, without examples.

    Args:
        read: runs a statement on the catalogue.
        name: what people call this database.
    """
    columns: defaultdict[tuple[Any, Any], list[Row]] = defaultdict(list)
    for schema, table, *column in read(_COLUMNS):
        columns[schema, table].append(tuple(column))
    primary: dict[tuple[Any, Any], frozenset[str]] = {}
    foreign: list[ForeignKey] = []
    for schema, table, kind, names, referred, targets in read(_KEYS):
        if kind == "PRIMARY KEY":
            primary[schema, table] = frozenset(_strings(names))
        else:
            foreign.append(
                ForeignKey(
                    table=_named(schema, table),
                    columns=_strings(names),
                    referred_table=_named(schema, referred),
                    referred_columns=_strings(targets),
                )
            )
    tables = tuple(
        Table(
            name=_named(schema, table),
            comment=str(comment),
            schema=None if schema == "main" else str(schema),
            is_view=bool(is_view),
            definition=str(definition or ""),
            columns=tuple(
                _column(row, primary.get((schema, table), frozenset()))
                for row in columns[schema, table]
            ),
        )
        for schema, table, comment, is_view, _, definition in read(_TABLES)
    )
    return Schema(
        name=name,
        dialect="duckdb",
        namespace="main",
        tables=tables,
        foreign_keys=resolve_foreign_keys(foreign, tables),
    )


def kind_of_type(type_: str) -> Kind:
    """Return what a type of DuckDB means; the names inside it must not mislead."""
    if type_.startswith("ENUM"):
        return "text"
    if _NESTED.match(type_) or type_ in {"BIT", "BLOB"}:
        return "other"
    return declared_kind(type_) or "text"


def _named(schema: object, table: object) -> str:
    """The name that is unique: bare in the main schema, `schema.table` elsewhere."""
    return str(table) if schema == "main" else f"{schema}.{table}"


def _column(row: Row, primary: frozenset[str]) -> Column:
    name, type_, nullable, comment = row
    return Column(
        name=str(name),
        type=str(type_),
        kind=kind_of_type(str(type_)),
        comment=str(comment),
        primary_key=str(name) in primary,
        nullable=bool(nullable),
    )


def _strings(values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in values) if isinstance(values, list) else ()
