"""How a model looks around in a database before it answers: one action per turn, as JSON.

What is not covered: carrying actions out (`stages.explore`).
"""

from __future__ import annotations

from collections.abc import Mapping

from quorumsql.domain import Brief, Message
from quorumsql.prompts.inert import fenced
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import opening, question_text

__all__ = ["ACTION", "begin", "last_call", "observed"]

ACTION: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "action": {"type": "string", "enum": ["columns", "search", "query", "answer"]},
        "text": {"type": "string"},
    },
    "required": ["action", "text"],
    "additionalProperties": False,
}

_HOW = """\
Look around before you answer, in at most {steps} steps. Reply with one JSON object and nothing else:
{{"action": "columns", "text": "TABLE"}} lists the columns of a table of the database
{{"action": "search", "text": "PHRASE"}} finds where a value like this is stored
{{"action": "query", "text": "SELECT …"}} runs a small query and shows its first rows
{{"action": "answer", "text": "SELECT …"}} ends with the query that answers the question
Check what you are unsure of: how values are written, what a column holds, whether a join finds rows."""


def begin(brief: Brief, pages: Pages, *, steps: int) -> tuple[Message, ...]:
    """Return the first turn."""
    rules, schema = opening(brief, pages)
    parts = [schema, _HOW.format(steps=steps), question_text(brief)]
    return (
        Message(role="system", text=rules),
        Message(role="user", text="\n\n".join(parts)),
    )


def observed(action: str, text: str, seen: str, *, left: int) -> tuple[Message, ...]:
    """Return the two turns of a step: what the model did, and what came of it."""
    steps = f"{left} step{'s' if left != 1 else ''} left."
    return (
        Message(role="assistant", text=f"{action}: {text}"),
        Message(role="user", text=f"{fenced('observation', seen)}\n{steps}"),
    )


def last_call() -> Message:
    """Return the turn that asks for the answer at once."""
    return Message(
        role="user", text="Answer now: write the query in one ```sql block, without explanation."
    )
