"""`quorum score`: score predictions that anyone has made by the official rules.

What is not covered: how verdicts come about (`evals.score`), and making predictions
(`cli.evaluate`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from quorumsql.evals.score import Scored
    from quorumsql.evals.score_items import Verdict

__all__ = ["register"]

_SHOWN = 10

Metric = Annotated[
    Literal["spider", "spider-exact", "bird", "bird-ves", "sql-eval", "strict"],
    typer.Option(
        metavar="METRIC",
        help="By whose rules: spider, spider-exact, bird (EX and soft F1), bird-ves (R-VES, "
        "too), sql-eval or strict.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="For bird, sql-eval and strict: a URL, {db_id} standing for a name."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a verdict per question, a JSON object per line; interrupted, the same "
        "command goes on.",
    ),
]
Seconds = Annotated[
    float,
    typer.Option(metavar="S", help="How long one statement may run.", min=0.001, max=86_400.0),
]
Repeats = Annotated[
    int,
    typer.Option(metavar="N", help="bird-ves: how often statements are timed.", min=1, max=10_000),
]


def register(app: typer.Typer) -> None:
    """Add the command `score` to the program."""
    app.command("score")(score)


def score(
    metric: Metric,
    gold: Annotated[
        Path, typer.Option(metavar="FILE", help="Gold: lines of SQL, tab, database; JSON; CSV.")
    ],
    pred: Annotated[
        Path, typer.Option(metavar="FILE", help="Predictions: lines of SQL, JSON, JSON lines, CSV.")
    ],
    db_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder that holds NAME/NAME.sqlite.")
    ] = None,
    db: Url = None,
    tables: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Spider's tables.json: exact-set match, too."),
    ] = None,
    out: Out = None,
    workers: Annotated[int, typer.Option(metavar="N", help="How many processes.", min=1)] = 2,
    seconds: Seconds = 60.0,
    keep_distinct: Annotated[
        bool, typer.Option("--keep-distinct", help="Spider: DISTINCT counts.")
    ] = False,
    plug_value: Annotated[
        bool, typer.Option("--plug-value", help="Spider: fill in the values of gold.")
    ] = False,
    repeats: Repeats = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score predictions made by anyone as the official script of a benchmark does.

    Every question of the gold file gets a verdict: right, wrong, error, timeout, cap, refused,
    missing, or unscored with a reason; all are in the denominator.
    """
    from quorumsql.evals.progress import Bar
    from quorumsql.evals.score import score as scored_by
    from quorumsql.evals.score_files import read_job
    from quorumsql.evals.score_items import Options

    options = Options(
        metric=metric,
        db_dir=db_dir,
        url=db,
        tables=tables if metric in {"spider", "spider-exact"} else None,
        keep_distinct=keep_distinct,
        plug_value=plug_value,
        seconds=seconds,
        repeats=repeats,
    )
    job = read_job(gold, pred)
    with Bar(len(job.items)) as bar:

        def count(verdict: Verdict) -> None:
            bar.count(right=bool(verdict.exact if metric == "spider-exact" else verdict.exec))

        found = scored_by(job, options, workers=workers, out=out, watch=count)
    _tell(found)
    _print(found, as_json=as_json)


def _tell(found: Scored) -> None:
    """Say on stderr what was odd about the files, and what has no verdict."""
    from quorumsql.cli.output import printable

    for note in found.job.notes:
        typer.echo(printable(note), err=True)
    lacking = [v for v in found.verdicts if v.status == "unscored" or "no exact" in v.reason]
    for verdict in lacking[:_SHOWN]:
        typer.echo(f"question {verdict.position}: {printable(verdict.reason)}", err=True)
    if len(lacking) > _SHOWN:
        typer.echo(f"… and {len(lacking) - _SHOWN} more; --out FILE names them all", err=True)


def _print(found: Scored, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.summary(), indent=2))
        return
    from rich.text import Text

    from quorumsql.cli.output import lined, page

    table = lined("figure", "value")
    for name, value in found.rows():
        table.add_row(Text(name), Text(value))
    with page() as console:
        console.print(table)
