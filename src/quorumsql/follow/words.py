"""What follow-ups say, read out of their words: numbers and comparisons; `dates` reads times.

What is not covered: which column they speak of (`scope`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["COUNTS", "Comparison", "comparison", "named", "number"]

Operator: TypeAlias = Literal[">", ">=", "<", "<=", "=", "between"]

COUNTS = r"\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|fifty|hundred"
_NUMBERS = {
    **{w: n for n, w in enumerate("one two three four five six seven eight nine ten".split(), 1)},
    "twelve": 12, "twenty": 20, "fifty": 50, "hundred": 100,
}  # fmt: skip
_SCALES = {"": 1, "k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000,
           "billion": 1_000_000_000}  # fmt: skip
_AMOUNT = r"(\d[\d,]*(?:\.\d+)?)(?: ?(k|thousand|m|million|billion)\b)?"
_MOST = 1e15
"""Numbers beyond it are no longer exact everywhere; nobody means them."""
_OPERATORS: tuple[tuple[str, Operator], ...] = (
    ("at least|no less than|not less than|>=", ">="),
    ("at most|no more than|not more than|up to|<=", "<="),
    ("over|above|(?:more|greater|bigger|larger|higher|longer|older|heavier) than|exceeding|"
     "more expensive than|>", ">"),
    ("under|below|(?:less|fewer|smaller|lower|shorter|younger|cheaper|lighter) than|<", "<"),
    ("exactly|equal to|equals|=", "="),
    ("between", "between"),
)  # fmt: skip
_COMPARISON = re.compile(
    rf"^(?P<before>.*?)\s*(?<![\w])(?P<how>{'|'.join(words for words, _ in _OPERATORS)}) ?"
    rf"[€$£]?(?P<first>{_AMOUNT})(?: (?:and|to) [€$£]?(?P<second>{_AMOUNT}))?(?P<after>.*)$"
)
_FILLERS = frozenset(
    "only just those these the ones one rows results people whose with where who which that have "
    "has having had is are was were of a an and all any them it its their in for from".split()
)
_UNITS = frozenset("years year old euros euro dollars dollar eur usd percent % items".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A number that something is above, below or between; `name` is what the words call it.

    `hint` is the word of the comparison itself: "older", "cheaper".
    """

    operator: Operator
    number: float
    second: float | None = None
    name: str = ""
    hint: str = ""


def number(word: str) -> int | None:
    """Return what a word of COUNTS counts."""
    return int(word) if word.isdigit() else _NUMBERS.get(word)


def named(words: str) -> str:
    """Return what is left of words when those that name nothing are gone."""
    return " ".join(word for word in words.split() if word not in _FILLERS)


def comparison(words: str) -> Comparison | None:
    """Return the comparison that the words make, if they make one."""
    found = _COMPARISON.match(words)
    if found is None:
        return None
    operator = next(o for text, o in _OPERATORS if re.fullmatch(text, found["how"]))
    second = _amount(found["second"]) if found["second"] else None
    first = _amount(found["first"])
    if (operator == "between") != (second is not None) or max(first, second or 0) > _MOST:
        return None
    before = named(found["before"])
    after = " ".join(w for w in named(found["after"]).split() if w not in _UNITS)
    if before and after:
        return None
    return Comparison(
        operator=operator, number=first, second=second, name=before or after,
        hint=found["how"].split()[0] if " than" in found["how"] else "",
    )  # fmt: skip


def _amount(text: str) -> float:
    found = re.fullmatch(_AMOUNT, text.strip())
    assert found is not None
    return float(found[1].replace(",", "")) * _SCALES[found[2] or ""]
