"""Whether confidence means what it says, and promises about errors hold, on other databases.

    python benchmarks/calibration.py run RUN [RUN …] [--score trained] [--splits 200] [--write FILE]
    python benchmarks/calibration.py pool [--data DIR] [--method NAME]
    python benchmarks/calibration.py verdicts RUN [RUN …] [--count 10]
    python benchmarks/calibration.py synthetic [--databases 44] [--spread 0.7] [--alone]

`run` reads what `quorum eval` recorded (RUN/predictions.jsonl) on databases that nothing learnt
from, and splits the databases in halves, again and again: the map from raw score to chance, and
the scores that keep promises about errors, come from one half and are judged on the other. The
score `trained` is what the trained selector says of its choice among the recorded candidates
(`replay.py` reads them first), `share` the largest share of the votes, both with a line through
further features of the choice (`stages.evidence`) unless `--plain`; anything else is a field of the
records. With `--write` the map is then fitted on all of them and written where the package reads
it; only databases that the members held out are taken for that.

`pool` runs `quorum choose` on the answers of 26 published systems and calibrates each database by
the other nine. Nothing that is fitted there is kept.

`verdicts` plays a user who says of some answers of a database whether they are right, and measures
confidence on its other questions.

`synthetic` does what `run` does on drawn answers, whose databases are easier or harder than scores
say, by a normal shift of the log odds; with `--alone` as if questions had nothing to do with each
other.

What is not covered: asking; a run must have been recorded.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from quorumsql.db import open_database
from quorumsql.domain import Choice
from quorumsql.evals.agreement import best_votes
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.metrics import SCORING_LIMITS, Scorer
from quorumsql.shipped import FOLDER
from quorumsql.stages.calibrate import (
    VOTE,
    Calibration,
    confidence,
    fit,
    fit_line,
    held_out_chances,
    save,
    squashed,
)
from quorumsql.stages.curves import brier, expected_error
from quorumsql.stages.evidence import FEATURES, VOTED, Row, left_out, logistic, table_of
from quorumsql.stages.guarantee import RATES, sure_share
from quorumsql.stages.recalibrate import recalibrated, shift_of
from replay import only_held_out, picks, replayed

app = typer.Typer(add_completion=False)
Runs = Annotated[list[Path], typer.Argument(help="Folders of runs.")]
Score = Annotated[
    str, typer.Option(help="The raw score: trained, signs, share, or a field that was recorded.")
]
_PREFIX = "spider-dev-"
_QUORUM = str(Path(sys.executable).with_name("quorum"))


@dataclass(frozen=True)
class Judged:
    """Answers with their raw scores, verdicts and databases, position by position.

    With `looked_at`, confidence is a line through these features of `rows`.
    """

    scores: list[float]
    correct: list[bool]
    databases: list[str]
    rows: list[Row] = field(default_factory=list)
    looked_at: tuple[str, ...] = ()

    def of(self, names: set[str]) -> Judged:
        """The answers about these databases."""
        own = [i for i, name in enumerate(self.databases) if name in names]
        return Judged(
            [self.scores[i] for i in own],
            [self.correct[i] for i in own],
            [self.databases[i] for i in own],
            [self.rows[i] for i in own] if self.rows else [],
            self.looked_at,
        )

    def fitted(self, ranks: dict[str, int] | None = None, curve: str | None = None) -> Calibration:
        """The map from a raw score, or a line's value, to the chance."""
        if self.looked_at:
            return fit_line(
                self.rows,
                self.correct,
                databases=self.databases,
                names=self.looked_at,
                ranks=ranks,
            )
        return fit(self.scores, self.correct, databases=self.databases, ranks=ranks, method=curve)

    def raw(self, made: Calibration) -> list[float]:
        """The raw scores as `made` has them."""
        if made.line is None:
            return self.scores
        return [made.raw(Choice(candidate=0), row) for row in self.rows]

    def raw_of_others(self) -> list[float]:
        """The raw scores that the map is fitted to: a line's are those of databases left out."""
        if not self.looked_at:
            return self.scores
        table, right = table_of(self.rows, self.looked_at), np.asarray(self.correct, dtype=float)
        through = partial(logistic, names=self.looked_at)
        return [squashed(v) for v in left_out(table, right, self.databases, through).tolist()]


