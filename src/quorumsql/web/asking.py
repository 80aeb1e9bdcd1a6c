"""Asking over HTTP: questions and statements, at once or as events, and what came of them.

What is not covered: history and verdicts (`keeping`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from quorumsql.answered import remembered
from quorumsql.api import Connection
from quorumsql.domain import Answer, Rows
from quorumsql.errors import QuorumError, UnknownName, UsageError
from quorumsql.objects import execution_object
from quorumsql.said import votes_for
from quorumsql.stores.history import Asked, History, now
from quorumsql.trace import Event, Trace
from quorumsql.web.draw import draw
from quorumsql.web.files import csv_of, parquet_of
from quorumsql.web.pool import Person, Pool
from quorumsql.web.runs import Run, Runs
from quorumsql.web.story import story, told

__all__ = ["AnswerObject", "Problem", "RunId", "begin", "history_of", "keep", "person_of", "router"]

router = APIRouter(tags=["ask"])

RunId = Annotated[str, Path(max_length=40, description="Named by the header Quorum-Run.")]
EVENTS = "text/event-stream"
_FIRST_SECONDS = 0.1
"""How long work waits for a listener to hear that it begins; a lost one must not hold it up."""


class Wrong(BaseModel):
    """What went wrong, in words."""

    code: str
    message: str


class Problem(BaseModel):
    """The body of every response that is an error."""

    error: Wrong


class Question(BaseModel):
    """A question in plain words."""

    model_config = ConfigDict(extra="forbid")
    question: str = Field(min_length=1, max_length=200_000)
    database: str | None = Field(None, max_length=200, description="The first one, when absent.")
    evidence: str = Field("", max_length=20_000, description="What one must know besides.")
    follows: str | None = Field(
        None, max_length=40, description="A run to go on from: its SQL is changed where it can be."
    )


class Statement(BaseModel):
    """A reading SQL statement."""

    model_config = ConfigDict(extra="forbid")
    sql: str = Field(min_length=1, max_length=200_000)
    database: str | None = Field(None, max_length=200)
    question: str = Field("", max_length=20_000, description="What it answers, for the history.")


class AnswerObject(BaseModel):
    """The object of `quorum ask --json`."""

    model_config = ConfigDict(extra="allow")
    question: str
    sql: str | None
    columns: list[str]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    confidence: float
    abstained: bool
    reason: str | None
    candidates: list[dict[str, Any]]
    timings_ms: dict[str, float]
    usage: dict[str, Any]


@router.post(
    "/v1/ask",
    response_model=AnswerObject,
    responses={200: {"content": {EVENTS: {"schema": {"type": "string"}}}}},
)
async def ask(
    body: Question,
    request: Request,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Answer a question. With `Accept: text/event-stream`, tell what happens while it does.

    The same `Idempotency-Key` with the same body gets the same answer, and is asked only once.
    With `follows`, the question goes on from the answer of that run: "and by month?", "top 5".
    """
    _, runs, person = _state(request)
    streamed, key, said = EVENTS in accept, idempotency_key, body.model_dump_json()
    run = runs.known(person.name, key, said) if key else None
    if run is None:
        database, before = await _place(request, body)
        run = runs.known(person.name, key, said) if key else None  # begun while this one waited
    if run is None:
        run = begin(
            request, person, database, body.question,
            evidence=body.evidence, before=before, streamed=streamed,
        )  # fmt: skip
        if body.follows and before is not None:
            run.follows = {"run": body.follows, "question": before.question}
        if key:
            runs.remember(person.name, key, said, run)
    headers = {"quorum-run": run.id}
    if streamed:
        return StreamingResponse(_events(run, 0), media_type=EVENTS, headers=headers)
    await run.done()
    return JSONResponse(run.story["answer"], headers=headers)


