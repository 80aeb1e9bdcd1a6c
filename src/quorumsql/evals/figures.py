"""Figures as people read them, the same in the terminal and in both reports.

Shares are in percent, differences between shares in points; an interval is written "from to", with
its unit once.

What is not covered: how figures come about (`metrics`), and their JSON: shares from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    *("TOO_FEW", "count", "percent", "points", "spread", "spread_of_points", "whole"),
    "with_spread",
]

TOO_FEW = "too few to say"
"""Stands for the interval of a figure that so few questions cannot have."""

Bounds = Sequence[float] | None


def percent(share: float | None) -> str:
    """Return a share.

    >>> percent(0.717)
    '71.7 %'
    """
    return "–" if share is None else f"{100 * share:.1f} %"


def whole(share: float) -> str:
    """Return a share without a fraction, for those that somebody chose.

    >>> whole(0.05)
    '5 %'
    """
    return f"{100 * share:.0f} %"


def count(number: int, noun: str) -> str:
    """Return number and noun.

    >>> count(1, "question"), count(3, "question")
    ('1 question', '3 questions')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def points(difference: float) -> str:
    """Return a difference of two shares.

    >>> points(0.029)
    '+2.9 points'
    """
    return f"{100 * difference:+.1f} points"


def spread(bounds: Bounds) -> str:
    """Return the interval of a share.

    >>> spread((0.635, 0.818))
    '63.5 to 81.8 %'
    """
    return TOO_FEW if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"


def spread_of_points(bounds: Bounds) -> str:
    """Return the interval of a difference.

    >>> spread_of_points((0.004, 0.054))
    '+0.4 to +5.4 points'
    """
    return TOO_FEW if bounds is None else f"{100 * bounds[0]:+.1f} to {100 * bounds[1]:+.1f} points"


def with_spread(share: float | None, bounds: Bounds) -> str:
    """Return a share and its interval; no share has none.

    >>> with_spread(0.717, (0.635, 0.818))
    '71.7 %  (63.5 to 81.8 %)'
    """
    return percent(share) if share is None else f"{percent(share)}  ({spread(bounds)})"
