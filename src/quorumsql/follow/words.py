"""What follow-ups say, read out of their words: numbers, comparisons, time ranges.

What is not covered: which column they speak of (`scope`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

__all__ = ["COUNTS", "Comparison", "Period", "comparison", "named", "number", "period"]

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

_MONTHS = {
    name: place
    for place, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|"
        "september sep sept|october oct|november nov|december dec".split("|"),
        start=1,
    )
    for name in names.split()
}
_LEAD = r"^(?:only )?(?:those |the ones )?(?:placed |made )?"
_YEAR = re.compile(_LEAD + r"(?:in|for|during|from|of)? ?(\d{4})$")
_MONTH = re.compile(
    _LEAD + rf"(?:in|for|during|from|of)? ?({'|'.join(_MONTHS)}) (?:of )?(\d{{4}})$"
)
_QUARTER = re.compile(_LEAD + r"(?:in|for|during|from|of)? ?(?:the )?q([1-4]) (?:of )?(\d{4})$")
_DAY = r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?"
_SIDE = re.compile(_LEAD + rf"(since|after|before|until|from|up to) {_DAY}(?: on| onwards)?$")
_BETWEEN = re.compile(_LEAD + rf"(?:between|from) {_DAY} (?:and|to|until) {_DAY}$")
_THIS = re.compile(_LEAD + r"(?:in |for |from )?(?:the )?(this|last|previous) (year|month|week)$")
_PAST = re.compile(
    _LEAD + rf"(?:in |for |from |within )?the (?:last|past) ({COUNTS}) (day|week|month|year)s?$"
)
_NEAR = re.compile(_LEAD + r"(?:from |for )?(today|yesterday)$")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From the day `first` to the day before `end`; None where it is open."""

    first: date | None = None
    end: date | None = None


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


def period(words: str, today: date) -> Period | None:
    """Return the time range that the words mean, if they mean one; no day that does not exist."""
    try:
        return _named_period(words) or _sided(words) or _relative(words, today)
    except ValueError:  # 2024-02-31
        return None


def _named_period(words: str) -> Period | None:
    if found := _YEAR.match(words):
        return _months(int(found[1]), 1, 12)
    if found := _MONTH.match(words):
        return _months(int(found[2]), _MONTHS[found[1]], 1)
    if found := _QUARTER.match(words):
        return _months(int(found[2]), 3 * int(found[1]) - 2, 3)
    if found := _BETWEEN.match(words):
        first, end = _span(*found.groups()[:3]), _span(*found.groups()[3:])
        return Period(first=first.first, end=end.end)
    return None


def _sided(words: str) -> Period | None:
    found = _SIDE.match(words)
    if found is None:
        return None
    span = _span(*found.groups()[1:])
    match found[1]:
        case "since" | "from":
            return Period(first=span.first)
        case "after":
            return Period(first=span.end)
        case "before":
            return Period(end=span.first)
    return Period(end=span.end)


def _relative(words: str, today: date) -> Period | None:
    if found := _NEAR.match(words):
        first = today - timedelta(days=found[1] == "yesterday")
        return Period(first=first, end=first + timedelta(days=1))
    if found := _THIS.match(words):
        return _current(found[2], today, back=found[1] != "this")
    if found := _PAST.match(words):
        count = number(found[1]) or 0
        if found[2] in {"day", "week"}:
            return Period(first=today - timedelta(days=count * (7 if found[2] == "week" else 1)))
        months = count * (12 if found[2] == "year" else 1)
        place = today.year * 12 + today.month - 1 - months
        return Period(first=date(place // 12, place % 12 + 1, min(today.day, 28)))
    return None


def _current(unit: str, today: date, *, back: bool) -> Period:
    if unit == "week":
        first = today - timedelta(days=today.weekday() + 7 * back)
        return Period(first=first, end=first + timedelta(days=7))
    if unit == "year":
        return _months(today.year - back, 1, 12)
    place = today.year * 12 + today.month - 1 - back
    return _months(place // 12, place % 12 + 1, 1)


def _months(year: int, month: int, count: int) -> Period:
    place = year * 12 + month - 1 + count
    return Period(first=date(year, month, 1), end=date(place // 12, place % 12 + 1, 1))


def _span(year: str, month: str | None, day: str | None) -> Period:
    """The days that a date, a month or a year written in numbers covers."""
    if day is not None and month is not None:
        first = date(int(year), int(month), int(day))
        return Period(first=first, end=first + timedelta(days=1))
    return _months(int(year), int(month), 1) if month else _months(int(year), 1, 12)


def _amount(text: str) -> float:
    found = re.fullmatch(_AMOUNT, text.strip())
    assert found is not None
    return float(found[1].replace(",", "")) * _SCALES[found[2] or ""]