@router.post("/v1/sql")
async def sql(body: Statement, request: Request) -> dict[str, Any]:
    """Run one reading statement through the guard; `status` says how it went."""
    pool, runs, person = _state(request)
    database = pool.choose(person, body.database)
    text = body.sql
    run = Run(owner=person.name, database=database, question=body.question)

    def work(connection: Connection) -> None:
        run.sql, run.execution = text, connection.sql(text)
        found = execution_object(text, run.execution)
        run.story = {"result": found, **story(text, run.execution, connection.schema)}
        keep(pool, run, person)

    await pool.use(person, database, work)
    run.end("result", {})
    runs.add(run)
    return {"run": run.id, **run.story["result"]} | {
        key: value for key, value in run.story.items() if key != "result"
    }


@router.get("/v1/runs/{run}")
async def story_of(run: RunId, request: Request) -> dict[str, Any]:
    """Return all there is to say of a run: answer, words, readings, columns used, chart.

    `follows` names the run that it went on from, `taken` that of which it is one of two readings.
    """
    found = _run(request, run)
    await found.done()
    meant = found.taken
    shown = {
        "question": found.question,
        "follows": found.follows,
        "taken": {"run": meant.run, "words": meant.words} if meant else None,
        "linked": next((fields for _, name, fields in found.events if name == "Linked"), None),
    }
    return {"run": found.id, "database": found.database, **shown, **found.story}


@router.get("/v1/runs/{run}/events", response_class=StreamingResponse)
async def events(
    run: RunId,
    request: Request,
    last_event_id: Annotated[str, Header(max_length=20)] = "",
) -> Response:
    """Take up the events of a run after `Last-Event-ID`."""
    found = _run(request, run)
    after = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else 0
    return StreamingResponse(_events(found, after), media_type=EVENTS)


@router.get("/v1/runs/{run}/chart.svg", response_class=Response)
async def chart(
    run: RunId, request: Request, theme: Annotated[Literal["light", "dark"], Query()] = "light"
) -> Response:
    """Draw the chart of a run.

    Raises:
        UnknownName: no chart suits it.
    """
    found = _run(request, run)
    await found.done()
    if not found.story.get("chart"):
        raise UnknownName("chart", run, ["(no chart suits this result)"])
    svg = await asyncio.to_thread(draw, found.story["chart"], theme)
    return Response(svg, media_type="image/svg+xml")


@router.get("/v1/runs/{run}/rows.csv", response_class=Response)
async def rows_csv(run: RunId, request: Request) -> Response:
    """Return the rows of a run as CSV."""
    return await _download(request, run, csv_of, "text/csv; charset=utf-8", "csv")


@router.get("/v1/runs/{run}/rows.parquet", response_class=Response)
async def rows_parquet(run: RunId, request: Request) -> Response:
    """Return the rows of a run as Parquet; needs the extra duckdb."""
    return await _download(request, run, parquet_of, "application/vnd.apache.parquet", "parquet")


def begin(
    request: Request,
    person: Person,
    database: str,
    text: str,
    *,
    evidence: str = "",
    before: Answer | None = None,
    alone: bool = False,
    streamed: bool = False,
) -> Run:
    """Begin to answer a question, whoever listens.

    Args:
        request: whose application it is asked of.
        person: who asks.
        database: of which one.
        text: the question.
        evidence: what one must know to understand it.
        before: the answer that it goes on from.
        alone: what does not change that answer's statement is asked without it.
        streamed: somebody is about to listen, and hears the first event before any work is done.

    Raises:
        UsageError: the question is blank.
    """
    if not text.strip():
        raise UsageError("The question is empty: ask something in plain words.")
    pool, runs, _ = _state(request)
    run = Run(owner=person.name, database=database, question=text.strip())
    runs.add(run)

    def asked(connection: Connection, trace: Trace) -> Answer:
        if before is None:
            return connection.ask(run.question, evidence=evidence, trace=trace)
        return connection.follow_up(before, run.question, alone=alone, trace=trace)

    task = asyncio.create_task(_answer(pool, run, person, asked, streamed=streamed))
    request.app.state.tasks.add(task)  # the loop itself does not keep tasks
    task.add_done_callback(request.app.state.tasks.discard)
    return run


