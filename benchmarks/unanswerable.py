"""Learn to refuse questions that a database cannot answer, and measure it on other questions.

    python benchmarks/unanswerable.py fit --data DIR [--per-database 120] [--members] [--out FILE]
    python benchmarks/unanswerable.py sql-eval --data DIR [--server URL]

`fit` takes questions of Spider train, and our own rewordings of them (`train.questions`), about
databases that the members were not trained on. They are
answerable as they are, and unanswerable once columns that they need (and those called alike) are
removed from the schema, or when another database is asked. The regression of `stages/answerable.py`
is fitted to them, and tables show it on databases left out whole, of all questions and of Spider's
own. With `--members` the members
answer all of them and what they make of it counts too; such weights hold for these members, this
selector and this cascade only, while those without hold for all. Which words need no counterpart in
a schema is counted on the other databases of Spider train, by their names alone.

`sql-eval` measures on Defog's SQL-Eval: its questions that no schema answers (`idk`) beside its
generated ones about the same databases, on a real PostgreSQL. Nothing is fitted there.

What is not covered: whether answers to answerable questions are right.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from gold_parts import gold_parts
from quorumsql.api import Connection
from quorumsql.config import Settings
from quorumsql.db import open_database
from quorumsql.db.described import DescribedDatabase
from quorumsql.domain import Choice, ColumnRef, Question, Schema
from quorumsql.evals.bootstrap import intervals
from quorumsql.evals.datasets import Task, at_url, load_spider, load_sql_eval
from quorumsql.evals.sql_eval import load_databases
from quorumsql.neural.meaning import WordMeaning
from quorumsql.ports import Database
from quorumsql.stages.answerable import (
    FEATURES,
    Names,
    Refuser,
    Regression,
    load_regression,
    telling,
)
from quorumsql.stages.evidence import logistic
from quorumsql.stages.link import within, words_of
from quorumsql.train.questions import own_questions
from regression import held_out, record, some_of

app = typer.Typer(add_completion=False)
Data = Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")]
Seen = Annotated[Path | None, typer.Option(help="Keep what members said here, or read it.")]
Floats = npt.NDArray[np.float64]

REFUSED = 0.03
"""Share of answerable questions on held-out databases that the threshold refuses."""
_PENALTY = 3e-3
_HARMLESS = 3
_FOLDS = 5
_BLANK = Regression(
    means=[0.0] * len(FEATURES), scales=[1.0] * len(FEATURES), weights=[0.0] * len(FEATURES),
    intercept=0.0, threshold=2.0, harmless={},
)  # fmt: skip


@dataclass(frozen=True)
class Example:
    """One question with what was seen of it; `kind` is whole, removed or elsewhere."""

    db_id: str
    question: str
    kind: str
    row: tuple[float, ...]


@app.command()
def fit(
    data: Data,
    per_database: Annotated[int, typer.Option(min=1)] = 120,
    out: Annotated[Path | None, typer.Option(help="Write the weights here.")] = None,
    seen: Seen = None,
    members: Annotated[
        bool, typer.Option("--members", help="Ask the members too, and weigh what they say.")
    ] = False,
) -> None:
    """Fit the regression, and print it on databases left out whole."""
    held = held_out()
    theirs = load_spider(data / "spider/train.json", data / "spider/database")
    tasks = [*theirs, *_ours(theirs)]
    blank = replace(_BLANK, harmless=_harmless(t for t in tasks if t.db_id not in held))
    refuser = Refuser(blank, WordMeaning())
    examples = _kept(seen, lambda: _spider(some_of(tasks, held, per_database), refuser, members))
    chances = _left_out(examples, blank)
    _table("Spider train, databases left out", examples, chances)
    asked = {task.question for task in theirs}
    own = [place for place, example in enumerate(examples) if example.question in asked]
    _table("of those, in Spider's words", [examples[i] for i in own], [chances[i] for i in own])
    whole = sorted(
        (c for e, c in zip(examples, chances, strict=True) if e.kind == "whole"), reverse=True
    )
    made = replace(_fitted(examples, blank), threshold=whole[int(REFUSED * len(whole))])
    _weights(made)
    if out is not None:
        out.write_text(json.dumps(_object(made, len(examples)), indent=1) + "\n", encoding="utf-8")


@app.command("sql-eval")
def sql_eval(
    data: Data,
    server: Annotated[
        str | None,
        typer.Option(help="A PostgreSQL, {db_id} for the database; else one is started."),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Only every so many-th question.")] = 1,
    show: Annotated[bool, typer.Option(help="Print each question with its chance.")] = False,
    seen: Seen = None,
    members: Annotated[bool, typer.Option("--members", help="For weights that need them.")] = False,
    weights: Annotated[Path | None, typer.Option(help="These, not those that ship.")] = None,
) -> None:
    """Print how well SQL-Eval's unanswerable questions are told from its answerable ones."""
    folder = data / "sql_eval"
    made = load_regression(weights) if weights is not None else load_regression()
    refuser = Refuser(made, WordMeaning())
    with ExitStack() as stack:
        url = "" if seen is not None and seen.is_file() else server or _started(stack)
        examples = _kept(seen, lambda: _sql_eval(folder, url, every, refuser, members))
    chances = [made(example.row) for example in examples]
    if show:
        for example, chance in zip(examples, chances, strict=True):
            print(f"{chance:.3f} {example.kind} {example.db_id}: {example.question}")
    _table("SQL-Eval", examples, chances)
    for kind in ("idk", "whole"):
        own = [c for e, c in zip(examples, chances, strict=True) if e.kind == kind]
        share = np.mean([c >= made.threshold for c in own])
        print(f"\nRefused at the threshold that ships, {kind}: {share:.1%} of {len(own)}")


