"""What a thread returned or raised, on its way to the thread that waits for it.

    with Outcome[int]() as outcome:
        outcome.answer = (work(),)
    done.put(outcome)

The thread that waits calls `value`. So whatever a worker raises is raised where somebody sees it,
and nobody waits for a worker that died.

What is not covered: starting threads, and how long to wait.
"""

from __future__ import annotations

from types import TracebackType
from typing import Generic, Self, TypeVar

__all__ = ["Outcome"]

T = TypeVar("T")


class Outcome(Generic[T]):
    """Around the work of one thread: it takes what that raises."""

    def __init__(self) -> None:
        """Begin with nothing; `answer` is set by the work."""
        self.answer: tuple[T] | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._error = error
        return True  # raised again by `value`

    def value(self) -> T:
        """Return what the work returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        assert self.answer is not None
        return self.answer[0]
