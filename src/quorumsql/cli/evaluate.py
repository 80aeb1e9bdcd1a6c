"""`quorum eval`: measure the pipeline on a benchmark, or on questions of one's own.

What is not covered: scoring predictions made by others (`cli.score`), and how a run is carried
out and held against a baseline (`cli.evaluate_run`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from quorumsql.cli.evaluate_run import Options, chosen

__all__ = ["register"]

Questions = Annotated[Path, typer.Option(help="The file of questions.")]
DbDir = Annotated[Path | None, typer.Option(help="Folder that holds NAME/NAME.sqlite.")]
Db = Annotated[
    str | None,
    typer.Option(help="The database; {db_id} in a URL stands for a question's database."),
]
Out = Annotated[Path, typer.Option(help="The run's folder; an unfinished run continues.")]
Limit = Annotated[int | None, typer.Option(help="Only the first so many questions.", min=1)]
Workers = Annotated[int, typer.Option(help="How many questions to answer at a time.", min=1)]
Executor = Annotated[
    Literal["processes", "ray"], typer.Option(help="Where: on this machine, or on Ray.")
]
Generators = Annotated[str | None, typer.Option(help="Names of generators, separated by commas.")]
Model = Annotated[str | None, typer.Option(help="The language model to answer with.")]
Effort = Annotated[
    Literal["low", "medium", "high"] | None, typer.Option(help="How much work an answer may take.")
]
Slices = Annotated[
    list[str] | None,
    typer.Option("--slice", help="Report accuracy of a part, e.g. 'joins > 1 and subquery = 0'."),
]
Compare = Annotated[Path | None, typer.Option(help="Folder of a run to compare with.")]
SaveBaseline = Annotated[Path | None, typer.Option(help="Write what is right to this file.")]
Baseline = Annotated[
    Path | None, typer.Option(help="Exit with 1 when something of this file is no longer right.")
]
AllowLost = Annotated[
    int, typer.Option(help="So many questions of the baseline may be lost.", min=0)
]
FailUnder = Annotated[
    float | None,
    typer.Option(help="Exit with 1 when accuracy is below this share.", min=0.0, max=1.0),
]
Ceiling = Annotated[
    bool, typer.Option("--gold-as-prediction", help="Score the gold queries: the ceiling.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print summary.json.")]


def register(app: typer.Typer) -> None:
    """Add the commands of `eval` to the program."""
    group = typer.Typer(help="Measure accuracy on a benchmark.", no_args_is_help=True)
    group.command("spider")(spider)
    group.command("bird")(bird)
    group.command("sql-eval")(sql_eval)
    group.command("jsonl")(jsonl)
    app.add_typer(group, name="eval")


def spider(
    questions: Questions,
    db_dir: Annotated[Path, typer.Option(help="Folder that holds NAME/NAME.sqlite.")],
    out: Out,
    limit: Limit = None,
    workers: Workers = 1,
    executor: Executor = "processes",
    generators: Generators = None,
    model: Model = None,
    effort: Effort = None,
    slices: Slices = None,
    compare: Compare = None,
    save_baseline: SaveBaseline = None,
    baseline: Baseline = None,
    allow_lost: AllowLost = 0,
    fail_under: FailUnder = None,
    gold_as_prediction: Ceiling = False,
    as_json: AsJson = False,
) -> None:
    """Answer the questions of a file in Spider's format and score the answers.

    Spider-Realistic, Spider-Syn and Spider-DK have this format too. Where a database's folder
    holds more `.sqlite` files, its test suite, an answer must be right on all of them.
    """
    from quorumsql.evals.datasets import load_spider

    options = Options(**chosen(locals()), benchmark="spider", place=str(db_dir.resolve()))
    options.run(load_spider(questions, db_dir, limit=limit))


def bird(
    questions: Questions,
    out: Out,
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
            help="How often R-VES times a right answer and its gold (officially 100); 0: no R-VES.",
            min=0,
            max=10_000,
        ),
    ] = 0,
    limit: Limit = None,
    workers: Workers = 1,
    executor: Executor = "processes",
    generators: Generators = None,
    model: Model = None,
    effort: Effort = None,
    slices: Slices = None,
    compare: Compare = None,
    save_baseline: SaveBaseline = None,
    baseline: Baseline = None,
    allow_lost: AllowLost = 0,
    fail_under: FailUnder = None,
    gold_as_prediction: Ceiling = False,
    as_json: AsJson = False,
) -> None:
    """Answer the questions of BIRD dev or mini-dev; score EX, soft F1 and, on request, R-VES.

    Mini-dev on PostgreSQL and MySQL takes --db URL in place of --db-dir.
    """
    from quorumsql.cli.evaluate_run import located, named
    from quorumsql.evals.datasets import load_bird

    tasks = load_bird(questions, located(db_dir, db), evidence=evidence == "on", limit=limit)
    options = Options(
        **chosen(locals()),
        benchmark="bird",
        place=named(db_dir, db),
        extra={"evidence": evidence, "descriptions": descriptions, "repeats": repeats},
        metric="bird",
    )
    options.run(tasks)


def sql_eval(
    questions: Questions,
    out: Out,
    db: Db = None,
    db_dir: DbDir = None,
    load: Annotated[
        Path | None,
        typer.Option(help="Folder of NAME.sql: make missing databases on the server first."),
    ] = None,
    limit: Limit = None,
    workers: Workers = 1,
    executor: Executor = "processes",
    generators: Generators = None,
    model: Model = None,
    effort: Effort = None,
    slices: Slices = None,
    compare: Compare = None,
    save_baseline: SaveBaseline = None,
    baseline: Baseline = None,
    allow_lost: AllowLost = 0,
    fail_under: FailUnder = None,
    gold_as_prediction: Ceiling = False,
    as_json: AsJson = False,
) -> None:
    """Answer the questions of Defog's SQL-Eval and score the answers.

    --db is the URL of the server with {db_id} where the database's name belongs.
    """
    from quorumsql.cli.evaluate_run import located, named
    from quorumsql.evals.datasets import load_sql_eval

    if load is not None and db is not None:
        from quorumsql.evals.sql_eval import load_databases

        for name in load_databases(questions, load, db, limit=limit):
            typer.echo(f"made database {name!r}", err=True)
    tasks = load_sql_eval(questions, located(db_dir, db), limit=limit)
    options = Options(
        **chosen(locals()), benchmark="sql-eval", place=named(db_dir, db), metric="sql-eval"
    )
    options.run(tasks)


def jsonl(
    questions: Questions,
    db: Annotated[str, typer.Option(help="The database: a URL or the path of a file.")],
    out: Out,
    limit: Limit = None,
    workers: Workers = 1,
    executor: Executor = "processes",
    generators: Generators = None,
    model: Model = None,
    effort: Effort = None,
    slices: Slices = None,
    compare: Compare = None,
    save_baseline: SaveBaseline = None,
    baseline: Baseline = None,
    allow_lost: AllowLost = 0,
    fail_under: FailUnder = None,
    gold_as_prediction: Ceiling = False,
    as_json: AsJson = False,
) -> None:
    """Answer your own questions about your own database and score the answers.

    Each line is an object with `question`, and `sql` or the expected `rows`.
    """
    from quorumsql.cli.evaluate_run import named
    from quorumsql.evals.datasets import load_lines

    options = Options(**chosen(locals()), benchmark="jsonl", place=named(None, db))
    options.run(load_lines(questions, db, limit=limit))
