"""Fit the weights of `stages/relevance.json` on databases that the members never saw.

    python benchmarks/filter_fit.py --data DIR [--per-database 25] [--out FILE]

For each question of the held-out databases of Spider train, the members draft SQL on the schema
alone and on one database that holds all of them; columns that the gold query uses (those that only
join tables apart) are what the regression learns. A table shows recall and precision of the
second half of the databases under weights of the first half, and the other way round. Run it
again when the shipped members change.

What is not covered: choosing the thresholds; the table helps with that.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sqlglot.errors import SqlglotError

from gold_parts import GoldParts, gold_parts
from merged import merge
from quorumsql.db import open_database
from quorumsql.domain import Brief, ColumnRef, Question, Ranking
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.neural.members import load_members
from quorumsql.stages.evidence import logistic
from quorumsql.stages.link import link, within
from quorumsql.stages.narrow import Drafts, narrow
from quorumsql.stages.relevance import FEATURES, Beliefs, Relevance, features, load_relevance
from quorumsql.stores.values import MemoryValueIndex
from regression import held_out, record, some_of

LEVELS = ((0.08, 0.03), (0.06, 0.02), (0.04, 0.016), (0.03, 0.01), (0.02, 0.006), (0.01, 0.003))
_PENALTY = 5e-3


@dataclass(frozen=True)
class Example:
    """One question with what drafts say and what the gold query uses."""

    db_id: str
    brief: Brief
    beliefs: Beliefs
    rows: dict[ColumnRef, tuple[float, ...]]
    gold: GoldParts


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    per_database: Annotated[int, typer.Option(help="Questions of one database.", min=1)] = 25,
    out: Annotated[Path | None, typer.Option(help="Write the weights here.")] = None,
) -> None:
    """Print the table, and write the weights."""
    everything = load_spider(data / "spider/train.json", data / "spider/database")
    tasks = some_of(everything, held_out(), per_database)
    drafts = Drafts(load_members(), load_relevance())
    with tempfile.TemporaryDirectory() as folder:
        examples = [*_examples(tasks, drafts), *_examples(_together(tasks, Path(folder)), drafts)]
    names = sorted({example.db_id for example in examples})
    print("| least probability S1, S2 | S1 recall | precision | S2 recall | precision |")
    print("|---|---|---|---|---|")
    for half in (0, 1):
        known = [e for e in examples if names.index(e.db_id) % 2 == half]
        unknown = [e for e in examples if names.index(e.db_id) % 2 != half]
        _show(unknown, _fitted(known))
    if out is not None:
        made = record(_fitted(examples), FEATURES, by="filter_fit.py", count=len(examples))
        out.write_text(json.dumps(made, indent=1) + "\n")


def _together(tasks: Sequence[Task], folder: Path) -> list[Task]:
    """The same questions on one database; databases that sqlglot cannot copy stay away."""
    fitting: list[Task] = []
    for name in sorted({task.db_id for task in tasks}):
        own = [task for task in tasks if task.db_id == name]
        try:
            merge(own, folder / f"{name}.sqlite")
        except SqlglotError:
            continue
        fitting += own
    return merge(fitting, folder / "all.sqlite")[0]


def _examples(tasks: Sequence[Task], drafts: Drafts) -> Iterator[Example]:
    for path in sorted({task.database for task in tasks}):
        with closing(open_database(path)) as database:
            schema = database.schema()
            index = MemoryValueIndex.build(database, schema)
            for task in tasks:
                gold = gold_parts(task.gold, schema) if task.database == path else None
                if gold is None:
                    continue
                question = Question(text=task.question)
                hits = index.mentions(task.question)
                part = link(question, schema, hits)
                brief = Brief(question=question, schema=part, hits=within(hits, part))
                beliefs = drafts.beliefs(brief)
                yield Example(task.db_id, brief, beliefs, features(brief, beliefs), gold)


def _fitted(examples: Sequence[Example]) -> Relevance:
    """The weights that tell columns that are needed."""
    pairs = [
        (row, ref in example.gold.columns)
        for example in examples
        for ref, row in example.rows.items()
        if ref not in example.gold.joining
    ]
    rows = np.array([row for row, _ in pairs])
    needed = np.array([float(one) for _, one in pairs])
    line = logistic(rows, needed, FEATURES, penalty=_PENALTY)
    return Relevance(
        means=list(line.means),
        scales=list(line.scales),
        weights=list(line.weights),
        intercept=line.intercept,
    )


def _show(examples: Sequence[Example], relevance: Relevance) -> None:
    for least in LEVELS:
        counts: Counter[str] = Counter()
        for example in examples:
            columns = {ref: relevance(row) for ref, row in example.rows.items()}
            ranking = Ranking(columns=columns, tables=example.beliefs.tables)
            nested = narrow(example.brief.schema, ranking, least=least)
            for name, schema, keys in (
                ("S1", nested.precise, nested.keys),
                ("S2", nested.wide, nested.more_keys),
            ):
                kept = {
                    ColumnRef(table=table.name, column=column.name)
                    for table in schema.tables
                    for column in table.columns
                }
                counts[f"{name} gold"] += len(example.gold.columns)
                counts[f"{name} found"] += len(example.gold.columns & kept)
                counts[f"{name} chosen"] += len(kept - keys)
                counts[f"{name} right"] += len((kept - keys) & example.gold.columns)
        cells = [
            f"{100 * counts[f'{name} {part}'] / max(counts[f'{name} {whole}'], 1):.1f}"
            for name in ("S1", "S2")
            for part, whole in (("found", "gold"), ("right", "chosen"))
        ]
        print(f"| {least[0]}, {least[1]} | {' | '.join(cells)} |")


if __name__ == "__main__":
    typer.run(main)
