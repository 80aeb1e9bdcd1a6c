"""What `quorum adapt` is worth: accuracy on real questions about a database before and after it.

For each database the members answer its questions, are adapted to it for a few minutes without
seeing any of them, and answer again. Prints accuracy before and after, the paired difference, and
what adapting itself measured on its synthetic questions. A run that was stopped goes on.

    python benchmarks/adapt.py --data DIR [--out runs/adapt] [--minutes 2] [--questions dev.json]
        [--databases concert_singer,world_1,car_1,dog_kennels]

What is not covered: other engines than SQLite, and databases in use.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from quorumsql.config import variables
from quorumsql.evals.metrics import paired_difference

_QUORUM = str(Path(sys.executable).with_name("quorum"))


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/adapt"),
    minutes: Annotated[float, typer.Option(help="Minutes for each database.")] = 2.0,
    questions: Annotated[str, typer.Option(help="File of questions in DATA/spider.")] = "dev.json",
    databases: Annotated[
        str, typer.Option(help="Names, comma-separated.")
    ] = "concert_singer,world_1,car_1,dog_kennels",
) -> None:
    """Print the table."""
    rows = json.loads((data / "spider" / questions).read_text(encoding="utf-8"))
    print(
        "| database | questions | before, % | after, % | synthetic, exactly written, % | steps |\n"
        "|---|---|---|---|---|---|"
    )
    before: list[bool] = []
    after: list[bool] = []
    clusters: list[str] = []
    for name in databases.split(","):
        own = [row for row in rows if row["db_id"] == name]
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        first = _answered(own, data, folder / "before", folder / "untouched")
        made = _adapted(data, name, folder, minutes)
        second = _answered(own, data, folder / "after", folder / "home")
        shares = [100 * sum(made[k].values()) / len(made[k]) for k in ("before", "after")]
        print(
            f"| {name} | {len(own)} | {_percent(first)} | {_percent(second)} "
            f"| {shares[0]:.1f} → {shares[1]:.1f}{'' if made['kept'] else ', not kept'} "
            f"| {made['steps']} |",
            flush=True,
        )
        before, after = before + first, after + second
        clusters += [name] * len(own)
    apart = paired_difference(after, before, clusters)
    low, high = (f"{100 * bound:+.1f}" for bound in (apart.low, apart.high))
    print(
        f"| together | {len(before)} | {_percent(before)} | {_percent(after)} "
        f"| {100 * apart.value:+.1f} points ({low} to {high}) | |"
    )


def _percent(right: list[bool]) -> str:
    return f"{100 * sum(right) / len(right):.1f}"


def _adapted(data: Path, name: str, folder: Path, minutes: float) -> dict[str, Any]:
    """What `quorum adapt --json` printed, kept for a second look."""
    path = folder / "adapted.json"
    if not path.is_file():
        database = data / "spider/database" / name / f"{name}.sqlite"
        command = (_QUORUM, "adapt", "--db", database, "--minutes", str(minutes), "--json")
        done = subprocess.run(
            command, env=_at(folder / "home"), stdout=subprocess.PIPE, text=True, check=True
        )
        path.write_text(done.stdout, encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _answered(rows: list[dict[str, Any]], data: Path, out: Path, home: Path) -> list[bool]:
    questions = out.with_suffix(".json")
    questions.write_text(json.dumps(rows), encoding="utf-8")
    command = [
        *(_QUORUM, "eval", "spider", "--json", "--questions", str(questions)),
        *("--db-dir", str(data / "spider/database"), "--out", str(out)),
    ]
    subprocess.run(command, env=_at(home), stdout=subprocess.DEVNULL, check=True)
    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    found = {line["index"]: line["correct"] for line in map(json.loads, lines)}
    return [found[number] for number in range(len(rows))]


def _at(home: Path) -> dict[str, str]:
    """The environment, with `home` for what is kept about databases."""
    return {**variables(), "QUORUM_HOME": str(home.resolve())}


if __name__ == "__main__":
    typer.run(main)
