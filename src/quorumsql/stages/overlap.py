"""What a question says that its SQL leaves out, and what the SQL names that nobody asked for.

Members agree on a wrong answer most often where none of them knew what to do with a word. So words
are counted, without asking what they mean: those of the question that the schema has a name for and
the SQL does not use, those that neither schema nor values of the SQL have, numbers that the SQL
lacks, and columns that the SQL names although the question has no word of theirs. Confidence looks
at the counts (`stages.evidence`), and they tell hard databases from easy ones.

A word that stands for a name of the schema (`synonyms`) counts as that name does.

What is not covered: numbers in words, which are counted as if they were something else, on the
databases that confidence was fitted on as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from quorumsql.domain import Question, Schema
from quorumsql.kept import Kept
from quorumsql.sql import names_in
from quorumsql.stages.answerable import telling
from quorumsql.stages.link import words_of
from quorumsql.synonyms import synonyms

__all__ = ["NOTHING", "SAID", "Overlap"]

SAID: Final = ("unused", "unknown", "unasked", "numbers")
"""unused: words of the question that names of the schema have, and neither names nor values in the
SQL. unknown: words that neither the schema nor values in the SQL have. unasked: columns in the SQL
none of whose words the question has. numbers: those of the question that the SQL lacks."""
NOTHING: Final[Mapping[str, float]] = MappingProxyType(dict.fromkeys(SAID, 0.0))
"""The counts where there is no SQL."""
_MOST = 6
"""More than so many say no more; a question may be a letter."""
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")


class Overlap:
    """Counts for questions about one schema after another; keeps the words of the last few."""

    def __init__(self) -> None:
        """Begin with no schema."""
        self._words = Kept(_words)
        self._synonyms = synonyms()

    def of(self, question: Question, sql: str, schema: Schema) -> dict[str, float]:
        """Return the counts `SAID` of a question and the SQL that was chosen for it.

        Args:
            question: as it was asked; its evidence may explain columns, and asks for nothing.
            sql: a statement in the schema's dialect. One that does not parse names nothing.
            schema: all of it.
        """
        vocabulary = self._words.of(schema)
        tables, refs = names_in(sql, schema.dialect)
        columns = {ref.column for ref in refs}
        names = (*columns, *tables)
        used = {word for name in names for word in words_of(name)}
        used.update(words_of(" ".join(_TEXT.findall(sql))))
        meant = {
            word: frozenset(words_of(name))
            for said, name in self._synonyms.said(question.text, schema).items()
            for word in words_of(said)
        }
        said = [one.stem for one in telling(question.text, ())]
        left = [word for word in said if used.isdisjoint(meant.get(word, {word}))]
        told = set(words_of(f"{question.text} {question.evidence}")).union(*meant.values())
        asked = set(_NUMBER.findall(question.text))
        counts = {
            "unused": sum(word in vocabulary or word in meant for word in left),
            "unknown": sum(word not in vocabulary and word not in meant for word in left),
            "unasked": sum(told.isdisjoint(words_of(name)) for name in columns),
            "numbers": len(asked.difference(_NUMBER.findall(sql))),
        }
        return {name: float(min(counts[name], _MOST)) for name in SAID}


def _words(schema: Schema) -> frozenset[str]:
    """The words of all names of a schema."""
    names = (
        name
        for table in schema.tables
        for name in (table.bare_name, *(column.name for column in table.columns))
    )
    return frozenset(word for name in names for word in words_of(name))