def _ours(tasks: Sequence[Task]) -> list[Task]:
    """Our own questions about the same databases."""
    where = {task.db_id: task.database for task in tasks}
    rows = own_questions({"db_id": task.db_id, "query": task.gold} for task in tasks)
    return [
        Task(index=len(tasks) + n, db_id=row["db_id"], question=row["question"], gold=row["query"],
             database=where[row["db_id"]])
        for n, row in enumerate(rows)
    ]  # fmt: skip


def _kept(seen: Path | None, made: Callable[[], Iterator[Example]]) -> list[Example]:
    """The examples of a file, or those that are made, each written to it at once."""
    if seen is None:
        return list(made())
    if not seen.is_file():
        with seen.open("w", encoding="utf-8") as file:
            for example in made():
                file.write(json.dumps(vars(example)) + "\n")
                file.flush()
    records = [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]
    return [Example(**{**record, "row": tuple(record["row"])}) for record in records]


def _sql_eval(
    folder: Path, url: str, every: int, refuser: Refuser, members: bool
) -> Iterator[Example]:
    for kind, name in (("idk", "idk.csv"), ("whole", "questions_gen_postgres.csv")):
        file = folder / "questions" / name
        load_databases(file, folder / "databases", url)
        tasks = load_sql_eval(file, at_url(url))[::every]
        yield from _asked(tasks, kind, refuser, members)
        print(f"{name}: {len(tasks)}", file=sys.stderr, flush=True)


def _started(stack: ExitStack) -> str:
    """The URL of a PostgreSQL of our own."""
    from pgserver.postgres_server import get_server

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    server = get_server(Path(folder))
    stack.callback(server.cleanup)
    return str(server.get_uri(database="{db_id}"))


def _asked(tasks: Sequence[Task], kind: str, refuser: Refuser, members: bool) -> Iterator[Example]:
    """Ask questions as they are; instructions stay away, they tell what to do when in doubt."""
    like: Connection | None = None
    for url in sorted({task.database for task in tasks}):
        database = open_database(url)
        connection = Connection(database, settings=Settings(), like=like)
        like = like or connection
        for task in tasks:
            if task.database == url:
                yield _example(connection, task, task.db_id, kind, refuser, members)


