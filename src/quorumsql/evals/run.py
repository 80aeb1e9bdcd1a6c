"""Run a benchmark: ask every question, score it, keep everything in one folder.

The folder holds config.json (what was run), predictions.jsonl (one line per question, on
disk as soon as it is answered), summary.json and report.html. Running again with the same
configuration continues where the last run stopped.

What is not covered: spreading a run over machines; two runs into one folder at a time.
"""

from __future__ import annotations

import json
import multiprocessing
import queue
import signal
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from quorumsql.errors import ConfigError, ModelError, QuorumError, UsageError
from quorumsql.evals.datasets import Task
from quorumsql.evals.predictions import Prediction, read_predictions, to_line, write_atomically
from quorumsql.evals.report import render_report
from quorumsql.evals.summary import Summary, summarise
from quorumsql.evals.worker import Answerer, answer_all

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

__all__ = ["Config", "Watch", "evaluate"]

Config: TypeAlias = Mapping[str, object]
Watch: TypeAlias = Callable[[Prediction], None]
_Job: TypeAlias = list[Task]
_Event: TypeAlias = "Prediction | QuorumError | None"


def evaluate(
    tasks: Sequence[Task],
    answerer: Answerer,
    *,
    out: Path,
    config: Config,
    workers: int = 1,
    watch: Watch = lambda _: None,
) -> Summary:
    """Answer and score `tasks`, write the run's files into `out`, return the summary.

    Args:
        tasks: the questions; each counts once in the denominator, whatever happens to it.
        answerer: opens databases for asking; it never sees a task.
        out: the run's folder, made when absent.
        config: what identifies the run, as plain JSON. A folder that was made with another
            one is refused, so that no run mixes two configurations.
        workers: processes; each takes the questions of one database at a time.
        watch: told every prediction, those of an earlier part of the run first.

    Raises:
        ConfigError: `out` holds a run with another configuration.
        UsageError: the folder or a file in it cannot be read or written.
        ModelError: a generator cannot be loaded.
    """
    if workers < 1:
        raise UsageError(f"{workers} workers cannot answer: give 1 or more.")
    _claim(out, config)
    path = out / "predictions.jsonl"
    done = read_predictions(path)
    _check_same_questions(path, tasks, done)
    for prediction in done.values():
        watch(prediction)
    jobs = _by_database([task for task in tasks if task.index not in done])
    produce = _in_processes if workers > 1 and len(jobs) > 1 else _in_process
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            with closing(produce(jobs, answerer, workers)) as predictions:
                for prediction in predictions:
                    file.write(to_line(prediction))
                    file.flush()
                    done[prediction.index] = prediction
                    watch(prediction)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from error
    return _finish(out, tasks, done, config)


def _claim(out: Path, config: Config) -> None:
    """Write `config` into the folder, or compare it with the one that is there."""
    path = out / "config.json"
    wanted = json.loads(json.dumps(config, default=str))
    try:
        out.mkdir(parents=True, exist_ok=True)
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_atomically(path, [json.dumps(wanted, indent=2, ensure_ascii=False), "\n"])
        return
    except OSError as error:
        raise UsageError(f"{out}: cannot hold a run: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON; remove {out} to start over.") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: is not a run's configuration; choose another --out.")
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            raise ConfigError(
                f"{out} holds a run with {key} = {_short(found.get(key))}, this one has "
                f"{_short(wanted.get(key))}: choose another --out, or remove the folder."
            )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:119] + "…"


def _check_same_questions(
    path: Path, tasks: Sequence[Task], done: Mapping[int, Prediction]
) -> None:
    questions = {task.index: (task.db_id, task.question) for task in tasks}
    for index, prediction in done.items():
        if questions.get(index) != (prediction.db_id, prediction.question):
            raise ConfigError(f"{path}: answers another question {index}; choose another --out.")


def _by_database(tasks: Sequence[Task]) -> list[_Job]:
    """Group tasks by database, the largest group first so that workers end together."""
    groups: defaultdict[Path, _Job] = defaultdict(list)
    for task in tasks:
        groups[task.database].append(task)
    return sorted(groups.values(), key=lambda job: (-len(job), job[0].db_id))


def _in_process(
    jobs: Sequence[_Job], answerer: Answerer, workers: int
) -> Generator[Prediction, None, None]:
    assert workers >= 1
    for job in jobs:
        yield from answer_all(job, answerer)


def _in_processes(
    jobs: Sequence[_Job], answerer: Answerer, workers: int
) -> Generator[Prediction, None, None]:
    """Yield predictions of several processes as they come.

    Processes are spawned, because forking one that has run onnxruntime threads can hang.
    """
    context = multiprocessing.get_context("spawn")
    todo: Queue[_Job | None] = context.Queue()
    events: Queue[_Event] = context.Queue()
    count = min(workers, len(jobs))
    for job in (*jobs, *[None] * count):
        todo.put(job)
    processes = [
        context.Process(target=_work, args=(answerer, todo, events), daemon=True)
        for _ in range(count)
    ]
    with _running(processes):
        finished = 0
        while finished < count:
            event = _next(events, processes)
            if isinstance(event, QuorumError):
                raise event
            if event is None:
                finished += 1
            else:
                yield event


def _next(events: Queue[_Event], processes: Sequence[SpawnProcess]) -> _Event:
    """Wait for an event; notice a worker that died without a word."""
    while True:
        try:
            return events.get(timeout=1.0)
        except queue.Empty:
            dead = [p.exitcode for p in processes if p.exitcode not in {None, 0}]
            if dead:
                raise UsageError(
                    f"A worker process died (exit {dead[0]}), perhaps for want of memory: run "
                    "the same command again to continue, with fewer --workers."
                ) from None


@contextmanager
def _running(processes: Sequence[SpawnProcess]) -> Iterator[None]:
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _work(answerer: Answerer, todo: Queue[_Job | None], events: Queue[_Event]) -> None:
    """Answer jobs until there is none left, or nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends us
    parent = multiprocessing.parent_process()
    try:
        while (job := todo.get()) is not None:
            for prediction in answer_all(job, answerer):
                if parent is None or not parent.is_alive():
                    return
                events.put(prediction)
    except QuorumError as error:  # rebuilt: not every one of them pickles
        kind = ModelError if isinstance(error, ModelError) else UsageError
        events.put(kind(str(error)))
        return
    events.put(None)


def _finish(
    out: Path, tasks: Sequence[Task], done: Mapping[int, Prediction], config: Config
) -> Summary:
    """Put the lines in order of the questions, and write summary and report."""
    predictions = [done[task.index] for task in sorted(tasks, key=lambda task: task.index)]
    write_atomically(out / "predictions.jsonl", map(to_line, predictions))
    summary = summarise(predictions)
    write_atomically(
        out / "summary.json", [json.dumps(summary, indent=2, ensure_ascii=False), "\n"]
    )
    gold = {task.index: task.gold for task in tasks}
    write_atomically(out / "report.html", [render_report(summary, predictions, gold, config)])
    return summary
