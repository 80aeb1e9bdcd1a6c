"""What DuckDB itself refuses, with the check of the tree switched off.

Every statement runs on a database and on a Parquet file that was opened: the file is the one
place outside that DuckDB may read, and so the one that it could be made to overwrite.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from quorumsql.db.duckdb import DuckDbDatabase
from quorumsql.db.duckdb_read import Request
from quorumsql.db.files import FilesDatabase
from quorumsql.domain import Failure, Limits

HOSTILE = """
DELETE FROM t
INSERT INTO t VALUES (1)
UPDATE t SET a = 2
DROP TABLE t
TRUNCATE t
ALTER TABLE t ADD COLUMN b INTEGER
COMMENT ON TABLE t IS 'x'
CREATE TABLE u (a INTEGER)
CREATE TEMP TABLE u AS SELECT 1
CREATE VIEW v AS SELECT 1
CREATE MACRO f(x) AS x
CREATE SEQUENCE q
CREATE TYPE y AS ENUM ('a')
CREATE SCHEMA z
WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone
COPY (SELECT 1 AS a) TO '{opened}'
COPY (SELECT 1 AS a) TO '{opened}' (USE_TMP_FILE false)
COPY (SELECT 1 AS a) TO '{opened}' (FORMAT parquet, USE_TMP_FILE false)
COPY t TO '{folder}/new.csv'
COPY t TO '{scratch}/new.csv'
COPY t TO '/dev/stdout'
COPY t FROM '/etc/passwd'
COPY FROM DATABASE memory TO temp
EXPORT DATABASE '{folder}/out'
IMPORT DATABASE '{folder}/out'
ATTACH '{folder}/new.duckdb' AS other
ATTACH ':memory:' AS other
ATTACH '{folder}/secret.duckdb' AS other (READ_ONLY)
ATTACH 'host=localhost' AS other (TYPE postgres)
DETACH temp
USE temp
INSTALL httpfs
INSTALL httpfs FROM 'http://localhost:1/'
LOAD httpfs
LOAD '{folder}/evil.duckdb_extension'
UPDATE EXTENSIONS
FORCE INSTALL spatial
SET enable_external_access = true
SET lock_configuration = false
SET allowed_paths = ['/etc/passwd']
SET allowed_directories = ['/']
SET memory_limit = '100GB'
SET temp_directory = '{folder}'
SET home_directory = '/'
SET VARIABLE v = 1
RESET lock_configuration
RESET enable_external_access
PRAGMA enable_external_access = true
PRAGMA threads = 64
PRAGMA enable_profiling
PRAGMA database_list
PRAGMA disable_checkpoint_on_shutdown
CALL enable_logging(level = 'debug', storage = 'file', storage_path = '{folder}')
CALL pragma_version()
CHECKPOINT
FORCE CHECKPOINT
VACUUM
ANALYZE
BEGIN
COMMIT
ROLLBACK
PREPARE p AS DELETE FROM t
EXECUTE p
DEALLOCATE p
EXPLAIN ANALYZE DELETE FROM t
EXPLAIN DELETE FROM t
CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')
CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'b')
DROP SECRET s
SELECT 1; DELETE FROM t
SELECT 1; COMMIT; DELETE FROM t
SELECT nextval('counter')
SELECT getenv('HOME')
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_csv('{folder}/secret.csv')
SELECT * FROM read_csv(['{opened}', '/etc/passwd'])
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_blob('/proc/self/environ')
SELECT * FROM read_json('{folder}/secret.csv')
SELECT * FROM read_parquet('{folder}/*.parquet')
SELECT * FROM read_parquet('{folder}/secret.parquet')
SELECT * FROM read_text('{opened}/../secret.csv')
SELECT * FROM read_text('~/.bashrc')
SELECT * FROM read_text('http://localhost:1/x')
SELECT * FROM read_text('s3://bucket/x')
SELECT * FROM glob('{folder}/*')
SELECT * FROM glob('/etc/*')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM parquet_metadata('{folder}/secret.parquet')
SELECT * FROM parquet_kv_metadata('/etc/passwd')
SELECT * FROM '/etc/passwd'
SELECT * FROM '{folder}/secret.csv'
FROM '{folder}/secret.parquet'
SELECT * FROM "{folder}/secret.parquet"
SELECT * FROM read_duckdb('{folder}/secret.duckdb')
SELECT * FROM sqlite_scan('{folder}/secret.sqlite', 't')
SELECT * FROM postgres_scan('host=localhost', 'public', 't')
SELECT * FROM HOSTILE
SELECT * FROM query('DELETE FROM t')
SELECT * FROM query('COPY t TO ''{folder}/new.csv''')
SELECT * FROM query_table(['/etc/passwd'])
SELECT * FROM enable_logging()
SELECT * FROM enable_profiling()
SELECT * FROM force_checkpoint()
SELECT * FROM json_execute_serialized_sql('DELETE FROM t')
SELECT * FROM pandas_scan(140000000000000)
SELECT * FROM arrow_scan(1, 2, 3)
""".strip().splitlines()


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def make(folder: Path) -> None:
    with closing(duckdb.connect(folder / "open.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a; CREATE SEQUENCE counter")
        connection.execute(f"COPY t TO '{folder}/t.parquet'; COPY t TO '{folder}/secret.parquet'")
    (folder / "secret.csv").write_text("word\nsesame\n", encoding="utf-8")
    with closing(duckdb.connect(folder / "secret.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 'sesame' AS word")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locked").resolve()
    make(folder)
    return folder


@pytest.fixture(scope="module", params=["a database", "an opened file"])
def database(request: pytest.FixtureRequest, folder: Path) -> Iterator[DuckDbDatabase]:
    if request.param == "a database":
        with closing(DuckDbDatabase(folder / "open.duckdb")) as opened:
            yield opened
    else:
        with closing(FilesDatabase(folder / "t.parquet")) as files:
            yield files._current()


def test_nothing_is_written_read_or_loaded(database: DuckDbDatabase, folder: Path) -> None:
    before = hashes(folder)
    words = {"folder": folder, "opened": folder / "t.parquet", "scratch": database._scratch.name}
    through = []
    for statement in HOSTILE:
        sql = statement.format(**words)
        found = database._run(Request(sql=sql), Limits(seconds=5))
        if not isinstance(found, Failure):
            through.append((sql, found))
        else:
            assert "sesame" not in found.message
            assert "\n" not in found.message
    assert not through
    assert hashes(folder) == before
    assert not [path for path in Path(database._scratch.name).rglob("*") if path.is_file()]


def test_a_checkpoint_as_a_function_changes_nothing(database: DuckDbDatabase, folder: Path) -> None:
    before = hashes(folder)
    for sql in ("SELECT * FROM checkpoint()", "SELECT write_log('x')", "SELECT setseed(0.5)"):
        database._run(Request(sql=sql), Limits(seconds=5))
    assert hashes(folder) == before


def test_queries_still_run(database: DuckDbDatabase) -> None:
    for sql in (
        "SELECT a FROM t",
        "FROM t SELECT a",
        "WITH x AS (SELECT a FROM t) SELECT * FROM x",
        "VALUES (1)",
        "SELECT * FROM t UNION ALL SELECT 2;",
        "SELECT * FROM (PIVOT t ON a IN (1, 2) USING count(*))",
    ):
        found = database._run(Request(sql=sql), Limits(seconds=60))
        assert not isinstance(found, Failure), (sql, found)
