"""`quorum verdict`: say whether an answer was right, and confidence on the database learns from it.

What is not covered: what verdicts do to confidence; see `stages.recalibrate`. Approving the
examples that they propose is for `quorum examples approve`.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from quorumsql.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from quorumsql.config import Settings
    from quorumsql.domain import Answer
    from quorumsql.proposals import Proposals
    from quorumsql.stores.history import Asked, History
    from quorumsql.stores.verdicts import Verdict, VerdictStore

__all__ = ["register", "remember"]

_SHOWN = 20

Word = Literal["right", "wrong"]


def register(app: typer.Typer) -> None:
    """Add the command `verdict` to the program."""
    app.command("verdict")(verdict)


def verdict(
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    word: Annotated[Word | None, typer.Argument(help="right or wrong.")] = None,
    answer: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Id of the answer to judge; default: the last one."),
    ] = None,
    sql: Annotated[
        str | None, typer.Option(metavar="SQL", help="What would have been right.")
    ] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for yourself.")] = "",
    list_all: Annotated[
        bool, typer.Option("--list", help="List your last answers, and what was said of them.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take a verdict back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether the last answer about a database was right, or give the SQL that is.

    From five verdicts on, confidence on this database moves towards them.
    """
    _check(word, sql, list_all=list_all, undo=undo)
    from quorumsql.cli.settings import settings_of

    settings = settings_of()
    records = _records(settings, db)
    if list_all:
        _list(records, as_json=as_json)
        return
    if undo:
        said = _undone(records, answer)
        outcome: dict[str, Any] = {
            **{"verdict": None, "undone": _word(said), "question": said.question},
            "withdrawn": _proposals(settings, db).withdraw(said, records.verdicts.all()),
        }
        message = f"Taken back: {_word(said)}."
    else:
        entry = _entry(records, answer)
        outcome = _said(records, entry, settings, word=word, sql=sql, note=note, url=db)
        message = f"Noted: {outcome['verdict']}. {entry.question}"
    message += _of_examples(outcome)
    outcome["database"] = _summary(records)
    if as_json:
        sys.stdout.write(json.dumps(outcome, ensure_ascii=False) + "\n")
        return
    typer.echo(message)
    typer.echo(_in_words(outcome["database"]))


def remember(answer: Answer, settings: Settings, url: str) -> None:
    """Keep an answer in the history of whoever asks, so that a verdict finds it.

    A home that cannot be written costs the record, not the answer.
    """
    from quorumsql.said import votes_for
    from quorumsql.stores.history import Asked, now

    entry = Asked(
        id=secrets.token_hex(6),
        at=now(),
        question=answer.question,
        sql=answer.sql,
        confidence=round(answer.confidence, 4),
        abstained=answer.abstained,
        row_count=len(answer.rows),
        shipped=round(answer.choice.confidence, 4),
        votes=votes_for(answer),
    )
    with suppress(UsageError):
        _records(settings, url).history.add(entry)


@dataclass(frozen=True)
class _Records:
    """What is kept of one database for one person; `selector` is what chooses answers there."""

    who: str
    selector: str
    history: History
    verdicts: VerdictStore


def _records(settings: Settings, url: str) -> _Records:
    from quorumsql.config import database_home
    from quorumsql.stores.history import History
    from quorumsql.stores.verdicts import VerdictStore

    home: Path = database_home(settings, url)
    name = re.sub(r"[^\w.@-]+", "-", settings.who).strip(".-") or "somebody"
    return _Records(
        who=settings.who,
        selector=settings.members.selector,
        history=History(home / "history" / f"{name}.jsonl"),
        verdicts=VerdictStore(home / "verdicts.jsonl"),
    )


def _check(word: str | None, sql: str | None, *, list_all: bool, undo: bool) -> None:
    """Refuse what excludes each other, or says nothing.

    Raises:
        UsageError: it does.
    """
    wishes = (list_all, undo, word is not None or sql is not None)
    if sum(wishes) > 1:
        raise UsageError("A verdict, --list and --undo exclude each other: choose one.")
    if not any(wishes):
        raise UsageError("Say right or wrong, or give the right SQL with --sql.")
    if word == "right" and sql is not None:
        raise UsageError("A right answer needs no --sql: leave one of the two out.")


def _entry(records: _Records, answer: str | None) -> Asked:
    """The answer that is meant.

    Raises:
        UsageError: nothing was asked yet, or the answer holds no SQL.
        UnknownName: there is no such answer.
    """
    entries = [one for one in records.history.all() if one.question]
    if not entries:
        raise UsageError("Nothing was asked of this database yet: quorum ask first.")
    found = [one for one in entries if answer is None or one.id == answer]
    if not found:
        raise UnknownName("answer", answer or "", [one.id for one in entries[:_SHOWN]])
    if not found[0].sql:
        raise UsageError("That answer holds no SQL, so there is nothing to judge.")
    return found[0]


