"""A pool of candidates of which everything is known that choosing among them needs.

Each different statement of each question runs once; what is kept is which candidates have the same
result, and, where gold is given, which are right. From then on any sub-ensemble can be rated
without a database, let alone a model. Lines are written as they come, so that an interrupted
recording goes on where it was. What was recorded with gold serves without it too; a question whose
gold is another one since is judged anew.

What is not covered: several candidates of one generator for one question; the first counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quorumsql.disk import encodable
from quorumsql.domain import Candidate
from quorumsql.errors import ConfigError, DatabaseError, UsageError
from quorumsql.evals.entries import read_json
from quorumsql.evals.metrics import Scorer
from quorumsql.evals.pool import run_candidates
from quorumsql.evals.pool_lines import Databases, PoolLine, read_pool
from quorumsql.evals.predictions import read_predictions
from quorumsql.evals.summary import best_votes
from quorumsql.evals.unfinished import appending, begun
from quorumsql.ports import Database
from quorumsql.stages.choose import by_length, group, ran
from quorumsql.stages.composed import UNNAMED

__all__ = ["Recorded", "of_run", "read_gold", "record_pool"]

_KEYS = frozenset({"line", "db_id", "groups", "places", "empty"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Questions × generators.

    `groups` numbers the results of a question from 0, -1 where a generator has none. `places`
    orders a question's candidates by the length of their SQL, `empty` marks results without rows.
    `right` is None where the right answers are not known.
    """

    names: tuple[str, ...]
    db_ids: tuple[str, ...]
    groups: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    empty: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_] | None

    def only(self, questions: npt.NDArray[np.bool_]) -> Recorded:
        """Return the part with these questions."""
        kept = [name for name, keep in zip(self.db_ids, questions, strict=True) if keep]
        right = None if self.right is None else self.right[questions]
        return Recorded(
            names=self.names,
            db_ids=tuple(kept),
            groups=self.groups[questions],
            places=self.places[questions],
            empty=self.empty[questions],
            right=right,
        )


def read_gold(path: Path) -> Mapping[str, str]:
    """Return gold SQL by the id of its question.

    Known are JSON lines `{"id", "query"}` (or "sql"), and lists like Spider's dev.json, whose
    position is what a pool's id ends with ("spider-dev-17").

    Raises:
        UsageError: the file cannot be read, or an entry has no SQL.
    """
    found: dict[str, str] = {}
    for place, entry in enumerate(read_json(path, expects=("query",))):
        name = entry.values.get("id")
        found[str(place if name is None else name)] = entry.text("query", "SQL", "sql")
    return found


def record_pool(
    pool: Path,
    *,
    databases: Path,
    out: Path,
    gold: Mapping[str, str] | None = None,
    watch: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Recorded, tuple[tuple[int, str], ...]]:
    """Run a pool's candidates, or read what an earlier run of the same pool found.

    Args:
        pool: the file of candidates.
        databases: folder that holds `DB/DB.sqlite`.
        out: file of what was found, JSON lines; one of this pool is continued, others refused.
        gold: right SQL by question, see `read_gold`.
        watch: called after each question.
        tell: told, in words, what of an earlier run does not count any longer.

    Returns:
        What was recorded, and which lines were left out, with the reason.

    Raises:
        ConfigError: `out` is no recording of this pool on these databases, or a line of it is
            damaged.
        UsageError: a file cannot be read or written, another process is recording to `out`, or
            nothing in the pool can be used.
    """
    made_of = {"pool": _digest(pool), "databases": str(databases.resolve())}
    known = _continued(out, made_of, judged=gold is not None)
    other = 0
    problems: list[tuple[int, str]] = []
    records: list[Mapping[str, Any]] = []
    with ExitStack() as stack:
        recorder = _Recorder(Databases(databases, stack), gold)
        file = stack.enter_context(appending(out))
        for number, line in read_pool(pool):
            if recorder.judges_otherwise(line, known.get(number)):
                other += "gold" in known.pop(number)
            record = known.get(number) or {"line": number, **recorder.record(line)}
            if "problem" in record:  # not kept: tried again by the next run
                problems.append((number, record["problem"]))
            else:
                records.append(record)
                if number not in known:
                    file.write(encodable(json.dumps(record, ensure_ascii=False)) + "\n")
                    file.flush()
            watch()
    if other:
        have = "question has" if other == 1 else "questions have"
        tell(f"{other} {have} other gold than when it was recorded: judged anew.")
    if not records:
        raise UsageError(
            f"{pool}: no question in it can be used: {(problems or [(0, 'empty')])[0][1]}."
        )
    return _recorded(records, gold is not None), tuple(problems)


