"""What permissions mean for one database: which tables, which columns, through which filter.

Every scan of a table is given a filter: the columns that may be read, what is shown in place of
others, and the conditions on rows. A view is looked into: it gets no filter where nothing that it
reads is restricted, is opened and restricted inside where rows or masks are, and is hidden where
it touches what may not be read at all, or where to open it would take too many tables.

What is not covered: what stored functions read, tables that inherit from others, and chains of more
than some 150 views, which are hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.dialects import known_dialect
from quorumsql.domain import Column, Schema, Table
from quorumsql.errors import ConfigError
from quorumsql.guard.scans import scans
from quorumsql.guard.types import nameable
from quorumsql.permissions import Names, Path, Permissions, matches

__all__ = ["Access", "Filter", "access"]

_MOST_SCANS = 1_000  # in one opened view; views of views double, and a statement has to be read

_DEFAULT_SCHEMA = {"sqlite": "main", "duckdb": "main", "postgres": "public", "tsql": "dbo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """How one table or view may be read.

    `columns` are all that exist for a statement, `masks` what is shown for some of them.
    `inside` is the definition of a view that has to be restricted where it reads tables.
    """

    table: Table
    columns: tuple[str, ...]
    masks: Mapping[str, exp.Expr]
    rows: tuple[exp.Expr, ...]
    inside: exp.Expr | None = None

    @property
    def is_open(self) -> bool:
        """Whether the table may be read as it stands."""
        everything = len(self.columns) == len(self.table.columns)
        return everything and not (self.masks or self.rows or self.inside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """All that may be read of one database; what has no filter may not."""

    schema: Schema
    filters: tuple[Filter, ...]
    dialect: str
    default: str
    reserved: frozenset[str]
    """Names of tables that conditions read: a statement may not define them anew."""
    types: frozenset[str]
    """Types beside the engine's own that a statement may name, in lower case."""

    def find(self, schema: str, name: str) -> Filter | None:
        """Return the filter of the table that a statement calls so; None when it may not be read.

        Raises:
            LookupError: several tables have that name, and it does not say which.
        """
        tables = _called(self.schema.tables, schema, name, self.default)
        if len(tables) > 1:
            raise LookupError(name)
        return next((f for f in self.filters if f.table in tables), None)

    def visible(self) -> Schema:
        """Return the schema as far as it may be read."""
        tables = tuple(_shown(f) for f in self.filters)
        columns = {t.name: {c.name for c in t.columns} for t in tables}
        keys = tuple(
            key
            for key in self.schema.foreign_keys
            if columns.get(key.table, set()).issuperset(key.columns)
            and columns.get(key.referred_table, set()).issuperset(key.referred_columns)
        )
        return replace(self.schema, tables=tables, foreign_keys=keys)

    def hidden_names(self) -> frozenset[str]:
        """Return the names of tables and columns that exist but appear nowhere in what is shown."""
        return _names(self.schema) - _names(self.visible())


def access(schema: Schema, permissions: Permissions) -> Access:
    """Find out what `permissions` mean for `schema`.

    Raises:
        ConfigError: they name something that does not exist, or hold SQL that is none.
    """
    default = schema.namespace or _DEFAULT_SCHEMA.get(schema.dialect, schema.name)
    _refuse_unknown(schema, permissions, default)
    rows = {key: _parsed(text, f"rows.{key}", schema) for key, text in permissions.rows.items()}
    masks = {key: _parsed(text, f"masks.{key}", schema) for key, text in permissions.masks.items()}
    table_filter = partial(
        _filter, permissions=permissions, default=default, rows=rows, masks=masks
    )
    direct = {id(table): table_filter(table) for table in schema.tables}
    views = _Views(schema, direct, permissions, default)
    filters = tuple(f for f in (views.opened(table) for table in schema.tables) if f is not None)
    read_by_rules = {
        scan.name.lower()
        for tree in (*rows.values(), *masks.values())
        for scan in tree.find_all(exp.Table)
    }
    return Access(
        schema=schema,
        filters=filters,
        dialect=schema.dialect,
        default=default,
        reserved=frozenset(read_by_rules),
        types=nameable(
            (c.type for f in filters for c in _shown(f).columns if c.name not in f.masks),
            {table.bare_name.lower() for table in schema.tables},
        ),
    )


