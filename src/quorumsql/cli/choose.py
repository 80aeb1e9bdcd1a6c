"""`quorum choose`: run selection alone on anybody's candidates.

What is not covered: how a choice is made; see `evals.pool` and `stages.choose`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from quorumsql.evals.pool import PoolReport

__all__ = ["register"]

_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command `choose` to the program."""
    app.command("choose")(choose)


def choose(
    pool: Annotated[Path, typer.Option(help="Candidates, a JSON object per line.")],
    db_dir: Annotated[Path, typer.Option(help="Folder that holds NAME/NAME.sqlite.")],
    out: Annotated[Path, typer.Option(help="Where the choices go, a JSON object per line.")],
    method: Annotated[
        str,
        typer.Option(help="trained, majority, crossmax; with weights: weighted, gem or ordered."),
    ] = "trained",
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What is known of generators, from quorum tune."),
    ] = None,
) -> None:
    """Choose one SQL per line of a pool of candidates, by common results and by reading."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from quorumsql.evals.pool import choose_pool

    console = Console(stderr=True)
    columns = (TextColumn("choosing"), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        bar = progress.add_task("choosing", total=None)
        report = choose_pool(
            pool,
            databases=db_dir,
            out=out,
            method=method,
            weights=weights,
            watch=lambda _: progress.advance(bar),
        )
    _tell(pool, out, report)
    if report.unread and report.unread == report.lines:
        raise typer.Exit(2)


def _tell(pool: Path, out: Path, report: PoolReport) -> None:
    for number, words in report.problems[:_SHOWN]:
        typer.echo(f"{pool}:{number}: {words}", err=True)
    if len(report.problems) > _SHOWN:
        typer.echo(f"… and {len(report.problems) - _SHOWN} more such lines", err=True)
    typer.echo(
        f"{out}: {report.lines} choices, {len(report.problems)} lines with something wrong, "
        f"{report.unread} of them without any SQL.",
        err=True,
    )
