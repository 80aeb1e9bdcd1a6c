"""Spend on further generators only where it pays: ask one, the next only where that one is unsure.

Whatever the generators that were asked so far have written is chosen among as all candidates are,
by the same selector. A question goes on to the next generator while the choice is not sure enough,
the one-sided form of window-based early exit. How sure it is says a line through features of the
choice (`stages.evidence`), fitted for each step on its own, since one beam that agrees with itself
is less than three. What of the question the SQL leaves out (`stages.overlap`) has no part in it:
that tells answers that are wrong, but where one generator can do nothing with a word, the next one
mostly cannot either. Everything is fitted on recorded runs over databases held out of training, and
the thresholds on values of databases that a line was not fitted to, so that stated shares of all
questions go on.

A file of cascades holds one per selector, as a file of calibrations does (`stages.calibrate`).

What is not covered: language models, which `session` asks after the cheap generators, by the
same confidence; and what a call costs. All calls count alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quorumsql.domain import Choice
from quorumsql.errors import ModelError
from quorumsql.stages.calibrate import (
    VOTE,
    Calibration,
    calibration_of,
    fit_line,
    record_of,
    squashed,
)
from quorumsql.stages.evidence import VOTED, Line, Row, left_out, logistic, table_of
from quorumsql.stages.overlap import SAID

__all__ = [
    *("Cascade", "Known", "Step", "fit_cascade", "heeded", "load_cascade", "save_cascade"),
    *("stopped", "thresholds"),
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows once some generators were asked, and others were not.

    The next one is asked where the choice is less sure than `below`, which may be 0. How sure it
    is, from 0 to 1, says `line`; absent, the calibration's raw score. `calibration` is of choices
    among what these generators wrote.
    """

    calibration: Calibration
    below: float
    line: Line | None = None

    def stops(self, choice: Choice, row: Row, *, least: float | None = None) -> bool:
        """Return whether the choice stands without the others.

        Args:
            choice: that among the candidates that there are, not calibrated.
            row: its features.
            least: stop from this calibrated chance on, instead of by the fitted threshold.
        """
        if choice.candidate is None:
            return False
        if least is not None:
            return self.calibration.chance(choice, row) >= least
        sure = self.calibration.raw(choice, row) if self.line is None else squashed(self.line(row))
        return sure >= self.below


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """In which `order` generators are asked, and what follows after each but the last.

    `calls` is the share of all calls that this asked on held-out questions.
    """

    order: tuple[str, ...]
    steps: tuple[Step, ...]
    calls: float = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """Recorded choices among what some generators wrote: features, and whether each is right."""

    rows: Sequence[Row]
    right: Sequence[bool]


def fit_cascade(
    order: Sequence[str],
    known: Sequence[Known],
    *,
    going_on: Sequence[float],
    databases: Sequence[Hashable],
    names: Sequence[str] = VOTED,
) -> Cascade:
    """Fit the steps of a cascade on recorded questions.

    Args:
        order: the generators, as they are to be asked.
        known: for each but the last, the choices among what was written up to it.
        going_on: for each but the last, the share of all questions that may go on.
        databases: the database of each question.
        names: the features to look at; whether to go on heeds a part of them (`heeded`).
    """
    measured = [fit_line(one.rows, one.right, databases=databases, names=names) for one in known]
    looked_at = heeded(names)
    lines = [
        logistic(table_of(one.rows, looked_at), np.asarray(one.right, dtype=float), looked_at)
        for one in known
    ]
    values = [held_out_scores(one, databases, looked_at) for one in known]
    below = thresholds(values, going_on)
    count = len(order)
    return Cascade(
        order=tuple(order),
        steps=tuple(
            Step(calibration=calibration, below=least, line=line)
            for calibration, least, line in zip(measured, below, lines, strict=True)
        ),
        calls=(1 + math.fsum(going_on)) / count,
    )


def heeded(names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the features by which a question goes on."""
    return tuple(name for name in names if name not in SAID)


def held_out_scores(known: Known, databases: Sequence[Hashable], names: Sequence[str]) -> Floats:
    """Return the raw score of each choice by a line that was fitted without its database."""
    right = np.asarray(known.right, dtype=np.float64)
    through = partial(logistic, names=names)
    values = left_out(table_of(known.rows, names), right, databases, through)
    return np.array([squashed(value) for value in values.tolist()])


def thresholds(values: Sequence[Floats], going_on: Sequence[float]) -> tuple[float, ...]:
    """Return the raw score of each step below which questions go on.

    Args:
        values: the raw scores after each step, (questions,) each.
        going_on: the share of all questions that may go on from each step.
    """
    found: list[float] = []
    reaching = np.ones(len(values[0]), dtype=bool) if values else np.zeros(0, dtype=bool)
    for scores, share in zip(values, going_on, strict=True):
        ordered, count = np.sort(scores[reaching]), int(share * len(scores))
        if not count:
            found.append(0.0)
        else:
            found.append(float(ordered[count]) if count < len(ordered) else 1.0)
        reaching &= scores < found[-1]
    return tuple(found)


def stopped(values: Sequence[Floats], below: Sequence[float]) -> npt.NDArray[np.int64]:
    """Return after which step each question stops, 0 for the first; see `thresholds`."""
    found = np.zeros(len(values[0]), dtype=np.int64)
    reaching = np.ones(len(values[0]), dtype=bool)
    for scores, least in zip(values, below, strict=True):
        reaching &= scores < least
        found += reaching
    return found


def save_cascade(cascade: Cascade, path: Path, *, about: str, of: str = VOTE) -> None:
    """Write a selector's cascade; others' stay. `about` says what it was fitted on, and by what.

    Raises:
        ModelError: the file that is there holds no cascades.
    """
    made = {
        "about": about,
        "order": list(cascade.order),
        "steps": [
            {
                "below": step.below,
                "calibration": record_of(step.calibration),
                **({} if step.line is None else {"line": asdict(step.line)}),
            }
            for step in cascade.steps
        ],
        "calls": cascade.calls,
    }
    record = {"of": {**(_records(path) if path.is_file() else {}), of: made}}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load_cascade(path: Path, of: str = VOTE) -> Cascade | None:
    """Read a selector's cascade; None where there is no such file, or none of that selector.

    Raises:
        ModelError: the file holds no cascades.
    """
    if not path.is_file():
        return None
    record = _records(path).get(of)
    if record is None:
        return None
    try:
        return _read(record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a cascade ({error!r}); fit it again.") from error


def _records(path: Path) -> dict[str, Any]:
    """The cascades of a file, by selector."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["of"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a cascade ({error!r}); fit it again.") from error


def _read(record: Mapping[str, Any]) -> Cascade:
    order = tuple(map(str, record["order"]))
    steps = tuple(
        Step(
            calibration=calibration_of(one["calibration"]),
            below=float(one["below"]),
            line=Line.read(one["line"]) if "line" in one else None,
        )
        for one in record["steps"]
    )
    if len(steps) != len(order) - 1:
        raise ValueError(f"{len(order)} generators, {len(steps)} steps")
    return Cascade(order=order, steps=steps, calls=float(record["calls"]))
