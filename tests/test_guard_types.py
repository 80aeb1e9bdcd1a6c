"""Types that a statement names, on real servers: hidden tables are types too, and so are labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quorumsql.db import PermittedDatabase, open_database
from quorumsql.domain import Failure, Rows
from quorumsql.permissions import Names, Permissions
from quorumsql.ports import Database

if TYPE_CHECKING:
    import servers

SCRIPT = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE grade AS ENUM ('low', 'high');
CREATE TYPE place AS (street text, city text);
CREATE TABLE people (id int, name text, now mood, past mood[], home place, mark grade[]);
INSERT INTO people VALUES (1, 'Ann', 'ok', '{sad}', ROW('Via', 'Rome'), '{low}');
CREATE TABLE salaries (id int, hidden_column int, mark grade);
CREATE TABLE vector (hidden_column int);
CREATE TABLE object (hidden_column int);
"""
RULES = Permissions(
    deny=Names(tables=("salaries", "vector", "object"), columns=("people.mark", "people.home"))
)


@pytest.fixture(scope="module")
def company(postgresql_server: servers.Server) -> Iterator[Database]:
    import servers

    url = servers.make_postgresql(postgresql_server, "types", SCRIPT)
    with closing(open_database(url)) as database:
        yield database


@pytest.fixture(scope="module")
def permitted(company: Database) -> Database:
    return PermittedDatabase(company, RULES)


CASTS = [
    ("id::numeric(10,2)::text", "1.00"),
    ("'2024-01-02'::date::text", "2024-01-02"),
    ("CAST('{a,b}' AS text[])::text", "{a,b}"),
    ("('1 day'::interval)::text", "1 day"),
    ("(interval '1 day')::text", "1 day"),
    ("('1'::interval day to second)::text", "00:00:01"),
    ("'x'::varchar(3) || 'y'::char(1) || 'z'::character varying(4)", "xyz"),
    ("('1'::float8 + '1'::double precision + '1'::real)::text", "3"),
    ("('1'::int4 + 1::smallint + 1::bigint)::text", "3"),
    ("('10.0.0.1'::inet)::text || ('10.0.0.0/8'::cidr)::text", "10.0.0.1/3210.0.0.0/8"),
    ("('[1,2]'::int4range)::text", "[1,3)"),
    ("('a'::tsvector @@ 'a'::tsquery)::text", "true"),
    ("('{\"a\": 1}'::jsonb)->>'a'", "1"),
    ("(now()::timestamptz(3) > now()::timestamp - interval '1 day')::text", "true"),
    ("pg_typeof(id)::text", "integer"),
    ("(now = 'ok')::text", "true"),
    ("(now = 'ok'::mood)::text", "true"),
    ("(past = '{sad}'::mood[])::text", "true"),
    ("(SELECT e.key FROM json_each('{\"a\": 1}') AS e)", "a"),
    ("(json_each('{\"a\": 1}')).key", "a"),
    ("(SELECT max(g.g + g)::text FROM generate_series(1, 2) AS g)", "4"),
    ("(SELECT q.a::text FROM json_to_record('{\"a\": 1}') AS q(a int))", "1"),
    ("(SELECT u.i::text FROM unnest(ARRAY[5]) WITH ORDINALITY AS u(x, i))", "1"),
    ("(SELECT g.* FROM lower('X') AS g)", "x"),
]


@pytest.mark.parametrize(("cast", "wanted"), CASTS)
def test_types_of_the_engine_and_of_columns_that_may_be_read_stay(
    company: Database, permitted: Database, cast: str, wanted: str
) -> None:
    for database in (company, permitted):
        found = database.execute(f"SELECT {cast} FROM people")
        assert isinstance(found, Rows), found
        assert found.rows == ((wanted,),)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT to_json(json_populate_record(NULL::salaries, '{}'))",
        "SELECT to_json(json_populate_record(NULL::public.salaries, '{}'))",
        "SELECT to_json(json_populate_record(NULL::people, '{}'))",
        "SELECT to_json(json_populate_record(NULL::vector, '{}'))",
        "SELECT to_json(json_populate_record(NULL::object, '{}'))",
        "SELECT to_json(json_populate_record(NULL::place, '{}'))",
        "SELECT to_json(ARRAY[NULL]::_salaries)",
        "SELECT to_json(q.x) FROM json_to_record('{\"x\": {}}') AS q(x salaries)",
        "SELECT enum_range(NULL::grade)",
        "SELECT enum_range(NULL::public.grade)",
        "SELECT enum_range((name).grade) FROM people",
        "SELECT enum_range((SELECT 'low'::text).grade)",
        "SELECT enum_range(g.grade) FROM json_array_elements_text('[\"low\"]') AS g",
    ],
)
def test_what_is_hidden_is_no_type_either(company: Database, permitted: Database, sql: str) -> None:
    found = permitted.execute(sql)
    assert isinstance(found, Failure) and found.kind == "refused", found
    assert "hidden_column" not in found.message and "high" not in found.message


def test_a_refused_type_says_what_to_write_instead(permitted: Database) -> None:
    found = permitted.execute("SELECT now = 'ok'::grade FROM people")
    assert isinstance(found, Failure) and "a text without a type" in found.message


def test_without_permissions_types_of_users_stay_and_the_catalogue_does_not(
    company: Database,
) -> None:
    found = company.execute("SELECT 'ok'::mood, (home).city FROM people WHERE now = 'ok'::mood")
    assert isinstance(found, Rows) and found.rows == (("ok", "Rome"),)
    for sql in (
        "SELECT CAST(CAST(CAST(1259 AS pg_catalog.oid) AS pg_catalog.regclass) AS text)",
        "SELECT CAST(CAST('10' AS pg_catalog.regrole) AS text)",
        "SELECT '{1259}'::_regclass",
        "SELECT (1259).regclass",
        "SELECT g.regrole FROM generate_series(10, 10) AS g",
        "SELECT coalesce(nullif(pg_typeof(1), pg_typeof(1)), 1259)",
        "SELECT g.pg_read_file FROM lower('/etc/hostname') AS g",
        "SELECT g.pg_read_file FROM current_user AS g",
    ):
        refused = company.execute(sql)
        assert isinstance(refused, Failure) and refused.kind == "refused", sql


def test_labels_of_duckdb_are_hidden_too(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "types.duckdb"
    with duckdb.connect(path) as made:
        made.execute("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (a INT, m mood)")
        made.execute("INSERT INTO t VALUES (1, 'ok')")
    with closing(open_database(f"duckdb:///{path}")) as database:
        sql = "SELECT a::DECIMAL(10,2)::VARCHAR, [a]::BIGINT[]::VARCHAR FROM t WHERE m = 'ok'"
        hidden = PermittedDatabase(database, Permissions(deny=Names(columns=("t.m",))))
        shown = PermittedDatabase(database, Permissions(rows={"t": "a = 1"}))
        usable = database.execute("SELECT a FROM t WHERE m = 'ok'::mood")
        assert isinstance(usable, Rows) and usable.rows == ((1,),)
        found = shown.execute(sql)
        assert isinstance(found, Rows) and found.rows == (("1.00", "[1]"),)
        refused = hidden.execute("SELECT enum_range(NULL::mood)")
        assert isinstance(refused, Failure) and refused.kind == "refused"
