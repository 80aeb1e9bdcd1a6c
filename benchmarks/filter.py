"""The schema filter: recall and precision of its two schemas, and what it does to accuracy.

    python benchmarks/filter.py --data DIR --on dev|merged|bird [--every 1] [--accuracy]
                                [--weights FILE]

`dev` forces the filter on each Spider dev database, `merged` puts all twenty into one database of
80 tables (`merged.py`), `bird` asks the 65 BIRD questions with their evidence. Recall counts the
columns of all gold queries together; precision leaves out keys that were added for joins only.
With `--accuracy`, every question is answered with the whole schema, with what `link` leaves of
it, and with each of the two filtered schemas; execution accuracy is our strict metric, and the
intervals of differences draw whole databases of Spider dev.

What is not covered: gold queries that sqlglot cannot qualify; they are counted.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
from quorumsql.evals.metrics import Scorer, accuracy, paired_difference, percentile
from quorumsql.neural.members import EmbeddedMember, load_members
from quorumsql.ports import Database
from quorumsql.stages.choose import choose
from quorumsql.stages.generate import generate
from quorumsql.stages.link import link, within
from quorumsql.stages.narrow import LARGE, SMALL, Drafts, narrow
from quorumsql.stages.refine import refine
from quorumsql.stages.relevance import Relevance, load_relevance
from quorumsql.stages.retrieve import retrieve
from quorumsql.stores.values import MemoryValueIndex


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    on: Annotated[str, typer.Option(help="dev, merged or bird.")] = "dev",
    every: Annotated[int, typer.Option(help="Only every so manyth question.", min=1)] = 1,
    answers: Annotated[bool, typer.Option("--accuracy", help="Also answer the questions.")] = False,
    weights: Annotated[
        Path | None, typer.Option(help="Weights that filter_fit.py wrote, not those that ship.")
    ] = None,
) -> None:
    """Print Markdown tables."""
    with tempfile.TemporaryDirectory() as folder:
        relevance = load_relevance(weights) if weights else load_relevance()
        measure = _Measure(load_members(), relevance, answers=answers)
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

    def __init__(
        self, members: Sequence[EmbeddedMember], relevance: Relevance, *, answers: bool
    ) -> None:
        self._members = members
        self._drafts = Drafts(members, relevance)
        self._answers = answers
        self._counts: Counter[str] = Counter()
        self._right: defaultdict[str, list[bool]] = defaultdict(list)
        self._clusters: list[str] = []
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
            if self._answers:
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
        self, database: Database, task: Task, brief: Brief, schemas: Mapping[str, Schema]
    ) -> None:
        """Answer with each of the schemas; the same schema is asked once."""
        scorer = Scorer(database)
        known: list[tuple[Schema, bool]] = []
        self._clusters.append(task.db_id)
        for name, schema in schemas.items():
            right = next((right for one, right in known if one == schema), None)
            if right is None:
                started = time.perf_counter()
                own = replace(brief, schema=schema, hits=within(brief.hits, schema))
                right = self._is_right(database, scorer, task, own)
                self._spent[f"answer, {name}"].append((time.perf_counter() - started) * 1000)
                known.append((schema, right))
            self._right[name].append(right)

    def _is_right(self, database: Database, scorer: Scorer, task: Task, brief: Brief) -> bool:
        candidates = generate(self._members, brief, hypotheses=8)
        candidates = refine(candidates, database=database, limits=Limits(), seconds=30.0)
        ranks = {member.name: n for n, member in enumerate(self._members)}
        choice = choose(candidates, ranks=ranks, dialect=brief.schema.dialect)
        if choice.candidate is None:
            return False
        best = candidates[choice.candidate]
        return scorer.correct(task.gold, best.sql, best.final.execution)

    def show(self) -> None:
        count, questions = self._counts, self._counts["link questions"]
        print("| | recall, % | precision, % | columns |\n|---|---|---|---|")
        for name in ("link", "S1", "S2"):
            recall = 100 * count[f"{name} found"] / max(count[f"{name} gold"], 1)
            exact = 100 * count[f"{name} chosen right"] / max(count[f"{name} chosen"], 1)
            size = count[f"{name} size"] / max(questions, 1)
            print(f"| {name} | {recall:.1f} | {exact:.1f} | {size:.1f} |")
        print(f"\n{questions} questions; {count['unread']} gold queries could not be qualified.")
        if self._answers:
            print("\n| schema | execution accuracy, % | minus the whole schema, points |")
            print("|---|---|---|")
            for name, right in self._right.items():
                own = accuracy(right, self._clusters)
                apart = paired_difference(right, self._right["whole"], self._clusters)
                low, high = 100 * apart.low, 100 * apart.high
                print(
                    f"| {name} | {100 * own.value:.1f} | {100 * apart.value:+.1f} "
                    f"({low:+.1f} to {high:+.1f}) |"
                )
        print("\n| | p50, ms | p95, ms |\n|---|---|---|")
        for name, spent in self._spent.items():
            print(f"| {name} | {percentile(spent, 0.5):.0f} | {percentile(spent, 0.95):.0f} |")


def _columns(schema: Schema) -> Iterator[ColumnRef]:
    for table in schema.tables:
        for column in table.columns:
            yield ColumnRef(table=table.name, column=column.name)


if __name__ == "__main__":
    typer.run(main)
