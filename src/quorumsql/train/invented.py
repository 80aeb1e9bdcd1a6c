"""Invented databases, and what their staff ask: more schemas than Spider's training set has.

A database is two files of the folder `databases`: NAME.sql makes it, and each line of NAME.tsv is

    question <tab> SQL

A language model wrote both, from the name of a trade alone: two fifths of the questions without
the names of tables and columns, the others plainly, with synonyms, in fragments, or as people talk.

What is not covered: questions about Spider's databases; those stand in `train.questions`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from quorumsql.errors import UsageError

__all__ = ["DATABASES", "Invented", "as_spider", "invented"]

DATABASES = Path(__file__).with_name("databases")
"""What ships."""


@dataclass(frozen=True, slots=True)
class Invented:
    """One invented database; `questions` are pairs of question and SQL."""

    name: str
    script: str
    questions: tuple[tuple[str, str], ...]

    def build(self, folder: Path) -> Path:
        """Make the database, and return its path.

        Raises:
            UsageError: the script does not run.
        """
        path = folder / f"{self.name}.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            try:
                connection.executescript(f"PRAGMA foreign_keys = ON; {self.script}")
            except sqlite3.Error as error:
                raise UsageError(f"{self.name}.sql does not run: {error}.") from error
        return path


def invented(folder: Path = DATABASES) -> Iterator[Invented]:
    """Yield the databases of `folder` by name.

    Raises:
        UsageError: a line is not a question and its SQL, or a file is missing.
    """
    for script in sorted(folder.glob("*.sql")):
        asked = script.with_suffix(".tsv")
        if not asked.is_file():
            raise UsageError(f"No {asked}: each database needs its questions.")
        lines = asked.read_text(encoding="utf-8").splitlines()
        pairs = [tuple(line.split("\t")) for line in lines]
        for number, pair in enumerate(pairs, 1):
            if len(pair) != 2:
                raise UsageError(f"{asked.name}:{number}: expected a question, a tab and SQL.")
        yield Invented(
            name=script.stem,
            script=script.read_text(encoding="utf-8"),
            questions=tuple((question, sql) for question, sql in pairs),
        )


def as_spider(databases: Iterable[Invented], folder: Path) -> Path:
    """Write databases and questions to `folder` in Spider's format; return it.

    `train.json` has the questions, `database/NAME/NAME.sqlite` are the databases. A database that
    is there already stays; one appears whole or not at all.

    Raises:
        UsageError: a script does not run.
    """
    rows: list[dict[str, str]] = []
    for one in databases:
        place = folder / "database" / one.name
        if not (place / f"{one.name}.sqlite").is_file():
            place.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder) as part:
                one.build(Path(part)).replace(place / f"{one.name}.sqlite")
        rows += [{"db_id": one.name, "question": q, "query": sql} for q, sql in one.questions]
    (folder / "train.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return folder
