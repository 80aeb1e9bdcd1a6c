"""Read from one SQLite connection that can do nothing else, within a budget.

A connection is made harmless in this order: read-only file, no extension loading, limits on
lengths, `trusted_schema` off and `query_only` on, virtual tables connected, and last the
authorizer, which then refuses even PRAGMA. A budget stops a statement by wall time, by steps
of SQLite's virtual machine, or because somebody cancelled it.

Nothing can interrupt one call of a built-in function, and many long values take memory. The limit
on the length of a value bounds both. It is set for each statement (`sqlite_program`).

While SQLite compiles a statement, nothing interrupts it before version 3.41 but the authorizer,
which it asks about each name: when the budget is spent, that refuses. A program has a longest
length, too. What a statement can grow to on its way there is for `guard.expansion`.

What is not covered: the time and memory between two questions to the authorizer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from quorumsql.db.budget import STEPS_PER_TICK, Budget
from quorumsql.db.sqlite_bounded import bound_functions
from quorumsql.db.sqlite_file import FileState, uri_of
from quorumsql.db.sqlite_printf import bound_printf, calls_printf
from quorumsql.db.sqlite_program import UNKNOWN, Program, longest, read_program
from quorumsql.db.sqlite_watch import watched

__all__ = ["Budget", "Reader", "connect"]

_ALLOWED: Final = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)
_DENIED_FUNCTIONS: Final = frozenset(
    {"edit", "fsdir", "fts3_tokenizer", "fts5_decode", "load_extension", "lsmode", "readfile"}
    | {"regexp", "sqlar_uncompress", "sqlite_log", "writefile", "zipfile"}
)
"""Built-in or commonly compiled-in functions that reach files, code or the log."""

_LONGEST_PROGRAM: Final = 400_000
"""Instructions; a list of 40,000 numbers makes 100,000. Longer ones do not fit into memory, says
SQLite, after some seconds."""

_ACTIONS: Final = {
    getattr(sqlite3, f"SQLITE_{name}"): name.replace("_", " ")
    for name in (
        *("ALTER_TABLE", "ANALYZE", "ATTACH", "CREATE_INDEX", "CREATE_TABLE", "CREATE_TEMP_INDEX"),
        *("CREATE_TEMP_TABLE", "CREATE_TEMP_TRIGGER", "CREATE_TEMP_VIEW", "CREATE_TRIGGER"),
        *("CREATE_VIEW", "CREATE_VTABLE", "DELETE", "DETACH", "DROP_INDEX", "DROP_TABLE"),
        *("DROP_TEMP_INDEX", "DROP_TEMP_TABLE", "DROP_TEMP_TRIGGER", "DROP_TEMP_VIEW"),
        *("DROP_TRIGGER", "DROP_VIEW", "DROP_VTABLE", "INSERT", "PRAGMA", "REINDEX"),
        *("SAVEPOINT", "TRANSACTION", "UPDATE"),
    )
}


def connect(path: Path, state: FileState) -> sqlite3.Connection:
    """Open `path` for reading in the way of `state`, before any authorizer.

    Text that is not UTF-8 comes with replacement characters instead of failing.
    """
    connection = sqlite3.connect(
        uri_of(path, state), uri=True, timeout=0, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    if state.way == "alone":
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the WAL's index stays in memory
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA query_only = ON")
    return connection


class Reader:
    """A connection behind the authorizer. One statement at a time."""

    def __init__(self, path: Path, state: FileState) -> None:
        self.state = state
        self.refused = ""
        """What the authorizer refused in the last statement, in words."""
        self.longest = 0
        """How many bytes a value could have in the last statement."""
        self.could_be_longer = False
        """Whether they could have more if the statement ran `bounded`."""
        self._budget: Budget | None = None
        self._path = path
        self._connection = self._restricted()
        self._formatting: sqlite3.Connection | None = None
        self._bounded: sqlite3.Connection | None = None

    @contextmanager
    def reading(
        self, sql: str, budget: Budget, *, bounded: bool = False
    ) -> Iterator[sqlite3.Cursor]:
        """Run one statement; iterate over the cursor for its rows.

        Args:
            sql: the statement.
            budget: stops it.
            bounded: with functions that are slow, but take values of any length.

        Raises:
            sqlite3.Error: the statement, or the database, is bad.
        """
        self.refused = ""
        self._budget = budget
        connection = self._bounding() if bounded else self._usual(sql)
        most = budget.limits.bytes
        # Until it runs, nothing is computed, and the catalogue's long statements may be read.
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest(Program(), most, bounded=bounded))
        connection.set_progress_handler(budget.spent, STEPS_PER_TICK)
        program = _program(connection, sql)
        self.longest = longest(program, most, bounded=bounded)
        self.could_be_longer = self.longest < longest(program, most, bounded=True)
        self.refused = ""
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.longest)
        with watched(connection, budget), closing(connection.execute(sql)) as cursor:
            yield cursor

    def close(self) -> None:
        """Close the connection."""
        for connection in (self._connection, self._formatting, self._bounded):
            if connection is not None:
                connection.close()

    def _usual(self, sql: str) -> sqlite3.Connection:
        if not calls_printf(sql):
            return self._connection
        self._formatting = self._formatting or self._restricted(bound_printf)
        return self._formatting

    def _bounding(self) -> sqlite3.Connection:
        self._bounded = self._bounded or self._restricted(bound_printf, bound_functions)
        return self._bounded

    def _restricted(self, *replace: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
        connection = connect(self._path, self.state)
        try:
            self._restrict(connection)
            for functions in replace:
                functions(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _restrict(self, connection: sqlite3.Connection) -> None:
        for limit, value in (
            (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
            (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1_000_000),
            (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
            (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
            (sqlite3.SQLITE_LIMIT_VDBE_OP, _LONGEST_PROGRAM),
        ):
            connection.setlimit(limit, value)
        _connect_virtual_tables(connection)
        connection.set_authorizer(self._authorize)

    def _authorize(
        self, action: int, first: str | None, second: str | None, _db: str | None, _by: str | None
    ) -> int:
        if self._budget is not None and self._budget.is_over():
            self.refused = "going on after the end"
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _DENIED_FUNCTIONS:
            self.refused = f"the function {second}"
            return sqlite3.SQLITE_DENY
        if action in _ALLOWED:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and first == "data_version" and second is None:
            return sqlite3.SQLITE_OK  # full-text search asks for it by itself
        self.refused = self.refused or _ACTIONS.get(action, f"action {action}")
        return sqlite3.SQLITE_DENY


def _program(connection: sqlite3.Connection, sql: str) -> Program:
    """Ask SQLite what it makes of `sql`; what is wrong with that is left to running it.

    Raises:
        sqlite3.Error: it was refused or interrupted, which may be the only time that this is told.
    """
    try:
        with closing(connection.execute(f"EXPLAIN {sql}")) as lines:
            return read_program(lines)
    except sqlite3.Warning:  # several statements
        return UNKNOWN
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code in {sqlite3.SQLITE_AUTH, sqlite3.SQLITE_INTERRUPT}:
            raise
        return UNKNOWN


def _virtual_tables(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the quoted names of the virtual tables that the database declares."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL %'"
    )
    return tuple('"' + str(name).replace('"', '""') + '"' for (name,) in found)


def _connect_virtual_tables(connection: sqlite3.Connection) -> None:
    """Make SQLite set up virtual tables now; later the authorizer would refuse it to."""
    for name in (*_virtual_tables(connection), "json_each('[]')", "json_tree('[]')"):
        try:
            connection.execute(f"SELECT 1 FROM {name} LIMIT 0").close()
        except sqlite3.DatabaseError:
            continue  # damaged, or its module is not loaded: reading it fails, and says so


ALLOWED: Final = _ALLOWED
"""All that reading takes. `evals.score_sqlite` has the same fence, made of these two sets."""
DENIED_FUNCTIONS: Final = _DENIED_FUNCTIONS
