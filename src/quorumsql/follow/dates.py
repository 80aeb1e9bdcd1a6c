"""Time ranges in plain words: "in March 2024", "since Q2 2023", "the last 30 days".

    a time        2024, 2024-05, 2024-05-03, March 2024, May 3rd, 2024, 3 May 2024, Q1 2024,
                  first quarter of 2024, this year, last month, last weekend, today, yesterday,
                  two years ago: the whole of that year
    a range       in, during, on … a time; since, after, before, until … a time;
                  between … and …, from … to …
    counted back  the last 30 days, the past two years
    again         in May, on Mondays, on weekends: of every year, in every week

`phrase` finds one in a question; `period` reads it.

What is not covered: dates written in numbers in another order (03/05/2024 is another day on either
side of an ocean), two months or days of the week at once, seasons, hours, fiscal years and "next
month".
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from quorumsql.follow.words import COUNTS, number

__all__ = ["Period", "period", "phrase"]

_MONTHS = {
    name: place
    for place, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|"
        "september sep sept|october oct|november nov|december dec".split("|"),
        start=1,
    )
    for name in names.split()
}
_QUARTERS = {
    name: place
    for place, names in enumerate(("first 1st", "second 2nd", "third 3rd", "fourth 4th last"), 1)
    for name in names.split()
}
_NAME = rf"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_NUMBER = r"\d{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d{2}"
_ISO = r"\d{4}-\d{2}-\d{2}"
_YEAR_MONTH = r"\d{4}-\d{2}"
_MONTH_DAY = rf"{_NAME} {_NUMBER}"
_DAY = rf"(?:{_MONTH_DAY}|{_NUMBER}(?: of)? {_NAME}),? {_YEAR}"
_MONTH = rf"(?:month of )?{_NAME},? (?:of )?{_YEAR}"
_QUARTER = rf"(?:q[1-4]|(?:{'|'.join(_QUARTERS)}) quarter),? (?:of |in )?{_YEAR}"
_QUARTER_LAST = rf"{_YEAR}[ -]q[1-4]"
_WEEKDAYS = tuple("monday tuesday wednesday thursday friday saturday sunday".split())
_WEEKDAY = rf"(?:{'|'.join(_WEEKDAYS)})"
_UNIT = r"(?:day|week|month|quarter|year)"
_CURRENT = (
    rf"(?:this|current|last|previous) (?:week(?:end)?|month|quarter|year|{_WEEKDAY})|today|"
    rf"yesterday|(?:{COUNTS}|an?) {_UNIT}s? ago"
)
_WORDED = rf"(?:{_DAY}|{_MONTH}|{_QUARTER}|{_QUARTER_LAST}|{_CURRENT}|{_YEAR_MONTH}(?!-?\d))"
"""Times that embedded generators cannot write, unlike a year and a day in numbers."""
_POINT = rf"(?:{_ISO}|{_WORDED}|{_YEAR})"
_PART = rf"(?:{_POINT}|{_MONTH_DAY}|{_NAME}|q[1-4])"
_SIDES = r"since|after|before|until|till|up to|starting(?: in| from| on)?|from"
_PAST = rf"(?:last|past|previous) (?:(?:{COUNTS}) {_UNIT}s?)"
_PAST_ONE = rf"past {_UNIT}"
_EVERY_MONTH = rf"(?:in|during|every|each) (?:the )?(?:month of )?(?:{_NAME})(?!\w)"
_EVERY_DAY = (
    rf"(?:on|every|each) (?:an? |any |every )?{_WEEKDAY}s?|"
    r"(?:on|at|during|over) (?:the |a )?weekends?|(?:on|during) (?:weekdays|workdays|working days)"
)
_AGAIN = rf"(?:{_EVERY_MONTH}(?!,? (?:of )?\d)|(?:{_EVERY_DAY}))"
"""What comes again every year, or every week: no day says when it begins."""
_LEAD = r"(?:only )?(?:those |the ones )?(?:placed |made )?"
_IN = r"(?:in|for|during|from|of|on|within|over|throughout)"


def _spaced(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)


_ONE = _spaced(rf"(?:{_IN} )?(?:the )?(?P<point>{_POINT})")
_SIDE = _spaced(rf"(?P<side>{_SIDES}) (?:the )?(?P<point>{_POINT})(?P<on> on| onwards?)?")
_RANGE = _spaced(
    rf"(?:between|from) (?:the )?(?P<first>{_PART}) (?:and|to|until|till|through) (?:the )?"
    rf"(?P<end>{_POINT})"
)
_BACK = _spaced(rf"(?:{_IN} )?(?:the )?(?P<back>{_PAST}|{_PAST_ONE})")
_MONTH_AGAIN = _spaced(_EVERY_MONTH)
_DAY_AGAIN = _spaced(_EVERY_DAY)
_HARD = _spaced(rf"{_WORDED}|{_PAST}|{_PAST_ONE}|{_AGAIN}")
_BARE = _spaced(_YEAR)
_ANY = _spaced(
    r"(?<![\w/'’.-])(?:"
    rf"(?:between|from) (?:the )?{_PART} (?:and|to|until|till|through) (?:the )?{_POINT}|"
    rf"(?:{_SIDES}) (?:the )?(?:year )?{_POINT}(?: on\b| onwards?)?|"
    rf"(?:{_IN} )?(?:the )?(?:{_PAST}|{_PAST_ONE})|"
    rf"(?:{_IN} (?:the )?|the )?{_WORDED}|{_AGAIN}|"
    rf"{_IN} (?:the )?(?:year )?{_YEAR})(?:['’]s)?(?![\w/-])"
)
_YEAR_MONTH_ALONE = _spaced(_YEAR_MONTH)
_OPEN_BEFORE = _spaced(
    r"(?:\b(?:not|except|excluding|without|than|versus|vs|compare|compared(?: to| with)?|and|or|by|"
    r"but|as of|(?:end|start|beginning|half|week|day|days|rest|middle|part|anniversary) of|"
    r"first of|is|was)\b\W*)$"
)
_NOT_DONE = re.compile(r"(?<!did )(?<!have )(?<!has )\bnot (\w+) $", re.IGNORECASE)
"""Not paid in March may be paid in April, or not at all."""
_MEASURED = re.compile(
    r"(?<!per )(?<!each )(?<!every )(?<!by )"
    r"\b(?:days?|weeks?|months?|years?|long|time|old|age|elapsed|passed)\W*$",
    re.IGNORECASE,
)
_NOW = re.compile(r"\b(?:have|has|exists?|still|currently|are there|is there|now)\b", re.IGNORECASE)
"""What is so today did not begin today: "how many employees do we have today"."""
_OPEN_AFTER = _spaced(
    rf"^\W*(?:(?:and|or|to|with|vs|versus|than|compared|until|through)\b\W+"
    rf"(?:\w+ )?(?:the )?(?:{_PART}|{_WEEKDAY}|(?:{_PAST})|{_PAST_ONE})|"
    r"(?:vs|versus|than|compared|of|for which|with data)\b)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From the day `first` to the day before `end`; None where it is open.

    Or these months of every year, or these days of every week, where Monday is 1.
    """

    first: date | None = None
    end: date | None = None
    months: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()


