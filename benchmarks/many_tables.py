"""How much slower is a database of a thousand tables than one of a few? And its schema filter?

    python benchmarks/many_tables.py [--tables 1000] [--columns 20] [--questions 24]

Makes two SQLite files in a temporary folder: the large one has so many tables, the small one the
first five of them, with the same rows. Both are indexed, both connections are warm, and the same
questions, about those five tables, are asked of the one and the other in turn. A second table
gives the schema filter alone, from a question to the two nested schemas.

What is not covered: other engines, and questions that join many tables.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Annotated, Final

import typer

from quorumsql import connect
from quorumsql.api import Connection, known_folder
from quorumsql.config import load_settings
from quorumsql.db import open_database
from quorumsql.domain import Brief, Question
from quorumsql.evals.metrics import percentile
from quorumsql.neural.members import load_members
from quorumsql.stages.link import Prepared, link, within
from quorumsql.stages.narrow import LARGE, Drafts, narrow
from quorumsql.stages.relevance import load_relevance
from quorumsql.survey import file_stamp, survey

SMALL: Final = 5
_ROWS: Final = 12
_OF: Final = (
    "customer supplier product invoice shipment employee contract warehouse payment account "
    "ticket project vehicle station course student patient doctor machine building event artist "
    "album airport flight hotel booking farm crop museum exhibit library book member match team "
    "player school teacher court"
).split()
_WHAT: Final = (
    "order review address history rating visit budget report schedule inspection transfer note "
    "price request delivery claim licence survey award document lease permit repair sample audit"
).split()
_COLUMNS: Final = (
    "name city country status category amount quantity price rating start_date end_date phone "
    "manager weight height color priority region language score floor capacity discount "
    "distance duration age salary width depth volume"
).split()
_TEXTS: Final = frozenset(
    "name city country status category phone manager color priority region language".split()
)


def main(
    tables: Annotated[int, typer.Option(help="Tables of the large database.", min=6)] = 1000,
    columns: Annotated[int, typer.Option(help="Columns of each.", min=4, max=31)] = 20,
    questions: Annotated[int, typer.Option(help="How many questions.", min=5)] = 24,
) -> None:
    """Print two Markdown tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = list(islice(_names(), tables))
        layout = {table: _columns(table, columns) for table in names}
        for file, some in (("large", names), ("small", names[:SMALL])):
            _write(folder / f"{file}.sqlite", {table: layout[table] for table in some})
        asked = list(islice(_questions(layout, names[:SMALL]), questions))
        _ask(folder, asked, tables, columns)
        _filter(folder / "large.sqlite", asked)


def _names() -> Iterator[str]:
    for what, of in product(_WHAT, _OF):
        yield f"{of}_{what}"
    for what, of, number in product(_WHAT, _OF, range(2020, 2030)):
        yield f"{of}_{what}_{number}"


def _columns(table: str, count: int) -> list[str]:
    chance = random.Random(table)
    return [f"{table}_id", *chance.sample(_COLUMNS, count - 2), f"{chance.choice(_OF)}_id"]


def _write(path: Path, layout: dict[str, list[str]]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table, columns in layout.items():
            first, *rest = columns
            typed = [f"{c} {'TEXT' if c in _TEXTS or 'date' in c else 'INTEGER'}" for c in rest]
            connection.execute(
                f"CREATE TABLE {table} ({first} INTEGER PRIMARY KEY, {', '.join(typed)})"
            )
            chance = random.Random(f"rows of {table}")
            rows = [(n, *(_cell(table, c, chance) for c in rest)) for n in range(_ROWS)]
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.commit()


def _cell(table: str, column: str, chance: random.Random) -> str | int:
    if column in _TEXTS:
        return f"{table.split('_')[0].title()} {column} {chance.randint(1, 40)}"
    if "date" in column:
        return f"20{chance.randint(10, 29)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}"
    return chance.randint(1, 5000)


def _questions(layout: dict[str, list[str]], tables: Sequence[str]) -> Iterator[str]:
    """Questions about numbers, texts and dates of the first tables."""
    chance = random.Random(4)
    while True:
        for table in tables:
            words = table.replace("_", " ")
            own = layout[table][1:-1]
            text = chance.choice([c for c in own if c in _TEXTS])
            number = chance.choice([c for c in own if c not in _TEXTS and "date" not in c])
            value = _cell(table, text, random.Random(f"rows of {table}"))
            yield chance.choice(
                (
                    f"What is the average {number} of all {words}s?",
                    f"How many {words}s have the {text} {value}?",
                    f"List the {text} of the {words}s with a {number} above 100.",
                    f"Which {text} has the highest {number} among {words}s?",
                    f"Show the {number} of {words}s for each {text}.",
                )
            )


def _ask(folder: Path, asked: Sequence[str], tables: int, columns: int) -> None:
    settings = replace(load_settings(), home=folder / "home")
    spent: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    opened: dict[str, Connection] = {}
    for name in ("small", "large"):
        url = str(folder / f"{name}.sqlite")
        started = time.perf_counter()
        with closing(open_database(url)) as database:
            survey(database, known_folder(settings, url), stamp=file_stamp(url))
        print(f"{name}: indexed in {time.perf_counter() - started:.1f} s")
        opened[name] = connect(url, settings=settings, like=opened.get("small"))
        for question in asked[:2]:
            opened[name].ask(question)
    for question in asked:
        for name, connection in opened.items():
            started = time.perf_counter()
            answer = connection.ask(question)
            spent["whole answer", name].append((time.perf_counter() - started) * 1000)
            for stage, milliseconds in answer.timings_ms.items():
                spent[stage, name].append(milliseconds)
    print(f"\n| warm, {len(asked)} questions, median ms | {SMALL} × {columns} "
          f"| {tables:,} × {columns} |\n|---|---|---|")  # fmt: skip
    for stage in dict.fromkeys(stage for stage, _ in spent):
        small, large = (percentile(spent[stage, name], 0.5) for name in opened)
        print(f"| {stage} | {small:.1f} | {large:.1f} |")
    whole = [spent["whole answer", name] for name in ("large", "small")]
    ratio = percentile(whole[0], 0.5) / percentile(whole[1], 0.5)
    print(f"\nratio of the medians: {ratio:.2f}\n")
    for connection in opened.values():
        connection.close()


def _filter(path: Path, asked: Sequence[str]) -> None:
    ranker = Drafts(load_members(), load_relevance())
    with closing(open_database(str(path))) as database:
        schema = database.schema()
    started = time.perf_counter()
    prepared = Prepared(schema)
    width = sum(len(table.columns) for table in schema.tables)
    print(f"prepared once in {time.perf_counter() - started:.2f} s\n")
    print(f"| filter, {len(schema.tables):,} tables, {width:,} columns | p50, ms | p95, ms |")
    print("|---|---|---|")
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for number, text in enumerate([*asked[:2], *asked]):
        started = time.perf_counter()
        question = Question(text=text)
        part = link(question, schema, (), prepared=prepared)
        linked = time.perf_counter()
        ranking = ranker.rank(Brief(question=question, schema=part, hits=within((), part)))
        nested = narrow(part, ranking, least=LARGE)
        done = time.perf_counter()
        assert nested.precise.tables
        if number >= 2:
            spent["link"].append((linked - started) * 1000)
            spent["link, drafts and both schemas"].append((done - started) * 1000)
    for name, own in spent.items():
        print(f"| {name} | {percentile(own, 0.5):.0f} | {percentile(own, 0.95):.0f} |")


if __name__ == "__main__":
    typer.run(main)
