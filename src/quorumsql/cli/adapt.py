"""`quorum adapt`: fine-tune the embedded members on one database.

What is not covered: the training itself; see `train.adapt`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from quorumsql.train.adapt import Adapted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `adapt` to the program."""
    app.command("adapt")(adapt)


def adapt(
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    minutes: Annotated[
        float, typer.Option(metavar="N", help="Time for everything.", min=0.1)
    ] = 15.0,
    questions: Annotated[int, typer.Option(metavar="N", help="Questions to make.", min=1)] = 4_000,
    forget: Annotated[bool, typer.Option("--forget", help="Delete what was adapted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fine-tune the embedded members on synthetic questions about a database.

    From then on they answer questions about it. It can be stopped and started again.
    """
    from quorumsql.adapted import forget_adapted
    from quorumsql.api import known_folder
    from quorumsql.cli.settings import settings_of

    if forget:
        had = forget_adapted(known_folder(settings_of(), db))
        if as_json:
            sys.stdout.write(json.dumps({"forgotten": had}) + "\n")
        else:
            typer.echo("Forgotten." if had else "There was nothing to forget.")
        return
    found = _adapted(db, minutes, questions)
    if as_json:
        sys.stdout.write(json.dumps(_object(found)) + "\n")
    else:
        typer.echo(_words(found))


def _adapted(db: str, minutes: float, questions: int) -> Adapted:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from quorumsql.errors import MissingExtra

    try:
        from quorumsql.train import adapt as training
    except ImportError as error:
        raise MissingExtra("Adapting", "train") from error
    from quorumsql.cli.settings import settings_of
    from quorumsql.cli.surveying import surveyed
    from quorumsql.survey import file_stamp, value_index

    plan = training.Adaptation(minutes=minutes, questions=questions)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    unread = settings_of().unread
    with surveyed(db) as (database, folder, _):
        index = value_index(database, folder, stamp=file_stamp(db), private=unread)
        with Progress(
            *columns, console=console, disable=not console.is_terminal, transient=True
        ) as progress:
            try:
                return training.adapt(
                    database, index, folder, plan, unread=unread, report=_reporter(progress)
                )
            except KeyboardInterrupt:
                console.print("What was learned is kept: the same command goes on.")
                raise


def _reporter(progress: Progress) -> Callable[[dict[str, Any]], None]:
    bar = progress.add_task("making questions", total=None)

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "questions":
            progress.update(bar, completed=event["made"], total=event["of"])
        elif event["event"] == "step":
            losses = " ".join(f"{k} {v:.2f}" for k, v in event.items() if k not in _NO_LOSS)
            progress.update(bar, completed=event["share"], total=1.0, description=losses)
        elif event["event"] == "check":
            progress.update(bar, description="checking")
        else:
            progress.update(bar, description="exporting", completed=1.0, total=1.0)

    return report


_NO_LOSS = frozenset({"event", "step", "share"})


def _object(found: Adapted) -> dict[str, Any]:
    from dataclasses import asdict

    folder: Path | None = found.folder
    return {**asdict(found), "kept": folder is not None, "folder": folder and str(folder)}


def _words(found: Adapted) -> str:
    before, after = (
        100 * sum(shares.values()) / len(shares) for shares in (found.before, found.after)
    )
    what = (
        f"{found.questions} synthetic questions, {found.steps} steps, {found.seconds:.0f} s; "
        f"{found.checked} others were written exactly {before:.1f} % of the time before, "
        f"{after:.1f} % after."
    )
    if found.folder is None:
        return f"{what} That is no better, so the members stay as they were."
    return f"{what} Questions about this database are answered so from now on."
