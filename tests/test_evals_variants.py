"""Spider's variants and its distilled test suite, in `quorum eval spider` and in `quorum score`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command import parsed, quorum
from quorumsql.errors import UsageError
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.score_files import read_job
from quorumsql.evals.score_items import Options, Verdict
from quorumsql.evals.score_pool import judge_of
from score_cases import GOLD, RIGHT, lines, make_bench

# What an entry of each released file has beside db_id and query.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "spider-realistic": {
        "question": "asked",
        "query_toks": ["select"],
        "query_toks_no_value": ["select"],
        "question_toks": ["asked"],
        "sql": {"from": {"table_units": [["table_unit", 0]], "conds": []}},
    },
    "spider-syn": {
        "SpiderQuestion": "the original",
        "SpiderSynQuestion": "asked",
        "query_toks": ["select"],
        "query_toks_no_value": ["select"],
        "question_toks": ["asked"],
        "sql": {},
    },
    "Spider-DK": {
        "question": "asked",
        "query_toks": ["select"],
        "query_toks_no_value": ["select"],
        "question_toks": ["asked"],
        "sql": {},
    },
}


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return make_bench(tmp_path)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_variant_is_read_by_both_commands(bench: Path, name: str) -> None:
    entries = [{"db_id": db_id, "query": sql, **VARIANTS[name]} for sql, db_id in GOLD]
    path = bench / f"{name}.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    tasks = load_spider(path, bench / "db")
    assert [(task.question, task.gold, task.db_id) for task in tasks] == [
        ("asked", sql, db_id) for sql, db_id in GOLD
    ]
    (bench / "pred").write_text(lines(RIGHT), encoding="utf-8")
    items = read_job(path, bench / "pred").items
    assert [(item.gold, item.db_id, item.prediction) for item in items] == [
        (sql, db_id, sql) for sql, db_id in GOLD
    ]


def test_the_commands_take_them(bench: Path) -> None:
    entries = [{"db_id": d, "query": s, **VARIANTS["spider-syn"]} for s, d in GOLD]
    (bench / "syn.json").write_text(json.dumps(entries), encoding="utf-8")
    ceiling = parsed(
        quorum(
            *("eval", "spider", "--questions", bench / "syn.json", "--db-dir", bench / "db"),
            *("--out", bench / "run", "--gold-as-prediction", "--json"),
        )
    )
    assert (ceiling["execution_accuracy"], ceiling["ceiling"], ceiling["n"]) == (1.0, 1.0, 5)
    scored = parsed(
        quorum(
            *("score", "--metric", "spider", "--gold", bench / "syn.json"),
            *("--pred", bench / "run/predictions.jsonl", "--db-dir", bench / "db"),
            *("--tables", bench / "tables.json", "--json"),
        )
    )
    expected = {"execution_accuracy": 1.0, "exact_match": 1.0, "n": 5, "unscored": 0}
    assert scored == expected


def suite(bench: Path) -> None:
    """Give `pets` two more databases, as the distilled test suite does."""
    folder = bench / "db" / "pets"
    for name, script in {
        "pets_1.sqlite": "INSERT INTO pet VALUES (9, NULL, 1.0)",
        "pets_2.sqlite": "DELETE FROM pet",
    }.items():
        (folder / name).write_bytes((folder / "pets.sqlite").read_bytes())
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.execute(script)
            connection.commit()
    (folder / "old.sqlite-journal").write_bytes(b"no database")
    (folder / "schema.sql").write_text("CREATE TABLE pet (id)", encoding="utf-8")


def judged(bench: Path, gold: str, prediction: str) -> Verdict:
    (bench / "one.sql").write_text(f"{gold}\tpets\n", encoding="utf-8")
    (bench / "pred").write_text(f"{prediction}\n", encoding="utf-8")
    (item,) = read_job(bench / "one.sql", bench / "pred").items
    with judge_of(Options(metric="spider", db_dir=bench / "db", seconds=2.0)) as judge:
        return judge.judge(item)


@pytest.mark.parametrize(
    ("gold", "prediction", "alone", "with_suite"),
    [
        ("SELECT count(*) FROM pet", "SELECT count(id) FROM pet", "right", "right"),
        ("SELECT count(*) FROM pet", "SELECT count(name) FROM pet", "right", "wrong"),
        ("SELECT count(*) FROM pet", "SELECT 4", "right", "wrong"),
        (
            "SELECT max(id) FROM pet",
            "SELECT id FROM pet ORDER BY id DESC LIMIT 1",
            "right",
            "wrong",
        ),
        ("SELECT name FROM pet", "SELECT nope FROM pet", "error", "error"),
    ],
)
def test_a_prediction_must_be_right_on_the_whole_test_suite(
    bench: Path, gold: str, prediction: str, alone: str, with_suite: str
) -> None:
    assert judged(bench, gold, prediction).status == alone
    suite(bench)
    assert judged(bench, gold, prediction).status == with_suite


def test_a_broken_database_of_the_suite_leaves_the_question_unscored(bench: Path) -> None:
    (bench / "db/pets/pets_9.sqlite").write_bytes(b"this is no database" * 100)
    found = judged(bench, GOLD[0][0], GOLD[0][0])
    assert found.status == "unscored" and "pets_9.sqlite" in found.reason


def test_an_entry_without_its_question_is_named(bench: Path) -> None:
    (bench / "syn.json").write_text(json.dumps([{"db_id": "pets", "query": "SELECT 1"}]))
    with pytest.raises(UsageError, match=r"syn\.json:1: 'question' is missing"):
        load_spider(bench / "syn.json", bench / "db")
