"""Find the stored values that a question mentions.

What is not covered: columns and descriptions; only values are looked up.
"""

from __future__ import annotations

from quorumsql.domain import Hit, Question
from quorumsql.ports import ValueIndex

__all__ = ["retrieve"]


def retrieve(question: Question, *, index: ValueIndex) -> tuple[Hit, ...]:
    """Return the hits of the question's text, best first.

    Places in a hit count in the question's text, so evidence is not searched.
    """
    return index.mentions(question.text)
