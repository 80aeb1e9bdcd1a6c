"""A bar on stderr while data files are read for the first time.

What is not covered: output that goes to no terminal; there nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

__all__ = ["reading"]


@contextmanager
def reading() -> Iterator[Callable[[str, float], None]]:
    """Yield what shows how much of which file is read, and take the bar away at the end."""
    console = Console(stderr=True)
    columns = (TextColumn("Reading {task.description}"), BarColumn())
    with Progress(
        *columns,
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task("files", total=100, visible=False)

        def tell(name: str, percent: float) -> None:
            shown = name if len(name) <= 40 else f"{name[:39]}…"
            progress.update(task, description=shown, completed=max(0.0, percent), visible=True)

        yield tell
