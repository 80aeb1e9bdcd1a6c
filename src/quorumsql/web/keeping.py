"""What a page lists and keeps: databases, schemas, history, saved questions, verdicts.

What is not covered: approving what was learnt (`reviewing`).
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from quorumsql.api import Connection
from quorumsql.domain import Answer, Schema
from quorumsql.errors import UsageError
from quorumsql.proposals import Proposals
from quorumsql.said import VERDICTS, votes_for
from quorumsql.stores.history import now
from quorumsql.stores.verdicts import Verdict, VerdictStore
from quorumsql.web.asking import history_of, person_of
from quorumsql.web.pool import Pool
from quorumsql.web.runs import Run, Runs

__all__ = ["router"]

router = APIRouter(tags=["keep"])

Name = Annotated[str | None, Query(max_length=200, description="The first one, when absent.")]
EntryId = Annotated[str, Path(max_length=40)]


class Mark(BaseModel):
    """What to do with an entry of the history."""

    model_config = ConfigDict(extra="forbid")
    saved: bool | None = None
    removed: Literal[True] | None = None


class Said(BaseModel):
    """What somebody says of an answer."""

    model_config = ConfigDict(extra="forbid")
    right: bool
    note: str = Field("", max_length=2_000)


@router.get("/v1/databases")
async def databases(request: Request) -> dict[str, Any]:
    """Name the databases that this token opens, and whether it may review examples."""
    pool: Pool = request.app.state.pool
    person = person_of(request)
    names = list(pool.names_for(person))
    return {"databases": names, "who": person.name, "review": person.reviews}


@router.get("/v1/schema")
async def schema(request: Request, database: Name = None) -> dict[str, Any]:
    """Return tables, columns and foreign keys, as far as this token may see them."""
    pool: Pool = request.app.state.pool
    person = person_of(request)
    name = pool.choose(person, database)
    return await pool.use(person, name, lambda connection: _schema(name, connection.schema))


@router.get("/v1/history")
async def history(
    request: Request,
    database: Name = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    saved: bool = False,
) -> dict[str, Any]:
    """Return what this token asked, newest first."""
    pool: Pool = request.app.state.pool
    person = person_of(request)
    store = history_of(pool, person, pool.choose(person, database))
    entries = await asyncio.to_thread(store.all)
    shown = [entry for entry in entries if entry.saved or not saved][:limit]
    return {
        "entries": [
            {name: getattr(entry, name) for name in type(entry).__dataclass_fields__}
            for entry in shown
        ]
    }


@router.patch("/v1/history/{entry}")
async def mark(
    entry: EntryId, body: Mark, request: Request, database: Name = None
) -> dict[str, str]:
    """Save an entry, or remove it."""
    pool: Pool = request.app.state.pool
    person = person_of(request)
    store = history_of(pool, person, pool.choose(person, database))
    marks = {key: value for key, value in body.model_dump().items() if value is not None}
    if not marks:
        raise UsageError("Say what to do: saved or removed.")
    await asyncio.to_thread(lambda: store.mark(entry, **marks))
    return {"status": "kept"}


@router.post("/v1/runs/{run}/verdict")
async def verdict(run: EntryId, body: Said, request: Request) -> dict[str, Any]:
    """Say whether an answer is right. A right one is proposed as an example, to be approved.

    Of two verdicts of one person on one answer the later counts; what the earlier one proposed is
    withdrawn, unless somebody has approved it.
    """
    pool: Pool = request.app.state.pool
    runs: Runs = request.app.state.runs
    person = person_of(request)
    found = runs.get(run, person.name)
    await found.done()
    answer = found.answer
    if answer is None or not answer.sql:
        raise UsageError("Only answers to questions get a verdict.")
    word = "right" if body.right else "wrong"

    def kept(connection: Connection) -> dict[str, Any]:
        home = pool.home(found.database)
        proposals = Proposals(settings=pool.settings, home=home.name, dialect=connection.dialect)
        store = VerdictStore(home / VERDICTS)
        earlier = [one for one in store.all() if (one.who, one.id) == (person.name, found.id)]
        said = _verdict(found, answer, person.name, body)
        if said is not None:
            store.add(said)
        elif earlier:
            store.undo(found.id, who=person.name, at=now())
        history_of(pool, person, found.database).mark(found.id, verdict=word)
        solved = answer.sql if body.right else None
        proposed = solved and proposals.propose(connection.learn, answer.question, solved)
        standing = list(store.all())
        gone = [proposals.withdraw(one, standing) for one in earlier]
        return {"verdict": word, "proposed": bool(proposed), "withdrawn": any(gone)}

    return await pool.use(person, found.database, kept)


def _verdict(run: Run, answer: Answer, who: str, said: Said) -> Verdict | None:
    """What a person's word says of the ensemble's own answer; None where it says nothing of it.

    Where another reading was taken and is right, the answer was wrong, and this would have been
    right; where that is wrong too, nothing is known of the answer.
    """
    right, correction = said.right, ""
    own = answer if run.taken is None else run.taken.answer
    if not _same_result(own, answer):
        if not right:
            return None
        right, correction = False, answer.sql or ""
    return Verdict(
        at=now(), who=who, question=own.question, sql=own.sql or "",
        confidence=round(own.choice.confidence, 4), right=right, note=said.note,
        id=run.id, correction=correction, votes=votes_for(own),
    )  # fmt: skip


def _same_result(one: Answer, other: Answer) -> bool:
    """Whether two choices among the same candidates reach the same result."""
    pair = {one.choice.candidate, other.choice.candidate}
    return len(pair) == 1 or any(pair <= set(group.members) for group in one.choice.groups)


def _schema(name: str, schema: Schema) -> dict[str, Any]:
    return {
        "database": name,
        "dialect": schema.dialect,
        "tables": [
            {
                "name": table.name,
                "comment": table.comment,
                "view": table.is_view,
                "columns": [
                    {
                        "name": column.name,
                        "type": column.type,
                        "kind": column.kind,
                        "key": column.primary_key,
                        "comment": column.comment,
                    }
                    for column in table.columns
                ],
            }
            for table in schema.tables
        ],
        "foreign_keys": [
            {
                "table": key.table,
                "columns": list(key.columns),
                "to": key.referred_table,
                "to_columns": list(key.referred_columns),
                "declared": key.declared,
            }
            for key in schema.foreign_keys
        ],
    }
