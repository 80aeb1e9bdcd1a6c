"""Ask for a flag, where the question does: "active customers", "doctors not on call".

Embedded generators have seen few columns of yes and no: they show the flag or count its values.

What is not covered: flags that a condition holds already, whatever its value; words that only mean
the same ("running" for is_active); and questions about both sides of a flag.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from quorumsql.domain import Column, Execution, Rows, Schema, Table
from quorumsql.follow.scope import plain
from quorumsql.sql import TRUTHS
from quorumsql.stages.asked import ENDS, denies_only_there, words_of
from quorumsql.stages.demand import Demand

__all__ = ["flagged"]

_AFFIXES = frozenset(plain(word) for word in "is has was are can yn flag ind".split())
_HAS = plain("has")
_BE = frozenset("is are was were be been who that which were only all currently".split())
_FILLERS = frozenset("been currently yet be marked as a an actually flagged still".split())
_NOT = frozenset({"not", "never"})
_LACKS = frozenset("no without lack lacks lacking".split())
_MORE = frozenset("by for is are was were has have do did".split())
"""What may stand behind a name, but behind no adjective: "the decision is no"."""
_BOTH = re.compile(
    r"\b(?:whether|or|both|flag|status|percentage|percent|share|ratio|fraction|proportion|rate|"
    r"versus|vs|compared|than|most|least|false)\b"
)
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class _Said:
    """A flag that the question names from word to word, and which side of it."""

    start: int
    end: int
    wanted: bool


def flagged(
    tree: exp.Expr,
    text: str,
    tables: Sequence[Table],
    schema: Schema,
    run: Callable[[str], Execution],
) -> Demand | None:
    """Return the flag that the question asks for and the statement has no condition on.

    Args:
        tree: the statement.
        text: the question, as `asked.plainly` writes it.
        tables: those that the flag may be a column of.
        schema: what the database holds.
        run: runs one statement, to see what the flag holds.
    """
    if _BOTH.search(text):
        return None
    said = [
        (t, c, one) for t in tables for c in t.columns if _may_be(c) for one in _said(t, c, text)
    ]
    if len(said) != 1:
        return None
    table, column, one = said[0]
    if any(key.table == table.name and column.name in key.columns for key in schema.foreign_keys):
        return None
    value = None if _is_held(tree, column) else _value(table, column, one, schema.dialect, run)
    if value is None:
        return None
    words = text.split()
    start, end = len(" ".join(words[: one.start])), len(" ".join(words[: one.end]))
    return Demand(
        table=table,
        column=column,
        values=(value,),
        said=text[start:end].strip(),
        rest=f"{text[:start]} {text[end:]}",
        negative=not one.wanted and denies_only_there(text, start, end),
    )


def _may_be(column: Column) -> bool:
    """Whether nothing that is known of the column speaks against a flag."""
    known = {str(int(v) if isinstance(v, bool) else v).strip().lower() for v in column.examples}
    return not column.primary_key and any(known <= set(pair) for pair in TRUTHS)


def _said(table: Table, column: Column, text: str) -> Iterator[_Said]:
    """Where the question names the flag in a way that says which side of it."""
    names = words_of(column.name)
    own = [word for word in names if word not in _AFFIXES]
    words = text.split()
    said = [plain(word) or word for word in words]
    for start in range(len(words) if own else 0):
        end = start + len(own)
        here = said[start:end]
        denied = len(own) == 1 and here[:1] in ([f"{un}{own[0]}"] for un in ("in", "un", "non"))
        if not denied and here != own:
            continue
        found = None if _HAS in names else _been(table, words, start, end)
        if found is None and (_HAS in names or own == names):  # a thing, as "scholarship" is
            found = _had(table, words, start, end)
        if found is not None:
            yield _Said(found.start, end, found.wanted is not denied)


def _been(table: Table, words: Sequence[str], start: int, end: int) -> _Said | None:
    """Read an adjective: "active customers", "who are not active", "doctors on call"."""
    first = start
    while first and words[first - 1] in _FILLERS:
        first -= 1
    wanted = True
    if first and words[first - 1] in _NOT | {"non"}:
        first, wanted = first - 1, False
    before, after = words[first - 1] if first else "", words[end] if end < len(words) else ""
    if _is_noun(table, after):
        fits = before not in {"no", "any", "without"}
    else:
        closed = not after or after in ENDS - _MORE or not after[0].isalnum()
        led = before in _BE or first < start or _is_noun(table, before)
        fits = closed and led and before not in _LACKS
    return _Said(first, end, wanted) if fits else None


def _had(_: Table, words: Sequence[str], start: int, end: int) -> _Said | None:
    """Read a thing that is there or not: "with insurance", "who do not have insurance"."""
    first = start
    while first and words[first - 1] in {"a", "an", "any", "the"}:
        first -= 1
    before, after = words[first - 1] if first else "", words[end] if end < len(words) else ""
    if after and after not in ENDS and after[0].isalnum():
        return None
    if before in _LACKS:
        return _Said(first - 1, end, False)
    if before not in {"with", "have", "has", "had", "having"}:
        return None
    denied = first > 1 and words[first - 2] in _NOT
    return _Said(first - 1 - denied, end, not denied)


def _is_noun(table: Table, word: str) -> bool:
    own = words_of(table.bare_name)
    return bool(own) and plain(word) in {own[-1], plain(table.bare_name)}


def _is_held(tree: exp.Expr, column: Column) -> bool:
    """Whether the statement compares the column, or has a row for each of its values."""
    for one in tree.find_all(exp.Column):
        if one.name.lower() == column.name.lower():
            inside = one.find_ancestor(exp.Where, exp.Having, exp.Join, exp.Group, exp.Select)
            if not isinstance(inside, exp.Select | None):
                return True
    return False


def _value(
    table: Table, column: Column, said: _Said, dialect: str, run: Callable[[str], Execution]
) -> object:
    """How the column writes the side that is asked for; None where it is no flag."""
    stored = exp.table_(table.bare_name, db=table.schema, quoted=True)
    some = exp.select(exp.column(column.name, quoted=True)).from_(stored).limit(_ROWS)
    held_by = some.subquery("held")  # a name that no engine reserves, unlike "some"
    query = exp.select(exp.column(column.name, quoted=True)).distinct().from_(held_by)
    found = run(query.limit(4).sql(dialect=dialect, unsupported_level=ErrorLevel.IGNORE))
    held = [row[0] for row in found.rows if row[0] is not None] if isinstance(found, Rows) else []
    texts = {str(int(v) if isinstance(v, bool) else v).strip().lower(): v for v in held}
    for yes, no in TRUTHS:
        if len(texts) == len(held) == 2 and set(texts) == {yes, no}:
            return texts[yes if said.wanted else no]
    return None
