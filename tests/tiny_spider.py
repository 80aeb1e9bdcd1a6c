"""A folder as Spider's, small enough to train on in a second: owners and their pets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

QUESTIONS = {
    "How many pets are there?": "SELECT count(*) FROM pet",
    "List the names of all owners": "SELECT name FROM owner",
    "Which owners have a Dog?": "SELECT owner.name FROM owner JOIN pet ON pet.owner_id = owner.id "
    "WHERE pet.kind = 'Dog'",
    "What is the oldest owner's name?": "SELECT name FROM owner ORDER BY age DESC LIMIT 1",
    "Which names of owners older than 30?": "SELECT name FROM owner WHERE age > 30",
}
_SCRIPT = """
CREATE TABLE owner (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
CREATE TABLE pet (id INTEGER PRIMARY KEY, kind TEXT, owner_id INTEGER REFERENCES owner (id));
INSERT INTO owner VALUES (1, 'Ann', 31), (2, 'Bob', 20), (3, 'Cy', 45);
INSERT INTO pet VALUES (1, 'Dog', 1), (2, 'Cat', 2), (3, 'Dog', 2);
"""


def write_pets(path: Path) -> Path:
    """Make the database at `path`."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCRIPT)
    return path


def write_spider(folder: Path, names: Sequence[str], *, questions: int = len(QUESTIONS)) -> Path:
    """Make databases of these names, with the first `questions` asked about each."""
    for name in names:
        (folder / "database" / name).mkdir(parents=True)
        write_pets(folder / "database" / name / f"{name}.sqlite")
    asked = list(QUESTIONS.items())[:questions]
    rows = [{"db_id": name, "question": q, "query": sql} for name in names for q, sql in asked]
    (folder / "train.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "train_others.json").write_text("[]", encoding="utf-8")
    return folder
