"""What answers look like in a terminal: tables, SQL, votes and stage times.

Values of a database are untrusted text: control characters are shown, never sent to the terminal.

What is not covered: JSON (`api.answer_object`) and what an answer means.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quorumsql.cli.votes import by_share, how_chosen, share, vote_table
from quorumsql.cli.warned import gathered
from quorumsql.domain import Answer, Execution, Failure, Rows
from quorumsql.stages.answerable import refusal_in

__all__ = [
    *("ENDLESS", "count", "lined", "page", "printable", "shape", "shapes", "show_answer"),
    *("show_failure", "show_rows", "show_sql", "why_none"),
]

WIDEST_CELL = 48
NARROWEST_CELL = 6
GROUPS_SHOWN = 5
ROWS_APART = 3
ENDLESS = 10_000
REASONS = {
    "unsure": "the generators disagree too much to answer",
    "unanswerable": "the database does not seem to hold what the question asks for",
    "tie": "two different results have about the same share of the vote",
    None: "no result was good enough",
}


@contextmanager
def page(*, whole: bool = False) -> Iterator[Console]:
    """Yield a console whose output goes to stdout in one piece when the block ends.

    With `whole`, lines are as long as they must be where stdout is no terminal.

    Raises:
        BrokenPipeError: the reader of stdout has gone.
    """
    width = ENDLESS if whole and not sys.stdout.isatty() else None
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False, width=width)
    with console.capture() as capture:
        yield console
    sys.stdout.write(capture.get())
    sys.stdout.flush()


def lined(*heads: str, title: str = "") -> Table:
    """Return an empty table in the one style of all of them; figures stand in `add_column`s."""
    return Table(
        *heads,
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        show_edge=False,
        pad_edge=False,
        header_style="bold",
        safe_box=True,
    )


def printable(text: str) -> str:
    """Return `text` on one line, line breaks as ⏎ and other control characters escaped."""
    if text.isprintable():
        return text
    broken = text.replace("\r\n", "\n").replace("\n", "⏎")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in broken)


def shape(execution: Execution | None) -> str:
    """Describe a result in a few words: its only value, or how many rows and columns."""
    match execution:
        case Rows(rows=((value,),)):
            return f"one value: {_cell(value).plain}"
        case Rows(rows=()):
            return "no rows"
        case Rows(columns=columns, rows=rows, truncated=truncated):
            more = "+" if truncated else ""
            return f"{count(len(rows), 'row', more)} × {count(len(columns), 'column')}"
        case Failure(kind=kind, message=message):
            return f"{kind}: {printable(message)}"
        case _:
            return "did not run"


def shapes(executions: Sequence[Execution | None]) -> list[str]:
    """Describe results side by side: the more closely, the more of them look alike."""
    words = [shape(execution) for execution in executions]
    for closer in (_named, _begun):
        alike = {word for word, times in Counter(words).items() if times > 1}
        words = [
            closer(execution) if word in alike and isinstance(execution, Rows) else word
            for word, execution in zip(words, executions, strict=True)
        ]
    return words


def _named(rows: Rows) -> str:
    """How many rows, and what their columns are called."""
    more = "+" if rows.truncated else ""
    names = ", ".join(printable(name) for name in rows.columns)
    return f"{count(len(rows.rows), 'row', more)}: {names}" if rows.rows else f"no rows: {names}"


def _begun(rows: Rows) -> str:
    """The same, and the first row."""
    first = ", ".join(_cell(value).plain for row in rows.rows[:1] for value in row)
    return f"{_named(rows)} = {first}, …" if first else _named(rows)


def show_answer(
    console: Console, answer: Answer, *, limit: int, guess: bool = False, talking: bool = False
) -> None:
    """Print an answer: rows, SQL, who voted for what, confidence, warnings, time per stage.

    Of an abstention the best guess is printed only when `guess` asks for it. With `talking`, what
    to do next is said in the commands of a conversation.
    """
    if answer.abstained:
        _show_abstention(console, answer, guess=guess, asks="/guess" if talking else "--guess")
    if guess or not answer.abstained:
        if isinstance(answer.execution, Failure):
            show_failure(console, answer.execution)
        elif answer.execution is not None:
            show_rows(console, answer.execution, limit=limit)
        if answer.sql:
            show_sql(console, answer.sql)
    _show_votes(console, answer)
    _show_readings(console, answer, talking=talking)
    _show_confidence(console, answer)
    _show_times(console, answer.timings_ms)
    _show_spent(console, answer)


def _show_spent(console: Console, answer: Answer) -> None:
    """Print what language models were paid for, nothing where none was asked."""
    if not answer.usage_by_stage:
        return
    usage = answer.usage
    stages = " · ".join(f"{stage} {one.calls}" for stage, one in answer.usage_by_stage.items())
    price = "price unknown" if usage.usd is None else f"${usage.usd:.4f}"
    tokens = f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens, {price}"
    console.print(Text(f"Spent {usage.calls} calls ({stages}), {tokens}", style="dim"))


def show_rows(console: Console, rows: Rows, *, limit: int) -> None:
    """Print at most `limit` rows as a table that fits the terminal."""
    if not rows.rows:
        console.print(Text("No rows.", style="italic"))
        return
    shown = [[_cell(value) for value in row] for row in rows.rows[:limit]]
    heads = [_cut(Text(printable(name), style="bold")) for name in rows.columns]
    widths = _widths(heads, shown, room=console.width)
    table = lined()
    for position, width in enumerate(widths):
        side = "right" if _is_numeric(rows, position) else "left"
        table.add_column(
            heads[position],
            justify="right" if side == "right" else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=width,
        )
    for cells in shown:
        table.add_row(*cells[: len(widths)])
    console.print(table)
    _show_left_out(console, rows, rows_shown=len(shown), columns_shown=len(widths))


def show_sql(console: Console, sql: str) -> None:
    """Print SQL with colours where the terminal has them, in one piece to copy from."""
    from rich.syntax import Syntax

    plain = "\n".join(printable(line) for line in sql.splitlines())
    painted = Syntax("", "sql", theme="ansi_dark", background_color="default").highlight(plain)
    painted.rstrip()
    console.print()
    console.print(painted, soft_wrap=True)


def show_failure(console: Console, failure: Failure) -> None:
    """Print why a statement returned nothing."""
    console.print(Text(f"{failure.kind}: {printable(failure.message)}", style="red"))


def _show_abstention(console: Console, answer: Answer, *, guess: bool, asks: str) -> None:
    """Say plainly that this is no answer, and where the best guess is."""
    console.print(Text.assemble(("No answer. ", "bold yellow"), printable(why_none(answer))))
    if guess:
        console.print("The best guess, which may well be wrong:\n")
    elif answer.sql:
        console.print(f"There is a best guess; {asks} shows it.")


def why_none(answer: Answer) -> str:
    """Return in a sentence why an answer was abstained from."""
    if answer.reason == "unanswerable" and answer.warnings:
        return refusal_in(answer.warnings)
    words = REASONS[answer.reason]
    return f"{words[:1].upper()}{words[1:]}."


def _show_votes(console: Console, answer: Answer) -> None:
    """Print a line per result: its share of the vote, who found it, and what it looks like."""
    if not answer.candidates:
        return
    groups = by_share(answer.choice.groups, answer.choice.candidate)
    console.print()
    console.print(Text("Votes", style="bold"))
    shown = groups[:GROUPS_SHOWN]
    words = shapes([answer.candidates[group.members[0]].final.execution for group in shown])
    lines = list(zip(shown, words, strict=True))
    if lines:
        vote_table(console, answer, lines)
    rest = groups[GROUPS_SHOWN:]
    if rest:
        left = share(sum(group.votes for group in rest))
        console.print(Text(f"  {left:>4}  {count(len(rest), 'other result')}", style="dim"))
    _show_failed(console, answer)


def _show_readings(console: Console, answer: Answer, *, talking: bool) -> None:
    """Print two results that are about as likely: what differs in words, and the rows that do."""
    if not answer.readings:
        return
    console.print()
    console.print(Text("Two readings of the question are about as likely", style="bold"))
    for letter, reading in zip("AB", answer.readings, strict=False):
        words = Text.assemble((f"{letter} ", "bold"), printable(f"{reading.words}."))
        console.print(words)
        if reading.only_here:
            rows = Rows(columns=reading.columns, rows=reading.only_here)
            console.print(Text(f"  rows that only {letter} has:", style="dim"))
            show_rows(console, rows, limit=ROWS_APART)
    how = "/a or /b takes the one" if talking else "Ask again in the words of the one"
    console.print(f"{how} that you mean.")


def _show_failed(console: Console, answer: Answer) -> None:
    """Print how many candidates did not take part in the vote, and the first one's reason."""
    voted = {member for group in answer.choice.groups for member in group.members}
    failed = [
        c
        for i, c in enumerate(answer.candidates)
        if i not in voted and isinstance(c.final.execution, Failure)
    ]
    if failed:
        words = f"  {count(len(failed), 'candidate')} failed, e.g. {failed[0].generator}: "
        text = Text(words + shape(failed[0].final.execution), style="dim")
        console.print(text, no_wrap=True, overflow="ellipsis", crop=True)


