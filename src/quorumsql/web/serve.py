"""Listens: the application behind uvicorn, which stops in good order.

On SIGTERM or Ctrl-C no new request is taken, listeners of streams are told, what is being
answered may end, and then the databases are given back.

What is not covered: TLS and several processes; a proxy in front does both.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from types import FrameType

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

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in good order."""
        super().handle_exit(sig, frame)
        self._on_exit()


def serve(urls: Mapping[str, str], settings: Settings, *, host: str, port: int) -> None:
    """Serve databases by name until a signal ends it."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    log = log_to(sys.stderr)
    app = build_app(urls, settings, log)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app, host=host, port=port, access_log=False, log_level="warning", server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS, lifespan="on",
    )  # fmt: skip
    _Server(config, app.state.runs.stop).run()