def _filter(
    table: Table,
    *,
    permissions: Permissions,
    default: str,
    rows: Mapping[str, exp.Expr],
    masks: Mapping[str, exp.Expr],
) -> Filter | None:
    """How `table` itself may be read, before looking into views; None when not at all."""
    path = _path(table, default)
    columns = tuple(c.name for c in table.columns if _may_read(permissions, (*path, c.name)))
    if not columns and (table.columns or not _may_read(permissions, path)):
        return None
    return Filter(
        table=table,
        columns=columns,
        masks={
            name: mask
            for name in columns
            for pattern, mask in masks.items()
            if matches((pattern,), (*path, name))
        },
        rows=tuple(tree for pattern, tree in rows.items() if matches((pattern,), path)),
    )


def _may_read(permissions: Permissions, path: Path) -> bool:
    if _covers(permissions.deny, path):
        return False
    return not permissions.allow or _covers(permissions.allow, path)


def _covers(names: Names, path: Path) -> bool:
    schema, table, column = path[:1], path[:2], path[:3]
    return (
        matches(names.schemas, schema)
        or matches(names.tables, table)
        or (len(path) == 3 and matches(names.columns, column))
    )


class _Views:
    """Looks into views, each once."""

    def __init__(
        self,
        schema: Schema,
        direct: Mapping[int, Filter | None],
        permissions: Permissions,
        default: str,
    ) -> None:
        self._schema = schema
        self._direct = direct
        self._permissions = permissions
        self._default = default
        self._looking: set[int] = set()
        self._opened: dict[int, Filter | None] = {}
        self._scans: dict[int, int] = {}

    def opened(self, table: Table) -> Filter | None:
        """The filter of `table`; for a view after looking into it, None when it is hidden."""
        if id(table) not in self._opened:
            # Kept also when seen from inside of another view. Only a circle could make the two
            # differ, and it does not: all views of a circle are hidden, wherever it is entered.
            self._opened[id(table)] = self._look(table)
        return self._opened[id(table)]

    def _look(self, table: Table) -> Filter | None:
        own = self._direct[id(table)]
        trusted = matches(self._permissions.views, _path(table, self._default))
        if own is None or not table.is_view or trusted:
            return own
        if id(table) in self._looking:
            return None
        tree = _definition(table, self._schema.dialect)
        if tree is None:
            return None
        self._looking.add(id(table))
        inner = [self._inside(scan, tree) for scan in scans(tree, self._schema.dialect)]
        self._looking.discard(id(table))
        if any(f is None for f in inner):
            return None
        closed = any(f is not None and not _shows_all_rows(f) for f in inner)
        if not closed:
            return own
        count = sum(self._scans.get(id(f.table), 1) for f in inner if f is not None)
        self._scans[id(table)] = count
        return replace(own, inside=tree) if count <= _MOST_SCANS else None

    def _inside(self, scan: exp.Table, tree: exp.Expr) -> Filter | None:
        """The filter of a table that a view reads, None where the view shows too much."""
        if scan.name.lower() == "dual":
            return Filter(table=Table(name="dual"), columns=(), masks={}, rows=())
        found = _called(self._schema.tables, scan.db, scan.name, self._default)
        filters = [self.opened(table) for table in found]
        if len(filters) != 1 or filters[0] is None:
            return None
        table = filters[0].table
        hidden = {c.name.lower() for c in table.columns} - {n.lower() for n in filters[0].columns}
        return None if hidden and _mentions(tree, hidden) else filters[0]