@app.command()
def run(
    runs: Runs,
    score: Score = "trained",
    splits: Annotated[int, typer.Option(min=1)] = 200,
    write: Annotated[Path | None, typer.Option(help="Write the map fitted on all.")] = None,
    on: Annotated[list[Path] | None, typer.Option(help="Fit to all, judge on these runs.")] = None,
    rate: Annotated[list[float] | None, typer.Option(help="Rates of error to promise.")] = None,
    folder: Annotated[Path, typer.Option(help="Folder of weights.")] = FOLDER,
    plain: Annotated[bool, typer.Option("--plain", help="The raw score alone, no line.")] = False,
    curve: Annotated[str | None, typer.Option(help="Of a plain map that is written.")] = None,
) -> None:
    """Print calibration error and the promises' record over random halves of the databases."""
    judged, rates = _recorded(runs, score, folder, plain=plain), tuple(rate or RATES)
    names = sorted(set(judged.databases))
    before = [min(max(one, 0.0), 1.0) for one in judged.scores]
    print(
        f"{len(names)} databases, {len(judged.scores)} questions, "
        f"{statistics.fmean(judged.correct):.1%} right; the score taken as a chance: expected "
        f"calibration error {expected_error(before, judged.correct):.3f}, "
        f"Brier {brier(before, judged.correct):.3f}\n"
    )
    if on is not None:
        halves = [_judged(judged, _recorded(on, score, folder, plain=plain), rates)]
    else:
        drawn = [random.Random(seed) for seed in range(splits)]
        halves = [_split(judged, names, dice, rates) for dice in drawn]
    _calibration_table(halves)
    _promise_table(halves, rates)
    if write is not None:
        only_held_out(replayed(runs, read=False), folder=folder)
        of, made = VOTE if score == "share" else score, judged.fitted(_ranks(runs), curve)
        save(made, write, of=of)
        print(f"\nWrote {write}: {of}, {made.method}, spread {made.spread}; "
              f"promises {', '.join(f'{r:.0%}' for r, _ in made.guarantees)}")  # fmt: skip


@app.command()
def pool(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    method: Annotated[str | None, typer.Option(help="Of quorum choose.")] = None,
    file: Annotated[str, typer.Option(help="The pool, in DATA/pools.")] = "spider_dev_a.jsonl",
) -> None:
    """Print calibration error on the pool, with and without calibration on its other databases."""
    judged = _chosen(data, data / "pools" / file, method)
    chances = held_out_chances(judged.scores, judged.correct, judged.databases)
    print("| confidence | questions | expected calibration error | Brier |")
    print("|---|---|---|---|")
    for name, kind in (("as it is", judged.scores), ("calibrated on the others", chances)):
        error, square = expected_error(kind, judged.correct), brier(kind, judged.correct)
        print(f"| {name} | {len(kind)} | {error:.3f} | {square:.3f} |")


@app.command()
def synthetic(
    databases: Annotated[int, typer.Option(min=2)] = 44,
    spread: Annotated[float, typer.Option(help="How much databases differ, in log odds.")] = 0.7,
    splits: Annotated[int, typer.Option(min=1)] = 200,
    alone: Annotated[bool, typer.Option("--alone", help="Take questions for independent.")] = False,
) -> None:
    """Print the same tables for drawn answers, a new draw for each split."""
    halves = []
    for seed in range(splits):
        dice = random.Random(seed)
        judged = _drawn(databases, spread, dice)
        names = sorted(set(judged.databases))
        halves.append(_split(judged, names, dice, RATES, alone=alone))
    _calibration_table(halves)
    _promise_table(halves, RATES)


def _drawn(databases: int, spread: float, dice: random.Random) -> Judged:
    judged = Judged([], [], [])
    for number in range(databases):
        shift = dice.gauss(0, spread)
        for _ in range(dice.randint(10, 80)):
            odds = dice.gauss(0.6, 1.3)
            chance = 1 / (1 + math.exp(0.4 - 1.3 * odds - shift))
            judged.scores.append(1 / (1 + math.exp(-odds)))
            judged.correct.append(dice.random() < chance)
            judged.databases.append(f"drawn {number}")
    return judged


