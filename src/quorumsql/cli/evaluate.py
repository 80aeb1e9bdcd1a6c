"""`quorum eval`: measure the pipeline on a benchmark.

What is not covered: scoring predictions made by others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from quorumsql.config import Settings
    from quorumsql.evals.run import Config
    from quorumsql.evals.summary import Summary

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of `eval` to the program."""
    group = typer.Typer(help="Measure accuracy on a benchmark.", no_args_is_help=True)
    group.command("spider")(spider)
    app.add_typer(group, name="eval")


def spider(
    questions: Annotated[Path, typer.Option(help="Questions with gold queries (dev.json).")],
    db_dir: Annotated[Path, typer.Option(help="Folder that holds NAME/NAME.sqlite.")],
    out: Annotated[Path, typer.Option(help="The run's folder; an unfinished run continues.")],
    limit: Annotated[
        int | None, typer.Option(help="Only the first so many questions.", min=1)
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes to answer with.", min=1)] = 1,
    generators: Annotated[
        str | None, typer.Option(help="Names of generators, separated by commas.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json.")] = False,
) -> None:
    """Answer the questions of a file in Spider's format and score the answers."""
    from quorumsql.cli.settings import settings_of
    from quorumsql.evals.datasets import load_spider
    from quorumsql.evals.ensemble import Ensemble
    from quorumsql.evals.progress import Bar
    from quorumsql.evals.run import evaluate

    tasks = load_spider(questions, db_dir, limit=limit)
    settings = settings_of(generators=generators)
    config = _config("spider", questions, db_dir, limit, settings)
    with Bar(len(tasks)) as bar:
        summary = evaluate(
            tasks, Ensemble(settings), out=out, config=config, workers=workers, watch=bar.advance
        )
    _print(summary, out, as_json=as_json)


def _config(
    benchmark: str, questions: Path, db_dir: Path, limit: int | None, settings: Settings
) -> Config:
    """What identifies the run: a rerun with anything else in it is refused."""
    from dataclasses import asdict
    from hashlib import sha256
    from importlib.metadata import version

    from quorumsql.evals.ensemble import weights_digest

    chosen = asdict(settings)
    for place in ("home", "data"):  # where things lie does not change an answer
        chosen.pop(place, None)
    return {
        "benchmark": benchmark,
        "questions": str(questions.resolve()),
        "questions_sha256": sha256(questions.read_bytes()).hexdigest(),
        "db_dir": str(db_dir.resolve()),
        "limit": limit,
        "settings": chosen,
        "weights_sha256": weights_digest(),
        "version": version("quorumsql"),
    }


def _print(summary: Summary, out: Path, *, as_json: bool) -> None:
    """Show the summary: JSON on stdout, or a table there and the report's place on stderr."""
    from rich.console import Console
    from rich.table import Table

    from quorumsql.evals.summary import rows_of_summary

    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        table = Table("figure", "value", title=f"{out}")
        for name, value in rows_of_summary(summary):
            table.add_row(name, value)
        Console().print(table)
    typer.echo(f"Every wrong answer: {out / 'report.html'}", err=True)
