"""What a person may read of a database: names allowed and denied, rows, masks. Frozen values.

Names are patterns of one to three parts, `*` stands for anything, case does not count, and a part
with a dot or a star of its own is written in double quotes:

    schemas   sales
    tables    orders, sales.orders, sales.*
    columns   staff.salary, hr.staff.salary, *.password

What is not covered: enforcing them. `guard.access` finds out what they mean for one schema and
`guard.restrict` rewrites statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from quorumsql.errors import ConfigError

__all__ = ["Names", "Path", "Permissions", "matches", "parts_of"]

Path: TypeAlias = tuple[str, ...]
"""Schema, table and column, as far as they are named."""

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Patterns of schemas, tables and columns. Together they cover whatever one of them covers."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse patterns that cannot mean anything."""
        for name, fewest, most in (("schemas", 1, 1), ("tables", 1, 2), ("columns", 2, 3)):
            for pattern in getattr(self, name):
                _check(pattern, name, fewest, most)

    def __bool__(self) -> bool:
        """Whether there is any pattern."""
        return any(getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What may be read. Without any of it, everything may.

    Where `allow` names anything, only what it covers may be read; what `deny` covers may never.
    `rows` maps tables to conditions that each of their rows must meet, `masks` columns to what
    is shown in their place: NULL, or an expression over the same row. A view is read as far as
    what it reads may be read, except `views`, whose authors are trusted to show no more than
    they should.
    """

    allow: Names = field(default_factory=Names)
    deny: Names = field(default_factory=Names)
    rows: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, str] = field(default_factory=dict)
    views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse patterns that cannot mean anything, and empty conditions."""
        for pattern in (*self.rows, *self.views):
            _check(pattern, "rows and views", 1, 2)
        for pattern in self.masks:
            _check(pattern, "masks", 2, 3)
        for key, text in (*self.rows.items(), *self.masks.items()):
            if not text.strip():
                raise ConfigError(f"permissions: the condition or mask of {key!r} is empty.")

    def __bool__(self) -> bool:
        """Whether anything is restricted."""
        return bool(self.allow or self.deny or self.rows or self.masks)


def parts_of(pattern: str) -> Path:
    """Split a pattern at its dots, outside of double quotes; quoted stars are escaped."""
    parts = []
    for found in _PART.finditer(pattern):
        quoted = found[1]
        parts.append(re.escape(quoted.replace('""', '"')) if quoted else _as_regex(found[2]))
    return tuple(parts)


def matches(patterns: Iterable[str], *paths: Path) -> bool:
    """Whether a pattern covers one of `paths`; a shorter pattern leaves the first parts open."""
    for pattern in patterns:
        parts = parts_of(pattern)
        for path in paths:
            tail = path[len(path) - len(parts) :]
            if len(tail) == len(parts) and all(map(_matches_part, parts, tail)):
                return True
    return False


def _matches_part(part: str, name: str) -> bool:
    return re.fullmatch(part, name, re.IGNORECASE | re.DOTALL) is not None


def _as_regex(text: str) -> str:
    return ".*".join(re.escape(piece) for piece in text.strip().split("*"))


def _check(pattern: str, where: str, fewest: int, most: int) -> None:
    parts = parts_of(pattern)
    dots = len(re.sub(r'"(?:[^"]|"")*"', "", pattern).split("."))
    if not fewest <= len(parts) <= most or dots != len(parts):
        shapes = {"schemas": "SCHEMA", "tables": "TABLE or SCHEMA.TABLE"}
        shape = shapes.get(where, "TABLE.COLUMN or SCHEMA.TABLE.COLUMN" if most == 3 else "TABLE")
        raise ConfigError(f"permissions: {pattern!r} among {where} must be {shape}.")
