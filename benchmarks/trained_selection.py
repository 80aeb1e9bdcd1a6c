"""Trained selection against voting: on answers of published systems, and on our members' own.

    QUORUM_DATA=DIR python benchmarks/trained_selection.py [--draws 100] [--run runs/spider_dev]

First the pool of 26 systems on 528 questions, all of them and five drawn at random, with names
that say nothing beforehand: what a system's vote counts is learned from what they agree on, as
`quorum choose` does. Then, with `--run`, a run of `quorum eval spider`: what the members wrote is
chosen among again, by the vote of their first choices, by their weighted vote and by the trained
selector.
Differences are paired, intervals draw whole databases. Only measured: nothing is fitted here.

What is not covered: confidence (`calibration.py`), and time (`select_speed.py`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from pool_record import Asked, asked
from quorumsql.db import open_database
from quorumsql.domain import Attempt, Candidate, Question, Schema
from quorumsql.evals.metrics import Estimate, accuracy, paired_difference
from quorumsql.evals.predictions import Prediction, read_predictions
from quorumsql.neural.reader import Reader
from quorumsql.ports import Selector
from quorumsql.shipped import FOLDER, selector_of_members, shipped_calibration
from quorumsql.stages.choose import Majority, Ranked
from quorumsql.stages.consensus import Consensus
from quorumsql.stages.weigh import Weigher, Weights, load_weights
from quorumsql.stages.weighted import rank_weights


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    draws: Annotated[int, typer.Option(help="Draws of five systems.", min=0)] = 100,
    run: Annotated[Path | None, typer.Option(help="A run of quorum eval spider.")] = None,
    folder: Annotated[Path, typer.Option(help="Folder of weights.")] = FOLDER,
) -> None:
    """Print the tables."""
    print("| pool | majority, % | trained, % | difference, points |\n|---|---|---|---|")
    _pools(list(asked(data)), draws, folder)
    if run is not None:
        _members(run, data / "spider/database", folder)


class _Known:
    """A reader that has read everything before."""

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores = scores

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        """Look up what was read."""
        del question, schema
        return tuple(self.scores[one.sql] for one in candidates)


def _pools(rows: Sequence[Asked], draws: int, folder: Path) -> None:
    reader, weights = Reader(folder / "reader.onnx"), load_weights(folder / "weigh_pool.json")
    read: list[_Known] = []
    for row in rows:
        scores = reader.score(row.question, row.candidates, row.schema)
        read.append(_Known({c.sql: s for c, s in zip(row.candidates, scores, strict=True)}))
    everyone = [tuple(range(len(row.candidates))) for row in rows]
    _line("all systems", rows, *_both(rows, read, weights, everyone))
    names = sorted({one.generator for row in rows for one in row.candidates})
    votes, reads = [0.0] * len(rows), [0.0] * len(rows)
    for draw in range(draws):
        five = set(random.Random(draw).sample(names, 5))
        drawn = [
            tuple(i for i, one in enumerate(row.candidates) if one.generator in five)
            for row in rows
        ]
        for total, right in zip((votes, reads), _both(rows, read, weights, drawn), strict=True):
            for place, value in enumerate(right):
                total[place] += value / draws
    if draws:
        _line(f"five at random, {draws} draws", rows, votes, reads)


def _both(
    rows: Sequence[Asked],
    read: Sequence[_Known],
    weights: Weights,
    shown: Sequence[Sequence[int]],
) -> tuple[list[float], list[float]]:
    """Whether majority and the trained selector are right, per question."""
    consensus = Consensus()
    for row, some in zip(rows, shown, strict=True):
        consensus.hear([row.candidates[i] for i in some], dialect=row.schema.dialect)
    worth = rank_weights(consensus.ranks())
    votes = [_right(row, Majority(), some) for row, some in zip(rows, shown, strict=True)]
    reads = [
        _right(row, Weigher(one, weights, votes=worth), some)
        for row, one, some in zip(rows, read, shown, strict=True)
    ]
    return votes, reads


def _right(row: Asked, selector: Selector, shown: Sequence[int]) -> float:
    pool = [row.candidates[i] for i in shown]
    choice = selector.choose(row.question, pool, row.schema)
    return float(choice.candidate is not None and row.right[shown[choice.candidate]])


def _line(name: str, rows: Sequence[Asked], votes: Sequence[float], reads: Sequence[float]) -> None:
    clusters = [row.db_id for row in rows]
    apart = paired_difference(reads, votes, clusters)
    print(f"| {name} | {_cells(accuracy(votes, clusters))} | {_cells(accuracy(reads, clusters))} "
          f"| {_cells(apart, '+')} |", flush=True)  # fmt: skip


def _members(run: Path, databases: Path, folder: Path) -> None:
    ranks = shipped_calibration().ranks
    trained = selector_of_members(ranks, folder=folder)
    found: dict[str, list[Prediction]] = {}
    for prediction in read_predictions(run / "predictions.jsonl").values():
        found.setdefault(prediction.db_id, []).append(prediction)
    right: dict[str, list[float]] = {"first": [], "vote": [], "trained": []}
    clusters: list[str] = []
    for name, own in sorted(found.items()):
        path = databases / name / f"{name}.sqlite"
        with closing(open_database(str(path))) as database:
            schema = database.schema()
            for one in own:
                pool = [
                    Candidate(
                        generator=vote.generator,
                        attempts=(Attempt(sql=vote.sql, execution=database.execute(vote.sql)),),
                        weight=vote.weight,
                    )
                    for vote in one.candidates
                ]
                clusters.append(name)
                heaviest = {
                    c.generator: i for i, c in sorted(enumerate(pool), key=lambda p: p[1].weight)
                }
                choices = {
                    "first": _chosen(Majority(), one, pool, sorted(heaviest.values()), schema),
                    "vote": _chosen(Ranked(ranks), one, pool, range(len(pool)), schema),
                    "trained": _chosen(trained, one, pool, range(len(pool)), schema),
                }
                for key, value in choices.items():
                    right[key].append(value)
    print("\n| members' candidates | accuracy, % | difference to the majority, points |")
    print("|---|---|---|")
    for key, label in (("first", "majority of their first choices"), ("vote", "weighted vote"),
                       ("trained", "trained selector")):  # fmt: skip
        apart = paired_difference(right[key], right["first"], clusters)
        print(f"| {label} | {_cells(accuracy(right[key], clusters))} | {_cells(apart, '+')} |")


def _chosen(
    selector: Selector, one: Prediction, pool: Sequence[Candidate], shown: Sequence[int],
    schema: Schema,
) -> float:  # fmt: skip
    choice = selector.choose(Question(text=one.question), [pool[i] for i in shown], schema)
    return float(choice.candidate is not None and one.candidates[shown[choice.candidate]].correct)


def _cells(figure: Estimate, sign: str = "") -> str:
    value, low, high = (
        format(100 * x, f"{sign}.1f") for x in (figure.value, figure.low, figure.high)
    )
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    typer.run(main)
