"""What one person asked of one database: questions and SQL, never rows.

    {"id": "…", "at": "2026-11-23T04:00:00Z", "question": "…", "sql": "…", "confidence": 0.9, …}
    {"id": "…", "saved": true}
    {"id": "…", "verdict": "right"}
    {"id": "…", "removed": true}

Lines are only added; a file that has grown long is written anew, half as long, with the newest
entries and every saved one. A damaged line is passed over.

What is not covered: entries of one person on several machines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from quorumsql.disk import locked, write_atomically
from quorumsql.errors import UnknownName, UsageError
from quorumsql.stores.records import add_records, read_records

__all__ = ["Asked", "History", "now"]

_KEPT: Final = 500
_LONGEST_FILE: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question or statement. `verdict` is "right", "wrong" or None.

    `confidence` is what was shown, `shipped` what it was before verdicts on the database moved it.
    `votes` is the share of each generator's vote that was for the answer.
    """

    id: str
    at: str
    question: str
    sql: str | None
    confidence: float | None = None
    abstained: bool = False
    row_count: int = 0
    saved: bool = False
    verdict: str | None = None
    shipped: float | None = None
    votes: Mapping[str, float] = field(default_factory=dict)


class History:
    """The entries of one file, which need not exist yet. Safe for threads and processes."""

    def __init__(self, path: Path) -> None:
        """Take the file's place."""
        self._path = path

    def all(self) -> tuple[Asked, ...]:
        """Return the entries that were not removed, newest first.

        Raises:
            UsageError: the file cannot be read.
        """
        found: dict[str, Asked] = {}
        for record in self._records():
            name = record["id"]
            if "at" in record:
                with suppress(TypeError):  # something that every entry has is not there
                    found[name] = Asked(**{k: v for k, v in record.items() if k in _FIELDS})
            elif record.get("removed"):
                found.pop(name, None)
            elif name in found:
                marks = {k: record[k] for k in ("saved", "verdict") if k in record}
                found[name] = replace(found[name], **marks)
        return tuple(reversed(found.values()))

    def add(self, entry: Asked) -> None:
        """Keep one more entry.

        Raises:
            UsageError: the file cannot be written.
        """
        add_records(self._path, [asdict(entry)])
        try:
            if self._is_long():
                self._shorten()
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be written: {error.strerror}.") from error

    def mark(self, name: str, **marks: Any) -> None:
        """Set `saved`, `verdict` or `removed` of an entry.

        Raises:
            UnknownName: there is no such entry.
        """
        if not any(entry.id == name for entry in self.all()):
            raise UnknownName("question", name, ())
        add_records(self._path, [{"id": name, **marks}])

    def _shorten(self) -> None:
        with locked(self._path):  # what others add meanwhile would be lost
            if not self._is_long():
                return
            lines, size = [], 0
            for place, one in enumerate(self.all()):
                line = json.dumps(asdict(one)) + "\n"
                few = place < _KEPT and size + len(line) <= _LONGEST_FILE // 2
                if few or one.saved or not place:
                    lines.append(line)
                    size += len(line)
            write_atomically(self._path, reversed(lines), mode=0o600)

    def _is_long(self) -> bool:
        return self._path.stat().st_size > _LONGEST_FILE

    def _records(self) -> Iterator[Mapping[str, Any]]:
        return (one for one in read_records(self._path) if isinstance(one.get("id"), str))


def now() -> str:
    """Return the time as history writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_FIELDS: Final = frozenset(one.name for one in fields(Asked))
