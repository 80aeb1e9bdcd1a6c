"""Cascades: how few calls keep the accuracy of all, over 200 random splits of databases.

    python benchmarks/cascade.py pool --data DIR
    python benchmarks/cascade.py members RUN [RUN …] [--on RUN] [--selector trained] [--fit FILE]

`pool` asks the 26 published systems in the order of an assumed price list, the cheapest first, and
stops when the lead of a result is safe (`stages.composed.lead_is_safe`): at a risk of 5 %, which
was taken from the paper and not fitted, and at the smallest risk that keeps to a budget on half of
the databases of a split; the figures are from the other half.

`members` takes runs of `quorum eval` with the embedded members (all asked at once) on databases
that they were not trained on, read by `replay.py`. One member is asked after another, the selector
chooses among what was written so far, and the next one is asked where that is least sure; how sure
it is is learned on half of the databases and measured on the other. Orders and shares of questions
that go on are tried within the calls allowed; "chosen" takes the best ones of the half that is
learned from. The last line of the table shows what splits do to a plan that loses nothing. With
--on the best ones of some runs are measured on others, once. With --fit those of
all databases are written, to be shipped beside the weights; only databases that the members held
out are taken for that.

What is not covered: what a call costs; all calls count alike.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import combinations, permutations
from pathlib import Path
from statistics import mean, median
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from pool_record import asked, recorded_of
from quorumsql.db import open_database
from quorumsql.domain import Brief
from quorumsql.evals.rating import Rater
from quorumsql.evals.tune import RISKS
from quorumsql.neural.members import BEAM, load_members
from quorumsql.shipped import FOLDER, wider
from quorumsql.stages.cascade import (
    Cascade,
    Known,
    fit_cascade,
    heeded,
    save_cascade,
    stopped,
    thresholds,
)
from quorumsql.stages.evidence import FEATURES, VOTED, left_out, logistic, table_of
from replay import Replayed, only_held_out, picks, place_of, replayed

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

ASKED = 40
"""Questions that a call's cost is measured on."""

Floats = npt.NDArray[np.float64]
Measured = Callable[[npt.NDArray[np.bool_]], tuple[float, float]]
"""From the half that is fitted on to the difference, and the share of calls, on the other."""
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
    selector: Annotated[str, typer.Option(help="trained, signs or vote.")] = "trained",
    fit: Annotated[Path | None, typer.Option(help="Write the cascade here, fitted on all.")] = None,
    on: Annotated[list[Path] | None, typer.Option(help="Fit to all, measure on these.")] = None,
    costs: Annotated[bool, typer.Option("--costs", help="Time a call of each member.")] = False,
    folder: Annotated[Path, typer.Option(help="Folder of weights.")] = FOLDER,
) -> None:
    """Embedded members, in every order, within the calls allowed."""
    found = replayed([*runs, *(on or ())], read=selector == "trained")
    names = sorted({one.generator for row in found for one in row.candidates})
    databases = np.array([one.db_id for one in found])
    count = len(set(databases.tolist()))
    trial = Trial.of(found, names, selector, folder)
    full = trial.right[frozenset(names)]
    print(f"{len(found)} questions, {count} databases; right by {selector}: "
          + ", ".join(f"{'+'.join(_short(n) for n in sorted(who))} {100 * right.mean():.1f}"
                      for who, right in trial.right.items()) + "\n")  # fmt: skip
    if costs:
        for name, milliseconds in _costs(names, found, runs, folder).items():
            print(f"{name}: {milliseconds:.0f} ms of processor time per call, encoding included")
    plans = [Plan(o, g) for o in permutations(names) for g in _shares(len(names))]

    if on:
        count = len(replayed(runs, read=False))
        part = np.arange(len(found)) < count
        plan = trial.best(plans, part)
        apart, calls = trial.reached(plan, part, full)
        print(f"{plan}, fitted on the first {count} questions: {100 * apart:+.2f} points against "
              f"all on the other {len(found) - count}, with {calls:.1%} of the calls.")  # fmt: skip
        return

    def fixed(plan: Plan) -> Measured:
        return lambda part: trial.reached(plan, part, full)

    def chosen(part: npt.NDArray[np.bool_]) -> tuple[float, float]:
        return trial.reached(trial.best(plans, part), part, full)

    for plan in plans:
        if plan.going_on[1:] == (0.0,) * (len(names) - 2):
            _report(str(plan), databases, fixed(plan), within=LOSS)
    _report("chosen on the other half", databases, chosen, within=LOSS)
    best = trial.best(plans, np.ones(len(found), dtype=bool))
    dice = np.random.default_rng(1)
    _report(f"{best}, if it lost nothing", databases,
            lambda part: trial.reached(best, part, full, dice), within=LOSS)  # fmt: skip
    if fit is not None:
        only_held_out(found, folder=folder)
        plan = trial.best(plans, np.ones(len(found), dtype=bool))
        cascade = trial.fitted(plan)
        about = f"{len(found)} questions about {count} databases held out, "
        save_cascade(cascade, fit, about=about + "by benchmarks/cascade.py members", of=selector)
        print(f"\n{fit}: {selector}, {plan}, asks {cascade.calls:.1%} of the calls.")


@dataclass(frozen=True)
class Plan:
    """Who is asked after whom, and which share of all questions may go on after each."""

    order: tuple[str, ...]
    going_on: tuple[float, ...]

    def __str__(self) -> str:
        """Names and shares, as people read them."""
        rest = (f"{100 * g:.0f} % {_short(n)}" for n, g in
                zip(self.order[1:], self.going_on, strict=True) if g)  # fmt: skip
        return ", then ".join([_short(self.order[0]), *rest])


