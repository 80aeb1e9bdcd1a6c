"""A database as a model: chat clients that speak OpenAI's interface can ask it.

The name of the model is that of the database; the last message of the user is the question. The
answer is text: a sentence, a table, the SQL and how sure it is. A follow-up ("and by month?")
changes the SQL that the last message of the assistant shows; like any other statement it passes
the guard.

What is not covered: earlier messages than those two, tools and sampling parameters.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from quorumsql.answered import remembered
from quorumsql.api import json_value
from quorumsql.domain import Answer, Failure, Row
from quorumsql.errors import UsageError
from quorumsql.stages.answerable import refusal_in
from quorumsql.web.asking import begin, person_of
from quorumsql.web.pool import Pool
from quorumsql.web.runs import Run

__all__ = ["router"]

router = APIRouter(tags=["openai"])

_ROWS = 50
_SURE = re.compile(r"^Confidence: (\d{1,2}|100)%", re.MULTILINE)
_LONGEST = 200_000
"""Letters of an earlier message that are read; answers of ours are shorter."""


class Part(BaseModel):
    """A part of a message; only text is read."""

    model_config = ConfigDict(extra="allow")
    type: str = "text"
    text: str = ""


class Turn(BaseModel):
    """One message."""

    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str | list[Part] | None, Field()] = None

    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, str):
            return self.content
        return " ".join(part.text for part in self.content or ())


class Chat(BaseModel):
    """A request for a chat completion."""

    model_config = ConfigDict(extra="allow")
    model: str = Field("", max_length=200)
    messages: list[Turn] = Field(min_length=1, max_length=1_000)
    stream: bool = False


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """Name the databases as models."""
    pool: Pool = request.app.state.pool
    names = pool.names_for(person_of(request))
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 0, "owned_by": "quorumsql"} for name in names
        ],
    }


@router.post("/v1/chat/completions")
async def complete(body: Chat, request: Request) -> Response:
    """Answer the last message of the user from the database that `model` names."""
    pool: Pool = request.app.state.pool
    person = person_of(request)
    asked = [turn.text() for turn in body.messages if turn.role == "user"]
    if not asked:
        raise UsageError("There is no message of the user to answer.")
    database = pool.choose(person, body.model or None)
    before = _before(body.messages)
    run = begin(request, person, database, asked[-1], before=before, alone=True)
    if body.stream:
        return StreamingResponse(_chunks(run), media_type="text/event-stream")
    await run.done()
    said = {"role": "assistant", "content": _said(run)}
    choice = {"index": 0, "message": said, "finish_reason": "stop", "logprobs": None}
    return JSONResponse(
        {**_head(run, "chat.completion"), "choices": [choice], "usage": _usage(run)}
    )


def _before(turns: Sequence[Turn]) -> Answer | None:
    """The answer before the last question, as far as its message tells."""
    last = max(place for place, turn in enumerate(turns) if turn.role == "user")
    for place in range(last - 1, -1, -1):
        if turns[place].role == "assistant":
            said = turns[place].text()[-_LONGEST:]
            shown, sure = _last_sql(said), _SURE.findall(said)
            asked = [turn.text() for turn in turns[:place] if turn.role == "user"]
            if not shown or not asked:
                return None
            return remembered(asked[-1], shown, int(sure[-1]) / 100 if sure else 0.5)
    return None


def _last_sql(said: str) -> str:
    """The last block of SQL in a message, "" for none; line by line, since anybody may write it."""
    found = ""
    block: list[str] | None = None
    for line in said.splitlines():
        if block is None:
            block = [] if line == "```sql" else None
        elif line == "```":
            found, block = "\n".join(block) or found, None
        else:
            block.append(line)
    return found


async def _chunks(run: Run) -> AsyncIterator[str]:
    """The answer as a stream; while it is being found, comments keep the connection alive."""
    async for event in run.follow():
        if event is None:
            yield ": still here\n\n"
    words = f"Error: {run.problem}" if run.problem else _said(run)
    head = _head(run, "chat.completion.chunk")
    for delta, finish in (({"role": "assistant", "content": words}, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
    yield "data: [DONE]\n\n"


def _head(run: Run, kind: str) -> dict[str, Any]:
    created = int(time.time())
    return {"id": f"chatcmpl-{run.id}", "object": kind, "created": created, "model": run.database}


def _usage(run: Run) -> dict[str, int]:
    spent = run.answer.usage if run.answer else None
    sent, made = (spent.input_tokens, spent.output_tokens) if spent else (0, 0)
    return {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}


def _said(run: Run) -> str:
    """The answer as Markdown; text of the database cannot leave its cell."""
    answer = run.answer
    if answer is None or answer.sql is None:
        return "I found no answer: the database does not seem to hold what you ask for."
    parts = []
    if answer.reason == "unanswerable" and answer.warnings:
        parts.append(f"{_inert(refusal_in(answer.warnings))} My best guess:")
    elif answer.abstained:
        parts.append("I am not sure enough to answer. My best guess:")
    if isinstance(answer.execution, Failure):
        parts.append(f"It did not run: {_inert(answer.execution.message)}")
    else:
        parts += [_inert(run.story["words"]), _table(answer)]
    parts.append("\n".join(("```sql", answer.sql.replace("```", "` ` `"), "```")))
    parts.append(f"Confidence: {answer.confidence:.0%}. {answer.why}")
    parts.append(_inert(answer.clarify))
    return "\n\n".join(part for part in parts if part)


def _table(answer: Answer) -> str:
    if len(answer.rows) < 2 and len(answer.columns) < 2:
        return ""
    lines = [_line(answer.columns), "|" + "---|" * len(answer.columns)]
    lines += [_line(row) for row in answer.rows[:_ROWS]]
    if len(answer.rows) > _ROWS:
        lines.append(f"\n… and {len(answer.rows) - _ROWS} more rows.")
    return "\n".join(lines)


def _line(cells: Sequence[object] | Row) -> str:
    return "| " + " | ".join(_inert(json_value(cell)) for cell in cells) + " |"


def _inert(value: object) -> str:
    """Text that Markdown takes for nothing but text."""
    text = "" if value is None else " ".join(str(value).split())
    for sign in "\\`*_[]<>|!#&":
        text = text.replace(sign, f"\\{sign}")
    return text