def _mentions(tree: exp.Expr, names: set[str]) -> bool:
    """Whether `tree` may read a column of these names, in doubt yes."""
    for node in tree.walk():
        if isinstance(node, exp.Identifier) and node.name.lower() in names:
            return True
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            return True
        if isinstance(node, exp.Join) and node.method == "NATURAL":
            return True
    return False


def _shows_all_rows(one: Filter) -> bool:
    """Whether reading it through a view needs no further filter; hidden columns are not named."""
    return not (one.masks or one.rows or one.inside)


def _definition(table: Table, dialect: str) -> exp.Expr | None:
    """The query of a view, or None where it is not known."""
    try:
        found = sqlglot.parse(table.definition, read=known_dialect(dialect))
    except (SqlglotError, RecursionError):
        return None
    trees = [tree for tree in found if tree is not None]
    tree = trees[0] if len(trees) == 1 else None
    query = tree.expression if isinstance(tree, exp.Create) else tree
    return query if isinstance(query, exp.Query) else None


def _parsed(text: str, key: str, schema: Schema) -> exp.Expr:
    """The tree of a condition or a mask."""
    try:
        tree = sqlglot.parse_one(f"SELECT ({text}\n)", read=known_dialect(schema.dialect))
    except (SqlglotError, RecursionError) as error:
        raise ConfigError(f"permissions.{key} is no SQL expression: {text!r}.") from error
    found = tree.expressions[0] if isinstance(tree, exp.Select) else None
    if not isinstance(found, (exp.Paren, exp.Subquery)) or len(tree.expressions) != 1:
        raise ConfigError(f"permissions.{key} is no single SQL expression: {text!r}.")
    return found


def _refuse_unknown(schema: Schema, permissions: Permissions, default: str) -> None:
    """A name without a star that matches nothing is a slip, and would protect nothing."""
    tables = [_path(table, default) for table in schema.tables]
    columns = [(*_path(t, default), c.name) for t in schema.tables for c in t.columns]
    schemas = list({path[:1] for path in tables})
    for key, patterns, known in (
        ("deny.schemas", permissions.deny.schemas, schemas),
        ("deny.tables", permissions.deny.tables, tables),
        ("deny.columns", permissions.deny.columns, columns),
        ("rows", tuple(permissions.rows), tables),
        ("masks", tuple(permissions.masks), columns),
    ):
        for pattern in patterns:
            if "*" not in pattern and not matches((pattern,), *known):
                raise ConfigError(
                    f"permissions.{key} names {pattern!r}, which the database {schema.name!r} "
                    "does not have: a slip would protect nothing. Correct it, or write it with "
                    "a * if it need not exist."
                )


def _shown(one: Filter) -> Table:
    """A table as generators may see it: no examples of what is filtered, no definition."""
    by_name = {c.name: c for c in one.table.columns}
    closed = bool(one.rows or one.inside)
    columns = tuple(
        _without_examples(by_name[name]) if closed or name in one.masks else by_name[name]
        for name in one.columns
    )
    return replace(one.table, columns=columns, definition="")


def _without_examples(column: Column) -> Column:
    return replace(column, examples=())


def _names(schema: Schema) -> frozenset[str]:
    columns = (c.name.lower() for t in schema.tables for c in t.columns)
    return frozenset((*columns, *(t.name.lower() for t in schema.tables)))


def _path(table: Table, default: str) -> Path:
    return (_schema_of(table, default), table.bare_name)


def _schema_of(table: Table, default: str) -> str:
    return table.schema or default


def _called(tables: Sequence[Table], schema: str, name: str, default: str) -> list[Table]:
    """The tables that a statement may mean: in the default namespace first, spelled alike first."""
    found = [t for t in tables if t.bare_name.lower() == name.lower()]
    if schema:
        found = [t for t in found if _schema_of(t, default).lower() == schema.lower()]
    else:
        found = [t for t in found if _schema_of(t, default) == default] or found
    return [t for t in found if t.bare_name == name] or found
