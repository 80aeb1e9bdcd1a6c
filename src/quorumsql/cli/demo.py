"""`quorum demo`: a made-up company, a dozen questions, and an honest tally.

The right answer to each question is known, so the demo says which answers are wrong.

What is not covered: your own database; that is `quorum ask`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from quorumsql.cli.demo_questions import QUESTIONS, DemoQuestion
from quorumsql.domain import Answer, Rows
from quorumsql.errors import DatabaseError

if TYPE_CHECKING:
    from rich.console import Console

    from quorumsql.api import Connection

__all__ = ["Verdict", "judge", "register"]

ROWS_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An answer beside the rows that were expected; `correct` is None for an abstention."""

    question: DemoQuestion
    answer: Answer
    expected: Rows
    correct: bool | None


def register(app: typer.Typer) -> None:
    """Add the command `demo` to the program."""
    app.command("demo")(demo)


def demo(
    questions: Annotated[
        int, typer.Option(metavar="N", min=1, help="Ask only the first N questions.")
    ] = len(QUESTIONS),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Answer questions about a made-up company: no key, no network, no configuration."""
    from quorumsql.api import connect
    from quorumsql.cli.settings import settings_of

    settings = settings_of()
    verdicts: list[Verdict] = []
    with _company(Path(settings.home)) as path, connect(str(path), settings=settings) as database:
        if not as_json:
            typer.echo(f"The sample company is in {path}; it is yours to ask about.")
        for question in QUESTIONS[:questions]:
            verdicts.append(judge(database, question))
            if not as_json:
                _show(verdicts[-1], number=len(verdicts))
    if as_json:
        _print_json(path, verdicts)
    else:
        _show_tally(path, verdicts)


def judge(database: Connection, question: DemoQuestion) -> Verdict:
    """Ask `question`, then compare the answer with the result of its reference SQL.

    Raises:
        DatabaseError: the reference SQL does not run, so the database is not the sample.
    """
    from quorumsql.results import same_result

    answer = database.ask(question.text)
    expected = database.sql(question.reference)
    if not isinstance(expected, Rows):
        raise DatabaseError(
            f"{database.name} is not the sample company: {expected.message}. Run quorum demo again."
        )
    correct = None
    if not answer.abstained:
        found = answer.execution
        correct = isinstance(found, Rows) and same_result(found, expected)
    return Verdict(question=question, answer=answer, expected=expected, correct=correct)


@contextmanager
def _company(home: Path) -> Iterator[Path]:
    """Yield a fresh sample database in `home`; where that is read-only, a temporary one."""
    from quorumsql.sample import build_sample

    path = home / "demo" / "company.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        build_sample(path)
    except (OSError, DatabaseError):
        with tempfile.TemporaryDirectory(prefix="quorum-demo-") as folder:
            path = Path(folder) / "company.sqlite"
            build_sample(path)
            yield path
    else:
        yield path


def _show(verdict: Verdict, *, number: int) -> None:
    """Print a question with its answer, and what is wrong with it."""
    from rich.text import Text

    from quorumsql.cli.output import page, show_answer

    with page() as console:
        console.print()
        console.rule(f"{number}. {verdict.question.kind}", align="left")
        console.print(Text(verdict.question.text, style="bold"))
        console.print()
        show_answer(console, verdict.answer, limit=ROWS_SHOWN)
        if verdict.correct:
            console.print(Text("✓ this is the right answer", style="green"))
        else:
            _show_expected(console, verdict)


def _show_expected(console: Console, verdict: Verdict) -> None:
    """Say that an answer is wrong or missing, and what would have been right."""
    from rich.text import Text

    from quorumsql.cli.output import shape

    wanted = shape(verdict.expected)
    if verdict.correct is None:
        console.print(Text(f"○ not answered; right would have been: {wanted}", style="yellow"))
    else:
        got = shape(verdict.answer.execution)
        words = f"⚠ this answer is wrong: {got}, where right would have been {wanted}"
        console.print(Text(words, style="bold red"))
    console.print(Text(" ".join(verdict.question.reference.split()), style="dim"), soft_wrap=True)


def _show_tally(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Print how many answers were right, and what to do next."""
    from quorumsql.cli.output import page

    right, wrong, silent = _tally(verdicts)
    with page() as console:
        console.print()
        console.rule("Tally", align="left")
        console.print(
            f"{right} of {len(verdicts)} right, {wrong} wrong, {silent} not answered; "
            f"median {_median_ms(verdicts):.0f} ms per question."
        )
        if path.exists():
            command = f'quorum ask --db "{path}" "How many orders were cancelled?"'
            console.print(f"Your turn: {command}", soft_wrap=True)
            console.print(f'In a browser: quorum serve --db "{path}"', soft_wrap=True)


def _print_json(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Print everything as one object."""
    from quorumsql.api import answer_object

    right, wrong, silent = _tally(verdicts)
    outcome = {
        "database": str(path),
        "right": right,
        "wrong": wrong,
        "abstained": silent,
        "total": len(verdicts),
        "median_ms": _median_ms(verdicts),
        "questions": [
            {
                "kind": verdict.question.kind,
                "correct": verdict.correct,
                "reference_sql": " ".join(verdict.question.reference.split()),
                "answer": answer_object(verdict.answer),
            }
            for verdict in verdicts
        ],
    }
    sys.stdout.write(json.dumps(outcome, ensure_ascii=False, allow_nan=False) + "\n")


def _tally(verdicts: Sequence[Verdict]) -> tuple[int, int, int]:
    """How many answers were right, wrong and withheld."""
    marks = [verdict.correct for verdict in verdicts]
    return marks.count(True), marks.count(False), marks.count(None)


def _median_ms(verdicts: Sequence[Verdict]) -> float:
    """The median time of an answer in milliseconds."""
    return median(sum(verdict.answer.timings_ms.values()) for verdict in verdicts)
