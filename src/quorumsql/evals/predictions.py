"""The file of predictions: one JSON object per line, appended as questions are answered.

A run that was killed leaves at most one torn last line; reading drops it, so that the next
run continues with exactly the questions that have no complete line.

What is not covered: two processes that write to one file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from quorumsql.disk import encodable
from quorumsql.domain import Status, Usage
from quorumsql.errors import UsageError

__all__ = [
    "Prediction",
    "Preview",
    "Vote",
    "read_predictions",
    "to_line",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One candidate of an answer and whether it is right; `group` counts from the largest."""

    generator: str
    sql: str
    status: Status
    weight: float
    group: int | None
    correct: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The first rows of a result as text, for people; `error` when there is no result."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    count: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was answered to one task, and the verdict.

    `unscored` says why no verdict was possible (a traceback, or gold that does not run);
    such a question counts as wrong. `verdicts` and `scores` are those of further metrics, by
    name: BIRD's `soft_f1` and `reward`. `seconds` is wall time of the answer without scoring.

    `gold` is the gold query, `features` counts what it is made of (None where it does not
    parse) and `hardness` says how hard it is. Of a wrong answer, `error` is the class of its
    result, `differs` names the parts in which the SQL is unlike the gold query, and the previews
    show both results.
    """

    index: int
    db_id: str
    question: str
    sql: str | None
    confidence: float
    abstained: bool
    correct: bool
    status: Status
    reason: str | None = None
    unscored: str | None = None
    seconds: float = 0.0
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    candidates: tuple[Vote, ...] = ()
    predicted_preview: Preview | None = None
    gold_preview: Preview | None = None
    verdicts: Mapping[str, bool] = field(default_factory=dict)
    gold: str = ""
    hardness: str = ""
    features: Mapping[str, int] | None = None
    error: str | None = None
    differs: tuple[str, ...] = ()
    usage: Usage | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


def to_line(prediction: Prediction) -> str:
    """Return the prediction as one JSON line, newline included."""
    return encodable(json.dumps(asdict(prediction), ensure_ascii=False)) + "\n"


def read_predictions(path: Path, *, repair: bool = True) -> dict[int, Prediction]:
    """Return the complete lines of a file by index; of two with one index, the later.

    A torn last line is left out, and with `repair` cut off the file.

    Raises:
        UsageError: another line than the last is broken, or the file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    complete = raw.rfind(b"\n") + 1
    if complete < len(raw) and repair:
        os.truncate(path, complete)
    adapter = TypeAdapter(Prediction)
    found: dict[int, Prediction] = {}
    for number, line in enumerate(raw[:complete].splitlines(), start=1):
        try:
            prediction = adapter.validate_json(line)
        except ValidationError as error:
            raise UsageError(
                f"{path}:{number}: is not a prediction: {error.errors()[0]['msg']}; "
                "remove the line to answer its question again."
            ) from error
        found[prediction.index] = prediction
    return found
