"""`quorum ablate`: what each part of the ensemble is worth, on your own questions.

What is not covered: how the figures come about (`evals.ablate`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorumsql.errors import UsageError

if TYPE_CHECKING:
    from quorumsql.config import Settings
    from quorumsql.evals.datasets import Task

__all__ = ["register"]

_PRICED = 10  # questions on which the price of a run is estimated


def register(app: typer.Typer) -> None:
    """Add the command `ablate` to the program."""
    app.command("ablate")(ablate)


def ablate(
    questions: Annotated[
        Path, typer.Option(metavar="FILE", help="Questions with gold queries (dev.json).")
    ],
    db_dir: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder that holds NAME/NAME.sqlite.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The runs' folder; unfinished runs continue.")
    ],
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Only the first so many questions.", min=1)
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes to answer with.", min=1)] = 1,
    generators: Annotated[
        str | None, typer.Option(metavar="A,B", help="Ask only these generators.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Language model or endpoint.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what models would cost; run nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without asking first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure what filter, generators, candidates, votes and orders are worth.

    The whole ensemble runs once; whatever only chooses differently is read off its candidates.
    Runs without the schema filter, and with other orders where a model judges, come on top.
    """
    from quorumsql.cli.settings import settings_of
    from quorumsql.evals.datasets import load_spider

    tasks = load_spider(questions, db_dir, limit=limit)
    settings = settings_of(generators=generators, model=model)
    variants = _variants(settings)
    estimate = _estimate(tasks, settings, runs=len(variants))
    if dry_run or estimate is not None:
        _print_estimate(estimate, as_json=as_json and dry_run)
    if dry_run:
        return
    if estimate is not None and not yes and not _agreed():
        raise UsageError("Nothing was spent. Add --yes to spend what the estimate says.")
    accuracies = {
        name: _run(tasks, one, out / _folder(name), (questions, db_dir, limit), workers)
        for name, one in variants.items()
    }
    _report(out, settings, accuracies, len(tasks), as_json=as_json)


def _variants(settings: Settings) -> Mapping[str, Settings]:
    """The settings of every run, the whole system first."""
    from dataclasses import replace

    from quorumsql.evals.ablate import RERUNS

    found = {"full": settings}
    for name, changes in RERUNS.items():
        if "llm" in changes and (settings.model is None or settings.llm.selector == "vote"):
            continue
        changed = dict(changes)
        if "llm" in changed:
            changed["llm"] = replace(settings.llm, **changed["llm"])
        found[name] = replace(settings, **changed)
    return found


def _folder(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def _run(
    tasks: Sequence[Task],
    settings: Settings,
    out: Path,
    given: tuple[Path, Path, int | None],
    workers: int,
) -> float:
    from hashlib import sha256

    from quorumsql.evals.ensemble import Ensemble, identity, weights_digest
    from quorumsql.evals.progress import Bar
    from quorumsql.evals.run import evaluate

    questions, db_dir, limit = given
    config = {
        "questions_sha256": sha256(questions.read_bytes()).hexdigest(),
        "db_dir": str(db_dir.resolve()),
        "limit": limit,
        "settings": identity(settings),
        "weights_sha256": weights_digest(),
    }
    typer.echo(out.name, err=True)
    with Bar(len(tasks)) as bar:
        summary = evaluate(
            tasks, Ensemble(settings), out=out, config=config, workers=workers, watch=bar.advance
        )
    return float(summary["execution_accuracy"])


def _report(
    out: Path,
    settings: Settings,
    accuracies: Mapping[str, float],
    n: int,
    *,
    as_json: bool,
) -> None:
    """Write ablation.json and print it."""
    from quorumsql.disk import write_atomically
    from quorumsql.evals.ablate import Figure, agreement, rechosen
    from quorumsql.evals.predictions import read_predictions

    predictions = sorted(
        read_predictions(out / "full" / "predictions.jsonl").values(), key=lambda p: p.index
    )
    figures = [Figure(name=name, accuracy=value, n=n) for name, value in accuracies.items()]
    figures += rechosen(predictions, _ranks(settings))
    full = accuracies["full"]
    record: dict[str, Any] = {
        "figures": [
            {"name": f.name, "accuracy": f.accuracy, "delta": f.accuracy - full, "n": f.n}
            for f in figures
        ],
        "generators": agreement(predictions),
    }
    write_atomically(out / "ablation.json", [json.dumps(record, indent=2), "\n"])
    if as_json:
        sys.stdout.write(json.dumps(record) + "\n")
    else:
        _show(record, full)


def _ranks(settings: Settings) -> Mapping[str, int]:
    """Places of generators as the pipeline has them: prompted ones as named, then embedded."""
    from quorumsql.assemble import prompted_names
    from quorumsql.neural.members import WEIGHTS
    from quorumsql.stages.calibrate import load

    names, members = prompted_names(settings), load(WEIGHTS / "calibration.json").ranks
    embedded = {name: len(names) + rank for name, rank in members.items()}
    return {**embedded, **{name: rank for rank, name in enumerate(names)}}


def _show(record: Mapping[str, Any], full: float) -> None:
    from quorumsql.cli.output import lined, page
    from quorumsql.evals.figures import percent

    table = lined("variant", title="Execution accuracy")
    table.add_column("accuracy", justify="right")
    table.add_column("against full", justify="right")
    table.add_column("n", justify="right")
    for one in record["figures"]:
        delta = one["accuracy"] - full
        against = f"{100 * delta:+.1f} points"
        table.add_row(one["name"], percent(one["accuracy"]), against, str(one["n"]))
    shares = lined("generator", title="Right answers by how many generators have them")
    keys = sorted({key for counts in record["generators"].values() for key in counts})
    for key in keys:
        shares.add_column(key, justify="right")
    for name, counts in record["generators"].items():
        shares.add_row(name, *(percent(counts.get(key, 0.0)) for key in keys))
    with page() as console:
        console.print(table)
        console.print()
        console.print(shares)


def _estimate(
    tasks: Sequence[Task], settings: Settings, *, runs: int
) -> Mapping[str, float | int | None] | None:
    """What all runs may cost at most, from plans of some questions; None without a model."""
    from quorumsql.api import connect
    from quorumsql.cli.plan import total

    if settings.model is None or not tasks:
        return None
    step = max(len(tasks) // _PRICED, 1)
    sample = list(tasks)[::step][:_PRICED]
    sums: dict[str, float] = {"calls": 0, "input_tokens": 0, "output_tokens": 0, "usd": 0.0}
    known = True
    for task in sample:
        with connect(str(task.database), settings=settings) as database:
            planned = total(database.plan(task.question, evidence=task.evidence))
        known = known and planned["usd"] is not None
        for key in sums:
            sums[key] += planned[key] or 0
    factor = len(tasks) * runs / len(sample)
    scaled: dict[str, float | int | None] = {
        key: round(value * factor) for key, value in sums.items() if key != "usd"
    }
    scaled["usd"] = round(sums["usd"] * factor, 4) if known else None
    return scaled


def _print_estimate(estimate: Mapping[str, Any] | None, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"estimate": estimate}) + "\n")
    elif estimate is None:
        typer.echo("No language model takes part: this costs nothing.", err=True)
    else:
        from quorumsql.cli.plan import dollars

        typer.echo(
            f"At most about {estimate['calls']:,} calls, {estimate['input_tokens']:,} + "
            f"{estimate['output_tokens']:,} tokens, {dollars(estimate['usd'])}.",
            err=True,
        )


def _agreed() -> bool:
    return sys.stdin.isatty() and typer.confirm("Go on?", err=True)
