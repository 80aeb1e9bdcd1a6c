"""Words of a question as rules read them: plain, and held against the names of a schema.

What is not covered: languages other than English, and names that only meaning connects.
"""

from __future__ import annotations

import re

from quorumsql.domain import Table
from quorumsql.follow.scope import plain

__all__ = ["ENDS", "denies_only_there", "named", "plainly", "words_of"]

_NEGATIVE = re.compile(
    r"\b(?:no|not|never|without|missing|lack(?:s|ing)?|null|empty|unknown|blank|neither|nor|none|"
    r"nobody|nothing|except|excluding|but|other than)\b"
)
ENDS = frozenset(
    "in on from at and or nor who which that are is were was have has per by for with where yet "
    "recorded listed given stored available set specified provided entered known assigned whose "
    "sorted ordered grouped but registered there do did still so".split()
)
"""What may stand behind words that name a column: behind "no phone" comes no "calls"."""


def plainly(question: str) -> str:
    """Return the words with one blank between them, small, "don't" as two; marks are words too."""
    text = re.sub(r"\b(ca|wo)n['’]?t\b", r"\1 not", question.lower())
    text = re.sub(r"n['’]t\b", " not", text)
    return " ".join(re.findall(r"[^\W_]+|[.,;:?!]", text))


def words_of(name: str) -> list[str]:
    """Return the words of a name, small and in the singular: IsOnCall is "is", "on", "call"."""
    parts = re.sub(r"(?<=[a-z\d])(?=[A-Z])|[^\w]|_", " ", name).split()
    return [word for part in parts if (word := plain(part))]


def named(table: Table, text: str) -> bool:
    """Return whether the words name the table; of many words, the last one will do."""
    words = [plain(word) for word in re.findall(r"\w+", text)]
    own = words_of(table.bare_name)
    long = {"".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words))}
    return bool(own) and (plain(table.bare_name) in long or own[-1] in words)


def denies_only_there(text: str, start: int, end: int) -> bool:
    """Return whether nothing outside of these places of the text denies something."""
    return not (_NEGATIVE.search(text[:start]) or _NEGATIVE.search(text[end:]))
