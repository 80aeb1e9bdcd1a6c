"""The report's pictures as inline SVG: intervals, bars and the reliability diagram.

Only numbers of our own enter these pictures, never text of models or databases.

What is not covered: anything that moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["bar", "interval", "reliability_diagram"]

_WIDTH, _HEIGHT = 150, 12
_SIDE, _EDGE = 300, 44


def interval(value: float, low: float, high: float) -> str:
    """Return a track from 0 to 1 with an interval and a dot on it."""
    x, left, right = (round(share * (_WIDTH - 8) + 4, 1) for share in (value, low, high))
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" aria-hidden="true">'
        f'<rect class="track" x="0" y="4" width="{_WIDTH}" height="4" rx="2"/>'
        f'<line class="whisker" x1="{left}" x2="{right}" y1="6" y2="6"/>'
        f'<circle class="dot" cx="{x}" cy="6" r="4"/></svg>'
    )


def bar(share: float) -> str:
    """Return a bar that is as long as `share` of the widest."""
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" aria-hidden="true">'
        f'<rect class="bar" x="0" y="2" width="{max(1.0, share * _WIDTH):.1f}" height="8" rx="2"/>'
        "</svg>"
    )


def reliability_diagram(bins: Sequence[Mapping[str, Any]], histogram: Sequence[int]) -> str:
    """Return share of right answers over confidence; wide bars show where the answers are.

    `histogram` counts the answers in parts of equal width from 0 to 1.
    """

    def x(share: float) -> float:
        return round(_EDGE + share * _SIDE, 1)

    def y(share: float) -> float:
        return round(_SIDE + 12 - share * _SIDE, 1)

    ticks = "".join(
        f'<text class="tick" x="{x(share)}" y="{y(0) + 16}" text-anchor="middle">{share:.0%}</text>'
        f'<text class="tick" x="{_EDGE - 6}" y="{y(share) + 4}" text-anchor="end">'
        f"{share:.0%}</text>"
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    most = max(*histogram, 1)
    weights = "".join(
        f'<rect class="weight" x="{x(at / len(histogram))}" '
        f'width="{_SIDE / len(histogram) - 1:.1f}" y="{y(count / most)}" '
        f'height="{y(0) - y(count / most):.1f}"/>'
        for at, count in enumerate(histogram)
        if count
    )
    points = "".join(
        f'<line class="whisker" x1="{x(b["confidence"])}" x2="{x(b["confidence"])}" '
        f'y1="{y(b["ci95"][0])}" y2="{y(b["ci95"][1])}"/>'
        f'<circle class="dot" cx="{x(b["confidence"])}" cy="{y(b["execution_accuracy"])}" r="4"/>'
        for b in bins
    )
    line = " ".join(f"{x(b['confidence'])},{y(b['execution_accuracy'])}" for b in bins)
    return (
        f'<svg viewBox="0 0 {_SIDE + _EDGE + 16} {_SIDE + 56}" width="{_SIDE + _EDGE + 16}" '
        'role="img" aria-label="Reliability diagram">'
        f'<line class="axis" x1="{x(0)}" x2="{x(1)}" y1="{y(0)}" y2="{y(0)}"/>'
        f'<line class="axis" x1="{x(0)}" x2="{x(0)}" y1="{y(0)}" y2="{y(1)}"/>'
        f'<line class="ideal" x1="{x(0)}" x2="{x(1)}" y1="{y(0)}" y2="{y(1)}"/>'
        f'{weights}<polyline class="curve" points="{line}"/>{points}{ticks}'
        f'<text class="tick" x="{x(0.5)}" y="{y(0) + 36}" text-anchor="middle">'
        "confidence (share of answers right, with 95 % interval)</text></svg>"
    )