@app.command()
def verdicts(
    runs: Runs,
    score: Score = "trained",
    plain: Annotated[bool, typer.Option("--plain", help="The raw score alone, no line.")] = False,
    count: Annotated[list[int] | None, typer.Option(help="Verdicts per database.")] = None,
    splits: Annotated[int, typer.Option(min=1)] = 20,
) -> None:
    """Print confidence on a database before and after verdicts on some of its answers."""
    judged = _recorded(runs, score, FOLDER, plain=plain)
    names = sorted(set(judged.databases))
    print("| verdicts | calibration error within a database | Brier | after verdicts | Brier |")
    print("|---|---|---|---|---|")
    for number in count or [5, 10, 20]:
        rows: list[tuple[float, ...]] = []
        for seed in range(splits):
            rows += _told(judged, names, number, random.Random(seed))
        cells = [f"{statistics.fmean(column):.4f}" for column in zip(*rows, strict=True)]
        print(f"| {number} | {' | '.join(cells)} |")


def _told(
    judged: Judged, names: Sequence[str], number: int, dice: random.Random
) -> list[tuple[float, ...]]:
    """Gap and Brier score of each database of one half, before and after `number` verdicts."""
    shuffled = dice.sample(names, len(names))
    known = judged.of(set(shuffled[: len(names) // 2]))
    made = known.fitted()
    found = []
    for name in shuffled[len(names) // 2 :]:
        own = judged.of({name})
        chances = [confidence(one, made) for one in own.raw(made)]
        pairs = list(zip(chances, own.correct, strict=True))
        dice.shuffle(pairs)
        said, rest = pairs[:number], pairs[number:]
        if len(rest) < number:
            continue
        shift = shift_of(said, spread=made.spread)
        right = [one for _, one in rest]
        row: list[float] = []
        for kind in ([c for c, _ in rest], [recalibrated(c, shift) for c, _ in rest]):
            row += [abs(statistics.fmean(kind) - statistics.fmean(right)), brier(kind, right)]
        found.append(tuple(row))
    return found


@dataclass(frozen=True)
class _Half:
    """What one split showed: per rate whether promised, the share answered, and the errors."""

    method: str
    error: float
    exact: float  # the error by chance alone, had verdicts been drawn by the same chances
    brier: float
    kept: dict[float, tuple[float, float] | None]


def _split(
    judged: Judged,
    names: Sequence[str],
    dice: random.Random,
    rates: Sequence[float],
    *,
    alone: bool = False,
) -> _Half:
    shuffled = dice.sample(names, len(names))
    known = judged.of(set(shuffled[: len(names) // 2]))
    return _judged(known, judged.of(set(shuffled[len(names) // 2 :])), rates, alone=alone)


def _judged(known: Judged, other: Judged, rates: Sequence[float], *, alone: bool = False) -> _Half:
    """What is fitted to some answers, judged on others."""
    made = known.fitted()
    levels = [confidence(one, made) for one in known.raw_of_others()]
    chances = [confidence(one, made) for one in other.raw(made)]
    kept: dict[float, tuple[float, float] | None] = {}
    for rate in rates:
        apart = None if alone else known.databases
        least = sure_share(levels, known.correct, rate=rate, databases=apart)
        if least is None:
            kept[rate] = None
            continue
        answered = [r for c, r in zip(chances, other.correct, strict=True) if c >= least]
        wrong = answered.count(False) / max(len(answered), 1)
        kept[rate] = (len(answered) / len(chances), wrong)
    dice = random.Random(len(chances))
    drawn = [dice.random() < chance for chance in chances]
    return _Half(
        made.method,
        expected_error(chances, other.correct),
        expected_error(chances, drawn),
        brier(chances, other.correct),
        kept,
    )


def _calibration_table(halves: Sequence[_Half]) -> None:
    errors = sorted(half.error for half in halves)
    chosen = Counter(half.method for half in halves)
    small = sum(error <= 0.05 for error in errors) / len(errors)
    exact = statistics.fmean(half.exact for half in halves)
    print("| splits | curve | expected calibration error | 95 % of splits below | ≤ 0.05 "
          "| were chances exact | Brier |\n|---|---|---|---|---|---|---|")  # fmt: skip
    print(
        f"| {len(halves)} | {', '.join(f'{k} {n}' for k, n in chosen.most_common())} "
        f"| {statistics.fmean(errors):.3f} | {errors[int(0.95 * (len(errors) - 1))]:.3f} "
        f"| {small:.0%} | {exact:.3f} | {statistics.fmean(half.brier for half in halves):.3f} |\n"
    )


def _promise_table(halves: Sequence[_Half], rates: Sequence[float]) -> None:
    print(
        "| at most wrong | promised in splits | no promise broken in | answered | wrong of those |"
    )
    print("|---|---|---|---|---|")
    for rate in rates:
        made = [one for half in halves if (one := half.kept[rate]) is not None]
        if not made:
            print(f"| {rate:.0%} | none | | | |")
            continue
        held = 1 - sum(wrong > rate for _, wrong in made) / len(halves)
        answered, wrong = (statistics.fmean(column) for column in zip(*made, strict=True))
        share = len(made) / len(halves)
        print(f"| {rate:.0%} | {share:.0%} | {held:.1%} | {answered:.1%} | {wrong:.1%} |")


def _recorded(runs: Sequence[Path], score: str, folder: Path, *, plain: bool) -> Judged:
    """What runs recorded; answers without SQL or verdict stay away, as they do in training."""
    looked_at = {"trained": FEATURES, "signs": VOTED, "share": VOTED}.get(score, ())
    judged = Judged([], [], [], looked_at=() if plain else looked_at)
    found = replayed(runs, read=score == "trained")
    if looked_at:
        kind = "vote" if score == "share" else score
        chosen = picks(found, selector=kind, folder=folder)
        rows = [(one.choice.confidence, one.right, one.row) for one in chosen]
        there = [one.choice.candidate is not None for one in chosen]
    else:
        known = [one.prediction for one in found]
        rows = [(float(getattr(one, score)), one.correct, {}) for one in known]
        there = [one.sql is not None for one in known]
    for one, (raw, right, row), kept in zip(found, rows, there, strict=True):
        if kept:
            judged.scores.append(raw)
            judged.correct.append(right)
            judged.databases.append(one.db_id)
            judged.rows.append(row)
    return judged


def _ranks(runs: Sequence[Path]) -> dict[str, int]:
    """Each member's place by the accuracy of its likeliest hypothesis."""
    known = [one.prediction for one in replayed(runs, read=False)]
    best = [best_votes(one) for one in known]
    names = {name for each in best for name in each}
    right = {name: sum(name in each and each[name].correct for each in best) for name in names}
    return {name: n for n, name in enumerate(sorted(names, key=lambda name: (-right[name], name)))}


def _chosen(data: Path, file: Path, method: str | None) -> Judged:
    """What `quorum choose` takes out of a pool, judged by our strict metric."""
    databases = data / "spider/database"
    tasks = {task.index: task for task in load_spider(data / "spider/dev.json", databases)}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        out = Path(folder, "choices.jsonl")
        command = [_QUORUM, "choose", "--pool", file, "--db-dir", databases, "--out", out]
        command += ["--method", method] if method else []
        subprocess.run([*map(str, command)], check=True, stderr=subprocess.DEVNULL)
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        scorers: dict[str, Scorer] = {}
        judged = Judged([], [], [])
        for line in lines:
            task = tasks[int(line["id"].removeprefix(_PREFIX))]
            if task.db_id not in scorers:
                database = open_database(str(task.database), limits=SCORING_LIMITS)
                stack.callback(database.close)
                scorers[task.db_id] = Scorer(database)
            judged.scores.append(float(line["confidence"]))
            judged.correct.append(scorers[task.db_id].correct(task.gold, line["sql"]))
            judged.databases.append(task.db_id)
    return judged


if __name__ == "__main__":
    app()
