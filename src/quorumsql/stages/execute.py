"""Run candidates of unknown origin on a database: each different statement once, in bounded time.

Statements that differ only in white space, a final semicolon or the case of words outside quotes
are one statement, so that the same answer of twenty systems costs one run. Long results are kept
in part and compared by their digest (`Limits.hashed`).

What is not covered: statements that mean the same in other words.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from quorumsql.domain import Execution, Failure, Limits
from quorumsql.ports import Database

__all__ = ["POOL_LIMITS", "POOL_SECONDS", "execute_all", "statement_key"]

POOL_LIMITS = Limits(seconds=10.0, rows=5_000, bytes=1024 * 1024, hashed=20_000_000)
POOL_SECONDS = 60.0
"""For all candidates of one question together."""

_TOKEN = re.compile(
    r"""
      [xX]?'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]   # quoted: as it is
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | --[^\n]*(?:\n|$) | /\*.*?\*/                                        # a comment: as it is
    | \d+(?:\.\d*)?(?:[eE][+-]?\d+)? | \.\d+(?:[eE][+-]?\d+)?             # a number
    | \w+ | [<>=!|&*%/+-]+ | \S                                           # a word, an operator
    """,
    re.VERBOSE | re.DOTALL,
)
_AS_IT_IS = ("'", '"', "`", "[", "x'", "X'", "--", "/*", "$")


def statement_key(sql: str, dialect: str) -> str:
    """Return a text that statements share which differ in white space and case of words alone.

    MySQL's names may differ in case alone, and its texts end otherwise: there it is all of `sql`.
    """
    if dialect == "mysql":
        return sql.strip().rstrip(";").rstrip()
    found = (match[0] for match in _TOKEN.finditer(sql))
    tokens = [token if token.startswith(_AS_IT_IS) else token.lower() for token in found]
    while tokens and tokens[-1] == ";":
        tokens.pop()
    return " ".join(tokens)


def execute_all(
    statements: Sequence[str],
    database: Database,
    *,
    limits: Limits = POOL_LIMITS,
    seconds: float = POOL_SECONDS,
) -> tuple[Execution, ...]:
    """Return what came of each statement, in their order; equal ones share one run.

    The shortest run first, so what a spent budget leaves out does not depend on the order given.

    Args:
        statements: any texts.
        database: where they run.
        limits: what one may cost; its deadline shrinks with what is left overall.
        seconds: wall time for all together. What no longer fits fails with kind "timeout".

    Raises:
        DatabaseError: the database itself is gone.
    """
    keys = [statement_key(sql, database.dialect) for sql in statements]
    shortest: dict[str, str] = {}
    for key, sql in zip(keys, statements, strict=True):
        shortest[key] = min(shortest.get(key, sql), sql, key=lambda text: (len(text), text))
    deadline = time.monotonic() + seconds
    found: dict[str, Execution] = {}
    for key, sql in sorted(shortest.items(), key=lambda item: (len(item[1]), item[1])):
        left = deadline - time.monotonic()
        if left <= 0:
            message = f"not run: the {seconds:g} s for all candidates were used up"
            found[key] = Failure(kind="timeout", message=message)
        else:
            own = replace(limits, seconds=min(limits.seconds, left))
            found[key] = database.execute(sql, limits=own)
    return tuple(found[key] for key in keys)
