"""Whether a statement keeps to the time that its question says.

Embedded generators write a year where they see a place for a number: "appointments per doctor in
2024" became `DoctorID = 2024`. `misread` tells such a year, so that it can be set apart (`when`)
like the times that generators cannot write. `remarks` tells who asks of a time that no rule took
in, and of which date the months are where there are several.

What is not covered: a second time in the same question, and times that the statement keeps to in
another table than the one that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal

from sqlglot import exp

from quorumsql.domain import Column, Execution, Rows, Schema, Table
from quorumsql.follow.scope import Scope, is_dated, parts_of, plain
from quorumsql.sql import tree_of
from quorumsql.stages.units import last_words

__all__ = ["misread", "remarks"]

_YEAR = r"(?:19|20)\d\d"
_YEARS = re.compile(rf"(?<![\w.-]){_YEAR}(?![\w-])")
_SINCE = re.compile(r"(?:since|starting|from)\b", re.IGNORECASE)
_NAMED = re.compile(r"year|yr|season|date|time|decade|edition|born|birth", re.IGNORECASE)
"""Words in the name of a column that may hold years, whatever else is known of it."""
_OLDEST, _LATEST = 1000, 2200
_LEAD = (
    r"(?:in|during|for|since|before|after|until|till|on|at|over|from|every|each|of)(?: the| an?)?"
)
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
)
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?)"
_UNIT = r"(?:day|week|weekend|month|quarter|year|hour|minute)"
_TIMES = re.compile(
    rf"\b(?:{_LEAD} {_MONTH}(?: {_YEAR})?|(?:{_LEAD} )?(?:next|last|this|past) {_MONTH}|"
    rf"(?:(?:on|every|each|next|last|this)(?: an?| the)? ){_WEEKDAY}|"
    r"(?:on|at|during|over|every|next|last|this)(?: the| a)? (?:week ?ends?|weekdays|workdays)|"
    r"(?:in|during|last|this|next|every|each|since|past)(?: the)? "
    rf"(?:summer|winter|spring|autumn|fall)s?(?: of)?(?: {_YEAR})?|"
    r"(?:in|during)(?: the)? (?:mornings?|afternoons?|evenings?)|at (?:night|noon|midnight)|"
    r"(?:at|on|since|before|after|over|during) (?:christmas|easter|new year|thanksgiving)|"
    rf"(?:next|last|this|past|previous) (?:(?:\d+|two|three|four|five|six|ten|few) )?{_UNIT}s?|"
    rf"(?:\d+|an?|two|three|four|five|six|ten|a few) {_UNIT}s? ago|"
    r"(?:at|before|after|since|until|by) \d{1,2}(?::\d\d)? ?(?:am|pm|a\.m\.|p\.m\.|o'clock)|"
    r"yesterday|tomorrow|year to date|ytd)(?![\w-])",
    re.IGNORECASE,
)
_PARTS = re.compile(
    r"\b(?:strftime|extract|month|monthname|weekday|dayofweek|dayname|isodow|quarter|hour|date_part|"
    r"datepart|date_format|to_char|date_trunc|julianday|current_date|current_timestamp|now|curdate|"
    r"timestampdiff|datediff|date_diff|age|datetime)\s*\(|\bcurrent_(?:date|timestamp)\b|\binterval\b",
    re.IGNORECASE,
)
"""Functions of those who work with parts of dates, or with today."""
_UNIT_OF_LINES = re.compile(r"by (day|week|month|quarter|year)s?", re.IGNORECASE)
_EXACT = re.compile(r"\d{4}-\d\d|-\d\d-|^\d{1,2}:\d\d")
_SLASHED = re.compile(r"^\d{1,2}/|/\d")
_WHOLE_YEARS = re.compile(r"\d{4}-(?:01-01|12-31)(?: .*)?$")


def misread(
    said: str, text: str, sql: str, schema: Schema, run: Callable[[str], Execution]
) -> bool:
    """Return whether the statement has a year of `said` in no place where years are, or not at all.

    Args:
        said: the time as the question says it, such as "in 2024".
        text: the question without it.
        sql: what was chosen.
        schema: what the database holds.
        run: runs one statement, to see whether a column holds years.

    Raises:
        DatabaseError: the database itself is gone.
    """
    tree = tree_of(sql, schema.dialect)
    if tree is None:
        return False
    for year in _YEARS.findall(said):
        if any(_is_of(year, one) for one in tree.find_all(exp.Column)):
            continue  # SQLite takes "2024%" for a text where no column is called so
        found = [one for one in tree.find_all(exp.Literal) if _is_of(year, one)]
        if not any(_is_placed(one, year, said, text, schema, run) for one in found):
            return True
    return False


def remarks(text: str, sql: str, schema: Schema, said: Sequence[str] = ()) -> Iterator[str]:
    """Yield what a person should know of the times in a statement.

    Args:
        text: the question.
        sql: what was chosen.
        schema: what the database holds.
        said: what the person is told already.
    """
    tree = tree_of(sql, schema.dialect)
    found = None if tree is None else _TIMES.search(text)
    if tree is None:
        return
    if found and not any(found[0] in one for one in said) and not _keeps_to(tree, found[0], schema):
        yield f"{found[0]!r} was not understood: the SQL does not keep to that time."
    unit = _UNIT_OF_LINES.fullmatch(last_words(text, schema) or "")
    if unit is not None and isinstance(tree, exp.Select):
        yield from _by_which(unit[1], text, tree, schema)


def _by_which(unit: str, text: str, tree: exp.Select, schema: Schema) -> Iterator[str]:
    """Say by which date there is a line per month, where the question names none of several."""
    group = tree.args.get("group")
    keys = {one.name.lower() for one in group.find_all(exp.Column)} if group is not None else set()
    days = Scope(tree, schema, (), text=text, today=date.min, about=text).days()
    used = [(key, one) for key, one, _ in days if one.name.lower() in keys]
    if len(used) == 1:
        ((key, column),) = used
        others = [one.name for other, one, _ in days if one is not column and other[0] >= key[0]]
        if others:
            yield f"The {unit} is that of {column.name}, not of {' or '.join(others)}."


def _is_of(year: str, node: exp.Expr) -> bool:
    return re.search(rf"(?<!\d){year}(?!\d)", node.name) is not None


def _is_placed(
    literal: exp.Literal,
    year: str,
    said: str,
    text: str,
    schema: Schema,
    run: Callable[[str], Execution],
) -> bool:
    """Whether the year stands beside something that can be of a year."""
    condition = literal.find_ancestor(exp.Predicate, exp.Limit, exp.Offset, exp.Select)
    if not isinstance(condition, exp.Predicate) or condition.find(exp.AggFunc):
        return False
    columns = list(_columns(condition, schema))
    dated = [(table, one) for table, one in columns if one.kind == "date"]
    if not dated:
        return any(_holds_years(table, one, year, schema, run) for table, one in columns)
    if _SINCE.match(said) and isinstance(condition, exp.GT) and "-12-31" in literal.name:
        return False  # since 2024 is not after it
    select = literal.find_ancestor(exp.Select)
    return select is None or not any(_is_beside(one, select, text, schema) for _, one in dated)


def _is_beside(column: Column, select: exp.Select, text: str, schema: Schema) -> bool:
    """Whether the question speaks more of another date of the same rows.

    Orders of a year are ordered then; their customers may have signed up before.
    """
    days = Scope(select, schema, (), text=text, today=date.min, about=text).days()
    said = {one.name: scope_said for scope_said, one, _ in days}
    if column.name not in said or len(said) < len(days):
        return False
    own = said[column.name]
    return any((other[0], other[3]) > (own[0], own[3]) for other in said.values())


def _columns(condition: exp.Expr, schema: Schema) -> Iterator[tuple[Table, Column]]:
    """The stored columns that a condition speaks of."""
    select = condition.find_ancestor(exp.Select)
    sources = list(select.find_all(exp.Table)) if select is not None else []
    for column in condition.find_all(exp.Column):
        for source in sources:
            if column.table.lower() not in {"", source.alias_or_name.lower()}:
                continue
            full = f"{source.db}.{source.name}" if source.db else source.name
            table = schema.table(full) or schema.table(source.name)
            stored = table.column(column.name) if table is not None else None
            if table is not None and stored is not None:
                yield table, stored


def _holds_years(
    table: Table, column: Column, year: str, schema: Schema, run: Callable[[str], Execution]
) -> bool:
    """Whether a column that holds no dates may hold years, alone or as a part of texts."""
    if _NAMED.search(column.name):
        return True
    refers = any(
        key.table == table.name and column.name in key.columns for key in schema.foreign_keys
    )
    if column.primary_key or refers or column.kind == "boolean" or _is_key(column.name):
        return False
    name = exp.column(column.name, quoted=True)
    stored = exp.table_(table.bare_name, db=table.schema, quoted=True)
    if column.kind == "number":
        found = run(exp.select(exp.Max(this=name)).from_(stored).sql(dialect=schema.dialect))
        most = [value for row in found.rows for value in row] if isinstance(found, Rows) else []
        return any(
            isinstance(value, int | float | Decimal) and _OLDEST <= value <= _LATEST
            for value in most
        )
    like = exp.Like(this=name, expression=exp.Literal.string(f"%{year}%"))
    found = run(exp.select("1").from_(stored).where(like).limit(1).sql(dialect=schema.dialect))
    return isinstance(found, Rows) and bool(found.rows)


def _is_key(name: str) -> bool:
    return parts_of(name)[-1:] in (["id"], ["key"])


def _keeps_to(tree: exp.Expr, said: str, schema: Schema) -> bool:
    """Whether anything in the statement may stand for the time that is said."""
    conditions = [*tree.find_all(exp.Where), *tree.find_all(exp.Having), *tree.find_all(exp.Join)]
    if any(_PARTS.search(one.sql(dialect=schema.dialect)) for one in conditions):
        return True
    words = [one for one in re.findall(r"[a-z]{3,}", said.lower()) if one not in _PLAIN]
    words = [one.removesuffix("s") for one in words]
    if any(word in one.name.lower() for word in words for one in tree.find_all(exp.Column)):
        return True
    words = [one[:3] if re.fullmatch(_MONTH, one) else one for one in words]
    if not {one.name.lower() for one in tree.find_all(exp.Column)}.isdisjoint(words):
        return True  # a column for each month
    if any(_may_be(literal, words, said, schema) for literal in tree.find_all(exp.Literal)):
        return True
    if plain(said) in {plain(one.name) for one in tree.find_all(exp.Column)}:
        return True  # of parties the last year is stored
    ordered = tree.find(exp.Order, exp.Max, exp.Min) is not None
    return ordered and said.lower().startswith(("last", "next"))


def _may_be(literal: exp.Literal, words: Sequence[str], said: str, schema: Schema) -> bool:
    """Whether a value may stand for the time that is said, of which `words` say which one."""
    if "year" in said.lower() and re.match(rf"{_YEAR}(?!\d)", literal.name):
        return True
    if _SLASHED.search(literal.name):  # dates that are texts, of a form that compares by parts
        return True
    beside = literal.find_ancestor(exp.Predicate)
    columns = [one for _, one in _columns(beside, schema)] if beside is not None else []
    if any(one.kind == "date" for one in columns) and _EXACT.search(literal.name):
        if not _WHOLE_YEARS.match(literal.name):
            return True
    dated = any(map(is_dated, columns))
    return not dated and any(word in literal.name.lower() for word in words)


_PLAIN = frozenset(
    "the during for since before after until till over from every each next last this past ago few "
    "two three four five six ten day days week weeks month months quarter quarters year years hour "
    "hours minute minutes previous".split()
)
"""Words of times that say nothing of which one."""
