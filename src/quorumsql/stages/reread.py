"""A reader that reads each statement of a question once.

A cascade chooses twice: among the fast generator's candidates, and where that is not enough among
everybody's. What was read for the first choice is known for the second, and what the stop rule
asks about was read for the choice.

What is not covered: remembering anything across questions.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from quorumsql.domain import Candidate, Question, Schema
from quorumsql.ports import Reader

__all__ = ["Remembered"]


class Remembered:
    """A `Reader` around another; safe to use from several threads, each with its own question."""

    def __init__(self, reader: Reader) -> None:
        """Take the one that reads."""
        self._reader = reader
        self._own = threading.local()

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        """Return what the reader says, asking it only about statements that are new.

        A statement has one result within a question, so its text and whether it has run stand
        for it.

        Raises:
            ModelError: the reader has no weights.
        """
        known = self._known(question, schema)
        keys = [(one.sql, one.status) for one in candidates]
        new = {key: one for key, one in zip(keys, candidates, strict=True) if key not in known}
        if new:
            known |= zip(
                new, self._reader.score(question, tuple(new.values()), schema), strict=True
            )
        return tuple(known[key] for key in keys)

    def _known(self, question: Question, schema: Schema) -> dict[tuple[str, str], float]:
        """What this thread has read of the question; another question starts over."""
        own = self._own
        if getattr(own, "question", None) is not question or own.schema is not schema:
            own.question, own.schema, own.known = question, schema, {}
        found: dict[tuple[str, str], float] = own.known
        return found
