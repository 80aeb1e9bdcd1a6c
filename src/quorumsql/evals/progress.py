"""A progress bar on stderr that shows accuracy while a benchmark runs.

Where stderr is no terminal, a line now and then takes its place.

What is not covered: intervals; those come with the summary.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from quorumsql.evals.predictions import Prediction

__all__ = ["Bar"]

_EVERY = 100


class Bar:
    """A context whose `advance` is told each prediction."""

    def __init__(self, total: int) -> None:
        """Prepare a bar for `total` questions; it shows on entering."""
        self._right = 0
        self._seen = 0
        self._total = total
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("accuracy   –", total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def advance(self, prediction: Prediction) -> None:
        """Count one more prediction."""
        self.count(right=prediction.correct)

    def count(self, *, right: bool) -> None:
        """Count one more question."""
        self._seen += 1
        self._right += right
        share = f"accuracy {self._right / self._seen:6.1%}"
        self._progress.update(self._task, advance=1, description=share)
        if not self._console.is_terminal and self._seen % _EVERY == 0:
            self._console.print(f"{self._seen} of {self._total} questions, {share}")
