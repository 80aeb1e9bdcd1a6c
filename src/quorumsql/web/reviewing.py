"""Examples that somebody proposed: a reviewer sees them, and approves or rejects each.

Verdicts "right" and `Connection.learn` propose; models are shown only what is approved. Proposals
quote what others asked, so a token needs `review`, and sees those of its own databases only.

What is not covered: changing an example; `quorum examples add` keeps a better one.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from quorumsql.errors import ConfigError, UnknownName
from quorumsql.explain import explain
from quorumsql.solved import examples_path
from quorumsql.stores.examples import Example, ExampleStore
from quorumsql.web.asking import person_of
from quorumsql.web.keeping import Name
from quorumsql.web.pool import Person, Pool

__all__ = ["router"]

router = APIRouter(tags=["review"])

ExampleId = Annotated[str, Path(max_length=40)]
_MOST = 200


class Judged(BaseModel):
    """What a reviewer says of an example."""

    model_config = ConfigDict(extra="forbid")
    decision: Literal["approve", "reject"] = Field(description="A rejected one is removed.")


@router.get("/v1/examples")
async def examples(
    request: Request,
    database: Name = None,
    approved: Annotated[bool, Query(description="Those in use, not those that wait.")] = False,
) -> dict[str, Any]:
    """Return the examples of a database that wait for approval, oldest first.

    Raises:
        ConfigError: this token may not review.
    """
    pool, person = request.app.state.pool, _reviewer(request)
    name = pool.choose(person, database)
    found = await _of(pool, person, name)
    shown = [one for one in found if one.approved is approved]
    waiting = sum(not one.approved for one in found)
    listed = [_object(one) for one in shown[:_MOST]]
    return {"database": name, "examples": listed, "waiting": waiting}


@router.patch("/v1/examples/{example}")
async def judge(
    example: ExampleId, body: Judged, request: Request, database: Name = None
) -> dict[str, str]:
    """Approve an example, which models are shown from then on, or reject it.

    Raises:
        ConfigError: this token may not review.
        UnknownName: there is no such example of this database.
    """
    pool, person = request.app.state.pool, _reviewer(request)
    name = pool.choose(person, database)
    if example not in {one.id for one in await _of(pool, person, name)}:
        raise UnknownName("example", example, ["(somebody may have been faster: look again)"])
    store = _store(pool)
    change = store.approve if body.decision == "approve" else store.remove
    await asyncio.to_thread(change, [example])
    return {"status": "approved" if body.decision == "approve" else "rejected"}


async def _of(pool: Pool, person: Person, name: str) -> list[Example]:
    """The examples of a database.

    Older ones do not say which of two databases of one name they are of: tokens do not see them.
    """
    home = pool.home(name).name
    kept = await asyncio.to_thread(_store(pool).all)
    return [
        one for one in kept
        if one.home == home or (not one.home and person.token is None and one.database == name)
    ]  # fmt: skip


def _store(pool: Pool) -> ExampleStore:
    return ExampleStore(examples_path(pool.settings))


def _reviewer(request: Request) -> Person:
    person = person_of(request)
    if not person.reviews:
        raise ConfigError("This token may not review examples: it needs review = true.")
    return person


def _object(example: Example) -> dict[str, Any]:
    shot = example.shot
    return {
        "id": example.id,
        "question": shot.question,
        "evidence": shot.evidence,
        "sql": shot.sql,
        "explanation": explain(shot.sql, shot.dialect),
        "approved": example.approved,
    }
