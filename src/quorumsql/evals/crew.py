"""Share questions among workers that may die, so that each is answered exactly once.

A `Crew` is where workers live: in this process, in processes of this machine, or on a Ray cluster
(`ray_crew`). The rules are here and the same for all: workers are given small jobs, all questions
of a job about one database; what a dead worker had not answered goes back to the queue; a question
during which two workers died is not tried a third time and comes back as lost, with the reason.

What is not covered: a worker that hangs. Statements have deadlines of their own, and so do models.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, Protocol, TypeVar

from quorumsql.errors import ModelError, QuorumError, UsageError

__all__ = ["Crew", "Died", "Item", "Processes", "Result", "Work", "plain", "share", "steps"]

_LARGEST_JOB = 16
_JOBS_PER_WORKER = 4
_LIVES = 2
_DEATHS_IN_VAIN = 3
_LOST_IN_VAIN = 5
"""A worker that dies before it has a question dies of something else, and so do all of them where
not one question is answered; single questions that kill workers must not end the work."""


class Item(Protocol):
    """What is shared: anything with a place in its file and a database."""

    @property
    def index(self) -> int:
        """Place in the file of questions."""
        ...

    @property
    def database(self) -> str:
        """Path or URL."""
        ...


I = TypeVar("I", bound=Item)  # noqa: E741 - items and results
R = TypeVar("R")
I_contra = TypeVar("I_contra", bound=Item, contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Work(Protocol[I_contra, R_co]):
    """What workers do. It must pickle where they are not in this process."""

    def session(self) -> AbstractContextManager[Callable[[Sequence[I_contra]], Iterator[R_co]]]:
        """Return what answers jobs one after another and yields a result per item, in order."""
        ...

    def lost(self, item: I_contra, why: str) -> R_co:
        """Return the result of an item that cannot be answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """A worker is no more; `why` says what is known of it."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Generic[R]):
    """One item's result, on its way to whoever asked."""

    value: R


class Crew(Protocol[I_contra, R]):
    """Workers of one kind, known by number."""

    def hire(self) -> int:
        """Start a worker; it says when it is ready."""
        ...

    def give(self, worker: int, job: Sequence[I_contra]) -> None:
        """Hand a job to a worker that is ready."""
        ...

    def next(self) -> tuple[int, Result[R] | Died | QuorumError | None]:
        """Wait for the next event of any worker; None says that it is ready for a job."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


def steps(items: Sequence[I], work: Work[I, R]) -> Generator[R, None, None]:
    """Do everything in this process, database by database."""
    with work.session() as answer:
        for job in _Queue(items, largest=len(items)).rest():
            yield from answer(job)


def share(
    items: Sequence[I], work: Work[I, R], crew: Crew[I, R], *, workers: int
) -> Generator[R, None, None]:
    """Yield one result per item, in the order in which they come; end the crew.

    Raises:
        UsageError: workers die before they have answered anything.
        QuorumError: a worker raised one.
    """
    most = -(-len(items) // (workers * _JOBS_PER_WORKER))
    queue = _Queue(items, largest=max(1, min(_LARGEST_JOB, most)))
    deaths: Counter[int] = Counter()
    answered = lost = 0
    with closing(crew):
        holding: dict[int, deque[I]] = {crew.hire(): deque() for _ in range(workers)}
        idle: list[int] = []
        while queue or any(holding.values()):
            worker, event = crew.next()
            match event:
                case Result(value=value):
                    holding[worker].popleft()
                    answered += 1
                    yield value
                case QuorumError():
                    raise event
                case Died(why=why):
                    left = holding.pop(worker)
                    idle = [other for other in idle if other != worker]
                    deaths[left[0].index if left else -1] += 1
                    if left and deaths[left[0].index] >= _LIVES:
                        words = f"{_LIVES} workers died while they answered this question: {why}"
                        yield work.lost(left.popleft(), words)
                        lost += 1
                    if deaths[-1] >= _DEATHS_IN_VAIN or (not answered and lost >= _LOST_IN_VAIN):
                        raise UsageError(
                            f"Workers die without answering anything ({why}), perhaps for want "
                            "of memory: run the same command again with fewer --workers."
                        )
                    queue.put_back(left)
                    if queue:
                        holding[crew.hire()] = deque()
                case _:
                    idle.append(worker)
            while idle and queue:
                ready = idle.pop()
                job = queue.take(ready)
                holding[ready] = deque(job)
                crew.give(ready, job)


class _Queue(Generic[I]):
    """Items as jobs. A worker gets the database it had last, else the one with most to do."""

    def __init__(self, items: Sequence[I], *, largest: int) -> None:
        self._largest = largest
        self._todo: dict[str, deque[I]] = {}
        self._last: dict[int, str] = {}
        self.put_back(items)

    def __bool__(self) -> bool:
        return bool(self._todo)

    def put_back(self, items: Sequence[I]) -> None:
        for item in reversed(items):
            self._todo.setdefault(item.database, deque()).appendleft(item)

    def take(self, worker: int) -> list[I]:
        last = self._last.get(worker, "")
        name = last if last in self._todo else self._longest()
        self._last[worker] = name
        pile = self._todo[name]
        job = [pile.popleft() for _ in range(min(self._largest, len(pile)))]
        if not pile:
            del self._todo[name]
        return job

    def rest(self) -> Iterator[list[I]]:
        while self._todo:
            yield self.take(0)

    def _longest(self) -> str:
        return max(self._todo, key=lambda name: len(self._todo[name]))


class Processes(Generic[I, R]):
    """Workers as processes of this machine.

    They are spawned, because forking a process that has run onnxruntime threads can hang.
    """

    def __init__(self, work: Work[I, R]) -> None:
        """Take what the workers do; none is started yet."""
        self._work = work
        self._context = multiprocessing.get_context("spawn")
        self._living: dict[int, tuple[SpawnProcess, Connection]] = {}
        self._hired = 0

    def hire(self) -> int:
        """Start a process."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._work, theirs), daemon=True)
        process.start()
        theirs.close()
        self._hired += 1
        self._living[self._hired] = process, ours
        return self._hired

    def give(self, worker: int, job: Sequence[I]) -> None:
        """Send a job; a worker that is gone will be noticed by `next`."""
        try:
            self._living[worker][1].send(list(job))
        except OSError:
            return

    def next(self) -> tuple[int, Result[R] | Died | QuorumError | None]:
        """Wait for what any process says, or for its end."""
        numbers: Mapping[Connection, int] = {pipe: n for n, (_, pipe) in self._living.items()}
        pipe = wait(list(numbers))[0]
        assert isinstance(pipe, Connection)
        number = numbers[pipe]
        try:
            return number, pipe.recv()
        except (EOFError, OSError):
            process, _ = self._living.pop(number)
            process.join()
            pipe.close()
            return number, Died(why=f"its process ended with exit code {process.exitcode}")

    def close(self) -> None:
        """Terminate all processes."""
        for process, pipe in self._living.values():
            process.terminate()
            pipe.close()
        for process, _ in self._living.values():
            process.join()
        self._living = {}


def plain(error: QuorumError) -> QuorumError:
    """Return an error that pickles, which not every one of them does."""
    return (ModelError if isinstance(error, ModelError) else UsageError)(str(error))


def _serve(work: Work[I, R], pipe: Connection) -> None:
    """Do jobs until there are no more, or nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends us
    try:
        with work.session() as answer:
            while True:
                pipe.send(None)
                for value in answer(pipe.recv()):
                    pipe.send(Result(value=value))
    except QuorumError as error:
        pipe.send(plain(error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
