"""A database that is only known to SQLAlchemy: Firebird, run inside this process.

It needs Debian's `firebird3.0-server-core` and `libfbclient2`, and the packages that `make test`
installs beside the extras (docs/engines.md).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import servers
from command import parsed, quorum
from punctual import in_time
from quorumsql.db import open_database
from quorumsql.domain import Failure, ForeignKey, Limits, Rows
from quorumsql.errors import DatabaseError, UsageError
from quorumsql.forms.translate import translate
from quorumsql.ports import Database

# Firebird's dialect leaves cursors to the garbage collector when it reads the catalogue.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SCRIPT = """
CREATE TABLE city (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, people INTEGER);
CREATE TABLE stay (id INTEGER NOT NULL PRIMARY KEY, city_id INTEGER REFERENCES city, night DATE);
CREATE TABLE "Mixed Case" (a INTEGER);
CREATE VIEW big_city AS SELECT name, people FROM city WHERE people > 1000000;
INSERT INTO city VALUES (1, 'Lisbon', 545000);
INSERT INTO city VALUES (2, 'Tokyo', 13960000);
INSERT INTO city VALUES (3, 'O''Fallon', NULL);
INSERT INTO stay VALUES (1, 2, '2024-01-02')
"""
SLOW = (
    "WITH RECURSIVE r AS (SELECT MIN(id) AS x FROM city UNION ALL SELECT x + 1 FROM r "
    "WHERE x < 500) SELECT COUNT(*) FROM r a CROSS JOIN r b CROSS JOIN r c CROSS JOIN r d"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return servers.make_firebird(tmp_path_factory.mktemp("firebird") / "hotel.fdb", SCRIPT)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(open_database(url)) as opened:
        yield opened


def test_it_is_described(database: Database) -> None:
    schema = database.schema()
    assert [t.name for t in schema.tables] == ["Mixed Case", "city", "stay", "big_city"]
    city = schema.table("city")
    assert city is not None
    assert [(c.name, c.kind, c.primary_key, c.nullable) for c in city.columns] == [
        ("id", "number", True, False),
        ("name", "text", False, False),
        ("people", "number", False, True),
    ]
    assert city.columns[1].examples == ("Lisbon", "Tokyo", "O'Fallon")
    assert schema.foreign_keys == (
        ForeignKey(
            table="stay", columns=("city_id",), referred_table="city", referred_columns=("id",)
        ),
    )


def test_it_is_read(database: Database) -> None:
    found = database.execute("SELECT name FROM city WHERE people > 1 ORDER BY id")
    assert isinstance(found, Rows)
    assert found.rows == (("Lisbon",), ("Tokyo",))
    assert database.values("city", "name", limit=2) == ("Lisbon", "Tokyo")
    few = database.execute("SELECT id FROM city ORDER BY id", limits=Limits(rows=2))
    assert isinstance(few, Rows) and few.truncated and len(few.rows) == 2


def test_what_members_write_is_put_in_the_words_of_the_standard(database: Database) -> None:
    sql = translate("SELECT name FROM city ORDER BY people DESC LIMIT 1", database.schema())
    found = database.execute(sql)
    assert isinstance(found, Rows), (sql, found)
    assert found.rows == (("Tokyo",),)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT missing FROM city", "error"),
        ("SELECT * FROM missing", "error"),
        ("DELETE FROM city", "refused"),
        ("EXECUTE BLOCK AS BEGIN DELETE FROM city; END", "refused"),
        ("SELECT 1 FROM city; DELETE FROM city", "refused"),
    ],
)
def test_what_goes_wrong_is_a_value(database: Database, sql: str, kind: str) -> None:
    found = database.execute(sql)
    assert isinstance(found, Failure) and found.kind == kind, found
    assert "\n" not in found.message
    assert isinstance(database.execute("SELECT id FROM city"), Rows)


def test_the_engine_too_refuses_to_write(database: Database) -> None:
    found = database._run("DELETE FROM city", Limits())  # type: ignore[attr-defined]
    assert isinstance(found, Failure) and "read-only" in found.message


def test_a_deadline_stops_a_statement(database: Database) -> None:
    def stopped() -> float:
        start = time.monotonic()
        found = database.execute(SLOW, limits=Limits(seconds=0.5))
        took = time.monotonic() - start
        assert isinstance(found, Failure) and found.kind == "timeout", found
        return took

    in_time(0.5 + 1.0, stopped)
    assert isinstance(database.execute("SELECT id FROM city"), Rows)


def test_a_dry_run_runs_nothing(database: Database) -> None:
    found = database.execute(SLOW, limits=Limits(seconds=0.5, dry=True))
    assert isinstance(found, Rows) and "not asked for plans" in str(found.rows)


def test_the_command_takes_the_url(url: str) -> None:
    found = parsed(quorum("sql", "--db", url, "SELECT name FROM city WHERE id = 3", "--json"))
    assert found["rows"] == [["O'Fallon"]]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError) as caught:
        open_database(f"firebird+firebird://SYSDBA:tiger@/{tmp_path}/missing.fdb")
    assert "\n" not in str(caught.value) and "tiger" not in str(caught.value)


def test_a_dialect_that_does_not_exist_and_a_driver_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no such dialect"):
        open_database("nosuchengine://ann:tiger@host/shop")
    with pytest.raises(UsageError, match="driver oracledb: install it"):
        open_database("oracle+oracledb://ann:tiger@host/shop")
