"""What all benchmarks of `quorum eval` have in common: run, print, hold against a baseline.

What is not covered: which files a benchmark has (`cli.evaluate`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from quorumsql.errors import DatabaseError, UsageError

if TYPE_CHECKING:
    from quorumsql.cli.evaluate_options import Options
    from quorumsql.config import Settings
    from quorumsql.evals.baseline import Changes
    from quorumsql.evals.datasets import Locate, Task
    from quorumsql.evals.judge import Metric
    from quorumsql.evals.run import Config
    from quorumsql.evals.summary import Summary

__all__ = ["Run", "located", "named"]

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One call of `quorum eval`: what it was told, and what the benchmark adds."""

    options: Options
    benchmark: str
    place: str
    extra: Mapping[str, object] = field(default_factory=dict)
    descriptions: bool = False
    repeats: int = 0
    metric: Metric = "strict"

    def carry_out(self, tasks: Sequence[Task]) -> None:
        """Answer, score, print; leave with 1 where the run is not good enough.

        Raises:
            UsageError: an option is wrong, or no database opens.
        """
        from quorumsql.cli.settings import settings_of
        from quorumsql.evals.baseline import changes_since
        from quorumsql.evals.ensemble import Ensemble
        from quorumsql.evals.filters import parse_filter
        from quorumsql.evals.progress import Bar
        from quorumsql.evals.run import View, evaluate
        from quorumsql.evals.worker import GoldAsPrediction

        given = self.options
        view = View(slices=tuple(map(parse_filter, given.slices or ())), against=given.compare)
        if given.baseline is not None:
            changes_since(given.baseline, ())  # a broken file is found now, not after the run
        _tell_absent(tasks)
        settings = settings_of(generators=given.generators, model=given.model, effort=given.effort)
        answerer = Ensemble(settings, descriptions=self.descriptions)
        with Bar(len(tasks)) as bar:
            summary = evaluate(
                tasks,
                GoldAsPrediction() if given.gold_as_prediction else answerer,
                out=given.out,
                config=self._config(settings),
                workers=given.workers,
                executor=given.executor,
                metric=self.metric,
                repeats=self.repeats,
                view=view,
                watch=bar.advance,
            )
        _print(summary, given.out, as_json=given.as_json)
        self._gate(summary)

    def _config(self, settings: Settings) -> Config:
        """What identifies the run: a rerun with anything else in it is refused."""
        from hashlib import sha256
        from importlib.metadata import version

        from quorumsql.evals.ensemble import identity, weights_digest

        given, questions = self.options, self.options.questions
        gold = given.gold_as_prediction
        return {
            "benchmark": self.benchmark,
            "questions": str(questions.resolve()),
            "questions_sha256": sha256(questions.read_bytes()).hexdigest(),
            "db_dir": self.place,
            "limit": given.limit,
            "metric": self.metric,
            **self.extra,
            **({"predictions": "gold"} if gold else {"settings": identity(settings)}),
            **({} if gold else {"weights_sha256": weights_digest()}),
            "version": version("quorumsql"),
        }

    def _gate(self, summary: Summary) -> None:
        """Hold the run against what it must reach."""
        from quorumsql.evals.baseline import changes_since, save_baseline
        from quorumsql.evals.predictions import read_predictions

        given = self.options
        predictions = sorted(
            read_predictions(given.out / "predictions.jsonl").values(), key=lambda p: p.index
        )
        complaints = []
        if given.baseline is not None:
            changes = changes_since(given.baseline, predictions)
            _tell(changes)
            if len(changes.lost) > given.allow_lost:
                complaints.append(
                    f"{len(changes.lost)} questions are no longer right, "
                    f"{given.allow_lost} may be (--allow-lost)"
                )
        accuracy = summary["execution_accuracy"]
        if given.fail_under is not None and accuracy < given.fail_under:
            complaints.append(f"accuracy {accuracy:.4f} is below --fail-under {given.fail_under}")
        if given.save_baseline is not None:
            save_baseline(given.save_baseline, predictions, summary)
            typer.echo(f"Baseline: {given.save_baseline}", err=True)
        if complaints:
            typer.echo(f"quorum: {'; '.join(complaints)}.", err=True)
            raise typer.Exit(1)


def located(db_dir: Path | None, db: str | None) -> Locate:
    """Return where databases are.

    Raises:
        UsageError: neither or both is given, or the folder does not exist.
    """
    from quorumsql.evals.datasets import at_url, in_folder

    if (db_dir is None) == (db is None):
        raise UsageError("Say where the databases are: either --db-dir FOLDER or --db URL.")
    return in_folder(db_dir) if db_dir is not None else at_url(db or "")


def named(db_dir: Path | None, db: str | None) -> str:
    """Return where databases are as text without a password."""
    from quorumsql.urls import read_url

    if db_dir is not None:
        return str(db_dir.resolve())
    address = db or ""
    if "://" not in address:
        return str(Path(address).expanduser().resolve())
    return address if address.startswith(("sqlite:", "duckdb:")) else str(read_url(address))


def _tell_absent(tasks: Sequence[Task]) -> None:
    """Say which databases do not exist or do not open.

    Raises:
        DatabaseError: none opens.
    """
    from quorumsql.db import open_database
    from quorumsql.evals.datasets import absent

    missing = absent(tasks)
    for name, count in missing.items():
        typer.echo(f"No database {name!r}: its {count} questions will be unscored.", err=True)
    closed: list[DatabaseError] = []
    for place in dict.fromkeys(task.database for task in tasks if task.db_id not in missing):
        try:
            open_database(place).close()
        except DatabaseError as error:
            closed.append(error)
        else:
            return
    if closed:
        raise closed[0]


def _tell(changes: Changes) -> None:
    from quorumsql.cli.output import printable
    from quorumsql.evals.figures import percent

    typer.echo(
        f"Since the baseline ({percent(changes.before)}): {len(changes.gained)} gained, "
        f"{len(changes.lost)} lost, {changes.new} new, {changes.gone} gone.",
        err=True,
    )
    for prediction in changes.lost[:_SHOWN]:
        question = printable(" ".join(prediction.question.split()))
        typer.echo(f"  lost: {prediction.index} {prediction.db_id}: {question}", err=True)
    if len(changes.lost) > _SHOWN:
        typer.echo(f"  … and {len(changes.lost) - _SHOWN} more", err=True)


def _print(summary: Summary, out: Path, *, as_json: bool) -> None:
    """Show the summary: JSON on stdout, or a table there and the report's place on stderr."""
    from rich.text import Text

    from quorumsql.cli.output import lined, page, printable
    from quorumsql.evals.summary import rows_of_summary

    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        table = lined("figure", "value", title=printable(str(out)))
        for name, value in rows_of_summary(summary):
            table.add_row(Text(name), Text(value))
        with page() as console:
            console.print(table)
    typer.echo(f"Every question: {out / 'report.html'}", err=True)
