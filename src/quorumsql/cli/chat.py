"""`quorum chat`: questions one after the other, each understood beside the one before.

A follow-up such as "and by month?" changes the statement of the last answer; anything else is a new
question. Where the terminal allows it, lines are edited, remembered and completed.

What is not covered: terminals without readline (Windows) remember nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from quorumsql.cli.ask import Config, Db, Evidence, Model
from quorumsql.errors import QuorumError

if TYPE_CHECKING:
    from rich.console import Console

    from quorumsql.answered import Answered
    from quorumsql.api import Connection

__all__ = ["register"]

HELP = """Ask in plain words, or go on from the last answer: "and by month?", "only 2024", "top 5".
  /sql STATEMENT   run a reading statement
  /schema          tables and columns
  /why             the vote on the last answer
  /a, /b           the reading that you mean, where an answer shows two
  /guess           the best guess, where no answer was sure enough
  /new             forget the last answer
  /help            this list
  /quit            leave (or Ctrl-D)"""
ROWS_SHOWN = 20
BARS_SHOWN = 20
WIDEST_BAR = 40


def register(app: typer.Typer) -> None:
    """Add the command `chat` to the program."""
    app.command("chat")(chat)


def chat(db: Db, evidence: Evidence = "", model: Model = None, config: Config = None) -> None:
    """Talk to a database: question after question, until Ctrl-D.

    What --evidence says holds for every question.
    """
    from quorumsql.api import connect
    from quorumsql.cli.reading import reading
    from quorumsql.cli.settings import settings_of

    settings = settings_of(model=model, config=config)
    with reading() as tell:
        opened = connect(db, settings=settings, tell=tell)
    with opened as database, _remembering(settings.home / "chat_history", database):
        talk = _Talk(database, evidence=evidence)
        if sys.stdin.isatty():
            typer.echo(f"{database.name}: ask away; /help says what else there is.", err=True)
        while (line := _read()) is not None and talk.hear(line.strip()):
            pass


class _Talk:
    """A conversation: what was said last."""

    def __init__(self, database: Connection, *, evidence: str) -> None:
        self._database, self._evidence = database, evidence
        self._last: Answered | None = None

    def hear(self, line: str) -> bool:
        """Do what a line says; False when it says to leave."""
        if line in {"/quit", "/exit", "/q"}:
            return False
        try:
            self._do(line)
        except QuorumError as error:
            typer.echo(f"quorum: {error}", err=True)
        return True

    def _do(self, line: str) -> None:
        commands: Mapping[str, Callable[[str], None]] = {
            "/help": lambda _: typer.echo(HELP),
            "/new": lambda _: self._forget(),
            "/sql": self._sql,
            "/schema": lambda _: self._schema(),
            "/a": lambda _: self._take(0),
            "/b": lambda _: self._take(1),
            "/guess": lambda _: self._guess(),
            "/why": lambda _: self._why(),
        }
        command, _, rest = line.partition(" ")
        if command in commands:
            commands[command](rest)
        elif command.startswith("/"):
            typer.echo(f"There is no {command[:40]!r}; /help lists what there is.", err=True)
        elif line:
            self._ask(line)

    def _forget(self) -> None:
        self._last = None

    def _why(self) -> None:
        typer.echo(self._last.why if self._last else "Nothing was asked yet.")

    def _schema(self) -> None:
        from quorumsql.cli.output import printable
        from quorumsql.render import render

        for one in render(self._database.schema, "compact").splitlines():
            typer.echo(printable(one))

    def _ask(self, line: str) -> None:
        if self._last is None or (self._evidence and not self._goes_on(line)):
            self._show(self._database.ask(line, evidence=self._evidence))
        else:
            self._show(self._database.follow_up(self._last, line, alone=True))

    def _goes_on(self, line: str) -> bool:
        """Whether a rule makes a line into a change of the last statement."""
        from quorumsql.follow import edited

        sql = self._last.sql if self._last else None
        hits = self._database.mentions(line) if sql else ()
        return bool(sql) and edited(sql or "", line, self._database.schema, hits) is not None

    def _show(self, answer: Answered, *, guess: bool = False) -> None:
        from quorumsql.cli.output import page, show_answer

        self._last = answer
        with page() as console:
            show_answer(console, answer, limit=ROWS_SHOWN, guess=guess, talking=True)
            if guess or not answer.abstained:
                _plot(console, answer)

    def _guess(self) -> None:
        """Show what an abstention holds back."""
        if self._last is None or not self._last.abstained or not self._last.sql:
            typer.echo("The last answer was not withheld.", err=True)
            return
        self._show(self._last, guess=True)

    def _take(self, reading: int) -> None:
        """Show the reading that was meant, and go on from it."""
        if self._last is None or not self._last.readings:
            typer.echo("The last answer has no two readings to choose from.", err=True)
            return
        self._show(self._last.take(reading))

    def _sql(self, statement: str) -> None:
        from quorumsql.cli.output import page, show_failure, show_rows
        from quorumsql.domain import Failure

        found = self._database.sql(statement)
        with page() as console:
            if isinstance(found, Failure):
                show_failure(console, found)
            else:
                show_rows(console, found, limit=ROWS_SHOWN)


def _plot(console: Console, answer: Answered) -> None:
    """Draw the chart of an answer with characters, where it is one of bars or a line."""
    from rich.text import Text

    from quorumsql.cli.output import printable

    chart = answer.chart()
    if chart is None or "color" in chart.spec["encoding"]:
        return
    sides = sorted(
        (chart.spec["encoding"][axis] for axis in ("x", "y")),
        key=lambda side: str(side["type"] == "quantitative"),
    )
    if [side["type"] == "quantitative" for side in sides] != [False, True]:
        return
    label, value = (side["field"] for side in sides)
    pairs = [(str(row[label]), row[value] or 0.0) for row in chart.spec["data"]["values"]]
    largest = max((abs(number) for _, number in pairs), default=0.0)
    wide = max(len(printable(name)) for name, _ in pairs)
    for name, number in pairs[:BARS_SHOWN] if largest else ():
        bar = "█" * max(1, round(WIDEST_BAR * abs(number) / largest)) if number else ""
        console.print(Text(f"{printable(name):<{wide}} {bar} {number:g}"), soft_wrap=True)


def _read() -> str | None:
    """The next line; None at the end."""
    try:
        return input("> " if sys.stdin.isatty() else "")
    except EOFError:
        return None


@contextmanager
def _remembering(path: Path, database: Connection) -> Iterator[None]:
    """Edit, remember and complete lines while the block runs, where readline exists."""
    try:
        import readline
    except ModuleNotFoundError:
        yield
        return
    if not sys.stdin.isatty():
        yield
        return
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_completer(_completer(database))
    readline.set_completer_delims(" \t\n,;()=<>'\"")  # a command begins with its slash
    edits = "libedit" in (readline.__doc__ or "")  # what macOS has instead
    readline.parse_and_bind("bind ^I rl_complete" if edits else "tab: complete")
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(1_000)
            readline.write_history_file(path)


def _completer(database: Connection) -> Callable[[str, int], str | None]:
    """Completes names of tables and columns, and commands."""
    tables = database.schema.tables
    names = {t.name for t in tables} | {c.name for t in tables for c in t.columns}
    words = sorted({*names, *re.findall(r"/\w+", HELP)})

    def complete(text: str, place: int) -> str | None:
        found = [word for word in words if word.lower().startswith(text.lower())]
        return found[place] if place < len(found) else None

    return complete
