"""Do several things at once, and keep the order in which they were given.

Each has a thread of its own: embedded members compute outside the interpreter's lock, prompted
ones wait for a network. The threads are daemons, so that Ctrl-C ends the process at once instead
of waiting for the slowest model. Variables of the caller's context hold in them too.

What is not covered: stopping what hangs. Models have deadlines of their own.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from types import TracebackType
from typing import Generic, TypeVar

from quorumsql.errors import ModelError

__all__ = ["together"]

T = TypeVar("T")


def together(jobs: Sequence[Callable[[], T]], *, names: Sequence[str] = ()) -> list[T | ModelError]:
    """Return what each job returned, or the `ModelError` that it raised.

    Anything else that a job raises is raised here. A single job runs in the caller's thread.
    """
    if len(jobs) == 1:
        return [_tried(jobs[0])]
    done: queue.SimpleQueue[_Outcome[T]] = queue.SimpleQueue()
    for number, job in enumerate(jobs):
        name = names[number] if names else None
        work = (copy_context().run, (_work, number, job, done))
        threading.Thread(target=work[0], args=work[1], name=name, daemon=True).start()
    outcomes: dict[int, T | ModelError] = {}
    while len(outcomes) < len(jobs):
        outcome = done.get()
        if outcome.error is not None:
            raise outcome.error
        assert outcome.answer is not None
        outcomes[outcome.number] = outcome.answer[0]
    return [outcomes[number] for number in range(len(jobs))]


def _tried(job: Callable[[], T]) -> T | ModelError:
    try:
        return job()
    except ModelError as error:
        return error


class _Outcome(Generic[T]):
    """Carries what a thread returned or raised to the thread that waits for it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.answer: tuple[T | ModelError] | None = None
        self.error: BaseException | None = None

    def __enter__(self) -> _Outcome[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.error = error
        return True  # raised again by the waiting thread


def _work(number: int, job: Callable[[], T], done: queue.SimpleQueue[_Outcome[T]]) -> None:
    with _Outcome[T](number) as outcome:
        outcome.answer = (_tried(job),)
    done.put(outcome)
