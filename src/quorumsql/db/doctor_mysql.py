"""What a MySQL or MariaDB account may do besides reading, and the SQL that makes one which may not.

What is not covered: rights that come through roles which are not active by default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pymysql

from quorumsql.db.doctor import Finding, Report
from quorumsql.db.mysql import MySQL
from quorumsql.urls import ServerUrl

__all__ = ["examine_mysql"]

_READER: Final = "'quorum_reader'@'%'"
_HARMLESS: Final = frozenset({"USAGE", "SELECT", "SHOW VIEW"})
_NOTED: Final = frozenset({"SHOW DATABASES", "PROCESS", "EXECUTE", "LOCK TABLES"})
_WHY: Final = {
    "ALL PRIVILEGES": "may do everything there",
    "FILE": "reads and writes files of the server",
    "SUPER": "changes the server itself",
    "SHUTDOWN": "ends the server",
    "EXECUTE": "calls stored functions, which may do anything",
    "PROCESS": "sees what others run",
    "CREATE TEMPORARY TABLES": "fills the server's disk",
    "GRANT OPTION": "hands its rights on",
}
_VARIABLES: Final = (
    "SHOW VARIABLES WHERE Variable_name IN ('local_infile', 'read_only', 'secure_file_priv')"
)
_GRANT: Final = re.compile(r"GRANT (?P<rights>.+?) ON (?P<where>.+?) TO ", re.IGNORECASE)


def examine_mysql(url: ServerUrl) -> Report:
    """Ask the server what this account may do.

    Raises:
        DatabaseError: it cannot be reached, or does not answer.
    """
    product = MySQL()
    try:
        with closing(product.connect(url)) as connection:
            version = str(_rows(connection, "SELECT version()")[0][0])
            product_name = "MariaDB" if "mariadb" in version.lower() else "MySQL"
            return Report(
                place=url.place,
                engine=f"{product_name} {version.split('-')[0]}",
                user=str(_rows(connection, "SELECT current_user()")[0][0]),
                findings=tuple(_findings(connection)),
                remedy=_remedy(url, product_name),
            )
    except pymysql.Error as error:
        raise product.trouble(error, url) from error


def _rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


def _findings(connection: Any) -> Iterator[Finding]:
    dangers = 0
    for finding in _of_grants(connection):
        dangers += finding.level == "danger"
        yield finding
    if not dangers:
        yield Finding(level="good", what="may change nothing")
    yield from _of_server(connection)


def _of_grants(connection: Any) -> Iterator[Finding]:
    for line, *_ in _rows(connection, "SHOW GRANTS"):
        text = str(line)
        grant = _GRANT.match(text)
        if grant is None:
            yield Finding(level="note", what="has a role", why=_without_hash(text))
            continue
        rights = [right.strip().upper() for right in _split(grant["rights"])]
        if "WITH GRANT OPTION" in text.upper():
            rights.append("GRANT OPTION")
        for right in rights:
            plain = right.partition("(")[0].strip()
            if plain in _HARMLESS:
                continue
            level = "note" if plain in _NOTED else "danger"
            yield Finding(
                level="note" if level == "note" else "danger",
                what=f"may {plain} on {grant['where']}",
                why=_WHY.get(plain, ""),
            )


def _split(rights: str) -> list[str]:
    """Rights separated by commas, but not by those between columns."""
    return re.findall(r"[^,(]+(?:\([^)]*\))?", rights)


def _without_hash(line: str) -> str:
    return re.sub(r"IDENTIFIED .*", "", line).strip()


def _of_server(connection: Any) -> Iterator[Finding]:
    found = {str(name): str(value) for name, value in _rows(connection, _VARIABLES)}
    if found.get("local_infile") == "ON":
        why = "LOAD DATA LOCAL asks the client for files; ours never gives any"
        yield Finding(level="note", what="the server allows local_infile", why=why)
    if not found.get("secure_file_priv"):
        why = "an account with FILE could reach every folder of the server"
        yield Finding(level="note", what="secure_file_priv is not set", why=why)
    if found.get("read_only", "OFF") not in {"OFF", "0"}:
        yield Finding(level="good", what="the server is read-only")


def _remedy(url: ServerUrl, product: str) -> str:
    name = "`" + (url.database or "DATABASE").replace("`", "``") + "`"
    pattern = name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    seconds = " MAX_STATEMENT_TIME 60" if product == "MariaDB" else ""
    return "\n".join(
        (
            "-- Run as an administrator; choose a password of your own, and a host instead of '%'.",
            f"CREATE USER {_READER} IDENTIFIED BY 'CHANGE-ME' WITH"
            f" MAX_USER_CONNECTIONS 16{seconds};",
            "-- What it may read: name single tables instead of * to leave others out.",
            f"GRANT SELECT, SHOW VIEW ON {pattern}.* TO {_READER};",
        )
    )
