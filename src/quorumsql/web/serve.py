"""Listens: the application behind uvicorn, which stops in good order.

On SIGTERM or Ctrl-C no new request is taken and listeners of streams are told; statements that
somebody still waits for may end within ten seconds, and then the databases are given back. What
libraries warn of is a line of JSON like all others: uvicorn in its words (a request that is no
HTTP), others without, which may quote.

What is not covered: TLS and several processes; a proxy in front does both.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from socket import socket
from types import FrameType
from typing import IO

import uvicorn

from quorumsql.config import Settings
from quorumsql.web.app import build_app
from quorumsql.web.shield import log_to

__all__ = ["serve"]

_GRACE_SECONDS = 10
_SWITCH_SECONDS = 0.001
"""Threads that compute give way to the one that speaks to people after so long, not after 5 ms:
it has to wait for each of them in turn."""


class _Server(uvicorn.Server):
    """Tells streams to end as soon as a signal arrives: uvicorn waits for open ones."""

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in good order."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            # A signal cuts in anywhere, between a listener's last look and its waiting, too.
            self._loop.call_soon_threadsafe(self._on_exit)


class _Lines(logging.Formatter):
    """A record as a line of JSON; of an error its kind and place, not its words: they may quote."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "event": "server",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if record.name.startswith("uvicorn"):
            line["message"] = record.getMessage().strip()
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-5:]
            line["where"] = " < ".join(f"{f.name} {f.filename}:{f.lineno}" for f in frames[::-1])
        return json.dumps(line)


def _speak(stream: IO[str]) -> None:
    """Let warnings of libraries be lines of JSON on `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


def serve(urls: Mapping[str, str], settings: Settings, listener: socket) -> None:
    """Serve databases by name on a socket that is bound already, until a signal ends it."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    log = log_to(sys.stderr)
    app = build_app(urls, settings, log)
    _speak(sys.stderr)
    config = uvicorn.Config(
        app, access_log=False, log_config=None, server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS, lifespan="on",
    )  # fmt: skip
    _Server(config, app.state.runs.stop).run(sockets=[listener])
