"""`quorum index`: read a database once, so that values and columns are found fast.

What is not covered: looking things up; that is `quorum values`.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `index` to the program."""
    app.command("index")(index)


def index(
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Forget what is there first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build or refresh the index of values, and the profile, of a database.

    Only tables that changed are read. It can be stopped and started again at any time.
    """
    from quorumsql.cli.surveying import surveyed

    with surveyed(db, rebuild=rebuild) as (_, folder, report):
        pass
    for table, why in report.failed:
        typer.echo(f"quorum: {table} was left out: {' '.join(why.split())}", err=True)
    if as_json:
        found = {
            "read": list(report.read),
            "unchanged": len(report.unchanged),
            "failed": [{"table": table, "reason": why} for table, why in report.failed],
            "values": report.values,
            "seconds": report.seconds,
            "folder": str(folder),
        }
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        typer.echo(
            f"{report.values:,} values indexed: {len(report.read)} tables read, "
            f"{len(report.unchanged)} unchanged, {len(report.failed)} left out, "
            f"in {report.seconds:.1f} s."
        )
