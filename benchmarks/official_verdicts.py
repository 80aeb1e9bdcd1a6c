"""Hold our verdicts against the recorded ones of the official Spider evaluation, and time them.

    python benchmarks/official_verdicts.py --data DIR

One process; execution, exact-set match and hardness of every recorded prediction. The first line
runs every prediction anew, the second shares work between equal predictions for one question.

What is not covered: several processes.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Annotated

import typer

from quorumsql.evals.score_items import Item, Options
from quorumsql.evals.score_spider import SpiderJudge


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
) -> None:
    """Print a Markdown table; exit 1 when a verdict differs."""
    spider, pools = data / "spider", data / "pools"
    gold = json.loads((spider / "dev.json").read_text(encoding="utf-8"))
    recorded = {}
    for line in (pools / "spider_dev_a_official.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        verdict = (bool(entry["exec"]), bool(entry["exact"]), entry["hardness"])
        recorded[entry["id"], entry["generator"]] = verdict
    items: list[Item] = []
    expected: list[tuple[bool, bool, str]] = []
    for line in (pools / "spider_dev_a.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        index = int(entry["id"].rpartition("-")[2])
        for answer in entry["candidates"]:
            item = Item(
                position=len(items),
                index=index,
                db_id=entry["db_id"],
                gold=gold[index]["query"],
                prediction=answer["sql"],
            )
            items.append(item)
            expected.append(recorded[entry["id"], answer["generator"]])
    print("| sharing | predictions | exec differs | exact differs | hardness | wall s | CPU s |")
    print("|---|---|---|---|---|---|---|")
    worst = 0
    for share in (False, True):
        options = Options(
            metric="spider", db_dir=spider / "database", tables=spider / "tables.json", share=share
        )
        wall, cpu = time.perf_counter(), time.process_time()
        with SpiderJudge(options) as judge:
            found = [judge.judge(item) for item in items]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        pairs = [(v.exec, v.exact, v.hardness) for v in found]
        wrong = [sum(a[i] != b[i] for a, b in zip(pairs, expected, strict=True)) for i in range(3)]
        worst = max(worst, *wrong)
        counts = " | ".join(map(str, wrong))
        print(f"| {share} | {len(items)} | {counts} | {wall:.1f} | {cpu:.1f} |", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory: {peak:.0f} MB")
    if worst:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