async def _place(request: Request, body: Question) -> tuple[str, Answer | None]:
    """The database of a question, and the answer that it goes on from."""
    pool, runs, person = _state(request)
    if body.follows is None:
        return pool.choose(person, body.database), None
    try:
        run = runs.get(body.follows, person.name)
    except UnknownName:
        database = pool.choose(person, body.database)
        return database, await _remembered(pool, person, database, body.follows)
    await run.done()
    database = pool.choose(person, body.database or run.database)
    if database != run.database:
        raise UsageError(f"That answer came from {run.database!r}: leave database out.")
    return database, run.answer or remembered(run.question or "SQL", run.sql, 1.0)


async def _remembered(pool: Pool, person: Person, database: str, name: str) -> Answer:
    """An answer that only history still knows.

    Raises:
        UnknownName: it does not either.
    """
    entries = await asyncio.to_thread(history_of(pool, person, database).all)
    for entry in entries:
        if entry.id == name and entry.sql:
            sure = 1.0 if entry.confidence is None else entry.confidence
            return remembered(entry.question or "SQL", entry.sql, sure)
    raise UnknownName("run", name, ["(it is not kept any longer; ask the whole question)"])


async def _answer(
    pool: Pool,
    run: Run,
    person: Person,
    asked: Callable[[Connection, Trace], Answer],
    *,
    streamed: bool,
) -> None:
    loop = asyncio.get_running_loop()

    def heard(event: Event) -> None:
        loop.call_soon_threadsafe(run.heard, event)

    def work(connection: Connection) -> None:
        answer = asked(connection, Trace(heard))
        run.answer, run.sql, run.execution = answer, answer.sql or "", answer.execution
        run.question = answer.question
        run.story = told(answer, connection.schema)
        keep(pool, run, person)

    try:
        if streamed:
            with suppress(TimeoutError):
                await asyncio.wait_for(run.told.wait(), _FIRST_SECONDS)
        await pool.use(person, run.database, work)
    except QuorumError as error:
        run.problem = error
        run.end("error", {"message": str(error)})
    except Exception as error:  # noqa: BLE001 - a run must end, or its listeners wait for ever
        run.problem = error
        run.end("error", {"message": f"Something broke here ({type(error).__name__})."})
    else:
        run.end("answer", run.story["answer"])


def keep(pool: Pool, run: Run, person: Person) -> None:
    """Write a run into its owner's history."""
    found = run.execution
    if run.answer is None and not isinstance(found, Rows):
        return
    history_of(pool, person, run.database).add(
        Asked(
            id=run.id,
            at=now(),
            question=run.question,
            sql=run.sql or None,
            confidence=round(run.answer.confidence, 4) if run.answer else None,
            abstained=run.answer.abstained if run.answer else False,
            row_count=len(found.rows) if isinstance(found, Rows) else 0,
            shipped=round(run.answer.choice.confidence, 4) if run.answer else None,
            votes=votes_for(run.answer) if run.answer else {},
        )
    )


def history_of(pool: Pool, person: Person, database: str) -> History:
    """Return what this person asked of a database."""
    return History(pool.home(database) / "history" / f"{person.name}.jsonl")


def person_of(request: Request) -> Person:
    """Return who asks; the shield has looked at the token."""
    person: Person = request.state.person
    return person


def _state(request: Request) -> tuple[Pool, Runs, Person]:
    state = request.app.state
    return state.pool, state.runs, person_of(request)


def _run(request: Request, name: str) -> Run:
    _, runs, person = _state(request)
    return runs.get(name, person.name)


async def _download(
    request: Request, name: str, write: Callable[[Rows], bytes], kind: str, ending: str
) -> Response:
    run = _run(request, name)
    await run.done()
    if not isinstance(run.execution, Rows):
        raise UsageError("There are no rows to download: the statement did not run.")
    body = await asyncio.to_thread(write, run.execution)
    disposition = f'attachment; filename="answer-{run.id}.{ending}"'
    return Response(body, media_type=kind, headers={"content-disposition": disposition})


async def _events(run: Run, after: int) -> AsyncIterator[str]:
    async for event in run.follow(after):
        if event is None:
            yield ": still here\n\n"
        else:
            number, name, fields = event
            text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
            yield f"id: {number}\nevent: {name}\ndata: {text}\n\n"
