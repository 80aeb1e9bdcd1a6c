"""Which type the texts of a column have, decided on all of them and never at their cost.

A column becomes a number, a date or a truth only when every text in it is one and none loses
anything by it: `02134` stays text, and so does a date that could be read in two ways. Words for
"no value" count as such in columns of that kind only: in a column of text, `NA` is Namibia.

The question is one SQL query over all columns at once: first over the first rows, then over all
rows for what is left. What is not covered: currencies, units, and names of months.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from quorumsql.db.duckdb_read import text_literal

__all__ = ["NO_VALUE", "Reading", "infer", "select"]

NO_VALUE: Final = (
    *("", "NA", "N/A", "n/a", "na", "NULL", "null", "Null", "None", "none", "NaN", "nan"),
    *("#N/A", "-", "--", "?"),
)

_FIRST_ROWS: Final = 20_000
_COLUMNS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read a text: when it fits, and what it then is.

    `fits` and `value` are SQL in which `{x}` is the text without spaces around it.
    """

    type: str
    fits: str
    value: str

    def fit(self, text: str) -> str:
        """SQL that tells whether `text` can be read so."""
        return self.fits.replace("{x}", text)

    def read(self, text: str) -> str:
        """SQL that reads `text`."""
        return self.value.replace("{x}", text)


def _cast(type_: str, pattern: str) -> Reading:
    return Reading(
        type=type_,
        fits=f"regexp_full_match({{x}}, '{pattern}') AND TRY_CAST({{x}} AS {type_}) IS NOT NULL",
        value=f"CAST({{x}} AS {type_})",
    )


def _parsed(pattern: str, format_: str) -> Reading:
    return Reading(
        type="DATE",
        fits=f"regexp_full_match({{x}}, '{pattern}') "
        f"AND try_strptime({{x}}, '{format_}') IS NOT NULL",
        value=f"CAST(strptime({{x}}, '{format_}') AS DATE)",
    )


def _without(mark: str, decimal: str, pattern: str) -> Reading:
    plain = f"replace({{x}}, '{mark}', '')"
    plain = plain if decimal == "." else f"replace({plain}, '{decimal}', '.')"
    return Reading(
        type="DOUBLE",
        fits=f"regexp_full_match({{x}}, '{pattern}')",
        value=f"CAST({plain} AS DOUBLE)",
    )


_TIME: Final = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_DAY: Final = r"\d{4}-\d{2}-\d{2}"
_EXACT: Final = (
    _cast("BIGINT", r"[+-]?(0|[1-9]\d{0,18})"),
    _cast("HUGEINT", r"[+-]?(0|[1-9]\d{0,37})"),
    # A whole number of more than 15 digits would lose some of them.
    _cast(
        "DOUBLE",
        r"[+-]?(0|[1-9]\d{0,14}|(0|[1-9]\d*)?\.\d+|[1-9]\d*\.|[1-9]\d*(\.\d+)?[eE][+-]?\d+)",
    ),
    _cast("BOOLEAN", r"(?i)true|false"),
    _cast("DATE", _DAY),
    _cast("TIMESTAMP", rf"{_DAY}([ T]{_TIME})?"),
    _cast("TIMESTAMP WITH TIME ZONE", rf"{_DAY}[ T]{_TIME} ?(Z|UTC|[+-]\d\d(:?\d\d)?)"),
    _cast("TIME", _TIME),
    _parsed(r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    _parsed(r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
)
_EITHER: Final = (
    _parsed(r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y"),
    _parsed(r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y"),
)
"""Where all dates of a column can be read in both ways, neither is taken."""

_THOUSANDS: Final = (_without(",", ".", r"[+-]?\d{1,3}(,\d{3})*(\.\d+)?"),)
_COMMA: Final = (_without(".", ",", r"[+-]?\d{1,3}(\.\d{3})*(,\d+)?|[+-]?\d+,\d+"),)
"""Where `;` parts the cells, a comma parts the decimals."""


def infer(
    ask: Callable[[str], Sequence[Sequence[Any]]],
    table: str,
    columns: Sequence[str],
    *,
    separator: str = ",",
) -> Mapping[str, Reading]:
    """Return the reading of every column that is more than text.

    Args:
        ask: runs a query and returns its rows.
        table: SQL of a table in which all columns are text.
        columns: their names, quoted.
        separator: what parts the cells of the file.
    """
    numbers = _COMMA if separator == ";" else _THOUSANDS
    readings = (*_EXACT, *_EITHER, *numbers)
    left: dict[str, tuple[Reading, ...]] = dict.fromkeys(columns, readings)
    for source in (f"(SELECT * FROM {table} LIMIT {_FIRST_ROWS})", table):
        left = _fitting(ask, source, left)
    return {column: fitting[0] for column, fitting in left.items() if _is_sure(fitting)}


def select(columns: Sequence[str], readings: Mapping[str, Reading]) -> str:
    """Return the list of a SELECT that reads every column as `readings` say."""
    return ", ".join(
        f"CASE WHEN {_filled(c)} THEN {readings[c].read(f'trim({c})')} END AS {c}"
        if c in readings
        else c
        for c in columns
    )


def _fitting(
    ask: Callable[[str], Sequence[Sequence[Any]]],
    source: str,
    left: Mapping[str, tuple[Reading, ...]],
) -> dict[str, tuple[Reading, ...]]:
    """Return the readings that fit all texts of their columns, of columns that have any."""
    asked = [(column, reading) for column, readings in left.items() for reading in readings]
    kept: dict[str, tuple[Reading, ...]] = {}
    per_query = _COLUMNS_AT_ONCE
    for start in range(0, len(asked), per_query):
        part = asked[start : start + per_query]
        cells = ", ".join(
            f"bool_and({r.fit(f'trim({c})')}) FILTER (WHERE {_filled(c)})" for c, r in part
        )
        (found,) = ask(f"SELECT {cells} FROM {source}")
        for (column, reading), fits in zip(part, found, strict=True):
            if fits:
                kept[column] = (*kept.get(column, ()), reading)
    return kept


def _is_sure(fitting: Sequence[Reading]) -> bool:
    return not set(_EITHER) <= set(fitting)


def _filled(column: str) -> str:
    words = ", ".join(text_literal(word) for word in NO_VALUE)
    return f"trim({column}) NOT IN ({words})"
