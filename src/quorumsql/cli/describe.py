"""`quorum describe`: descriptions of tables and columns, from their values, as a file to edit.

What is not covered: descriptions of what no table holds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from quorumsql.domain import Schema
    from quorumsql.stages.describe import Descriptions

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `describe` to the program."""
    app.command("describe")(describe)


def describe(
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here, not where answers look.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Let a language model write them.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Send no value of the data to the model.")
    ] = False,
) -> None:
    """Describe tables and columns in plain words, in a file that you can edit.

    Generators read the descriptions beside names. Comments of the database go before them,
    and what you have edited in the file stays when the command runs again.
    """
    from quorumsql.api import DESCRIPTIONS, read_descriptions
    from quorumsql.cli.surveying import surveyed
    from quorumsql.disk import write_atomically
    from quorumsql.stages.describe import Descriptions, merged, read_text, write_text
    from quorumsql.stages.describe import describe as written
    from quorumsql.survey import known_profiles

    with surveyed(db) as (database, folder, _):
        new = written(database.schema(), known_profiles(folder))
        if model is not None:
            new = _by_model(database.schema(), new, model, private=private)
    path, last = out or folder / DESCRIPTIONS, folder / f"{DESCRIPTIONS}.last"
    before = (
        read_text(last.read_text("utf-8"), name=str(last)) if last.is_file() else Descriptions()
    )
    edited = read_descriptions(path)
    result = merged(new, before, edited)
    write_atomically(path, [write_text(result)])
    write_atomically(last, [write_text(new)])
    if as_json:
        columns: dict[str, dict[str, str]] = {}
        for (table, column), text in result.columns.items():
            columns.setdefault(table, {})[column] = text
        found = {"file": str(path), "tables": dict(result.tables), "columns": columns}
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(write_text(result))
        typer.echo(f"Written to {path}; edit it, answers read it.", err=True)


def _by_model(schema: Schema, rules: Descriptions, model: str, *, private: bool) -> Descriptions:
    """Descriptions by a model, table by table, with a progress bar.

    Raises:
        ModelError: the model does not answer.
    """
    from contextlib import closing

    from rich.console import Console
    from rich.progress import Progress

    from quorumsql.assemble import Models
    from quorumsql.cli.settings import settings_of
    from quorumsql.stages.describe_model import describe_with

    settings = settings_of(model=model, private=private or None)
    console = Console(stderr=True)
    with (
        closing(Models(settings)) as models,
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        bar = progress.add_task("describing", total=len(rules.tables))
        return describe_with(
            models.model(),
            schema,
            rules,
            private=settings.private,
            on_table=lambda _: progress.advance(bar),
        )
