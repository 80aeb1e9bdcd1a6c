"""Fill the values of a gold query into a prediction, as Spider's `--plug_value` does.

Both texts are cut into tokens; quoted texts and numbers are values. Every value of the prediction
is a slot, and every way to fill the slots with values of the gold query is a statement to try, all
in lower case but for the values.

Source: Zhong, Yu, Klein 2020, "Semantic Evaluation for Text-to-SQL with Distilled Test Suites", its
released evaluation.

What is not covered: trying them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Final

from quorumsql.evals.score_text import first_statement, tokens

__all__ = ["plugged", "ways"]

_SLOT: Final = "VALUERARE"
_FRACTION: Final = re.compile(r"[-+]?\d*\.\d+")
_WHOLE: Final = re.compile(r"[^tT]\d+")


def ways(gold: str, predicted: str) -> int:
    """Return how many statements `plugged` would yield."""
    return int(len(_values(gold)) ** _slots(predicted).count(_SLOT.lower()))


def plugged(gold: str, predicted: str) -> Iterator[str]:
    """Yield `predicted` with its values replaced by those of `gold` in every way."""
    words = _slots(predicted)
    places = [i for i, word in enumerate(words) if word == _SLOT.lower()]
    for chosen in product(_values(gold), repeat=len(places)):
        filled = list(words)
        for place, value in zip(places, chosen, strict=True):
            filled[place] = value
        yield " ".join(filled)


def _values(sql: str) -> list[str]:
    """The different values of a statement, as they are written."""
    return list(dict.fromkeys(_split(sql)[1]))


def _slots(sql: str) -> list[str]:
    """The words of a statement in lower case, values replaced by a word that stands for them."""
    return [word.lower() for word in _split(sql)[0]]


def _split(sql: str) -> tuple[list[str], list[str]]:
    spaced = _spaced(first_statement(sql.strip().replace(";", "").replace("\t", "")))
    quoted = [token for token in tokens(spaced) if token[0] in "'\"" and len(token) > 1]
    for value in quoted:
        spaced = spaced.replace(value.strip(), _SLOT)
    words = spaced.split()
    fractions = set(_FRACTION.findall(" ".join(words)))
    found = [*quoted, *(word for word in words if word in fractions)]
    words = [_SLOT if word in fractions else word for word in words]
    numbers = {match.strip() for match in _WHOLE.findall(" ".join(words))}
    found += [word for word in words if word in numbers]
    return [_SLOT if word in numbers else word for word in words], found


def _spaced(sql: str) -> str:
    return " ".join(token for token in tokens(sql) if not token.isspace() or token in "\r\n")
