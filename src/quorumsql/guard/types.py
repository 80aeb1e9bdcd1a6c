"""Types that a statement names: the engine's own compute, others show what is in the catalogue.

In PostgreSQL each table is a type too, so that `NULL::salaries` shows its columns, a type like
`regclass` turns numbers into names of tables, and an enumeration lists its labels. Types that
name objects are refused to everybody; under permissions a type has to be one of the engine, of a
well-known extension, or of a column that may be read.

What is not covered: SQLite and MySQL, which have no types of their users, and types of columns
that the schema does not tell by name (PostgreSQL's enumerations): they count as not readable.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from sqlglot import exp

from quorumsql.guard.catalogues import is_schema_of_engine

__all__ = ["bad_type", "hidden_type", "nameable", "names_objects"]


def names_objects(name: str) -> bool:
    """Whether PostgreSQL's type `name` turns numbers into names of what is in the catalogue."""
    return _OBJECTS.fullmatch(name) is not None


def bad_type(node: exp.DataType, dialect: str) -> str:
    """Return why nobody may name this type, "" when everybody may."""
    if dialect in _WITHOUT_OWN or node.this is not exp.DType.USERDEFINED:
        return ""
    *schema, name = _parts(node)
    if names_objects(name) or any(is_schema_of_engine(part) for part in schema):
        return f"the type {name} shows the engine's inside"
    return ""


def nameable(declared: Iterable[str], tables: Collection[str]) -> frozenset[str]:
    """Return the types beside the engine's own that may be named under permissions.

    Args:
        declared: types of the columns that may be read.
        tables: names of all tables, in lower case: a table's type shows its columns.
    """
    names = {name.lower().removesuffix("[]") for name in declared} | _OF_EXTENSIONS
    return frozenset(names - {"", *tables})


def hidden_type(node: exp.DataType, dialect: str, allowed: Collection[str]) -> str:
    """Return why somebody who may not read everything may not name this type, "" when they may.

    Args:
        node: the type.
        dialect: sqlglot's name of the engine's SQL.
        allowed: what `nameable` found.
    """
    if dialect in _WITHOUT_OWN or node.this is exp.DType.ARRAY:  # what it holds is looked at too
        return ""
    if dialect != "postgres" and node.this is not exp.DType.USERDEFINED:
        return ""
    name = ".".join(_parts(node)).lower()
    if name in allowed or name in _OF_ENGINE.get(dialect, ()):
        return ""
    return f"the type {name} may show what may not be read; a text without a type compares as well"


def _parts(node: exp.DataType) -> list[str]:
    """The name of a type as the engine gets it, after those of its schemas."""
    if isinstance(node.this, exp.Interval) or isinstance(node, exp.IntervalSpan):  # DAY TO SECOND
        return ["interval"]
    kind = node.args.get("kind")
    if node.this is exp.DType.USERDEFINED and isinstance(kind, exp.Expr):
        return [part.name for part in kind.find_all(exp.Identifier, bfs=False)] or [""]
    # Written out, since sqlglot takes words for types of other engines that are tables in this one.
    return re.findall(r"\w+", node.sql(dialect="postgres"))[:1] or [""]


_OBJECTS: Final = re.compile(
    r"_?(reg(class|collation|config|dictionary|namespace|oper(ator)?|proc(edure)?|role|type)"
    r"|oid(vector)?|aclitem|pg_(?!lsn$)\w*)",
    re.IGNORECASE,
)

# SQLite takes any word for a type and means a number or a text by it; MySQL knows its own alone.
_WITHOUT_OWN: Final = frozenset({"sqlite", "mysql"})

# What the engine finds before any type of a user, as sqlglot writes it.
_OF_ENGINE: Final = {
    "postgres": frozenset(
        """
        bigint bit boolean box bpchar bytea char cidr circle date datemultirange daterange decimal
        double float inet int int4multirange int4range int8multirange int8range interval json
        jsonb jsonpath line lseg macaddr macaddr8 money name numeric nummultirange numrange path
        pg_lsn point polygon real smallint text tid time timestamp timestamptz timetz tsmultirange
        tsquery tsrange tstzmultirange tstzrange tsvector uuid varbit varchar xid xid8 xml
        """.split()
    ),
    "duckdb": frozenset("guid varint".split()),
}

# Types of extensions; a table of that name would be found in their place.
_OF_EXTENSIONS: Final = frozenset(
    """
    citext cube geography geometry halfvec hstore lquery ltree ltxtquery sparsevec vector
    """.split()
)
