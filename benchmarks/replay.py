"""What the trained reader says of candidates that `quorum eval` recorded, kept to choose again.

    python benchmarks/replay.py RUN [RUN …] [--db URL] [--folder WEIGHTS] [--seconds 600]

Every statement of a run runs again, on the database that the run names, and is read. The scores go
to RUN/reads.jsonl, one line per question, as soon as they are there; the same command continues.
Another reader's scores are not mixed with them: its file starts over. Names of tables and columns
go to RUN/schemas.json, since confidence looks at what of a question they have. `cascade.py`,
`calibration.py` and `fines.py` choose among recorded candidates with these scores, as often as they
like, without a database and without weights.

What is not covered: asking members; a run must have been recorded, with every candidate.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from quorumsql.db import open_database
from quorumsql.domain import (
    Attempt,
    Candidate,
    Choice,
    Column,
    Execution,
    Failure,
    ForeignKey,
    Limits,
    Question,
    Rows,
    Schema,
    Table,
)
from quorumsql.errors import UsageError
from quorumsql.evals.predictions import Prediction, Vote, read_predictions
from quorumsql.neural.reader import Reader
from quorumsql.ports import Database
from quorumsql.shipped import FOLDER, WEIGHTS
from quorumsql.stages.calibrate import load
from quorumsql.stages.choose import Ranked
from quorumsql.stages.evidence import features
from quorumsql.stages.overlap import NOTHING, Overlap
from quorumsql.stages.weigh import Weigher, load_weights, read_groups
from regression import held_out

LIMITS = Limits(seconds=2.0, rows=10_000)
READS, SCHEMAS = "reads.jsonl", "schemas.json"


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    db: Annotated[str | None, typer.Option(help="URL with {db_id}, for runs on a server.")] = None,
    folder: Annotated[Path, typer.Option(help="The reader's weights.")] = FOLDER,
    seconds: Annotated[float, typer.Option(help="Stop after so many seconds.")] = math.inf,
) -> None:
    """Read all candidates of the runs."""
    until = time.monotonic() + seconds
    for run in runs:
        for done, count in read_run(run, folder=folder, db=db):
            if done % 20 == 0 or done == count:
                print(f"{run}: {done}/{count}", flush=True)
            if time.monotonic() > until:
                print(f"{run}: {done} of {count}; run again to go on.")
                return


def read_run(run: Path, *, folder: Path, db: str | None = None) -> Iterator[tuple[int, int]]:
    """Read what is not read yet; yield how many questions are done, and how many there are.

    Databases take turns, so that a part of the file says something of all of them.
    """
    reader, mark = Reader(folder / "reader.onnx"), _mark(folder)
    found = [p for p in read_predictions(run / "predictions.jsonl").values() if _useful(p)]
    known = _known(run, mark)
    place = place_of(run, db)
    todo = [one for one in _in_turns(found) if one.index not in known]
    done = len(found) - len(todo)
    _keep_schemas(run, {one.db_id for one in found}, place)
    yield done, len(found)
    opened: dict[str, Database] = {}
    with ExitStack() as stack:
        file = stack.enter_context((run / READS).open("a" if known else "w", encoding="utf-8"))
        for one in todo:
            if one.db_id not in opened:
                opened[one.db_id] = open_database(place(one.db_id))
                stack.callback(opened[one.db_id].close)
            database = opened[one.db_id]
            pool = [
                _candidate(vote, database.execute(vote.sql, limits=LIMITS))
                for vote in one.candidates
            ]
            scores = reader.score(Question(text=one.question), pool, database.schema())
            line = {
                "index": one.index,
                "reader": mark,
                "reads": [None if math.isinf(score) else round(score, 5) for score in scores],
                "nothing": [_nothing(c.final.execution) for c in pool],
            }
            file.write(json.dumps(line) + "\n")
            file.flush()
            done += 1
            yield done, len(found)


def _keep_schemas(run: Path, names: set[str], place: Callable[[str], str]) -> None:
    """Write down the names of tables and columns of databases where that was not done yet."""
    known = {name: _record(schema) for name, schema in _schemas(run).items()}
    if not names - known.keys():
        return
    for name in sorted(names - known.keys()):
        with closing(open_database(place(name))) as database:
            known[name] = _record(database.schema())
    (run / SCHEMAS).write_text(json.dumps(known) + "\n", encoding="utf-8")


def _record(schema: Schema) -> dict[str, Any]:
    bare = {table.name: table.bare_name for table in schema.tables}
    return {
        "dialect": schema.dialect,
        "tables": {
            table.bare_name: {column.name: column.primary_key for column in table.columns}
            for table in schema.tables
        },
        "keys": [
            [bare[k.table], list(k.columns), bare[k.referred_table], list(k.referred_columns)]
            for k in schema.foreign_keys
            if {k.table, k.referred_table} <= bare.keys()
        ],
    }


def _schemas(run: Path) -> dict[str, Schema]:
    """The schemas that were written down, names alone, by database."""
    path = run / SCHEMAS
    records = json.loads(path.read_bytes()) if path.is_file() else {}
    return {
        name: Schema(
            name=name,
            dialect=record["dialect"],
            tables=tuple(
                Table(
                    name=table,
                    columns=tuple(
                        Column(name=one, primary_key=key) for one, key in columns.items()
                    ),
                )
                for table, columns in record["tables"].items()
            ),
            foreign_keys=tuple(
                ForeignKey(
                    table=one,
                    columns=tuple(here),
                    referred_table=other,
                    referred_columns=tuple(there),
                )
                for one, here, other, there in record["keys"]
            ),
        )
        for name, record in records.items()
        if "keys" in record  # those written before are written again
    }


def _in_turns(found: Sequence[Prediction]) -> list[Prediction]:
    """The first question of every database, then the second, and so on."""
    seen: Counter[str] = Counter()
    places = []
    for number, one in enumerate(found):
        places.append((seen[one.db_id], number))
        seen[one.db_id] += 1
    return [found[number] for _, number in sorted(places)]


def _useful(prediction: Prediction) -> bool:
    return prediction.unscored is None and bool(prediction.candidates)


def _mark(folder: Path) -> str:
    return sha256((folder / "reader.onnx").read_bytes()).hexdigest()[:12]


def place_of(run: Path, db: str | None = None) -> Callable[[str], str]:
    """Return what gives the path or URL of a database of the run by its name."""
    if db is not None:
        return lambda name: db.replace("{db_id}", name)
    folder = str(json.loads((run / "config.json").read_bytes())["db_dir"])
    if "{db_id}" in folder or Path(folder).is_file():
        return lambda name: folder.replace("{db_id}", name)
    return lambda name: str(Path(folder, name, f"{name}.sqlite"))


def _known(run: Path, mark: str | None = None) -> dict[int, Mapping[str, Any]]:
    """What was read, by index; with `mark` only by that reader, and all of it or nothing."""
    path = run / READS
    if not path.is_file():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if mark is not None and any(line["reader"] != mark for line in lines):
        return {}
    return {line["index"]: line for line in lines}


def _candidate(vote: Vote, execution: Execution) -> Candidate:
    attempt = Attempt(sql=vote.sql, execution=execution)
    return Candidate(generator=vote.generator, attempts=(attempt,), weight=vote.weight)


def _nothing(execution: Execution | None) -> bool:
    """Whether a result is one row that says nothing (`stages.weigh`)."""
    rows = execution.rows if isinstance(execution, Rows) else ()
    return len(rows) == 1 and all(value in (None, 0) for value in rows[0])


@dataclass(frozen=True)
class Replayed:
    """One question with all that selection looks at, and the verdicts.

    Results are stand-ins: equal where the recorded ones were, empty or saying nothing where those
    were. `reader` scores the candidates as the trained one did. `schema` has names and keys
    alone, and none where they were not written down.
    """

    prediction: Prediction
    candidates: tuple[Candidate, ...]
    reader: Scores
    schema: Schema

    @property
    def db_id(self) -> str:
        """The database that was asked."""
        return self.prediction.db_id

    @property
    def question(self) -> Question:
        """The question as it was asked."""
        return Question(text=self.prediction.question)

    def of(self, *names: str) -> tuple[tuple[Candidate, ...], tuple[bool, ...]]:
        """The candidates of some members, and whether each is right."""
        pairs = [
            (candidate, vote.correct)
            for candidate, vote in zip(self.candidates, self.prediction.candidates, strict=True)
            if not names or candidate.generator in names
        ]
        return tuple(c for c, _ in pairs), tuple(right for _, right in pairs)


@dataclass(frozen=True)
class Scores:
    """A `Reader` that has read every candidate of one question before."""

    of: Mapping[int, float]

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        """Look up what was read."""
        del question, schema
        return tuple(self.of[id(one.attempts[-1])] for one in candidates)


def replayed(runs: Sequence[Path], *, read: bool = True) -> list[Replayed]:
    """Return the questions of runs that were read; `read=False` takes those that were not.

    Databases of one name in two runs are one database.

    Raises:
        UsageError: a run was not read, or by another reader than the others.
    """
    found: list[Replayed] = []
    marks: set[str] = set()
    for run in runs:
        known, schemas = _known(run), _schemas(run)
        predictions = read_predictions(run / "predictions.jsonl", repair=False)
        useful = [one for one in predictions.values() if _useful(one)]
        missing = [one for one in useful if one.index not in known]
        if missing and read:
            raise UsageError(f"{run}: {len(missing)} questions are not read: benchmarks/replay.py.")
        marks |= {str(line["reader"]) for line in known.values()}
        for one in useful:
            schema = schemas.get(one.db_id, Schema(name=one.db_id))
            found.append(_replayed(one, known.get(one.index, {}), schema))
    if len(marks) > 1:
        raise UsageError(f"{len(marks)} readers have read these runs: read them again.")
    return found


def _replayed(prediction: Prediction, line: Mapping[str, Any], schema: Schema) -> Replayed:
    votes = prediction.candidates
    nothing = line.get("nothing", [False] * len(votes))
    pool = tuple(
        _candidate(vote, stand_in(vote.status, vote.group, nothing=bool(said)))
        for vote, said in zip(votes, nothing, strict=True)
    )
    scores = {
        id(one.attempts[-1]): -math.inf if read is None else float(read)
        for one, read in zip(pool, line.get("reads", [None] * len(votes)), strict=True)
    }
    return Replayed(prediction, pool, Scores(scores), schema)


@dataclass(frozen=True)
class Pick:
    """What was chosen among some members' candidates of one question.

    `choice.confidence` is the selector's, not calibrated; `row` is what stop rules look at. Where
    nothing ran, the choice is empty and wrong.
    """

    choice: Choice
    right: bool
    row: Mapping[str, float]


def picks(
    found: Sequence[Replayed],
    *names: str,
    selector: str = "trained",
    folder: Path = FOLDER,
) -> list[Pick]:
    """Choose among the candidates of the members named, or of all, as `members.selector` says.

    Raises:
        UsageError: names of tables and columns were not written down.
    """
    overlap = Overlap()
    ranks = load(folder / "calibration.json").ranks
    weights = load_weights(folder / WEIGHTS[selector]) if selector in WEIGHTS else None
    made = []
    for one in found:
        pool, right = one.of(*names)
        chooses = Ranked(ranks) if weights is None else Weigher(one.reader, weights, ranks=ranks)
        choice = chooses.choose(one.question, pool, one.schema)
        read: tuple[float, ...] = ()
        if weights is not None and weights.read:
            read = read_groups(one.reader, one.question, pool, choice.groups, one.schema)
        if not one.schema.tables:
            raise UsageError(f"{one.db_id}: its names are not there: run benchmarks/replay.py.")
        place = choice.candidate
        empty = place is None or pool[place].status == "empty"
        said = NOTHING if place is None else overlap.of(one.question, pool[place].sql, one.schema)
        row = features(choice, empty=empty, read=read, said=said)
        made.append(Pick(choice, place is not None and right[place], row))
    return made


def only_held_out(found: Sequence[Replayed], *, folder: Path = FOLDER) -> list[str]:
    """Return the databases, sorted, if the members held out all of them.

    Raises:
        UsageError: something else is among them, to which nothing that ships may be fitted.
    """
    names = sorted({one.db_id for one in found})
    if other := sorted(set(names) - held_out(folder)):
        raise UsageError(f"What ships is fitted on databases held out, not on {', '.join(other)}.")
    return names


def stand_in(status: str, group: int | None, *, nothing: bool) -> Execution:
    """Return a result that is the same as another's where both have the same number of a group."""
    if status == "empty":
        return Rows(columns=("a",), rows=())
    if status != "ok":
        return Failure(kind="error", message=status)
    number = -1 if group is None else group
    if nothing:  # groups differ in how many columns of zeros they have
        return Rows(columns=tuple(map(str, range(number + 2))), rows=((0,) * (number + 2),))
    return Rows(columns=("group",), rows=((f"group {number}",),))


if __name__ == "__main__":
    typer.run(main)
