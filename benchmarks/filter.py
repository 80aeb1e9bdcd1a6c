"""The schema filter: recall and precision of its two schemas, and what it does to accuracy.

    python benchmarks/filter.py --data DIR --on dev|merged|bird [--every 1] [--accuracy]

`dev` forces the filter on each Spider dev database, `merged` puts all twenty into one database of
80 tables (`merged.py`), `bird` asks the 65 BIRD questions with their evidence. Recall counts the
columns of all gold queries together; precision leaves out keys that were added for joins only.
With `--accuracy`, every question is answered with the whole schema, with what `link` leaves of
it, and with each of the two filtered schemas; execution accuracy is our strict metric.

What is not covered: gold queries that sqlglot cannot qualify; they are counted.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gold_parts import gold_parts
from merged import merge
from quorumsql.db import open_database
from quorumsql.domain import Brief, ColumnRef, Limits, Question, Schema
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.evals.metrics import Scorer, percentile
from quorumsql.neural.members import EmbeddedMember, load_members
from quorumsql.ports import Database
from quorumsql.stages.choose import choose
from quorumsql.stages.generate import generate
from quorumsql.stages.link import link, within
from quorumsql.stages.narrow import LARGE, SMALL, Drafts, narrow
from quorumsql.stages.refine import refine
from quorumsql.stages.relevance import load_relevance
from quorumsql.stages.retrieve import retrieve
from quorumsql.stores.values import MemoryValueIndex


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    on: Annotated[str, typer.Option(help="dev, merged or bird.")] = "dev",
    every: Annotated[int, typer.Option(help="Only every so manyth question.", min=1)] = 1,
    accuracy: Annotated[bool, typer.Option(help="Also answer the questions.")] = False,
) -> None:
    """Print Markdown tables."""
    with tempfile.TemporaryDirectory() as folder:
        measure = _Measure(load_members(), accuracy=accuracy)
        for path, tasks in _groups(_tasks(data, on, Path(folder), every)).items():
            with closing(open_database(str(path))) as database:
                measure.database(database, tasks)
        measure.show()


def _tasks(data: Path, on: str, folder: Path, every: int) -> Sequence[Task]:
    if on == "bird":
        return _bird(data / "bird_superhero")[::every]
    tasks = load_spider(data / "spider/dev.json", data / "spider/database")
    if on == "merged":
        tasks = tuple(merge(tasks, folder / "merged.sqlite")[0])
    return tasks[::every]


def _bird(folder: Path) -> tuple[Task, ...]:
    """BIRD's own format: `SQL` instead of `query`, and evidence."""
    path = next((folder / "dev_databases").rglob("*.sqlite"))
    entries = json.loads((folder / "dev.json").read_text(encoding="utf-8"))
    return tuple(
        Task(
            index=i,
            db_id=entry["db_id"],
            question=entry["question"],
            evidence=entry.get("evidence", ""),
            gold=entry["SQL"],
            database=str(path),
        )
        for i, entry in enumerate(entries)
    )


def _groups(tasks: Sequence[Task]) -> dict[Path, list[Task]]:
    groups: defaultdict[Path, list[Task]] = defaultdict(list)
    for task in tasks:
        groups[Path(task.database)].append(task)
    return groups


class _Measure:
    """Counts over all questions."""

    def __init__(self, members: Sequence[EmbeddedMember], *, accuracy: bool) -> None:
        self._members = members
        self._drafts = Drafts(members, load_relevance())
        self._accuracy = accuracy
        self._counts: Counter[str] = Counter()
        self._right: Counter[str] = Counter()
        self._spent: defaultdict[str, list[float]] = defaultdict(list)

    def database(self, database: Database, tasks: Sequence[Task]) -> None:
        everything = database.schema()
        index = MemoryValueIndex.build(database, everything)
        for task in tasks:
            started = time.perf_counter()
            question = Question(text=task.question, evidence=task.evidence)
            hits = retrieve(question, index=index)
            linked = link(question, everything, hits)
            brief = Brief(question=question, schema=linked, hits=within(hits, linked))
            self._spent["link"].append((time.perf_counter() - started) * 1000)
            least = SMALL if linked is everything else LARGE
            nested = narrow(linked, self._drafts.rank(brief), least=least)
            self._spent["link and filter"].append((time.perf_counter() - started) * 1000)
            self._count(task, everything, linked, "link", frozenset())
            self._count(task, everything, nested.precise, "S1", nested.keys)
            self._count(task, everything, nested.wide, "S2", nested.more_keys)
            if self._accuracy:
                schemas = {"whole": everything, "link": linked}
                schemas |= {"S1": nested.precise, "S2": nested.wide}
                self._answer(database, task, brief, schemas)

    def _count(
        self, task: Task, everything: Schema, schema: Schema, name: str, keys: frozenset[ColumnRef]
    ) -> None:
        parts = gold_parts(task.gold, everything)
        if parts is None:
            self._counts["unread"] += name == "link"
            return
        kept = set(_columns(schema))
        self._counts[f"{name} gold"] += len(parts.columns)
        self._counts[f"{name} found"] += len(parts.columns & kept)
        self._counts[f"{name} chosen"] += len(kept - keys)
        self._counts[f"{name} chosen right"] += len((kept - keys) & parts.columns)
        self._counts[f"{name} size"] += len(kept)
        self._counts[f"{name} questions"] += 1

    def _answer(
        self, database: Database, task: Task, brief: Brief, schemas: dict[str, Schema]
    ) -> None:
        scorer = Scorer(database)
        for name, schema in schemas.items():
            started = time.perf_counter()
            own = replace(brief, schema=schema, hits=within(brief.hits, schema))
            candidates = generate(self._members, own, hypotheses=8)
            candidates = refine(candidates, database=database, limits=Limits(), seconds=30.0)
            ranks = {member.name: n for n, member in enumerate(self._members)}
            choice = choose(candidates, ranks=ranks, dialect=schema.dialect)
            self._spent[f"answer, {name}"].append((time.perf_counter() - started) * 1000)
            if choice.candidate is not None:
                best = candidates[choice.candidate]
                self._right[name] += scorer.correct(task.gold, best.sql, best.final.execution)

    def show(self) -> None:
        count, questions = self._counts, self._counts["link questions"]
        print("| | recall, % | precision, % | columns |\n|---|---|---|---|")
        for name in ("link", "S1", "S2"):
            recall = 100 * count[f"{name} found"] / max(count[f"{name} gold"], 1)
            exact = 100 * count[f"{name} chosen right"] / max(count[f"{name} chosen"], 1)
            size = count[f"{name} size"] / max(questions, 1)
            print(f"| {name} | {recall:.1f} | {exact:.1f} | {size:.1f} |")
        print(f"\n{questions} questions; {count['unread']} gold queries could not be qualified.")
        if self._accuracy:
            print("\n| schema | execution accuracy, % |\n|---|---|")
            for name in ("whole", "link", "S1", "S2"):
                print(f"| {name} | {100 * self._right[name] / max(questions, 1):.1f} |")
        print("\n| | p50, ms | p95, ms |\n|---|---|---|")
        for name, spent in self._spent.items():
            print(f"| {name} | {percentile(spent, 0.5):.0f} | {percentile(spent, 0.95):.0f} |")


def _columns(schema: Schema) -> Iterator[ColumnRef]:
    for table in schema.tables:
        for column in table.columns:
            yield ColumnRef(table=table.name, column=column.name)


if __name__ == "__main__":
    typer.run(main)
