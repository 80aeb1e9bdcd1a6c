"""Take values out of SQL and of messages about it, so that a record of them holds no data.

What is not covered: names. A name that holds a value (a column called after a customer) stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from quorumsql.dialects import known_dialect

__all__ = ["redact", "redact_message"]

_TEXTS = frozenset(
    kind for kind in TokenType if kind.name.endswith("STRING") or kind is TokenType.NUMBER
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|«[^»]*»|“[^”]*”")
_LONGEST = 2_000


def redact(sql: str, dialect: str, *, names: Collection[str] = ()) -> str:
    """Return `sql` with `?` for every value and without comments, at most 2,000 characters.

    Args:
        sql: any text.
        dialect: sqlglot's name of the engine's SQL.
        names: what the schema holds. In SQLite and MySQL "x" may be a text as well as a name:
            it stays when it is one of these.
    """
    known = Dialect.get_or_raise(known_dialect(dialect))
    try:
        tokens = known.tokenize(sql)
    except SqlglotError:
        return f"(unreadable, {len(sql):,} characters)"
    pieces: list[str] = []
    end = -1
    for token in tokens:
        written = sql[token.start : token.end + 1]
        ambiguous = written.startswith('"') and dialect not in {"postgres", "duckdb"}
        value = token.token_type in _TEXTS or (ambiguous and token.text not in names)
        glued = token.start == end + 1
        pieces.append(("" if glued or not pieces else " ") + ("?" if value else written))
        end = token.end
    text = "".join(pieces)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def redact_message(message: str) -> str:
    """Return the first line of `message` with `?` for what is quoted, and for numbers."""
    first = message.strip().split("\n", 1)[0]
    return re.sub(r"\d(?:[\d.,:]*\d)?", "?", _QUOTED.sub("?", first))[:_LONGEST]
