"""What the reader learns from: questions of a training set, each with right and wrong candidates.

Candidates are the gold query, controlled modifications of it (`train.modify`), and whatever
members wrote that were not trained on the question's database (`lessons_of_run`). Running them
says which are right. Lessons are kept as JSON lines, so that making them can be interrupted.

What is not covered: gold queries that do not run, or return more than `LIMITS` rows.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from operator import itemgetter
from pathlib import Path

from quorumsql.db import open_database
from quorumsql.domain import ColumnRef, Execution, Limits, Rows
from quorumsql.errors import UsageError
from quorumsql.evals.predictions import Prediction, read_predictions
from quorumsql.forms.read import Unreadable, read
from quorumsql.joins import JoinGraph
from quorumsql.neural.retell import Names, retell, tell_left_out, tell_result
from quorumsql.ports import Database
from quorumsql.results import same_result
from quorumsql.sql import is_ordered
from quorumsql.stores.records import add_records, read_records
from quorumsql.train.ground import Ground
from quorumsql.train.modify import modify, rewritten
from quorumsql.train.questions import QUESTIONS, own_questions

__all__ = ["Exhibit", "Lesson", "lessons_of_run", "load_lessons", "make_lessons", "merged"]

LIMITS = Limits(seconds=1.0, rows=5_000)
MODIFICATIONS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One candidate as the reader reads it, and whether its rows are the gold's."""

    sql: str
    result: str
    left_out: str
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One question with its candidates. `key` is the same in every run.

    `written`: members wrote some of them, so their mistakes are real ones.
    """

    key: str
    database: str
    question: str
    candidates: tuple[Exhibit, ...]
    written: bool = False


def make_lessons(
    data: Path,
    files: Sequence[str],
    out: Path,
    *,
    own: int = 0,
    written: Path = QUESTIONS,
    watch: Callable[[Lesson], None] = lambda _: None,
) -> Path:
    """Write the lessons of `files` in the Spider folder `data` to `out`; go on where it stopped.

    With `own`, also of so many of our own questions about each database, as they stand in
    `written` (`train.questions`).
    """
    done = {lesson.key for lesson in load_lessons(out)} if out.is_file() else set()
    rows: dict[str, list[tuple[str, dict[str, str]]]] = {}
    for name in files:
        for number, row in enumerate(json.loads((data / name).read_text(encoding="utf-8"))):
            rows.setdefault(row["db_id"], []).append((f"{name}{number}", row))
    for database, more in _own(rows, own, written).items():
        rows[database] += more
    for database, own_rows in sorted(rows.items()):
        left = [(key, row) for key, row in own_rows if key not in done]
        for lesson in _of_database(data, database, left) if left else ():
            add_records(out, [asdict(lesson)])
            watch(lesson)
    return out


def _own(
    rows: Mapping[str, Sequence[tuple[str, dict[str, str]]]], most: int, written: Path
) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """Up to `most` of our own questions about each database of `rows`, always the same ones."""
    found: dict[str, list[tuple[str, dict[str, str]]]] = {}
    known = (row for own in rows.values() for _, row in own)
    for row in own_questions(known, path=written) if most else ():
        key = sha256(f"{row['db_id']}\t{row['question']}".encode()).hexdigest()[:12]
        found.setdefault(row["db_id"], []).append((f"own{key}", row))
    return {name: sorted(own, key=itemgetter(0))[:most] for name, own in found.items()}


def load_lessons(path: Path) -> Iterator[Lesson]:
    """Yield what `make_lessons` wrote; a line that was cut is passed over."""
    for record in read_records(path):
        own = tuple(Exhibit(**each) for each in record["candidates"])
        yield Lesson(**{**record, "candidates": own})


def lessons_of_run(run: Path, folders: Sequence[Path]) -> Iterator[Lesson]:
    """Yield what members wrote in a run of `quorum eval` about databases in one of `folders`.

    Their statements run again, since a run does not keep all rows.

    Raises:
        UsageError: a database is in none of the folders.
    """
    found: dict[str, list[Prediction]] = {}
    for prediction in read_predictions(run / "predictions.jsonl").values():
        if prediction.unscored is None:
            found.setdefault(prediction.db_id, []).append(prediction)
    for name, own in sorted(found.items()):
        places = (folder / name / f"{name}.sqlite" for folder in folders)
        place = next((one for one in places if one.is_file()), None)
        if place is None:
            raise UsageError(f"{run}: its database {name} is in none of the folders of data.")
        with closing(open_database(str(place))) as database:
            names = Names(database.schema())
            for prediction in own:
                written: dict[str, tuple[Execution, bool]] = {}
                for vote in prediction.candidates:
                    text = retell(vote.sql, names)
                    if vote.status in {"ok", "empty"} and text not in written:
                        written[text] = (database.execute(vote.sql, limits=LIMITS), vote.correct)
                yield Lesson(
                    key=f"{run.name}{prediction.index}",
                    database=name,
                    question=prediction.question,
                    candidates=_exhibits(written, prediction.question, names),
                    written=True,
                )


def merged(lessons: Iterable[Lesson]) -> list[Lesson]:
    """Return one lesson per question and database, with the candidates of all that have it.

    Where members were wrong, their mistakes take the place of modified gold, which is told easier.
    """
    found: dict[tuple[str, str], Lesson] = {}
    for lesson in lessons:
        asked = (lesson.database, lesson.question)
        found[asked] = _joined(found[asked], lesson) if asked in found else lesson
    return list(found.values())


def _joined(one: Lesson, other: Lesson) -> Lesson:
    real = [each.written and any(not c.right for c in each.candidates) for each in (one, other)]
    exhibits: dict[str, Exhibit] = {}
    for each, own in zip((one, other), real, strict=True):
        for exhibit in each.candidates:
            if exhibit.right or own or not any(real):
                exhibits.setdefault(exhibit.sql, exhibit)
    return replace(one, candidates=tuple(exhibits.values()), written=one.written or other.written)


def _of_database(
    data: Path, name: str, rows: Iterable[tuple[str, dict[str, str]]]
) -> Iterator[Lesson]:
    database = open_database(str(data / "database" / name / f"{name}.sqlite"))
    try:
        schema = database.schema()
        stored: dict[ColumnRef, Sequence[object]] = {}

        def values(ref: ColumnRef) -> Sequence[object]:
            if ref not in stored:
                stored[ref] = database.values(ref.table, ref.column, limit=50)
            return stored[ref]

        ground = Ground(schema=schema, graph=JoinGraph(schema), values=values)
        names = Names(schema)
        for key, row in rows:
            lesson = Lesson(key=key, database=name, question=row["question"], candidates=())
            own = _candidates(lesson, row["query"], database, ground, names)
            if own:
                yield replace(lesson, candidates=own)
    finally:
        database.close()


def _candidates(
    lesson: Lesson, gold: str, database: Database, ground: Ground, names: Names
) -> tuple[Exhibit, ...]:
    expected = database.execute(gold, limits=LIMITS)
    if not isinstance(expected, Rows) or expected.truncated:
        return ()
    nothing = says_nothing(expected)
    ordered = is_ordered(gold, ground.schema.dialect)
    found: dict[str, tuple[Execution, bool]] = {retell(gold, names): (expected, True)}
    try:
        tree = read(gold, ground.schema)
    except Unreadable:
        return _exhibits(found, lesson.question, names)
    # Gold as we would write it comes first: the hand that wrote it must not tell what is right.
    texts = [
        *rewritten(tree, ground),
        *modify(tree, ground, random.Random(lesson.key), count=MODIFICATIONS),
    ]
    for sql in dict.fromkeys(texts):
        execution = database.execute(sql, limits=LIMITS)
        if not isinstance(execution, Rows):
            continue
        right = same_result(execution, expected, ordered=ordered)
        # Where gold finds nothing, finding nothing shows nothing.
        if not nothing or not (right or not execution.rows):
            found.setdefault(retell(sql, names), (execution, right))
    return _exhibits(found, lesson.question, names)


def _exhibits(
    found: Mapping[str, tuple[Execution, bool]], question: str, names: Names
) -> tuple[Exhibit, ...]:
    asked = names.asked(question)
    return tuple(
        Exhibit(
            sql=sql,
            result=tell_result(execution),
            left_out=tell_left_out(sql, asked, names),
            right=right,
        )
        for sql, (execution, right) in found.items()
    )


def says_nothing(rows: Rows) -> bool:
    """Whether a result is empty, or one row of zeros and NULL."""
    return not rows.rows or (len(rows.rows) == 1 and all(v in (None, 0) for v in rows.rows[0]))
