"""What people said of answers: right or wrong, as JSON lines, only ever added to.

    {"at": "…", "who": "ana", "question": "…", "sql": "…", "confidence": 0.9, "right": true}

What is not covered: using them. Nothing learns from a verdict before somebody has approved it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from quorumsql.stores.records import add_records, read_records

__all__ = ["Verdict", "VerdictStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One person's word on one answer."""

    at: str
    who: str
    question: str
    sql: str
    confidence: float
    right: bool
    note: str = ""


class VerdictStore:
    """The verdicts of one file, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        """Take the file's place."""
        self._path = path

    def add(self, verdict: Verdict) -> None:
        """Keep one more.

        Raises:
            UsageError: the file cannot be written.
        """
        add_records(self._path, [asdict(verdict)])

    def all(self) -> Iterator[Verdict]:
        """Yield what was said, oldest first; damaged lines are passed over."""
        known = {one.name for one in fields(Verdict)}
        for record in read_records(self._path):
            try:
                yield Verdict(**{k: v for k, v in record.items() if k in known})
            except TypeError:
                continue
