"""Recorded conversations, served over real HTTP.

Each file of `data/llm` holds the requests of one conversation, to the byte, and the replies. A
request that was not recorded gets status 400, so that no prompt changes unseen. To record anew, run
the tests with RECORD_CONVERSATIONS=1: the replies then come from the tests, the requests from us.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fault_server import Reply, error

FOLDER = Path(__file__).parent / "data" / "llm"


class Conversation:
    """A plan for `FaultServer` that replays a file; with `replies` it can record one."""

    def __init__(self, name: str, replies: Sequence[str]) -> None:
        self._path = FOLDER / f"{name}.jsonl"
        self._replies = list(replies)
        self._lock = threading.Lock()
        self.recording = os.environ.get("RECORD_CONVERSATIONS") == "1"
        self.unknown: list[dict[str, Any]] = []
        self._known: list[dict[str, Any]] = []
        if not self.recording:
            lines = self._path.read_text(encoding="utf-8").splitlines()
            self._known = [json.loads(line) for line in lines]

    def __call__(self, number: int, body: dict[str, Any]) -> Reply:
        with self._lock:
            if self.recording:
                text = self._replies[number]
                self._known.append({"request": body, "reply": text})
                lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in self._known)
                self._path.write_text("".join(lines), encoding="utf-8", newline="\n")
                return Reply(texts=(text,))
            for position, one in enumerate(self._known):
                if one["request"] == body:
                    del self._known[position]
                    return Reply(texts=(one["reply"],))
            self.unknown.append(body)
            return error(400, "this was not recorded")

    @property
    def left(self) -> int:
        """How many recorded requests were not made."""
        return 0 if self.recording else len(self._known)
