"""Which parts of a question may be values of its SQL: numbers, quotes, names, stored values.

A span is what the decoder can point to. What literal it becomes depends on the column
beside it: the stored value where the database has one, else the words as written.

What is not covered: values that the question implies without a word for them, and numbers of three
words or more ("two hundred thousand").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from quorumsql.domain import Column, ColumnRef, Hit, Schema
from quorumsql.forms.tree import Predicate, Value

__all__ = [
    "KINDS",
    "PATTERNS",
    "Span",
    "beside",
    "column_of",
    "find_spans",
    "left_out",
    "literal",
    "parts_of",
]

LIKELY = 0.8
"""From this score on, a value in other words ("female" for F) is as sure as its own words."""
KINDS = ("number", "quoted", "stored", "name")
MAX_SPANS = 24
PATTERNS = frozenset({"contains", "starts", "ends"})
"""Operators whose value is a part of what is stored."""

NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"once": "1", "twice": "2", "thirty": "30", "forty": "40", "fifty": "50", "hundred": "100",
     "thousand": "1000", "million": "1000000", "second": "2", "third": "3", "single": "1",
     "no": "0"}  # fmt: skip
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?=(?:st|nd|rd|th|s|k|m|%)?(?![\w]))", re.I)
DATED = re.compile(r"(?<!\w)\d{1,4}[-/:]\d{1,2}(?:[-/:]\d{1,4})?(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?")
WHOLE_DATE = re.compile(
    r"(?<![\w/-])(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[-/]\d{1,2}[-/]\d{2,4})(?![\w/-])"
)
QUOTED = re.compile(r"""(?<!\w)(["“”'‘’`])\s*(.+?)\s*(["“”'’`]+)(?!\w)""")
NAME = re.compile(
    r"(?<![\w'])[A-Z][\w.&'-]*(?:\s+(?:(?:of|the|and|de|for|in)\s+)?[A-Z0-9][\w.&'-]*)*"
)
SCALES = {"k": 3, "thousand": 3, "m": 6, "million": 6, "bn": 9, "billion": 9, "hundred": 2}
"""Zeros that a word or letter behind a number adds."""
_COUNTS = "|".join(word for word in NUMBERS if 1 <= int(NUMBERS[word]) < 100 and word not in {
    "once", "twice", "second", "third", "single"})  # fmt: skip
_SCALE = "hundred|thousand|million|billion"
SCALED = re.compile(
    r"(?<![\w.])(?:(?P<digits>[-+]?\d[\d,]*(?:\.\d+)?)"
    rf"(?:(?P<letter>k|m|bn)|[ -]?(?P<word>{_SCALE}))"
    rf"|(?P<count>{_COUNTS})[ -](?P<times>{_SCALE}))(?![\w@])",
    re.I,
)
METRES = re.compile(
    r"\b(?:tall\w*|high|higher|long\w*|short\w*|deep\w*|wide\w*|length|height|depth|distance|far\w*"
    r"|elevation|altitude|met(?:er|re)s?|races?|sprint|swim\w*|freestyle|butterfly|hurdles|run\w*)\b",
    re.I,
)
"""Words beside which 100m are metres, not millions."""
CODE = re.compile(
    r"(?<!\w)(?!\d[\d,.]*(?:[kKmM]|bn)(?![\w@]))(?=\w*\d)(?=\w*[A-Za-z])[\w.@-]+"
    r"|\w+@[\w.]+|\S+\.(?:com|org|net)\b"
)
SPELT = re.compile(
    r"\b(?:(?:start|begin|end|contain|includ)\w*\s+(?:(?:with|in|by)\s+)?(?:(?:the|a)\s+)?"
    r"|(?:have|has|having|with|without)\s+(?:the|a)\s+)"
    r"(?:letters?|words?|phrase|substring|string|prefix|suffix|characters?)\s+"
    r"(?!(?:of|in|is|that|the|or|and|for|from)\b)(\w+)"
    r"|\b(?:start|begin|end)(?:s|ing|ning)?\s+(?:with|in|by)\s+(?:(?:an?|the)\s+)?([A-Z]{1,3})\b"
    r"|\b(?:contain(?:s|ing)|(?:(?:names?|titles?|emails?|address(?:es)?)\s+(?:that|which)\s+contain)"
    r"|(?:start|begin|end)(?:s|ing|ning)?\s+with)\s+"
    r"(?!(?:an?|the|all|any|each|every|both|no|only|some|more|most|less|other|same|either|one|two|at"
    r"|it|its|their|them|that|this|these|those|letters?|words?|(?:new|old|young|high|low|larg|small"
    r"|long|short|earli|lat|cheap|b)est|least|[\d.]+)(?!\w))"
    r"([\w@][\w@.-]*)(?=[.?!,;)]*(?:\s*$|\s+(?:and|or)\b|[?!,;)]))"
)
"""What a text starts with, ends with or contains: a value as surely as if it were quoted.

A word in small letters only where nothing but "and", "or" or the end follows."""
FIRST_WORD = re.compile(r"\W*[\w']+")
WORD = re.compile(r"[^\W\d_]{2,}(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start:end` of the question, what they say, and what they hit in the data."""

    start: int
    end: int
    text: str
    kind: str
    number: str | None = None
    hits: tuple[Hit, ...] = ()


def find_spans(question: str, hits: Sequence[Hit]) -> tuple[Span, ...]:
    """Return the spans of `question` in order of their start, at most 24.

    What is quoted, a date, or stored exactly so, is one value: parts of it are none, unless the
    database keeps a quoted text in parts.
    """
    found: dict[tuple[int, int], Span] = {}
    for span in _written(question):
        found.setdefault((span.start, span.end), span)
    for hit in hits:
        place = (hit.start, hit.end)
        known = found.get(place, Span(*place, question[hit.start : hit.end], "stored"))
        kind = known.kind if known.kind in {"number", "quoted"} else "stored"
        found[place] = replace(known, kind=kind, hits=(*known.hits, hit))
    quotes = [match.span(2) for match in QUOTED.finditer(question)]
    values = [quote for quote in quotes if not parts_of(*quote, hits)]
    values += [(hit.start, hit.end) for hit in hits if hit.match == "exact"]
    values += [match.span() for match in WHOLE_DATE.finditer(question)]
    values += [(span.start, span.end) for span in _scaled(question)]
    whole = [s for s in found.values() if not any(_inside(s, value) for value in values)]
    ranked = sorted(whole, key=lambda s: (KINDS.index(s.kind), s.start - s.end, s.start))
    return tuple(sorted(ranked[:MAX_SPANS], key=lambda s: (s.start, s.end)))


def parts_of(start: int, end: int, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Return the exact hits, of as many columns of one table, that fill characters start:end.

    Nothing where a single column has the whole text, or where words are left over.
    """
    inside = [h for h in hits if h.match == "exact" and start <= h.start < end]
    if any(h.start == start and h.end >= end for h in inside):
        return ()
    for table in dict.fromkeys(h.table for h in inside):
        own = sorted((h for h in inside if h.table == table), key=lambda h: (h.start, -h.end))
        filled: list[Hit] = []
        place = start
        for hit in own:
            if place <= hit.start <= place + (2 if filled else 0):
                filled.append(hit)
                place = hit.end
        columns = {hit.column for hit in filled}
        if place >= end and len(columns) == len(filled) > 1:
            return tuple(filled)
    return ()


def _inside(span: Span, value: tuple[int, int]) -> bool:
    start, end = value
    return start <= span.start and span.end <= end and (span.start, span.end) != value


def _written(question: str) -> Iterator[Span]:
    for match in QUOTED.finditer(question):
        yield Span(match.start(2), match.end(2), match[2], "quoted", _number(match[2]))
    for match in SPELT.finditer(question):
        group = match.lastindex or 0
        text = match[group].rstrip(".")
        start = match.start(group)
        yield Span(start, start + len(text), text, "quoted", _number(text))
    for match in DATED.finditer(question):
        yield Span(match.start(), match.end(), match[0], "quoted")
    yield from _scaled(question)
    for match in NUMBER.finditer(question):
        text = match[0].rstrip(",")
        yield Span(match.start(), match.start() + len(text), text, "number", _number(text))
    for match in CODE.finditer(question):
        yield Span(match.start(), match.end(), match[0].rstrip(".?"), "quoted")
    first = FIRST_WORD.match(question)  # has a capital whatever it is
    for match in NAME.finditer(question, first.end() if first else 0):
        text = match[0].removesuffix("'s").rstrip(".'")
        yield Span(match.start(), match.start() + len(text), text, "name")
    for match in WORD.finditer(question):
        if (number := NUMBERS.get(match[0].lower())) is not None:
            yield Span(match.start(), match.end(), match[0], "number", number)


def _scaled(question: str) -> Iterator[Span]:
    """Numbers with what multiplies them: "5 million", "2k", "two hundred"."""
    metres = METRES.search(question)
    for match in SCALED.finditer(question):
        scale = (match["letter"] or match["word"] or match["times"]).lower()
        number = _number(match["digits"] or NUMBERS[match["count"].lower()])
        if number is not None and not (scale == "m" and metres):
            times = Decimal(number).scaleb(SCALES[scale])
            yield Span(match.start(), match.end(), match[0], "number", f"{times.normalize():f}")


def _number(text: str) -> str | None:
    plain = text.replace(",", "")
    return plain.lstrip("+") if re.fullmatch(r"[-+]?\d+(?:\.\d+)?", plain) else None


def literal(
    span: Span, ref: ColumnRef | None, column: Column | None, pattern: bool = False
) -> Value:
    """Return what `span` means beside `column`.

    A pattern (LIKE) keeps the words as written; elsewhere the stored value wins, first of
    this very column, then of any other.
    """
    if span.number is not None and (column is None or column.kind in {"number", "boolean"}):
        return Value(_counted(span, column) or span.number, number=True)
    if ref is not None and not pattern:
        own = [h for h in span.hits if (h.table, h.column) == (ref.table, ref.column)]
        own = [h for h in own if h.match != "prefix" or span.kind != "quoted"]
        if span.number is not None and column is not None and column.kind == "date":
            own = [h for h in own if h.match == "exact"]  # a year is not one of its days
        if own:
            return Value(str(max(own, key=lambda h: h.score).value))
    if span.number is not None and not any(h.match == "exact" for h in span.hits):
        return Value(span.number, number=_plain(span.number))
    return Value(span.text)


def _counted(span: Span, column: Column | None) -> str | None:
    """The number without its scale, where the column counts in it: `sales_in_billion`."""
    match = SCALED.fullmatch(span.text)
    if match is None or column is None:
        return None
    letter = (match["letter"] or "").lower()
    scale = (
        {"k": "thousand", "m": "million", "bn": "billion"}.get(letter)
        or match["word"]
        or match["times"]
    )
    if scale.lower() not in column.name.lower():
        return None
    return _number(match["digits"] or NUMBERS[match["count"].lower()])


def _plain(number: str) -> bool:
    return not number.startswith("0") or number == "0" or number.startswith("0.")


def left_out(spans: Sequence[Span], used: Collection[int]) -> int:
    """Count the places of the question that name a value and that no used span touches.

    Overlapping spans are one place. Only what surely is a value counts: digits, quotes, and
    words that stand in the database exactly so, or very likely in other words.
    """
    places: list[tuple[int, int, bool]] = []
    for number, span in enumerate(spans):
        sure = number in used or span.kind == "quoted" or _is_sure(span)
        if not sure:
            continue
        if places and span.start < places[-1][1]:
            start, end, found = places.pop()
            places.append((start, max(end, span.end), found or number in used))
        else:
            places.append((span.start, span.end, number in used))
    return sum(not found for _, _, found in places)


def _is_sure(span: Span) -> bool:
    if span.kind == "number":
        return any(c.isdigit() for c in span.text)
    return any(
        hit.match == "exact" or (hit.match == "fuzzy" and hit.score >= LIKELY) for hit in span.hits
    )


def beside(predicate: Predicate | None) -> ColumnRef | None:
    """The column that a predicate compares directly; None for a count or LIMIT."""
    if predicate is None:
        return None
    return predicate.left if isinstance(predicate.left, ColumnRef) else None


def column_of(schema: Schema, ref: ColumnRef | None) -> Column | None:
    """The column at this address, if it is in `schema`."""
    table = schema.table(ref.table) if ref else None
    return table.column(ref.column) if ref and table else None