@dataclass(frozen=True)
class Trial:
    """What the selector chooses among what every set of members wrote, by set.

    `scores` keeps how sure lines are that were fitted on a half of the databases: of that half,
    by databases left out, and of all questions.
    """

    names: Sequence[str]
    looked_at: Sequence[str]
    databases: npt.NDArray[np.str_]
    known: dict[frozenset[str], Known]
    right: dict[frozenset[str], Floats]
    scores: dict[tuple[frozenset[str], bytes], tuple[Floats, Floats]]

    @classmethod
    def of(
        cls, found: Sequence[Replayed], names: Sequence[str], selector: str, folder: Path
    ) -> Trial:
        """Choose among the candidates of every set of members."""
        known, right = {}, {}
        for size in range(1, len(names) + 1):
            for who in combinations(names, size):
                made = picks(found, *who, selector=selector, folder=folder)
                outcomes = [one.right for one in made]
                known[frozenset(who)] = Known([one.row for one in made], outcomes)
                right[frozenset(who)] = np.array(outcomes, dtype=np.float64)
        databases = np.array([one.db_id for one in found])
        return cls(names, FEATURES if selector == "trained" else VOTED, databases, known, right, {})

    def best(self, plans: Sequence[Plan], part: npt.NDArray[np.bool_]) -> Plan:
        """The plan that is right most often on a part of the questions, by lines left out."""

        def reached(plan: Plan) -> float:
            values = [self._scores(who, part)[0] for who in self._steps(plan)]
            places = stopped(values, thresholds(values, plan.going_on))
            return float(self._right(plan, places, np.flatnonzero(part)).mean())

        return max(plans, key=reached)

    def reached(
        self,
        plan: Plan,
        part: npt.NDArray[np.bool_],
        full: Floats,
        dice: np.random.Generator | None = None,
    ) -> tuple[float, float]:
        """What a plan fitted on a part loses on the rest, and which share of calls it asks.

        With `dice` the sign of each question's difference is drawn: what chance alone does to a
        plan that changes as many answers and loses nothing.
        """
        both = [self._scores(who, part) for who in self._steps(plan)]
        below = thresholds([inside for inside, _ in both], plan.going_on)
        places = stopped([everywhere[~part] for _, everywhere in both], below)
        own = np.flatnonzero(~part)
        apart = self._right(plan, places, own) - full[own]
        if dice is not None:
            apart = apart * dice.choice((-1.0, 1.0), size=len(apart))
        return float(apart.mean()), float((1 + places).mean() / len(self.names))

    def fitted(self, plan: Plan) -> Cascade:
        """The cascade of a plan, fitted on all questions."""
        return fit_cascade(
            plan.order,
            [self.known[who] for who in self._steps(plan)],
            going_on=plan.going_on,
            databases=self.databases.tolist(),
            names=self.looked_at,
        )

    def _steps(self, plan: Plan) -> list[frozenset[str]]:
        return [frozenset(plan.order[: n + 1]) for n in range(len(plan.order) - 1)]

    def _right(
        self, plan: Plan, places: npt.NDArray[np.int64], own: npt.NDArray[np.intp]
    ) -> Floats:
        by_step = [self.right[who][own] for who in [*self._steps(plan), frozenset(plan.order)]]
        return np.asarray(np.choose(places, by_step))

    def _scores(self, who: frozenset[str], part: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
        key = (who, part.tobytes())
        if key not in self.scores:
            if len(self.scores) > 2 ** len(self.names):
                self.scores.clear()  # another half
            names = heeded(self.looked_at)
            table, through = table_of(self.known[who].rows, names), partial(logistic, names=names)
            own, right = table[part], self.right[who][part]
            inside = left_out(own, right, self.databases[part].tolist(), through)
            everywhere = through(own, right).values(table)
            self.scores[key] = tuple(1 / (1 + np.exp(-v)) for v in (inside, everywhere))  # type: ignore[assignment]
        return self.scores[key]


def _shares(size: int) -> list[tuple[float, ...]]:
    """Shares of questions that may go on after each step, within the calls that SHARE allows.

    A part of them is kept, since other databases go on more or less often.
    """
    allowed = 0.85 * max(SHARE * size - 1, 0.0)
    rest = (0.0,) * (size - 2)
    if size < 3:
        return [(allowed, *rest)]
    return [
        (round(allowed * part, 4), round(allowed * (1 - part), 4), *rest[1:])
        for part in (1.0, 0.75, 0.5)
    ]


def _short(name: str) -> str:
    return name.removeprefix("embedded/")


def _costs(
    names: Sequence[str], found: Sequence[Replayed], runs: Sequence[Path], folder: Path
) -> dict[str, float]:
    """Milliseconds of processor time per call of each member, the cheapest first."""
    place = place_of(runs[0])
    spent: dict[str, list[float]] = {name: [] for name in names}
    loaded = load_members(names, folder=folder, beams=wider(BEAM))
    for one in found[: len(found) : max(len(found) // ASKED, 1)]:
        with closing(open_database(place(one.db_id))) as database:
            schema = database.schema()
        for member in loaded:
            brief = Brief(question=one.question, schema=schema, hits=())
            began = time.process_time()
            member.generate(brief)
            spent[member.name].append(1000 * (time.process_time() - began))
    found_costs = {name: median(each) for name, each in spent.items()}
    return dict(sorted(found_costs.items(), key=lambda pair: pair[1]))


def _within_budget(tried: Sequence[tuple[Floats, Floats]], fit: npt.NDArray[np.bool_]) -> int:
    """The smallest risk that takes nine tenths of the calls allowed on these questions."""
    allowed = [p for p, (_, calls) in enumerate(tried) if calls[fit].mean() <= 0.9 * SHARE]
    return max(allowed, default=0)


def _report(
    name: str,
    databases: npt.NDArray[np.str_],
    measured: Measured,
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
