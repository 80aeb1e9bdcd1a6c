"""Learn online, for one database, how much each generator's vote should count.

A universal portfolio (Cover 1991, "Universal Portfolios") treats members as stocks and questions
as trading days: it holds the mean of all constant mixtures of members, weighted by the wealth that
each mixture would have earned so far. That mixture follows and in the end passes the best member,
whatever the questions are. Wealth comes from people's verdicts. An accepted answer pays the
members that voted for it; a rejected one costs those that voted for it, and says nothing of the
others, since they may have been wrong as well.

The mean over the simplex is taken over fixed draws from Dirichlet(1/2, …). A member that took no
part in a question earns what the others earn (sleeping experts: Freund, Schapire, Singer and
Warmuth 1997).

What is not covered: keeping verdicts (`stores.verdicts` does), and verdicts on the same question
twice; the caller passes the last one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quorumsql.domain import Candidate, Choice

__all__ = ["Round", "reweighted", "round_of", "rounds_in", "weights_after"]

LOSS = 0.5
"""What is left of a stake on what was wrong."""

_DRAWS, _SEED = 2_000, 20_241_107


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One verdict: by member, the share of its vote that was for the answer shown."""

    shares: Mapping[str, float]
    right: bool


def round_of(candidates: Sequence[Candidate], choice: Choice, *, right: bool) -> Round | None:
    """Return who had voted for the answer shown; None where nobody had voted for anything."""
    if choice.candidate is None:
        return None
    shown = {i for group in choice.groups if choice.candidate in group.members
             for i in group.members}  # fmt: skip
    cast: dict[str, float] = {}
    given: dict[str, float] = {}
    for index, one in enumerate(candidates):
        if one.weight > 0:
            cast[one.generator] = cast.get(one.generator, 0.0) + one.weight
            for_it = one.weight if index in shown else 0.0
            given[one.generator] = given.get(one.generator, 0.0) + for_it
    if not cast:
        return None
    return Round(shares={name: given[name] / cast[name] for name in cast}, right=right)


def weights_after(rounds: Sequence[Round], names: Iterable[str]) -> dict[str, float]:
    """Return the weight of each member after these verdicts; they are 1 on average."""
    listed = sorted(set(names))
    if not listed:
        return {}
    mixtures = np.random.default_rng(_SEED).dirichlet([0.5] * len(listed), _DRAWS)
    wealth = np.zeros(_DRAWS)
    for one in rounds:
        present = np.array([name in one.shares for name in listed])
        held = mixtures[:, present]
        if not held.size:
            continue
        earned = np.array([_earned(one, name) for name in listed if name in one.shares])
        stake = held.sum(axis=1)
        part = np.divide(held @ earned, stake, out=np.ones(_DRAWS), where=stake > 1e-12)
        wealth += np.log(np.maximum(part, 1e-12))
    belief = np.exp(wealth - wealth.max())
    found = belief @ mixtures / belief.sum()
    if not rounds:  # the draws' own unevenness must not decide
        found = np.full(len(listed), 1 / len(listed))
    return dict(zip(listed, (found * len(listed)).tolist(), strict=True))


def reweighted(
    candidates: Sequence[Candidate], weights: Mapping[str, float]
) -> tuple[Candidate, ...]:
    """Return the candidates with their weights times those of their generators."""
    return tuple(
        replace(one, weight=one.weight * weights.get(one.generator, 1.0)) for one in candidates
    )


def rounds_in(records: Iterable[Mapping[str, Any]]) -> tuple[Round, ...]:
    """Return the rounds among records of JSON; what is none is passed over."""
    found = []
    for record in records:
        shares, right = record.get("shares"), record.get("right")
        if isinstance(right, bool) and isinstance(shares, Mapping) and all(
            isinstance(s, int | float) and math.isfinite(s) and 0 <= s <= 1 for s in shares.values()
        ):  # fmt: skip
            found.append(Round(shares={str(k): float(v) for k, v in shares.items()}, right=right))
    return tuple(found)


def _earned(one: Round, name: str) -> float:
    share = one.shares[name]
    return LOSS + (1 - LOSS) * share if one.right else 1 - (1 - LOSS) * share
