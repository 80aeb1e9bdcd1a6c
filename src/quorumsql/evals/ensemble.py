"""The answerer that a benchmark measures by default: our own pipeline, through `api`.

What is not covered: anything about gold; this module does not know the word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quorumsql.api import connect
from quorumsql.config import Settings
from quorumsql.evals.worker import Asks

__all__ = ["Ensemble"]


class Ensemble:
    """Answers with `settings` on every database. It pickles, so that workers can have it."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; nothing is loaded before the first database opens."""
        self._settings = settings

    @contextmanager
    def open(self, database: Path) -> Iterator[Asks]:
        """Connect to the database file, and close it afterwards."""
        with connect(str(database), settings=self._settings) as connection:
            yield connection
