"""Tables in which engines keep what they know about themselves: never part of an answer.

A catalogue names what a person may not read, and statistics quote its values
(`pg_stats.most_common_vals`). What generators may know of the schema comes from reflection.

What is not covered: catalogues of engines that are not named here, beyond the usual names.
"""

from __future__ import annotations

import re

from sqlglot import exp

__all__ = ["inside_of_engine", "is_schema_of_engine"]

_SCHEMAS = re.compile(
    r"information_schema|pg_catalog|pg_toast\w*|pg_temp\w*|mysql|performance_schema|ndbinfo|sys"
    r"|syscat|sysibm\w*|sysstat|system|rdb\$\w*|dbms_\w+",
    re.IGNORECASE,
)
_TABLES = {
    "sqlite": re.compile(r"sqlite_\w*|pragma_\w*|dbstat|bytecode|tables_used|completion", re.I),
    "postgres": re.compile(r"pg_\w*", re.I),
    "mysql": re.compile(r"(?!)"),
    "duckdb": re.compile(r"duckdb_\w*|pg_\w*|pragma_\w*|sqlite_\w*", re.I),
}
_ANYWHERE = re.compile(
    r"sqlite_\w*|pg_\w*|duckdb_\w*|pragma_\w*|sys(objects|columns|users|logins|databases|comments)"
    r"|(all|dba|user|cdb)_(tables|tab_columns|users|objects|source|views|sys_privs|tab_privs)"
    r"|g?v\$\w*|rdb\$\w*|mon\$\w*",
    re.I,
)


def is_schema_of_engine(name: str) -> bool:
    """Whether the schema or database `name` is one that engines keep for themselves."""
    return _SCHEMAS.fullmatch(name) is not None


def inside_of_engine(node: exp.Table | exp.Column, dialect: str) -> bool:
    """Whether `node` (after IN, SQLite takes a column's place for a table) is a catalogue."""
    schema = node.args.get("db") if isinstance(node, exp.Table) else node.args.get("table")
    catalog = node.args.get("catalog") if isinstance(node, exp.Table) else node.args.get("db")
    names = [part.name for part in (schema, catalog) if isinstance(part, exp.Identifier)]
    if dialect == "sqlite":  # it has schemas main and temp, which both hold the one catalogue
        return _TABLES["sqlite"].fullmatch(node.name) is not None
    if any(is_schema_of_engine(name) for name in names):
        return True
    if names and dialect in {"postgres", "mysql"}:
        return False  # public.pg_orders is somebody's own
    return _TABLES.get(dialect, _ANYWHERE).fullmatch(node.name) is not None
