"""Score items in several processes, so that a statement can take down its own process only.

Processes are shared as `crew` shares them: all items of a job are about one database, and an item
during which two processes died is unscored, with the reason. A process that does not come back
from one item, for a deadline cannot interrupt a call inside the engine, ends itself.

What is not covered: how a verdict comes about (`score_spider`, `score_bird`, `score_other`).
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from quorumsql.errors import DatabaseError
from quorumsql.evals.crew import Processes, share
from quorumsql.evals.score_bird import BirdJudge
from quorumsql.evals.score_frames import references
from quorumsql.evals.score_items import Item, Options, Verdict
from quorumsql.evals.score_judge import JudgeBase, database_files, unscored
from quorumsql.evals.score_other import OpenJudge
from quorumsql.evals.score_spider import SpiderJudge

__all__ = ["judge_of", "verdicts"]


def judge_of(options: Options) -> JudgeBase:
    """Return the judge for a metric.

    Raises:
        UsageError: an option is wrong.
    """
    if options.metric in {"spider", "spider-exact"}:
        return SpiderJudge(options)
    return BirdJudge(options) if options.metric == "bird" else OpenJudge(options)


def verdicts(
    items: Sequence[Item], options: Options, *, workers: int, grace: float = 10.0
) -> Generator[Verdict, None, None]:
    """Yield one verdict per item, in the order in which they come.

    `grace` is how many seconds an item may take beyond the deadlines of its statements.

    Raises:
        UsageError: an option is wrong, or processes die before there is any verdict.
    """
    work = _Scoring(options=options, grace=grace)
    ready = [_Placed(item=item) for item in sorted(items, key=lambda i: (i.db_id, i.gold))]
    yield from share(ready, work, Processes(work), workers=max(1, min(workers, len(ready))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """An item as crews know them."""

    item: Item

    @property
    def index(self) -> int:
        return self.item.position

    @property
    def database(self) -> str:
        return self.item.db_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scoring:
    """What the processes do."""

    options: Options
    grace: float

    @contextmanager
    def session(self) -> Iterator[Callable[[Sequence[_Placed]], Iterator[Verdict]]]:
        """Open a judge, and a place for what a process that ends itself would say."""
        with judge_of(self.options) as judge, open(os.devnull, "wb") as nowhere:

            def answer(job: Sequence[_Placed]) -> Iterator[Verdict]:
                for placed in job:
                    seconds = self._longest(placed.item)
                    if seconds is not None:
                        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
                    found = _judged(judge, placed.item)
                    faulthandler.cancel_dump_traceback_later()
                    yield found

            yield answer

    def lost(self, item: _Placed, why: str) -> Verdict:
        """Return the verdict on an item that processes die of."""
        return unscored(item.item, why)

    def _longest(self, item: Item) -> float | None:
        """How long an item may take when every statement keeps its deadline."""
        if self.options.plug_value:
            return None  # there may be thousands of statements
        files = 1
        if self.options.metric == "spider" and self.options.db_dir is not None:
            with suppress(DatabaseError, OSError):
                files = len(database_files(self.options.db_dir, item.db_id, suite=True))
        golds = len(references(item.gold)) if self.options.metric == "sql-eval" else 1
        return self.grace + self.options.seconds * (2 + golds) * files


def _judged(judge: JudgeBase, item: Item) -> Verdict:
    if not item.gold or not item.db_id:
        return unscored(item, item.problem)
    try:
        return judge.judge(item)
    except RecursionError:
        return unscored(item, "the statement is nested too deeply to be read")
    except OSError as error:
        return unscored(item, f"the database cannot be read: {error.strerror}")
