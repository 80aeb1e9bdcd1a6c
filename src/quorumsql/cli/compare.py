"""`quorum compare`: what changed between two runs, and whether it could be chance.

What is not covered: carrying out runs (`quorum eval`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from quorumsql.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `compare` to the program."""
    app.command("compare")(compare)


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Folder of another run.")],
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write RUN_B's report with the comparison in it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two runs of `quorum eval` question by question.

    Prints both accuracies, the paired difference with its interval, McNemar's test, and the
    questions that flipped.
    """
    from quorumsql.disk import write_atomically
    from quorumsql.evals.compare import compare as compared
    from quorumsql.evals.compare import read_run
    from quorumsql.evals.report import render_report
    from quorumsql.evals.report_markdown import render_comparison
    from quorumsql.evals.summary import summarise

    for folder in (first, second):
        if not folder.is_dir():
            raise UsageError(f"{folder}: there is no such folder.")
    one, two = read_run(first), read_run(second)
    found = compared(one.values(), two.values(), names=(str(first), str(second)))
    if as_json:
        typer.echo(json.dumps(found.summary(), indent=2, ensure_ascii=False))
    else:
        typer.echo(render_comparison(found), nl=False)
    if html is not None:
        predictions = [two[index] for index in sorted(two)]
        page = render_report(summarise(predictions), predictions, _config(second), found)
        write_atomically(html, [page])
        typer.echo(f"Every question: {html}", err=True)


def _config(run: Path) -> Mapping[str, object]:
    try:
        found = json.loads((run / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