def phrase(
    text: str, today: date, states: Collection[str] = frozenset(), *, years: bool = False
) -> tuple[int, int] | None:
    """Return where the only time of a question stands that generators cannot write.

    With `years`, years count too: generators may have written them, but not as a time.

    None where there are two, or where it is compared, excluded, measured from or only a piece of
    what is said: "than last year", "except May 2024", "days since May 2024", "by March 2024".
    What was not done then may have been done at another time, but for what is one of `states`:
    whatever is "not excused in May 2024" is of May.

    >>> text = "How many orders were placed in March 2024?"
    >>> start, end = phrase(text, date(2025, 1, 1))
    >>> text[start:end]
    'in March 2024'
    """
    found = [
        one
        for one in _ANY.finditer(text)
        if _HARD.search(one[0]) or (years and _BARE.search(one[0]))
    ]
    if len(found) != 1:
        return None
    start, end = found[0].span()
    said = text[start:end]
    before = text[:start] + ("of" if said.lower().startswith("of ") else "")
    if _is_undone(before, states) or _OPEN_BEFORE.search(before) or _OPEN_AFTER.match(text[end:]):
        return None
    if _YEAR_MONTH_ALONE.fullmatch(said):  # a number of something, where nothing leads up to it
        return None
    if _MEASURED.search(before) and re.match(rf"{_SIDES}|between", said, re.IGNORECASE):
        return None
    if said.lower().endswith("today") and _NOW.search(text):
        return None
    return None if period(said, today) is None else (start, end)


def _is_undone(before: str, states: Collection[str]) -> bool:
    """Whether the words say what was not done, and may have been done at another time."""
    found = _NOT_DONE.search(before)
    return found is not None and found[1].lower() not in states


def period(words: str, today: date) -> Period | None:
    """Return the time range that the words mean, if they mean one; no day that does not exist."""
    words = " ".join(words.lower().replace("’", "'").split()).removesuffix("'s")
    words = re.sub(rf"^{_LEAD}", "", words)
    words = re.sub(rf"\b(?:the )?year (?={_YEAR}$)", "", words)
    try:
        return (
            _again(words)
            or _between(words, today)
            or _sided(words, today)
            or _back(words, today)
            or _at(words, today)
        )
    except ValueError:  # 2024-02-31
        return None


def _again(words: str) -> Period | None:
    if _MONTH_AGAIN.fullmatch(words):
        name = words.removesuffix(".").split()[-1]
        return Period(months=(_MONTHS[name],))
    if not _DAY_AGAIN.fullmatch(words):
        return None
    name = words.split()[-1].removesuffix("s")
    if name == "weekend":
        return Period(weekdays=(6, 7))
    whole = tuple(range(1, 6))
    return Period(weekdays=(_WEEKDAYS.index(name) + 1,) if name in _WEEKDAYS else whole)


