"""A language model that says what it is told to say: for tests, demonstrations and dry runs.

What is not covered: understanding anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from quorumsql.domain import Completion, ModelRequest, Usage
from quorumsql.errors import ModelUnavailable

__all__ = ["Scripted"]


class Scripted:
    """Replies with a list in order, or by a function of the request; keeps what it was asked."""

    def __init__(
        self, replies: Iterable[str] | Callable[[ModelRequest], str], *, name: str = "scripted"
    ) -> None:
        """Take the replies."""
        self.name = name
        self.requests: list[ModelRequest] = []
        self._lock = threading.Lock()
        self._by = replies if callable(replies) else None
        self._left = iter(()) if callable(replies) else iter(replies)

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        """Return the next `samples` replies.

        Raises:
            ModelUnavailable: the list is at its end.
        """
        del seconds  # a script is never late
        return tuple(self._one(request) for _ in range(samples))

    def _one(self, request: ModelRequest) -> Completion:
        with self._lock:
            self.requests.append(request)
            text = self._by(request) if self._by is not None else next(self._left, None)
        if text is None:
            raise ModelUnavailable(f"The script of {self.name!r} has no more replies.")
        asked = sum(len(message.text) for message in request.messages)
        usage = Usage(calls=1, input_tokens=asked // 4, output_tokens=len(text) // 4, usd=None)
        return Completion(text=text, usage=usage)
