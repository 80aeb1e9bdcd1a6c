"""Get to know a database: read every table once, keep profiles and an index of its values.

A survey reads only what is new: a table whose columns and stamp are those of the last survey is
left alone. It can be stopped at any moment; finished tables are kept, and the next survey goes
on with the rest. What it reads is what the given schema shows, so columns that a person may not
see stay unread.

What is not covered: views (their tables are read), and tables that change while they are read:
they are read again the next time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from quorumsql.db.pages import stamp_of
from quorumsql.db.profile import profile_table
from quorumsql.domain import Schema, Table
from quorumsql.errors import DatabaseError, UsageError
from quorumsql.ports import Database, ValueIndex
from quorumsql.profiles import TableProfile, foreign_columns, from_object, to_object
from quorumsql.stores.known import Known, Source, reading, remove, writing
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.stores.values_disk import DiskValueIndex
from quorumsql.stores.values_file import BlockWriter, seal

__all__ = [
    "Report",
    "Watcher",
    "file_stamp",
    "known_profiles",
    "open_index",
    "survey",
    "value_index",
]

FILE: Final = "known.sqlite"
"""Name of the file in the database's folder."""

_COMMIT_EVERY: Final = 50_000
_FEW_COLUMNS: Final = 400
_DAY: Final = 86_400.0


@dataclass(slots=True)
class Watcher:
    """What is told while a survey goes on, for a progress bar."""

    on_table: Callable[[str, int, int], None] = field(default=lambda _name, _n, _of: None)
    on_rows: Callable[[int], None] = field(default=lambda _rows: None)
    on_seal: Callable[[int], None] = field(default=lambda _values: None)
    on_wait: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a survey did: tables read anew, left alone, not readable (with the reason), left over.

    `left` counts the tables for which there was no time.
    """

    read: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    left: int = 0
    values: int = 0
    seconds: float = 0.0


def survey(
    database: Database,
    folder: Path,
    *,
    stamp: str = "",
    private: Sequence[str] = (),
    rebuild: bool = False,
    seconds: float | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Bring what we know of `database` up to date.

    Args:
        database: read through its port.
        folder: where what we know of this database is kept.
        stamp: what tells that the database as a whole is as it was, where something does.
        private: patterns of `table.column` that are not read, e.g. `*.password`.
        rebuild: forget everything first.
        seconds: begin no further table after so long.
        watcher: hears of progress.

    Raises:
        UsageError: the folder cannot be written, or is full.
        DatabaseError: the database cannot be read at all.
    """
    watcher, path, started = watcher or Watcher(), folder / FILE, time.monotonic()
    schema = database.schema()
    tables = [_shown(table, private) for table in schema.tables if not table.is_view]
    tables = [table for table in tables if table.columns]
    shown = hashlib.sha256("\n".join(map(_shape, tables)).encode()).hexdigest()
    if stamp and not rebuild:
        values = _values_if_unchanged(path, stamp, shown)
        if values is not None:
            unchanged = tuple(table.name for table in tables)
            return Report(unchanged=unchanged, values=values)
    if rebuild:
        with writing(path, on_wait=watcher.on_wait):
            pass  # wait for whoever writes
        remove(path)
    with writing(path, on_wait=watcher.on_wait) as known:
        done = _Surveyor(database, schema, known, watcher)
        for number, table in enumerate(tables, start=1):
            if seconds is not None and time.monotonic() - started > seconds:
                done.left = len(tables) - number + 1
                break
            watcher.on_table(table.name, number, len(tables))
            done.visit(table)
        gone = {source.table for source in done.sources} - {table.name for table in tables}
        if done.read or gone or any(source.state != "ready" for source in done.sources):
            seal(known, on_values=watcher.on_seal)
            with known.transaction():
                known.publish(table.name for table in tables)
        if not done.left:
            with known.transaction():
                known.write_note("stamp", stamp)
                known.write_note("shown", shown)
                known.write_note("when", str(time.time()))
        values = sum(size for _, _, size in known.parts().values())
    return Report(
        read=tuple(done.read),
        unchanged=tuple(done.unchanged),
        failed=tuple(done.failed),
        left=done.left,
        values=values,
        seconds=round(time.monotonic() - started, 3),
    )


def _values_if_unchanged(path: Path, stamp: str, shown: str) -> int | None:
    """How many values are known, where neither the database nor what may be read changed."""
    known = reading(path)
    if known is None:
        return None
    with closing(known):
        if (known.note("stamp"), known.note("shown")) != (stamp, shown):
            return None
        return sum(size for _, _, size in known.parts().values())


