"""Turn a selector's raw score into the chance that the answer is right.

A share of the vote of 0.8 does not mean right four times in five, nor does any selector's score.
The map from one to the other is fitted once on held-out databases. Three curves are tried
(`stages.curves`), each on databases that it was not fitted on, and the one with the smaller sum
of expected calibration error and Brier score is kept: a larger score never means a smaller chance.
Where a line through several features of the choice says more than that score (`stages.evidence`),
its value is the chance, as it is: a curve over a logistic regression only adds what a few databases
happen to have. Promises are tested on values of databases that a line was not fitted to.

A file of calibrations holds one per selector, since their scores do not mean the same. A file of
the first version, which knew the share of the vote only, is read as that.

What is not covered: one's own database; `stages.recalibrate` moves
confidence to what people said of answers there.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from quorumsql.domain import Choice
from quorumsql.errors import ConfigError, ModelError
from quorumsql.stages.curves import CURVES, Points, brier, expected_error, log_odds
from quorumsql.stages.evidence import Line, Row, left_out, logistic, table_of
from quorumsql.stages.guarantee import guarantees

__all__ = [
    "VOTE",
    "Calibration",
    "calibration_of",
    "confidence",
    "fit",
    "fit_line",
    "held_out_chances",
    "load",
    "promised",
    "record_of",
    "save",
    "squashed",
]

VOTE: Final = "vote"
"""The raw score that needs no selector: the share of the vote."""
_FOLDS = 10
_SPREADS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured on held-out databases.

    `shares` (raw scores) rise strictly, `chances` never fall; both empty means that a score stands
    for itself. `ranks` gives each generator's place by accuracy, 0 for the best; `n` is the
    number of questions. `guarantees` pairs rates of error with the score that keeps them.
    `method` names the curve. `spread` is how much databases differ beyond what the score says: the
    standard deviation of their shift, in log odds. With a `line`, its value for the features of
    the choice is the raw score, else the selector's confidence is.
    """

    shares: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()
    ranks: Mapping[str, int] = field(default_factory=dict)
    n: int = 0
    guarantees: tuple[tuple[float, float], ...] = ()
    method: str = "isotonic"
    spread: float = 0.7
    line: Line | None = None

    def raw(self, choice: Choice, row: Row) -> float:
        """Return the raw score of a choice, from 0 to 1, given its features."""
        return choice.confidence if self.line is None else squashed(self.line(row))

    def chance(self, choice: Choice, row: Row) -> float:
        """Return the chance that the choice is right, given its features."""
        return confidence(self.raw(choice, row), self)


def squashed(odds: float) -> float:
    """Return the chance that has these log odds."""
    return 1.0 / (1.0 + math.exp(-min(max(odds, -30.0), 30.0)))


def promised(max_error: float, calibration: Calibration) -> float:
    """Return the least confidence with which answers err at most at the rate `max_error`.

    Raises:
        ConfigError: what was measured does not show that for any confidence.
    """
    if not calibration.guarantees and calibration.n:
        raise ConfigError(
            f"max_error cannot be promised: the {calibration.n} questions that confidence was "
            "measured on show no rate of errors."
        )
    if not calibration.guarantees:
        raise ConfigError("max_error needs embedded generators alone: nothing was measured here.")
    shares = [share for rate, share in calibration.guarantees if rate <= max_error]
    if not shares:
        least = min(rate for rate, _ in calibration.guarantees)
        raise ConfigError(
            f"max_error {max_error:g} cannot be promised; the smallest that can is {least:g}."
        )
    return confidence(min(shares), calibration)


def confidence(share: float, calibration: Calibration) -> float:
    """Return the chance in [0, 1] that the answer with this raw score is right.

    Linear between the measured points, constant outside them.
    """
    shares, chances = calibration.shares, calibration.chances
    if not shares:
        return min(max(share, 0.0), 1.0)
    right = bisect_right(shares, share)
    if right == 0:
        return chances[0]
    if right == len(shares):
        return chances[-1]
    low, high = shares[right - 1], shares[right]
    part = (share - low) / (high - low)
    return min(chances[right - 1] + part * (chances[right] - chances[right - 1]), chances[right])


