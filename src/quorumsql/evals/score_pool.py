"""Score items in several processes, so that a statement can take down its own process only.

Processes are shared as `crew` shares them: all items of a job are about one database, and an item
during which two processes died is unscored, with the reason. A process that does not come back
from one item, for a deadline cannot interrupt a call inside the engine, ends itself.

What is not covered: how a verdict comes about (`score_spider`, `score_bird`, `score_other`).
"""

from __future__ import annotations

import signal
import sys
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
    if options.metric in {"bird", "bird-ves"}:
        return BirdJudge(options)
    return OpenJudge(options)


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
        """Open a judge for all jobs."""
        with judge_of(self.options) as judge:

            def answer(job: Sequence[_Placed]) -> Iterator[Verdict]:
                files = self._files(job[0].item)
                for placed in job:
                    seconds = self._longest(placed.item, files)
                    with _ending_after(seconds):
                        found = _judged(judge, placed.item)
                    yield found

            yield answer

    def lost(self, item: _Placed, why: str) -> Verdict:
        """Return the verdict on an item that processes die of."""
        return unscored(item.item, why)

    def _files(self, item: Item) -> int:
        """On how many databases a prediction runs."""
        if self.options.metric == "spider" and self.options.db_dir is not None:
            with suppress(DatabaseError, OSError):
                return len(database_files(self.options.db_dir, item.db_id, suite=True))
        return 1

    def _longest(self, item: Item, files: int) -> float:
        """How long an item may take when every statement keeps its deadline; 0 is for ever."""
        if self.options.plug_value:
            return 0.0  # there may be thousands of statements
        golds = len(references(item.gold)) if self.options.metric == "sql-eval" else 1
        runs = (2 + golds) * files
        if self.options.metric == "bird-ves":
            runs += self.options.repeats + 2
        return self.grace + self.options.seconds * runs


@contextmanager
def _ending_after(seconds: float) -> Iterator[None]:
    """Let the system end this process when the block takes longer; 0 lets it take for ever.

    Nothing else is left where neither the engine nor Python looks up from its work.
    """
    if sys.platform == "win32":
        yield  # which has no such alarm
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _judged(judge: JudgeBase, item: Item) -> Verdict:
    if not item.gold or not item.db_id:
        return unscored(item, item.problem)
    try:
        return judge.judge(item)
    except RecursionError:
        return unscored(item, "the statement is nested too deeply to be read")
    except OSError as error:
        return unscored(item, f"the database cannot be read: {error.strerror}")
