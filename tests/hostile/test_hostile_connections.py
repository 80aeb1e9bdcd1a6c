"""URLs that ask for more than reading: each is refused in one line, or opens what only reads."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from stage import LIMITS, Stage, staged

import servers
from quorumsql.db import open_database
from quorumsql.errors import QuorumError

FILES = (
    "sqlite:///file:{path}?mode=rwc",
    "sqlite:///file:{path}?mode=rw&uri=true",
    "file:{path}?mode=rwc",
    "sqlite:///{path}?mode=rwc",
    "sqlite:///{path}?immutable=0&nolock=1",
    "sqlite:///{path}?vfs=unix-none",
    "sqlite:///{path}?enable_load_extension=1",
    "sqlite:///{path}?isolation_level=EXCLUSIVE",
    "sqlite+pysqlite:///{path}?check_same_thread=false&mode=rwc",
    "sqlite+pysqlcipher://:key@/{path}",
    "sqlite:///{path}#/../x",
    "sqlite:///{path}\x00.db",
    "sqlite:///{path}\n; ATTACH 'x'",
    "sqlite:///:memory:",
    "sqlite:////etc/passwd",
    "sqlite:////dev/zero",
    "sqlite:////proc/self/mem",
    "duckdb:///{path}?access_mode=READ_WRITE",
    "duckdb:///{path}?allow_unsigned_extensions=true",
    "duckdb:///:memory:",
    "duckdb:///md:loot",
    "duckdb:////dev/zero",
    "md:loot?motherduck_token=x",
    "s3://bucket/x.parquet",
    "https://127.0.0.1:{port}/x.csv",
    "http://127.0.0.1:{port}/x.parquet",
    "ftp://127.0.0.1:{port}/x",
    "javascript:alert(1)",
    "{folder}/*.csv",
    "| touch {folder}/loot",
    "$(touch {folder}/loot)",
    "oracle+oracledb://x:y@127.0.0.1:{port}/z",
)
SERVERS = (
    "?options=-c%20default_transaction_read_only%3Doff",
    "?options=-c statement_timeout=0",
    "?service=evil&servicefile=/tmp/x",
    "?passfile=/etc/passwd&nonsense=1",
    "?replication=database",
    "?local_infile=1",
    "?init_command=DROP%20TABLE%20staff",
    "?client_flag=65536",
    "?read_default_file=/etc/passwd",
    "?read_default_group=x&cursorclass=evil",
    "?autocommit=false&sql_mode=ANSI_QUOTES",
    "?host=127.0.0.1&host=127.0.0.2&nonsense=on",
    "?read_only=flase",
    "?readonly=true",
)


@pytest.mark.parametrize("url", FILES)
def test_a_file_is_read_or_refused(
    url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with staged("sqlite", tmp_path, request) as stage:
        path = str(tmp_path / "hostile.sqlite")
        port = str(stage.listener.getsockname()[1])
        before, files = stage.state(), stage.files()
        given = url.format(path=path, folder=stage.folder, port=port)
        _open_and_attack(given, stage)
        assert stage.state() == before and stage.files() == files
        assert not stage.was_called()


@pytest.mark.parametrize("engine", ["postgres", "mysql"])
def test_a_server_is_read_or_refused(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with staged(engine, tmp_path, request) as stage:
        before = stage.state()
        for options in SERVERS:
            _open_and_attack(stage.url + options, stage)
            assert stage.state() == before, options


def _open_and_attack(url: str, stage: Stage) -> None:
    try:
        with closing(open_database(url, limits=LIMITS)) as database:
            for sql in ("DELETE FROM staff", "UPDATE staff SET salary = 0", "DROP TABLE staff"):
                run = getattr(database, "_run", None)  # the guard stays away where it can
                if database.dialect == "duckdb" or run is None:
                    database.execute(sql)
                else:
                    run(sql, LIMITS)
    except QuorumError as error:
        assert "\n" not in str(error) and servers.PASSWORD not in str(error)
