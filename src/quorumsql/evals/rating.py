"""Rate sub-ensembles of a recorded pool: who would have won, and how right that is.

With gold the rating is execution accuracy. Without, the consensus of the others is the teacher
(after BossNAS: Li et al. 2021, arXiv 2103.12424, whose population's average needs no labels): a
winner is worth the share of votes that the same result has among generators of other families than
those that voted for it, or clones would rate each other. Names up to the first "-", "/" or "#" are
one family.

A cascade asks members in order of their rank and stops once the lead of the first result is safe
(`stages.composed`).

What is not covered: confidence, and questions that nobody answers; these are wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quorumsql.evals.recorded import Recorded
from quorumsql.stages.composed import lead_is_safe
from quorumsql.stages.gem import gem_weights, shared_errors

__all__ = ["Rater", "Stopped", "family"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def family(name: str) -> str:
    """Return what generators of one kind share in their names."""
    return re.split(r"[-/#]", name, maxsplit=1)[0].lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What a cascade reaches: the winners, and how many calls each question took."""

    winners: npt.NDArray[np.int64]
    calls: npt.NDArray[np.int64]


class Rater:
    """Votes of any sub-ensemble, and what they are worth."""

    def __init__(self, recorded: Recorded) -> None:
        """Lay the pool out so that a vote is one product of arrays."""
        self.recorded = recorded
        groups = recorded.groups
        count = int(groups.max(initial=0)) + 1
        self._in = groups[:, :, None] == np.arange(count)  # questions × members × results
        size = max(len(recorded.names), 1)
        bonus = 1e-4 * (1 - recorded.places / (size + 1)) - 1e-2 * recorded.empty
        self._bonus = np.where(self._in, bonus[:, :, None], -np.inf)
        self.worth = self._right() if recorded.right is not None else None
        self.taught = self._taught()

    def winners(self, weights: Floats) -> npt.NDArray[np.int64]:
        """Return the result that each question's vote picks, -1 where nobody has one.

        `weights` per member are their votes, 0 for those that take no part. Ties go to results
        with rows, then to the shortest SQL.
        """
        part = weights > 0
        votes = np.einsum("qmg,m->qg", self._in, weights)
        ties = self._bonus[:, part].max(axis=1, initial=-np.inf)
        found = np.where(np.isfinite(ties), votes + np.where(np.isfinite(ties), ties, 0), -np.inf)
        return np.where(np.isfinite(found).any(axis=1), found.argmax(axis=1), -1)

    def outcomes(self, winners: npt.NDArray[np.int64]) -> Floats:
        """Return what each winner is worth, 0 to 1: right or wrong, or the teacher's share."""
        table = self.worth if self.worth is not None else self.taught
        rows = np.arange(len(winners))
        return np.where(winners >= 0, table[rows, winners], 0.0)

    def rate(self, weights: Floats) -> float:
        """Return the mean worth of the vote with these weights."""
        return float(self.outcomes(self.winners(weights)).mean()) if len(self._in) else 0.0

    def singles(self) -> Floats:
        """Return what each member alone is worth."""
        found: Floats = self.alone().mean(axis=0)
        return found

    def alone(self) -> Floats:
        """Return what each member alone is worth on each question."""
        table = self.worth if self.worth is not None else self.taught
        found: Floats = np.einsum("qmg,qg->qm", self._in, table)
        return found

    def gem(self) -> Floats:
        """Return the members' weights by the errors they share; without gold by the teacher."""
        right = self.recorded.right
        if right is None:
            lead = self.taught.max(axis=1, keepdims=True)
            best = (self.taught >= lead) & (lead > 0)
            right = np.einsum("qmg,qg->qm", self._in, best) > 0
        return np.array(gem_weights(shared_errors(self.recorded.groups, right)))

    def cascade(self, order: npt.NDArray[np.int64], risk: float) -> Stopped:
        """Ask the members of `order` one after another, until a lead is safe at this risk."""
        questions = len(self._in)
        winners = np.full(questions, -1, dtype=np.int64)
        calls = np.zeros(questions, dtype=np.int64)
        open_ = np.ones(questions, dtype=bool)
        weights = np.zeros(self._in.shape[1])
        for asked, member in enumerate(order, start=1):
            weights[member] = 1.0
            calls[open_] = asked
            winners[open_] = self.winners(weights)[open_]
            votes = np.sort(np.einsum("qmg,m->qg", self._in, weights), axis=1)
            first = votes[:, -1]
            second = votes[:, -2] if votes.shape[1] > 1 else np.zeros(questions)
            safe = [lead_is_safe(int(a), int(b), risk) for a, b in zip(first, second, strict=True)]
            open_ &= ~np.array(safe, dtype=bool)
        return Stopped(winners=winners, calls=calls)

    def agreement(self) -> Floats:
        """Return how often each two members have the same result."""
        table = self._in.astype(np.float64)
        found: Floats = np.einsum("qmg,qng->mn", table, table) / max(len(table), 1)
        return found

    def _right(self) -> Floats:
        right = self.recorded.right
        assert right is not None
        found: Floats = (self._in & right[:, :, None]).any(axis=1).astype(np.float64)
        return found

    def _taught(self) -> Floats:
        """Per result, the share of votes it has from families that none of its voters is in alone.

        Each family has one vote. A result's own best-placed family does not count for it.
        """
        families = [family(name) for name in self.recorded.names]
        kinds = sorted(set(families))
        if len(kinds) < 3:  # then every generator stands for itself
            families, kinds = list(self.recorded.names), list(self.recorded.names)
        votes = np.zeros((len(kinds), *self._in.shape[::2]))
        for place, kind in enumerate(kinds):
            own = [m for m, name in enumerate(families) if name == kind]
            cast = self._in[:, own].sum(axis=1).astype(np.float64)
            total = cast.sum(axis=1, keepdims=True)
            votes[place] = np.divide(cast, total, out=np.zeros_like(cast), where=total > 0)
        without_best = votes.sum(axis=0) - votes.max(axis=0)
        found: Floats = without_best / max(len(kinds) - 1, 1)
        return found
