"""Ask for a stored value, where the question says it of its rows: "delivered orders".

Embedded generators at times leave out a value that stands before what it is said of, above all one
with a typing error: "delivred orders" came out as all orders.

What is not covered: values that two columns have, values of tables that the statement does not
read, several values at once, and what is denied, compared or counted as a share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from rapidfuzz.distance import OSA
from sqlglot import exp

from quorumsql.domain import Execution, Hit, Schema, Table
from quorumsql.follow.scope import plain
from quorumsql.stages.asked import denies_only_there, plainly, words_of
from quorumsql.stages.demand import Demand

__all__ = ["stated"]

_SHORTEST = 5
"""Letters; a shorter word with an error in it may be another word."""
_LIKELY = 0.8
_OTHERWISE = re.compile(
    r"\b(?:whether|or|both|percentage|percent|share|ratio|fraction|proportion|rate|versus|vs|than|"
    r"compared|non|each|per|by)\b"
)


def stated(
    tree: exp.Expr,
    text: str,
    tables: Sequence[Table],
    schema: Schema,
    _: Callable[[str], Execution],
    *,
    hits: Sequence[Hit],
    question: str,
) -> Demand | None:
    """Return the value that the question says of the rows and the statement has nowhere.

    Args:
        tree: the statement.
        text: the question, as `asked.plainly` writes it.
        tables: those that the value may be of.
        schema: what the database holds.
        hits: stored values that the question mentions.
        question: as it was asked; places of hits are in it.
    """
    names = {
        word for t in schema.tables for n in (t.name, *(c.name for c in t.columns))
        for word in words_of(n)
    }  # fmt: skip
    found: dict[tuple[str, str, str], tuple[Table, Hit]] = {}
    for hit in hits:
        said = question[hit.start : hit.end]
        table = next((one for one in tables if one.name == hit.table), None)
        if table is None or plain(said) in names or not _is_meant(said, hit):
            continue
        if _is_before(table, question[hit.end :]) and not _OTHERWISE.search(text):
            found[hit.table, hit.column, str(hit.value)] = (table, hit)
    if len(found) != 1:
        return None
    ((table, hit),) = found.values()
    column = table.column(hit.column)
    if column is None or column.kind != "text" or _has(tree, hit):
        return None
    said = plainly(question[hit.start : hit.end])
    start = len(plainly(question[: hit.start]))
    start = text.find(said, start)
    end = start + len(said)
    if start < 0 or not denies_only_there(text, start, end):
        return None
    return Demand(
        table=table,
        column=column,
        values=(hit.value,),
        said=said,
        rest=f"{text[:start]} {text[end:]}",
        negative=True,
    )


def _is_meant(said: str, hit: Hit) -> bool:
    """Whether words are the value as it stands, or in small letters but for one typing error.

    A number counts rows: "the top 10 airlines".
    """
    if said.isdigit():
        return False
    if hit.match == "exact":
        return True
    value = str(hit.value).lower()
    near = said.islower() and len(said) >= _SHORTEST and value[:1] == said[:1]
    return (
        hit.match == "fuzzy"
        and hit.score >= _LIKELY
        and near
        and OSA.distance(_once(said), _once(value), score_cutoff=1) <= 1
    )


def _once(word: str) -> str:
    """The word with no letter doubled: "cancelled" has two errors in "cancled" otherwise."""
    return re.sub(r"(.)\1", r"\1", word)


def _is_before(table: Table, after: str) -> bool:
    """Whether the rows of the table are named next: "delivered" of "orders"."""
    word = re.match(r" ([^\W\d_]+)", after)
    own = words_of(table.bare_name)
    return word is not None and bool(own) and plain(word[1]) in {own[-1], plain(table.bare_name)}


def _has(tree: exp.Expr, hit: Hit) -> bool:
    """Whether the statement has the value, or a condition or a line for each of its column."""
    value = str(hit.value).lower()
    if any(value in one.name.lower() or (one.name and one.name.lower() in value)
           for one in tree.find_all(exp.Literal) if one.is_string):  # fmt: skip
        return True
    return any(
        one.name.lower() == hit.column.lower()
        and not isinstance(one.find_ancestor(exp.Where, exp.Having, exp.Group, exp.Select),
                           exp.Select | None)
        for one in tree.find_all(exp.Column)
    )  # fmt: skip
