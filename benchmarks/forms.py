"""What the forms can express: gold query → tree → tokens → tree → SQL → the same rows?

    python benchmarks/forms.py --data DIR [--questions dev.json]

What is not covered: values; they are carried over as they stand.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import typer

from quorumsql.db import open_database
from quorumsql.domain import Schema
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.metrics import SCORING_LIMITS, Scorer
from quorumsql.forms.linear import FORMS, linearise, parse
from quorumsql.forms.read import Unreadable, read
from quorumsql.forms.write import Unwritable, implicit, write
from quorumsql.joins import JoinGraph


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    questions: Annotated[str, typer.Option(help="A file of the folder spider.")] = "dev.json",
) -> None:
    """Print a Markdown table: how each form fares over all questions."""
    folder = data / "spider"
    tasks = load_spider(folder / questions, folder / "database")
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    tokens: Counter[str] = Counter()
    for path in sorted({task.database for task in tasks}):
        database = open_database(str(path), limits=SCORING_LIMITS)
        schema, scorer = database.schema(), Scorer(database)
        for gold in (task.gold for task in tasks if task.database == path):
            for form in FORMS:
                outcome, length = _round_trip(gold, form, schema, scorer)
                outcomes[form][outcome] += 1
                tokens[form] += length
        database.close()
    print(f"{questions}, {len(tasks)} questions\n")
    print("| form | same rows | other rows | no join | not readable | tokens |")
    print("|---|---|---|---|---|---|")
    for form, found in outcomes.items():
        shares = (found[k] / len(tasks) for k in ("same", "other", "unwritable", "unreadable"))
        read_ = len(tasks) - found["unreadable"]
        print(f"| {form} | {' | '.join(f'{s:.1%}' for s in shares)} | {tokens[form] / read_:.1f} |")


def _round_trip(gold: str, form: str, schema: Schema, scorer: Scorer) -> tuple[str, int]:
    graph = JoinGraph(schema)
    try:
        tree = read(gold, schema)
    except Unreadable:
        return "unreadable", 0
    tokens = linearise(tree if form == "tables" else implicit(tree, graph), form)
    try:
        sql = write(parse(tokens, form), schema, graph)
    except Unwritable:
        return "unwritable", len(tokens)
    return ("same" if scorer.correct(gold, sql, None) else "other"), len(tokens)


if __name__ == "__main__":
    typer.run(main)
