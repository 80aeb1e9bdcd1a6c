"""Functions in the place of SQLite's own that could run for minutes inside of one call.

SQLite's `instr`, `replace`, `trim`, `LIKE` and `GLOB` take time with the product of two lengths.
Those here give the same results: Python's searches take time with the sum, and where there is
nothing better SQLite's own is asked after a look at the product. They are slower for short values
and switch off the use of an index for `LIKE`, and SQLite trusts no replaced function inside views,
generated columns and indexes. So they are for statements whose values are long (`sqlite_program`).

What is not covered: text that is not UTF-8, which is an error here.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any, Final

__all__ = ["bound_functions"]

_MOST_COMPARED: Final = 100_000_000
"""Comparisons of characters in one call of SQLite's own: about a quarter of a second."""

_TRIMS: Final[dict[str, Callable[[str, str], str]]] = {
    "trim": str.strip,
    "ltrim": str.lstrip,
    "rtrim": str.rstrip,
}


def bound_functions(connection: sqlite3.Connection) -> None:
    """Replace on `connection` what takes time with the product of two lengths."""
    real = sqlite3.connect(":memory:", check_same_thread=False)
    real.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000)
    _Bounded(connection, real).replace_all()


class _Bounded:
    """The functions of one connection; `real` is asked for what SQLite alone knows."""

    def __init__(self, connection: sqlite3.Connection, real: sqlite3.Connection) -> None:
        self._connection = connection
        self._real = real

    def replace_all(self) -> None:
        """Put all functions in their places."""
        self._put("instr", 2, self._instr)
        self._put("replace", 3, self._replace)
        self._put("like", 2, self._like)
        self._put("like", 3, lambda *given: self._compared("like", given))
        self._put("glob", 2, self._glob)
        for name, strip in _TRIMS.items():
            self._put(name, 2, lambda text, some, strip=strip: self._trim(strip, text, some))

    def _put(self, name: str, arguments: int, function: Callable[..., Any]) -> None:
        def checked(*given: Any) -> Any:
            self._check(max(map(_length, given)))
            return function(*given)

        self._connection.create_function(name, arguments, checked, deterministic=True)

    def _check(self, length: int) -> None:
        """Refuse what is too long by now: the limit falls when the time is up.

        Raises:
            OverflowError: to SQLite the value is then too big.
        """
        if length > self._connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH):
            raise OverflowError("the value is too big")

    def _text(self, value: Any) -> str:
        """`value` as SQLite writes it."""
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, str):
            return value
        return str(self._real.execute("SELECT CAST(? AS TEXT)", (value,)).fetchone()[0])

    def _instr(self, text: Any, wanted: Any) -> int | None:
        if text is None or wanted is None:
            return None
        if isinstance(text, bytes) and isinstance(wanted, bytes):
            return text.find(wanted) + 1
        return self._text(text).find(self._text(wanted)) + 1

    def _replace(self, text: Any, old: Any, new: Any) -> Any:
        if text is None or old is None:
            return None
        found, wanted = self._text(text), self._text(old)
        if not wanted or wanted[0] == "\0":
            return self._real.execute("SELECT replace(?, ?, '')", (text, old)).fetchone()[0]
        if new is None:
            return None
        put = self._text(new)
        # Looked at before it is made: the result could be larger than the memory.
        more = len(put.encode()) - len(wanted.encode())
        self._check(len(found.encode()) + found.count(wanted) * more)
        return found.replace(wanted, put)

    def _trim(self, strip: Callable[[str, str], str], text: Any, some: Any) -> str | None:
        if text is None or some is None:
            return None
        found = self._text(text)
        characters = "".join(dict.fromkeys(self._text(some).partition("\0")[0]))
        self._check_product(len(found), len(characters))
        return strip(found, characters) if characters else found

    def _like(self, pattern: Any, text: Any) -> Any:
        if isinstance(pattern, str) and isinstance(text, str) and "_" not in pattern:
            # Of letters only those of ASCII are equal to SQLite in both cases, as in bytes.
            return _matches(pattern.encode().lower(), text.encode().lower(), b"%")
        return self._compared("like", (pattern, text))

    def _glob(self, pattern: Any, text: Any) -> Any:
        if isinstance(pattern, str) and isinstance(text, str) and not re.search(r"[?\[]", pattern):
            return _matches(pattern.encode(), text.encode(), b"*")
        return self._compared("glob", (pattern, text))

    def _compared(self, name: str, given: tuple[Any, ...]) -> Any:
        """What SQLite's own says, where it says so soon."""
        self._check_product(_length(given[0]), _length(given[1]))
        marks = ", ".join("?" * len(given))
        return self._real.execute(f"SELECT {name}({marks})", given).fetchone()[0]

    def _check_product(self, one: int, other: int) -> None:
        if one * other > _MOST_COMPARED:
            raise OverflowError("the values are too long to be compared")


def _matches(pattern: bytes, text: bytes, star: bytes) -> int:
    """Whether the parts of `pattern` between stars stand in `text` in their order."""
    pattern, text = pattern.partition(b"\0")[0], text.partition(b"\0")[0]
    first, *others = pattern.split(star)
    if not others:
        return int(text == pattern)
    *middle, last = others
    if not text.startswith(first):
        return 0
    at = len(first)
    for part in middle:
        at = text.find(part, at)
        if at < 0:
            return 0
        at += len(part)
    return int(len(text) - at >= len(last) and text.endswith(last))


def _length(value: Any) -> int:
    """About how many bytes `value` has; a character may have four."""
    return len(value) if isinstance(value, (str, bytes)) else 8
