"""`quorum eval`: measure the pipeline on a benchmark, or on questions of one's own.

What is not covered: scoring predictions made by others (`cli.score`), and how a run is carried
out and held against a baseline (`cli.evaluate_run`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from quorumsql.cli.evaluate_options import Options, with_options

__all__ = ["register"]

DbDir = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder that holds NAME/NAME.sqlite.")
]
Db = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The database; {db_id} in a URL stands for a question's database."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of `eval` to the program."""
    group = typer.Typer(help="Measure accuracy on a benchmark.", no_args_is_help=True)
    group.command("spider")(with_options(spider))
    group.command("bird")(with_options(bird))
    group.command("sql-eval")(with_options(sql_eval))
    group.command("jsonl")(with_options(jsonl))
    app.add_typer(group, name="eval")


def spider(
    options: Options,
    db_dir: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder that holds NAME/NAME.sqlite.")
    ],
) -> None:
    """Answer the questions of a file in Spider's format and score the answers.

    Spider-Realistic, Spider-Syn and Spider-DK have this format too. Where a database's folder
    holds more `.sqlite` files, its test suite, an answer must be right on all of them.
    """
    from quorumsql.cli.evaluate_run import Run
    from quorumsql.evals.datasets import load_spider

    tasks = load_spider(options.questions, db_dir, limit=options.limit)
    Run(options=options, benchmark="spider", place=str(db_dir.resolve())).carry_out(tasks)


def bird(
    options: Options,
    db_dir: DbDir = None,
    db: Db = None,
    evidence: Annotated[
        Literal["on", "off"], typer.Option(help="Whether answers may use the evidence.")
    ] = "on",
    descriptions: Annotated[
        bool, typer.Option(help="Whether generators read the CSV files about columns.")
    ] = True,
    repeats: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="How often R-VES times a right answer and its gold (officially 100); 0: no R-VES.",
            min=0,
            max=10_000,
        ),
    ] = 0,
) -> None:
    """Answer the questions of BIRD dev or mini-dev; score EX, soft F1 and, on request, R-VES.

    Mini-dev on PostgreSQL and MySQL takes --db URL in place of --db-dir.
    """
    from quorumsql.cli.evaluate_run import Run, located, named
    from quorumsql.evals.datasets import load_bird

    tasks = load_bird(
        options.questions, located(db_dir, db), evidence=evidence == "on", limit=options.limit
    )
    run = Run(
        options=options,
        benchmark="bird",
        place=named(db_dir, db),
        extra={"evidence": evidence, "descriptions": descriptions, "repeats": repeats},
        descriptions=descriptions,
        repeats=repeats,
        metric="bird",
    )
    run.carry_out(tasks)


def sql_eval(
    options: Options,
    db: Db = None,
    db_dir: DbDir = None,
    load: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder of NAME.sql: make missing databases on the server first."
        ),
    ] = None,
) -> None:
    """Answer the questions of Defog's SQL-Eval and score the answers.

    --db is the URL of the server with {db_id} where the database's name belongs.
    """
    from quorumsql.cli.evaluate_run import Run, located, named
    from quorumsql.evals.datasets import load_sql_eval

    if load is not None and db is not None:
        from quorumsql.evals.sql_eval import load_databases

        for name in load_databases(options.questions, load, db, limit=options.limit):
            typer.echo(f"made database {name!r}", err=True)
    tasks = load_sql_eval(options.questions, located(db_dir, db), limit=options.limit)
    run = Run(options=options, benchmark="sql-eval", place=named(db_dir, db), metric="sql-eval")
    run.carry_out(tasks)


def jsonl(
    options: Options,
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
) -> None:
    """Answer your own questions about your own database and score the answers.

    Each line is an object with `question`, and `sql` or the expected `rows`.
    """
    from quorumsql.cli.evaluate_run import Run, named
    from quorumsql.evals.datasets import load_lines

    tasks = load_lines(options.questions, db, limit=options.limit)
    Run(options=options, benchmark="jsonl", place=named(None, db)).carry_out(tasks)
