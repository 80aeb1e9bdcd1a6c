"""Open a database as far as these settings let a person read it.

What is not covered: which engine it is (`db`), and asking it (`api`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from quorumsql.config import Settings, database_home
from quorumsql.errors import MissingExtra, UsageError
from quorumsql.ports import Database

if TYPE_CHECKING:
    from quorumsql.stages.describe import Descriptions
    from quorumsql.stores.audit import AuditLog

__all__ = ["DESCRIPTIONS", "known_folder", "open_guarded", "read_descriptions"]

DESCRIPTIONS = "descriptions.toml"
"""Name of the file of descriptions in a database's folder."""


def open_guarded(
    url: str,
    *,
    settings: Settings,
    tell: Callable[[str, float], None] | None = None,
    who: Callable[[], str] | None = None,
) -> Database:
    """Open a database as far as it may be read, with a record of what is asked of it.

    `who` says on whose behalf, whenever something is asked; the settings do when it is absent.

    Raises:
        ConfigError: the permissions name what the database does not have.
        DatabaseError: the database cannot be opened.
        UsageError: the audit log cannot be written, or the descriptions cannot be read.
        MissingExtra: telemetry is wanted and not installed.
    """
    from quorumsql.db import AuditedDatabase, PermittedDatabase, open_database

    home = database_home(settings, url)
    database = open_database(
        url, limits=settings.limits, home=home, functions=settings.functions, tell=tell
    )
    with ExitStack() as undo:
        undo.callback(database.close)
        audit = _audit(settings, home, database, who)
        if audit is not None:
            database = AuditedDatabase(database, audit)
        if settings.permissions:
            database = PermittedDatabase(
                database, settings.permissions, functions=settings.functions, audit=audit
            )
        if not settings.private:  # descriptions quote values
            database = _described(database, known_folder(settings, url) / DESCRIPTIONS)
        database = _watched(database, settings)
        undo.pop_all()
    return database


def _watched(database: Database, settings: Settings) -> Database:
    """The database, with a span of OpenTelemetry for each statement where settings ask for it."""
    if not settings.telemetry.enabled:
        return database
    try:
        from quorumsql.spans import SpannedDatabase
    except ModuleNotFoundError as error:
        raise MissingExtra("telemetry.enabled", "otel") from error
    return SpannedDatabase(database, content=settings.telemetry.content)


def _audit(
    settings: Settings, home: Path, database: Database, who: Callable[[], str] | None
) -> AuditLog | None:
    """The record of this database's statements; None where none is kept."""
    from quorumsql.stores.audit import AuditLog

    wanted = settings.audit
    if wanted.enabled is False:
        return None
    try:
        return AuditLog(
            home,
            who=who or settings.who,
            database=database.name,
            dialect=database.dialect,
            values=wanted.values,
            bytes=wanted.bytes,
            files=wanted.files,
        )
    except UsageError:
        if wanted.enabled:
            raise
        return None


def known_folder(settings: Settings, url: str) -> Path:
    """Return the folder for what a survey of this database finds.

    Who may read only a part of a database has a survey of their own.
    """
    folder = database_home(settings, url)
    if not settings.permissions:
        return folder
    own = hashlib.sha256(repr(settings.permissions).encode()).hexdigest()[:12]
    return folder / f"as-{own}"


def _described(database: Database, path: Path) -> Database:
    """The database with the descriptions of this file, if there is one."""
    if not path.is_file():
        return database
    from quorumsql.db.described import DescribedDatabase
    from quorumsql.stages.describe import described

    descriptions = read_descriptions(path)
    return DescribedDatabase(database, lambda schema: described(schema, descriptions))


def read_descriptions(path: Path) -> Descriptions:
    """Return the descriptions in the file at `path`; none when it is not there.

    Raises:
        UsageError: it cannot be read.
    """
    from quorumsql.stages.describe import Descriptions, read_text

    try:
        return read_text(path.read_text(encoding="utf-8"), name=str(path))
    except FileNotFoundError:
        return Descriptions()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
