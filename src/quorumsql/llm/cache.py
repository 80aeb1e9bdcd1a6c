"""Completions that were paid for once: a SQLite file that several processes share.

Under a hash of the request (which includes model, service and number of the sample) lies the reply;
the prompt itself is not kept. The least recently used go when the file would grow too large. A
cache that cannot be read or written is passed over: it must never cost an answer.

What is not covered: knowing that data have changed. The request holds what the model sees of them;
who needs fresh samples of the same request switches the cache off.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from quorumsql.domain import Completion, ModelRequest
from quorumsql.llm.keys import completion_from, completion_record, key_of
from quorumsql.ports import LanguageModel

__all__ = ["Cached", "CompletionCache"]

_TABLES = """
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY, reply TEXT NOT NULL, size INTEGER NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_use ON completions (used);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS kept AFTER INSERT ON completions
    BEGIN UPDATE total SET bytes = bytes + new.size; END;
CREATE TRIGGER IF NOT EXISTS dropped AFTER DELETE ON completions
    BEGIN UPDATE total SET bytes = bytes - old.size; END;
"""
_FULL, _AFTER = 1.0, 0.8
_PER_ENTRY = 120


class CompletionCache:
    """Replies by key, at most `max_bytes` of them."""

    def __init__(self, path: Path, *, max_bytes: int = 256 * 1024 * 1024) -> None:
        """Take the file's place; it is made when first needed."""
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def get(self, keys: Sequence[str]) -> tuple[Completion | None, ...]:
        """Return the replies that are kept, None for those that are not."""
        with self._lock:
            try:
                found = dict(self._rows(keys))
            except (sqlite3.Error, OSError):
                self._start_over()
                return (None,) * len(keys)
        return tuple(_completion(found.get(key)) for key in keys)

    def put(self, key: str, completion: Completion) -> None:
        """Keep a reply, making room where there is none."""
        text = json.dumps(completion_record(completion), ensure_ascii=False)
        size = len(text.encode("utf-8", "surrogatepass")) + _PER_ENTRY
        if size > self._max_bytes:
            return
        with self._lock, suppress(sqlite3.Error, OSError, UnicodeEncodeError):
            connection = self._open()
            with connection:
                connection.execute(
                    "INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?)",
                    (key, text, size, time.time()),
                )
                self._make_room(connection)

    def close(self) -> None:
        """Give back the file; safe to call twice."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _rows(self, keys: Sequence[str]) -> list[tuple[str, str]]:
        connection = self._open()
        marks = ", ".join("?" * len(keys))
        rows = connection.execute(
            f"SELECT key, reply FROM completions WHERE key IN ({marks})", tuple(keys)
        ).fetchall()
        if rows:
            with suppress(sqlite3.OperationalError), connection:  # busy: then it looks unused
                connection.execute(
                    f"UPDATE completions SET used = ? WHERE key IN ({marks})",
                    (time.time(), *keys),
                )
        return rows

    def _make_room(self, connection: sqlite3.Connection) -> None:
        (total,) = connection.execute("SELECT bytes FROM total").fetchone()
        if total <= _FULL * self._max_bytes:
            return
        excess = total - _AFTER * self._max_bytes
        oldest = connection.execute("SELECT key, size FROM completions ORDER BY used").fetchall()
        for key, size in oldest:
            if excess <= 0:
                break
            connection.execute("DELETE FROM completions WHERE key = ?", (key,))
            excess -= size

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.executescript(_TABLES)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _start_over(self) -> None:
        """Forget the connection; remove a file that is no database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        with suppress(OSError):
            with self._path.open("rb") as file:
                begin = file.read(16)
            if begin and not begin.startswith(b"SQLite format 3"):
                self._path.unlink()


class Cached:
    """A model that asks only for what the cache does not hold; what it holds costs nothing."""

    def __init__(self, model: LanguageModel, cache: CompletionCache, *, place: str = "") -> None:
        """Take a model and the cache; `place` tells apart services with models of one name."""
        self._model, self._cache, self._place = model, cache, place

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        """Return `samples` replies, the kept ones first."""
        keys = [key_of(f"{self._place} {self.name}", request, n) for n in range(samples)]
        found = self._cache.get(keys)
        kept = tuple(one for one in found if one is not None)
        missing = [key for key, one in zip(keys, found, strict=True) if one is None]
        if not missing:
            return kept
        fresh = self._model.complete(request, samples=len(missing), seconds=seconds)
        for key, completion in zip(missing, fresh, strict=False):
            if completion.finish not in {"length", "content_filter"} and completion.text.strip():
                self._cache.put(key, completion)
        return (*kept, *fresh)


def _completion(text: str | None) -> Completion | None:
    if text is None:
        return None
    try:
        return completion_from(json.loads(text), spent=False)
    except (ValueError, KeyError, TypeError):
        return None
