"""What could a connection do if everything else failed? And what makes one that could do nothing?

A `Report` says what the account may do besides reading, as the engine itself tells it, and gives
the SQL that makes an account which may only read. Servers have files of their own
(`doctor_postgresql`, `doctor_mysql`).

What is not covered: functions that other people wrote (they are counted, not read), and what the
operating system lets the server's own account do.
"""

from __future__ import annotations

import os
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from quorumsql.db.connect import open_database
from quorumsql.db.files_find import engine_of
from quorumsql.urls import read_url

__all__ = ["Finding", "Report", "examine_connection"]

Level: TypeAlias = Literal["danger", "note", "good"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the account may do, or may not: a danger, a note, or good to know."""

    level: Level
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the doctor found. `remedy` is SQL, or shell commands in comments for files."""

    place: str
    engine: str
    user: str
    findings: tuple[Finding, ...]
    remedy: str

    @property
    def is_safe(self) -> bool:
        """Whether the account could do nothing but read."""
        return not any(finding.level == "danger" for finding in self.findings)


def examine_connection(url: str) -> Report:
    """Connect to `url` and report what the connection could do.

    Raises:
        UsageError: `url` names no database of a supported engine.
        DatabaseError: it cannot be opened.
    """
    scheme = re.match(r"([A-Za-z0-9.\-]+)(\+\w+)?://", url.strip())
    engine = scheme[1].lower() if scheme else ""
    path = _path(url, engine)
    if not engine and path.exists() and engine_of(path) == "files":
        return _examine_file(path, "files")  # reading them may take long, and tells nothing
    with closing(open_database(url)) as database:
        dialect = database.dialect
    if dialect == "postgres":
        from quorumsql.db.doctor_postgresql import examine_postgresql

        return examine_postgresql(read_url(url.strip()))
    if dialect == "mysql":
        from quorumsql.db.doctor_mysql import examine_mysql

        return examine_mysql(read_url(url.strip()))
    return _examine_file(path, dialect)


def _path(url: str, engine: str) -> Path:
    """The file or folder that a URL or path names."""
    text = url.strip()
    if engine:
        text = text.partition("://")[2].partition("?")[0].removeprefix("/")
    return Path(text or url).expanduser()


def _examine_file(path: Path, dialect: str) -> Report:
    """A database that is a file, or files: whoever may write to them may change them."""
    engine = {"sqlite": "SQLite", "duckdb": "DuckDB", "files": "Data files"}.get(dialect, dialect)
    findings = [*_about_files(path), *_about_engine(dialect)]
    return Report(
        place=str(path),
        engine=engine,
        user=_account(),
        findings=tuple(findings),
        remedy=_remedy(path, engine),
    )


def _about_files(path: Path) -> list[Finding]:
    findings = []
    kind = "folder" if path.is_dir() else "file"
    if os.access(path, os.W_OK):
        why = "a hole in the engine could change it; we open it read-only"
        findings.append(Finding(level="danger", what=f"the {kind} may be written", why=why))
    else:
        findings.append(Finding(level="good", what=f"the {kind} may not be written"))
    if os.access(path.parent, os.W_OK):
        why = "files could be put beside the database; we make none there"
        findings.append(Finding(level="note", what="its folder may be written", why=why))
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        why = "root may write everywhere, whatever the permissions say: use another account"
        findings.append(Finding(level="danger", what="this process runs as root", why=why))
    return findings


def _about_engine(dialect: str) -> list[Finding]:
    if dialect == "sqlite":
        return [
            Finding(
                level="good",
                what="no account and no network; extensions are never loaded",
                why="opened with mode=ro and query_only, behind an authorizer that allows reading",
            )
        ]
    return [
        Finding(
            level="good",
            what="no account; external access, extensions and settings are locked",
            why="opened read-only in a process of its own with limited memory",
        )
    ]


def _remedy(path: Path, engine: str) -> str:
    verb = "have" if engine.endswith("s") else "has"
    return "\n".join(
        (
            f"-- {engine} {verb} no roles: the operating system's permissions protect the file.",
            "-- Let another account own it, and run quorum as one that may only read it:",
            f"--   chown OWNER {_quoted(path)} && chmod u=rw,go=r {_quoted(path)}",
            "-- or work on a copy that nobody writes to:",
            f"--   cp {_quoted(path)} copy && chmod a-w copy",
        )
    )


def _quoted(path: Path) -> str:
    text = " ".join(str(path).splitlines())
    return "'" + text.replace("'", "'\\''") + "'"


def _account() -> str:
    if not hasattr(os, "geteuid"):
        return ""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
