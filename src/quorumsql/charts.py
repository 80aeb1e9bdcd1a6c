"""Which chart suits a result: rules over the kinds of its columns, a Vega-Lite specification out.

    a date and a number                  a line
    a date, a number and a few names     a line per name
    names and a number                   bars, longest first when no order was asked for
    two kinds of names and a number      stacked bars
    two numbers, many rows               points

The specification carries its data, names fields by position and refers to nothing outside. Text
from the database only stands where text is drawn; no part of it is ever an expression.

What is not covered: maps, and results of one row, which a sentence says better.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from quorumsql.domain import Row

__all__ = ["chart"]

Kind: TypeAlias = Literal["date", "number", "name", "other"]
Spec: TypeAlias = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
MOST_BARS = 30
MOST_SERIES = 8
MOST_POINTS = 2_000
_LONGEST = 40
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?")
_YEAR = re.compile(r"(?:^|_)(year|yr)$", re.IGNORECASE)
_KEY = re.compile(r"(?:^|_)(id|key|code|zip)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One column of the result: its place, what it is called, what it holds."""

    place: int
    title: str
    kind: Kind
    distinct: int

    @property
    def name(self) -> str:
        return f"c{self.place}"


def chart(columns: Sequence[str], rows: Sequence[Row], *, ordered: bool = False) -> Spec | None:
    """Return a Vega-Lite specification, or None where no chart says more than the table.

    Args:
        columns: names of the result's columns.
        rows: its rows.
        ordered: whether the query asks for their order, which bars then keep.
    """
    if not 2 <= len(rows) <= MOST_POINTS or not 2 <= len(columns) <= 4:
        return None
    fields = [_field(place, title, rows) for place, title in enumerate(columns)]
    marks = _marks(fields, len(rows), ordered)
    if marks is None:
        return None
    values = [
        {field.name: _plain(row[field.place], field.kind) for field in fields} for row in rows
    ]
    return {
        "$schema": SCHEMA,
        "description": _description(marks, fields, len(rows)),
        "width": 560,
        "height": 300,
        "data": {"values": values},
        **marks,
    }


def _marks(fields: Sequence[_Field], count: int, ordered: bool) -> Spec | None:
    """The mark and its encoding."""
    dates = [f for f in fields if f.kind == "date"]
    numbers = [f for f in fields if f.kind == "number"]
    names = [f for f in fields if f.kind == "name"]
    if len(dates) == 1 and len(numbers) >= 1 and len(names) == 0:
        return _lines(dates[0], numbers[0], None) if dates[0].distinct == count else None
    if len(dates) == 1 and len(numbers) == 1 and len(names) == 1:
        return _lines(dates[0], numbers[0], names[0]) if names[0].distinct <= MOST_SERIES else None
    if dates or not numbers:
        return None
    if len(names) == 1 and names[0].distinct == count:
        return _bars(names[0], numbers[0], ordered) if count <= MOST_BARS else None
    if len(names) == 2 and len(numbers) == 1:
        return _stacks(names, numbers[0])
    if len(numbers) == 2 and len(fields) == 2 and count >= 5:
        return _points(numbers[0], numbers[1])
    return None


def _lines(date: _Field, number: _Field, series: _Field | None) -> Spec:
    encoding = {"x": _axis(date, "temporal"), "y": _axis(number, "quantitative")}
    if series is not None:
        encoding["color"] = _axis(series, "nominal")
    return {"mark": {"type": "line", "point": True}, "encoding": encoding}


def _bars(name: _Field, number: _Field, ordered: bool) -> Spec:
    names = {**_axis(name, "nominal"), "sort": None if ordered else "-x"}
    return {"mark": "bar", "encoding": {"y": names, "x": _axis(number, "quantitative")}}


def _stacks(names: Sequence[_Field], number: _Field) -> Spec | None:
    few, many = sorted(names, key=lambda field: field.distinct)
    if few.distinct > MOST_SERIES or many.distinct > MOST_BARS:
        return None
    encoding = {
        "y": _axis(many, "nominal"),
        "x": _axis(number, "quantitative"),
        "color": _axis(few, "nominal"),
    }
    return {"mark": "bar", "encoding": encoding}


def _points(one: _Field, other: _Field) -> Spec:
    encoding = {"x": _axis(one, "quantitative"), "y": _axis(other, "quantitative")}
    for axis in encoding.values():
        axis["scale"] = {"zero": False}
    return {"mark": {"type": "point", "filled": True}, "encoding": encoding}


def _axis(field: _Field, kind: str) -> Spec:
    return {"field": field.name, "type": kind, "title": field.title}


def _field(place: int, title: str, rows: Sequence[Row]) -> _Field:
    values = [row[place] for row in rows if row[place] is not None]
    shown = " ".join(title.split())[:_LONGEST]
    return _Field(
        place=place, title=shown, kind=_kind(title, values), distinct=len({str(v) for v in values})
    )


def _kind(title: str, values: Sequence[object]) -> Kind:
    """What a column holds; numbers that only name things are names, years are dates."""
    if not values:
        return "other"
    if all(map(_is_number, values)):
        if _YEAR.search(title) and all(_is_year(value) for value in values):
            return "date"
        return "name" if _KEY.search(title) else "number"
    if all(isinstance(v, datetime.date) for v in values):
        return "date"
    if all(isinstance(v, str) for v in values):
        texts = [str(value) for value in values]
        return "date" if all(_DATE.fullmatch(text) for text in texts) else "name"
    return "other"


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return math.isfinite(value)


def _is_year(value: object) -> bool:
    return isinstance(value, int) and 1000 <= value <= 2999


def _plain(value: object, kind: Kind) -> Any:
    match value:
        case None:
            return None
        case datetime.date():
            return value.isoformat()
        case int() if kind == "date":
            return f"{value:04d}-01-01"
        case Decimal() | int() | float() if kind == "number":
            return float(value)
        case _:
            text = " ".join(str(value).split())
            return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _description(marks: Mapping[str, Any], fields: Sequence[_Field], count: int) -> str:
    """What the chart shows, for those who cannot see it."""
    mark = marks["mark"] if isinstance(marks["mark"], str) else marks["mark"]["type"]
    word = {"bar": "Bars", "line": "A line chart", "point": "Points"}[mark]
    return f"{word} of {', '.join(field.title for field in fields)}: {count} rows."
