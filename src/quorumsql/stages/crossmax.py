"""Fuse several opinions on result groups so that no single one decides.

CrossMax (Fort and Lakshminarayanan 2024, "Ensemble everything everywhere", arXiv 2408.05446):
subtract from each predictor's scores its own maximum over classes, then from each class its
maximum over predictors, and take per class the k-th largest of what is left (by default the
median). With no more than three predictors the second step does more harm than good, so it is left
out there.

`Fused` applies it to three opinions on the groups of a pool: the share of votes, how much the SQL
of a group is like all other SQL, and how much its result is like all other results. The last two
let half-right candidates speak for the group they are close to.

What is not covered: confidence. The fusion erases margins, so the share of votes stays it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quorumsql.domain import Candidate, Choice, Question, Schema
from quorumsql.stages.choose import majority, preferring
from quorumsql.stages.diversity import result_kernel, tree_kernel

__all__ = ["Fused", "crossmax"]

Matrix = npt.NDArray[np.float64]

_FEW = 3
_LEAST = 1e-6


def crossmax(scores: Matrix, *, k: int | None = None) -> Matrix:
    """Return one score per class from predictors × classes; higher is better.

    `k` counts from the largest over predictors, 1 or more; None is the median.
    """
    left = scores - scores.max(axis=1, keepdims=True)
    if len(scores) > _FEW:
        left = left - left.max(axis=0, keepdims=True)
    if k is None:
        found: Matrix = np.median(left, axis=0)
        return found
    place = min(max(k, 1), len(scores))
    largest: Matrix = -np.sort(-left, axis=0)[place - 1]
    return largest


@dataclass(frozen=True, slots=True)
class Fused:
    """CrossMax over votes, likeness of SQL and likeness of results, as a `Selector`."""

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the group with the best fused score; the vote's where scores are equal."""
        del question
        vote = majority(candidates, dialect=schema.dialect)
        if len(vote.groups) < 2:
            return vote
        voters = [index for group in vote.groups for index in group.members]
        pool = [candidates[index] for index in voters]
        ends = np.cumsum([len(group.members) for group in vote.groups])
        parts = [range(end - len(g.members), end) for g, end in zip(vote.groups, ends, strict=True)]
        votes = np.array([group.votes for group in vote.groups])
        opinions = [votes]
        for kernel in (tree_kernel(pool, schema.dialect), result_kernel(pool, parts)):
            alike = kernel.mean(axis=1)
            opinions.append(np.array([alike[list(part)].mean() for part in parts]))
        fused = crossmax(np.log(np.maximum(np.array(opinions), _LEAST)))
        best = int(np.round(fused, 9).argmax())  # the first of equals has most votes
        return preferring(vote, vote.groups[best].members[0], rule=vote.rule)
