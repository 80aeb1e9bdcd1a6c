"""Measure exported members on the databases held out of training.

What comes out is what voting and confidence need: each member's rank, and the map from
vote share to the chance of being right. Both ship beside the weights.

What is not covered: Spider dev. `quorum eval spider` measures there, and nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from quorumsql.api import Connection
from quorumsql.config import Settings
from quorumsql.db import open_database
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.predictions import Prediction, read_predictions
from quorumsql.evals.run import evaluate
from quorumsql.evals.summary import Summary, best_votes
from quorumsql.neural.members import BEAM, EmbeddedMember, load_members
from quorumsql.ports import Selector
from quorumsql.shipped import wider
from quorumsql.stages.calibrate import VOTE, fit, save

__all__ = ["measure"]

TRAINED = "trained"
"""How the calibration of the trained selector is called, as in the settings."""


class _Folder:
    """Answers with the members of one folder of weights, chosen among by votes or a selector."""

    def __init__(self, members: Sequence[EmbeddedMember], selector: Selector | None) -> None:
        self._members, self._selector = members, selector

    @contextmanager
    def open(self, database: str) -> Iterator[Connection]:
        settings = Settings()
        opened = open_database(database, limits=settings.limits)
        with Connection(
            opened, settings=settings, generators=self._members, selector=self._selector
        ) as connection:
            yield connection


def measure(
    weights: Path,
    data: Path,
    held_out: Collection[str],
    out: Path,
    *,
    selector: Selector | None = None,
    watch: Callable[[Prediction], None] = lambda _: None,
) -> Summary:
    """Answer the questions about `held_out`; write weights/calibration.json and the run `out`.

    Args:
        weights: folder that `export` wrote.
        data: folder in Spider's format; its train.json is read.
        held_out: names of databases that nothing was trained on.
        out: the run's folder, in the format of `quorum eval`; an interrupted run continues.
        selector: chooses among the members' candidates; absent, their votes do.
        watch: told every prediction.

    Raises:
        UsageError: the data cannot be read.
        ModelError: the weights cannot be loaded.
    """
    tasks = load_spider(data / "train.json", data / "database")
    apart = [task for task in tasks if task.db_id in held_out]
    config = {
        "weights": _digest(weights),
        "held_out": sorted(held_out),
        "selector": "votes" if selector is None else type(selector).__name__,
    }
    folder = _Folder(load_members(folder=weights, beams=wider(BEAM)), selector)
    summary = evaluate(apart, folder, out=out, config=config, watch=watch)
    predictions = list(read_predictions(out / "predictions.jsonl").values())
    scored = [p for p in predictions if p.unscored is None and p.sql is not None]
    calibration = fit(
        [p.confidence for p in scored],  # nothing has calibrated it here
        [p.correct for p in scored],
        databases=[p.db_id for p in scored],
        ranks=_ranks(predictions),
    )
    of = VOTE if selector is None else TRAINED
    save(calibration, weights / "calibration.json", of)
    return summary


def _ranks(predictions: Sequence[Prediction]) -> dict[str, int]:
    """Place of each member by how often its best surviving hypothesis is right."""
    right: dict[str, int] = {}
    for prediction in predictions:
        for name, vote in best_votes(prediction).items():
            right[name] = right.get(name, 0) + vote.correct
    ranked = sorted(right, key=lambda name: (-right[name], name))
    return {name: place for place, name in enumerate(ranked)}


def _digest(weights: Path) -> str:
    from hashlib import sha256

    digest = sha256()
    for path in sorted(weights.glob("*.onnx")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
