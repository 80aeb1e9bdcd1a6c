"""`quorum trace`: the story of one question, from the events that `quorum ask --trace` wrote.

What is not covered: many questions at once; OpenTelemetry is for that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quorumsql.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from quorumsql.trace import Event

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `trace` to the program."""
    app.command("trace")(trace)


def trace(
    run: Annotated[Path, typer.Argument(help="What quorum ask --trace wrote.")],
) -> None:
    """Show what happened while a question was answered."""
    from quorumsql.cli.output import page
    from quorumsql.trace import read_events

    try:
        text = run.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{run}: cannot be read: write it with quorum ask --trace.") from error
    try:
        events = list(read_events(text.split("\n")))
    except UsageError as error:
        raise UsageError(f"{run}: write it with quorum ask --trace. {error}") from error
    if not events:
        raise UsageError(f"{run} holds no events: write it with quorum ask --trace.")
    longest = max((getattr(event, "ms", 0.0) for event in events), default=0.0)
    with page() as console:
        for event in events:
            _show(console, event, longest)


def _show(console: Console, event: Event, longest: float) -> None:
    """Print one event as a line."""
    from rich.text import Text

    from quorumsql.cli.output import count, printable
    from quorumsql.trace import (
        Asked,
        CandidateExecuted,
        Chosen,
        GeneratorLost,
        Linked,
        StageEnded,
        Warned,
    )

    def say(text: str, style: str = "") -> None:
        console.print(Text(printable(text), style=style), soft_wrap=True)

    match event:
        case Asked():
            say(event.question, "bold")
            say(f"asked of {event.database}", "dim")
        case StageEnded():
            width = round(30 * event.ms / longest) if longest else 0
            say(f"{event.stage:<10} {event.ms:9.1f} ms  {'█' * width}")
        case Linked():
            taken = "".join(f"; “{said}” means “{name}”" for said, name in event.said.items())
            tables = ", ".join(event.tables)
            say(f"  {event.columns} of {event.of_columns} columns, in {tables}{taken}")
        case CandidateExecuted():
            end = event.error or event.status
            if event.status in {"ok", "empty"}:
                end = count(event.row_count, "row")
            say(f"  {event.generator} {event.weight:.2f} {event.status}, {end}: {event.sql}")
        case GeneratorLost():
            say(f"  {event.generator} failed: {event.message}", "red")
        case Warned():
            say(f"! {event.message}", "yellow")
        case Chosen():
            how = f"{'abstained' if event.abstained else 'answered'}: {_rule(event.rule)}"
            sure = f"{event.confidence:.0%} sure"
            say(f"{how}; {count(event.groups, 'result')}, {sure}", "bold")
            say(event.sql or "no SQL")
        case _:
            pass


def _rule(rule: str) -> str:
    """A rule in words; a trace does not tell who read, so nobody is named."""
    from quorumsql.cli.votes import RULES

    return RULES.get(rule, rule)
