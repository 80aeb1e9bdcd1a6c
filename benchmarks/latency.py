"""How long an answer takes: warm, as a cold process, and how heavy `import quorumsql` is.

    python benchmarks/latency.py --data DIR [--questions 300] [--runs 5] [--effort low]

Warm: one connection per database, its first question not counted (it loads the members and
builds the value index). Cold: `quorum ask` as a process of its own, with its peak memory.

What is not covered: language models, other engines than SQLite.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from quorumsql import connect
from quorumsql.config import load_settings
from quorumsql.errors import ModelError
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.evals.metrics import percentile

_QUORUM = str(Path(sys.executable).with_name("quorum"))
_HEAVY = ("onnxruntime", "pandas", "torch", "sqlalchemy", "sqlglot", "numpy", "tokenizers")


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    questions: Annotated[int, typer.Option(help="How many warm questions.", min=1)] = 300,
    runs: Annotated[int, typer.Option(help="How many cold processes.", min=1)] = 5,
    effort: Annotated[str, typer.Option(help="low, medium or high.")] = "medium",
) -> None:
    """Print three Markdown tables."""
    tasks = load_spider(data / "spider/dev.json", data / "spider/database")
    _print_import(runs)
    # First: until it executes, a child counts its parent's memory as its own.
    _print_cold(data, runs, effort)
    try:
        _print_warm(_spread(tasks, questions), effort)
    except ModelError as error:
        print(f"No embedded members to measure: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _spread(tasks: tuple[Task, ...], count: int) -> list[Task]:
    """Every n-th question, so that all databases are there."""
    step = max(1, len(tasks) // count)
    return list(tasks[::step][:count])


def _print_import(runs: int) -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import quorumsql; "
        "s = time.perf_counter() - t; "
        f"print(s * 1000, *(m for m in {_HEAVY!r} if m in sys.modules))"
    )
    found = [_python("-c", code).split() for _ in range(runs)]
    spent = [float(words[0]) for words in found]
    heavy = sorted({name for words in found for name in words[1:]})
    print("| `import quorumsql` | |\n|---|---|")
    print(f"| median of {runs}, ms | {statistics.median(spent):.0f} |")
    print(f"| heavy modules imported | {', '.join(heavy) or 'none'} |\n")


def _python(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _print_warm(tasks: list[Task], effort: str) -> None:
    """Ask `tasks` on warm connections and print quantiles per stage."""
    settings = load_settings(overrides={"effort": effort})
    groups: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        groups[task.database].append(task)
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for path, group in groups.items():
        with connect(path, settings=settings) as connection:
            connection.ask(group[0].question)
            for task in group:
                started = time.perf_counter()
                answer = connection.ask(task.question)
                spent["whole answer"].append((time.perf_counter() - started) * 1000)
                for stage, milliseconds in answer.timings_ms.items():
                    spent[stage].append(milliseconds)
    print(f"| warm, {len(tasks)} questions, {len(groups)} databases | median, ms | p95, ms |")
    print("|---|---|---|")
    for stage, values in spent.items():
        print(f"| {stage} | {percentile(values, 0.5):.1f} | {percentile(values, 0.95):.1f} |")
    print()


def _print_cold(data: Path, runs: int, effort: str) -> None:
    database = data / "spider/database/world_1/world_1.sqlite"
    question = "Which countries have a population above 80000000?"
    command = [
        *(_QUORUM, "ask", "--json", "--effort", effort),
        *("--db", str(database), question),
    ]
    seconds, megabytes = zip(*(_measure(command) for _ in range(runs)), strict=True)
    print("| `quorum ask`, cold process | median | worst |\n|---|---|---|")
    print(f"| wall, s | {statistics.median(seconds):.2f} | {max(seconds):.2f} |")
    print(f"| peak memory, MB | {statistics.median(megabytes):.0f} | {max(megabytes):.0f} |")


def _measure(command: list[str]) -> tuple[float, float]:
    """Return wall seconds and peak resident megabytes of a process that must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait again
    if process.returncode not in {0, 3}:
        raise typer.Exit(process.returncode)
    json.loads(text)
    per_megabyte = 1024 * 1024 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss / per_megabyte


if __name__ == "__main__":
    typer.run(main)
