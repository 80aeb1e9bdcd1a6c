"""What people said of answers: right or wrong, as JSON lines, only ever added to.

    {"at": "…", "who": "ana", "question": "…", "sql": "…", "confidence": 0.9, "right": true}

What is not covered: using them. Nothing learns from a verdict before somebody has approved it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from quorumsql.errors import UsageError

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
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(verdict)) + "\n")
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be written: {error.strerror}.") from error

    def all(self) -> Iterator[Verdict]:
        """Yield what was said, oldest first; damaged lines are passed over."""
        if not self._path.is_file():
            return
        known = {one.name for one in fields(Verdict)}
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                yield Verdict(**{k: v for k, v in json.loads(line).items() if k in known})
            except (ValueError, TypeError, AttributeError):
                continue
