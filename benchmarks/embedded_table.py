"""The embedded members in one table: accuracy and latency beside the published systems.

Takes a run of `quorum eval spider` over all of Spider dev and prints, for each member, their
majority, the choice that ships and the oracle, how much is right on all of dev and on the 528
questions that 26 published systems answered; then those systems, by the same metric. Latency is
that of whole answers on warm connections, measured here: each member alone, then all.

    python benchmarks/embedded_table.py --data DIR --run runs/spider_dev [--low runs/low]
        [--questions 100] [--write]

`--low` is the same run with `--effort low`, where one member is asked. `--questions 0` measures
no latency, which takes an idle machine. `--write` puts both tables into docs/embedded.md.

What is not covered: what the published systems cost and how long they take; the pool does not say.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pool_record import asked
from quorumsql import connect
from quorumsql.config import load_settings
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.evals.metrics import accuracy, percentile
from quorumsql.evals.pool_lines import read_pool
from quorumsql.evals.predictions import read_predictions
from quorumsql.evals.summary import Summary, summarise

PAGE = Path(__file__).parent.parent / "docs" / "embedded.md"


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    run: Annotated[Path, typer.Option(help="A run over all of Spider dev.")] = Path(
        "runs/spider_dev"
    ),
    low: Annotated[Path | None, typer.Option(help="The same run with --effort low.")] = None,
    questions: Annotated[int, typer.Option(help="Questions to measure latency on.", min=0)] = 100,
    write: Annotated[bool, typer.Option("--write", help="Write them into the page, too.")] = False,
) -> None:
    """Print both tables."""
    text = "\n".join([*_embedded(run, low, data, questions), "", *_beside(data)])
    print(text)
    if write:
        page = PAGE.read_text(encoding="utf-8")
        marked = re.compile(r"(<!-- systems -->\n).*?(<!-- /systems -->)", re.DOTALL)
        page = marked.sub(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page)
        PAGE.write_text(page, encoding="utf-8")


def _embedded(run: Path, low: Path | None, data: Path, questions: int) -> Iterator[str]:
    predictions = list(read_predictions(run / "predictions.jsonl").values())
    pool = {int(str(line.id).rsplit("-", 1)[1]) for _, line in read_pool(_pool(data))}
    whole = summarise(predictions)
    shared = summarise([p for p in predictions if p.index in pool])
    names = sorted(whole["members"])
    tasks = load_spider(data / "spider/dev.json", data / "spider/database")
    spent = _latencies(tasks[:: max(len(tasks) // questions, 1)], names) if questions else {}
    yield (
        f"| embedded | dev, {whole['n']} questions, % | pool, {shared['n']} questions, % "
        "| median, ms | 95th, ms |"
    )
    yield "|---|---|---|---|---|"
    for name in names:
        yield _ours(
            f"`{name}` alone", whole["members"][name], shared["members"][name], spent.get(name)
        )
    yield _ours("majority of their first choices", whole["majority"], shared["majority"])
    if low is not None:
        fast = list(read_predictions(low / "predictions.jsonl").values())
        parts = (_chosen(summarise(fast)), _chosen(summarise([p for p in fast if p.index in pool])))
        yield _ours("**`--effort low`**: `columns` alone, not read", *parts, spent.get("low"))
    yield _ours(
        "**trained selection (default)**", _chosen(whole), _chosen(shared), spent.get("all")
    )
    yield _ours("oracle of all candidates", whole["oracle"], shared["oracle"])


def _beside(data: Path) -> Iterator[str]:
    yield "| published system | pool, % |"
    yield "|---|---|"
    for name, share, low, high in _published(data):
        yield f"| {name} | {100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f}) |"


def _pool(data: Path) -> Path:
    return data / "pools/spider_dev_a.jsonl"


def _chosen(summary: Summary) -> dict[str, Any]:
    return {"value": summary["execution_accuracy"], "ci95": summary["ci95"]}


def _ours(
    label: str,
    whole: dict[str, Any],
    shared: dict[str, Any],
    spent: Sequence[float] | None = None,
) -> str:
    low, high = whole["ci95"]
    times = (
        "– | –"
        if spent is None
        else f"{percentile(spent, 0.5):.0f} | {percentile(spent, 0.95):.0f}"
    )
    return (
        f"| {label} | {100 * whole['value']:.1f} ({100 * low:.1f} to {100 * high:.1f}) "
        f"| {100 * shared['value']:.1f} | {times} |"
    )


def _latencies(tasks: Sequence[Task], names: Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds per answer of each member alone, of "all", and with "low" effort.

    A first question warms up.
    """
    groups: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        groups[task.database].append(task)
    spent: dict[str, list[float]] = {}
    ways: dict[str, dict[str, Any]] = {name: {"generators": [name]} for name in names}
    ways |= {"all": {"generators": ["embedded"]}, "low": {"effort": "low"}}
    for name, chosen in ways.items():
        settings = load_settings(overrides=chosen)
        first = None
        spent[name] = []
        for path, own in groups.items():
            with connect(path, settings=settings, like=first) as connection:
                connection.ask(own[0].question)
                first = first or connection
                for task in own:
                    started = time.perf_counter()
                    connection.ask(task.question)
                    spent[name].append((time.perf_counter() - started) * 1000)
    return spent


def _published(data: Path) -> list[tuple[str, float, float, float]]:
    """Every system of the pool with its accuracy by our metric, best first."""
    right: defaultdict[str, list[bool]] = defaultdict(list)
    clusters: defaultdict[str, list[str]] = defaultdict(list)
    for row in asked(data):
        for candidate, correct in zip(row.candidates, row.right, strict=True):
            right[candidate.generator].append(correct)
            clusters[candidate.generator].append(row.db_id)
    found = {name: accuracy(right[name], clusters[name]) for name in right}
    ranked = sorted(found.items(), key=lambda item: (-item[1].value, item[0]))
    return [(name, each.value, each.low, each.high) for name, each in ranked]


if __name__ == "__main__":
    typer.run(main)
