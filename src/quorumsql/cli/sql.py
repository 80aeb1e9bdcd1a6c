"""`quorum sql`: one reading statement through the guard.

What is not covered: writing. There is no option that allows it.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Final

import typer

from quorumsql.domain import Failure, Rows
from quorumsql.objects import execution_object

__all__ = ["register"]

_NO_SUCH_NAME: Final = re.compile(
    r"no such (table|column)|does(n't| not) exist|unknown column", re.IGNORECASE
)
"""What engines say of a table or column that is not there."""


def register(app: typer.Typer) -> None:
    """Add the command `sql` to the program."""
    app.command("sql")(sql)


def sql(
    statement: Annotated[str, typer.Argument(help="One statement; - reads it from stdin.")],
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", min=0.01, help="Seconds it may run.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the engine's plan; run nothing.")
    ] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Print at most N rows.")] = 20,
) -> None:
    """Run one reading statement, after the guard has looked at it.

    Exit codes: 0 it ran, 4 stopped by the guard, a deadline or a cap, 2 the SQL is wrong.
    """
    from quorumsql.api import connect
    from quorumsql.cli.reading import reading
    from quorumsql.cli.settings import settings_of

    text = (sys.stdin.read() if statement == "-" else statement).encode("utf-8", "replace").decode()
    with reading() as tell:
        opened = connect(db, settings=settings_of(timeout=timeout, dry=dry_run), tell=tell)
    with opened as database:
        found = database.sql(text)
    if as_json:
        written = json.dumps(execution_object(text, found), ensure_ascii=False, allow_nan=False)
        sys.stdout.write(written + "\n")
    elif isinstance(found, Rows):
        from quorumsql.cli.output import page, show_rows

        with page() as console:
            show_rows(console, found, limit=limit)
    if isinstance(found, Rows) and found.warning:
        typer.echo(f"quorum: {found.warning}", err=True)
    if isinstance(found, Failure):
        words = " ".join(found.message.removeprefix("Refused: ").split())
        typer.echo(f"quorum: {found.kind}: {words}{_hint(words)}", err=True)
        raise typer.Exit(2 if found.kind == "error" else 4)


def _hint(words: str) -> str:
    """What to do about a name that does not exist, where the engine proposes none."""
    if "did you mean" in words.lower() or not _NO_SUCH_NAME.search(words):
        return ""
    return f"{'' if words.endswith('.') else '.'} `quorum schema` shows what there is."
