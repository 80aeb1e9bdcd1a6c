"""`quorum choose`: run selection alone on anybody's candidates.

What is not covered: how a choice is made; see `evals.pool` and `stages.choose`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quorumsql.errors import UsageError

if TYPE_CHECKING:
    from quorumsql.cli.choosing import Done

__all__ = ["register"]

_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command `choose` to the program."""
    app.command("choose")(choose)


def choose(
    pool: Annotated[Path, typer.Option(metavar="FILE", help="Candidates, a JSON object per line.")],
    db_dir: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder that holds NAME/NAME.sqlite.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the choices go, a JSON object per line.")
    ],
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="trained (the default), majority, crossmax; with weights: weighted, gem, ordered.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What is known of generators, from quorum tune."),
    ] = None,
    composition: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="In place of a method: composition.json, from quorum tune."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Choose one SQL per line of a pool of candidates, by common results and by reading.

    Interrupted, the same command continues. Every line gets one, also where nothing ran; how many
    those are is said. Exit codes: 0 done, 2 no line has any SQL, or something else you can fix.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from quorumsql.cli.choosing import Work, choose_on

    if composition is not None and (method is not None or weights is not None):
        raise UsageError("--composition says how to choose: leave --method and --weights out.")
    work = Work(
        pool=pool,
        databases=db_dir,
        out=out,
        method=method or "trained" if composition is None else "composition",
        weights=weights,
        composition=composition,
    )
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        bar = progress.add_task("reading", total=None)
        done = choose_on(
            work,
            lambda what, total: progress.reset(bar, description=what, total=total),
            lambda: progress.advance(bar),
        )
    _tell(pool, out, done)
    if as_json:
        typer.echo(json.dumps(_object(out, done), ensure_ascii=False))
    if done.without_sql == done.lines:
        raise typer.Exit(2)


def _tell(pool: Path, out: Path, done: Done) -> None:
    from quorumsql.cli.output import count

    for number, words in done.problems[:_SHOWN]:
        typer.echo(f"{pool}:{number}: {words}", err=True)
    if len(done.problems) > _SHOWN:
        typer.echo(f"… and {len(done.problems) - _SHOWN} more such lines", err=True)
    earlier = f" ({done.kept} made earlier)" if done.kept else ""
    wrong = count(len(done.problems), "line")
    typer.echo(
        f"{out}: {count(done.lines, 'choice')}{earlier}, {wrong} with something wrong.", err=True
    )
    if done.nothing_ran or done.without_sql:
        lines = count(done.nothing_ran, "line")
        more = count(done.without_sql, "line")
        typer.echo(f"{lines} where nothing ran, {more} without any SQL.", err=True)


def _object(out: Path, done: Done) -> dict[str, object]:
    return {
        "out": str(out),
        "lines": done.lines,
        "made_earlier": done.kept,
        "nothing_ran": done.nothing_ran,
        "without_sql": done.without_sql,
        "problems": [{"line": number, "what": words} for number, words in done.problems],
    }
