"""Two small databases with gold queries, for the tests of `quorum score`.

Run as a script, it scores slowly, so that a test can kill it midway:
`python score_cases.py FOLDER OUT`.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from quorumsql.evals.score import score
from quorumsql.evals.score_files import read_job
from quorumsql.evals.score_items import Options, Verdict

SCRIPTS = {
    "pets": """
        CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, weight REAL);
        INSERT INTO pet VALUES (1, 'Ada', 4.5), (2, 'Bo', 12.0), (3, 'Zoë', NULL), (4, 'Bo', 3.0);
    """,
    "cities": """
        CREATE TABLE city (name TEXT, people INTEGER);
        INSERT INTO city VALUES ('Nord', 10), ('Süd', 30), ('West', 20);
    """,
}
GOLD = [
    ("SELECT count(*) FROM pet", "pets"),
    ("SELECT name FROM pet ORDER BY weight DESC", "pets"),
    ("SELECT DISTINCT name FROM pet", "pets"),
    ("SELECT name, people FROM city", "cities"),
    ("SELECT sum(people) FROM city", "cities"),
]
RIGHT = [sql for sql, _ in GOLD]
TABLES = [
    {
        "db_id": name,
        "table_names_original": [table],
        "table_names": [table],
        "column_names_original": [[-1, "*"], *([0, column] for column in columns)],
        "column_names": [[-1, "*"], *([0, column] for column in columns)],
        "column_types": ["text"] * (len(columns) + 1),
        "primary_keys": [],
        "foreign_keys": [],
    }
    for name, table, columns in (
        ("pets", "pet", ["id", "name", "weight"]),
        ("cities", "city", ["name", "people"]),
    )
]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"


def make_bench(folder: Path) -> Path:
    """Write databases, gold.sql and tables.json into `folder`; return it."""
    for name, script in SCRIPTS.items():
        (folder / "db" / name).mkdir(parents=True)
        path = folder / "db" / name / f"{name}.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
    (folder / "gold.sql").write_text("".join(f"{s}\t{d}\n" for s, d in GOLD), encoding="utf-8")
    (folder / "tables.json").write_text(json.dumps(TABLES), encoding="utf-8")
    return folder


def lines(texts: Sequence[str], end: str = "\n") -> str:
    """A file with one of `texts` per line."""
    return "".join(f"{text}{end}" for text in texts)


def slowly(verdict: Verdict) -> None:
    """Take a while over each verdict."""
    del verdict
    time.sleep(5.0)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    score(
        read_job(where / "gold.sql", where / "pred"),
        Options(metric="spider", db_dir=where / "db", seconds=1.0),
        workers=1,
        out=Path(sys.argv[2]),
        watch=slowly,
    )
