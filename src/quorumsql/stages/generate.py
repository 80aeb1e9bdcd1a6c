"""Ask every generator at once, and keep the order in which they were given.

Each generator has a thread of its own: embedded members compute outside the interpreter's
lock, prompted ones wait for a network. The threads are daemons, so that Ctrl-C ends the
process at once instead of waiting for the slowest model.

What is not covered: stopping a generator that hangs. Generators have deadlines of their own.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from quorumsql.domain import Brief, Candidate
from quorumsql.errors import ModelError
from quorumsql.ports import Generator

__all__ = ["generate"]


def generate(
    generators: Sequence[Generator],
    brief: Brief,
    *,
    hypotheses: int | None = None,
    on_lost: Callable[[str, ModelError], None] | None = None,
) -> tuple[Candidate, ...]:
    """Return the candidates of all generators, generator after generator, best first.

    Args:
        generators: asked in parallel; the result has their order, not that of finishing.
        brief: what each of them sees.
        hypotheses: keep at most this many candidates of each generator; None keeps all.
        on_lost: told the name and the error of a generator that raised `ModelError`. The
            others are not affected.

    Raises:
        ModelError: every generator failed, so there is nothing to go on with.
    """
    if len(generators) == 1:
        outcomes = [_ask(generators[0], brief)]
    else:
        outcomes = _ask_all(generators, brief)
    candidates: list[Candidate] = []
    lost: list[ModelError] = []
    for generator, outcome in zip(generators, outcomes, strict=True):
        if isinstance(outcome, ModelError):
            lost.append(outcome)
            if on_lost is not None:
                on_lost(generator.name, outcome)
        else:
            candidates.extend(outcome[:hypotheses])
    if lost and len(lost) == len(generators):
        raise lost[0]
    return tuple(candidates)


def _ask(generator: Generator, brief: Brief) -> tuple[Candidate, ...] | ModelError:
    try:
        return generator.generate(brief)
    except ModelError as error:
        return error


def _ask_all(
    generators: Sequence[Generator], brief: Brief
) -> list[tuple[Candidate, ...] | ModelError]:
    done: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
    for number, generator in enumerate(generators):
        threading.Thread(
            target=_work, args=(number, generator, brief, done), name=generator.name, daemon=True
        ).start()
    outcomes: dict[int, tuple[Candidate, ...] | ModelError] = {}
    while len(outcomes) < len(generators):
        outcome = done.get()
        if outcome.error is not None:
            raise outcome.error
        outcomes[outcome.number] = outcome.answer
    return [outcomes[number] for number in range(len(generators))]


class _Outcome:
    """Carries what a thread returned or raised to the thread that waits for it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.answer: tuple[Candidate, ...] | ModelError = ()
        self.error: BaseException | None = None

    def __enter__(self) -> _Outcome:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.error = error
        return True  # raised again by the waiting thread


def _work(
    number: int, generator: Generator, brief: Brief, done: queue.SimpleQueue[_Outcome]
) -> None:
    with _Outcome(number) as outcome:
        outcome.answer = _ask(generator, brief)
    done.put(outcome)
