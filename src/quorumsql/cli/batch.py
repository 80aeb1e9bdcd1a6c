"""`quorum batch`: answer a file of questions.

What is not covered: how an answer comes about (`pipeline`), and scoring (`quorum eval`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from quorumsql.config import Settings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `batch` to the program."""
    app.command("batch")(batch)


def batch(
    questions: Annotated[
        Path, typer.Argument(help="JSON lines with `question`, or .txt with a question per line.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The file of answers, a JSON object per line.")
    ],
    db: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The database, where a line does not name its own."),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", help="How many questions at a time.", min=1)
    ] = 1,
    executor: Annotated[
        Literal["processes", "ray"], typer.Option(help="Where: on this machine, or on Ray.")
    ] = "processes",
    generators: Annotated[
        str | None, typer.Option(metavar="A,B", help="Names of generators, separated by commas.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The language model to answer with.")
    ] = None,
    effort: Annotated[
        Literal["low", "medium", "high"] | None,
        typer.Option(help="How much work an answer may take."),
    ] = None,
    rows: Annotated[
        int, typer.Option(metavar="N", help="Keep at most so many rows per answer.", min=0)
    ] = 1_000,
) -> None:
    """Answer a file of questions, each as `quorum ask --json` would.

    Interrupted, the same command continues. Exit codes: 0 all were asked, 1 some failed (their
    lines say why), 2 something you can fix.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from quorumsql.cli.settings import settings_of
    from quorumsql.evals.batch import answer_file, load_questions
    from quorumsql.evals.ensemble import Ensemble

    asked = load_questions(questions, db)
    settings = settings_of(generators=generators, model=model, effort=effort)
    console = Console(stderr=True)
    columns = (TextColumn("answering"), BarColumn(), MofNCompleteColumn(), Remaining())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, disable=hidden) as progress:
        bar = progress.add_task("answering", total=len(asked))
        counts = answer_file(
            asked,
            Ensemble(settings),
            out=out,
            config=_config(questions, db, rows, settings),
            workers=workers,
            executor=executor,
            most_rows=rows,
            watch=lambda _: progress.advance(bar),
        )
    typer.echo(
        f"{out}: {counts.answered} answered, {counts.abstained} abstained, {counts.failed} failed.",
        err=True,
    )
    if counts.failed:
        raise typer.Exit(1)


def _config(questions: Path, db: str | None, rows: int, settings: Settings) -> dict[str, object]:
    """What identifies the work; where databases are is hashed, for URLs hold passwords."""
    from hashlib import sha256
    from importlib.metadata import version

    from quorumsql.evals.ensemble import identity

    chosen = json.dumps(identity(settings), default=str)
    return {
        "questions_sha256": sha256(questions.read_bytes()).hexdigest(),
        "db_sha256": sha256((db or "").encode("utf-8", "replace")).hexdigest(),
        "rows": rows,
        "settings_sha256": sha256(chosen.encode()).hexdigest(),
        "version": version("quorumsql"),
    }
