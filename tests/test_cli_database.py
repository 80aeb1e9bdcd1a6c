"""`quorum schema` and `quorum sql`: what is in a database, and one statement through the guard."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import complaint, parsed, quorum


@pytest.mark.parametrize("format", ["mschema", "ddl", "compact"])
def test_schema_in_every_format(shop: Path, format: str) -> None:
    finished = quorum("schema", "--db", shop, "--format", format)
    assert (finished.returncode, finished.stderr) == (0, "")
    for name in ("city", "Order Details", "評価", "Unit Price (EUR)"):
        assert name in finished.stdout


def test_schema_of_an_unknown_format(shop: Path) -> None:
    line = complaint(quorum("schema", "--db", shop, "--format", "mschma"), 2)
    assert "Did you mean 'mschema'?" in line


def test_schema_for_a_question(shop: Path) -> None:
    finished = quorum("schema", "--db", shop, "--question", "Which cities are in Portugal?")
    assert finished.returncode == 0
    assert "country" in finished.stdout


def test_sql_prints_a_table(shop: Path) -> None:
    finished = quorum("sql", "--db", shop, "SELECT name, population FROM city ORDER BY id")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "13960000" in finished.stdout and "東京" in finished.stdout
    assert "∅ NULL" in finished.stdout


def test_sql_prints_json(shop: Path) -> None:
    found = parsed(quorum("sql", "--db", shop, "--json", "SELECT 1 AS one, x'00ff' AS raw"))
    assert found["columns"] == ["one", "raw"]
    assert found["rows"] == [[1, "0x00ff"]]
    assert (found["status"], found["error"], found["row_count"]) == ("ok", None, 1)


def test_sql_from_stdin(shop: Path) -> None:
    finished = quorum("sql", "--db", shop, "--json", "-", stdin="SELECT count(*) AS n FROM city;")
    assert parsed(finished)["rows"] == [[5]]


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE city",
        "DELETE FROM city",
        "SELECT 1; SELECT 2",
        "ATTACH DATABASE 'other.sqlite' AS other",
        "PRAGMA journal_mode = WAL",
        "SELECT load_extension('x')",
    ],
)
def test_guard_refuses_with_a_reason(shop: Path, statement: str) -> None:
    before = shop.read_bytes()
    line = complaint(quorum("sql", "--db", shop, statement), 4)
    assert line.startswith("quorum: refused: ") and len(line) > len("quorum: refused: ")
    assert line.lower().count("refused") == 1
    found = parsed(quorum("sql", "--db", shop, "--json", statement), code=4)
    assert found["status"] == "refused" and found["error"] and found["rows"] == []
    assert shop.read_bytes() == before
    assert [p.name for p in shop.parent.glob("*.sqlite*")] == ["shop.sqlite"]


@pytest.mark.parametrize("statement", ["SELECT FROM WHERE", "SELECT nope FROM city", "", "hello"])
def test_bad_sql_is_the_callers_to_fix(shop: Path, statement: str) -> None:
    assert complaint(quorum("sql", "--db", shop, statement), 2).startswith("quorum: error: ")


def test_a_name_that_is_not_there_leads_to_the_schema(shop: Path) -> None:
    line = complaint(quorum("sql", "--db", shop, "SELECT nope FROM city"), 2)
    assert line == "quorum: error: no such column: nope. `quorum schema` shows what there is."


def test_deadline_stops_a_statement(shop: Path) -> None:
    endless = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        SELECT count(*) FROM n"""
    line = complaint(quorum("sql", "--db", shop, "--timeout", "0.3", endless), 4)
    assert line == "quorum: timeout: The statement was stopped after 0.3 seconds."
