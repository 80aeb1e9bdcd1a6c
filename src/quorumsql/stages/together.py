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
from typing import TypeVar

from quorumsql.errors import ModelError
from quorumsql.outcome import Outcome

__all__ = ["together"]

T = TypeVar("T")


def together(jobs: Sequence[Callable[[], T]], *, names: Sequence[str] = ()) -> list[T | ModelError]:
    """Return what each job returned, or the `ModelError` that it raised.

    Anything else that a job raises is raised here. A single job runs in the caller's thread.
    """
    if len(jobs) == 1:
        return [_tried(jobs[0])]
    done: queue.SimpleQueue[tuple[int, Outcome[T | ModelError]]] = queue.SimpleQueue()
    for number, job in enumerate(jobs):
        name = names[number] if names else None
        work = (copy_context().run, (_work, number, job, done))
        threading.Thread(target=work[0], args=work[1], name=name, daemon=True).start()
    found: dict[int, T | ModelError] = {}
    while len(found) < len(jobs):
        number, outcome = done.get()
        found[number] = outcome.value()
    return [found[number] for number in range(len(jobs))]


def _tried(job: Callable[[], T]) -> T | ModelError:
    try:
        return job()
    except ModelError as error:
        return error


def _work(
    number: int, job: Callable[[], T], done: queue.SimpleQueue[tuple[int, Outcome[T | ModelError]]]
) -> None:
    with Outcome[T | ModelError]() as outcome:
        outcome.answer = (_tried(job),)
    done.put((number, outcome))
