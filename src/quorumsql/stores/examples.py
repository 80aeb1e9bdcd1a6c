"""Solved questions that a user keeps, in one JSON-lines file: to grow, to swap, to share.

Lines are only ever added, so that two processes can write at once: an example, then what became of
it (`{"id": …, "approved": true}`, `{"id": …, "removed": true}`). A line that is damaged is passed
over when reading and never rewritten.

What is not covered: judging examples. Only approved ones are shown to models, and people approve.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from quorumsql.errors import UnknownName, UsageError
from quorumsql.prompts.write import Shot
from quorumsql.stores.records import add_records, read_records

__all__ = ["Example", "ExampleStore", "OwnExamples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A shot with where it comes from and whether somebody approved it.

    `database` is a name for people; `home`, that of the database's folder, tells two of one name
    apart, where it is known.
    """

    id: str
    shot: Shot
    database: str = ""
    approved: bool = False
    home: str = ""


class ExampleStore:
    """The examples of one file; it need not exist yet."""

    def __init__(self, path: Path) -> None:
        """Take the file's place."""
        self._path = path

    @property
    def path(self) -> Path:
        """Where the examples lie."""
        return self._path

    def all(self) -> tuple[Example, ...]:
        """Return every example that was not removed, oldest first.

        Raises:
            UsageError: the file cannot be read.
        """
        found: dict[str, Example] = {}
        for record in self._records():
            name = str(record.get("id"))
            if "question" in record:
                found[name] = _example(name, record)
            elif record.get("removed"):
                found.pop(name, None)
            elif name in found:
                found[name] = replace(found[name], approved=bool(record.get("approved")))
        return tuple(found.values())

    def approved(self) -> Sequence[Shot]:
        """Return the shots that somebody approved."""
        return [example.shot for example in self.all() if example.approved]

    def add(
        self, shots: Iterable[Shot], *, database: str, approved: bool, home: str = ""
    ) -> tuple[Example, ...]:
        """Keep shots, those that are there already excepted; return the new ones.

        Raises:
            UsageError: the file cannot be written.
        """
        known = {example.id for example in self.all()}
        fresh: dict[str, Example] = {}
        for shot in shots:
            name = _identity(shot, home or database)
            if name not in known:
                fresh[name] = Example(
                    id=name, shot=shot, database=database, approved=approved, home=home
                )
        add_records(self._path, map(_record, fresh.values()))
        return tuple(fresh.values())

    def approve(self, ids: Iterable[str]) -> int:
        """Approve examples; return how many.

        Raises:
            UnknownName: there is no such example.
        """
        return self._mark(ids, "approved")

    def remove(self, ids: Iterable[str]) -> int:
        """Remove examples; return how many.

        Raises:
            UnknownName: there is no such example.
        """
        return self._mark(ids, "removed")

    def _mark(self, ids: Iterable[str], what: str) -> int:
        names = list(dict.fromkeys(ids))
        known = [example.id for example in self.all()]
        whole = [_whole(name, known) for name in names]
        add_records(self._path, [{"id": name, what: True} for name in whole])
        return len(whole)

    def _records(self) -> Iterator[Mapping[str, Any]]:
        return (one for one in read_records(self._path) if isinstance(one.get("id"), str))


class OwnExamples:
    """The approved examples of one database, read again when their file has changed."""

    def __init__(self, store: ExampleStore, *, home: str, database: str) -> None:
        """Take the store; examples without a home belong to the databases of that name."""
        self._store, self._home, self._database = store, home, database
        self._known: tuple[tuple[int, int], tuple[Shot, ...]] = ((0, 0), ())

    def approved(self) -> Sequence[Shot]:
        """Return the shots, oldest first; a file that cannot be read holds none."""
        try:
            found = self._store.path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if self._known[0] != stamp:
                self._known = (stamp, tuple(one.shot for one in self._store.all() if self._is(one)))
        except (OSError, UsageError):
            return ()
        return self._known[1]

    def _is(self, example: Example) -> bool:
        own = example.home == self._home if example.home else example.database == self._database
        return example.approved and own


def _identity(shot: Shot, where: str) -> str:
    text = "\0".join((where, shot.question, shot.sql))
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def _record(example: Example) -> Mapping[str, Any]:
    return {
        "id": example.id,
        "database": example.database,
        "approved": example.approved,
        "home": example.home,
        **asdict(example.shot),
    }


def _example(name: str, record: Mapping[str, Any]) -> Example:
    known = {f.name: record[f.name] for f in fields(Shot) if f.name in record}
    return Example(
        id=name,
        shot=Shot(**{"question": "", "sql": "", **known}),
        database=str(record.get("database", "")),
        approved=bool(record.get("approved")),
        home=str(record.get("home", "")),
    )


def _whole(name: str, known: Sequence[str]) -> str:
    """The one identity that begins like `name`."""
    found = [one for one in known if one.startswith(name)] if name else []
    if len(found) != 1:
        raise UnknownName("example", name, known[:20] or ["(none yet)"])
    return found[0]
