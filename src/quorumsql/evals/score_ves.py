"""R-VES: the reward for a right prediction by how fast it runs beside the gold query.

Both statements run many times in turn. The mean of gold's time over the prediction's, without what
lies three standard deviations away, gives a reward from 0.25 (four times slower than gold, or
worse) to 1.25 (twice as fast, or better); a wrong prediction gets 0. The R-VES of a data set is the
mean of the rewards' square roots.

Source: BIRD's mini-dev, its released evaluation (evaluation_ves.py).

Intended difference: where no time lies within the three deviations, for all are equal, all count;
the official script divides by zero there and gives 0.

What is not covered: a quiet machine. Rewards change from run to run on one that has more to do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Final, TypeAlias

from quorumsql.domain import Failure, Limits
from quorumsql.errors import DatabaseError
from quorumsql.evals.score_sqlite import SqliteRunner
from quorumsql.ports import Database

__all__ = ["Stopwatch", "efficiency", "reward_for", "stopwatch", "timed_reward"]

Stopwatch: TypeAlias = Callable[[str], float | Failure]
"""Runs a statement and returns its seconds, or why it did not run to its end."""

_REWARDS: Final = ((2.0, 1.25), (1.0, 1.0), (0.5, 0.75), (0.25, 0.5))
_DEVIATIONS: Final = 3.0


def reward_for(ratios: Sequence[float]) -> float:
    """Return the reward for gold's time over the prediction's, as measured again and again."""
    mean = fmean(_usual(ratios)) if ratios else 0.0
    if mean == 0.0:
        return 0.0
    return next((reward for least, reward in _REWARDS if mean >= least), 0.25)


def timed_reward(
    watch: Stopwatch, gold: str, predicted: str, *, repeats: int, seconds: float
) -> float | Failure:
    """Run both statements `repeats` times in turn and return the reward.

    Args:
        watch: what runs them.
        gold: the gold query.
        predicted: a prediction with the right result.
        repeats: how often; the official script has 100.
        seconds: of all runs together. When they are over the reward is a failure, as there.
    """
    ratios: list[float] = []
    ends = time.monotonic() + seconds
    for _ in range(repeats):
        own, expected = watch(predicted), watch(gold)
        if isinstance(own, Failure) or isinstance(expected, Failure):
            return own if isinstance(own, Failure) else expected
        ratios.append(expected / max(own, 1e-9))
        if time.monotonic() > ends:
            return Failure(kind="timeout", message=f"{seconds:g} seconds were over.")
    return reward_for(ratios)


def efficiency(rewards: Sequence[float]) -> list[float]:
    """Return what each reward adds to R-VES, a share that is larger than 1 where it is faster."""
    return [math.sqrt(reward) for reward in rewards]


def stopwatch(place: str, database: Database, *, limits: Limits) -> Stopwatch:
    """Return what times statements on an open database.

    An SQLite file is timed as the official script does it, on a new connection each time; any other
    database as it is open, what our guard takes included.
    """
    if "://" not in place:
        try:
            runner = SqliteRunner(Path(place), limits=limits)
        except DatabaseError:
            pass  # a file of another engine
        else:
            runner.close()  # each timing opens its own
            return runner.seconds

    def watch(sql: str) -> float | Failure:
        started = time.perf_counter()
        found = database.execute(sql, limits=limits)
        spent = time.perf_counter() - started
        return found if isinstance(found, Failure) else spent

    return watch


def _usual(ratios: Sequence[float]) -> Sequence[float]:
    """Those within three standard deviations of their mean, all where there is none."""
    mean, reach = fmean(ratios), _DEVIATIONS * pstdev(ratios)
    return [ratio for ratio in ratios if abs(ratio - mean) < reach] or ratios
