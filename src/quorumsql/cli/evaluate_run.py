"""What all benchmarks of `quorum eval` have in common: run, print, hold against a baseline.

What is not covered: which files a benchmark has (`cli.evaluate`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from quorumsql.errors import DatabaseError, UsageError

if TYPE_CHECKING:
    from quorumsql.config import Settings
    from quorumsql.evals.baseline import Changes
    from quorumsql.evals.datasets import Locate, Task
    from quorumsql.evals.judge import Metric
    from quorumsql.evals.run import Config
    from quorumsql.evals.summary import Summary

__all__ = ["Options", "chosen", "located", "named"]

_SHOWN = 10
_SECRET = re.compile(r"pass|secret|header|^key$|^api_key$|^tokens?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One call of `quorum eval`."""

    benchmark: str
    questions: Path
    place: str
    out: Path
    limit: int | None
    workers: int
    executor: Literal["processes", "ray"]
    generators: str | None
    model: str | None
    effort: Literal["low", "medium", "high"] | None
    slices: list[str] | None
    compare: Path | None
    save_baseline: Path | None
    baseline: Path | None
    allow_lost: int
    fail_under: float | None
    gold_as_prediction: bool
    as_json: bool
    extra: Mapping[str, object] = field(default_factory=dict)
    descriptions: bool = False
    repeats: int = 0
    metric: Metric = "strict"

    def run(self, tasks: Sequence[Task]) -> None:
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

        view = View(slices=tuple(map(parse_filter, self.slices or ())), against=self.compare)
        if self.baseline is not None:
            changes_since(self.baseline, ())  # a broken file is found now, not after the run
        _tell_absent(tasks)
        settings = settings_of(generators=self.generators, model=self.model, effort=self.effort)
        answerer = Ensemble(settings, descriptions=self.descriptions)
        with Bar(len(tasks)) as bar:
            summary = evaluate(
                tasks,
                GoldAsPrediction() if self.gold_as_prediction else answerer,
                out=self.out,
                config=self._config(settings),
                workers=self.workers,
                executor=self.executor,
                metric=self.metric,
                repeats=self.repeats,
                view=view,
                watch=bar.advance,
            )
        _print(summary, self.out, as_json=self.as_json)
        self._gate(summary)

    def _config(self, settings: Settings) -> Config:
        """What identifies the run: a rerun with anything else in it is refused."""
        from dataclasses import asdict
        from hashlib import sha256
        from importlib.metadata import version

        from quorumsql.evals.ensemble import weights_digest

        chosen = asdict(settings)
        for place in ("home", "data", "web", "audit"):  # these do not change an answer
            chosen.pop(place, None)
        gold = self.gold_as_prediction
        return {
            "benchmark": self.benchmark,
            "questions": str(self.questions.resolve()),
            "questions_sha256": sha256(self.questions.read_bytes()).hexdigest(),
            "db_dir": self.place,
            "limit": self.limit,
            "metric": self.metric,
            **self.extra,
            **({"predictions": "gold"} if gold else {"settings": _shareable(chosen)}),
            **({} if gold else {"weights_sha256": weights_digest()}),
            "version": version("quorumsql"),
        }

    def _gate(self, summary: Summary) -> None:
        """Hold the run against what it must reach."""
        from quorumsql.evals.baseline import changes_since, save_baseline
        from quorumsql.evals.predictions import read_predictions

        predictions = sorted(
            read_predictions(self.out / "predictions.jsonl").values(), key=lambda p: p.index
        )
        complaints = []
        if self.baseline is not None:
            changes = changes_since(self.baseline, predictions)
            _tell(changes)
            if len(changes.lost) > self.allow_lost:
                complaints.append(
                    f"{len(changes.lost)} questions are no longer right, "
                    f"{self.allow_lost} may be (--allow-lost)"
                )
        accuracy = summary["execution_accuracy"]
        if self.fail_under is not None and accuracy < self.fail_under:
            complaints.append(f"accuracy {accuracy:.4f} is below --fail-under {self.fail_under}")
        if self.save_baseline is not None:
            save_baseline(self.save_baseline, predictions, summary)
            typer.echo(f"Baseline: {self.save_baseline}", err=True)
        if complaints:
            typer.echo(f"quorum: {'; '.join(complaints)}.", err=True)
            raise typer.Exit(1)


def chosen(arguments: dict[str, object]) -> dict[str, Any]:
    """Of a command's arguments, those that `Options` has under the same name."""
    return {f.name: arguments[f.name] for f in fields(Options) if f.name in arguments}


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


def _shareable(value: object) -> object:
    """Settings without what may be a secret; a run's folder is for showing around."""
    if isinstance(value, Mapping):
        return {k: _shareable(v) for k, v in value.items() if not _SECRET.search(str(k))}
    return [_shareable(item) for item in value] if isinstance(value, list | tuple) else value


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

    typer.echo(
        f"Since the baseline ({changes.before:.1%}): {len(changes.gained)} gained, "
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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from quorumsql.evals.summary import rows_of_summary

    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        table = Table("figure", "value", title=Text(str(out)))
        for name, value in rows_of_summary(summary):
            table.add_row(Text(name), Text(value))
        Console().print(table)
    typer.echo(f"Every question: {out / 'report.html'}", err=True)
