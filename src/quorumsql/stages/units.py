"""One row per something, where the last words of a question ask for that: "revenue per year".

Embedded generators cannot write parts of dates, and sometimes forget the last words of a question.
The rules of follow-ups (`follow`) read those words, as if they had been said afterwards: "and by
year?" So they do where "per month" came out as one row per day, or nothing tells the rows apart,
and where "orders by month" came out as the orders, or "orders per channel" as their channels. A
year or a day at the very end ("per month in 2024") hides nothing.

What is not covered: other statements that show a column, sort or group: what they do with the last
words is theirs; and words that name neither a part of a date nor a column or table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from sqlglot import exp

from quorumsql.domain import Hit, Schema
from quorumsql.follow import edited
from quorumsql.follow.scope import plain
from quorumsql.sql import parsed, tree_of

__all__ = ["grouped", "last_words", "unnarrowed"]

_DONE = re.compile(
    r"(?!grouped|listed|divided|separated|given)\w+(?:ed|en)|in|made|won|run|held|sold|taught|known|"
    r"built|led|done|bought|shown|seen|lost|paid|born",
    re.IGNORECASE,
)
"""What is done by somebody: "owned by customers" asks for no line per customer."""
_LAST_WORDS = re.compile(
    r"(?P<before>\w*)\W+(?P<how>by|per|(?:for|in|of|at|from) (?:each|every))\s+"
    r"(?P<what>\w+(?:[ -]\w+){0,3})\s*[?.!]*$",
    re.IGNORECASE,
)

_UNIT = re.compile(r"by (?:day|week|month|quarter|year)s?", re.IGNORECASE)
_EACH = re.compile(
    r"(?<!ordered )(?<!sorted )(?<!order )\b(?:each|every|per|by) "
    r"(day|week|month|quarter|year)\W*$",
    re.IGNORECASE,
)
_ADVERB = re.compile(
    r"(?<!average )(?<!avg )(?<!mean )\b(daily|weekly|monthly|quarterly|yearly|annually)\b",
    re.IGNORECASE,
)
_SUMMED = re.compile(r"\b(?:total|sum)\b", re.IGNORECASE)
"""What is added up may be added up per month: "monthly fees total"."""
_UNITS = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter",
          "yearly": "year", "annually": "year"}  # fmt: skip
_TIME = r"(?:19|20)\d\d(?:-\d\d-\d\d)?"
_TRAILING_TIME = re.compile(
    rf"[\s,]+(?:(?:in|for|during|of|on|since|after|before|from|until|over)\s+(?:the\s+)?(?:year\s+)?"
    rf"{_TIME}|(?:between|from)\s+{_TIME}\s+(?:and|to)\s+{_TIME})\s*[?.!]*$",
    re.IGNORECASE,
)
"""A time that generators write by themselves, and that words for what a row is stand before."""
_NUMBER_OF = re.compile(r"\b(?:how many|number of|count of|count)\b", re.IGNORECASE)
_OTHERWISE = re.compile(
    r"\b(?:which|who|whom|what|when|where|most|least|best|worst|top|highest|lowest|largest|"
    r"smallest|first|latest|newest|oldest|average|total|sum|sort(?:ed)?|order(?:ed)? by|ids?|"
    r"names?|list)\b",
    re.IGNORECASE,
)
"""Words of who asks for something else than how many there are."""


def last_words(question: str, schema: Schema) -> str | None:
    """Return what there is to be one row of, as a follow-up says it; None where nothing is said."""
    question = " ".join(_TRAILING_TIME.sub("", question).split())
    if each := _EACH.search(question):
        return f"by {each[1].lower()}"
    found = _LAST_WORDS.search(question)
    if found is not None:
        done = found["how"].lower() == "by" and _DONE.fullmatch(found["before"])
        return None if done else f"by {found['what']}"
    adverb = _ADVERB.search(question)
    if adverb is None or _is_named(adverb[1], schema):
        return None
    if _OTHERWISE.search(_SUMMED.sub("", question)):
        return None
    return f"by {_UNITS[adverb[1].lower()]}"


def _is_named(word: str, schema: Schema) -> bool:
    """Whether the schema speaks of something monthly, or whatever the word is, itself."""
    names = (name for t in schema.tables for name in (t.name, *(c.name for c in t.columns)))
    return any(word.lower() in name.lower() for name in names)


def grouped(sql: str, words: str, question: str, schema: Schema) -> str | None:
    """Return the statement with one row per what `words` name; None where that makes no sense."""
    tree = parsed(sql, schema.dialect)
    if tree is None:
        return None
    if _UNIT.fullmatch(words) is not None and not _is_by_day(tree, schema):
        tree = _counted(tree, question) or tree
    elif _UNIT.fullmatch(words) is None and _shows_only(tree, words.removeprefix("by ")):
        tree = _counted(tree, question) or tree
    if not _is_unnamed(tree) and not _is_by_day(tree, schema):
        return None
    changed = edited(tree.sql(dialect=schema.dialect), words, schema, about=question)
    return changed if changed and " GROUP BY " in changed else None


def unnarrowed(sql: str, question: str, hits: Sequence[Hit], schema: Schema) -> str | None:
    """Return the statement with all lines that it groups by; None where nothing is left out.

    "Number of patients by gender" came out as those of the men: one line, of a value that
    nobody said.
    """
    tree = tree_of(sql, schema.dialect)
    if tree is None:
        return None
    where, group = tree.args.get("where"), tree.args.get("group")
    if not isinstance(tree, exp.Select) or where is None or group is None:
        return None
    keys = {one.name.lower() for one in group.expressions if isinstance(one, exp.Column)}
    said = {hit.column.lower() for hit in hits}
    parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
    kept = [one for one in parts if not _is_guessed(one, keys - said, question)]
    if len(kept) == len(parts):
        return None
    tree = tree.copy()
    tree.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)
    return tree.sql(dialect=schema.dialect)


def _is_guessed(condition: exp.Expr, keys: Collection[str], question: str) -> bool:
    """Whether a key of the groups is held to one text that the question does not have."""
    column, value = condition.args.get("this"), condition.args.get("expression")
    if not isinstance(condition, exp.EQ) or not isinstance(value, exp.Literal):
        return False
    own = isinstance(column, exp.Column) and column.name.lower() in keys
    return own and value.is_string and value.name.lower() not in question.lower()


def _shows_only(tree: exp.Expr, what: str) -> bool:
    """Whether there is one row per row, and nothing in it but what the words name."""
    if not isinstance(tree, exp.Select) or len(tree.selects) != 1:
        return False
    if any(tree.args.get(part) for part in ("having", "order", "limit", "group")):
        return False
    shown = tree.selects[0]
    return isinstance(shown, exp.Column) and plain(shown.name) == plain(what)


def _counted(tree: exp.Expr, question: str) -> exp.Expr | None:
    """The number of rows, where the question asks for it and the statement shows them.

    Only of one table: joined to another, a row could count twice.
    """
    if not isinstance(tree, exp.Select) or tree.args.get("joins") or tree.args.get("having"):
        return None
    source = tree.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table) or tree.args.get("group"):
        return None
    if any(item.find(exp.AggFunc) for item in tree.expressions):
        return None
    if _OTHERWISE.search(question) or not _asks_for_number(question, source.this.name):
        return None
    bare = tree.copy()
    for part in ("distinct", "order", "limit", "offset"):
        bare.set(part, None)
    return bare.select(exp.Count(this=exp.Star()), append=False, copy=False)


def _asks_for_number(question: str, table: str) -> bool:
    """Whether "how many" is said, or nothing but what is counted: "orders by month"."""
    words = re.sub(r"^(?:(?:show|give|me|the|all|new|our)\W+)*", "", question.lower())
    said = _ADVERB.sub("", words).split()
    return _NUMBER_OF.search(question) is not None or bool(said and plain(said[0]) == plain(table))


def _is_unnamed(tree: exp.Expr) -> bool:
    """Whether the statement shows aggregates only, and so not what they are of."""
    return _is_plain(tree) and all(item.find(exp.AggFunc) for item in tree.expressions)


def _is_by_day(tree: exp.Expr, schema: Schema) -> bool:
    """Whether the statement has one row per value of a column of dates."""
    group = tree.args.get("group") if _is_plain(tree) else None
    keys = [] if group is None else group.expressions
    if len(keys) != 1 or not isinstance(keys[0], exp.Column):
        return False
    read = {table.name.lower() for table in tree.find_all(exp.Table)}
    return any(
        column.name.lower() == keys[0].name.lower() and column.kind == "date"
        for table in schema.tables
        if table.bare_name.lower() in read
        for column in table.columns
    )


def _is_plain(tree: exp.Expr) -> bool:
    parts = ("having", "order", "limit", "distinct")
    return isinstance(tree, exp.Select) and not any(tree.args.get(part) for part in parts)
