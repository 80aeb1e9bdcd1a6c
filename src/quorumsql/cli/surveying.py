"""What the commands that know a database share: survey it with a progress bar, find the result.

What is not covered: what a survey reads; see `survey`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from quorumsql.ports import Database
    from quorumsql.survey import Report, Watcher

__all__ = ["surveyed"]


@contextmanager
def surveyed(db: str, *, rebuild: bool = False) -> Iterator[tuple[Database, Path, Report]]:
    """Open a database and bring what we know of it up to date; progress goes to stderr.

    Raises:
        UsageError: the database cannot be read, or our folder cannot be written.
    """
    from quorumsql.api import known_folder, open_guarded
    from quorumsql.cli.reading import reading
    from quorumsql.cli.settings import settings_of
    from quorumsql.survey import file_stamp, survey

    settings = settings_of()
    folder = known_folder(settings, db)
    with reading() as tell:
        opened = open_guarded(db, settings=settings, tell=tell)
    with closing(opened) as database:
        with _bar() as watcher:
            report = survey(
                database,
                folder,
                stamp=file_stamp(db),
                private=settings.unread,
                rebuild=rebuild,
                watcher=watcher,
            )
        yield database, folder, report


@contextmanager
def _bar() -> Iterator[Watcher]:
    from quorumsql.survey import Watcher

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[done]}"),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as progress:
        task = progress.add_task("Reading", total=None, done="")
        rows = values = 0

        def on_table(name: str, number: int, of: int) -> None:
            shown = name if len(name) <= 30 else f"{name[:29]}…"
            progress.update(task, description=shown, completed=number - 1, total=of)

        def on_rows(count: int) -> None:
            nonlocal rows
            rows += count
            progress.update(task, done=f"{rows:,} rows")

        def on_seal(count: int) -> None:
            nonlocal values
            values += count
            progress.update(task, description="Indexing", done=f"{values:,} values")

        def on_wait() -> None:
            console.print("Another process is reading this database: waiting for it.")

        yield Watcher(on_table=on_table, on_rows=on_rows, on_seal=on_seal, on_wait=on_wait)
