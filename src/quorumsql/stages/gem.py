"""Weights for members from the errors they share.

The generalised ensemble method (Perrone and Cooper 1993, "When Networks Disagree") weighs members
by the inverse of the second-moment matrix of their errors, w_i = Σ_j C⁻¹_ij / Σ_kj C⁻¹_kj, the
smallest error that a weighted mean can have. For votes two things differ. Two members that are
wrong in different ways do not add up to a wrong majority, so C counts questions on which both give
the *same* wrong result. And a vote cannot be negative: weights that would be are 0, which makes it
the quadratic programme min wᵀCw over w ≥ 0, Σw = 1.

What is not covered: that some questions are harder than others. C is shrunk towards equal and
independent members, since a few hundred questions say little about a pair.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["SHRINK", "gem_weights", "shared_errors"]

SHRINK = 0.3
"""Share of the diagonal's mean that replaces what was measured; chosen before anything was."""

_STEPS = 20_000

Matrix = npt.NDArray[np.float64]


def shared_errors(groups: npt.NDArray[np.int64], right: npt.NDArray[np.bool_]) -> Matrix:
    """Return C: how often each two members give the same wrong result.

    Args:
        groups: questions × members, the number of the group of results that a member's answer is
            in; -1 where it has none.
        right: questions × members, whether the answer is right.

    Returns:
        Members × members, between 0 and 1; the diagonal holds rates of error. An answer that did
        not run is an error that no other member shares.
    """
    wrong = ~right
    answered = wrong & (groups >= 0)
    same = groups[:, :, None] == groups[:, None, :]
    shared = same & answered[:, :, None] & answered[:, None, :]
    found: Matrix = shared.mean(axis=0) if len(groups) else np.zeros((groups.shape[1],) * 2)
    if len(groups):
        np.fill_diagonal(found, wrong.mean(axis=0))
    return found


def gem_weights(errors: Matrix, *, shrink: float = SHRINK) -> tuple[float, ...]:
    """Return weights, 0 or more with sum 1, for which the shared error is smallest.

    Args:
        errors: C of `shared_errors`.
        shrink: from 0, C as it is, to 1, all members equal and independent.
    """
    size = len(errors)
    level = float(np.trace(errors)) / size if size else 0.0
    if level <= 0.0:  # nobody errs
        return (1.0 / size,) * size if size else ()
    matrix = (1 - shrink) * errors + shrink * level * np.eye(size)
    return tuple(_least(matrix).tolist())


def _least(matrix: Matrix) -> Matrix:
    """The minimum of wᵀCw over the simplex: weight moves from the worst member to the best.

    Where no weight is 0 this is the quotient of the method, which needs no inverse here.
    """
    weights: Matrix = np.full(len(matrix), 1.0 / len(matrix))
    for _ in range(_STEPS):
        gradient = matrix @ weights
        best = int(gradient.argmin())
        used = np.flatnonzero(weights > 0)
        worst = int(used[gradient[used].argmax()])
        gap = gradient[worst] - gradient[best]
        if gap <= 1e-12:
            break
        curve = matrix[best, best] + matrix[worst, worst] - 2 * matrix[best, worst]
        step = min(weights[worst], gap / curve if curve > 0 else weights[worst])
        weights[best] += step
        weights[worst] -= step
    return weights
