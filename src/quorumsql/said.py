"""What people said of a database's answers, as the shift of its confidence.

What is not covered: keeping verdicts (`stores.verdicts`), and what the shift means
(`stages.recalibrate`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from quorumsql.errors import UsageError
from quorumsql.stages.recalibrate import shift_of
from quorumsql.stores.verdicts import Verdict, VerdictStore

__all__ = ["VERDICTS", "Said", "shift_of_verdicts"]

VERDICTS = "verdicts.jsonl"
"""Name of the file of verdicts in a database's folder."""


class Said:
    """The verdicts of one file, read again when it has changed."""

    def __init__(self, path: Path, *, spread: float) -> None:
        """Take the file, which need not exist yet, and how much databases differ."""
        self._path, self._spread = path, spread
        self._known: tuple[tuple[int, int], float] | None = None

    def shift(self) -> float:
        """Return how far log odds of being right lie from the shipped ones; 0 for a new database.

        A file that cannot be read says nothing: an answer needs no verdicts.
        """
        try:
            found = self._path.stat()
        except OSError:
            return 0.0
        stamp = (found.st_mtime_ns, found.st_size)
        if self._known is None or self._known[0] != stamp:
            self._known = (stamp, self._read())
        return self._known[1]

    def _read(self) -> float:
        try:
            return shift_of_verdicts(VerdictStore(self._path).all(), spread=self._spread)
        except UsageError:
            return 0.0


def shift_of_verdicts(verdicts: Iterable[Verdict], *, spread: float) -> float:
    """Return the shift that these verdicts on one database are worth."""
    return shift_of([(one.confidence, one.right) for one in verdicts], spread=spread)
