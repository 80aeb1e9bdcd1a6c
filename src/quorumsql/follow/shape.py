"""Rules for how many rows there are, in which order, and what one row stands for.

What is not covered: which rows are kept (`conditions`).
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp

from quorumsql.follow.scope import Scope, plain
from quorumsql.follow.words import COUNTS, named, number

__all__ = ["count", "group", "limit", "sort"]

_LIMIT = re.compile(
    rf"^(?:only |just |limit (?:it |them )?to )?(?:the )?(?:(top|first|last|best|bottom|worst) )?"
    rf"({COUNTS})(?: of (?:them|those|these))?(?: (?!by\b|per\b)([a-z _]+?))?(?: by (.+))?$"
)
_ALL = re.compile(
    r"^(?:all|everything|all of (?:them|those|it)|all rows|without (?:a |the )?limit)$"
)
_DIRECTION = r"(?:,? ?(desc(?:ending)?|asc(?:ending)?|(?:largest|highest|biggest|most|newest|latest|smallest|lowest|fewest|oldest|earliest) first))?"  # noqa: E501
_SORT = re.compile(rf"^(?:sort|order)(?:ed)?(?: (?:it|them))? by (?:the )?(.+?){_DIRECTION}$")
_BY_DOWN = re.compile(r"^by (?:the )?(.+?) (desc(?:ending)?|asc(?:ending)?)$")
_ENDS = re.compile(
    r"^(?:the )?(largest|highest|biggest|most|newest|latest|smallest|lowest|fewest|oldest|earliest)"
    r" first$"
)
_REVERSE = re.compile(
    r"^(?:(?:sort(?:ed)? |order(?:ed)? )?(desc|asc)(?:ending)?|reverse(?:d)?(?: (?:the )?order)?|"
    r"in reverse(?: order)?|the other way (?:a)?round)$"
)
_ALPHABET = re.compile(
    r"^(?:(?:sort(?:ed)?|order(?:ed)?) )?(?:alphabetically|in alphabetical order)$"
)
_GROUP = re.compile(
    r"^(?:how many |the number )?(?:per|by|for each|for every|split by|broken down by|"
    r"group(?:ed)? by)(?: the)? (.+)$"
)
_UNIT = re.compile(r"^(?:day|week|month|quarter|year)s?$")
_YEAR = re.compile(r" (?:19|20)\d\d$")
_COUNT = re.compile(
    r"^(?:how many(?: (?:is that|are (?:there|they|those|these)|rows|of them|in all))?|"
    r"count (?:them|it|those)|the number of (?:them|rows)|what is their number)$"
)
_DOWN = frozenset("desc descending largest highest biggest most newest latest".split())
_FORMATS = {
    "sqlite": {
        "day": "STRFTIME('%Y-%m-%d', {})",
        # A week belongs to the year of its Thursday; older SQLite has no word for it.
        "week": "STRFTIME('%Y', {0}, '-3 days', 'weekday 4') || '-W' || SUBSTR('0' || "
        "((STRFTIME('%j', {0}, '-3 days', 'weekday 4') + 6) / 7), -2)",
        "month": "STRFTIME('%Y-%m', {})", "year": "STRFTIME('%Y', {})",
        "quarter": "STRFTIME('%Y', {0}) || '-Q' || "
        "((CAST(STRFTIME('%m', {0}) AS INTEGER) + 2) / 3)",
    },
    "postgres": {
        "day": "TO_CHAR({}, 'YYYY-MM-DD')", "week": "TO_CHAR({}, 'IYYY-\"W\"IW')",
        "month": "TO_CHAR({}, 'YYYY-MM')", "year": "TO_CHAR({}, 'YYYY')",
        "quarter": "TO_CHAR({}, 'YYYY-\"Q\"Q')",
    },
    "duckdb": {
        "day": "STRFTIME({}, '%Y-%m-%d')", "week": "STRFTIME({}, '%G-W%V')",
        "month": "STRFTIME({}, '%Y-%m')", "year": "STRFTIME({}, '%Y')",
        "quarter": "STRFTIME({0}, '%Y') || '-Q' || QUARTER({0})",
    },
    "mysql": {
        "day": "DATE_FORMAT({}, '%Y-%m-%d')", "week": "DATE_FORMAT({}, '%x-W%v')",
        "month": "DATE_FORMAT({}, '%Y-%m')", "year": "DATE_FORMAT({}, '%Y')",
        "quarter": "CONCAT(YEAR({0}), '-Q', QUARTER({0}))",
    },
}  # fmt: skip


def limit(scope: Scope, words: str) -> exp.Select | None:
    """A number of rows, from the top or the bottom of an order."""
    if _ALL.match(words):
        scope.tree.set("limit", None)
        scope.tree.set("offset", None)
        return scope.tree
    found = _LIMIT.match(words)
    if found is None or (found[1] is None and not _says_rows(scope, found[3] or "", words)):
        return None
    if found[1] and found[3] and not _names_rows(scope, found[3]):
        return None
    end, tree = found[1] or "first", scope.tree
    if any(scope.aggregates()) and not tree.args.get("group"):
        return None  # there is one row
    down = end not in {"bottom", "worst", "last"}
    if found[4]:
        key = scope.shown(named(found[4])) or _orderable(scope, named(found[4]))
        if key is None:
            return None
        tree = tree.order_by(_by(scope, key, down=down), append=False, copy=False)
    elif not tree.args.get("order") and end != "first":
        key = scope.measure() if end != "last" else None
        if key is None:
            return None
        tree = tree.order_by(_by(scope, key, down=down), copy=False)
    elif not down:
        _turn(scope)
    return tree.limit(number(found[2]) or 1, copy=False)


def sort(scope: Scope, words: str) -> exp.Select | None:
    """An order of the rows."""
    if found := _REVERSE.match(words):
        order = scope.tree.args.get("order")
        if order is None:
            return None
        wanted = None if found[1] is None else found[1] == "desc"
        if wanted is None or bool(order.expressions[0].args.get("desc")) is not wanted:
            _turn(scope)
        return scope.tree
    key, down = _key_of_order(scope, words)
    if key is None:
        return None
    return scope.tree.order_by(_by(scope, key, down=down), append=False, copy=False)


def group(scope: Scope, words: str) -> exp.Select | None:
    """One line per something, of what is counted or added up."""
    found = _GROUP.match(words)
    if found is None or not any(scope.aggregates()):
        return None
    if _UNIT.match(found[1]):
        return _grouped_by_unit(scope, found[1].removesuffix("s"))
    here = {plain(c.name) for _, table in scope.tables() for c in table.columns}
    things = None if plain(found[1]) in here else scope.things(found[1])
    if things is not None:
        name, key = things
        return _grouped(scope, name, [key, name])
    column = scope.column(found[1])
    return None if column is None else _grouped(scope, column, [column])


def count(scope: Scope, words: str) -> exp.Select | None:
    """The number of rows instead of the rows."""
    tree = scope.tree
    if not _COUNT.match(words) or (any(scope.aggregates()) and not tree.args.get("group")):
        return None
    number_of = exp.Count(this=exp.Star())
    tree.set("order", None if not tree.args.get("limit") else tree.args.get("order"))
    if any(tree.args.get(part) for part in ("limit", "group", "distinct", "having", "offset")):
        _tell_apart(tree)
        return exp.select(number_of).from_(tree.subquery("those"))
    return tree.select(number_of, append=False, copy=False)


def _tell_apart(tree: exp.Select) -> None:
    """Name what is shown anew where names repeat: not every engine counts such rows."""
    seen: set[str] = set()
    for place, item in enumerate(list(tree.expressions)):
        name = item.alias_or_name.lower()
        if name in seen and not item.is_star:
            item.replace(exp.alias_(item.unalias().copy(), f"column_{place + 1}"))
        seen.add(name)


def _says_rows(scope: Scope, noun: str, words: str) -> bool:
    """Whether a bare number counts rows: "10 rows", "only 10", "limit it to 10"; years do not."""
    clear = words.startswith("limit ") or " of " in words
    clear = clear or (words.startswith(("only ", "just ")) and not _YEAR.search(words))
    return _names_rows(scope, noun) if noun else clear


def _names_rows(scope: Scope, noun: str) -> bool:
    return plain(noun) in {"row", "result", "line", "one", *scope.table_names()}


def _key_of_order(scope: Scope, words: str) -> tuple[exp.Expr | None, bool]:
    """What the rows are to be sorted by, and whether the largest comes first."""
    if ends := _ENDS.match(words):
        if ends[1] in {"newest", "latest", "oldest", "earliest"}:
            return _plainly(scope, scope.day()), ends[1] in _DOWN
        order = scope.tree.args.get("order")
        first = order.expressions[0] if order else None
        key = first.this.copy() if isinstance(first, exp.Ordered) else scope.measure()
        return key, ends[1] in _DOWN
    if _ALPHABET.match(words):
        for item in scope.tree.expressions:
            if isinstance(item.unalias(), exp.Column):
                return item.unalias().copy(), False
        return None, False
    found = _SORT.match(words) or _BY_DOWN.match(words)
    if found is None:
        return None, False
    key = scope.shown(found[1]) or _orderable(scope, found[1])
    return key, (found[2] or "").partition(" ")[0] in _DOWN


def _orderable(scope: Scope, words: str) -> exp.Expr | None:
    return _plainly(scope, scope.column(words))


def _plainly(scope: Scope, column: exp.Column | None) -> exp.Expr | None:
    """The column, where rows can be sorted by one that need not be shown."""
    merged = any(scope.aggregates()) or scope.tree.args.get("group")
    return None if merged or scope.tree.args.get("distinct") else column


def _grouped(scope: Scope, shown: exp.Expr, keys: list[exp.Column]) -> exp.Select:
    """One line per `keys`, instead of one per what it was before."""
    tree = scope.tree
    items = [item for item in tree.expressions if item.find(exp.AggFunc)]
    tree.select(shown.copy(), *items, append=False, copy=False)
    tree.group_by(*(key.copy() for key in keys), append=False, copy=False)
    order = tree.args.get("order")
    if order is not None and not order.find(exp.AggFunc):
        tree.set("order", None)
    return tree


def _grouped_by_unit(scope: Scope, unit: str) -> exp.Select | None:
    """One line per day, month or year, in their order."""
    key: exp.Expr | None = scope.year() if unit == "year" else None
    day = scope.day() if key is None else None
    if day is not None:
        key = _part(scope, day, unit)
    if key is None:
        return None
    tree = scope.tree
    items = [item for item in tree.expressions if item.find(exp.AggFunc)]
    tree.select(exp.alias_(key.copy(), unit), *items, append=False, copy=False)
    tree.group_by(key, append=False, copy=False)
    tree.set("limit", None)
    return tree.order_by(key.copy(), append=False, copy=False)


def _part(scope: Scope, day: exp.Column, unit: str) -> exp.Expr:
    """The part of a date, as text."""
    forms = _FORMATS.get(scope.dialect, _FORMATS["sqlite"])
    return sqlglot.parse_one(forms[unit].format(day.sql(dialect=scope.dialect)), read=scope.dialect)


def _turn(scope: Scope) -> None:
    """The same order, from its other end."""
    for item in scope.tree.args["order"].expressions:
        key, down = (
            (item.this, item.args.get("desc")) if isinstance(item, exp.Ordered) else (item, 0)
        )
        item.replace(_by(scope, key, down=not down))


def _by(scope: Scope, key: exp.Expr, *, down: bool) -> exp.Expr:
    """An item of ORDER BY; rows without a value come last, wherever the engine would put them."""
    if scope.may_be_null(key):
        return exp.Ordered(this=key.copy(), desc=down, nulls_first=False)
    text = f"SELECT 1 ORDER BY {key.sql(dialect=scope.dialect)} {'DESC' if down else 'ASC'}"
    read = sqlglot.parse_one(text, read=scope.dialect)
    item: exp.Expr = read.args["order"].expressions[0]
    return item
