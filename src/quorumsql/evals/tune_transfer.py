"""Choose members for a database that nothing was recorded on, from databases that are like it.

After OSBORN (Bachu, Tripathi, Balasubramanian 2023, "Building a Winning Team"), which picks an
ensemble of models for a new data set greedily by a submodular sum of domain distance, task distance
and cohesion. Without gold no task distance is known. Domain distance is between the words of two
schemas; it weighs what a member is worth on recorded databases. Cohesion is how often members have
the same result. OSBORN rewards it; for votes its opposite may be worth more, so both signs exist.

What is not covered: what questions are about. Two databases are alike when their names are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from quorumsql.domain import Schema
from quorumsql.evals.rating import Floats, Rater
from quorumsql.stages.link import STOP, words_of

__all__ = ["likeness", "members_for"]


def likeness(schemas: Mapping[str, Schema], new: Schema) -> dict[str, float]:
    """Return for each database how alike it is to the new one, from 0 to 1.

    The cosine of the words in the names of tables and columns, words that many databases have
    counting less.
    """
    bags = {name: _words(schema) for name, schema in schemas.items()}
    target = _words(new)
    seen = Counter(word for bag in (*bags.values(), target) for word in bag)
    size = len(bags) + 1
    rarity = {word: math.log((1 + size) / (1 + count)) + 1e-3 for word, count in seen.items()}
    return {name: _cosine(bag, target, rarity) for name, bag in bags.items()}


def members_for(
    rater: Rater, alike: Mapping[str, float], count: int, *, cohesion: float = 0.0
) -> tuple[str, ...]:
    """Return `count` members for a database, the most useful first.

    Args:
        rater: rates the recorded pool.
        alike: how alike each recorded database is to the new one; those not named count 0.
        count: how many members to take.
        cohesion: what agreement with the members taken already is worth; below 0, what it costs.
    """
    worth = _worth(rater, alike)
    agree = rater.agreement()
    names = rater.recorded.names
    taken: list[int] = []
    while len(taken) < min(count, len(names)):
        left = [m for m in range(len(names)) if m not in taken]
        best = max(left, key=lambda m: (_gain(m, taken, worth, agree, cohesion), names[m]))
        taken.append(best)
    return tuple(names[m] for m in taken)


def _gain(
    member: int, taken: Sequence[int], worth: Floats, agree: Floats, cohesion: float
) -> float:
    with_others = float(agree[member, list(taken)].mean()) if taken else 0.0
    return float(worth[member]) + cohesion * with_others


def _worth(rater: Rater, alike: Mapping[str, float]) -> Floats:
    """What each member is worth alone, near databases counting most."""
    weights = np.array([alike.get(name, 0.0) for name in rater.recorded.db_ids]) ** 2
    if weights.sum() <= 0:
        return rater.singles()
    found: Floats = (rater.alone() * weights[:, None]).sum(axis=0) / weights.sum()
    return found


def _words(schema: Schema) -> Counter[str]:
    names = [table.bare_name for table in schema.tables]
    names += [column.name for table in schema.tables for column in table.columns]
    return Counter(w for name in names for w in words_of(name.replace("_", " ")) if w not in STOP)


def _cosine(one: Counter[str], other: Counter[str], rarity: Mapping[str, float]) -> float:
    def weight(bag: Counter[str], word: str) -> float:
        return math.log1p(bag[word]) * rarity[word]

    shared = sum(weight(one, word) * weight(other, word) for word in one.keys() & other.keys())
    sizes = [math.sqrt(sum(weight(bag, word) ** 2 for word in bag)) for bag in (one, other)]
    return shared / (sizes[0] * sizes[1]) if all(sizes) else 0.0
