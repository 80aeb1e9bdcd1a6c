"""Which of two readings was meant: a person takes one, and it is the answer.

The run of the question stays as it was; the reading that was taken is a run of its own, which goes
into history, can be gone on from and gets verdicts.

What is not covered: a third reading; its SQL can be run by itself.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from quorumsql.answered import taken
from quorumsql.api import Connection
from quorumsql.errors import UsageError
from quorumsql.web.asking import AnswerObject, RunId, keep, person_of
from quorumsql.web.pool import Pool
from quorumsql.web.runs import Run, Runs, Taken
from quorumsql.web.story import told

__all__ = ["router"]

router = APIRouter(tags=["ask"])


class Meant(BaseModel):
    """Which reading was meant."""

    model_config = ConfigDict(extra="forbid")
    reading: Annotated[int, Field(ge=0, le=1, description="Place among the answer's readings.")]


@router.post("/v1/runs/{run}/reading", response_model=AnswerObject)
async def take(run: RunId, body: Meant, request: Request) -> Response:
    """Take one of an answer's two `readings`; the header Quorum-Run names the new run.

    Its confidence is that of the answer: no measurement says what a person's word adds.

    Raises:
        UsageError: the answer has no readings to choose from.
    """
    pool: Pool = request.app.state.pool
    runs: Runs = request.app.state.runs
    person = person_of(request)
    before = runs.get(run, person.name)
    await before.done()
    answer = before.answer
    if answer is None or not answer.readings:
        raise UsageError("This answer has no readings to choose from: one result stands out.")
    meant = taken(answer, body.reading)
    made = Run(owner=person.name, database=before.database, question=answer.question)
    made.answer, made.sql, made.execution = meant, meant.sql or "", meant.execution
    words = answer.readings[body.reading].words
    made.taken = Taken(run=before.id, answer=answer, words=words)

    def work(connection: Connection) -> None:
        made.story = told(meant, connection.schema)
        keep(pool, made, person)

    await pool.use(person, before.database, work)
    made.end("answer", made.story["answer"])
    runs.add(made)
    return JSONResponse(made.story["answer"], headers={"quorum-run": made.id})