def _at(words: str, today: date) -> Period | None:
    found = _ONE.fullmatch(words)
    return None if found is None else _point(found["point"], today)


def _between(words: str, today: date) -> Period | None:
    found = _RANGE.fullmatch(words)
    if found is None:
        return None
    end = _point(found["end"], today)
    first = _point(found["first"], today)
    if first is None and end is not None and end.end is not None:  # "between March and May 2024"
        year = (end.end - timedelta(days=1)).year
        first = _point(f"{found['first']} {year}", today)
    if first is None or end is None or not first.first or not end.end or first.first >= end.end:
        return None
    return Period(first=first.first, end=end.end)


def _sided(words: str, today: date) -> Period | None:
    found = _SIDE.fullmatch(words)
    span = None if found is None else _point(found["point"], today)
    if found is None or span is None:
        return None
    side = found["side"].split()[0]
    if side == "from" and not found["on"] and not re.fullmatch(r"\d{4}-[\d-]+", found["point"]):
        return None  # "from March 2024": of that month
    match side:
        case "since" | "from" | "starting":
            return Period(first=span.first)
        case "after":
            return Period(first=span.end)
        case "before":
            return Period(end=span.first)
    return Period(end=span.end)


def _back(words: str, today: date) -> Period | None:
    found = _BACK.fullmatch(words)
    if found is None:
        return None
    parts = found["back"].split()
    count = (number(parts[1]) or 0) if len(parts) > 2 else 1
    unit = parts[-1].removesuffix("s")
    if unit in {"day", "week"}:
        return Period(first=today - timedelta(days=count * (7 if unit == "week" else 1)))
    months = count * {"month": 1, "quarter": 3, "year": 12}[unit]
    place = today.year * 12 + today.month - 1 - months
    year, month = place // 12, place % 12 + 1
    return Period(first=date(year, month, min(today.day, monthrange(year, month)[1])))


def _point(words: str, today: date) -> Period | None:
    """The days that one time covers."""
    words = " ".join(words.replace(".", "").replace(",", "").split())
    parts = words.split()
    if re.fullmatch(r"\d[\d-]*", words):
        return _in_numbers(words)
    if words in {"today", "yesterday"} or re.fullmatch(_CURRENT, words):
        return _current(words, today)
    year = next((int(part[:4]) for part in parts if re.match(r"(?:19|20)\d\d\b", part)), None)
    if year is None:
        return None
    if found := re.search(rf"q([1-4])|({'|'.join(_QUARTERS)}) quarter", words):
        place = int(found[1]) if found[1] else _QUARTERS[found[2]]
        return _months(year, 3 * place - 2, 3)
    month = next((_MONTHS[part] for part in parts if part in _MONTHS), None)
    if month is None:
        return None
    day = next((part for part in parts if re.fullmatch(_NUMBER, part)), None)
    if day is None:
        return _months(year, month, 1)
    return _days(date(year, month, int(re.sub(r"\D", "", day))), 1)


def _in_numbers(words: str) -> Period:
    """The days that a date, a month or a year written in numbers covers."""
    year, *rest = map(int, words.split("-"))
    if len(rest) == 2:
        return _days(date(year, *rest), 1)
    return _months(year, rest[0], 1) if rest else _months(year, 1, 12)


def _current(words: str, today: date) -> Period:
    """Today, yesterday, or this or an earlier week, month, quarter, year or day of the week."""
    which, _, unit = words.partition(" ")
    back = int(which not in {"today", "this", "current"})
    if unit.endswith(" ago"):
        unit, back = unit.split()[0].removesuffix("s"), number(which) or 1
    if unit in {"", "day"}:
        return _days(today - timedelta(days=back), 1)
    monday = today - timedelta(days=today.weekday() + 7 * back)
    if unit == "week":
        return _days(monday, 7)
    if unit == "weekend":
        return _days(monday + timedelta(days=5), 2)
    if unit in _WEEKDAYS:  # "last Friday" is of this week where that is over
        day = monday + timedelta(days=_WEEKDAYS.index(unit))
        return _days(day + timedelta(days=7 * (back and day + timedelta(days=7) < today)), 1)
    if unit == "year":
        return _months(today.year - back, 1, 12)
    count = 3 if unit == "quarter" else 1
    place = today.year * 12 + today.month - 1
    place = place - place % count - count * back
    return _months(place // 12, place % 12 + 1, count)


def _days(first: date, count: int) -> Period:
    return Period(first=first, end=first + timedelta(days=count))


def _months(year: int, month: int, count: int) -> Period:
    place = year * 12 + month - 1 + count
    return Period(first=date(year, month, 1), end=date(place // 12, place % 12 + 1, 1))
