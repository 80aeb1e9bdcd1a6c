"""Dry runs and the guard on cost, on every engine that has an opinion."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import servers
from command import parsed, quorum
from quorumsql.config import load_settings
from quorumsql.db import open_database
from quorumsql.domain import Failure, Limits, Rows
from quorumsql.errors import ConfigError
from quorumsql.ports import Database

SCRIPT = "CREATE TABLE n (a INTEGER);" + "".join(
    f"INSERT INTO n VALUES {', '.join(f'({100 * h + i})' for i in range(100))};" for h in range(3)
)
CROSS = "SELECT COUNT(*) FROM n a CROSS JOIN n b CROSS JOIN n c"


def _sqlite(request: pytest.FixtureRequest, folder: Path) -> str:
    with closing(sqlite3.connect(folder / "n.sqlite")) as connection:
        connection.executescript(SCRIPT)
    return str(folder / "n.sqlite")


def _duckdb(request: pytest.FixtureRequest, folder: Path) -> str:
    import duckdb

    with closing(duckdb.connect(str(folder / "n.duckdb"))) as connection:
        connection.execute(SCRIPT)
    return str(folder / "n.duckdb")


def _postgresql(request: pytest.FixtureRequest, folder: Path) -> str:
    server = request.getfixturevalue("postgresql_server")
    return servers.make_postgresql(server, "plans", SCRIPT + "ANALYZE n;")


def _mariadb(request: pytest.FixtureRequest, folder: Path) -> str:
    server = request.getfixturevalue("mariadb_server")
    return servers.make_mariadb(server, "plans", SCRIPT + "ANALYZE TABLE n;")


ENGINES = {"sqlite": _sqlite, "duckdb": _duckdb, "postgresql": _postgresql, "mariadb": _mariadb}
ESTIMATING = [name for name in ENGINES if name != "sqlite"]


@pytest.fixture(scope="module", params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return ENGINES[request.param](request, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(open_database(url)) as opened:
        yield opened


def test_a_dry_run_gives_the_plan_and_runs_nothing(database: Database) -> None:
    found = database.execute(CROSS, limits=Limits(seconds=5, dry=True))
    assert isinstance(found, Rows)
    assert found.columns == ("step", "most_rows_expected")
    assert found.rows
    expected = found.rows[0][1]
    if database.dialect == "sqlite":
        assert expected is None
    else:
        assert isinstance(expected, int) and 10_000_000 <= expected <= 50_000_000


def test_a_dry_run_is_guarded_and_says_what_is_wrong(database: Database) -> None:
    refused = database.execute("DELETE FROM n", limits=Limits(dry=True))
    assert isinstance(refused, Failure) and refused.kind == "refused"
    wrong = database.execute("SELECT missing FROM n", limits=Limits(dry=True))
    assert isinstance(wrong, Failure) and wrong.kind == "error"


def test_what_is_expected_to_cost_too_much_is_refused(database: Database) -> None:
    found = database.execute(CROSS, limits=Limits(seconds=30, estimate=1_000_000))
    if database.dialect == "sqlite":
        assert isinstance(found, Rows) and "was not checked" in found.warning
        return
    assert isinstance(found, Failure) and found.kind == "cap"
    assert "1,000,000" in found.message


def test_or_only_warned_of(database: Database) -> None:
    limits = Limits(seconds=30, estimate=100, costly="warn")
    found = database.execute("SELECT a FROM n", limits=limits)
    assert isinstance(found, Rows) and len(found.rows) == 300
    assert found.warning


def test_what_is_cheap_runs_without_a_word(database: Database) -> None:
    found = database.execute("SELECT COUNT(*) FROM n", limits=Limits(estimate=1_000_000))
    assert isinstance(found, Rows) and found.rows == ((300,),)
    assert not found.warning or database.dialect == "sqlite"


def test_the_command_has_a_dry_run(url: str) -> None:
    found = parsed(quorum("sql", "--db", url, CROSS, "--dry-run", "--json"))
    assert found["columns"] == ["step", "most_rows_expected"]
    assert found["row_count"] > 0


def test_the_setting_is_read_and_checked() -> None:
    settings = load_settings(overrides={"limits": {"estimate": 1000, "costly": "warn"}}, environ={})
    assert settings.limits == Limits(estimate=1000, costly="warn")
    for wrong in ({"estimate": 0}, {"estimate": "many"}, {"costly": "maybe"}):
        with pytest.raises(ConfigError, match="limits"):
            load_settings(overrides={"limits": wrong}, environ={})
