"""What can go wrong between us and a server: one clear line each, and never the password."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import psycopg
import pymysql
import pytest
from psycopg.pq import ExecStatus

import servers
from command import complaint, parsed, quorum
from lines import breaking, listening
from punctual import in_time, wait_until
from quorumsql.db import open_database
from quorumsql.db.budget import Budget
from quorumsql.db.postgresql_wait import Watched
from quorumsql.domain import Failure, Limits, Rows
from quorumsql.errors import DatabaseError, UsageError
from servers import PASSWORD, Server

SCRIPT = "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (7);"
SLOW = (
    "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 500) "
    "SELECT COUNT(*) FROM r a, r b, r c, r d, r e, r f"
)
ENGINES = {
    "postgresql": ("postgresql_server", servers.make_postgresql),
    "mariadb": ("mariadb_server", servers.make_mariadb),
}


@pytest.fixture(params=ENGINES)
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(ENGINES[request.param][0])
    return found


@pytest.fixture
def url(server: Server) -> str:
    return ENGINES[server.scheme][1](server, "trouble", SCRIPT)


def test_a_row_beyond_the_cap_is_refused_and_the_next_statement_runs(url: str) -> None:
    with closing(open_database(url)) as database:
        found = database.execute(
            "SELECT a, REPEAT('x', 300000) FROM t", limits=Limits(seconds=60, bytes=1_000)
        )
        assert isinstance(found, Failure) and found.kind == "cap"
        assert found.message.startswith("One row is larger than 1,000 bytes")
        assert database.execute("SELECT a FROM t") == Rows(columns=("a",), rows=((7,),))


def test_lengths_are_looked_at_before_fields_are_decoded(postgresql_server: Server) -> None:
    """Where a row came whole before anybody could count its bytes."""
    where = f"host=127.0.0.1 port={postgresql_server.port} user=owner dbname=postgres"
    budget = Budget(limits=Limits(bytes=1_000))
    with closing(Watched.connect(where, password=PASSWORD)) as connection:
        large, small = (
            connection.pgconn.exec_(b"SELECT NULL, 7, repeat('x', %d)" % length)
            for length in (100_000, 1_000)
        )
        assert small.status == large.status == ExecStatus.TUPLES_OK
        with connection.within(budget):
            assert connection.reader(small)(small) == [(None, 7, "x" * 1_000)]
            with pytest.raises(psycopg.OperationalError):
                connection.reader(large)(large)
        assert budget.stopped == "bytes"
        assert connection.closed, "the buffer of its connection keeps the size of the row"


def refusal(url: str) -> str:
    with pytest.raises(UsageError) as caught:
        open_database(url)
    words = str(caught.value)
    assert "\n" not in words
    assert PASSWORD not in words and "tiger" not in words
    return words


def test_a_password_with_special_characters_opens_the_door(server: Server, url: str) -> None:
    raw = url.replace(url.partition("owner:")[2].partition("@")[0], PASSWORD)
    assert PASSWORD in raw
    for way in (url, raw.replace("%25", "%2525")):
        with closing(open_database(way)) as database:
            assert database.execute("SELECT a FROM t") == Rows(columns=("a",), rows=((7,),))
            assert PASSWORD not in repr(database)


def test_a_wrong_password(server: Server) -> None:
    words = refusal(server.url("trouble", password="tiger"))
    assert "refuses the password of 'owner'" in words and "check" in words


def test_an_unknown_user(server: Server) -> None:
    assert "nobody_knows" in refusal(server.url("trouble", user="nobody_knows", password="tiger"))


def test_an_unknown_database(server: Server) -> None:
    words = refusal(server.url("no_such_shop"))
    assert "no database 'no_such_shop'" in words and f"{server.port}" in words


def test_an_unknown_host(server: Server) -> None:
    words = refusal(f"{server.scheme}://ann:tiger@nowhere.invalid/shop")
    assert "no host 'nowhere.invalid'" in words


def test_nothing_answers(server: Server) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = refusal(f"{server.scheme}://ann:tiger@127.0.0.1:{port}/shop")
    assert "Nothing answers" in words and str(port) in words


def test_something_else_answers(server: Server) -> None:
    with listening(lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        words = refusal(f"{server.scheme}://ann:tiger@127.0.0.1:{port}/shop?connect_timeout=30")
    assert f"127.0.0.1:{port} is no " in words


@pytest.mark.parametrize("option", ["no_such_option=1", "options=-crole%3Dx", "local_infile=1"])
def test_options_that_are_not_taken(server: Server, option: str) -> None:
    words = refusal(f"{server.url('trouble')}?{option}")
    assert option.partition("=")[0] in words


def test_a_server_that_stops_halfway(server: Server, url: str) -> None:
    """The connection is cut while rows come: an error in words, and the next statement works."""
    with closing(open_database(url)) as database:
        with breaking(server.port, b"RECURSIVE") as port:
            through = url.replace(f":{server.port}/", f":{port}/")
            with closing(open_database(through)) as broken:
                with pytest.raises(DatabaseError, match="was lost") as caught:
                    broken.execute(SLOW)
                assert "\n" not in str(caught.value)
        assert isinstance(database.execute("SELECT a FROM t"), Rows)


def test_connections_lost_while_idle_are_replaced(server: Server, url: str) -> None:
    with closing(open_database(url)) as database:
        assert isinstance(database.execute("SELECT a FROM t"), Rows)
        end_sessions(server)
        assert isinstance(database.execute("SELECT a FROM t"), Rows)


def test_no_connection_left_in_the_pool(
    server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quorumsql.db.server.POOL_SIZE", 1)
    monkeypatch.setattr("quorumsql.db.server.POOL_SECONDS", 0.2)
    with closing(open_database(url)) as database, ThreadPoolExecutor(1) as thread:
        first = thread.submit(database.execute, SLOW, limits=Limits(seconds=60))
        wait_until(lambda: active(server) > 0)
        with pytest.raises(DatabaseError, match="busy"):
            database.execute("SELECT a FROM t")
        database.cancel()  # type: ignore[attr-defined]
        assert isinstance(first.result(), Failure)
        assert isinstance(database.execute("SELECT a FROM t"), Rows)


def test_no_connection_left_on_the_server(server: Server, url: str) -> None:
    held = []
    try:
        with pytest.raises(Exception, match=r"(?i)too many|slots|connections"):
            for _ in range(100):
                held.append(owner(server))
        assert "no connection left" in refusal(url)
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: opens(url))  # a server takes its time to notice


def test_a_running_statement_is_cancelled_for_real(server: Server, url: str) -> None:
    with closing(open_database(url)) as database, ThreadPoolExecutor(1) as thread:

        def cancelled() -> float:
            running = thread.submit(database.execute, SLOW, limits=Limits(seconds=60))
            wait_until(lambda: active(server) > 0)
            start = time.monotonic()
            database.cancel()  # type: ignore[attr-defined]
            found = running.result()
            took = time.monotonic() - start
            assert found == Failure(kind="timeout", message="The statement was cancelled.")
            wait_until(lambda: active(server) == 0)
            return took

        in_time(2.0, cancelled)


def test_the_commands_take_the_url(url: str) -> None:
    found = parsed(quorum("sql", "--db", url, "SELECT a FROM t", "--json"))
    assert found["rows"] == [[7]]
    shown = quorum("schema", "--db", url)
    assert shown.returncode == 0 and "# Table: t" in shown.stdout, shown
    wrong = url.replace(url.partition("owner:")[2].partition("@")[0], "tiger")
    line = complaint(quorum("sql", "--db", wrong, "SELECT 1"), 2)
    assert "refuses the password" in line and "tiger" not in line


def owner(server: Server) -> Any:
    if server.scheme == "postgresql":
        return servers.postgresql_owner(server, "postgres")
    return servers.mariadb_owner(server)


def active(server: Server) -> int:
    """How many statements of ours are running."""
    if server.scheme == "postgresql":
        with closing(servers.postgresql_owner(server, "postgres")) as connection:
            found = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
                "AND query LIKE '%WITH R%' AND pid <> pg_backend_pid()"
            ).fetchone()
    else:
        with closing(servers.mariadb_owner(server)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM information_schema.processlist "
                "WHERE info LIKE 'WITH R%' AND id <> CONNECTION_ID()"
            )
            found = cursor.fetchone()
    assert found is not None
    return int(found[0])


def end_sessions(server: Server) -> None:
    if server.scheme == "postgresql":
        with closing(servers.postgresql_owner(server, "postgres")) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'trouble'"
            )
        return
    with closing(servers.mariadb_owner(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = 'trouble'")
        for (number,) in cursor.fetchall():
            with suppress(pymysql.err.OperationalError):  # it has ended by itself meanwhile
                cursor.execute(f"KILL {number}")


def opens(url: str) -> bool:
    try:
        open_database(url).close()
    except UsageError:
        return False
    return True
