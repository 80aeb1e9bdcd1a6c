"""`quorum profile`: what the values of a database look like, as a report.

What is not covered: how a profile comes about; see `db.profile`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorumsql.errors import UnknownName

if TYPE_CHECKING:
    from rich.console import Console

    from quorumsql.profiles import ColumnProfile, JoinHint, TableProfile

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `profile` to the program."""
    app.command("profile")(profile)


def profile(
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    table: Annotated[str, typer.Option(metavar="NAME", help="Show only this table.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what the values of each column look like, and which columns can be joined.

    Tables that changed since the last time are read first. Values of columns that look like
    secrets or e-mail addresses are not shown.
    """
    from quorumsql.cli.output import page
    from quorumsql.cli.surveying import surveyed
    from quorumsql.profiles import join_hints
    from quorumsql.survey import known_profiles

    with surveyed(db) as (database, folder, _):
        schema = database.schema()
    shown = {one.name for one in schema.tables}
    profiles = [one for one in known_profiles(folder) if one.table in shown]
    hints = [h for h in join_hints(profiles, schema) if not table or table in (h.table, h.to_table)]
    if table:
        named = {one.table.lower(): one for one in profiles}
        if table.lower() not in named:
            raise UnknownName("table", table, (one.table for one in profiles))
        profiles = [named[table.lower()]]
    if as_json:
        found = {
            "tables": [_object(one) for one in profiles],
            "joins": [asdict(hint) for hint in hints],
        }
        sys.stdout.write(json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n")
        return
    with page(whole=True) as console:
        for one in profiles:
            _show_table(console, one)
        _show_hints(console, hints)


def _object(profile: TableProfile) -> dict[str, Any]:
    columns = []
    for column in profile.columns:
        found = asdict(column)
        del found["sketch"]
        if column.private:
            found |= {"top": [], "minimum": None, "maximum": None}
        columns.append({"unique": column.unique, **found})
    return {"table": profile.table, "rows": profile.rows, "columns": columns}


def _show_table(console: Console, profile: TableProfile) -> None:
    from rich.table import Table
    from rich.text import Text

    from quorumsql.cli.output import ENDLESS, printable

    console.print(Text(f"{printable(profile.table)}  {profile.rows:,} rows", style="bold"))
    fits = console.width == ENDLESS  # else the values take what is left of the line
    table = Table(show_edge=False, pad_edge=False, header_style="dim", box=None, expand=not fits)
    for head, side in (
        *(("column", "left"), ("meaning", "left"), ("distinct", "right"), ("NULL", "right")),
        ("values", "left"),
    ):
        table.add_column(
            head,
            justify="right" if side == "right" else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=None if fits or head == "values" else 26,
            ratio=1 if head == "values" and not fits else None,
        )
    for column in profile.columns:
        meaning = (
            f"{column.meaning} ({column.granularity})" if column.granularity else column.meaning
        )
        count = f"{'' if column.exact else '≈'}{column.distinct:,}{'!' if column.unique else ''}"
        nulls = f"{column.nulls / column.rows:.0%}" if column.rows and column.nulls else ""
        cells = (printable(column.column), meaning, count, nulls, printable(_values(column)))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    console.print()


def _values(column: ColumnProfile) -> str:
    """What the values of a column are, in one line."""
    if column.private:
        return f"({column.private}: not shown)"
    if column.meaning in {"measure", "date", "identifier"} and column.minimum is not None:
        return f"{column.minimum} … {column.maximum}"
    shown = [str(value) for value, _ in column.top[:6]]
    return ", ".join(shown) + (" …" if column.distinct > len(shown) else "")


def _show_hints(console: Console, hints: Sequence[JoinHint]) -> None:
    from rich.text import Text

    from quorumsql.cli.output import printable

    if not hints:
        return
    console.print(Text("Joins that no key declares", style="bold"))
    for hint in hints[:50]:
        pair = f"{hint.table}.{hint.column} → {hint.to_table}.{hint.to_column}"
        console.print(Text(f"  {printable(pair)}  {hint.share:.0%} of values"))
