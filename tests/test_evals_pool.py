from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evals_cases import make_benchmark
from quorumsql.db import open_database
from quorumsql.domain import Candidate, Choice, Question, Schema
from quorumsql.errors import UnknownName, UsageError
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.metrics import Scorer
from quorumsql.evals.pool import METHODS, Method, PoolReport, choose_pool
from quorumsql.stages.weighted import Measured, save_measured

FIELDS = ["id", "sql", "generator", "confidence", "group_size", "groups"]


class Desk:
    """A folder with databases, in which pools are chosen from."""

    def __init__(self, folder: Path) -> None:
        make_benchmark(folder)
        self.folder = folder
        self.out = folder / "out.jsonl"

    def choose(
        self, *lines: object, method: str = "majority", weights: Path | None = None
    ) -> PoolReport:
        pool = self.folder / "pool.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        pool.write_text("\n".join(texts) + "\n", encoding="utf-8")
        databases = self.folder / "database"
        return choose_pool(pool, databases=databases, out=self.out, method=method, weights=weights)

    def written(self) -> list[dict[str, Any]]:
        text = self.out.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def line(*sqls: str, name: object = "q", db: str = "pets") -> dict[str, Any]:
    listed = [{"generator": f"g{i}", "sql": sql} for i, sql in enumerate(sqls)]
    return {"id": name, "db_id": db, "question": "?", "candidates": listed}


def test_the_largest_group_wins_with_its_shortest_sql(desk: Desk) -> None:
    report = desk.choose(
        line("SELECT 1", "SELECT count(*) FROM pet", "SELECT 4", "SELECT 2 + 2", "SELECT nome")
    )
    assert report == PoolReport(lines=1, problems=(), unread=0)
    (chosen,) = desk.written()
    assert list(chosen) == FIELDS
    assert (chosen["id"], chosen["sql"], chosen["generator"]) == ("q", "SELECT 4", "g2")
    assert (chosen["group_size"], chosen["groups"]) == (3, 2)
    assert chosen["confidence"] == pytest.approx(3 / 4)


def test_neither_names_nor_order_matter(desk: Desk) -> None:
    sqls = ["SELECT 1", "SELECT 2", "SELECT 1+1", "SELECT 0+1", "SELECT name FROM pet"]
    lines = []
    for number, order in enumerate(itertools.permutations(sqls)):
        entry = line(*order, name=number)
        names = random.Random(number).choices(["x", "y", "same"], k=len(sqls))
        for candidate, name in zip(entry["candidates"], names, strict=True):
            candidate["generator"] = name
        lines.append(entry)
    desk.choose(*lines)
    assert {(c["sql"], c["group_size"], c["groups"]) for c in desk.written()} == {
        ("SELECT 1", 2, 3)
    }


def test_every_line_has_its_place_whatever_is_wrong_with_it(desk: Desk) -> None:
    good = line("SELECT 1")
    report = desk.choose(
        good,
        '{"id": "torn", "db_id": "pe',
        "[]",
        line("SELECT 1", "SELECT 2", "SELECT 2", name="nowhere", db="unknown"),
        line("SELECT 1", name="climber", db="../pets"),
        {"id": "bare"},
        {"id": 7, "db_id": "pets", "candidates": [{"generator": "a"}, {"sql": "SELECT 1"}, 5]},
        line("SELECT nome", "SELECT nope FROM pet", "SELECT nome", name="failing"),
        {"db_id": "pets", "candidates": [{"generator": "a", "sql": "SELECT 1"}]},
        "",
        good,
    )
    written = desk.written()
    assert [c["id"] for c in written] == [
        *("q", None, None, "nowhere", "climber", "bare", 7, "failing", None, "q")
    ]
    assert [c["sql"] for c in written] == [
        *("SELECT 1", None, None, "SELECT 2", "SELECT 1", None),
        *("SELECT 1", "SELECT nome", "SELECT 1", "SELECT 1"),
    ]
    assert all(list(c) == FIELDS for c in written)
    assert (report.lines, report.unread) == (10, 3)
    numbers, words = zip(*report.problems, strict=True)
    assert numbers == (2, 3, 4, 5, 6, 7, 9)
    assert "not JSON" in words[0]
    assert "unknown database 'unknown'" in words[2]
    assert "2 candidates without SQL" in words[5]
    assert "no 'id'" in words[6]


def test_a_candidate_that_writes_changes_nothing(desk: Desk) -> None:
    path = desk.folder / "database/pets/pets.sqlite"
    before = path.read_bytes()
    desk.choose(line("DELETE FROM pet", "DROP TABLE pet", "SELECT 1; DROP TABLE pet", "SELECT 1"))
    assert desk.written()[0]["sql"] == "SELECT 1"
    assert desk.written()[0]["group_size"] == 1
    assert path.read_bytes() == before


def test_a_run_that_is_stopped_leaves_the_earlier_output(desk: Desk) -> None:
    desk.choose(line("SELECT 1"))
    before = desk.out.read_bytes()
    pool = desk.folder / "pool.jsonl"

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        choose_pool(pool, databases=desk.folder / "database", out=desk.out, watch=interrupt)
    assert desk.out.read_bytes() == before
    assert not list(desk.folder.glob("*.partial")) and not list(desk.folder.glob(".*.partial"))


