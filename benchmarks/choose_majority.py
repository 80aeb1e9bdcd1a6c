"""Majority choice on answers of 26 published systems: execution accuracy, interval, seconds.

Shuffles names and order of the candidates with several seeds, runs `quorum choose` on each
shuffle, and scores the choices with our strict metric against the gold of Spider dev. The
SQL that is chosen must be the same for every seed.

    python benchmarks/choose_majority.py --data DIR [--seeds 3]

What is not covered: the official metric; see the README for what differs.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from quorumsql.db import open_database
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.evals.metrics import SCORING_LIMITS, Estimate, Scorer, accuracy

_PREFIX = "spider-dev-"
_QUORUM = str(Path(sys.executable).with_name("quorum"))


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    seeds: Annotated[int, typer.Option(help="How many shuffles.", min=1)] = 3,
) -> None:
    """Print a Markdown table with one line per shuffle."""
    pool = [
        json.loads(line)
        for line in (data / "pools/spider_dev_a.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    databases = data / "spider/database"
    tasks = {task.index: task for task in load_spider(data / "spider/dev.json", databases)}
    wanted = [tasks[int(line["id"].removeprefix(_PREFIX))] for line in pool]
    print("| shuffle | questions | execution accuracy | 95 % interval | seconds |")
    print("|---|---|---|---|---|")
    chosen: list[list[str]] = []
    with ExitStack() as stack:
        scorers = _scorers(wanted, stack)
        for seed in range(seeds):
            sqls, seconds = _choose(pool, databases, seed)
            chosen.append(sqls)
            right = [
                scorers[t.db_id].correct(t.gold, sql) for t, sql in zip(wanted, sqls, strict=True)
            ]
            figure = accuracy(right, [task.db_id for task in wanted])
            print(f"| {seed} | {len(right)} | {_cells(figure)} | {seconds:.1f} |", flush=True)
    same = all(sqls == chosen[0] for sqls in chosen)
    print(f"\nThe same SQL chosen in all {seeds} shuffles: {'yes' if same else 'NO'}.")
    if not same:
        raise typer.Exit(1)


def _choose(pool: list[dict[str, Any]], databases: Path, seed: int) -> tuple[list[str], float]:
    """Run the command on a shuffle; return the SQL of each line, and the wall seconds."""
    with tempfile.TemporaryDirectory() as folder:
        shuffled, out = Path(folder, "pool.jsonl"), Path(folder, "choices.jsonl")
        shuffled.write_text(_shuffle(pool, random.Random(seed)), encoding="utf-8")
        command = ["choose", "--pool", shuffled, "--db-dir", databases, "--out", out]
        started = time.perf_counter()
        subprocess.run(
            [_QUORUM, *map(str, command)],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - started
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == [line["id"] for line in pool]
    return [line["sql"] for line in lines], seconds


def _shuffle(pool: list[dict[str, Any]], dice: random.Random) -> str:
    """Give every line's answers to other names, in another order."""
    lines = []
    for line in pool:
        names = [c["generator"] for c in line["candidates"]]
        texts = [c["sql"] for c in line["candidates"]]
        dice.shuffle(names)
        dice.shuffle(texts)
        candidates = [
            {"generator": name, "sql": sql} for name, sql in zip(names, texts, strict=True)
        ]
        lines.append(json.dumps({**line, "candidates": candidates}) + "\n")
    return "".join(lines)


def _scorers(tasks: list[Task], stack: ExitStack) -> dict[str, Scorer]:
    scorers = {}
    for db_id, path in {task.db_id: task.database for task in tasks}.items():
        database = open_database(str(path), limits=SCORING_LIMITS)
        stack.callback(database.close)
        scorers[db_id] = Scorer(database)
    return scorers


def _cells(figure: Estimate) -> str:
    return f"{figure.value:.1%} | {figure.low:.1%} to {figure.high:.1%}"


if __name__ == "__main__":
    typer.run(main)
