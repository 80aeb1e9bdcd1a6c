"""Keep what a run got right, and see later whether anything of it was lost.

A baseline is a small JSON file to be kept beside the questions. Questions are known by database
and text, so that a file of questions may grow and be put in another order.

What is not covered: why something was lost; compare the two runs for that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from quorumsql.disk import encodable, write_atomically
from quorumsql.errors import UsageError
from quorumsql.evals.predictions import Prediction
from quorumsql.evals.summary import Summary

__all__ = ["Changes", "Known", "changes_since", "save_baseline"]

_Key: TypeAlias = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One question of a baseline."""

    db_id: str
    question: str
    correct: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a run changed since the baseline; `before` is the baseline's accuracy."""

    before: float
    lost: tuple[Prediction, ...]
    gained: tuple[Prediction, ...]
    new: int
    gone: int

    def summary(self) -> dict[str, Any]:
        """Return the changes as plain JSON."""
        return {
            "before": self.before,
            "lost": [prediction.index for prediction in self.lost],
            "gained": [prediction.index for prediction in self.gained],
            "new": self.new,
            "gone": self.gone,
        }


def save_baseline(path: Path, predictions: Iterable[Prediction], summary: Summary) -> None:
    """Write what was right to `path`.

    Raises:
        UsageError: it cannot be written.
    """
    lines = [
        json.dumps(
            {"db_id": p.db_id, "question": p.question, "correct": p.correct}, ensure_ascii=False
        )
        for p in predictions
    ]
    head = {"execution_accuracy": summary["execution_accuracy"], "n": summary["n"]}
    text = json.dumps(head)[:-1] + ', "questions": [\n' + ",\n".join(lines) + "\n]}\n"
    write_atomically(path, [encodable(text)])


def changes_since(path: Path, predictions: Sequence[Prediction]) -> Changes:
    """Return what `predictions` changed since the baseline in `path`.

    Raises:
        UsageError: the file cannot be read or is no baseline.
    """
    before, known = _read(path)
    was = dict(zip(_keys(known), known, strict=True))
    now = dict(zip(_keys(predictions), predictions, strict=True))
    both = [key for key in now if key in was]
    return Changes(
        before=before,
        lost=tuple(now[key] for key in both if was[key].correct and not now[key].correct),
        gained=tuple(now[key] for key in both if now[key].correct and not was[key].correct),
        new=len(now) - len(both),
        gone=len(was) - len(both),
    )


def _read(path: Path) -> tuple[float, tuple[Known, ...]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known = TypeAdapter(tuple[Known, ...]).validate_python(found["questions"])
        return float(found["execution_accuracy"]), known
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}; make it with --save-baseline."
        ) from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise UsageError(f"{path}: is no baseline; make it again with --save-baseline.") from error


def _keys(questions: Iterable[Prediction | Known]) -> list[_Key]:
    """Database and text; of questions asked twice, also which of them it is."""
    seen: Counter[tuple[str, str]] = Counter()
    keys = []
    for question in questions:
        name = question.db_id, question.question
        keys.append((*name, seen[name]))
        seen[name] += 1
    return keys
