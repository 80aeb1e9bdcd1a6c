"""Workers as actors on a Ray cluster, or on a local Ray where none is named.

Ray's own retries are off: `crew.share` knows which questions a dead worker had answered, and hands
on only the others. Workers must be able to import quorumsql and to reach the databases by the same
paths or URLs. Ray's usage statistics are never sent.

What is not covered: starting a cluster. `ray start` does that; RAY_ADDRESS names it.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Generic

from quorumsql.config import without_ray_telemetry
from quorumsql.errors import MissingExtra, QuorumError, UsageError
from quorumsql.evals.crew import Died, I, R, Result, Work, plain

__all__ = ["RayCrew"]


class RayCrew(Generic[I, R]):
    """Ray actors, one processor each; those that find no processor yet just start later."""

    def __init__(self, work: Work[I, R], *, workers: int) -> None:
        """Connect to Ray, or start it here with room for `workers`.

        Raises:
            MissingExtra: Ray is not installed.
            UsageError: the cluster cannot be reached.
        """
        if importlib.util.find_spec("ray") is None:
            raise MissingExtra("--executor ray", "ray")
        without_ray_telemetry()
        import ray

        self._ray: Any = ray
        self._owns = not ray.is_initialized()
        if self._owns:
            _connect(ray, workers)
        self._actor: Any = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._work = ray.put(work)
        self._actors: dict[int, Any] = {}
        self._waiting: dict[Any, int] = {}  # what will have the next event of which worker
        self._hired = 0

    def hire(self) -> int:
        """Ask for an actor."""
        self._hired += 1
        actor = self._actors[self._hired] = self._actor.remote(self._work)
        self._waiting[actor.ready.options(num_returns="streaming").remote()] = self._hired
        return self._hired

    def give(self, worker: int, job: Sequence[I]) -> None:
        """Send a job."""
        answers = self._actors[worker].answer.options(num_returns="streaming").remote(list(job))
        self._waiting[answers] = worker

    def next(self) -> tuple[int, Result[R] | Died | QuorumError | None]:
        """Wait for what any actor says, or for its end."""
        done, _ = self._ray.wait(list(self._waiting), num_returns=1, fetch_local=False)
        answers = done[0]
        worker = self._waiting[answers]
        try:
            return worker, self._ray.get(next(answers))
        except StopIteration:
            del self._waiting[answers]
            return worker, None
        except (
            self._ray.exceptions.RayActorError,
            self._ray.exceptions.WorkerCrashedError,
            self._ray.exceptions.ObjectLostError,
        ) as error:
            del self._waiting[answers]
            self._ray.kill(self._actors.pop(worker))
            said = str(error).strip().splitlines()[-1:]
            return worker, Died(why=f"Ray: {type(error).__name__}, {' '.join(said)[:200]}")

    def close(self) -> None:
        """End the actors, and Ray where it was started here."""
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors, self._waiting = {}, {}
        if self._owns:
            self._ray.shutdown()


class _Actor(Generic[I, R]):
    """One worker; it lives in a process of its own, somewhere."""

    def __init__(self, work: Work[I, R]) -> None:
        self._stack = ExitStack()
        self._work = work
        self._answer: Any = None

    def ready(self) -> Iterator[QuorumError]:
        """Prepare; say only what went wrong."""
        try:
            self._answer = self._stack.enter_context(self._work.session())
        except QuorumError as error:
            yield plain(error)

    def answer(self, job: Sequence[I]) -> Iterator[Result[R] | QuorumError]:
        """Yield a result for each item."""
        try:
            for value in self._answer(job):
                yield Result(value=value)
        except QuorumError as error:
            yield plain(error)


def _connect(ray: Any, workers: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    try:
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:  # there is no cluster: one of our own, on this machine
            ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UsageError(f"Ray cannot be reached or started: {reason}") from error
