"""How long a value of one statement may be, told from the program that SQLite makes of it.

Nothing can interrupt SQLite inside one call of a function, and it looks for interrupts only where
its program jumps, so what one step may cost is bounded by the lengths of values. The limit on a
result would do for most statements, but:

- `instr`, `replace`, `trim`, `LIKE` and `GLOB` take time with the product of two lengths. Short
  values go through SQLite's own; where a longer one comes, the statement is run again with
  functions that look at both lengths first (`sqlite_bounded`). `json_patch` has no such twin.
- Many values may be alive together: the columns of a row, and what functions have made for it.
- Many calls may stand between two jumps and each read a long value that is there already.
- Functions of JSON need several times the memory of their argument.

What is not covered: the time that SQLite takes to compile a statement, columns that the database
itself computes with such functions when it holds values that are made to be slow, and what virtual
tables (full-text search) do inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["UNKNOWN", "Program", "longest", "read_program"]

_SHORTEST: Final = 1 << 10
_SMALL: Final = 1 << 16
"""What is always allowed, unless a program holds very many values."""

_QUADRATIC: Final = frozenset({"instr", "replace", "like", "glob", "trim", "ltrim", "rtrim"})
_HOPELESS: Final = frozenset({"json_patch", "jsonb_patch"})
_QUADRATIC_BYTES: Final = 3 * _SMALL
"""`LIKE` with a pattern of a thousand takes 0.2 s over 64 KiB: three of them fit into the grace."""

_TRIM_BYTES: Final = 1 << 15
"""To `trim` each character may be compared with all others: 0.1 s at 16 KiB, 2 s at 64."""

_LINEAR_BYTES: Final = 200_000_000
"""About 3 ns for each byte that a function looks at: 0.6 s between two looks at the clock."""

_CALLS: Final = frozenset({"Function", "PureFunc"})
_LINEAR: Final = _CALLS | {"Cast", "Concat", "Add", "Subtract", "Multiply", "Divide", "Remainder"}
_JSON_PARTS: Final = 16
"""A quarter of the longest value: its parse takes up to 16 times as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a program may do with long values.

    `values` may be alive at once, `calls` look at every byte of one, `quadratic` of those take
    time with the product of two lengths (`trims` of them also with a set of characters).
    """

    values: int = 0
    calls: int = 0
    quadratic: int = 0
    trims: int = 0
    hopeless: bool = False
    parses: bool = False


UNKNOWN: Final = Program(hopeless=True)
"""A statement that SQLite cannot explain: a question for its plan, or one that will not run."""


def read_program(lines: Iterable[tuple[Any, ...]]) -> Program:
    """Return what `lines`, the answer to EXPLAIN, may do with long values."""
    values: set[int] = set()
    calls = 0
    names: list[str] = []
    parses = False
    for _, operation, first, second, third, fourth, *_ in lines:
        calls += operation in _LINEAR
        if operation == "ResultRow":
            values.update(range(first, first + second))
        elif operation in _CALLS:
            values.add(third)
            names.append(str(fourth).lower())
        elif operation in {"Concat", "AggStep", "AggValue"}:
            values.add(third)
        parses = parses or operation == "VOpen" or _is_json(operation, str(fourth))
    trims = sum("trim(2)" in name for name in names)
    called = [name.partition("(")[0] for name in names]
    spaces = sum("trim(1)" in name for name in names)
    return Program(
        values=len(values),
        calls=calls,
        quadratic=sum(name in _QUADRATIC for name in called) - spaces,
        trims=trims,
        hopeless=not _HOPELESS.isdisjoint(called),
        parses=parses,
    )


def _is_json(operation: str, called: str) -> bool:
    return operation in _CALLS | {"AggStep"} and called.lower().startswith(("json", "->"))


def longest(program: Program, most: int, *, bounded: bool) -> int:
    """Return how many bytes a value may have where a result may have `most`.

    Args:
        program: of the statement.
        most: of a whole result.
        bounded: whether the quadratic functions are replaced by those that look first.
    """
    allowed = max(_SMALL, most // (_JSON_PARTS if program.parses else 4))
    if program.hopeless:
        allowed = _SMALL
    if program.quadratic and not bounded:
        allowed = min(allowed, _SMALL, _QUADRATIC_BYTES // program.quadratic)
    if program.trims and not bounded:
        allowed = min(allowed, _TRIM_BYTES // (program.trims + 1))
    allowed = min(allowed, most // max(1, program.values), _LINEAR_BYTES // max(1, program.calls))
    return max(_SHORTEST, allowed)