def _show_confidence(console: Console, answer: Answer) -> None:
    """Print the confidence, then everything that makes the answer prone to be wrong."""
    style = "green" if answer.confidence >= 0.7 else "yellow"
    line = Text.assemble(
        ("Confidence ", "bold"), (f"{answer.confidence:.0%}", style), f", {how_chosen(answer)}"
    )
    console.print()
    console.print(line)
    said = why_none(answer) if answer.abstained else ""
    for warning in gathered(answer):
        if warning == said:  # stands above the answer
            continue
        console.print(Text(f"⚠ {printable(warning)}", style="yellow"))


def _show_times(console: Console, timings: Mapping[str, float]) -> None:
    """Print the milliseconds of every stage on one line."""
    if timings:
        stages = " · ".join(f"{stage} {ms:.0f}" for stage, ms in timings.items())
        console.print(Text.assemble(("Time ", "bold"), (f"{stages} ms", "dim")))


def _show_left_out(console: Console, rows: Rows, *, rows_shown: int, columns_shown: int) -> None:
    """Say what of the result is not on the screen."""
    notes = []
    if rows_shown < len(rows.rows):
        notes.append(f"{count(len(rows.rows) - rows_shown, 'more row')} (--limit shows more)")
    if columns_shown < len(rows.columns):
        notes.append(f"{count(len(rows.columns) - columns_shown, 'more column')} (try --csv)")
    if rows.truncated:
        notes.append("the result was cut at its row or byte cap")
    if notes:
        console.print(Text(f"… {', '.join(notes)}", style="dim"))


