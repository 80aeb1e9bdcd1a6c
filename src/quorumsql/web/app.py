"""The application behind `quorum serve`: what is asked of it, put together.

What is not covered: listening (`serve`) and who is let in (`shield`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from quorumsql import __version__
from quorumsql.config import Settings
from quorumsql.errors import (
    ConfigError,
    DatabaseError,
    MissingExtra,
    ModelError,
    QuorumError,
    UnknownName,
)
from quorumsql.web import asking, keeping, meaning, openai_compatible, reviewing
from quorumsql.web.draw import ready
from quorumsql.web.pool import Busy, Pool
from quorumsql.web.runs import Runs
from quorumsql.web.shield import Shield, problem

__all__ = ["PAGE", "build_app"]

PAGE = Path(__file__).parent / "page"

_STATUS: tuple[tuple[type[QuorumError], int, str], ...] = (
    (Busy, 429, "busy"),
    (UnknownName, 404, "not_found"),
    (MissingExtra, 501, "not_installed"),
    (ConfigError, 403, "forbidden"),
    (DatabaseError, 503, "database_gone"),
    (ModelError, 503, "model_failed"),
    (QuorumError, 400, "bad_request"),
)
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def build_app(urls: Mapping[str, str], settings: Settings, log: logging.Logger) -> FastAPI:
    """Return the application for databases by name; it opens them when it starts."""
    pool, runs = Pool(urls, settings), Runs()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(_warm(app, pool))
        yield
        runs.stop()
        warming.cancel()
        await asyncio.to_thread(pool.close)

    app = FastAPI(
        title="quorumsql", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Ask databases in plain words. Everything is only ever read.",
        responses={s: {"model": asking.Problem} for s in (400, 401, 403, 404, 413, 422, 429)},
    )  # fmt: skip
    app.state.pool, app.state.runs, app.state.ready = pool, runs, False
    app.state.tasks = set()
    for part in (asking, meaning, keeping, reviewing, openai_compatible):
        app.include_router(part.router)
    _add_page(app)
    _add_health(app)
    for kind, answer in ((QuorumError, _explain), (HTTPException, _http), (Exception, _broken)):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(Shield, settings=settings.web, log=log)
    return app


async def _warm(app: FastAPI, pool: Pool) -> None:
    """Load what the first question would wait for. What is missing is said when it is asked for."""
    try:
        await asyncio.to_thread(pool.warm)
        app.state.ready = True
        await asyncio.to_thread(ready)
    except QuorumError as error:
        app.state.problem = type(error).__name__


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/page", StaticFiles(directory=PAGE), name="page")


def _add_health(app: FastAPI) -> None:
    @app.get("/health", tags=["health"])
    async def health() -> dict[str, str]:
        """Say that the server runs."""
        return {"status": "ok", "version": __version__}

    @app.get("/ready", tags=["health"], responses={503: {"description": "not yet"}})
    async def is_ready(request: Request) -> JSONResponse:
        """Say whether a question would be answered at once."""
        state = request.app.state
        if state.ready:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": getattr(state, "problem", "starting")}, status_code=503)


async def _explain(_: Request, error: Exception) -> Response:
    """What went wrong, with the status that fits."""
    status, code = next((s, c) for kind, s, c in _STATUS if isinstance(error, kind))
    headers = {"retry-after": "2"} if status in {429, 503} else None
    return JSONResponse(problem(code, str(error)), status_code=status, headers=headers)


async def _http(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = str(error.detail) if isinstance(error, HTTPException) else ""
    headers = error.headers if isinstance(error, HTTPException) else None
    code = _CODES.get(status, "bad_request")
    return JSONResponse(problem(code, words), status_code=status, headers=headers)


async def _invalid(_: Request, error: Exception) -> Response:
    """Which part of a request is wrong; what it held is not repeated."""
    first: Any = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    place = ".".join(str(part) for part in first.get("loc", ()) if part != "body")
    words = f"{place or 'the body'}: {str(first.get('msg', 'is wrong')).lower()}."
    return JSONResponse(problem("invalid", words), status_code=422)


async def _broken(_: Request, error: Exception) -> Response:
    words = f"Something broke here ({type(error).__name__}). Please report it."
    return JSONResponse(problem("internal", words), status_code=500)
