"""How well approved SQL answers a question that is asked again with another value.

Of Spider train: each gold query is approved for its question. Where its question mentions a stored
value or a number that stands in the query as well, once each, both get another value of the
same column, or another number, and the new question is asked. Prints how many of these the approved
SQL answers, and how many rightly: with the rows of the changed gold query. Nothing is fitted.

    python benchmarks/recall.py --data DIR

What is not covered: questions that people ask again; their words differ in more than the value.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from quorumsql.db import open_database
from quorumsql.domain import Hit, Question, Rows
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.evals.metrics import accuracy
from quorumsql.ports import Database
from quorumsql.prompts.write import Shot
from quorumsql.results import same_result
from quorumsql.skeletons import skeleton_of
from quorumsql.sql import is_ordered
from quorumsql.stages.recall import Recall
from quorumsql.stages.retrieve import retrieve
from quorumsql.stores.values import MemoryValueIndex

FILES = ("train.json", "train_others.json")
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")


class Approved(list[Shot]):
    """Examples that never change."""

    def approved(self) -> list[Shot]:
        """Return them."""
        return self


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    verbose: Annotated[bool, typer.Option(help="Print what is not answered rightly.")] = False,
) -> None:
    """Print the figures."""
    folder = data / "spider"
    by_database: dict[str, list[Task]] = defaultdict(list)
    for name in FILES:
        for task in load_spider(folder / name, folder / "database"):
            by_database[task.database].append(task)
    found: list[tuple[Task, str, bool]] = []
    for tasks in by_database.values():
        found += _asked_again(tasks)
    answered = [one for one in found if one[1]]
    for task, sql, right in found if verbose else ():
        if not right:
            print(f"{task.question}\n  gold {task.gold}\n  here {sql or 'nothing'}")
    share = accuracy([right for *_, right in answered], [task.db_id for task, *_ in answered])
    print(f"{len(found)} questions about {len(by_database)} databases asked with other values,")
    print(f"{len(answered)} answered from approved SQL ({len(answered) / len(found):.1%}),")
    print(f"{share.value:.2%} of these rightly ({share.low:.2%} to {share.high:.2%})")


def _asked_again(tasks: list[Task]) -> Iterator[tuple[Task, str, bool]]:
    """The changed questions about one database, the SQL that is recalled, whether it is right."""
    with closing(open_database(tasks[0].database)) as database:
        index = MemoryValueIndex.build(database, database.schema())
        for task in tasks:
            hits = retrieve(Question(text=task.question), index=index)
            changed = _with_another_value(task, hits, database)
            if changed is None:
                continue
            skeleton = skeleton_of(task.question, hits)
            shot = Shot(question=task.question, sql=_single_quoted(task.gold), skeleton=skeleton)
            now = Question(text=changed.question)
            known = Recall(Approved([shot])).like(now, retrieve(now, index=index))
            expected = database.execute(changed.gold)
            if not isinstance(expected, Rows):
                continue
            rows = database.execute(known.sql) if known else None
            ordered = is_ordered(task.gold, "sqlite")
            right = isinstance(rows, Rows) and same_result(rows, expected, ordered=ordered)
            yield changed, known.sql if known else "", right


def _with_another_value(task: Task, hits: tuple[Hit, ...], database: Database) -> Task | None:
    """The task with another value or number in question and gold; None where there is none."""
    rng = random.Random(f"{task.db_id}-{task.index}")
    for hit in hits:
        words, old = task.question[hit.start : hit.end], str(hit.value)
        literal = re.compile(rf"(['\"]){re.escape(old)}\1", re.IGNORECASE)
        if hit.score < 0.95 or len(literal.findall(task.gold)) != 1:
            continue
        others = [str(v) for v in database.values(hit.table, hit.column, limit=50)]
        others = [v for v in others if v.strip() and v.lower() != old.lower() and "'" not in v]
        if others and task.question.count(words) == 1:
            new = rng.choice(others)
            question = task.question.replace(words, new)
            return replace(task, question=question, gold=literal.sub(f"'{new}'", task.gold))
    for number in _NUMBER.findall(task.question):
        own = re.compile(rf"(?<![\w.]){number}(?![\w.])")
        if len(own.findall(task.gold)) == len(own.findall(task.question)) == 1:
            new = str(int(number) + rng.choice((1, 2, 5)))
            return replace(task, question=own.sub(new, task.question), gold=own.sub(new, task.gold))
    return None


def _single_quoted(sql: str) -> str:
    """Spider's authors put values in double quotes, as SQLite allows; people's SQL has single."""
    return re.sub(r'"([^"\']*)"', r"'\1'", sql)


if __name__ == "__main__":
    typer.run(main)