def fit(
    shares: Sequence[float],
    correct: Sequence[bool],
    *,
    databases: Sequence[Hashable] | None = None,
    ranks: Mapping[str, int] | None = None,
    method: str | None = None,
) -> Calibration:
    """Fit the map to one raw score and one verdict per question.

    Args:
        shares: the selector's score of each answer, the higher the surer.
        correct: whether the answer was right.
        databases: the database of each question. With them the better curve is chosen, the
            spread between databases is measured, and promises know that questions of one
            database resemble each other; without them the curve is isotonic.
        ranks: places of the generators, kept beside the map.
        method: the curve to take, where it is known.
    """
    if not len(shares) == len(correct) == len(databases if databases is not None else shares):
        raise ValueError(f"{len(shares)} shares but {len(correct)} verdicts, or databases")
    if not shares:
        return Calibration(ranks=dict(ranks or {}))
    if method is None:
        method = _better(shares, correct, databases) if databases is not None else "isotonic"
    points = CURVES[method](shares, correct)
    made = Calibration(
        shares=tuple(score for score, _ in points),
        chances=tuple(chance for _, chance in points),
        ranks=dict(ranks or {}),
        n=len(shares),
        method=method,
    )
    made = replace(made, guarantees=_kept(made, shares, correct, databases))
    return made if databases is None else _with_spread(made, shares, correct, databases)


def fit_line(
    rows: Sequence[Row],
    correct: Sequence[bool],
    *,
    databases: Sequence[Hashable],
    names: Sequence[str],
    ranks: Mapping[str, int] | None = None,
) -> Calibration:
    """Fit a line through the features `names`, whose value is the chance.

    Args:
        rows: the features of each choice (`stages.evidence`).
        correct: whether the answer was right.
        databases: the database of each question; promises and the spread between databases are
            measured on what lines say of databases that they were not fitted to.
        names: the features to look at.
        ranks: places of the generators, kept beside the map.
    """
    table, right = table_of(rows, names), np.asarray(correct, dtype=np.float64)
    through = partial(logistic, names=names)
    values = [squashed(value) for value in left_out(table, right, databases, through).tolist()]
    made = fit(values, correct, databases=databases, ranks=ranks, method="as_it_is")
    return replace(made, line=through(table, right)) if made.n else made


def held_out_chances(
    shares: Sequence[float],
    correct: Sequence[bool],
    databases: Sequence[Hashable],
    *,
    method: str | None = None,
    folds: int = _FOLDS,
) -> tuple[float, ...]:
    """Return each answer's chance by a map fitted without its database.

    With at most `folds` databases each is left out alone; with more, whole databases share folds.
    """
    names = list(dict.fromkeys(databases))
    place = {name: number % folds for number, name in enumerate(names)}
    found = [0.0] * len(shares)
    for fold in range(min(folds, len(names))):
        own = [i for i, name in enumerate(databases) if place[name] == fold]
        rest = [i for i, name in enumerate(databases) if place[name] != fold]
        others = [databases[i] for i in rest]
        kind = method or _better([shares[i] for i in rest], [correct[i] for i in rest], others)
        points = _curve(kind, [shares[i] for i in rest], [correct[i] for i in rest])
        for i in own:
            found[i] = confidence(shares[i], points)
    return tuple(found)


