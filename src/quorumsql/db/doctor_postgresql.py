"""What a PostgreSQL role may do besides reading, and the SQL that makes one which may not.

What is not covered: what functions written in untrusted languages do; that there are some is
reported. `REVOKE … FROM PUBLIC` takes a right from everybody who was not given it by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import psycopg

from quorumsql.db.doctor import Finding, Report
from quorumsql.db.postgresql import PostgreSQL
from quorumsql.urls import ServerUrl

__all__ = ["examine_postgresql"]

_READER: Final = "quorum_reader"
_POWERS: Final = (
    ("rolsuper", "is a superuser", "may do anything, also read and write files and run programs"),
    ("rolcreaterole", "may create roles", "could give itself further rights"),
    ("rolcreatedb", "may create databases", ""),
    ("rolreplication", "may replicate", "could read all data of the server"),
    ("rolbypassrls", "bypasses row-level security", "policies do not hold for it"),
)
_MEMBERSHIPS: Final = {
    "pg_read_server_files": "reads files of the server",
    "pg_write_server_files": "writes files on the server",
    "pg_execute_server_program": "runs programs on the server",
    "pg_signal_backend": "ends other people's sessions",
    "pg_write_all_data": "writes every table",
    "pg_maintain": "maintains every table",
    "pg_checkpoint": "forces checkpoints",
    "pg_create_subscription": "opens connections to other servers",
}
_MEMBER: Final = """
SELECT rolname FROM pg_roles WHERE rolname IN ({}) AND pg_has_role(oid, 'MEMBER')
"""
_WRITES: Final = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%'
  AND n.nspname <> 'information_schema'
  AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_any_column_privilege(c.oid, 'INSERT, UPDATE')
       OR pg_has_role(c.relowner, 'USAGE'))
ORDER BY 1
"""
_SEQUENCES: Final = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'USAGE, UPDATE') END ORDER BY 1
"""
_SCHEMAS: Final = """
SELECT format('%I', nspname), has_schema_privilege(oid, 'CREATE') FROM pg_namespace
WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
  AND has_schema_privilege(oid, 'USAGE') ORDER BY 1
"""
_FUNCTIONS: Final = """
SELECT p.oid::regprocedure::text, p.prosecdef, l.lanpltrusted FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND p.prokind <> 'a'
  AND d.objid IS NULL AND p.provolatile = 'v' AND has_function_privilege(p.oid, 'EXECUTE')
ORDER BY 1
"""
_REACHING: Final = """
SELECT e.extname, p.oid::regprocedure::text FROM pg_extension e
JOIN pg_depend d ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass
  AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
JOIN pg_proc p ON p.oid = d.objid
WHERE e.extname IN ('dblink', 'adminpack', 'file_fdw', 'postgres_fdw', 'http', 'pg_net', 'pg_cron',
  'lo', 'pg_file_settings', 'aws_s3', 'aws_lambda', 'plpython3u', 'plperlu', 'pltclu', 'pg_sleep')
  AND has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1, 2
"""
_LARGE_OBJECTS: Final = """
SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
  AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_unlink',
                    'lo_truncate', 'lo_truncate64') ORDER BY 1
