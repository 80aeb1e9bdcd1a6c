"""A chat-completions server on loopback that misbehaves on purpose, over real HTTP.

Give it a function from the number of a request and its body to a `Reply`: a well-made one, or one
of `FAULTS`. It counts what it was asked and what it answered in full.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

GOOD = "```sql\nSELECT 1\n```"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to answer. `fault` names the way in which it goes wrong, "" for a good answer."""

    texts: tuple[str, ...] = (GOOD,)
    fault: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0
    logprobs: Mapping[str, float] | None = None
    tokens: tuple[int, int] | None = (100, 10)


def error(status: int, message: str, *, code: str | None = None, **headers: str) -> Reply:
    body = json.dumps({"error": {"message": message, "code": code, "type": "x"}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(fault=f"status {status}", status=status, body=body, headers=named)


FAULTS: dict[str, Reply] = {
    "429 with Retry-After": error(429, "slow down", Retry_After="0.05"),
    "429 without Retry-After": error(429, "slow down"),
    "500": error(500, "oops"),
    "slow first byte": Reply(fault="slow first byte", delay=0.3),
    "cut stream": Reply(fault="cut stream"),
    "invalid JSON": Reply(fault="invalid JSON", body=b'{"choices": [{"message": {"cont'),
    "empty choices": Reply(fault="empty choices", body=b'{"choices": [], "usage": null}'),
    "markdown": Reply(texts=("Here you are:\n\n```sql\nSELECT 1\n```\nIt counts **one**.",)),
    "several statements": Reply(texts=("```sql\nSELECT 2;\nSELECT 1;\n```",)),
    "think block": Reply(texts=("<think>SELECT 3? No.</think>\n```sql\nSELECT 1\n```",)),
    "wrong model": error(404, "The model does not exist", code="model_not_found"),
    "stall": Reply(fault="stall", delay=30.0),
}

TRICKLE = Reply(fault="trickle")  # not among FAULTS: only a deadline ends it


class FaultServer:
    """Serves while its `with` block runs."""

    def __init__(self, plan: Callable[[int, dict[str, Any]], Reply]) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.answered: Counter[str] = Counter()
        self.at_once = 0
        self.most_at_once = 0
        self._stop = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def next(self, raw: bytes, headers: Mapping[str, str]) -> tuple[dict[str, Any], Reply]:
        body = json.loads(raw)
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.raw.append(raw)
            self.headers.append(headers)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        return body, self._plan(number, body)

    def done(self, fault: str) -> None:
        with self._lock:
            self.answered[fault or "good"] += 1

    def left(self) -> None:
        with self._lock:
            self.at_once -= 1

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)


class _Server(ThreadingHTTPServer):
    owner: FaultServer
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the game."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/chat/completions"):
            self._send(Reply(status=404, body=b"{}"))
            return
        body, reply = self.server.owner.next(raw, dict(self.headers))
        if reply.delay:
            self.server.owner.sleep(reply.delay)
        self.server.owner.left()  # a client that has read its answer may send the next at once
        self._answer(body, reply)
        self.server.owner.done(reply.fault)

    def _answer(self, body: dict[str, Any], reply: Reply) -> None:
        if reply.fault == "cut stream":
            self._cut(body, reply)
        elif reply.fault == "trickle":
            self._trickle(body)
        elif reply.body is None and body.get("stream"):
            self._stream(reply)
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        content = reply.body if reply.body is not None else _completion(reply)
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _cut(self, body: dict[str, Any], reply: Reply) -> None:
        """Announce more than is sent, and hang up."""
        content = _completion(reply)
        self.send_response(200)
        if body.get("stream"):
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(_events(reply)[0])
        else:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _trickle(self, body: dict[str, Any]) -> None:
        """Begin at once and never end, byte by byte: no pause is as long as a timeout."""
        self.send_response(200)
        kind = "text/event-stream" if body.get("stream") else "application/json"
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.close_connection = True
        for _ in range(600):
            self.wfile.write(b":\n" if body.get("stream") else b" ")
            self.wfile.flush()
            self.server.owner.sleep(0.05)

    def _stream(self, reply: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in _events(reply):
            self.wfile.write(event)
            self.wfile.flush()
            time.sleep(0.001)
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Silence."""


def _usage(reply: Reply) -> dict[str, int] | None:
    if reply.tokens is None:
        return None
    return {"prompt_tokens": reply.tokens[0], "completion_tokens": reply.tokens[1]}


def _completion(reply: Reply) -> bytes:
    choices = [
        {
            "index": index,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
            "logprobs": _logprobs(reply),
        }
        for index, text in enumerate(reply.texts)
    ]
    return json.dumps(
        {"object": "chat.completion", "choices": choices, "usage": _usage(reply)}
    ).encode()


def _logprobs(reply: Reply) -> dict[str, Any] | None:
    if reply.logprobs is None:
        return None
    tops = [{"token": token, "logprob": value} for token, value in reply.logprobs.items()]
    return {"content": [{**tops[0], "top_logprobs": tops}]}


def _events(reply: Reply) -> list[bytes]:
    found: list[dict[str, Any]] = []
    for index, text in enumerate(reply.texts):
        found += [
            {"choices": [{"index": index, "delta": {"content": text[at : at + 7]}}]}
            for at in range(0, len(text), 7)
        ]
        found.append({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})
    found.append({"choices": [], "usage": _usage(reply)})
    return [b"data: " + json.dumps(one).encode() + b"\n\n" for one in found] + [b"data: [DONE]\n\n"]
