"""What all judges share: each gives verdicts as one official script does, or as `strict` does.

A judge keeps databases open and remembers the results of the gold queries it has met last; items
that share a gold query should come one after the other, then every gold query runs once.

What is not covered: the judges themselves (`score_spider`, `score_bird`, `score_other`), processes
and files (`score_pool`, `score`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from quorumsql.domain import Failure, Limits
from quorumsql.errors import DatabaseError
from quorumsql.evals.score_items import Item, Options, Verdict

__all__ = ["JudgeBase", "Remembered", "database_files", "unscored"]

_T = TypeVar("_T")


class Remembered(OrderedDict[Hashable, _T]):
    """The results used last, computed when they are first asked for."""

    def __init__(self, most: int, drop: Callable[[_T], None] = lambda _: None) -> None:
        """Keep at most so many; `drop` is told what goes."""
        super().__init__()
        self._most = most
        self._drop = drop

    def get_or_make(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return what is remembered under `key`, or make it."""
        if key not in self:
            self[key] = make()
            while len(self) > self._most:
                self._drop(self.popitem(last=False)[1])
        self.move_to_end(key)
        return self[key]


class JudgeBase(AbstractContextManager["JudgeBase"]):
    """What all judges do: missing predictions, equal ones, databases that are not there."""

    def __init__(self, options: Options) -> None:
        """Judge by `options`; nothing is opened before it is needed."""
        self.options = options
        self.limits = Limits(seconds=options.seconds, rows=options.rows, bytes=options.bytes)
        self._known: tuple[tuple[str, str], dict[str, Verdict]] = (("", ""), {})

    def judge(self, item: Item) -> Verdict:
        """Return the verdict on `item`; never raises for what is wrong with it."""
        if item.prediction is None:
            return self.missing(item)
        known = self._verdicts_for(item)
        if self.options.share and item.prediction in known:
            found = known[item.prediction]
        else:
            try:
                found = self.verdict(item, item.prediction)
            except DatabaseError as error:
                found = unscored(item, str(error))
            known[item.prediction] = found
        return _at(found, item)

    def verdict(self, item: Item, prediction: str) -> Verdict:
        """Return the verdict on a prediction that is there.

        Raises:
            DatabaseError: the database cannot be read.
        """
        raise NotImplementedError

    def missing(self, item: Item) -> Verdict:
        """Return the verdict on a prediction that is not there: it is wrong."""
        return Verdict(
            position=item.position,
            status="missing",
            exec=False,
            reason=item.problem or "the file has no prediction for this question",
        )

    def close(self) -> None:
        """Close the databases; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _verdicts_for(self, item: Item) -> dict[str, Verdict]:
        """The verdicts given for the gold of `item` so far, forgotten when another one comes."""
        key = (item.db_id, item.gold)
        if self._known[0] != key:
            self._known = (key, {})
        return self._known[1]


def _at(verdict: Verdict, item: Item) -> Verdict:
    if verdict.position == item.position:
        return verdict
    return replace(verdict, position=item.position)


def unscored(item: Item, reason: str, *, failure: Failure | None = None) -> Verdict:
    """Return the verdict that there is none."""
    words = f"{reason}: {failure.message}" if failure else reason
    return Verdict(position=item.position, status="unscored", reason=words)


def database_files(db_dir: Path, db_id: str, *, suite: bool) -> tuple[Path, ...]:
    """Return the file of a database, after it those of its test suite if wanted.

    Raises:
        DatabaseError: there is no such file, or the name leads out of the folder.
    """
    path = db_dir / db_id / f"{db_id}.sqlite"
    if not db_id or db_id != Path(db_id).name or db_id in {".", ".."} or not path.is_file():
        raise DatabaseError(f"No database {db_id!r}: there is no {path}.")
    if not suite:
        return (path,)
    return (
        path,
        *sorted(other for other in path.parent.glob("*.sqlite*") if _is_other(other, path)),
    )


def _is_other(found: Path, path: Path) -> bool:
    return found != path and not found.name.endswith(("-journal", "-wal", "-shm"))
