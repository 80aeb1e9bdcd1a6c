"""Run a benchmark: ask every question, score it, keep everything in one folder.

The folder holds config.json (what was run), predictions.jsonl (one line per question, on
disk as soon as it is answered), summary.json, report.html and report.md. Running again with the
same configuration continues where the last run stopped.

What is not covered: keeping two processes from one folder where the system has no file locks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from quorumsql.disk import write_atomically
from quorumsql.errors import ConfigError, UsageError
from quorumsql.evals.compare import compare, read_run
from quorumsql.evals.crew import I, Processes, R, Work, share, steps
from quorumsql.evals.datasets import Task
from quorumsql.evals.filters import Filter
from quorumsql.evals.judge import Metric
from quorumsql.evals.predictions import Prediction, read_predictions, to_line
from quorumsql.evals.report import render_report
from quorumsql.evals.report_markdown import render_markdown
from quorumsql.evals.summary import Summary, summarise
from quorumsql.evals.unfinished import locked
from quorumsql.evals.worker import GOLD_FAILS, Answerer, Evaluation, GoldAsPrediction

__all__ = ["Config", "Executor", "View", "Watch", "evaluate", "results_of"]

Config: TypeAlias = Mapping[str, object]
Watch: TypeAlias = Callable[[Prediction], None]
Executor: TypeAlias = Literal["processes", "ray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a run is looked at; it changes no answer, so a rerun may have another.

    `slices` are filter expressions whose accuracy is reported, `against` is the folder of a run
    to compare with.
    """

    slices: tuple[Filter, ...] = ()
    against: Path | None = None


def evaluate(
    tasks: Sequence[Task],
    answerer: Answerer | GoldAsPrediction,
    *,
    out: Path,
    config: Config,
    workers: int = 1,
    executor: Executor = "processes",
    metric: Metric = "strict",
    repeats: int = 0,
    view: View | None = None,
    watch: Watch = lambda _: None,
) -> Summary:
    """Answer and score `tasks`, write the run's files into `out`, return the summary.

    Args:
        tasks: the questions; each counts once in the denominator, whatever happens to it.
        answerer: opens databases for asking; it never sees a task.
        out: the run's folder, made when absent.
        config: what identifies the run, as plain JSON. A folder that was made with another
            one is refused, so that no run mixes two configurations.
        workers: how many questions are answered at a time.
        executor: where workers live: processes of this machine, or a Ray cluster.
        metric: what makes an answer right (`judge`).
        repeats: how often BIRD's R-VES runs a right statement and its gold; 0 leaves it out.
        view: what the report shows beside the usual.
        watch: told every prediction, those of an earlier part of the run first.

    Raises:
        ConfigError: `out` holds a run with another configuration.
        UsageError: the folder or a file in it cannot be read or written.
        ModelError: a generator cannot be loaded.
    """
    view = view or View()
    other = None if view.against is None else read_run(view.against)
    _claim(out, config)
    path = out / "predictions.jsonl"
    done = read_predictions(path)
    _check_same_questions(path, tasks, done)
    for index in [index for index, prediction in done.items() if _deserves_another_try(prediction)]:
        del done[index]
    for prediction in done.values():
        watch(prediction)
    todo = [task for task in tasks if task.index not in done]
    work = Evaluation(answerer=answerer, metric=metric, repeats=repeats)
    results = results_of(todo, work, workers=workers, executor=executor)
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file, closing(results):
            locked(file, out)
            for prediction in results:
                file.write(to_line(prediction))
                file.flush()
                done[prediction.index] = prediction
                watch(prediction)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from error
    predictions = [done[task.index] for task in sorted(tasks, key=lambda task: task.index)]
    return _finish(out, predictions, config, view, other)


def results_of(
    items: Sequence[I], work: Work[I, R], *, workers: int, executor: Executor
) -> Generator[R, None, None]:
    """Yield a result per item as they come, from where `executor` says.

    Raises:
        UsageError: no worker, or Ray is wanted and cannot be reached.
        MissingExtra: Ray is wanted and not installed.
    """
    if workers < 1:
        raise UsageError(f"{workers} workers cannot answer: give 1 or more.")
    workers = min(workers, len(items))
    if not items:
        return
    if executor == "ray":
        from quorumsql.evals.ray_crew import RayCrew

        yield from share(items, work, RayCrew(work, workers=workers), workers=workers)
    elif workers > 1:
        yield from share(items, work, Processes(work), workers=workers)
    else:
        yield from steps(items, work)


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
            if key == "questions_sha256" and found.get(key) is not None:
                raise ConfigError(
                    f"{out} holds a run with what {wanted.get('questions')} was before it changed: "
                    "its answers and verdicts may be about other questions or gold. Choose another "
                    "--out, or remove the folder."
                )
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


def _deserves_another_try(prediction: Prediction) -> bool:
    """Whether a rerun asks again: what went wrong was neither the gold query nor the answer."""
    why = prediction.unscored
    return why is not None and not why.startswith(GOLD_FAILS)


def _finish(
    out: Path,
    predictions: Sequence[Prediction],
    config: Config,
    view: View,
    other: Mapping[int, Prediction] | None,
) -> Summary:
    """Put the lines in order of the questions, and write summary and reports."""
    write_atomically(out / "predictions.jsonl", map(to_line, predictions))
    summary = summarise(predictions, slices=view.slices)
    comparison = None
    if other is not None:
        comparison = compare(other.values(), predictions, names=(str(view.against), str(out)))
        summary["comparison"] = comparison.summary()
    write_atomically(
        out / "summary.json", [json.dumps(summary, indent=2, ensure_ascii=False), "\n"]
    )
    page = render_report(summary, predictions, config, comparison)
    write_atomically(out / "report.html", [page])
    text = render_markdown(summary, predictions, config, comparison)
    write_atomically(out / "report.md", [text])
    return summary
