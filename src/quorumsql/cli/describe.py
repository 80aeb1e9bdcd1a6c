"""`quorum describe`: descriptions of tables and columns, from their values, as a file to edit.

What is not covered: descriptions by a language model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from quorumsql.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `describe` to the program."""
    app.command("describe")(describe)


def describe(
    db: Annotated[str, typer.Option(help="The database: a URL or the path of a file.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here, not where answers look.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Describe tables and columns in plain words, in a file that you can edit.

    Generators read the descriptions beside names. Comments of the database go before them,
    and what you have edited in the file stays when the command runs again.
    """
    from quorumsql.api import DESCRIPTIONS, read_descriptions
    from quorumsql.cli.surveying import surveyed
    from quorumsql.stages.describe import Descriptions, merged, read_text, write_text
    from quorumsql.stages.describe import describe as written
    from quorumsql.survey import known_profiles

    with surveyed(db) as (database, folder, _):
        new = written(database.schema(), known_profiles(folder))
    path, last = out or folder / DESCRIPTIONS, folder / f"{DESCRIPTIONS}.last"
    before = (
        read_text(last.read_text("utf-8"), name=str(last)) if last.is_file() else Descriptions()
    )
    edited = read_descriptions(path)
    result = merged(new, before, edited)
    try:
        path.write_text(write_text(result), encoding="utf-8")
        last.write_text(write_text(new), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from error
    if as_json:
        columns: dict[str, dict[str, str]] = {}
        for (table, column), text in result.columns.items():
            columns.setdefault(table, {})[column] = text
        found = {"file": str(path), "tables": dict(result.tables), "columns": columns}
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(write_text(result))
        typer.echo(f"Written to {path}; edit it, answers read it.", err=True)
