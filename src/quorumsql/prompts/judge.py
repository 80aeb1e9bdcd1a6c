"""How models are asked to repair, to choose and to merge.

What is not covered: in which order candidates are shown (`stages.select`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quorumsql.domain import Brief, Execution, Failure, Message, Rows
from quorumsql.prompts import layouts
from quorumsql.prompts.inert import RULE, fenced, inert
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import dialect_name, opening, question_text

__all__ = ["LABELS", "Exhibit", "agree", "choose", "correct", "exhibit", "merge", "result_text"]

LABELS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
SHOWN_ROWS = 10
_CELL, _COLUMNS, _SQL = 60, 30, 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A candidate as a judge sees it."""

    sql: str
    result: str


def exhibit(sql: str, execution: Execution | None, *, private: bool) -> Exhibit:
    """Return a candidate with its result in words."""
    return Exhibit(sql=sql[:_SQL], result=result_text(execution, private=private))


def result_text(execution: Execution | None, *, private: bool) -> str:
    """Return a result's columns and first ten rows, one per line; with `private` only its shape."""
    match execution:
        case Rows(columns=columns, rows=rows, truncated=truncated):
            names = " | ".join(map(inert, columns[:_COLUMNS]))
            more = " or more" if truncated else ""
            count = f"({len(rows)}{more} row{'s' if len(rows) != 1 else ''})"
            if private:
                return f"{names}\n{count}"
            shown = [" | ".join(map(_cell, row[:_COLUMNS])) for row in rows[:SHOWN_ROWS]]
            return "\n".join([names, *shown, count])
        case Failure(kind=kind, message=message):
            return f"{kind}: {inert(message)[:400]}"
        case _:
            return "not run"


def correct(
    brief: Brief,
    *,
    asked: Sequence[Message],
    sql: str,
    result: str,
    advice: Sequence[str] = (),
    layout: layouts.Layout | None = None,
    pages: Pages,
) -> tuple[Message, ...]:
    """Return the conversation that asks the writer of `sql` for a better statement.

    It goes on from what was asked, so that the prefix is known already; weights with a layout
    of their own for repairs are asked in it.
    """
    if layout is not None and layout.repair:
        text = layout.correction(
            dialect=dialect_name(brief.schema.dialect),
            schema=pages.schema(brief, layout.format),
            question=brief.question.text,
            evidence=brief.question.evidence,
            sql=sql,
            result="\n".join([inert(line) for line in result.splitlines()] + list(advice)),
        )
        return (Message(role="user", text=text),)
    lines = [f"The database was asked this. Its reply:\n{fenced('result', result)}"]
    lines += [f"- {inert(one)}" for one in advice]
    lines.append(
        "That is probably not the answer. Find what is wrong, then write the corrected query in "
        "one ```sql block."
    )
    before = f"```sql\n{sql}\n```" if sql else "(no query)"
    return (
        *asked,
        Message(role="assistant", text=before),
        Message(role="user", text="\n".join(lines)),
    )


def choose(
    brief: Brief,
    exhibits: Sequence[Exhibit],
    pages: Pages,
    *,
    layout: layouts.Layout | None = None,
) -> tuple[Message, ...]:
    """Return the paper's selection prompt: all candidates with results, one label as reply."""
    labels = LABELS[: len(exhibits)]
    if layout is not None and layout.choose:
        return (Message(role="user", text=_released_choice(brief, exhibits, layout, pages)),)
    _, schema = opening(brief, pages)
    blocks = [
        f"Candidate {label}\n{fenced('sql', one.sql)}\n{fenced('result', one.result)}"
        for label, one in zip(labels, exhibits, strict=True)
    ]
    ask = (
        f"Compare the {len(labels)} candidates: how do they differ, and which of them returns what "
        f"the question asks for? Reply with its letter alone, one of {', '.join(labels)}."
    )
    return _judgement(brief, [schema, question_text(brief), *blocks, ask])


def agree(brief: Brief, exhibits: Sequence[Exhibit], pages: Pages) -> tuple[Message, ...]:
    """Ask which candidate says what most of them say (self-agreement)."""
    _, schema = opening(brief, pages)
    labels = LABELS[: len(exhibits)]
    blocks = [
        f"Candidate {label}\n{fenced('sql', one.sql)}"
        for label, one in zip(labels, exhibits, strict=True)
    ]
    ask = (
        "These are independent answers to one question. Find the meaning on which most of them "
        "agree and the candidate that expresses it best. Reply with its letter alone, one of "
        f"{', '.join(labels)}."
    )
    return _judgement(brief, [schema, question_text(brief), *blocks, ask])


def merge(
    brief: Brief, statements: Sequence[str], pages: Pages, *, so_far: str = ""
) -> tuple[Message, ...]:
    """Ask for one statement out of several samples (Self-MoA's aggregator)."""
    rules, schema = opening(brief, pages)
    texts = [*([f"-- the answer so far\n{so_far}"] if so_far else []), *statements]
    body = "\n\n".join(f"-- answer {n}\n{sql}" for n, sql in enumerate(texts, start=1))
    ask = (
        "These answers to the question were written independently; each may be wrong. Weigh them, "
        "keep what is right, and write the one query that answers the question best."
    )
    parts = [schema, question_text(brief), fenced("answers", body), ask]
    return (
        Message(role="system", text=rules),
        Message(role="user", text="\n\n".join(parts)),
    )


def _released_choice(
    brief: Brief, exhibits: Sequence[Exhibit], layout: layouts.Layout, pages: Pages
) -> str:
    labels = LABELS[: len(exhibits)]
    blocks = [
        layout.one_candidate(label=label, sql=one.sql, result=one.result)
        for label, one in zip(labels, exhibits, strict=True)
    ]
    return layout.choice(
        dialect=dialect_name(brief.schema.dialect),
        schema=pages.schema(brief, layout.format),
        question=brief.question.text,
        evidence=brief.question.evidence,
        candidates="\n\n".join(blocks),
        count=str(len(exhibits)),
        labels="/".join(labels),
    )


def _judgement(brief: Brief, parts: Sequence[str]) -> tuple[Message, ...]:
    system = (
        f"You judge {dialect_name(brief.schema.dialect)} queries that were written to answer a "
        f"question about a database.\n{RULE}"
    )
    return (
        Message(role="system", text=system),
        Message(role="user", text="\n\n".join(parts)),
    )


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes | bytearray | memoryview):
        return "(bytes)"
    text = inert(str(value))
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
