"""Answer only when sure enough: a score above which few answers are wrong.

Learn then Test (Angelopoulos et al. 2021, arXiv 2110.01052) by a fixed sequence: up to twenty
scores, each a hypothesis "more than this rate of the answers above it are wrong". The walk begins
at the surest three tenths of the answers and goes on to more of them; the first hypothesis that is
not rejected ends it, so no risk is divided. Fewer answers come from few databases and show little,
and a walk that begins there mostly ends there.

Questions about one database resemble each other, so databases are what is drawn: Student's t over
them (errors less the allowed rate, for a set of new databases as large as this one). Errors gather
in few databases, which a small set may lack, and t then believes too much. So one more database is
imagined, of average size, half of whose answers are wrong. Without names of databases every
question is a draw of its own, and the binomial tail is exact.

What is not covered: a single database. The promise is about the answers for a set of new
databases together; one of them can be harder than the rest.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import TypeAlias

__all__ = ["RATES", "RISK", "guarantees", "sure_share"]

RATES = (0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
RISK = 0.05
"""Chance that a promise is false."""
STEPS = 20
_BEGIN = 0.3
"""Share of the answers that the walk begins with, where databases are known."""
_IMAGINED = 0.5
"""Share of the imagined database's answers that are wrong."""
_Set: TypeAlias = tuple[float, Sequence[int], Sequence[int]]
"""The lowest score of a set of answers; errors and answers of each database."""
_FEWEST = 5
"""Databases that must have been answered about; fewer say nothing of others."""


def guarantees(
    shares: Sequence[float],
    correct: Sequence[bool],
    *,
    databases: Sequence[Hashable] | None = None,
) -> tuple[tuple[float, float], ...]:
    """Return pairs of an error rate and the score that keeps it; rates out of reach are missing."""
    sets, alone = tuple(_sets(shares, correct, databases)), databases is None
    found = ((rate, _walk(sets, rate, RISK, alone=alone)) for rate in RATES)
    return tuple((rate, share) for rate, share in found if share is not None)


def sure_share(
    shares: Sequence[float],
    correct: Sequence[bool],
    *,
    rate: float,
    risk: float = RISK,
    databases: Sequence[Hashable] | None = None,
) -> float | None:
    """Return the lowest score such that at most `rate` of the answers with it or more are wrong.

    Args:
        shares: the score of each question's answer.
        correct: whether that answer was right.
        rate: share of wrong answers that may be.
        risk: chance, over the draw of databases, that the promise is false.
        databases: the database of each question; absent, each stands alone.

    Returns:
        The score, or None when these questions do not show it for any.
    """
    sets = tuple(_sets(shares, correct, databases))
    return _walk(sets, rate, risk, alone=databases is None)


def _walk(sets: Sequence[_Set], rate: float, risk: float, *, alone: bool) -> float | None:
    """The lowest score of the largest set before the first hypothesis that stands."""
    kept: float | None = None
    begin = 0.0 if alone or not sets else _BEGIN * sum(sets[-1][2])
    for lowest, wrong, answered in sets:
        count = sum(answered)
        if kept is None and (count < begin or _tail(rate * count / 2, count, rate) > risk):
            continue  # so few that half of the allowed errors would not convince
        if alone:
            chance = _tail(sum(wrong), count, rate)
        else:
            chance = _among_databases(wrong, answered, rate)
        if chance > risk:
            break
        kept = lowest
    return kept


def _sets(
    shares: Sequence[float], correct: Sequence[bool], databases: Sequence[Hashable] | None
) -> Iterator[_Set]:
    """Yield ever larger sets of answers, the last one with all of them."""
    names = range(len(shares)) if databases is None else databases
    ordered = sorted(zip(shares, correct, names, strict=True), key=lambda one: -one[0])
    wrong: dict[Hashable, int] = {}
    answered: dict[Hashable, int] = {}
    done, before = 0, None
    for step in range(1, STEPS + 1):
        place = len(ordered) * step // STEPS
        if not place or ordered[place - 1][0] == before:
            continue
        before = ordered[place - 1][0]
        while done < len(ordered) and ordered[done][0] >= before:
            _, right, name = ordered[done]
            answered[name] = answered.get(name, 0) + 1
            wrong[name] = wrong.get(name, 0) + (not right)
            done += 1
        yield before, list(wrong.values()), list(answered.values())


def _among_databases(wrong: Sequence[int], answered: Sequence[int], rate: float) -> float:
    """The chance to see databases with so few errors if more than `rate` were wrong."""
    groups = len(answered)
    if groups < _FEWEST:
        return 1.0
    size = sum(answered) / groups
    sizes, errors = [*answered, size], [*wrong, _IMAGINED * size]
    share = math.fsum(errors) / math.fsum(sizes)
    spread = math.fsum((w - share * a) ** 2 for w, a in zip(errors, sizes, strict=True))
    spread *= (groups + 1) / groups
    if spread == 0:  # every one of them errs like the imagined one
        return 1.0
    excess = math.fsum(errors) - rate * math.fsum(sizes)
    return _student(excess / math.sqrt(2 * spread), groups)  # 2: these databases and new ones


def _tail(wrong: float, count: float, rate: float) -> float:
    """Chance of at most `wrong` errors among `count` answers when each errs with `rate`.

    The binomial tail, continued to numbers that are not whole by the incomplete beta function.
    """
    if count <= 0 or wrong >= count:
        return 1.0
    return 1.0 - _beta(wrong + 1.0, count - wrong, rate)


def _student(t: float, freedom: int) -> float:
    """Chance of a value of at most `t` under Student's distribution."""
    half = 0.5 * _beta(freedom / 2, 0.5, freedom / (freedom + t * t))
    return half if t <= 0 else 1.0 - half


def _beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast below
        return 1.0 - _beta(b, a, 1.0 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front += a * math.log(x) + b * math.log1p(-x)
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1), tiny)
    found = d
    for m in range(1, 1_000):
        for part in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away(1.0 + part * d, tiny)
            c = _away(1.0 + part / c, tiny)
            found *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return min(1.0, math.exp(front) * found / a)


def _away(value: float, tiny: float) -> float:
    """`value`, moved off zero."""
    return value if abs(value) > tiny else tiny
