"""A tiny benchmark on disk and an answerer that reads its answers from a table.

Run as a script, it evaluates the benchmark slowly, so that a test can kill it midway:
`python evals_cases.py FOLDER OUT SECONDS_PER_QUESTION`.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quorumsql.db import open_database
from quorumsql.domain import Answer, Attempt, Candidate, Choice
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.run import evaluate
from quorumsql.evals.worker import Asks
from quorumsql.ports import Database
from quorumsql.stages.choose import choose

TESTS = Path(__file__).parent

SCRIPTS = {
    "pets": """
        CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, weight REAL);
        INSERT INTO pet VALUES (1, 'Ada', 4.5), (2, 'Bo', 12.0), (3, 'Cy', NULL), (4, 'Bo', 3.0);
    """,
    "cities": """
        CREATE TABLE city (name TEXT, people INTEGER);
        INSERT INTO city VALUES ('Nord', 10), ('Süd', 30), ('West', 20);
    """,
}

QUESTIONS = [
    ("pets", "How many pets?", "SELECT count(*) FROM pet"),
    ("pets", "Names by weight?", "SELECT name FROM pet ORDER BY weight DESC"),
    ("pets", "Distinct names?", "SELECT DISTINCT name FROM pet"),
    ("cities", "Largest city?", "SELECT name FROM city ORDER BY people DESC LIMIT 1"),
    ("cities", "All people?", "SELECT sum(people) FROM city"),
    ("cities", "Name and people?", "SELECT name, people FROM city"),
]

A, B = "embedded/a", "embedded/b"

# question -> (generator, SQL, weight), the members' hypotheses best first
ANSWERS: dict[str, list[tuple[str, str, float]]] = {
    # both right, in different words
    "How many pets?": [(A, "SELECT COUNT(id) FROM pet", 1.0), (B, "SELECT count(*) FROM pet", 1.0)],
    # right bag of rows in the wrong order; the second hypothesis of b is right
    "Names by weight?": [
        (A, "SELECT name FROM pet ORDER BY weight", 1.0),
        (B, "SELECT name FROM pet ORDER BY weight", 0.7),
        (B, "SELECT name FROM pet ORDER BY weight DESC", 0.3),
    ],
    # a fails, b is right
    "Distinct names?": [
        (A, "SELECT nome FROM pet", 0.0),
        (B, "SELECT DISTINCT name FROM pet", 1.0),
    ],
    "Largest city?": [
        (A, "SELECT name FROM city WHERE people = (SELECT max(people) FROM city)", 1.0),
        (B, "SELECT name FROM city", 1.0),
    ],
    # nobody has an idea
    "All people?": [],
    # columns in another order
    "Name and people?": [(A, "SELECT people, name FROM city", 1.0)],
}


def make_benchmark(folder: Path) -> Path:
    """Write databases and questions into `folder`; return the questions file."""
    for name, script in SCRIPTS.items():
        (folder / "database" / name).mkdir(parents=True)
        with closing(sqlite3.connect(folder / "database" / name / f"{name}.sqlite")) as connection:
            connection.executescript(script)
    questions = folder / "questions.json"
    entries = [{"db_id": d, "question": q, "query": s} for d, q, s in QUESTIONS]
    questions.write_text(
        "[" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries) + "]",
        encoding="utf-8",
    )
    return questions


@dataclass(frozen=True)
class Scripted:
    """Gives the answers of a table; `crash` raises, `slow` waits before each answer."""

    answers: Mapping[str, list[tuple[str, str, float]]] = field(default_factory=lambda: ANSWERS)
    crash: str | None = None
    slow: float = 0.0

    @contextmanager
    def open(self, database: str) -> Iterator[Asks]:
        with closing(open_database(database)) as opened:
            yield _Session(opened, self)


@dataclass(frozen=True)
class _Session:
    database: Database
    script: Scripted

    def ask(self, text: str, *, evidence: str = "") -> Answer:
        assert not evidence
        time.sleep(self.script.slow)
        if text == self.script.crash:
            raise RuntimeError("scripted crash")
        candidates = tuple(
            Candidate(
                generator=name,
                attempts=(Attempt(sql=sql, execution=self.database.execute(sql)),),
                weight=weight,
            )
            for name, sql, weight in self.script.answers[text]
        )
        if not candidates:
            return Answer(question=text, sql=None, execution=None, confidence=0.0, abstained=True)
        choice: Choice = choose(candidates, ranks={A: 0, B: 1}, dialect="sqlite")
        assert choice.candidate is not None
        final = candidates[choice.candidate].final
        return Answer(
            question=text,
            sql=final.sql,
            execution=final.execution,
            confidence=choice.confidence,
            choice=choice,
            candidates=candidates,
            timings_ms={"generate": 2.0},
        )


if __name__ == "__main__":
    folder, out, slow = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    evaluate(
        load_spider(folder / "questions.json", folder / "database"),
        Scripted(slow=slow),
        out=out,
        config={"benchmark": "tiny"},
    )
