"""Invented databases: how a folder of them is read, and what the one that ships holds."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quorumsql.db import open_database
from quorumsql.errors import UsageError
from quorumsql.evals.datasets import load_spider
from quorumsql.forms.read import read
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.train.data import load_examples
from quorumsql.train.embedded import train
from quorumsql.train.invented import DATABASES, Invented, as_spider, invented
from quorumsql.train.lessons import load_lessons, make_lessons
from test_train import PLAN, TINY
from tiny_spider import QUESTIONS, write_spider

SCRIPT = """CREATE TABLE boat (id INTEGER PRIMARY KEY, name TEXT, berth TEXT);
INSERT INTO boat VALUES (1, 'Alma', 'A1'), (2, 'Brisa', NULL);
"""
ASKED = "Which one lies at A1?\tSELECT name FROM boat WHERE berth = 'A1'\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "databases"
    path.mkdir()
    (path / "marina.sql").write_text(SCRIPT, encoding="utf-8")
    (path / "marina.tsv").write_text(ASKED, encoding="utf-8")
    return path


def test_a_database_is_made_with_what_is_asked_about_it(folder: Path, tmp_path: Path) -> None:
    (found,) = invented(folder)
    assert found.name == "marina"
    ((question, sql),) = found.questions
    assert question == "Which one lies at A1?"
    with closing(sqlite3.connect(found.build(tmp_path))) as connection:
        assert connection.execute(sql).fetchall() == [("Alma",)]


def test_they_are_a_data_set_in_spiders_format(folder: Path, tmp_path: Path) -> None:
    data = as_spider(invented(folder), tmp_path / "data")
    (task,) = load_spider(data / "train.json", data / "database")
    assert (task.db_id, task.question) == ("marina", "Which one lies at A1?")
    path = data / "database" / "marina" / "marina.sqlite"
    before = path.stat().st_mtime_ns
    assert as_spider(invented(folder), tmp_path / "data") == data
    assert path.stat().st_mtime_ns == before
    (lesson,) = load_lessons(make_lessons(data, ("train.json",), tmp_path / "lessons.jsonl"))
    assert {one.right for one in lesson.candidates} == {True, False}


def test_what_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "marina.tsv").write_text(ASKED + "no SQL\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"marina\.tsv:2"):
        list(invented(folder))
    (folder / "marina.tsv").unlink()
    with pytest.raises(UsageError, match="needs its questions"):
        list(invented(folder))
    with pytest.raises(UsageError, match=r"bad\.sql does not run"):
        Invented(name="bad", script="CREATE nothing", questions=()).build(tmp_path)


def test_examples_of_invented_databases_come_last_and_are_ours(
    folder: Path, tmp_path: Path, tokenizer: Path
) -> None:
    data = write_spider(tmp_path / "tiny", ("one",))
    examples = load_examples(data, PLAN.files, Tokeniser(tokenizer), databases=folder)
    assert [e.own for e in examples] == [False] * len(QUESTIONS) + [True]
    assert examples[-1].database == "marina"
    assert [hit.value for hit in examples[-1].hits] == ["A1"]


@pytest.mark.parametrize("wanted", [False, True])
def test_training_reads_them_if_the_plan_says_so(
    tmp_path: Path, tokenizer: Path, wanted: bool
) -> None:
    begun: list[dict[str, Any]] = []

    def report(event: dict[str, Any]) -> None:
        begun.append(event)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            write_spider(tmp_path / "tiny", ("one", "two", "three")), tmp_path / "out",
            replace(PLAN, invented=wanted), start=None, tokeniser=Tokeniser(tokenizer),
            shape=TINY, report=report,
        )  # fmt: skip
    there = sum(len(one.questions) for one in invented())
    assert begun[0]["own"] == (there if wanted else 0)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Invented, Path]]]:
    place = tmp_path_factory.mktemp("invented")
    yield [(one, one.build(place)) for one in invented()]


def test_what_ships_is_whole(shipped: list[tuple[Invented, Path]]) -> None:
    assert len(shipped) > 100
    seen: Counter[tuple[str, str]] = Counter()
    for one, path in shipped:
        with closing(open_database(str(path))) as database:
            schema = database.schema()
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == [], one.name
            for question, sql in one.questions:
                assert question == " ".join(question.split()) and question
                seen[one.name, question.casefold()] += 1
                read(sql, schema)
                assert connection.execute(sql).fetchall(), f"{one.name}: {sql}"
    assert max(seen.values()) == 1
    assert {path.suffix for path in DATABASES.iterdir()} == {".sql", ".tsv"}
