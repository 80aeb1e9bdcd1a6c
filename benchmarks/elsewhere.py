"""Benchmarks that nothing was made for: SQL-Eval on PostgreSQL, and BIRD questions with evidence.

Starts the PostgreSQL of the package `pgserver` in a temporary folder, makes SQL-Eval's databases
there, and answers its 210 questions; then the 65 questions about BIRD's `superhero` with evidence
and without. Five databases of SQL-Eval are about what a database in Spider's training set is
about, too, and are told apart.

    python benchmarks/elsewhere.py --data DIR [--out runs/elsewhere] [--generators embedded]

What is not covered: a server on another machine; `quorum eval sql-eval --db URL` does that.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from pgserver.postgres_server import get_server

from quorumsql.evals.metrics import accuracy

_QUORUM = str(Path(sys.executable).with_name("quorum"))
OVERLAP = ("academic", "geography", "restaurants", "scholar", "yelp")
"""Spider's train_others.json holds questions about them, over other schemas."""


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/elsewhere"),
    generators: Annotated[str, typer.Option(help="Generators, comma-separated.")] = "embedded",
) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        server = get_server(Path(folder) / "server", cleanup_mode="stop")
        uri = server.get_uri(database="{db_id}")
        try:
            lines = _run(
                "sql-eval",
                out / "sql_eval",
                *("--questions", data / "sql_eval/questions/questions_gen_postgres.csv"),
                *("--load", data / "sql_eval/databases", "--db", uri, "--generators", generators),
            )
        finally:
            server.cleanup()
    print("| SQL-Eval on PostgreSQL | questions | right, % | 95 % interval |\n|---|---|---|---|")
    _line("databases that Spider's training set knows nothing of", _but(lines, overlap=False))
    _line(", ".join(OVERLAP), _but(lines, overlap=True))
    _line("all", lines)
    for name in sorted({line["db_id"] for line in lines}):
        _line(f"`{name}`", [line for line in lines if line["db_id"] == name])
    print("\n| BIRD, `superhero` | questions | right, % (EX) |\n|---|---|---|")
    for evidence in ("on", "off"):
        own = _run(
            "bird",
            out / f"bird_{evidence}",
            *("--questions", data / "bird_superhero/dev.json", "--evidence", evidence),
            *("--db-dir", data / "bird_superhero/dev_databases", "--generators", generators),
        )
        right = sum(line["correct"] for line in own)
        words = "with" if evidence == "on" else "without"
        print(f"| {words} evidence | {len(own)} | {100 * right / len(own):.1f} |")


def _run(name: str, out: Path, *arguments: object) -> list[dict[str, Any]]:
    """The predictions of a run, which goes on where it was stopped."""
    command = [_QUORUM, "eval", name, "--json", "--out", str(out), *map(str, arguments)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    text = (out / "predictions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _but(lines: list[dict[str, Any]], *, overlap: bool) -> list[dict[str, Any]]:
    return [line for line in lines if (line["db_id"] in OVERLAP) is overlap]


def _line(label: str, lines: list[dict[str, Any]]) -> None:
    found = accuracy([line["correct"] for line in lines], [line["db_id"] for line in lines])
    low, high = 100 * found.low, 100 * found.high
    print(f"| {label} | {len(lines)} | {100 * found.value:.1f} | {low:.1f} to {high:.1f} |")


if __name__ == "__main__":
    typer.run(main)