def _said(
    records: _Records,
    entry: Asked,
    settings: Settings,
    *,
    word: Word | None,
    sql: str | None,
    note: str,
    url: str,
) -> dict[str, Any]:
    """Keep a verdict; return what was kept, and what became of examples."""
    from quorumsql.api import connect
    from quorumsql.stages.recall import EXAMPLES
    from quorumsql.stores.history import now
    from quorumsql.stores.verdicts import Verdict

    earlier = [v for v in records.verdicts.all() if (v.who, v.id) == (records.who, entry.id)]
    with connect(url, settings=settings) as database:
        proposals = _proposals(settings, url, database.dialect)
        if sql is not None and word is None:
            word = "right" if _agrees(database.sql(entry.sql or ""), database.sql(sql)) else "wrong"
        solved = sql if sql is not None else entry.sql if word == "right" else None
        example = proposals.propose(database.learn, entry.question, solved) if solved else ""
    shipped = entry.shipped if entry.shipped is not None else entry.confidence
    made = Verdict(
        at=now(),
        who=records.who,
        question=entry.question,
        sql=entry.sql or "",
        confidence=shipped if shipped is not None else 0.5,
        right=word == "right",
        note=note,
        id=entry.id,
        correction=sql or "",
        votes=entry.votes,
    )
    records.verdicts.add(made)
    records.history.mark(entry.id, verdict=word)
    standing = list(records.verdicts.all())
    gone = [proposals.withdraw(one, standing) for one in earlier]
    named = {"verdict": word, "answer": entry.id, "question": entry.question}
    made_of_it = {"proposed": bool(example), "example": example or None, "withdrawn": any(gone)}
    approved = EXAMPLES in entry.votes and word == "wrong"
    return {**named, **made_of_it, "from_approved": approved}


def _proposals(settings: Settings, url: str, dialect: str = "") -> Proposals:
    from quorumsql.config import database_home
    from quorumsql.proposals import Proposals

    return Proposals(settings=settings, home=database_home(settings, url).name, dialect=dialect)


def _of_examples(outcome: dict[str, Any]) -> str:
    """What became of examples, as more lines of the message."""
    words = ""
    if outcome["withdrawn"]:
        words += "\nThe example that it proposed is withdrawn."
    if example := outcome.get("example"):
        words += f"\nProposed as an example; put it to use with: quorum examples approve {example}"
    if outcome.get("from_approved"):
        words += (
            "\nIts SQL came from an approved example, which stays until it is removed: see quorum "
        )
        words += "examples list, and quorum examples remove ID."
    return words


def _agrees(answered: Any, wanted: Any) -> bool:
    """Whether both statements have the same result.

    Raises:
        UsageError: what should be right does not run.
    """
    from quorumsql.domain import Failure, Rows
    from quorumsql.results import same_result

    if isinstance(wanted, Failure):
        raise UsageError(f"The SQL does not run: {' '.join(wanted.message.split())}")
    return isinstance(answered, Rows) and same_result(answered, wanted)


def _undone(records: _Records, answer: str | None) -> Verdict:
    """Take back the last verdict, or that on one answer.

    Raises:
        UsageError: there is none.
    """
    from quorumsql.stores.history import now

    own = [one for one in records.verdicts.all() if one.who == records.who and one.id]
    if not own:
        raise UsageError("Nothing to undo: no verdicts on this database yet.")
    name = answer or own[-1].id
    said = records.verdicts.undo(name, who=records.who, at=now())
    with suppress(UnknownName):  # the history may have been shortened since
        records.history.mark(name, verdict=None)
    return said


def _summary(records: _Records) -> dict[str, Any]:
    """How many verdicts the database has, and how far they move an answer of 70 %."""
    from quorumsql.said import shift_of_verdicts
    from quorumsql.shipped import shipped_calibration
    from quorumsql.stages.recalibrate import ENOUGH, recalibrated

    said = list(records.verdicts.all())
    spread = shipped_calibration(records.selector).spread
    shift = shift_of_verdicts(said, spread=spread)
    return {
        "verdicts": len(said),
        "right": sum(one.right for one in said),
        "needed": max(ENOUGH - len(said), 0),
        "seventy_becomes": round(recalibrated(0.7, shift), 4),
    }


def _in_words(summary: dict[str, Any]) -> str:
    count, right, needed = (summary[name] for name in ("verdicts", "right", "needed"))
    if not count:
        return "No verdicts on this database."
    words = f"{count} verdict{'' if count == 1 else 's'} so far ({right} right)."
    if needed:
        return f"{words} After {needed} more, confidence adapts to this database."
    shown = f"{summary['seventy_becomes']:.0%}"
    return f"{words} An answer that ships with 70 % is shown with {shown} here."


def _list(records: _Records, *, as_json: bool) -> None:
    """Print the last answers, newest first, with what was said of them."""
    entries = [one for one in records.history.all() if one.question][:_SHOWN]
    summary = _summary(records)
    if as_json:
        found = {"answers": [_object(one) for one in entries], "database": summary}
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
        return
    _show(entries)
    typer.echo(_in_words(summary))


def _object(entry: Asked) -> dict[str, Any]:
    names = ("id", "at", "question", "sql", "confidence", "abstained", "verdict")
    return {name: getattr(entry, name) for name in names}


def _show(entries: Sequence[Asked]) -> None:
    from rich.text import Text

    from quorumsql.cli.output import lined, page, printable

    table = lined("id", "verdict", "confidence", "question")
    for one in entries:
        sure = "" if one.confidence is None else f"{100 * one.confidence:.0f} %"
        cells = (one.id, one.verdict or "", sure, printable(one.question))
        table.add_row(*(Text(cell) for cell in cells))
    with page() as console:
        console.print(table)


def _word(said: Verdict) -> Word:
    return "right" if said.right else "wrong"