def of_run(folder: Path) -> Recorded:
    """Return what a run of `quorum eval` recorded: each generator by its best hypothesis.

    Raises:
        UsageError: there is no such run, or its answers carry no candidates.
    """
    predictions = read_predictions(folder / "predictions.jsonl", repair=False).values()
    records: list[Mapping[str, Any]] = []
    for one in sorted(predictions, key=lambda p: p.index):
        if one.unscored is not None:
            continue
        best = best_votes(one)
        order = sorted(best, key=lambda name: (len(best[name].sql), best[name].sql))
        records.append(
            {
                "db_id": one.db_id,
                "groups": {n: -1 if v.group is None else v.group for n, v in best.items()},
                "places": {name: place for place, name in enumerate(order)},
                "empty": [name for name, vote in best.items() if vote.status == "empty"],
                "right": [name for name, vote in best.items() if vote.correct],
            }
        )
    if not any(record["groups"] for record in records):
        raise UsageError(f"{folder}: no run of quorum eval with candidates in it.")
    return _recorded(records, True)


class _Recorder:
    """Runs the candidates of one line after another."""

    def __init__(self, databases: Databases, gold: Mapping[str, str] | None) -> None:
        self._databases, self._gold = databases, gold
        self._scorers: dict[str, Scorer] = {}

    def record(self, line: PoolLine) -> dict[str, Any]:
        """Return the line's record, or `problem` in words."""
        if not line.proposals or not line.db_id:
            return {"problem": line.problem or "no 'db_id'"}
        database = self._databases.get(line.db_id)
        if isinstance(database, str):
            return {"problem": database}
        gold = self._gold_of(line)
        if self._gold is not None and gold is None:
            return {"problem": f"no gold for id {line.id!r}"}
        try:
            return self._of(line, database, gold)
        except DatabaseError as error:
            return {"problem": str(error)}

    def judges_otherwise(self, line: PoolLine, record: Mapping[str, Any] | None) -> bool:
        """Whether a record was judged by another gold query than there is now.

        One that does not say by which is from before records said so.
        """
        gold = self._gold_of(line)
        return record is not None and gold is not None and record.get("gold") != _mark(gold)

    def _of(self, line: PoolLine, database: Database, gold: str | None) -> dict[str, Any]:
        first: dict[str, Candidate] = {}
        for one in run_candidates(line, database):
            first.setdefault(one.generator or UNNAMED, one)
        names, pool = list(first), list(first.values())
        voters = [place for place, one in enumerate(pool) if ran(one)]
        parts = group(pool, voters, dialect=database.dialect)
        home = {place: number for number, part in enumerate(parts) for place in part}
        order = sorted(range(len(pool)), key=lambda i: by_length(pool[i]))
        record: dict[str, Any] = {
            "db_id": line.db_id,
            "groups": {name: home.get(place, -1) for place, name in enumerate(names)},
            "places": {names[i]: place for place, i in enumerate(order)},
            "empty": [name for name, one in first.items() if one.status == "empty"],
        }
        if gold is not None:
            scorer = self._scorers.setdefault(line.db_id, Scorer(database))
            right = {n for n, part in enumerate(parts) if scorer.correct(gold, pool[part[0]].sql)}
            record["right"] = [name for name, home in record["groups"].items() if home in right]
            record["gold"] = _mark(gold)
        return record

    def _gold_of(self, line: PoolLine) -> str | None:
        if self._gold is None:
            return None
        name = str(line.id)
        return self._gold.get(name, self._gold.get(name.rpartition("-")[2]))


def _recorded(records: Sequence[Mapping[str, Any]], judged: bool) -> Recorded:
    names = tuple(sorted({name for record in records for name in record["groups"]}))
    size = (len(records), len(names))
    groups, places = np.full(size, -1, dtype=np.int64), np.full(size, len(names), dtype=np.int64)
    empty, right = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    column = {name: place for place, name in enumerate(names)}
    for row, record in enumerate(records):
        for name, number in record["groups"].items():
            groups[row, column[name]] = number
            places[row, column[name]] = record["places"][name]
        empty[row, [column[name] for name in record["empty"]]] = True
        right[row, [column[name] for name in record.get("right", ())]] = True
    return Recorded(
        names=names,
        db_ids=tuple(record["db_id"] for record in records),
        groups=groups,
        places=places,
        empty=empty,
        right=right if judged else None,
    )


def _mark(gold: str) -> str:
    """What tells one gold query from another."""
    return hashlib.sha256(encodable(gold).encode()).hexdigest()[:16]


def _digest(pool: Path) -> str:
    try:
        return hashlib.sha256(pool.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{pool}: cannot be read: {error.strerror}.") from error


def _continued(
    out: Path, config: Mapping[str, object], *, judged: bool
) -> dict[int, Mapping[str, Any]]:
    """The records of an earlier run of the same pool, by line; the file is begun where none is.

    Where records must be `judged`, those that were made without gold do not count.
    """
    found: dict[int, Mapping[str, Any]] = {}
    for number, record in enumerate(begun(out, config), start=2):
        if not record.keys() >= _KEYS:
            raise ConfigError(
                f"{out}:{number}: is no record; remove the line to have it made again."
            )
        if "right" in record or not judged:
            found[record["line"]] = record
    return found
