"""What people said of answers: right or wrong, as JSON lines, only ever added to.

    {"at": "…", "who": "ana", "question": "…", "sql": "…", "confidence": 0.9, "right": true, …}
    {"id": "…", "undone": true, "who": "ana", "at": "…"}

`confidence` is what shipped calibration gave the answer, before earlier verdicts moved it, so that
verdicts do not feed on each other. Of two verdicts of one person on one answer the later counts.
All who ask a database share its file.

What is not covered: what verdicts do (`stages.recalibrate`), and approving examples made from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final

from quorumsql.errors import UnknownName
from quorumsql.stores.records import add_records, read_records

__all__ = ["Verdict", "VerdictStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One person's word on one answer.

    `id` is the answer's in that person's history. `correction` is the SQL that would have been
    right, where they know it. `votes` is the share of each generator's vote that was for the
    answer.
    """

    at: str
    who: str
    question: str
    sql: str
    confidence: float
    right: bool
    note: str = ""
    id: str = ""
    correction: str = ""
    votes: Mapping[str, float] = field(default_factory=dict)


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

    def undo(self, name: str, *, who: str, at: str) -> Verdict:
        """Take back what `who` said of the answer `name`; return it.

        Raises:
            UnknownName: they have said nothing of it.
            UsageError: the file cannot be written.
        """
        said = [one for one in self.all() if one.id == name and one.who == who]
        if not said:
            known = [one.id for one in self.all() if one.who == who]
            raise UnknownName("verdict", name, known or ["(none)"])
        add_records(self._path, [{"id": name, "who": who, "at": at, "undone": True}])
        return said[-1]

    def all(self) -> Iterator[Verdict]:
        """Yield what stands, oldest first; damaged lines are passed over.

        Raises:
            UsageError: the file cannot be read.
        """
        known = {one.name for one in fields(Verdict)}
        found: dict[tuple[str, str], Verdict] = {}
        for number, record in enumerate(read_records(self._path)):
            name = str(record.get("id") or "")
            place = (str(record.get("who")), name or f"{_UNNAMED}{number}")
            found.pop(place, None)
            if record.get("undone"):
                continue
            try:
                found[place] = Verdict(**{k: v for k, v in record.items() if k in known})
            except TypeError:
                continue
        yield from found.values()


_UNNAMED: Final = " line "
"""Begins the place of a verdict without an id; no id has spaces."""
