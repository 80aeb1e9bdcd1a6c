from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.evals.score_items import Item, Options, Verdict
from quorumsql.evals.score_spider import SpiderJudge

SCRIPT = """
    CREATE TABLE t (a INTEGER, b TEXT, c REAL);
    INSERT INTO t VALUES (1, 'x', 1.5), (1, 'x', 1.5), (2, NULL, 2.0), (10, 'y', 100.0);
"""


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    (tmp_path / "db").mkdir()
    with closing(sqlite3.connect(tmp_path / "db" / "db.sqlite")) as connection:
        connection.executescript(SCRIPT)
    return tmp_path


def judged(
    databases: Path, gold: str, prediction: str | None, *, plug_value: bool = False
) -> Verdict:
    item = Item(position=0, index=0, db_id="db", gold=gold, prediction=prediction)
    options = Options(metric="spider", db_dir=databases, seconds=1.0, plug_value=plug_value)
    with SpiderJudge(options) as judge:
        return judge.judge(item)


@pytest.mark.parametrize(
    ("gold", "prediction", "status"),
    [
        ("SELECT a, b FROM t", "SELECT b, a FROM t", "right"),
        ("SELECT a FROM t", "SELECT DISTINCT a FROM t", "right"),  # DISTINCT is taken out
        ("SELECT a FROM t", "SELECT a FROM t GROUP BY a", "wrong"),
        ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC", "wrong"),
        ("SELECT a FROM t", "SELECT a FROM t ORDER BY a DESC", "right"),
        ("SELECT a FROM t WHERE a > 99", "SELECT b, c FROM t WHERE a > 99", "right"),
        ("SELECT a FROM t WHERE a > 99", "DELETE FROM t", "right"),  # no rows; nothing is deleted
        ("SELECT a FROM t", "SELECT a FROM t; SELECT nonsense", "right"),  # the first counts
        ("SELECT a FROM t", "SELECT a FROM t\tWHERE a = 1", "right"),  # a tab ends it
        ("SELECT a FROM t WHERE a >= 2", "SELECT a FROM t WHERE a > = 2", "right"),
        ("SELECT a FROM t WHERE a = 1", "SELECT a FROM t WHERE a = value ", "error"),
        ("SELECT 10, 100", "SELECT 10.0, 100.0", "wrong"),  # sorted as they are written
        ("SELECT 10", "SELECT 10.0", "right"),
        ("SELECT a FROM t", "SELECT nope FROM t", "error"),
        ("SELECT nope FROM t", "SELECT a FROM t", "unscored"),
        ("SELECT a FROM t", None, "missing"),
        (
            "SELECT a FROM t",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n",
            "timeout",
        ),
    ],
)
def test_execution_is_judged_as_the_official_script_does(
    databases: Path, gold: str, prediction: str | None, status: str
) -> None:
    assert judged(databases, gold, prediction).status == status
    with closing(sqlite3.connect(databases / "db" / "db.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (4,)


def test_values_of_gold_are_filled_in_on_request(databases: Path) -> None:
    gold, prediction = "SELECT b FROM t WHERE a = 10", "SELECT b FROM t WHERE a = 1"
    assert judged(databases, gold, prediction).exec is False
    assert judged(databases, gold, prediction, plug_value=True).exec is True


def test_a_result_without_end_is_read_no_further_than_it_matters(databases: Path) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    assert judged(databases, "SELECT a FROM t", sql).status == "wrong"


def test_recorded_verdicts_are_given(spider_dir: Path, pools_dir: Path) -> None:
    """A slice of the recorded verdicts: every seventh question, all systems, both metrics."""
    gold = json.loads((spider_dir / "dev.json").read_text(encoding="utf-8"))
    pool = (pools_dir / "spider_dev_a.jsonl").read_text(encoding="utf-8").splitlines()[::7]
    recorded = {}
    official = (pools_dir / "spider_dev_a_official.jsonl").read_text(encoding="utf-8")
    for line in map(json.loads, official.splitlines()):
        recorded[line["id"], line["generator"]] = (line["exec"], line["exact"], line["hardness"])
    options = Options(
        metric="spider", db_dir=spider_dir / "database", tables=spider_dir / "tables.json"
    )
    count = 0
    with SpiderJudge(options) as judge:
        for entry in map(json.loads, pool):
            index = int(entry["id"].rpartition("-")[2])
            for answer in entry["candidates"]:
                item = Item(
                    position=count,
                    index=index,
                    db_id=entry["db_id"],
                    gold=gold[index]["query"],
                    prediction=answer["sql"],
                )
                found = judge.judge(item)
                key = entry["id"], answer["generator"]
                assert (found.exec, found.exact, found.hardness) == recorded[key], key
                count += 1
    assert count > 1900
