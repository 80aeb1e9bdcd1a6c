"""`quorum doctor`: what a connection could do if everything else failed.

What is not covered: changing anything. The SQL that it prints is for people to read and to run.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from quorumsql.db.doctor import Report

__all__ = ["register"]

_MARKS = {"danger": "✗", "note": "•", "good": "✓"}


def register(app: typer.Typer) -> None:
    """Add the command `doctor` to the program."""
    app.command("doctor")(doctor)


def doctor(
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 2 when it could do more than read.")
    ] = False,
) -> None:
    """Say what this connection could do if everything else failed.

    Prints the SQL that makes an account which may only read. Nothing is changed.
    """
    from quorumsql.db.doctor import examine_connection

    report = examine_connection(db)
    if as_json:
        sys.stdout.write(json.dumps(_object(report), ensure_ascii=False) + "\n")
    else:
        _show(report)
    if strict and not report.is_safe:
        words = f"{report.user or 'this account'} could do more than read {report.place}"
        typer.echo(f"quorum: {words}: use the account that quorum doctor describes.", err=True)
        raise typer.Exit(2)


def _object(report: Report) -> dict[str, object]:
    return {
        "place": report.place,
        "engine": report.engine,
        "user": report.user,
        "safe": report.is_safe,
        "findings": [
            {"level": one.level, "what": one.what, "why": one.why} for one in report.findings
        ],
        "remedy": report.remedy,
    }


def _show(report: Report) -> None:
    from quorumsql.cli.output import page, printable

    with page() as console:
        who = f" as {printable(report.user)}" if report.user else ""
        console.print(f"{report.engine}: {printable(report.place)}{who}", style="bold")
        console.print()
        for one in report.findings:
            style = {"danger": "red", "note": "", "good": "green"}[one.level]
            why = f": {printable(one.why)}" if one.why else ""
            console.print(f"{_MARKS[one.level]} {printable(one.what)}{why}", style=style)
        console.print()
        if report.is_safe:
            console.print("This account can only read. To create one like it:")
        else:
            console.print("This account can do more than read. To create one that cannot:")
        console.print()
        for line in report.remedy.splitlines():
            console.print(printable(line), soft_wrap=True)
