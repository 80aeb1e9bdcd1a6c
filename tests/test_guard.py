from __future__ import annotations

import json
import logging
import statistics
import time
from pathlib import Path

import pytest
import sqlglot

from quorumsql.guard import check
from quorumsql.guard.functions import DENIED, PURE
from quorumsql.guard.nodes import ALLOWED

DATA = Path(__file__).parent / "data" / "guard"


def lines(name: str) -> list[tuple[str, str]]:
    """Pairs of dialect and statement, one per line, as `dialect: statement`."""
    found = []
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            dialect, statement = line.split(": ", 1)
            found.append((dialect, statement.replace("\\n", "\n")))
    return found


@pytest.mark.parametrize(("dialect", "sql"), lines("allowed.txt"))
def test_reading_is_allowed(dialect: str, sql: str, caplog: pytest.LogCaptureFixture) -> None:
    assert check(sql, dialect=dialect) is None
    assert not caplog.records


@pytest.mark.parametrize(("dialect", "sql"), lines("refused.txt"))
def test_everything_else_is_refused(
    dialect: str, sql: str, caplog: pytest.LogCaptureFixture
) -> None:
    failure = check(sql, dialect=dialect)
    assert failure is not None
    assert failure.kind == "refused"
    assert failure.message.startswith("Refused: ") and "\n" not in failure.message
    assert not caplog.records, "sqlglot's own warnings reach the user's terminal"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "empty"),
        (" ;; ", "empty"),
        ("-- nothing", "empty"),
        ("hello there", "begins with 'hello'"),
        ("Sure! SELECT 1", "begins with 'Sure'"),
        ("SELECT a FROM", "line 1"),
        ("SELECT\n1 +\n) 2", "line 3"),
        ("SELECT 'abc", "closed"),
        ("SELECT /* abc", "closed"),
        ("SELECT a b c d FROM t", "cannot be parsed"),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000, "nested"),
        ("SELECT " + "1 + " * 3000 + "1 FROM", "The SQL"),
    ],
)
def test_what_is_no_sql_is_an_error(sql: str, said: str) -> None:
    failure = check(sql, dialect="sqlite")
    assert failure is not None
    assert failure.kind == "error"
    assert said in failure.message
    assert "\n" not in failure.message and "Token" not in failure.message


@pytest.mark.parametrize(
    ("dialect", "sql", "said"),
    [
        ("sqlite", "DROP TABLE t", "DROP"),
        ("sqlite", "SELECT 1;\nDROP TABLE t", "line 1"),
        ("postgres", "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", "DELETE FROM t"),
        ("postgres", "SELECT * FROM t WHERE pg_sleep(9) IS NULL", "pg_sleep"),
        ("postgres", "SELECT * FROM t FOR UPDATE", "FOR UPDATE"),
        ("duckdb", "SELECT * FROM 'secret.csv'", "secret.csv"),
    ],
)
def test_a_refusal_says_what_and_where(dialect: str, sql: str, said: str) -> None:
    failure = check(sql, dialect=dialect)
    assert failure is not None and said in failure.message


def test_a_very_long_statement_is_refused_without_reading_it() -> None:
    started = time.process_time()
    failure = check("SELECT " + "1, " * 400_000 + "1", dialect="sqlite")
    assert failure is not None and failure.kind == "refused"
    assert time.process_time() - started < 1  # of work, however busy the machine is


def test_an_unknown_dialect_gets_the_strictest_rules() -> None:
    assert check("SELECT a FROM t", dialect="nonesuch") is None
    for call in ("pg_sleep(1)", "load_file('x')", "load_extension('x')", "xp_cmdshell('x')"):
        failure = check(f"SELECT {call}", dialect="nonesuch")
        assert failure is not None and failure.kind == "refused"


def test_no_writing_node_is_allowed() -> None:
    exp = sqlglot.exp
    writing = (exp.DDL, exp.DML, exp.Command, exp.Into, exp.Lock, exp.Set, exp.Pragma, exp.Attach)
    assert not [
        node for node in ALLOWED if issubclass(node, writing) and not issubclass(node, exp.Query)
    ]


@pytest.mark.parametrize("table", [DENIED, PURE])
def test_nobody_can_add_to_the_lists_of_functions(table: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        table["sqlite"] = table["postgres"]


def gold(spider_dir: Path, name: str) -> list[str]:
    tasks = json.loads((spider_dir / name).read_text(encoding="utf-8"))
    return sorted({task["query"] for task in tasks})


def test_every_gold_query_of_spider_may_run(spider_dir: Path) -> None:
    queries = gold(spider_dir, "dev.json") + gold(spider_dir, "train.json")
    refused = [sql for sql in queries if check(sql, dialect="sqlite") is not None]
    assert refused == []


def test_a_check_takes_no_noticeable_time(spider_dir: Path) -> None:
    seconds = []
    for sql in gold(spider_dir, "dev.json")[::5]:
        started = time.process_time()
        check(sql, dialect="sqlite")
        seconds.append(time.process_time() - started)
    assert statistics.median(seconds) <= 0.003


def test_nothing_is_logged_by_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        check("CALL something(1)", dialect="mysql")
        check("SELECT 1; CALL something(1)", dialect="mysql")
    assert not caplog.records
