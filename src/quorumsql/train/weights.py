"""Fit what votes and reading count: a conditional logit over the groups of each question.

Three sets of weights are fitted. One is for the members' own pools, where a vote is a share of a
beam. One is for the pool of a single member that nobody reads. The third is for pools of unknown
origin with one vote per candidate; they are drawn from the members' pools as other systems might
have answered: of each question it is drawn how easy it is for all of them, each then finds the
right result with that chance, and otherwise makes a mistake that a member made, likely mistakes
more often. So mistakes agree, as those of real systems do.

What is not covered: training the reader. The runs that are given must be about databases that
neither reader nor members have seen.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from quorumsql.db import open_database
from quorumsql.domain import Attempt, Candidate, Execution, Group, Limits, Question
from quorumsql.errors import UsageError
from quorumsql.evals.predictions import Prediction, read_predictions
from quorumsql.ports import Reader
from quorumsql.stages.choose import choose, majority
from quorumsql.stages.sanity import SIGNS, Sanity
from quorumsql.stages.weigh import FEATURES, contenders, features, worth_reading

__all__ = [
    *("ALONE_FEATURES", "POOL_FEATURES", "Case", "Cases"),
    *("cases", "fit_weights", "simulated", "write_weights"),
]

POOL_FEATURES = ("log_share", "share", "best_read", "empty", "nothing", *SIGNS)
"""Without mean_read: the more systems, the more ways to write a result, and the lower their mean,
which says more of style than of what is right."""
ALONE_FEATURES = ("log_share", "share", *SIGNS)
"""Without empty and nothing, for which the member's own votes are fined already."""
LIMITS = Limits(seconds=2.0, rows=10_000)
RIDGE = 2e-2
"""Few databases say little of how much a sign counts on others."""
DRAWS = 4
"""Pools of unknown systems that are drawn of each question."""
SYSTEMS = (5, 26)
EASE = (1.6, 0.35)
"""Of a Beta distribution: most questions are easy for nearly all systems, some for none."""

Case: TypeAlias = tuple[list[dict[str, float]], list[bool]]
"""Per group of one question: its features, and whether it is right."""


class Cases(NamedTuple):
    """What weights are fitted to: members' pools, one member's, and those of unknown systems."""

    own: list[Case]
    alone: list[Case]
    foreign: list[Case]


def cases(run: Path, folder: Path, reader: Reader, *, first: str, seed: int = 5) -> Cases:
    """Return the pools of a run: the members', those of one member, and simulated ones.

    Args:
        run: a folder of `quorum eval spider`.
        folder: the folder of its databases.
        reader: scores the candidates.
        first: the member whose pools are looked at by themselves, and not read.
        seed: of the simulation.
    """
    sanity = Sanity()
    found = Cases([], [], [])
    by_database: dict[str, list[Prediction]] = {}
    for prediction in read_predictions(run / "predictions.jsonl").values():
        if prediction.unscored is None and prediction.candidates:
            by_database.setdefault(prediction.db_id, []).append(prediction)
    for name, predictions in sorted(by_database.items()):
        with closing(open_database(str(folder / name / f"{name}.sqlite"))) as database:
            schema = database.schema()
            ran: dict[str, Execution] = {}
            for prediction in predictions:
                for vote in prediction.candidates:
                    if vote.sql not in ran:
                        ran[vote.sql] = database.execute(vote.sql, limits=LIMITS)
                pool = _pool(prediction, ran)
                right = [vote.correct for vote in prediction.candidates]
                asked = Question(text=prediction.question)
                read = reader.score(asked, pool, schema)
                groups = choose(pool, ranks={}, dialect=schema.dialect).groups
                signs = sanity.each(asked, pool, schema)
                found.own.append(_case(pool, groups, read, signs, right))
                places = [i for i, one in enumerate(pool) if one.generator == first]
                alone = [pool[i] for i in places]
                groups = choose(alone, ranks={}, dialect=schema.dialect).groups
                found.alone.append(_part(alone, groups, places, read, signs, right))
                rng = random.Random(f"{seed}-{prediction.index}")
                for _ in range(DRAWS):
                    drawn = list(simulated(pool, right, rng))
                    systems = [
                        replace(pool[i], generator=str(n), weight=1.0) for n, i in enumerate(drawn)
                    ]
                    groups = majority(systems, dialect=schema.dialect).groups
                    found.foreign.append(_part(systems, groups, drawn, read, signs, right))
                ran.clear()
    return Cases(*([case for case in kind if case[0]] for kind in found))


