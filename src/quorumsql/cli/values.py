"""`quorum values`: which stored values a phrase or a question mentions.

What is not covered: building the index, beyond bringing it up to date first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated

import typer

from quorumsql.domain import Hit, Rows
from quorumsql.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `values` to the program."""
    app.command("values")(values)


def values(
    phrase: Annotated[str, typer.Argument(help="Words to look up; - reads them from stdin.")],
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Print at most N hits.")] = 20,
) -> None:
    """Look up the stored values that a phrase or a question mentions, best first.

    Typing errors, case, accents, plurals and parts of names are forgiven.
    """
    from quorumsql.cli.surveying import surveyed
    from quorumsql.survey import open_index

    text = (sys.stdin.read() if phrase == "-" else phrase).encode("utf-8", "replace").decode()
    if not text.strip():
        raise UsageError("The phrase is empty: give the words to look up.")
    with surveyed(db) as (database, folder, _):
        opened = open_index(folder, database.schema())
    if opened is None:
        raise UsageError(f"There is no index in {folder}: run quorum index --db first.")
    with closing(opened) as index:
        hits = index.mentions(text)[:limit]
    if as_json:
        sys.stdout.write(json.dumps([_hit(hit) for hit in hits], ensure_ascii=False) + "\n")
    else:
        _show(text, hits)


def _hit(hit: Hit) -> dict[str, object]:
    return {
        "table": hit.table,
        "column": hit.column,
        "value": hit.value,
        "score": hit.score,
        "match": hit.match,
    }


def _show(text: str, hits: Sequence[Hit]) -> None:
    from quorumsql.cli.output import page, show_rows

    columns = ("value", "table", "column", "score", "match", "in the text")
    rows = tuple(
        (hit.value, hit.table, hit.column, hit.score, hit.match, text[hit.start : hit.end])
        for hit in hits
    )
    with page() as console:
        show_rows(console, Rows(columns=columns, rows=rows), limit=len(rows) or 1)
