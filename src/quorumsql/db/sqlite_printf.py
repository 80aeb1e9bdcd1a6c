"""Keep SQLite's `printf` from running for minutes: nothing can interrupt it inside of one call.

Before SQLite 3.42 `printf('%.*c', 2000000000, 'x')` counts to two billion. So where a statement
itself calls `printf` or `format`, both are replaced by functions that look at widths first and
then ask the real one. Views keep the real one: SQLite trusts no replaced function inside of them.

What is not covered: views that pass a width from a stored value.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any, Final

__all__ = ["bound_printf", "calls_printf"]

_WIDEST: Final = 1_000_000
_LONGEST: Final = 100_000
"""Of a template, whose every `%` is looked at."""

_NAMES: Final = re.compile(r"printf|format", re.IGNORECASE)
_WIDTHS: Final = re.compile(r"%[-+ #0,!]*(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?")
_FIXED_IN: Final = (3, 42, 0)


def calls_printf(sql: str) -> bool:
    """Whether `sql` may call a function that has to be replaced."""
    return sqlite3.sqlite_version_info < _FIXED_IN and _NAMES.search(sql) is not None


def bound_printf(connection: sqlite3.Connection) -> None:
    """Replace `printf` and `format` on `connection`."""
    real = sqlite3.connect(":memory:", check_same_thread=False)

    def printf(*given: Any) -> Any:
        if not given or not isinstance(given[0], str):
            return given[0] if given else None
        if len(given[0]) > _LONGEST:
            raise OverflowError("the template of printf is too long")
        _check_widths(given[0], given[1:])
        real.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH))
        marks = ", ".join("?" * len(given))
        # With a letter before it a result is never empty: NULL means that it became too long.
        led = (f"x{given[0]}", *given[1:])
        try:
            found = real.execute(f"SELECT printf({marks})", led).fetchone()[0]
        except sqlite3.DataError as error:
            raise OverflowError("the value is too big") from error
        if found is None:
            raise OverflowError("the value is too big")
        return found[1:] if given[0] else None

    for name in ("printf", "format"):
        connection.create_function(name, -1, printf, deterministic=True)


def _check_widths(template: str, arguments: tuple[object, ...]) -> None:
    """Refuse widths that would be counted through one by one.

    Raises:
        OverflowError: a width is too large; to SQLite the value is then too big.
    """
    starred = False
    for found in _WIDTHS.finditer(template):
        for width in (found["width"], found["precision"]):
            starred = starred or width == "*"
            if width and width.isdigit() and (len(width) > 9 or int(width) > _WIDEST):
                raise OverflowError("a width in printf is too large")
    if starred and any(isinstance(a, int | float | str) and _number(a) for a in arguments):
        raise OverflowError("a width in printf is too large")


def _number(value: int | float | str) -> bool:
    """Whether SQLite could take `value` for a width that is too large."""
    if isinstance(value, str):
        digits = re.match(r"\s*[-+]?(\d+)", value)
        return digits is not None and (len(digits[1]) > 9 or int(digits[1]) > _WIDEST)
    return abs(value) > _WIDEST
