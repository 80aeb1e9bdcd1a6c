"""Write what a search found: the front as JSON and as a picture, the choice as configuration.

`composition.json` is what `quorum choose --composition` reads, whoever the generators are.
`quorum.toml` holds what `quorum ask --config` reads; generators that quorum does not have, such as
published systems of a pool, stand in it as a comment, and where there are no others the file is not
written.

What is not covered: searching (`evals.tune`).
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from quorumsql.disk import write_atomically
from quorumsql.errors import UsageError
from quorumsql.evals.rating import Rater
from quorumsql.evals.tune import Composition, Front
from quorumsql.stages.composed import Composed, save_composed
from quorumsql.stages.session import NAMES
from quorumsql.stages.weighted import Measured, rank_weights, save_measured

__all__ = ["as_toml", "composed", "drawn", "measured", "write_all"]

_BY_US = "# Written by quorum tune"
_WIDTH, _HEIGHT, _EDGE = 640, 380, 56
_COLOURS = {
    "majority": "#3b6ea5",
    "weighted": "#7a5ea8",
    "gem": "#2f8f6b",
    "cascade": "#c26a1b",
}


def write_all(
    folder: Path, front: Front, choice: Composition, rater: Rater, *, about: str, judged: bool
) -> tuple[str, ...]:
    """Write what was found into a folder, and return the names of the files.

    Where the choice has no generator of quorum, a `quorum.toml` of an earlier search is removed.

    Raises:
        UsageError: a file cannot be written.
    """
    record: dict[str, Any] = {
        "about": about,
        "judged_by": "gold" if judged else "consensus",
        "rated": front.rated,
        "ranked": list(front.ranked),
        "chosen": asdict(choice),
        "front": [asdict(one) for one in front.compositions],
    }
    write_atomically(folder / "front.json", [json.dumps(record, indent=1), "\n"])
    write_atomically(folder / "front.svg", [drawn(front.compositions, choice, judged=judged)])
    known = measured(front, rater)
    save_measured(known, folder / "weights.json")
    save_composed(composed(choice, known), folder / "composition.json")
    names = ("front.svg", "front.json", "weights.json", "composition.json")
    settings = folder / "quorum.toml"
    if any(map(_is_ours, choice.members)):
        write_atomically(settings, [as_toml(choice, known, about=about)])
        return (*names, settings.name)
    _removed(settings)
    return names


def measured(front: Front, rater: Rater) -> Measured:
    """Return ranks and weights of all members, as `quorum choose --weights` reads them."""
    gem = dict(zip(rater.recorded.names, np.round(rater.gem(), 6).tolist(), strict=True))
    return Measured(ranks={name: place for place, name in enumerate(front.ranked)}, gem=gem)


def composed(choice: Composition, known: Measured) -> Composed:
    """Return a composition as `quorum choose` applies it."""
    weights = _weights(choice, known)
    return Composed(
        members=choice.members,
        selector=choice.selector,
        risk=choice.risk,
        weights={name: weights[name] for name in choice.members if name in weights},
    )


def as_toml(choice: Composition, known: Measured, *, about: str) -> str:
    """Return the configuration of a composition."""
    ours = [name for name in choice.members if _is_ours(name)]
    foreign = [name for name in choice.members if not _is_ours(name)]
    lines = [
        f"{_BY_US} from {_plain(about)}.",
        f"# {choice.accuracy:.1%} with {choice.calls:.1f} calls per question, "
        f"chosen by {choice.selector}.",
    ]
    if foreign:
        lines.append(f"# Not generators of quorum: {_plain(', '.join(foreign))}.")
    if ours:
        lines.append(f"generators = [{', '.join(map(_quoted, ours))}]")
    weights = _weights(choice, known)
    lines += _trust({name: weights[name] for name in ours if name in weights})
    if choice.selector == "cascade" and sum(name.startswith("embedded/") for name in ours) > 1:
        lines += ["", "[members]", 'cascade = "auto"']
    return "\n".join(lines) + "\n"


def drawn(front: Sequence[Composition], choice: Composition, *, judged: bool) -> str:
    """Return the front as an SVG picture: accuracy over calls, a colour per way to choose."""
    calls = [one.calls for one in front]
    rates = [one.accuracy for one in front]
    left, right = 0.0, max(calls) * 1.05
    low, high = min(rates), max(rates)
    pad = max((high - low) * 0.1, 0.005)
    low, high = max(low - pad, 0.0), min(high + pad, 1.0)

    def x(value: float) -> float:
        return round(_EDGE + (value - left) / (right - left) * (_WIDTH - _EDGE - 16), 1)

    def y(value: float) -> float:
        return round(_HEIGHT - _EDGE - (value - low) / (high - low) * (_HEIGHT - _EDGE - 16), 1)

    steps = [low + (high - low) * part / 4 for part in range(5)]
    ticks = "".join(
        f'<line x1="{_EDGE}" x2="{_WIDTH - 16}" y1="{y(s)}" y2="{y(s)}" stroke="#ddd"/>'
        f'<text x="{_EDGE - 6}" y="{y(s) + 4}" text-anchor="end">{s:.1%}</text>'
        for s in steps
    ) + "".join(
        f'<text x="{x(c)}" y="{_HEIGHT - _EDGE + 18}" text-anchor="middle">{c:g}</text>'
        for c in np.unique(np.round(np.linspace(0, max(calls), 6))).tolist()
    )
    line = " ".join(f"{x(c)},{y(r)}" for c, r in _stairs(front))
    points = "".join(_point(one, x(one.calls), y(one.accuracy), one == choice) for one in front)
    what = "accuracy" if judged else "agreement with the consensus of the others"
    used = [name for name in _COLOURS if any(one.selector == name for one in front)]
    legend = "".join(
        f'<circle cx="{_EDGE + 12 + 110 * n}" cy="{_HEIGHT - 12}" r="5" fill="{_COLOURS[name]}"/>'
        f'<text x="{_EDGE + 22 + 110 * n}" y="{_HEIGHT - 8}">{name}</text>'
        for n, name in enumerate(used)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="11" role="img" '
        f'aria-label="{what} over calls per question">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>{ticks}'
        f'<polyline points="{line}" fill="none" stroke="#999" stroke-dasharray="3 3"/>{points}'
        f'<text x="{(_WIDTH + _EDGE) / 2}" y="{_HEIGHT - 24}" text-anchor="middle">'
        f"calls per question ({what} upwards)</text>{legend}</svg>\n"
    )


def _stairs(front: Sequence[Composition]) -> list[tuple[float, float]]:
    """The best accuracy for so many calls, as far as it rises."""
    found: list[tuple[float, float]] = []
    for one in sorted(front, key=lambda c: (c.calls, -c.accuracy)):
        if not found or one.accuracy > found[-1][1]:
            found.append((one.calls, one.accuracy))
    return found


def _point(one: Composition, x: float, y: float, marked: bool) -> str:
    risk = "" if one.risk is None else f" at risk {one.risk:g}"
    words = (
        f"{one.accuracy:.1%}, {one.calls:.1f} calls, {one.selector}{risk}: {', '.join(one.members)}"
    )
    ring = f'<circle cx="{x}" cy="{y}" r="9" fill="none" stroke="black"/>' if marked else ""
    return (
        f'<g><title>{html.escape(words)}</title>{ring}<circle cx="{x}" cy="{y}" r="4.5" '
        f'fill="{_COLOURS[one.selector]}"/></g>'
    )


def _weights(choice: Composition, known: Measured) -> Mapping[str, float]:
    """What the votes count by, of all generators; empty where they all count alike."""
    if choice.selector == "weighted":
        return rank_weights(known.ranks)
    return known.gem if choice.selector == "gem" else {}


def _removed(settings: Path) -> None:
    """Remove settings that an earlier search wrote: they are not what was found."""
    try:
        if settings.read_text(encoding="utf-8").startswith(_BY_US):
            settings.unlink()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{settings}: of an earlier search, cannot go: {error}.") from error


def _trust(weights: dict[str, float]) -> list[str]:
    """The table of what each vote counts, 1 on average."""
    if not weights or sum(weights.values()) <= 0:
        return []
    usual = sum(weights.values()) / len(weights)
    return [
        *("", "[trust]"),
        *(f"{_quoted(name)} = {weight / usual:.4f}" for name, weight in weights.items()),
    ]


def _is_ours(name: str) -> bool:
    return name in NAMES or name == "embedded" or name.startswith("embedded/")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _plain(text: str) -> str:
    """The text on one line, as a comment needs it."""
    return " ".join(text.split())
