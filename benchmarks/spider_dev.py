"""Spider dev with the embedded members: ensemble, members, majority, oracle, differences.

Runs `quorum eval spider` and prints what it found as Markdown. An unfinished run continues;
a finished one is only printed.

    python benchmarks/spider_dev.py --data DIR [--out runs/spider_dev] [--limit N] [--workers N]
        [--effort low]

What is not covered: the official test-suite metric.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

_QUORUM = str(Path(sys.executable).with_name("quorum"))


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("runs/spider_dev"),
    limit: Annotated[int | None, typer.Option(help="Only the first so many questions.")] = None,
    workers: Annotated[int, typer.Option(help="Processes to answer with.")] = 1,
    generators: Annotated[str, typer.Option(help="Generators, comma-separated.")] = "embedded",
    effort: Annotated[str, typer.Option(help="low, medium or high.")] = "medium",
) -> None:
    """Print the tables of a run."""
    chosen = ("--generators", generators, "--effort", effort)
    summary = _run(data, out, limit, workers, chosen)
    databases = len(summary["databases"])
    print(f"{summary['n']} questions over {databases} databases, {summary['seconds']:.0f} s.\n")
    print("| | execution accuracy, % | 95 % interval |\n|---|---|---|")
    low, high = summary["ci95"]
    print(_line("**ensemble**", {"value": summary["execution_accuracy"], "ci95": [low, high]}))
    for name, figure in summary.get("members", {}).items():
        print(_line(f"member `{name}`", figure))
    for key, label in _ROWS.items():
        if key in summary:
            print(_line(label, summary[key], sign="+" if "minus" in key else ""))
    if "unanimity" in summary:
        unanimity = summary["unanimity"]
        print(
            f"\nUnanimous on {_percent(unanimity['rate'])} % of questions, and then right on ",
            end="",
        )
        print(f"{_percent(unanimity['accuracy'])} %. Unscored: {summary['unscored']}.")
    print("\n| stage | median, ms | 95th percentile, ms |\n|---|---|---|")
    for stage, spent in summary["latency_ms"].items():
        print(f"| {stage} | {spent['median']:.1f} | {spent['p95']:.1f} |")


_ROWS = {
    "majority": "majority of members",
    "oracle_of_members": "oracle of the members' best hypotheses",
    "oracle": "oracle of all candidates",
    "ensemble_minus_best_member": "ensemble minus best member (paired)",
    "ensemble_minus_majority": "ensemble minus majority (paired)",
}


def _run(
    data: Path, out: Path, limit: int | None, workers: int, chosen: Sequence[str]
) -> dict[str, Any]:
    command = [
        *(_QUORUM, "eval", "spider", "--json"),
        *("--questions", str(data / "spider/dev.json")),
        *("--db-dir", str(data / "spider/database")),
        *("--out", str(out), "--workers", str(workers), *chosen),
        *(() if limit is None else ("--limit", str(limit))),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print("The run did not finish; the line above says why.", file=sys.stderr)
        raise typer.Exit(done.returncode)
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def _line(label: str, figure: dict[str, Any], *, sign: str = "") -> str:
    low, high = (_percent(bound, sign) for bound in figure["ci95"])
    return f"| {label} | {_percent(figure['value'], sign)} | {low} to {high} |"


def _percent(share: float | None, sign: str = "") -> str:
    return "–" if share is None else format(100 * share, f"{sign}.1f")


if __name__ == "__main__":
    typer.run(main)