def _pool(prediction: Prediction, ran: Mapping[str, Execution]) -> list[Candidate]:
    return [
        Candidate(
            generator=vote.generator,
            attempts=(Attempt(sql=vote.sql, execution=ran[vote.sql]),),
            weight=vote.weight,
        )
        for vote in prediction.candidates
    ]


def simulated(
    pool: Sequence[Candidate], right: Sequence[bool], rng: random.Random
) -> Iterator[int]:
    """Yield which candidate each of some systems proposes; see the module for how."""
    good = [i for i, flag in enumerate(right) if flag]
    bad = [i for i, flag in enumerate(right) if not flag]
    ease = rng.betavariate(*EASE)
    sharp = rng.uniform(0.3, 1.5)
    for _ in range(rng.randint(*SYSTEMS)):
        side = good if good and (not bad or rng.random() < ease) else bad
        odds = [(pool[i].weight + 1e-3) ** sharp for i in side]
        yield rng.choices(side, odds)[0]


def _part(
    pool: Sequence[Candidate],
    groups: Sequence[Group],
    places: Sequence[int],
    read: Sequence[float],
    signs: Sequence[Mapping[str, float]],
    right: Sequence[bool],
) -> Case:
    """The case of a pool whose candidates stand at `places` of all that were read."""
    of = ([read[i] for i in places], [signs[i] for i in places], [right[i] for i in places])
    return _case(pool, groups, *of)


def _case(
    pool: Sequence[Candidate],
    groups: Sequence[Group],
    read: Sequence[float],
    signs: Sequence[Mapping[str, float]],
    right: Sequence[bool],
) -> Case:
    able, wanted = contenders(groups), worth_reading(pool, groups)
    told = [score if i in wanted else -math.inf for i, score in enumerate(read)]
    rows = features(pool, able, told, signs)
    return rows, [any(right[i] for i in group.members) for group in able]


def fit_weights(found: Sequence[Case], *, names: Sequence[str] = FEATURES) -> dict[str, float]:
    """Return the weights that make right groups likeliest among their question's groups.

    Questions without a right group, or without a wrong one, tell nothing and are passed over.

    Raises:
        UsageError: no question tells anything.
    """
    useful = [(rows, right) for rows, right in found if any(right) and not all(right)]
    if not useful:
        raise UsageError("No question has right and wrong groups: nothing to fit weights to.")
    table = np.array([[row[n] for n in names] for rows, _ in useful for row in rows])
    right = np.array([flag for _, flags in useful for flag in flags])
    case = np.repeat(np.arange(len(useful)), [len(rows) for rows, _ in useful])
    scale = table.std(axis=0)
    scale[scale == 0] = 1.0
    x = table / scale
    w = np.zeros(len(names))
    for _ in range(60):
        step = _newton(w, x, right, case)
        w = w + step
        if float(np.abs(step).max()) < 1e-7:
            break
    return {name: round(float(v), 5) for name, v in zip(names, w / scale, strict=True)}


def _newton(w: np.ndarray, x: np.ndarray, right: np.ndarray, case: np.ndarray) -> np.ndarray:
    """One damped Newton step of the penalised likelihood, by expectation-maximisation's bound."""
    value = x @ w
    count = int(case[-1]) + 1
    chance = _within(value, case, count)
    among = np.zeros_like(value)
    among[right] = _within(value[right], case[right], count)
    size = len(w)
    gradient = x.T @ (among - chance) / count - RIDGE * w
    mean = np.zeros((count, size))
    np.add.at(mean, case, chance[:, None] * x)
    hessian = (x * chance[:, None]).T @ x / count - mean.T @ mean / count
    return np.asarray(np.linalg.solve(hessian + RIDGE * np.eye(size), gradient))


def _within(value: np.ndarray, case: np.ndarray, count: int) -> np.ndarray:
    """Softmax of `value` inside each case."""
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, case, value)
    odds = np.exp(value - highest[case])
    total = np.zeros(count)
    np.add.at(total, case, odds)
    return np.asarray(odds / total[case])


def write_weights(path: Path, weights: Mapping[str, float], *, n: int) -> None:
    """Write what `stages.weigh.load_weights` reads; `n` questions were fitted to."""
    record = {"n": n, "weights": dict(weights)}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
