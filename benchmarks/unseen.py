"""Ask about every database that neither members nor reader have seen, and read what was written.

    python benchmarks/unseen.py --data DIR --out RUNS [--only dev] [--read] [--server URL]

Makes one run of `quorum eval` per source, with all members asked at once, and reads each with
`replay.py`. Both continue where they stopped; when only the reader's weights have changed, --read
does the second half alone. `cascade.py` and `calibration.py` take the runs.

| run | databases |
|---|---|
| `held_out` | those of Spider train that the members held out: what ships is fitted here |
| `dev` | Spider dev |
| `sql_eval`, `sql_eval_basic` | Defog's SQL-Eval, without the four that Spider train has, too |
| `bird` | BIRD's that are there, without evidence and descriptions |

SQL-Eval's databases are loaded into a PostgreSQL, which is started unless a server is named, and
keeps its files in RUNS/postgresql, so that it has the same URL when a run goes on. A question is
right by its own benchmark's metric.

What is not covered: questions of other people.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from quorumsql.evals.sql_eval import load_databases
from quorumsql.shipped import FOLDER
from regression import held_out
from replay import read_run

SEEN = frozenset({"academic", "geography", "scholar", "yelp"})
"""Databases of SQL-Eval that Spider train has, too; its restaurants was held out."""
SQL_EVAL = {
    "sql_eval": "questions_gen_postgres.csv",
    "sql_eval_basic": "instruct_basic_postgres.csv",
}
RUNS = ("held_out", "dev", *SQL_EVAL, "bird")
_QUORUM = str(Path(sys.executable).with_name("quorum"))


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")],
    only: Annotated[list[str] | None, typer.Option(help=f"Some of {', '.join(RUNS)}.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many questions.")] = None,
    read: Annotated[
        bool, typer.Option("--read", help="Only read runs that there are, with other weights.")
    ] = False,
    workers: Annotated[int, typer.Option(help="How many questions to answer at a time.")] = 1,
    server: Annotated[
        str | None, typer.Option(help="A PostgreSQL, {db_id} for the database; else one starts.")
    ] = None,
) -> None:
    """Make the runs."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in RUNS if only is None or name in only]
    with ExitStack() as stack:
        url = ""
        if set(wanted) & set(SQL_EVAL):
            url = server or stack.enter_context(_started(out / "postgresql"))
        for name in wanted:
            arguments = _arguments(name, data, out, url)
            command = [_QUORUM, "eval", *arguments, "--out", str(out / name)]
            command += ["--workers", str(workers), *(["--limit", str(limit)] if limit else [])]
            if not read:
                subprocess.run(command, check=True)
            elif name in SQL_EVAL:
                load_databases(out / f"{name}.csv", data / "sql_eval" / "databases", url)
            for done, count in read_run(out / name, folder=FOLDER, db=url or None
                                        if name in SQL_EVAL else None):  # fmt: skip
                if done % 100 == 0 or done == count:
                    print(f"{name}: {done} of {count} read", flush=True)


def _arguments(name: str, data: Path, out: Path, url: str) -> list[str]:
    """What `quorum eval` is told for a run."""
    spider = data / "spider"
    if name == "dev":
        return ["spider", "--questions", str(spider / "dev.json"),
                "--db-dir", str(spider / "database")]  # fmt: skip
    if name == "held_out":
        file, held = out / "held_out.json", held_out()
        entries = json.loads((spider / "train.json").read_bytes())
        file.write_text(json.dumps([one for one in entries if one["db_id"] in held]), "utf-8")
        return ["spider", "--questions", str(file), "--db-dir", str(spider / "database")]
    if name == "bird":
        folder = data / "bird_superhero"
        return ["bird", "--questions", str(folder / "dev.json"), "--evidence", "off",
                "--no-descriptions", "--db-dir", str(folder / "dev_databases")]  # fmt: skip
    folder, file = data / "sql_eval", out / f"{name}.csv"
    with (folder / "questions" / SQL_EVAL[name]).open(encoding="utf-8", newline="") as source:
        rows = [row for row in csv.DictReader(source) if row["db_name"] not in SEEN]
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return ["sql-eval", "--questions", str(file), "--load", str(folder / "databases"), "--db", url]


@contextmanager
def _started(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL of our own, with its files in a folder."""
    from pgserver.postgres_server import get_server

    server = get_server(folder)
    try:
        yield str(server.get_uri(database="{db_id}"))
    finally:
        server.cleanup()


if __name__ == "__main__":
    typer.run(main)
