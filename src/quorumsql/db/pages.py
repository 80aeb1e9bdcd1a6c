"""Read whole tables in pages, and tell cheaply whether a table has changed.

Everything goes through the port, so that guard, permissions, deadlines and audit hold here as
for any statement, on every engine. Long texts are cut by the engine, binary values never leave
it. A page starts after the last key of the one before where a single whole-number key orders
the table, and is counted off otherwise.

What is not covered: rows that are written while a table without such a key is read may be
seen twice or not at all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from quorumsql.domain import Column, Execution, Failure, Limits, Row, Rows, Table
from quorumsql.errors import DatabaseError
from quorumsql.ports import Database
from quorumsql.sql import quote, quote_table

__all__ = ["CUT", "pages", "stamp_of"]

CUT: Final = 200
"""Characters of a text that are read."""

_CELLS: Final = 200_000
_MOST_ROWS: Final = 20_000
_SECONDS: Final = 600.0
_BYTES: Final = 64 * 1024 * 1024
_FEWER: Final = 8  # so many times smaller is the next try where a page cannot be read

_FEW_ROWS: Final = 2_000
_STAMPED: Final = 200

_SHORT_TEXT: Final = re.compile(r"CHAR.*\((\d+)\)")
_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sqlite": "CASE typeof({0}) WHEN 'text' THEN substr({0}, 1, 200) "
        "WHEN 'blob' THEN NULL ELSE {0} END",
        "mysql": "SUBSTRING({0}, 1, 200)",
        "": "SUBSTRING(CAST({0} AS VARCHAR), 1, 200)",
    }
)
_SUMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "sqlite": (
            *("total({0})", "max({0})", "total(length({0}))", "total(unicode({0}))"),
            *("total(unicode(substr({0}, 2)))", "total(unicode(substr({0}, -1)))"),
        ),
        "postgres": ("SUM(('x' || SUBSTR(MD5(CAST({0} AS TEXT)), 1, 7))::BIT(28)::INT)",),
        "mysql": ("SUM(CRC32({0}))",),
        "duckdb": ("SUM(HASH({0}))",),
        "": ("COUNT({0})", "MIN({0})", "MAX({0})"),
    }
)


def pages(database: Database, table: Table, columns: Sequence[Column]) -> Iterator[tuple[Row, ...]]:
    """Yield the rows of `table`, cells in the order of `columns`, some thousand at a time.

    Cells that are too large to be read at all come as None; the cells around them come whole.

    Raises:
        DatabaseError: the table cannot be read, for example because it was dropped.
    """
    reader = _PageReader(database, table, columns)
    key = _key(table)
    last: int | None = None
    done = 0
    while True:
        if key is None:
            rows, more = reader.page(offset=done)
        else:
            name = quote(key.name, database.dialect)
            after = "" if last is None else f"WHERE {name} > {last} "
            rows, more = reader.page(f"{after}ORDER BY {name}", first=name)
            if rows:
                last = _whole(rows[-1][0], table)
                rows = tuple(row[1:] for row in rows)
        done += len(rows)
        if rows:
            yield rows
        if not more:
            return


class _PageReader:
    """Reads one page after the other; texts are cut by the engine from the first too large one.

    Where even that is too much, as for a cell that the engine refuses to look at, pages get smaller
    until only the row that holds it is left, and larger again behind it.
    """

    def __init__(self, database: Database, table: Table, columns: Sequence[Column]) -> None:
        self._database, self._table, self._columns = database, table, columns
        self._most = max(50, min(_MOST_ROWS, _CELLS // max(len(columns), 1)))
        self._now = self._most
        self._limits = Limits(seconds=_SECONDS, rows=self._most, bytes=_BYTES)
        self._cut = False

    def page(
        self, order: str = "", *, first: str = "", offset: int = 0
    ) -> tuple[tuple[Row, ...], bool]:
        """Return the rows of one page, and whether there may be more.

        Args:
            order: SQL that says after which row and in which order.
            first: an expression that every row begins with.
            offset: how many rows are left out.
        """
        while True:
            end = f"{order} LIMIT {self._now}" + (f" OFFSET {offset}" if offset else "")
            found = self._try(end, first, self._columns)
            if not isinstance(found, Failure) or not _is_too_large(found):
                break
            if not self._cut:
                self._cut = True
            elif self._now > 1:
                self._now = max(self._now // _FEWER, 1)
            else:
                hidden = {c for c in self._columns if self._is_too_large(end, c)}
                found = self._try(end, first, self._columns, hidden)
                break
        if isinstance(found, Failure):
            message = f"The table {self._table.name!r} cannot be read: {found.message}"
            raise DatabaseError(message)
        more = found.truncated or len(found.rows) >= self._now
        self._now = min(self._now * _FEWER, self._most)
        return found.rows, more

    def _is_too_large(self, end: str, column: Column) -> bool:
        found = self._try(end, "", [column])
        return isinstance(found, Failure) and _is_too_large(found)

    def _try(
        self, end: str, first: str, columns: Sequence[Column], hidden: Collection[Column] = ()
    ) -> Execution:
        dialect = self._database.dialect
        cells = [_cell(c, dialect, cut=self._cut) if c not in hidden else "NULL" for c in columns]
        every = ", ".join([first, *cells] if first else cells)
        sql = f"SELECT {every} FROM {quote_table(self._table, dialect)} {end}"
        return self._database.execute(sql, limits=self._limits)


def _is_too_large(failure: Failure) -> bool:
    return failure.kind == "cap"


def stamp_of(database: Database, table: Table) -> str:
    """Return a text that changes when the values of `table` do; empty where none can be had.

    Small tables are read; of others, the engine makes sums and extremes in one scan, which is
    much less than reading them. SQLite has no hash: there, a change that keeps all lengths,
    first, second and last letters and the greatest value goes unseen.
    """
    dialect, source = database.dialect, quote_table(table, database.dialect)
    counted = [c for c in table.columns if c.kind != "other"][:_STAMPED]
    names = [quote(column.name, dialect) for column in counted]
    limits = Limits(seconds=_SECONDS, rows=_FEW_ROWS + 1, bytes=_BYTES)
    few = database.execute(f"SELECT {', '.join(names) or '1'} FROM {source}", limits=limits)
    if isinstance(few, Rows) and not few.truncated and len(few.rows) <= _FEW_ROWS:
        return _digest(repr(few.rows))
    once = Limits(seconds=_SECONDS, rows=2, bytes=_BYTES)
    for patterns in dict.fromkeys((_SUMS.get(dialect, _SUMS[""]), _SUMS[""])):
        sums = [pattern.format(name) for name in names for pattern in patterns]
        sql = f"SELECT {', '.join(['COUNT(*)', *sums])} FROM {source}"
        found = database.execute(sql, limits=once)
        if isinstance(found, Rows) and found.rows:
            return _digest("|".join(str(value) for value in found.rows[0]))
    return ""


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _cell(column: Column, dialect: str, *, cut: bool) -> str:
    name = quote(column.name, dialect)
    if column.kind == "other" and dialect == "sqlite":  # which has to read what it compares
        return f"CASE typeof({name}) WHEN 'null' THEN NULL ELSE 1 END"
    if column.kind == "other":
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE 1 END"
    if cut or (column.kind == "text" and dialect != "sqlite" and not _is_short(column)):
        return _TEXTS.get(dialect, _TEXTS[""]).format(name)
    return name


def _is_short(column: Column) -> bool:
    """Whether the declared type promises texts that need not be cut."""
    found = _SHORT_TEXT.search(column.type.upper())
    return found is not None and int(found[1]) <= CUT


def _key(table: Table) -> Column | None:
    """The single whole-number key, if there is one."""
    keys = [column for column in table.columns if column.primary_key]
    if len(keys) == 1 and keys[0].kind == "number" and "INT" in keys[0].type.upper():
        return keys[0]
    return None


def _whole(value: object, table: Table) -> int:
    if not isinstance(value, int):
        raise DatabaseError(f"A key of the table {table.name!r} is no whole number.")
    return value
