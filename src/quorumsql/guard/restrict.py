"""Rewrite a statement so that it cannot read more than a person may.

Each scan of a stored table becomes a query over it that shows only the columns which may be read,
masks in the place of those that are masked, and rows that meet the conditions:

    FROM staff AS s
    FROM (SELECT q.id, NULL AS phone FROM staff AS q WHERE q.city = 'Rome') AS s

What the engine then sees is ordinary SQL in which the rest does not exist. So stars, USING,
NATURAL joins, correlated subqueries and set operations need no rules of their own, and a masked
value cannot be guessed in WHERE. Row policies as a rewrite: Stonebraker and Wong, 1974.

What is not covered: what can be learnt from how long a statement takes, and functions that read
tables by themselves (the guard refuses those it does not know).
"""

from __future__ import annotations

from collections.abc import Collection

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from quorumsql.dialects import known_dialect
from quorumsql.domain import Failure
from quorumsql.guard.access import Access, Filter
from quorumsql.guard.check import parse
from quorumsql.guard.fields import is_known_field
from quorumsql.guard.scans import scans
from quorumsql.guard.types import hidden_type

__all__ = ["restrict"]

_SCAN, _VIEW = "quorum_scan", "quorum_view"
_OUTSIDE = ("joins", "laterals", "pivots")


def restrict(sql: str, may: Access, *, functions: Collection[str] = ()) -> str | Failure:
    """Return what to run in the place of `sql`, or why it may not run.

    Args:
        sql: any text.
        may: what may be read.
        functions: names of functions that the user vouches for.
    """
    tree = parse(sql, dialect=may.dialect, functions=functions)
    if isinstance(tree, Failure):
        return tree
    failure = _unclear(tree, may) or _catalogued(tree, may, functions)
    if failure is not None:
        return failure
    qualifiers: set[tuple[str, str]] = set()
    read: list[Filter] = []
    written = _written_names(tree)
    for scan in scans(tree, may.dialect):
        found = _found(scan, may)
        if isinstance(found, Failure):
            return found
        if scan.db:
            qualifiers.add((scan.db.lower(), scan.name.lower()))
        if found is not None:
            read.append(found)
            tree = _replaced(tree, scan, found, may)
    failure = _hidden_column(written, read)
    if failure is not None:
        return failure
    _drop_qualifiers(tree, qualifiers)
    return tree.sql(
        dialect=known_dialect(may.dialect), comments=False, unsupported_level=ErrorLevel.IGNORE
    )


def _written_names(tree: exp.Expr) -> tuple[str, ...]:
    """The columns that a statement names, without those that it calls so itself."""
    own = {node.alias.lower() for node in tree.find_all(exp.Alias)}
    own |= {name.lower() for node in tree.find_all(exp.TableAlias) for name in _columns_of(node)}
    columns = (column.name for column in tree.find_all(exp.Column))
    return tuple(name for name in dict.fromkeys(columns) if name.lower() not in own)


def _columns_of(alias: exp.TableAlias) -> list[str]:
    return [column.name for column in alias.args.get("columns") or ()]


def _hidden_column(written: Collection[str], read: Collection[Filter]) -> Failure | None:
    """Say that a column may not be read; the engine would say that it does not exist."""
    shown = {name.lower() for one in read for name in one.columns}
    every = {column.name.lower() for one in read for column in one.table.columns}
    for name in written:
        if name.lower() in every - shown:
            return _refused(f"there is no column {name!r} that may be read")
    return None


def _unclear(tree: exp.Expr, may: Access) -> Failure | None:
    """Refuse what would read a table unseen, or replace one that a condition reads."""
    for node in tree.walk():
        if isinstance(node, exp.In) and may.dialect in {"sqlite", ""}:
            field = node.args.get("field")
            if isinstance(field, exp.Column):  # SQLite: the name of a table
                return _refused(f"write IN (SELECT … FROM {field.name}) instead of IN {field.name}")
        if isinstance(node, exp.CTE) and node.alias.lower() in may.reserved:
            return _refused(f"WITH may not define {node.alias!r}, which permissions refer to")
        if isinstance(node, exp.TableAlias) and node.name.lower() in {_SCAN, _VIEW}:
            return _refused(f"the name {node.name!r} is taken")
    return None


def _catalogued(tree: exp.Expr, may: Access, functions: Collection[str]) -> Failure | None:
    """Refuse types, and fields that may be types or calls, which show what is hidden."""
    vouched = {name.lower() for name in functions}
    for node in tree.walk():
        if isinstance(node, exp.DataType):
            reason = hidden_type(node, may.dialect, may.types)
            if reason:
                return _refused(reason)
        elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
            name = node.expression.name
            known = name.lower() in vouched or is_known_field(node)
            inside = isinstance(node.parent, exp.DataType)
            if may.dialect == "postgres" and not inside and not known:
                return _refused(f"the field {name!r} may be a type that shows what is hidden")
    return None


