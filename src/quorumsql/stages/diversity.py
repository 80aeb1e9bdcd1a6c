"""How many different candidates there are, when candidates can be alike by degrees.

The Vendi score (Friedman and Dieng 2023, "The Vendi Score", arXiv 2210.02410) is the exponential
of the entropy of the eigenvalues of K/n, K being a positive semi-definite kernel with unit
diagonal: n candidates that share nothing count n, n equal ones count 1. With votes in place of 1/n
a candidate counts by its vote.

Two kernels are averaged, both of the form Σ min / Σ max over bags (Ruzicka; the min–max kernel is
positive semi-definite): the bags of cells of two results, in any order of rows and columns, and
the bags of edges of two parse trees.

What is not covered: candidates that did not run, and cells beyond the first rows of a result. Of a
large pool the candidates with most votes stand for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from quorumsql.domain import Candidate, Choice, Rows
from quorumsql.sql import tree_edges

__all__ = ["effective_number", "result_kernel", "tree_kernel", "vendi"]

Matrix = npt.NDArray[np.float64]

_MOST = 48
_LEAST = 0.005
"""Share of the heaviest candidate's votes below which one is not counted, nor its SQL parsed."""
_ROWS = 200


def effective_number(candidates: Sequence[Candidate], choice: Choice, *, dialect: str) -> float:
    """Return how many different candidates have a vote: 1 where all are alike, 0 without any."""
    voters = [index for group in choice.groups for index in group.members]
    if not voters:
        return 0.0
    home = {index: place for place, group in enumerate(choice.groups) for index in group.members}
    total = sum(max(candidates[i].weight, 0.0) for i in voters)
    weights = {i: max(candidates[i].weight, 0.0) if total > 0 else 1.0 for i in voters}
    heard = [i for i in voters if weights[i] >= _LEAST * max(weights.values())]
    kept = sorted(heard, key=lambda i: (-weights[i], home[i], candidates[i].sql))[:_MOST]
    if len(kept) == 1:
        return 1.0
    pool = [candidates[index] for index in kept]
    parts: dict[int, list[int]] = {}
    for place, index in enumerate(kept):
        parts.setdefault(home[index], []).append(place)
    kernel = (result_kernel(pool, list(parts.values())) + tree_kernel(pool, dialect)) / 2
    return vendi(kernel, [weights[index] for index in kept])


def vendi(kernel: Matrix, weights: Sequence[float] | None = None) -> float:
    """Return exp(−Σ λ log λ) over the eigenvalues λ of the kernel, weighted to trace 1."""
    share = np.ones(len(kernel)) if weights is None else np.asarray(weights, dtype=np.float64)
    root = np.sqrt(share / share.sum())
    values = np.linalg.eigvalsh(root[:, None] * kernel * root[None, :])
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def result_kernel(candidates: Sequence[Candidate], groups: Sequence[Sequence[int]]) -> Matrix:
    """Return how alike results are, 1 inside a group.

    `groups` are positions of candidates with the same result; every position is in one.
    """
    firsts = [candidates[group[0]].final.execution for group in groups]
    between = _ruzicka(
        [_cells(found) if isinstance(found, Rows) else Counter() for found in firsts]
    )
    home = np.zeros(len(candidates), dtype=np.int64)
    for place, group in enumerate(groups):
        home[list(group)] = place
    found: Matrix = between[np.ix_(home, home)]
    return found


def tree_kernel(candidates: Sequence[Candidate], dialect: str) -> Matrix:
    """Return how alike the parse trees are; each distinct SQL is parsed once."""
    texts = list(dict.fromkeys(one.sql for one in candidates))
    between = _ruzicka([Counter(tree_edges(text, dialect)) for text in texts])
    places = {text: place for place, text in enumerate(texts)}
    home = [places[one.sql] for one in candidates]
    found: Matrix = between[np.ix_(home, home)]
    return found


def _cells(found: Rows) -> Counter[Hashable]:
    """The bag of cells of the first rows; what is not equal to itself counts by its looks."""
    cells = (value for row in found.rows[:_ROWS] for value in row)
    return Counter(
        value if isinstance(value, str | int | None) or value == value else repr(value)
        for value in (c if isinstance(c, Hashable) else repr(c) for c in cells)
    )


def _ruzicka(bags: Sequence[Counter[Hashable]]) -> Matrix:
    """Σ min / Σ max of each two bags; two empty ones are alike."""
    names: dict[Hashable, int] = {}
    for bag in bags:
        for item in bag:
            names.setdefault(item, len(names))
    counts = np.zeros((len(bags), max(len(names), 1)), dtype=np.float64)
    for row, bag in zip(counts, bags, strict=True):
        for item, times in bag.items():
            row[names[item]] = times
    found = np.ones((len(bags), len(bags)))
    sizes = counts.sum(axis=1)
    for i, row in enumerate(counts):
        shared = np.minimum(row, counts).sum(axis=1)
        either = sizes[i] + sizes - shared
        found[i] = np.divide(shared, either, out=np.ones(len(bags)), where=either > 0)
    return found
