"""`quorum ask`: a question in plain words, answered with rows, SQL and the reasons to believe it.

What is not covered: how the answer comes about; see `pipeline`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quorumsql.domain import Answer, Failure, Rows
from quorumsql.errors import UsageError

if TYPE_CHECKING:
    from quorumsql.stages.plan import Planned
    from quorumsql.trace import Trace

__all__ = ["Config", "Db", "Evidence", "Model", "register"]

ROWS_SHOWN = 20

Effort = Literal["low", "medium", "high"]


Asked = Annotated[str, typer.Argument(help="The question; - reads it from stdin.")]
Db = Annotated[str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON object; an abstention holds its guess, as abstained: true."
    ),
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")]
Evidence = Annotated[
    str, typer.Option(metavar="TEXT", help="What one must know to understand the question.")
]
Effortful = Annotated[Effort | None, typer.Option(help="How much work an answer may take.")]
Generators = Annotated[str | None, typer.Option(metavar="A,B", help="Ask only these generators.")]
Timeout = Annotated[
    float | None, typer.Option(metavar="S", min=0.01, help="Seconds a statement may run.")
]
Limit = Annotated[int | None, typer.Option(metavar="N", min=1, help="Print at most N rows.")]
Guess = Annotated[
    bool, typer.Option("--guess", help="Also show the best guess behind an abstention.")
]
MaxError = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", min=0.0, max=1.0, help="Answer only where at most this share is wrong."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Language model or endpoint; see docs/models.md."),
]
Private = Annotated[bool, typer.Option("--private", help="Send no value of the data to a model.")]
MaxCalls = Annotated[int | None, typer.Option(metavar="N", min=1, help="Calls of models, at most.")]
MaxCost = Annotated[
    float | None, typer.Option(metavar="USD", min=0.0, help="What models may cost.")
]
Deadline = Annotated[
    float | None, typer.Option(metavar="S", min=0.1, help="Seconds models may take.")
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Ignore cached replies; ask the models again.")
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Settings, instead of quorum.toml and your own."),
]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="Write what happens, for quorum trace."),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print what asking the models would cost; ask nothing."),
]


def register(app: typer.Typer) -> None:
    """Add the command `ask` to the program."""
    app.command("ask")(ask)


def ask(
    question: Asked,
    db: Db,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    evidence: Evidence = "",
    effort: Effortful = None,
    generators: Generators = None,
    timeout: Timeout = None,
    limit: Limit = None,
    guess: Guess = False,
    max_error: MaxError = None,
    model: Model = None,
    private: Private = False,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    deadline: Deadline = None,
    no_cache: NoCache = False,
    dry_run: DryRun = False,
    trace: TraceFile = None,
    config: Config = None,
) -> None:
    """Ask a database a question.

    Exit codes: 0 answered, 3 abstained, 4 stopped by the guard, a deadline or a cap,
    2 something you can fix, 1 anything else.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other: choose one.")
    text = _question(question)
    from quorumsql.api import connect
    from quorumsql.cli.reading import reading
    from quorumsql.cli.settings import settings_of
    from quorumsql.cli.verdict import remember

    settings = settings_of(
        effort=effort,
        generators=generators,
        timeout=timeout,
        model=model,
        private=private or None,
        max_error=max_error,
        config=config,
        llm={
            "max_calls": max_calls,
            "max_cost": max_cost,
            "deadline": deadline,
            "cache": False if no_cache else None,
        },
    )
    with reading() as tell:
        opened = connect(db, settings=settings, tell=tell)
    with opened as database:
        if dry_run:
            _print_plan(database.plan(text, evidence=_clean(evidence)), as_json=as_json)
            raise typer.Exit(0)
        with _traced(trace) as events:
            answer = database.ask(text, evidence=_clean(evidence), trace=events)
    remember(answer, settings, db)
    if as_json:
        _print_json(_shortened(answer, limit))
    elif as_csv:
        _print_csv(_shortened(answer, limit), guess=guess)
    else:
        _print_page(answer, limit=limit or ROWS_SHOWN, guess=guess)
    raise typer.Exit(_code(answer))


@contextmanager
def _traced(path: Path | None) -> Iterator[Trace | None]:
    """Yield what takes in events; they are in the file at `path` also where asking fails."""
    if path is None:
        yield None
        return
    from quorumsql.trace import Trace, write_events

    events = Trace()
    try:
        yield events
    finally:
        try:
            with path.open("w", encoding="utf-8", errors="replace") as file:
                write_events(events.events, file)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}.") from error


def _question(argument: str) -> str:
    """The question as given or read from stdin.

    Raises:
        UsageError: there is none.
    """
    text = sys.stdin.read() if argument == "-" else argument
    if not text.strip():
        raise UsageError("The question is empty: say in plain words what you want to know.")
    return _clean(text.strip())


def _clean(text: str) -> str:
    """Replace what no UTF-8 text can hold (bytes of another encoding on the command line)."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _shortened(answer: Answer, limit: int | None) -> Answer:
    """The answer with at most `limit` rows, marked as truncated when some are missing."""
    found = answer.execution
    if limit is None or not isinstance(found, Rows) or len(found.rows) <= limit:
        return answer
    return replace(answer, execution=replace(found, rows=found.rows[:limit], truncated=True))


def _print_json(answer: Answer) -> None:
    """Print the object of the command contract and nothing else."""
    from quorumsql.api import answer_object

    sys.stdout.write(json.dumps(answer_object(answer), ensure_ascii=False, allow_nan=False) + "\n")


def _print_plan(lines: Sequence[Planned], *, as_json: bool) -> None:
    """Print what a question would cost, and the sum."""
    from dataclasses import asdict

    from quorumsql.cli.plan import show_plan, total

    if as_json:
        record = {"plan": [asdict(line) for line in lines], "total": total(lines)}
        sys.stdout.write(json.dumps(record) + "\n")
    else:
        show_plan(lines)


def _print_csv(answer: Answer, *, guess: bool) -> None:
    """Print header and rows; of an abstention only when `guess` asks for it."""
    if isinstance(answer.execution, Failure):
        typer.echo(f"quorum: {answer.execution.kind}: {answer.execution.message}", err=True)
    elif answer.abstained and not guess:
        from quorumsql.cli.output import printable, why_none

        why = printable(why_none(answer)).rstrip(".")
        hint = "; --guess prints the best guess" if answer.sql else ""
        typer.echo(f"quorum: no answer: {why}{hint}", err=True)
    elif answer.execution is not None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([_rounded(value) for value in row] for row in answer.rows)


def _rounded(value: object) -> object:
    """A float without the noise of its last digit: 14817.430000000002 as 14817.43."""
    return float(f"{value:.15g}") if isinstance(value, float) else value


def _print_page(answer: Answer, *, limit: int, guess: bool) -> None:
    """Print the answer for people."""
    from quorumsql.cli.output import page, show_answer

    with page() as console:
        show_answer(console, answer, limit=limit, guess=guess)


def _code(answer: Answer) -> int:
    """The exit code that says how it went."""
    if answer.abstained:
        return 3
    match answer.execution:
        case Failure(kind="refused" | "timeout" | "cap"):
            return 4
        case Failure():
            return 1
        case _:
            return 0