def _found(scan: exp.Table, may: Access) -> Filter | Failure | None:
    """The filter of a scanned table; None for what is no table."""
    if scan.name.lower() == "dual" and not scan.db and may.dialect in {"mysql", "oracle"}:
        return None
    shown = f"{scan.db}.{scan.name}" if scan.db else scan.name
    if scan.catalog and scan.catalog.lower() != may.schema.name.lower():
        return _refused(f"the database {scan.catalog!r} is not the one that may be read")
    try:
        found = may.find(scan.db, _name(scan, may.dialect))
    except LookupError:
        return _refused(f"the name {shown!r} fits several tables: name its schema too")
    return found or _refused(f"there is no table {shown!r} that may be read")


def _replaced(tree: exp.Expr, scan: exp.Table, one: Filter, may: Access) -> exp.Expr:
    """Put the filtered table into the place of `scan`; return the tree, which may be new."""
    alias = scan.args.get("alias") or exp.TableAlias()
    alias = alias.copy()
    if alias.args.get("this") is None:
        alias.set("this", scan.this.copy())
    if one.is_open:
        _pin(scan, one, may)
        scan.set("alias", alias)
        return tree
    source = scan.copy()
    for name in ("alias", *_OUTSIDE):
        source.set(name, None)
    query = _filtered(source, one, may)
    outside = {name: scan.args[name] for name in _OUTSIDE if scan.args.get(name)}
    subquery = exp.Subquery(this=query, alias=alias, **outside)
    if scan is tree:
        return subquery
    scan.replace(subquery)
    return tree


def _pin(scan: exp.Table, one: Filter, may: Access) -> None:
    """Name the table so that the engine cannot take another one for it."""
    scan.set("this", exp.to_identifier(one.table.bare_name, quoted=True))
    main = "main" if may.dialect in {"sqlite", "duckdb"} else ""
    own = may.schema.namespace if may.dialect in {"postgres", "mysql"} else main
    schema = one.table.schema or own
    if schema:
        scan.set("db", exp.to_identifier(schema, quoted=True))


def _filtered(source: exp.Table, one: Filter, may: Access) -> exp.Select:
    """The query that reads `source` as far as it may be read."""
    if one.inside is not None:
        select = _through_view(one, may)
    else:
        _pin(source, one, may)
        source.set("alias", exp.TableAlias(this=exp.to_identifier(_SCAN)))
        select = exp.Select().from_(source)
    for name in one.columns:
        mask = one.masks.get(name)
        shown = exp.column(name, _SCAN, quoted=True) if mask is None else _of_scan(mask, one)
        select = select.select(exp.alias_(shown, name, quoted=True), copy=False)
    for condition in one.rows:
        select = select.where(_of_scan(condition, one), copy=False)
    return select


def _through_view(one: Filter, may: Access) -> exp.Select:
    """The beginning of a query over a view's definition, restricted where it reads tables."""
    assert one.inside is not None
    tree = one.inside.copy()
    for scan in scans(tree, may.dialect):
        found = _inside(scan, may)
        if found is not None:
            tree = _replaced(tree, scan, found, may)
    names = [exp.to_identifier(column.name, quoted=True) for column in one.table.columns]
    cte = exp.CTE(this=tree, alias=exp.TableAlias(this=exp.to_identifier(_VIEW), columns=names))
    source = exp.Table(
        this=exp.to_identifier(_VIEW), alias=exp.TableAlias(this=exp.to_identifier(_SCAN))
    )
    select = exp.Select().from_(source)
    select.set("with_", exp.With(expressions=[cte]))
    return select


def _inside(scan: exp.Table, may: Access) -> Filter | None:
    """The filter of a table that a view reads; which ones it reads was looked at before."""
    is_dual = scan.name.lower() == "dual"
    return None if is_dual else may.find(scan.db, _name(scan, may.dialect))


def _name(scan: exp.Table, dialect: str) -> str:
    """The name that the engine looks for: PostgreSQL folds what is not quoted."""
    quoted = bool(scan.this.args.get("quoted"))
    return scan.name.lower() if dialect == "postgres" and not quoted else scan.name


def _of_scan(rule: exp.Expr, one: Filter) -> exp.Expr:
    """A condition or mask with its columns bound to the scanned table and to nothing else."""
    names = {c.name.lower(): c.name for c in one.table.columns}
    called = {one.table.bare_name.lower(), ""}
    rule = rule.copy()
    for column in list(rule.find_all(exp.Column)):
        inner = column.find_ancestor(exp.Select)
        if column.table.lower() not in called or (inner is not None and not column.table):
            continue  # of a table that the rule reads itself
        if column.name.lower() in names:
            exact = exp.column(names[column.name.lower()], _SCAN, quoted=True)
            column.replace(exact)
    return rule


def _drop_qualifiers(tree: exp.Expr, qualifiers: Collection[tuple[str, str]]) -> None:
    """`sales.orders.id` becomes `orders.id`: the filtered table is called that."""
    for column in tree.find_all(exp.Column):
        schema = column.args.get("db")
        if schema is not None and (schema.name.lower(), column.table.lower()) in qualifiers:
            column.set("db", None)
            column.set("catalog", None)


def _refused(reason: str) -> Failure:
    return Failure(kind="refused", message=f"Refused: {reason}.")
