"""How long `quorum score`'s processes take for the whole pool of recorded Spider predictions.

    python benchmarks/evaluator_speed.py --data DIR [--workers 2]

Execution and exact-set match of every prediction, first without sharing work between equal
predictions for one question, then with it; start and end of the processes included. Verdicts are
held against the official ones. Memory is the peak of the main process plus that of its largest
worker times their number, so it is rather too high than too low.

What is not covered: reading the files, and the official script's own time.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from quorumsql.evals.score_items import Item, Options
from quorumsql.evals.score_pool import verdicts


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    workers: Annotated[int, typer.Option(help="How many processes.", min=1)] = 2,
) -> None:
    """Print a Markdown table; exit 1 when a verdict differs."""
    spider = data / "spider"
    items, expected = pool(data)
    print("| sharing | predictions | workers | wall s | CPU s | exec differs | exact differs |")
    print("|---|---|---|---|---|---|---|")
    worst = 0
    for share in (False, True):
        options = Options(
            metric="spider", db_dir=spider / "database", tables=spider / "tables.json", share=share
        )
        start, before = time.perf_counter(), cpu_seconds()
        found = {v.position: v for v in verdicts(items, options, workers=workers)}
        wall, cpu = time.perf_counter() - start, cpu_seconds() - before
        pairs = [(found[item.position].exec, found[item.position].exact) for item in items]
        wrong = [sum(a[i] != b[i] for a, b in zip(pairs, expected, strict=True)) for i in (0, 1)]
        worst = max(worst, *wrong)
        counts = " | ".join(map(str, wrong))
        print(
            f"| {share} | {len(items)} | {workers} | {wall:.1f} | {cpu:.1f} | {counts} |",
            flush=True,
        )
    main_peak, worker_peak = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"\nPeak memory: {main_peak:.0f} + {workers} × {worker_peak:.0f} MB")
    if worst:
        raise typer.Exit(1)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its workers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def pool(data: Path) -> tuple[list[Item], list[tuple[bool, bool]]]:
    """Return the recorded predictions as items, and the official verdicts on them."""
    gold = json.loads((data / "spider" / "dev.json").read_text(encoding="utf-8"))
    recorded = {
        (entry["id"], entry["generator"]): (bool(entry["exec"]), bool(entry["exact"]))
        for entry in entries(data / "pools" / "spider_dev_a_official.jsonl")
    }
    items: list[Item] = []
    expected: list[tuple[bool, bool]] = []
    for entry in entries(data / "pools" / "spider_dev_a.jsonl"):
        index = int(entry["id"].rpartition("-")[2])
        for answer in entry["candidates"]:
            items.append(
                Item(
                    position=len(items),
                    index=index,
                    db_id=entry["db_id"],
                    gold=gold[index]["query"],
                    prediction=answer["sql"],
                    system=answer["generator"],
                )
            )
            expected.append(recorded[entry["id"], answer["generator"]])
    return items, expected


def entries(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    typer.run(main)