def test_what_the_caller_can_fix_is_said(desk: Desk) -> None:
    with pytest.raises(UnknownName, match=r"Unknown method .majorty.\. Did you mean .majority."):
        desk.choose(line("SELECT 1"), method="majorty")
    databases = desk.folder / "database"
    with pytest.raises(UsageError, match=r"none\.jsonl: cannot be read"):
        choose_pool(desk.folder / "none.jsonl", databases=databases, out=desk.out)
    with pytest.raises(UsageError, match="no such folder of databases"):
        choose_pool(desk.folder / "pool.jsonl", databases=desk.folder / "no", out=desk.out)
    with pytest.raises(UsageError, match="folder does not exist"):
        choose_pool(desk.folder / "pool.jsonl", databases=databases, out=desk.folder / "no" / "out")
    assert not desk.out.exists()


def test_methods_that_weigh_generators_need_weights_and_read_names(desk: Desk) -> None:
    entry = line("SELECT 1", "SELECT 2", "SELECT 1+1")
    with pytest.raises(UsageError, match=r"'weighted' must know .* --weights FILE"):
        desk.choose(entry, method="weighted")
    weights = desk.folder / "weights.json"
    save_measured(Measured(ranks={"g0": 0, "g1": 4, "g2": 4}, gem={"g1": 1.0}), weights)
    desk.choose(entry, method="weighted", weights=weights)
    assert desk.written()[0]["sql"] == "SELECT 1"
    desk.choose(entry, method="gem", weights=weights)
    assert desk.written()[0]["sql"] == "SELECT 2"
    desk.choose(entry, method="ordered", weights=weights)
    assert desk.written()[0]["sql"] == "SELECT 2"


def test_a_selector_that_reads_gets_question_and_schema(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Question, list[str], list[str]]] = []

    class Reading:
        def choose(
            self, question: Question, candidates: Sequence[Candidate], schema: Schema
        ) -> Choice:
            names = [one.generator for one in candidates]
            seen.append((question, names, [table.name for table in schema.tables]))
            return Choice(candidate=None)

    methods = {**METHODS, "reading": Method(make=lambda _: Reading(), reads=True)}
    monkeypatch.setattr("quorumsql.evals.pool.METHODS", methods)
    entry = {**line("SELECT 1", "SELECT 2"), "question": "How many?", "evidence": "all of them"}
    blank = {**line("SELECT 1"), "question": " "}
    report = desk.choose(entry, blank, method="reading")
    asked = Question(text="How many?", evidence="all of them")
    assert seen[0] == (asked, ["000000", "000001"], ["pet"])
    assert report.problems == ((2, "no 'question' to choose by"),)
    assert [one["sql"] for one in desk.written()] == ["SELECT 1", "SELECT 1"]


@pytest.mark.parametrize("method", ["majority", "crossmax"])
def test_five_hundred_candidates_and_odd_values(desk: Desk, method: str) -> None:
    many = [f"SELECT {n % 7} -- {n}" for n in range(500)]
    odd = [
        "SELECT 9e999 - 9e999, NULL, 'a'",
        "SELECT NULL, NULL, 'a'",
        "SELECT 'a', NULL, NULL AS x",
        "SELECT name, name, weight FROM pet",
        "SELECT weight, p.name, p.name FROM pet AS p",
        "SELECT x'00', 1, '1'",
        "SELECT '1', 1.0, x'00'",
        "SELECT 1, '1', x'00' WHERE 0",
    ]
    report = desk.choose(line(*many), line(*odd), line(*["SELECT nope"] * 9), method=method)
    assert report.problems == ()
    first, second, third = desk.written()
    assert (first["sql"], first["group_size"], first["groups"]) == ("SELECT 0 -- 0", 72, 7)
    assert (second["group_size"], second["groups"]) == (3, 4)
    assert (third["sql"], third["confidence"], third["groups"]) == ("SELECT nope", 0.0, 0)


DATA = os.environ.get("QUORUM_DATA", "")


@pytest.mark.skipif(not DATA, reason="QUORUM_DATA is not set: the pool of published answers")
def test_majority_of_published_systems_on_forty_questions(tmp_path: Path) -> None:
    data = Path(DATA)
    source = (data / "pools/spider_dev_a.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    (tmp_path / "pool.jsonl").write_text("\n".join(source) + "\n", encoding="utf-8")
    databases = data / "spider/database"
    report = choose_pool(tmp_path / "pool.jsonl", databases=databases, out=tmp_path / "out.jsonl")
    assert report == PoolReport(lines=40, problems=(), unread=0)
    written = [json.loads(text) for text in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [c["id"] for c in written] == [f"spider-dev-{i}" for i in range(40)]
    assert _right(data, [c["sql"] for c in written]) >= 36


def _right(data: Path, sqls: Sequence[str]) -> int:
    tasks = load_spider(data / "spider/dev.json", data / "spider/database", limit=len(sqls))
    assert {task.db_id for task in tasks} == {"concert_singer"}
    database = open_database(str(tasks[0].database))
    try:
        scorer = Scorer(database)
        return sum(scorer.correct(t.gold, sql) for t, sql in zip(tasks, sqls, strict=True))
    finally:
        database.close()