"""


def examine_postgresql(url: ServerUrl) -> Report:
    """Ask the server what this role may do.

    Raises:
        DatabaseError: it cannot be reached, or does not answer.
    """
    product = PostgreSQL()
    try:
        with closing(product.connect(url)) as connection:
            connection.execute("SET default_transaction_read_only = on")
            asked = _Asked(connection)
            return Report(
                place=url.place,
                engine=f"PostgreSQL {asked.one('SHOW server_version').split()[0]}",
                user=asked.one("SELECT current_user::text"),
                findings=tuple(_findings(asked)),
                remedy=_remedy(asked),
            )
    except psycopg.Error as error:
        raise product.trouble(error, url) from error


class _Asked:
    """Short questions to the catalogue."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._connection.execute(sql.encode()).fetchall()]

    def one(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def names(self, sql: str) -> list[str]:
        return [str(row[0]) for row in self.rows(sql)]


def _findings(asked: _Asked) -> Iterator[Finding]:
    yield from _powers(asked)
    yield from _writes(asked)
    yield from _functions(asked)
    yield from _settings(asked)


def _powers(asked: _Asked) -> Iterator[Finding]:
    columns = ", ".join(name for name, _, _ in _POWERS)
    row = asked.rows(f"SELECT {columns} FROM pg_roles WHERE rolname = current_user")[0]
    held = [(what, why) for (_, what, why), has in zip(_POWERS, row, strict=True) if has]
    for what, why in held:
        yield Finding(level="danger", what=what, why=why)
    if not row[0]:  # a superuser counts as a member of everything, which says nothing more
        for name in asked.names(_MEMBER.format(", ".join(f"'{name}'" for name in _MEMBERSHIPS))):
            yield Finding(level="danger", what=f"is a member of {name}", why=_MEMBERSHIPS[name])
    if not held:
        yield Finding(level="good", what="has no power over the server")


def _writes(asked: _Asked) -> Iterator[Finding]:
    tables = asked.names(_WRITES)
    if tables:
        yield Finding(level="danger", what=f"may change {_some(tables, 'table')}")
    else:
        yield Finding(level="good", what="may change no table")
    sequences = asked.names(_SEQUENCES)
    if sequences:
        yield Finding(level="danger", what=f"may advance {_some(sequences, 'sequence')}")
    schemas = [str(name) for name, creates in asked.rows(_SCHEMAS) if creates]
    if schemas:
        yield Finding(level="danger", what=f"may create objects in {_some(schemas, 'schema')}")
    for right in ("CREATE", "TEMPORARY"):
        if asked.one(f"SELECT has_database_privilege(current_database(), '{right}')"):
            made = "schemas" if right == "CREATE" else "temporary tables"
            yield Finding(level="danger", what=f"may create {made} in the database")


def _functions(asked: _Asked) -> Iterator[Finding]:
    reaching = asked.rows(_REACHING)
    for name in dict.fromkeys(str(row[0]) for row in reaching):
        why = "its functions reach other servers, files or programs"
        yield Finding(level="danger", what=f"may use the extension {name}", why=why)
    functions = asked.rows(_FUNCTIONS)
    for chosen, what in (
        ([f for f, definer, _ in functions if definer], "with their author's rights"),
        ([f for f, _, trusted in functions if not trusted], "in an untrusted language"),
        ([f for f, *_ in functions], "that may have effects"),
    ):
        if chosen:
            level = "note" if what.startswith("that") else "danger"
            words = f"may call {_some([str(f) for f in chosen], 'function')} {what}"
            yield Finding(level="danger" if level == "danger" else "note", what=words)
    if asked.one("SELECT has_function_privilege('lo_create(oid)', 'EXECUTE')"):
        why = "only read-only transactions keep it from that, and before PostgreSQL 16 nothing"
        yield Finding(level="note", what="may create large objects", why=why)


def _settings(asked: _Asked) -> Iterator[Finding]:
    stored = asked.names(
        "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole "
        "WHERE r.rolname = current_user"
    )
    names = {entry.partition("=")[0] for entry in stored}
    for name, why in (
        ("default_transaction_read_only", "we begin every transaction read-only all the same"),
        ("statement_timeout", "we set one for every statement all the same"),
        ("temp_file_limit", "a sort may fill the server's disk"),
    ):
        if name not in names:
            yield Finding(level="note", what=f"{name} is not set for the role", why=why)


def _remedy(asked: _Asked) -> str:
    database = asked.one("SELECT quote_ident(current_database())")
    schemas = [str(name) for name, _ in asked.rows(_SCHEMAS)]
    everybody = [*asked.names(_LARGE_OBJECTS), *(str(f) for _, f in asked.rows(_REACHING))]
    lines = [
        "-- Run as the owner of the database or a superuser; choose a password of your own.",
        f"CREATE ROLE {_READER} LOGIN PASSWORD 'CHANGE-ME' NOSUPERUSER NOCREATEDB NOCREATEROLE"
        " NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 16;",
        f"ALTER ROLE {_READER} SET default_transaction_read_only = on;",
        f"ALTER ROLE {_READER} SET statement_timeout = '60s';",
        f"ALTER ROLE {_READER} SET idle_in_transaction_session_timeout = '120s';",
        f"ALTER ROLE {_READER} SET temp_file_limit = '1GB';",
        "-- What PostgreSQL lets everybody do; give it back by name to those who need it.",
        f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC;",
        *(f"REVOKE CREATE ON SCHEMA {name} FROM PUBLIC;" for name in schemas),
        *(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC;" for function in everybody),
        "-- What it may read: leave out the schemas and tables that it should not.",
        f"GRANT CONNECT ON DATABASE {database} TO {_READER};",
    ]
    for name in schemas:
        lines += [
            f"GRANT USAGE ON SCHEMA {name} TO {_READER};",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {_READER};",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT SELECT ON TABLES TO {_READER};",
        ]
    return "\n".join(lines)


def _some(names: list[str], noun: str) -> str:
    """Number and noun with the first names: `12 tables (a, b, c, …)`."""
    more = ", …" if len(names) > 3 else ""
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'} ({', '.join(names[:3])}{more})"