class _Surveyor:
    """One survey on its way."""

    def __init__(self, database: Database, schema: Schema, known: Known, watcher: Watcher) -> None:
        self._database, self._schema, self._known = database, schema, known
        self._watcher = watcher
        self.sources: tuple[Source, ...] = known.sources()
        self._newest = {source.table: source for source in self.sources}
        self.read: list[str] = []
        self.unchanged: list[str] = []
        self.failed: list[tuple[str, str]] = []
        self.left = 0

    def visit(self, table: Table) -> None:
        """Read `table` if it is new or has changed."""
        shape, last = _shape(table), self._newest.get(table.name)
        try:
            stamp = stamp_of(self._database, table)
            if last is not None and stamp and (last.stamp, last.shape) == (stamp, shape):
                self.unchanged.append(table.name)
                return
            self._take_in(table, shape, stamp)
            self.read.append(table.name)
        except DatabaseError as error:
            self.failed.append((table.name, str(error)))
            with self._known.transaction():
                self._known.drop_unfinished()

    def _take_in(self, table: Table, shape: str, stamp: str) -> None:
        known = self._known
        run = known.connection.execute
        run("BEGIN IMMEDIATE")
        try:
            source, parts = known.begin(table.name, shape, [c.name for c in table.columns])
            writers = {
                column.name: BlockWriter(known, part)
                for column, part in zip(table.columns, parts, strict=True)
            }
            waiting = 0

            def keep(column: str, texts: Sequence[str]) -> None:
                nonlocal waiting
                writers[column].add(texts)
                waiting += len(texts)
                if waiting > _COMMIT_EVERY:
                    run("COMMIT")
                    run("BEGIN IMMEDIATE")
                    waiting = 0

            referring = foreign_columns(table, self._schema.foreign_keys)
            profile = profile_table(
                self._database,
                table,
                referring=referring,
                on_texts=keep,
                on_rows=self._watcher.on_rows,
            )
            for writer in writers.values():
                writer.close()
            sizes = {
                part: writers[c.name].size for c, part in zip(table.columns, parts, strict=True)
            }
            known.finish(source, stamp=stamp, profile=to_object(profile), sizes=sizes)
            run("COMMIT")
        except BaseException:
            if known.connection.in_transaction:
                run("ROLLBACK")
            raise


def open_index(
    folder: Path, schema: Schema, *, stamp: str | None = None, faint: bool = True
) -> DiskValueIndex | None:
    """Open the index in `folder`; columns that `schema` does not show give no hits.

    Returns:
        None when there is none, or when a `stamp` is given and the index is older than that, not
        complete, or, where the stamp is empty, of another day.
    """
    known = reading(folder / FILE)
    if known is None:
        return None
    if stamp is not None and not _is_fresh(known, stamp):
        known.close()
        return None
    shown = {(table.name, column.name) for table in schema.tables for column in table.columns}
    every = {(table, column) for table, column, _ in known.parts().values()}
    return DiskValueIndex(known, hidden=every - shown, faint=faint)


def value_index(
    database: Database,
    folder: Path | None,
    *,
    stamp: str = "",
    private: Sequence[str] = (),
    seconds: float = 20.0,
) -> ValueIndex:
    """Return the index that fits the database: in memory where all of it fits, else on disk.

    An index on disk that is missing or out of date is brought up to date first, for so many
    seconds; what that leaves is done by the next call, or by `quorum index`.
    """
    schema = database.schema()
    memory: MemoryValueIndex | None = None
    if folder is None or sum(len(table.columns) for table in schema.tables) <= _FEW_COLUMNS:
        memory = _in_memory(database, schema)
        if folder is None or memory.complete:
            return memory
    try:
        found = open_index(folder, schema, stamp=stamp, faint=False)
        if found is None:
            survey(database, folder, stamp=stamp, private=private, seconds=seconds)
            found = open_index(folder, schema, faint=False)
    except UsageError:  # our folder cannot be used; answers need not wait for that
        found = None
    return found or memory or _in_memory(database, schema)


def _in_memory(database: Database, schema: Schema) -> MemoryValueIndex:
    """An index that looks up typing errors, too; whoever only keeps values loads no vocabulary."""
    from quorumsql.neural.spelling import words_known

    return MemoryValueIndex.build(database, schema, is_known=words_known(schema))


def _is_fresh(known: Known, stamp: str) -> bool:
    if stamp:
        return known.note("stamp") == stamp
    when = known.note("when")
    return bool(when) and time.time() - float(when) < _DAY


def known_profiles(folder: Path) -> tuple[TableProfile, ...]:
    """Return the profiles in `folder`, by table name; none when there was no survey."""
    known = reading(folder / FILE)
    if known is None:
        return ()
    try:
        found = known.profiles()
    finally:
        known.close()
    return tuple(from_object(found[table]) for table in sorted(found))


def file_stamp(url: str) -> str:
    """Return what changes whenever the file behind `url` is written; empty for a server."""
    _, mark, rest = url.partition("://")
    path = Path(rest.partition("?")[0][1:] if mark else url).expanduser()
    if mark and not rest.startswith("/"):
        return ""
    parts: list[str] = []
    with suppress(OSError, ValueError):
        for file in (path, Path(f"{path}-wal")):
            if file.is_file():
                found = file.stat()
                parts.append(f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}")
    return "|".join(parts)


def _shown(table: Table, private: Iterable[str]) -> Table:
    patterns = [pattern.lower() for pattern in private]
    kept = tuple(
        column
        for column in table.columns
        if not any(fnmatchcase(f"{table.name}.{column.name}".lower(), p) for p in patterns)
    )
    return replace(table, columns=kept)


def _shape(table: Table) -> str:
    text = f"{table.name}\n" + "\n".join(
        f"{c.name}\t{c.type}\t{c.kind}\t{c.primary_key}" for c in table.columns
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]
