"""Every simple way to choose on the answers of 26 published systems, beside the majority.

    python benchmarks/simple_choosers.py --data DIR [--draws 100] [--cross-draws 10]

Each method chooses on the 528 questions; its accuracy and its paired difference to the majority
have 95 % intervals that draw whole databases. Nothing is fitted on gold: methods that weigh systems
by name learn their weights from the consensus of the other systems, and the portfolio from verdicts
on the answers it showed before about the same database, as its users give them. A second table
draws five systems at random, many times.

What is not covered: selectors that read the question.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated

import numpy as np
import typer

from pool_record import Asked, asked, recorded_of
from quorumsql.evals.metrics import Estimate, accuracy, paired_difference
from quorumsql.evals.rating import Rater
from quorumsql.evals.recorded import Recorded
from quorumsql.ports import Selector
from quorumsql.stages.choose import Majority
from quorumsql.stages.crossmax import Fused
from quorumsql.stages.portfolio import Round, reweighted, round_of, weights_after
from quorumsql.stages.present import FirstShown, Presented
from quorumsql.stages.weighted import Weighted, rank_weights


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    draws: Annotated[int, typer.Option(help="Random fives of systems.", min=0)] = 100,
    cross_draws: Annotated[int, typer.Option(help="The same for crossmax, slow.", min=0)] = 10,
    limit: Annotated[int | None, typer.Option(help="Only the first so many questions.")] = None,
) -> None:
    """Print both tables."""
    questions = list(asked(data, limit=limit))
    recorded = recorded_of(questions)
    outcomes = _all(questions, recorded)
    clusters = [one.db_id for one in questions]
    print(f"{len(questions)} questions, {len(recorded.names)} systems.\n")
    print("| method | accuracy | 95 % interval | minus majority | 95 % interval |")
    print("|---|---|---|---|---|")
    for name, right in outcomes.items():
        own = accuracy(right, clusters)
        apart = paired_difference(right, outcomes["majority"], clusters)
        print(f"| {name} | {_cells(own)} | {_cells(apart, '+')} |")
    oracle = accuracy([any(one.right) for one in questions], clusters)
    print(f"| any candidate right (oracle) | {_cells(oracle)} | | |")
    _fives(questions, recorded, draws, cross_draws)


def _all(questions: Sequence[Asked], recorded: Recorded) -> dict[str, list[bool]]:
    """Whether each method is right, question by question."""
    consensus = Rater(_unjudged(recorded))
    named = dict(zip(recorded.names, consensus.gem().tolist(), strict=True))
    by_consensus = _ranks(consensus)
    return {
        "majority": _right(questions, Majority()),
        "crossmax (votes, SQL, results)": _right(questions, Fused()),
        "weighted by rank, from consensus": _right(questions, Weighted(rank_weights(by_consensus))),
        "GEM weights, from consensus": _right(questions, Weighted(named)),
        "ordered (Algorithm 3, first shown), from consensus": _right(
            questions, Presented(FirstShown(), by_consensus)
        ),
        "portfolio, from verdicts on earlier answers": _learned(questions, recorded.names),
    }


def _right(questions: Sequence[Asked], selector: Selector) -> list[bool]:
    return [
        one.correct(selector.choose(one.question, one.candidates, one.schema).candidate)
        for one in questions
    ]


def _learned(questions: Sequence[Asked], names: Sequence[str]) -> list[bool]:
    """Each answer is judged once it was shown, and the next question knows."""
    rounds: dict[str, list[Round]] = {}
    found = []
    for one in questions:
        known = rounds.setdefault(one.db_id, [])
        weights = weights_after(known, names)
        pool = reweighted(one.candidates, weights)
        choice = Weighted({}).choose(one.question, pool, one.schema)
        right = one.correct(choice.candidate)
        verdict = round_of(one.candidates, choice, right=right)
        if verdict is not None:
            known.append(verdict)
        found.append(right)
    return found


def _ranks(rater: Rater) -> dict[str, int]:
    single, names = rater.singles(), rater.recorded.names
    order = sorted(range(len(names)), key=lambda m: (-single[m], names[m]))
    return {names[m]: place for place, m in enumerate(order)}


def _unjudged(recorded: Recorded) -> Recorded:
    return Recorded(
        names=recorded.names,
        db_ids=recorded.db_ids,
        groups=recorded.groups,
        places=recorded.places,
        empty=recorded.empty,
        right=None,
    )


def _fives(questions: Sequence[Asked], recorded: Recorded, draws: int, cross_draws: int) -> None:
    """Five systems at random: every method beside the majority of the same five."""
    if not draws:
        return
    dice, names = random.Random(0), recorded.names
    rows: dict[str, list[float]] = {"weighted, consensus of the five": [], "crossmax": []}
    base: list[float] = []
    for draw in range(draws):
        five = sorted(dice.sample(range(len(names)), 5))
        rater = Rater(_columns(recorded, five))
        majority = rater.rate(np.ones(5))
        base.append(majority)
        worth = Rater(_unjudged(rater.recorded)).singles()
        order = np.argsort(np.argsort(-worth))
        rows["weighted, consensus of the five"].append(rater.rate(1 - order / 5) - majority)
        if draw < cross_draws:
            rows["crossmax"].append(_crossmax(questions, {names[m] for m in five}) - majority)
    print(f"\nFive systems drawn at random, {draws} times: majority {mean(base):.1%} on average.\n")
    print("| method | draws | minus majority of the same five, mean | worst | best |")
    print("|---|---|---|---|---|")
    for name, apart in rows.items():
        if apart:
            cells = " | ".join(f"{100 * v:+.1f}" for v in (mean(apart), min(apart), max(apart)))
            print(f"| {name} | {len(apart)} | {cells} |")


def _columns(recorded: Recorded, kept: Sequence[int]) -> Recorded:
    assert recorded.right is not None
    return Recorded(
        names=tuple(recorded.names[m] for m in kept),
        db_ids=recorded.db_ids,
        groups=recorded.groups[:, kept],
        places=recorded.places[:, kept],
        empty=recorded.empty[:, kept],
        right=recorded.right[:, kept],
    )


def _crossmax(questions: Sequence[Asked], names: set[str]) -> float:
    right = 0
    for one in questions:
        kept = [i for i, c in enumerate(one.candidates) if c.generator in names]
        pool = [one.candidates[i] for i in kept]
        choice = Fused().choose(one.question, pool, one.schema)
        right += choice.candidate is not None and one.right[kept[choice.candidate]]
    return right / len(questions)


def _cells(figure: Estimate, sign: str = "") -> str:
    value, low, high = (
        format(100 * v, f"{sign}.1f") for v in (figure.value, figure.low, figure.high)
    )
    return f"{value} | {low} to {high}"


if __name__ == "__main__":
    typer.run(main)
