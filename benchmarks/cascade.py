"""Cascades: how few calls keep the accuracy of all, over 200 random splits of databases.

    python benchmarks/cascade.py pool --data DIR
    python benchmarks/cascade.py members RUN [RUN …] [--fit FILE]

`pool` asks the 26 published systems in the order of an assumed price list, the cheapest first, and
stops when the lead of a result is safe (`evals.rating.lead_is_safe`): at a risk of 5 %, which was
taken from the paper and not fitted, and at the smallest risk that keeps to a budget on half of the
databases of a split; the figures are from the other half.

`members` reads recorded runs of `quorum eval` with the embedded members on databases that they were
not trained on. The fast member is asked alone, and the others where the stop rule, or the
calibrated confidence, says so; each is fitted on half of the databases and measured on the other.
With --fit the rule is fitted on all of them and written, to be shipped beside the weights.

What is not covered: what a call costs; all calls count alike.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from pool_record import asked, recorded_of
from quorumsql.domain import Choice, Group
from quorumsql.evals.predictions import Prediction, Vote, read_predictions
from quorumsql.evals.rating import Rater
from quorumsql.evals.tune import RISKS
from quorumsql.stages.cascade import Cascade, features, fit_cascade, save_cascade

SPLITS = 200
SHARE = 0.4
"""Of all calls, at most."""
LOSS = 0.005
RISK = 0.05

CHEAPEST_FIRST = (
    *("resdsql-base", "resdsql-natsql-base", "codes-1b", "codes-3b", "resdsql-3b"),
    *("resdsql-natsql-3b", "graphix-3b-picard", "codes-7b", "dts-mistral-7b", "dts-deepseek-7b"),
    *("llama2-7b-sft", "codellama-7b-sft", "starcoder-7b-sft", "deepseek-coder-7b-sft"),
    *("deepseek-coder-7b-base", "llama3-8b-sft", "llama3-8b-base", "codes-15b", "c3-gpt35"),
    *("gpt4-zero-shot", "gpt4-few-shot", "dail-sql-gpt4", "dea-sql-gpt4", "din-sql-gpt4"),
    *("supersql", "hypersql"),
)
"""By size of model, then by calls and length of prompts: an assumption, no list of prices."""

Floats = npt.NDArray[np.float64]
app = typer.Typer(add_completion=False)


@app.command()
def pool(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    limit: Annotated[int | None, typer.Option(help="Only the first so many questions.")] = None,
) -> None:
    """Published systems by price."""
    recorded = recorded_of(list(asked(data, limit=limit)))
    rater = Rater(recorded)
    order = np.array([recorded.names.index(name) for name in CHEAPEST_FIRST])
    full = rater.outcomes(rater.winners(np.ones(len(recorded.names))))
    print("| risk | accuracy | minus vote of all | share of calls |\n|---|---|---|---|")
    tried: list[tuple[Floats, Floats]] = []
    for risk in RISKS:
        stopped = rater.cascade(order, risk)
        right, calls = rater.outcomes(stopped.winners), stopped.calls / len(order)
        tried.append((right, calls))
        print(f"| {risk:g} | {right.mean():.1%} | {100 * (right - full).mean():+.1f} | "
              f"{calls.mean():.1%} |")  # fmt: skip
    print(f"| all | {full.mean():.1%} | | 100 % |\n")
    databases = np.array(recorded.db_ids)

    def fixed(fit: npt.NDArray[np.bool_]) -> tuple[float, float]:
        right, calls = tried[RISKS.index(RISK)]
        return float((right - full)[~fit].mean()), float(calls[~fit].mean())

    def budgeted(fit: npt.NDArray[np.bool_]) -> tuple[float, float]:
        right, calls = tried[_within_budget(tried, fit)]
        return float((right - full)[~fit].mean()), float(calls[~fit].mean())

    _report(f"price list, risk {RISK:g}, nothing fitted", databases, fixed, within=0.01)
    _report("price list, risk by budget on the other half", databases, budgeted, within=0.01)


@app.command()
def members(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs on unseen databases.")],
    fit: Annotated[Path | None, typer.Option(help="Write the rule here, fitted on all.")] = None,
) -> None:
    """Embedded members, each tried as the fast one."""
    found = [p for run in runs for p in read_predictions(run / "predictions.jsonl").values()]
    found = [p for p in found if p.unscored is None]
    names = sorted({vote.generator for p in found for vote in p.candidates})
    databases = np.array([p.db_id for p in found])
    count = len(set(databases.tolist()))
    print(f"{len(found)} questions, {count} databases, {len(names)} members; "
          f"all together {mean(p.correct for p in found):.1%}.\n")  # fmt: skip
    best: tuple[float, str] | None = None
    for name in names:
        steps = [_step(p, name) for p in found]
        print(f"\nFirst {name}: alone {mean(s.correct for s in steps):.1%}, "
              f"changed by the others {mean(s.changed for s in steps):.1%}.")  # fmt: skip
        for how in ("stop rule", "confidence"):
            apart = _members(how, name, steps, found, databases, len(names))
            if how == "stop rule" and (best is None or apart > best[0]):
                best = (apart, name)
    if fit is not None and best is not None:
        name = best[1]
        cascade = _fitted(name, [_step(p, name) for p in found], len(names))
        about = f"{len(found)} questions about {count} databases held out, "
        save_cascade(cascade, fit, about=about + "by benchmarks/cascade.py members")
        print(f"\n{fit}: first {name}, asks {cascade.calls:.1%} of the calls.")


@dataclass(frozen=True)
class Step:
    """What the fast member alone would answer."""

    row: tuple[float, ...]
    share: float
    correct: bool
    changed: bool
    together: bool


def _step(prediction: Prediction, name: str) -> Step:
    own = [v for v in prediction.candidates if v.generator == name and v.weight > 0]
    own = [v for v in own if v.group is not None]
    if not own:
        return Step(
            row=features(Choice(candidate=None), empty=True),
            share=0.0,
            correct=False,
            changed=prediction.correct,
            together=prediction.correct,
        )
    choice, top = _alone(own)
    return Step(
        row=features(choice, empty=top.status == "empty"),
        share=choice.confidence,
        correct=top.correct,
        changed=top.group != 0,
        together=prediction.correct,
    )


def _alone(own: Sequence[Vote]) -> tuple[Choice, Vote]:
    """The choice of one member: the result of its likeliest hypothesis (`stages.choose`)."""
    total = sum(v.weight for v in own)
    votes: dict[int, float] = {}
    for v in own:
        assert v.group is not None
        votes[v.group] = votes.get(v.group, 0.0) + v.weight / total
    top = max(own, key=lambda v: (v.weight, -len(v.sql)))
    assert top.group is not None
    order = sorted(votes, key=lambda g: (g != top.group, -votes[g]))
    groups = tuple(Group(members=(), votes=votes[g]) for g in order)
    choice = Choice(candidate=0, groups=groups, confidence=votes[top.group], rule="unanimous")
    return choice, top


def _members(
    how: str,
    name: str,
    steps: Sequence[Step],
    found: Sequence[Prediction],
    databases: npt.NDArray[np.str_],
    size: int,
) -> float:
    full = np.array([p.correct for p in found], dtype=np.float64)
    alone = np.array([s.correct for s in steps], dtype=np.float64)

    def measured(fit: npt.NDArray[np.bool_]) -> tuple[float, float]:
        part = [s for s, keep in zip(steps, fit, strict=True) if keep]
        cascade = _fitted(name, part, size)
        if how == "stop rule":
            doubt = np.array([cascade.expected(s.row) for s in steps])
        else:
            doubt = np.array([-cascade.confidence(Choice(candidate=0, confidence=s.share))
                              for s in steps])  # fmt: skip
        least = np.sort(doubt[fit])[::-1][min(int(_going_on(size) * fit.sum()), fit.sum() - 1)]
        going = doubt > least
        right = np.where(going, full, alone)
        calls = np.where(going, 1.0, 1.0 / size)
        return float((right - full)[~fit].mean()), float(calls[~fit].mean())

    return _report(f"{name}, {how}", databases, measured, within=LOSS)


def _going_on(size: int) -> float:
    """The share of questions that may ask all: four fifths of what SHARE of the calls allows."""
    return 0.8 * max((SHARE * size - 1) / (size - 1), 0.0)


def _fitted(name: str, steps: Sequence[Step], size: int) -> Cascade:
    going_on = _going_on(size)
    cascade = fit_cascade(
        name,
        [s.row for s in steps],
        alone=[s.correct for s in steps],
        together=[s.together for s in steps],
        shares=[s.share for s in steps],
        going_on=going_on,
    )
    return replace(cascade, calls=(1 + going_on * (size - 1)) / size)


def _within_budget(tried: Sequence[tuple[Floats, Floats]], fit: npt.NDArray[np.bool_]) -> int:
    """The smallest risk that takes nine tenths of the calls allowed on these questions."""
    allowed = [p for p, (_, calls) in enumerate(tried) if calls[fit].mean() <= 0.9 * SHARE]
    return max(allowed, default=0)


def _report(
    name: str,
    databases: npt.NDArray[np.str_],
    measured: Callable[[npt.NDArray[np.bool_]], tuple[float, float]],
    *,
    within: float,
) -> float:
    """Print what 200 splits say; return the mean difference."""
    dice, known = random.Random(1), sorted(set(databases.tolist()))
    apart, calls = [], []
    for _ in range(SPLITS):
        half = set(dice.sample(known, len(known) // 2))
        fit = np.array([db in half for db in databases.tolist()])
        difference, share = measured(fit)
        apart.append(difference)
        calls.append(share)
    kept = mean(a >= -within and c <= SHARE for a, c in zip(apart, calls, strict=True))
    print(f"- {name}: {100 * mean(apart):+.2f} points against all on average "
          f"({100 * float(np.quantile(apart, 0.025)):+.1f} to "
          f"{100 * float(np.quantile(apart, 0.975)):+.1f}) with {mean(calls):.1%} of the calls; "
          f"both within {100 * within:g} points and {SHARE:.0%} of the calls in {kept:.0%} of "
          f"{SPLITS} splits.", flush=True)  # fmt: skip
    return mean(apart)


if __name__ == "__main__":
    app()
