"""Composing an ensemble without gold: is the consensus a good teacher?

    python benchmarks/tune_consensus.py --data DIR [--limit N]

On the answers of 26 published systems, `quorum tune` searches with the consensus of the others as
its teacher; gold only measures what it chose. The first table holds its front. The second names
members for each of the ten databases from the nine others (`--for-db`), with agreement among them
rewarded, ignored and fined.

What is not covered: a search with gold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pool_record import Asked, asked, recorded_of
from quorumsql.evals.metrics import Estimate, paired_difference
from quorumsql.evals.rating import Floats, Rater
from quorumsql.evals.recorded import Recorded
from quorumsql.evals.tune import Composition, Plan, chosen, search
from quorumsql.evals.tune_transfer import likeness, members_for
from quorumsql.stages.weighted import rank_weights


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    limit: Annotated[int | None, typer.Option(help="Only the first so many questions.")] = None,
) -> None:
    """Print both tables."""
    questions = list(asked(data, limit=limit))
    recorded = recorded_of(questions)
    judge, teacher = Rater(recorded), Rater(replace(recorded, right=None))
    everyone = judge.outcomes(judge.winners(np.ones(len(recorded.names))))
    front = search(teacher, Plan(most=26))
    pick = chosen(front, within=0.005)
    print(f"Majority of all {len(recorded.names)}: {everyone.mean():.1%}. "
          f"{front.rated:,} compositions rated by consensus.\n")  # fmt: skip
    print("| calls | chosen by | consensus | accuracy | minus majority of all | 95 % interval |")
    print("|---|---|---|---|---|---|")
    ranks = {name: place for place, name in enumerate(front.ranked)}
    for one in front.compositions:
        right = _outcomes(judge, teacher, one, ranks)
        mark = " ▸" if one == pick else ""
        apart = _apart(right, everyone, recorded)
        print(f"| {one.calls:.1f}{mark} | {one.selector} | {one.accuracy:.1%} | "
              f"{right.mean():.1%} | {_cells(apart)} |", flush=True)  # fmt: skip
    _transfer(questions, recorded, everyone)


def _outcomes(judge: Rater, teacher: Rater, one: Composition, ranks: dict[str, int]) -> Floats:
    names = judge.recorded.names
    if one.selector == "cascade":
        order = np.array([names.index(name) for name in one.members])
        return judge.outcomes(judge.cascade(order, one.risk or 0.0).winners)
    weights = {"weighted": rank_weights(ranks)}.get(one.selector, dict.fromkeys(names, 1.0))
    if one.selector == "gem":
        weights = dict(zip(names, teacher.gem().tolist(), strict=True))
    votes = np.array([weights[name] if name in one.members else 0.0 for name in names])
    return judge.outcomes(judge.winners(votes))


def _transfer(questions: Sequence[Asked], recorded: Recorded, everyone: Floats) -> None:
    """Members for each database, from the consensus on the others."""
    schemas = {one.db_id: one.schema for one in questions}
    databases = np.array(recorded.db_ids)
    print("\n| members | cohesion | accuracy | minus majority of all | 95 % interval |")
    print("|---|---|---|---|---|")
    for count in (5, 10):
        for cohesion in (-1.0, -0.3, 0.0, 0.3, 1.0):
            right = np.zeros(len(databases))
            for db, schema in schemas.items():
                others = Rater(replace(recorded.only(databases != db), right=None))
                known = {name: other for name, other in schemas.items() if name != db}
                named = members_for(others, likeness(known, schema), count, cohesion=cohesion)
                here = Rater(recorded.only(databases == db))
                votes = np.array([float(name in named) for name in recorded.names])
                right[databases == db] = here.outcomes(here.winners(votes))
            apart = _apart(right, everyone, recorded)
            print(f"| {count} | {cohesion:+g} | {right.mean():.1%} | {_cells(apart)} |", flush=True)


def _apart(right: Floats, other: Floats, recorded: Recorded) -> Estimate:
    return paired_difference((right > 0.5).tolist(), (other > 0.5).tolist(), list(recorded.db_ids))


def _cells(figure: Estimate) -> str:
    value, low, high = (f"{100 * v:+.1f}" for v in (figure.value, figure.low, figure.high))
    return f"{value} | {low} to {high}"


if __name__ == "__main__":
    typer.run(main)
