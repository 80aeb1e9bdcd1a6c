"""Every hostile statement that the tree must stop is stopped by the tree check alone."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus import ENGINES, corpus, filled

from quorumsql.guard import check

PLACES = {"folder": "/tmp/quorum", "port": "9", "schema": "main"}


@pytest.mark.parametrize("engine", ENGINES)
def test_there_are_many_and_each_is_another(engine: str) -> None:
    hostile = corpus(engine)
    assert len({one.sql for one in hostile}) == len(hostile) >= 800
    assert sum("engine" in one.layers for one in hostile) >= 400
    assert len({one.kind for one in hostile}) >= 15


@pytest.mark.parametrize("engine", ENGINES)
def test_the_tree_check_alone_stops_all_of_its_classes(
    engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    passed = []
    for one in corpus(engine):
        if "tree" not in one.layers or one.is_policy:
            continue
        failure = check(filled(one.sql, PLACES), dialect=engine)
        if failure is None:
            passed.append(one)
        else:
            assert failure.kind in {"refused", "error"} and "\n" not in failure.message
    assert passed == []
    assert not caplog.records, "sqlglot's own warnings reach the user's terminal"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_nobody_knows_gets_the_strictest_rules(engine: str) -> None:
    """What is hostile whatever the engine is also refused by the generic guard."""
    kinds = {"changing rows", "changing the schema", "comments that hide"}
    for one in corpus(engine):
        if one.kind in kinds:
            assert check(filled(one.sql, PLACES), dialect="nonesuch") is not None, one.sql


def test_nothing_is_checked_for_long() -> None:
    for one in corpus("duckdb"):
        if one.kind == "statements that are too big to be read":
            started = time.process_time()
            check(one.sql, dialect="duckdb")
            assert time.process_time() - started < 5, one.sql[:60]


def sql_eval_gold(path: Path) -> Iterator[str]:
    """The gold of SQL-Eval: alternatives after `;`, choices of columns in braces."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for part in re.split(r";(?=\s*(?:SELECT|WITH|$))", row["query"], flags=re.IGNORECASE):
                choice = re.search(r"\{([^{}]*[\w.][^{}]*)\}", part)
                whole = part.replace("{}", choice[1] if choice else "1")
                if whole.strip():
                    yield re.sub(r"\{([^{}]*)\}", r"\1", whole)


def test_no_gold_query_of_sql_eval_is_refused(quorum_data: Path) -> None:
    checked = 0
    for path in sorted((quorum_data / "sql_eval" / "questions").glob("*.csv")):
        dialect = next((d for d in ("sqlite", "mysql") if d in path.name), "postgres")
        for sql in sql_eval_gold(path):
            assert check(sql, dialect=dialect) is None, sql
            checked += 1
    assert checked > 1_000


def test_no_gold_query_of_bird_is_refused(quorum_data: Path) -> None:
    tasks = json.loads((quorum_data / "bird_superhero" / "dev.json").read_text(encoding="utf-8"))
    for task in tasks:
        assert check(task["SQL"], dialect="sqlite") is None, task["SQL"]