def _spider(tasks: Sequence[Task], refuser: Refuser, members: bool) -> Iterator[Example]:
    """Ask every question of its database, of what is left of it, and of another one."""
    dice = random.Random(11)
    by_name: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        by_name[task.db_id].append(task)
    like: Connection | None = None
    for number, name in enumerate(sorted(by_name)):
        own = by_name[name]
        print(f"{number + 1}/{len(by_name)} {name}", file=sys.stderr, flush=True)
        with closing(open_database(own[0].database)) as database:
            connection = Connection(database, settings=Settings(), like=like)
            like = like or connection
            strangers = [t for t in tasks if t.db_id != name]
            for task in own:
                yield _example(connection, task, name, "whole", refuser, members)
                yield from _without(connection, database, task, refuser, dice, members)
            for task in dice.sample(strangers, max(len(own) // 2, 1)):
                yield _example(connection, task, name, "elsewhere", refuser, members)


def _without(
    connection: Connection,
    database: Database,
    task: Task,
    refuser: Refuser,
    dice: random.Random,
    members: bool,
) -> Iterator[Example]:
    """The question, asked of a schema that has lost columns it needs and those called alike."""
    whole = database.schema()
    parts = gold_parts(task.gold, whole)
    needed = sorted(parts.columns - parts.joining, key=str) if parts else []
    said = set(words_of(task.question))
    named = [ref for ref in needed if said & set(words_of(ref.column))]
    if not needed:
        return
    lost = dice.sample(named or needed, min(dice.choice((1, 1, 2)), len(named or needed)))
    left = _left(whole, lost)
    if not left.tables:
        return
    smaller = Connection(
        DescribedDatabase(database, lambda _: left), settings=Settings(), like=connection
    )
    smaller._index = connection._values()  # hits outside the schema are dropped
    yield _example(smaller, task, task.db_id, "removed", refuser, members)


def _left(schema: Schema, lost: Sequence[ColumnRef]) -> Schema:
    gone = {tuple(words_of(ref.column)) for ref in lost}
    tables = []
    for table in schema.tables:
        columns = tuple(c for c in table.columns if tuple(words_of(c.name)) not in gone)
        if columns:
            tables.append(replace(table, columns=columns))
    there = {(t.name, c.name) for t in tables for c in t.columns}
    keys = tuple(
        key
        for key in schema.foreign_keys
        if all((key.table, name) in there for name in key.columns)
        and all((key.referred_table, name) in there for name in key.referred_columns)
    )
    return replace(schema, tables=tuple(tables), foreign_keys=keys)


def _example(
    connection: Connection, task: Task, name: str, kind: str, refuser: Refuser, members: bool
) -> Example:
    question = Question(text=task.question)
    schema = connection.schema
    hits = within(connection.mentions(question.text), schema)
    if members:
        answer = connection.ask(question.text)
        row = refuser.look(question, schema, hits, answer.candidates, answer.choice)[1]
    else:
        row = refuser.look(question, schema, hits, (), Choice(candidate=None))[1]
        row = (*row[: FEATURES.index("votes")], *(0.0 for _ in FEATURES[FEATURES.index("votes") :]))
    return Example(name, task.question, kind, row)


def _harmless(tasks: Iterable[Task]) -> Mapping[str, int]:
    """By word, the databases with an answerable question in which it has no counterpart."""
    meaning = WordMeaning()
    found: defaultdict[str, set[str]] = defaultdict(set)
    names: dict[str, Names] = {}
    for task in tasks:
        if task.db_id not in names:
            with closing(open_database(task.database)) as database:
                names[task.db_id] = Names(database.schema(), meaning)
        values = set(words_of(task.gold))
        words = [one.stem for one in telling(task.question, ()) if one.stem not in values]
        for word, near in zip(words, names[task.db_id].near(words), strict=True):
            if near < 1.0:
                found[word].add(task.db_id)
    counts = {word: len(where) for word, where in found.items() if len(where) >= _HARMLESS}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _left_out(examples: Sequence[Example], blank: Regression) -> list[float]:
    """Each example's chance by weights fitted without its database."""
    names = sorted({example.db_id for example in examples})
    chances = [0.0] * len(examples)
    for fold in range(_FOLDS):
        known = [e for e in examples if names.index(e.db_id) % _FOLDS != fold]
        made = _fitted(known, blank)
        for place, example in enumerate(examples):
            if names.index(example.db_id) % _FOLDS == fold:
                chances[place] = made(example.row)
    return chances


def _fitted(examples: Sequence[Example], blank: Regression) -> Regression:
    """The weights that tell unanswerable questions; both kinds weigh the same."""
    rows = np.array([example.row for example in examples])
    wrong = np.array([float(example.kind != "whole") for example in examples])
    line = logistic(rows, wrong, FEATURES, penalty=_PENALTY, balanced=True)
    return replace(
        blank,
        means=list(line.means),
        scales=list(line.scales),
        weights=list(line.weights),
        intercept=line.intercept,
    )


def _table(title: str, examples: Sequence[Example], chances: Sequence[float]) -> None:
    """Print, for each kind of unanswerable question, how well it is told from answerable ones."""
    whole = np.array([c for e, c in zip(examples, chances, strict=True) if e.kind == "whole"])
    kinds = [k for k in ("removed", "elsewhere", "idk") if any(e.kind == k for e in examples)]
    print(f"\n{title}: {len(whole)} answerable questions\n")
    print("| unanswerable | questions | AUROC | 95 % interval | refused at 5 % | at 10 % |")
    print("|---|---|---|---|---|---|")
    for kind in kinds + (["all"] if len(kinds) > 1 else []):
        pairs = [(e, c) for e, c in zip(examples, chances, strict=True) if e.kind != "whole"]
        other = np.array([c for e, c in pairs if kind in {e.kind, "all"}])
        low, high = _interval(examples, chances, kind)
        cells = [f"{np.mean(other > np.quantile(whole, 1 - rate)):.1%}" for rate in (0.05, 0.1)]
        print(
            f"| {kind} | {len(other)} | {_auroc(whole, other):.3f} | {low:.3f} to {high:.3f} "
            f"| {' | '.join(cells)} |"
        )


def _interval(
    examples: Sequence[Example], chances: Sequence[float], kind: str
) -> tuple[float, float]:
    """The 95 % interval of the AUROC, whole databases drawn."""
    own = [i for i, e in enumerate(examples) if e.kind == "whole" or kind in {e.kind, "all"}]
    whole = np.array([examples[i].kind == "whole" for i in own])
    levels, place = np.unique([chances[i] for i in own], return_inverse=True)

    def auroc(weights: Floats) -> Floats:
        """Per draw, how often each question being drawn so many times."""
        answerable, other = (
            np.stack([np.bincount(place[part], row[part], len(levels)) for row in weights])
            for part in (whole, ~whole)
        )
        below = np.cumsum(answerable, axis=1) - answerable / 2
        pairs = answerable.sum(axis=1) * other.sum(axis=1)
        drawn = np.divide((other * below).sum(axis=1), pairs, out=np.full(len(pairs), 0.5),
                          where=pairs > 0)  # fmt: skip
        return np.asarray(drawn[:, np.newaxis])

    return intervals([examples[i].db_id for i in own], auroc)[0]


def _auroc(whole: Floats, other: Floats) -> float:
    """The chance that an unanswerable question scores above an answerable one."""
    ordered = np.sort(whole)
    below = np.searchsorted(ordered, other, side="left")
    same = np.searchsorted(ordered, other, side="right") - below
    return float((below + same / 2).mean() / len(ordered))


def _weights(made: Regression) -> None:
    print("\n| feature | weight |\n|---|---|")
    for name, weight in sorted(
        zip(FEATURES, made.weights, strict=True), key=lambda pair: -abs(pair[1])
    ):
        print(f"| {name} | {weight:+.3f} |")
    print(f"\nRefused from {made.threshold:.3f}", file=sys.stderr)


def _object(made: Regression, count: int) -> dict[str, object]:
    return {
        **record(made, FEATURES, by="unanswerable.py", count=count),
        "threshold": round(made.threshold, 6),
        "harmless": dict(made.harmless),
    }


if __name__ == "__main__":
    app()