def _cell(value: object) -> Text:
    """A value as it stands in a table; NULL must not look like the word."""
    match value:
        case None:
            return Text("∅ NULL", style="dim italic")
        case bytes():
            return _cut(Text(f"0x{value[:32].hex()}", style="magenta"))
        case float():
            return Text(f"{value:.15g}")
        case _:
            return _cut(Text(printable(str(value)[: WIDEST_CELL * 4])))


def _cut(text: Text) -> Text:
    """Shorten a text that no table should carry in full."""
    text.truncate(WIDEST_CELL, overflow="ellipsis")
    return text


def _is_numeric(rows: Rows, position: int) -> bool:
    """Whether a column holds numbers and NULLs only."""
    values = [row[position] for row in rows.rows if row[position] is not None]
    return bool(values) and all(isinstance(v, int | float | Decimal) for v in values)


def _widths(heads: Sequence[Text], rows: Sequence[Sequence[Text]], *, room: int) -> list[int]:
    """Return the widths of as many columns as fit into `room` terminal cells.

    The widest columns shrink first; columns at the end are left out when all are narrow.
    """
    widths = [
        max(cell_len(cell.plain) for cell in (head, *(row[position] for row in rows)))
        for position, head in enumerate(heads)
    ]
    while len(widths) > 1 and sum(min(w, NARROWEST_CELL) + 3 for w in widths) > room:
        widths.pop()
    while sum(w + 3 for w in widths) > room and max(widths) > NARROWEST_CELL:
        widths[widths.index(max(widths))] -= 1
    return [max(width, 1) for width in widths]


def count(number: int, noun: str, more: str = "") -> str:
    """Return number and noun, as in 1 row and 2 rows."""
    return f"{number}{more} {noun}{'' if number == 1 else 's'}"
