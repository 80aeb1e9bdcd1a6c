"""How often a question leads to the stored values that its gold query compares with.

    python benchmarks/values_recall.py --data DIR [--split dev] [--databases a,b]

The literals are the strings of the gold queries that stand in their column as they are. The whole
question is looked up in the index on disk, as `quorum values` does, and in the index in memory;
a literal is found when its column and value are among the first five hits. Then every literal
that the question spells out is corrupted once, by a typing error, in case, by a plural ending or
by a lost accent, in turn, and the question is looked up again.

What is not covered: literals that sqlglot cannot tie to a column; they are counted.
"""

from __future__ import annotations

import random
import re
import tempfile
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from gold_parts import gold_parts
from quorumsql.db import open_database
from quorumsql.domain import ColumnRef, Hit, Schema
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.ports import Database, ValueIndex
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.survey import open_index, survey

TOP = 5
KINDS = ("typo", "case", "plural", "accent")


@dataclass(frozen=True)
class Case:
    """A question, the literal that should be found, and how the question was corrupted."""

    question: str
    column: ColumnRef
    value: str
    spelled: bool
    corruption: str = "as written"


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    split: Annotated[str, typer.Option(help="dev or train.")] = "dev",
    databases: Annotated[str, typer.Option(help="Only these, comma-separated.")] = "",
    seed: Annotated[int, typer.Option(help="Of the corruptions.")] = 7,
) -> None:
    """Print a Markdown table."""
    tasks = load_spider(data / f"spider/{split}.json", data / "spider/database")
    wanted = set(filter(None, databases.split(",")))
    groups: defaultdict[Path, list[Task]] = defaultdict(list)
    for task in tasks:
        if not wanted or task.db_id in wanted:
            groups[Path(task.database)].append(task)
    counts: Counter[tuple[str, str, bool]] = Counter()
    unread = 0
    for path, group in groups.items():
        with closing(open_database(str(path))) as database, tempfile.TemporaryDirectory() as folder:
            schema = database.schema()
            found, missed = _cases(group, schema, database)
            unread += missed
            if found:
                survey(database, Path(folder))
                disk = open_index(Path(folder), schema)
                assert disk is not None
                memory = MemoryValueIndex.build(database, schema)
                with closing(disk):
                    _count(counts, [*found, *_corrupted(found, seed)], disk, memory)
    _print(counts, unread)


def _cases(tasks: Sequence[Task], schema: Schema, database: Database) -> tuple[list[Case], int]:
    stored: dict[ColumnRef, frozenset[object]] = {}
    cases: dict[tuple[str, ColumnRef, str], Case] = {}
    unread = 0
    for task in tasks:
        parts = gold_parts(task.gold, schema)
        if parts is None:
            unread += 1
            continue
        for column, literal in parts.literals:
            if column not in stored:
                values = database.values(column.table, column.column, limit=1_000_000)
                stored[column] = frozenset(values)
            if literal in stored[column]:
                spelled = literal.lower() in task.question.lower()
                case = Case(task.question, column, literal, spelled)
                cases[task.question, column, literal] = case
    return list(cases.values()), unread


def _corrupted(cases: Sequence[Case], seed: int) -> list[Case]:
    """Each case once more, its literal corrupted where the question spells it out."""
    chance = random.Random(seed)
    found = []
    for number, case in enumerate(cases):
        place = re.search(re.escape(case.value), case.question, re.IGNORECASE)
        kind = KINDS[number % len(KINDS)]
        if place is None:
            found.append(replace(case, corruption="corrupted"))
            continue
        wrong = _wrong(place[0], kind, chance)
        question = case.question[: place.start()] + wrong + case.question[place.end() :]
        found.append(replace(case, question=question, corruption="corrupted"))
        found.append(replace(case, question=question, corruption=kind))
    return found


def _wrong(text: str, kind: str, chance: random.Random) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    if kind == "accent" and plain != text:
        return plain
    if kind == "case":
        return text.lower() if text != text.lower() else text.upper()
    if kind == "plural" and text[-1:].isalpha():
        return text[:-1] + "ies" if re.search(r"[^aeiou]y$", text) else text + "s"
    return _typo(text, chance)


def _typo(text: str, chance: random.Random) -> str:
    """One letter left out, doubled by its neighbour on the keyboard, replaced, or swapped."""
    places = [i for i, c in enumerate(text) if c.isalnum()]
    if len(places) < 3:
        return text
    at = chance.choice(places[1:])
    letter = chance.choice("abcdefghijklmnopqrstuvwxyz")
    match chance.randrange(4):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return text[:at] + letter + text[at:]
        case 2:
            return text[:at] + letter + text[at + 1 :]
        case _:
            return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]


def _count(
    counts: Counter[tuple[str, str, bool]],
    cases: Sequence[Case],
    disk: ValueIndex,
    memory: ValueIndex,
) -> None:
    for case in cases:
        for name, index in (("disk", disk), ("memory", memory)):
            counts[name, case.corruption, _is_found(case, index.mentions(case.question))] += 1


def _is_found(case: Case, hits: Sequence[Hit]) -> bool:
    return any(
        (hit.table, hit.column, hit.value) == (case.column.table, case.column.column, case.value)
        for hit in hits[:TOP]
    )


def _print(counts: Counter[tuple[str, str, bool]], unread: int) -> None:
    kinds = ["as written", "corrupted", *KINDS]
    print(f"| literal among the first {TOP} hits, % | n | index on disk | in memory |")
    print("|---|---|---|---|")
    for kind in kinds:
        cells = []
        for name in ("disk", "memory"):
            right, wrong = counts[name, kind, True], counts[name, kind, False]
            cells.append(f"{100 * right / max(right + wrong, 1):.1f}")
        print(f"| {kind} | {right + wrong} | {' | '.join(cells)} |")
    print(f"\n{unread} gold queries could not be qualified.")


if __name__ == "__main__":
    typer.run(main)
