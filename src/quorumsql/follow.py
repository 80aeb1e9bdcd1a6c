"""Follow-up questions that change a statement instead of asking anew: no model is needed.

    top 5                      a limit, and an order where there is none
    sort by name descending    an order
    and by month?              one line per month, where rows are counted or added up
    only in 2024, since 2023   a time range
    only Portugal, not Lisbon  a condition on a stored value that the words mention

What is not covered: follow-ups that need a table which the statement does not read, and pronouns;
those are asked anew, with the question before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.domain import Column, Hit, Schema

__all__ = ["edited"]

_OPENING = re.compile(
    r"^(?:(?:and|now|but|then|ok|please|what about|how about|show(?: me)?|the same|just)\b[, ]*)+"
)
_LIMIT = re.compile(r"^(?:only |just )?(?:the )?(top|first|last|best) (\d+|one|three|five|ten)$")
_SORT = re.compile(r"^(?:sort|order)(?:ed)? by (.+?)( desc(?:ending)?| asc(?:ending)?)?$")
_ENDS = re.compile(r"^(largest|highest|most|newest|smallest|lowest|fewest|oldest) first$")
_GROUP = re.compile(r"^(?:per|by|for each|split by|broken down by|group(?:ed)? by) (?:the )?(.+)$")
_UNIT = re.compile(r"^(day|month|year)s?$")
_YEAR = re.compile(r"^(?:only )?(?:in|for|during|from)? ?(\d{4})$")
_FROM = re.compile(r"^(?:only )?(since|after|before|until) (\d{4})(?:-(\d{2})-(\d{2}))?$")
_THIS = re.compile(r"^(?:only )?(?:in |for )?(this|last) (year|month)$")
_NOT = re.compile(r"^(?:not|without|except|excluding)\b")
_NUMBERS = {"one": 1, "three": 3, "five": 5, "ten": 10}
_FORMATS = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_POSTGRES = {"day": "YYYY-MM-DD", "month": "YYYY-MM", "year": "YYYY"}


def edited(
    sql: str, text: str, schema: Schema, hits: Sequence[Hit] = (), *, today: date | None = None
) -> str | None:
    """Return `sql` changed as `text` says, or None where no rule understands it.

    Args:
        sql: the statement that was run.
        text: the follow-up, in plain words.
        schema: what the database holds.
        hits: stored values that `text` mentions.
        today: the day that "this year" is counted from.
    """
    try:
        tree = sqlglot.parse_one(sql, read=schema.dialect)
    except (SqlglotError, RecursionError):
        return None
    if not isinstance(tree, exp.Select):
        return None
    words = _OPENING.sub("", " ".join(text.lower().split()).strip(" ?.!"))
    edit = _Edit(tree, schema, hits, today or date.today())  # noqa: DTZ011 - the user's own day
    for rule in (edit.limit, edit.sort, edit.group, edit.period, edit.value):
        changed = rule(words)
        if changed is not None:
            return changed.sql(dialect=schema.dialect)
    return None


class _Edit:
    """The rules, over one statement."""

    def __init__(self, tree: exp.Select, schema: Schema, hits: Sequence[Hit], today: date) -> None:
        self._tree, self._schema, self._hits, self._today = tree, schema, hits, today

    def limit(self, words: str) -> exp.Select | None:
        """A number of rows."""
        found = _LIMIT.match(words)
        if found is None:
            return None
        count = _NUMBERS.get(found[2]) or int(found[2])
        tree = self._tree
        if not tree.args.get("order") and found[1] in {"top", "best"}:
            measure = self._measure()
            if measure is None:
                return None
            tree = tree.order_by(self._by(measure, down=True))
        return tree.limit(count)

    def sort(self, words: str) -> exp.Select | None:
        """An order of the rows."""
        if ends := _ENDS.match(words):
            key = self._measure() if not self._tree.args.get("order") else self._ordered()
            down = ends[1] in {"largest", "highest", "most", "newest"}
        elif found := _SORT.match(words):
            key, down = self._shown(found[1]) or self._column(found[1]), "desc" in (found[2] or "")
        else:
            return None
        if key is None:
            return None
        return self._tree.order_by(self._by(key, down=down), append=False)

    def group(self, words: str) -> exp.Select | None:
        """One line per something, of what is counted or added up."""
        found = _GROUP.match(words)
        if found is None or not any(self._aggregates()):
            return None
        unit = _UNIT.match(found[1])
        key: exp.Expr | None
        if unit:
            day = self._date()
            key = None if day is None else self._part(day, unit[1])
        else:
            key = self._column(found[1])
        if key is None:
            return None
        shown = exp.alias_(key.copy(), unit[1]) if unit else key.copy()
        tree = self._tree.select(shown, *self._tree.expressions, append=False)
        return tree.group_by(key).order_by(key.copy(), append=False) if unit else tree.group_by(key)

    def period(self, words: str) -> exp.Select | None:
        """A time range."""
        bounds = self._bounds(words)
        day = self._date() if bounds else None
        if bounds is None or day is None:
            return None
        tree, (first, end) = self._tree, bounds
        if first:
            tree = tree.where(exp.GTE(this=day.copy(), expression=exp.Literal.string(str(first))))
        if end:
            tree = tree.where(exp.LT(this=day.copy(), expression=exp.Literal.string(str(end))))
        return tree

    def value(self, words: str) -> exp.Select | None:
        """A stored value that is meant, or is not."""
        aliases = {table.name.lower(): table for table, _ in self._tables()}
        for hit in self._hits:
            table = aliases.get(hit.table.lower())
            if table is None or hit.score < 0.8:
                continue
            column = exp.column(hit.column, table=table.alias_or_name, quoted=True)
            kind = exp.NEQ if _NOT.match(words) else exp.EQ
            return self._tree.where(kind(this=column, expression=exp.convert(hit.value)))
        return None

    def _bounds(self, words: str) -> tuple[date | None, date | None] | None:
        """The first day and the day after the last."""
        if found := _YEAR.match(words):
            return date(int(found[1]), 1, 1), date(int(found[1]) + 1, 1, 1)
        if found := _FROM.match(words):
            year = int(found[2])
            day = date(year, int(found[3]), int(found[4])) if found[3] else date(year, 1, 1)
            if found[1] == "after" and not found[3]:
                day = date(year + 1, 1, 1)
            if found[1] == "until" and not found[3]:
                day = date(year + 1, 1, 1)
            return (day, None) if found[1] in {"since", "after"} else (None, day)
        if found := _THIS.match(words):
            return self._relative(back=found[1] == "last", unit=found[2])
        return None

    def _relative(self, *, back: bool, unit: str) -> tuple[date, date]:
        year, month = self._today.year, self._today.month
        if unit == "year":
            return date(year - back, 1, 1), date(year - back + 1, 1, 1)
        place = year * 12 + month - 1 - back
        ends = [date(n // 12, n % 12 + 1, 1) for n in (place, place + 1)]
        return ends[0], ends[1]

    def _tables(self) -> Iterator[tuple[exp.Table, Sequence[Column]]]:
        """The stored tables of the outermost FROM, with their columns."""
        sources = [self._tree.args.get("from_"), *(self._tree.args.get("joins") or ())]
        for source in sources:
            table = source.this if source is not None else None
            known = self._schema.table(table.name) if isinstance(table, exp.Table) else None
            if known is not None and isinstance(table, exp.Table):
                yield table, known.columns

    def _column(self, words: str) -> exp.Column | None:
        """The column that the words name."""
        wanted = _plain(words)
        for table, columns in self._tables():
            for column in columns:
                if _plain(column.name) in {wanted, f"{wanted}id", f"{wanted}name"}:
                    return exp.column(column.name, table=table.alias_or_name, quoted=True)
        return None

    def _shown(self, words: str) -> exp.Expr | None:
        """The shown expression of this name."""
        for item in self._tree.expressions:
            if _plain(item.alias_or_name) == _plain(words):
                found: exp.Expr = item.unalias().copy()
                return found
        return None

    def _date(self) -> exp.Column | None:
        """The only column of dates, or the first one of the first table that has any."""
        for table, columns in self._tables():
            for column in columns:
                if column.kind == "date":
                    return exp.column(column.name, table=table.alias_or_name, quoted=True)
        return None

    def _part(self, day: exp.Column, unit: str) -> exp.Expr:
        """The part of a date, as text."""
        name, dialect = day.sql(dialect=self._schema.dialect), self._schema.dialect
        text = {
            "postgres": f"TO_CHAR({name}, '{_POSTGRES[unit]}')",
            "duckdb": f"STRFTIME({name}, '{_FORMATS[unit]}')",
            "mysql": f"DATE_FORMAT({name}, '{_FORMATS[unit]}')",
        }.get(dialect, f"STRFTIME('{_FORMATS[unit]}', {name})")
        return sqlglot.parse_one(text, read=dialect)

    def _aggregates(self) -> Iterator[exp.Expr]:
        for item in self._tree.expressions:
            if item.find(exp.AggFunc):
                yield item

    def _measure(self) -> exp.Expr | None:
        """What the largest is the largest of: the first count or sum."""
        item = next(self._aggregates(), None)
        return item.unalias().copy() if item is not None else None

    def _ordered(self) -> exp.Expr | None:
        order = self._tree.args["order"].expressions[0]
        key: exp.Expr | None = order.this.copy() if isinstance(order, exp.Ordered) else None
        return key

    def _by(self, key: exp.Expr, *, down: bool) -> exp.Expr:
        """An item of ORDER BY, with NULLs where the dialect puts them by itself."""
        dialect = self._schema.dialect
        text = f"SELECT 1 ORDER BY {key.sql(dialect=dialect)} {'DESC' if down else 'ASC'}"
        item: exp.Expr = sqlglot.parse_one(text, read=dialect).args["order"].expressions[0]
        return item


def _plain(text: str) -> str:
    """Letters and digits only, without the plural."""
    return re.sub(r"[^a-z0-9]", "", text.lower()).removesuffix("s")
