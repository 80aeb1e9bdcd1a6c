"""A record of every statement that reached a database: JSON lines, only ever added to.

    {"at": "2026-11-23T04:00:00.123Z", "event": "statement", "id": "4f…", "who": "ana",
     "database": "shop", "sql": "SELECT COUNT(*) FROM orders WHERE city = ?"}
    {"at": …, "event": "outcome", "id": "4f…", "who": "ana", "status": "ok", "rows": 1, "ms": 3.1}

A statement is written before it runs and its outcome after; an outcome that is missing means that
the process died in between. `status` is ok, error, timeout, refused, cap or interrupted; `reason`
says why. Values are replaced by `?` unless the log is told to keep them. Several processes may
write to one log: a lock file orders them, also while one renames a full log.

What is not covered: somebody who may write to the user's files; whoever needs a record that its
writer cannot change forwards the lines elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from quorumsql.disk import append, locked
from quorumsql.domain import Execution, Failure, Rows
from quorumsql.errors import UsageError
from quorumsql.guard.redact import redact, redact_message

__all__ = ["AuditLog"]

_NAME: Final = "audit.jsonl"


class AuditLog:
    """The record of one database, in a folder of ours. Safe for threads and processes."""

    def __init__(
        self,
        folder: Path,
        *,
        who: str | Callable[[], str],
        database: str,
        dialect: str,
        values: bool = False,
        bytes: int = 16 * 1024 * 1024,
        files: int = 20,
    ) -> None:
        """Make the folder.

        Args:
            folder: where the log lies.
            who: on whose behalf statements run, or who tells whenever one does.
            database: its name, for people.
            dialect: sqlglot's name of its SQL.
            values: keep values instead of replacing them by `?`.
            bytes: a log of this size is put aside under the time and a new one begun.
            files: keep this many that were put aside; the oldest goes first.

        Raises:
            UsageError: nothing can be written there.
        """
        self._folder = folder
        self._who = who
        self._database = database
        self._dialect = dialect
        self._values = values
        self._bytes = bytes
        self._files = files
        with self._explained():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(folder / _NAME):
                pass  # shows now, not at the first statement, that nothing can be written

    def began(self, sql: str, *, names: Collection[str] = ()) -> str:
        """Record a statement before it runs; return its id.

        Raises:
            UsageError: it cannot be written.
        """
        statement = secrets.token_hex(8)
        comment = sql.startswith("--") and "\n" not in sql
        kept = self._values or comment
        text = sql if kept else redact(sql, self._dialect, names=names)
        self._write("statement", statement, database=self._database, sql=text)
        return statement

    def ended(self, statement: str, execution: Execution | None, *, seconds: float) -> None:
        """Record what came of a statement; None when it was interrupted.

        Raises:
            UsageError: it cannot be written.
        """
        outcome: dict[str, Any] = {"status": "interrupted"}
        match execution:
            case Rows(rows=rows, truncated=truncated):
                outcome = {"status": "ok", "rows": len(rows)}
                if truncated:
                    outcome["truncated"] = True
            case Failure(kind=kind, message=message):
                reason = message if self._values else redact_message(message)
                outcome = {"status": kind, "reason": reason}
        self._write("outcome", statement, **outcome, ms=round(seconds * 1000, 2))

    def _write(self, event: str, statement: str, **fields: Any) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        who = self._who if isinstance(self._who, str) else self._who()
        record = {"at": at, "event": event, "id": statement, "who": who, **fields}
        line = json.dumps(record, ensure_ascii=False) + "\n"
        path = self._folder / _NAME
        with self._explained(), locked(path):
            if _size(path) >= self._bytes:
                self._put_aside(path)
            append(path, line.encode("utf-8", "replace"), mode=0o600)

    def _put_aside(self, path: Path) -> None:
        """Give the full log a name that sorts by time, and delete the oldest beyond `files`."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path.rename(self._folder / f"audit-{stamp}.jsonl")
        aside = sorted(self._folder.glob("audit-*.jsonl"))
        for old in aside[: max(0, len(aside) - self._files)]:
            old.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"The audit log in {self._folder} cannot be written ({error.strerror or error}), "
                "and nothing runs unrecorded: make room or point QUORUM_HOME elsewhere, or switch "
                "the log off with audit.enabled = false in the configuration."
            ) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