def load(path: Path, of: str = VOTE) -> Calibration:
    """Read what `save` wrote of a selector; what is not there is the empty calibration.

    Raises:
        ModelError: the file is not a calibration.
    """
    if not path.is_file():
        return Calibration()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        kept = {VOTE: record} if "shares" in record else dict(record["of"].items())
        ranks = {str(name): int(rank) for name, rank in record.get("ranks", {}).items()}
        read = calibration_of(kept[of], ranks) if of in kept else Calibration(ranks=ranks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a calibration ({error!r}); fit it again.") from error
    if not _rising(read):
        raise ModelError(f"{path} is not a calibration: its shares or chances fall; fit it again.")
    return read


def save(calibration: Calibration, path: Path, of: str = VOTE) -> None:
    """Write a selector's calibration as a small JSON object; other selectors' stay.

    Raises:
        ModelError: the file that is there is not a calibration.
    """
    others: dict[str, Any] = {}
    if path.is_file() and of != VOTE:  # the vote is measured first: new weights, new file
        before = json.loads(path.read_text(encoding="utf-8"))
        if "of" not in before:
            before = {"of": {VOTE: record_of(load(path))}}
        others = dict(before["of"])
    record = {
        "version": 2,
        "ranks": dict(calibration.ranks) or dict(load(path).ranks),
        "of": {**others, of: record_of(calibration)},
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _better(shares: Sequence[float], correct: Sequence[bool], databases: Sequence[Hashable]) -> str:
    """The curve with the smaller sum of calibration error and Brier score on other databases."""
    if len(set(databases)) < 2:
        return "isotonic"

    def badness(method: str) -> float:
        chances = held_out_chances(shares, correct, databases, method=method)
        return expected_error(chances, correct) + brier(chances, correct)

    return min(CURVES, key=badness)


def _curve(method: str, shares: Sequence[float], correct: Sequence[bool]) -> Calibration:
    points: Points = CURVES[method](shares, correct) if shares else ()
    return Calibration(shares=tuple(s for s, _ in points), chances=tuple(c for _, c in points))


def _kept(
    made: Calibration,
    shares: Sequence[float],
    correct: Sequence[bool],
    databases: Sequence[Hashable] | None,
) -> tuple[tuple[float, float], ...]:
    """Promises, tested on what answers are judged by: scores of one chance stand together."""
    chances = [confidence(share, made) for share in shares]
    found = guarantees(chances, correct, databases=databases)
    return tuple(
        (rate, min(s for s, chance in zip(shares, chances, strict=True) if chance >= least))
        for rate, least in found
    )


def _with_spread(
    made: Calibration,
    shares: Sequence[float],
    correct: Sequence[bool],
    databases: Sequence[Hashable],
) -> Calibration:
    """The calibration with the spread of databases that makes their verdicts likeliest."""
    odds = np.array([log_odds(confidence(share, made)) for share in shares])
    sign = np.where(np.asarray(correct, dtype=bool), 1.0, -1.0)
    order = {name: number for number, name in enumerate(dict.fromkeys(databases))}
    place = np.array([order[name] for name in databases])
    steps = np.linspace(-3.0, 3.0, 25)
    prior = -(steps**2) / 2 - math.log(float(np.exp(-(steps**2) / 2).sum()))

    def likely(spread: float) -> float:
        """Log likelihood, the shift of each database summed over a normal distribution."""
        each = -np.log1p(np.exp(-sign[:, None] * (odds[:, None] + spread * steps)))
        total = np.tile(prior, (len(order), 1))
        np.add.at(total, place, each)
        top = total.max(axis=1)
        return float((top + np.log(np.exp(total - top[:, None]).sum(axis=1))).sum())

    return replace(made, spread=max(_SPREADS, key=likely))


def record_of(calibration: Calibration) -> dict[str, Any]:
    """Return what JSON keeps of a calibration; ranks stand beside it."""
    line = {} if calibration.line is None else {"line": asdict(calibration.line)}
    return {
        **line,
        "method": calibration.method,
        "shares": list(calibration.shares),
        "chances": [round(chance, 6) for chance in calibration.chances],
        "n": calibration.n,
        "spread": calibration.spread,
        "guarantees": [list(pair) for pair in calibration.guarantees],
    }


def calibration_of(
    record: Mapping[str, Any], ranks: Mapping[str, int] | None = None
) -> Calibration:
    """Return the calibration that `record_of` made.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: the record is none.
    """
    return Calibration(
        line=Line.read(record["line"]) if "line" in record else None,
        shares=tuple(float(x) for x in record["shares"]),
        chances=tuple(float(x) for x in record["chances"]),
        ranks=ranks or {},
        n=int(record.get("n", 0)),
        guarantees=tuple(
            (float(rate), float(share)) for rate, share in record.get("guarantees", ())
        ),
        method=str(record.get("method", "isotonic")),
        spread=float(record.get("spread", 0.7)),
    )


def _rising(read: Calibration) -> bool:
    pairs: Iterator[tuple[float, float]] = zip(read.shares, read.shares[1:], strict=False)
    strictly = all(a < b for a, b in pairs)
    never_falls = all(a <= b for a, b in zip(read.chances, read.chances[1:], strict=False))
    return len(read.shares) == len(read.chances) and strictly and never_falls
