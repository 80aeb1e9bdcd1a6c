"""`quorum schema`: a database as a generator would see it.

What is not covered: the formats themselves; see `render`.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from quorumsql.domain import Brief, Question
from quorumsql.errors import UnknownName
from quorumsql.ports import Database

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `schema` to the program."""
    app.command("schema")(schema)


def schema(
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="One of mschema, ddl, compact.")
    ] = "mschema",
    question: Annotated[
        str, typer.Option(metavar="Q", help="Show only what this question would be shown.")
    ] = "",
) -> None:
    """Print the schema of a database as a generator would see it."""
    from quorumsql.api import open_guarded
    from quorumsql.cli.reading import reading
    from quorumsql.cli.settings import settings_of
    from quorumsql.render import RENDERERS, render

    if format not in RENDERERS:
        raise UnknownName("format", format, RENDERERS)
    settings = settings_of()
    with reading() as tell:
        opened = open_guarded(db, settings=settings, tell=tell)
    with closing(opened) as database:
        if question.strip():
            brief = _brief(database, question, max_columns=settings.max_columns)
            text = render(brief.schema, format, hits=brief.hits)
        else:
            text = render(database.schema(), format)
    sys.stdout.write(text.rstrip("\n") + "\n")


def _brief(database: Database, question: str, *, max_columns: int) -> Brief:
    """What the first stages of the pipeline make of a question."""
    from quorumsql.stages.link import link, within
    from quorumsql.stages.retrieve import retrieve
    from quorumsql.stores.values import MemoryValueIndex

    asked, everything = Question(text=question), database.schema()
    hits = retrieve(asked, index=MemoryValueIndex.build(database, everything))
    schema = link(asked, everything, hits, max_columns=max_columns)
    return Brief(question=asked, schema=schema, hits=within(hits, schema))
