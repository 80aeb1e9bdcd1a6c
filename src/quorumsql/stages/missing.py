"""Ask for what is missing, where the question does: "without an email", "not paid", "unpaid".

Spider, which embedded generators learned from, has no IS NULL. They write NOT IN, or compare with
a value that nobody named. The words tell the column, and the rows whether it lacks values at all.

Two columns are read at once: "without a phone or an email", "no phone but an email".

Flags come with it (`flags`), and values that stand before what they are said of (`stated`): their
conditions are forgotten as often.

What is not covered: words that name a table ("customers without orders" is NOT IN, and right),
columns that always have a value, three things missing at once, either of two ("missing a phone or
an email"), and missing values of other tables than those that the statement reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from quorumsql.domain import Column, Execution, Hit, Rows, Schema, Table
from quorumsql.follow.scope import plain
from quorumsql.sql import declared_kind, tree_of
from quorumsql.stages.asked import ENDS, denies_only_there, plainly, words_of
from quorumsql.stages.demand import Demand, demanded, outermost, read_tables
from quorumsql.stages.flags import flagged
from quorumsql.stages.stated import stated

__all__ = ["supplied"]

_BEFORE = re.compile(
    r"\b(?:(?:not|never) (?:have|has|had|got)|no|without|missing|lack|lacks|lacking|"
    r"unknown|empty|null|blank)(?: (?:a|an|any|the|their|known|recorded|registered|given|listed|"
    r"assigned|specified))* (?=(?P<x>\w+(?: \w+){0,2}))"
)
_AFTER = re.compile(
    r"(?P<x>(?:\w+ ){0,2}\w+) (?:is|are|was|were) (?:null|missing|empty|unknown|blank|"
    r"not (?:known|set|given|specified|recorded|available|provided))\b"
)
_ARTICLES = "a|an|any|the|their|known|recorded|registered"
_NONE = (
    r"(?:not|never) (?:have|has|had|got)|no|without|lack|lacks|lacking|(?:(?:with|has|have|had) )?"
    r"neither"
)
_PAIR = re.compile(
    rf"\b(?:{_NONE})(?: (?:{_ARTICLES}))* (?P<x>\w+(?: \w+){{0,2}}?)(?: ,)? (?P<how>or|nor|and|but)"
    r"(?P<mid>(?: (?:a|an|any|the|their|no|without|not|do|does|who|that|with|have|has|having))*) "
    r"(?P<y>\w+(?: \w+){0,2})"
)
"""Two columns, the first one without values: "without a phone or an email"."""
_BUT = re.compile(
    rf"\b(?:with|have|has|having|had)(?: (?:{_ARTICLES}))* (?P<y>\w+(?: \w+){{0,2}}?)(?: ,)? "
    r"(?:but|and)(?: (?:who|that|which|do|does))* "
    r"(?:no|without|not have|not has|lack|lacks|lacking)"
    rf"(?: (?:{_ARTICLES}))* (?P<x>\w+(?: \w+){{0,2}})"
)
"""Two columns, the second one without values: "with a phone but no email"."""
_BUT_SOME = re.compile(r"^(?: ,)? but (?=(?:an?|the|some|with|have|has)\b)")
"""No date but a discount: what is there is not denied."""
_HAVING = frozenset("with have has having".split())
_DENYING = frozenset("no without not".split())
_UNDONE = re.compile(
    r"\b(?:(?:not|never)(?: (?:yet|been|be|being|still))* |yet to be |un ?)(?P<x>\w{3,})\b"
)
_UNDONE_ENDS = frozenset("yet and but so still per".split())
"""What is not paid "in cash" or "by Friday" may be paid all the same."""
_PLACES = frozenset("in on by before after since until for to with from at via".split())
_GENERAL = frozenset("number address date value information data name id code field".split())
_ABOUT = frozenset("date at on time datetime timestamp day dt by to".split())
"""What stands beside a deed in the names of columns: shipped_at, assigned_to."""
_LEADERS = frozenset("manager supervisor boss parent superior".split())
_STEMS = {"paid": "pay", "sent": "send", "sold": "sell", "built": "build", "bought": "buy"}


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Words that may say that something is missing, from `start` to `end` of the question."""

    start: int
    end: int
    words: tuple[str, ...]
    undone: bool
    """Whether they say what has not been done; otherwise they may be the name of a column."""


def supplied(
    sql: str,
    *,
    question: str,
    schema: Schema,
    run: Callable[[str], Execution],
    hits: Sequence[Hit] = (),
) -> str | None:
    """Return the statement with the condition on missing values, a flag or a value that it lacks.

    None where the question asks for none, or the statement has it.

    Args:
        sql: what was chosen.
        question: in plain words.
        schema: what the database holds.
        run: runs one statement, to see whether a column lacks values and what a flag holds.
        hits: stored values that the question mentions.

    Raises:
        DatabaseError: the database itself is gone.
    """
    text = plainly(question)
    tree = tree_of(sql, schema.dialect)
    if tree is None:
        return None
    changed: exp.Expr = tree
    said = partial(stated, hits=hits, question=question)
    rules: tuple[Callable[..., Demand | tuple[Demand, ...] | None], ...]
    rules = (flagged, said, _both, _missing)
    for rule in rules:
        select = outermost(changed)
        if select is None:
            return None
        wanted = rule(changed, text, read_tables(select, schema, text), schema, run)
        for demand in wanted if isinstance(wanted, tuple) else (wanted,):
            found = None if demand is None else demanded(changed.copy(), demand, schema)
            changed = changed if found is None else found
    if changed is tree:
        return None
    return changed.sql(dialect=schema.dialect, unsupported_level=ErrorLevel.IGNORE)


def _both(
    tree: exp.Expr,
    text: str,
    tables: Sequence[Table],
    schema: Schema,
    run: Callable[[str], Execution],
) -> tuple[Demand, ...]:
    """The two columns of which the question wants one to have no value, and says what of the other.

    Nothing where the words are no columns, or the statement asks of both.
    """
    for start, end, parts in _pairs(text):
        if not denies_only_there(text, start, end):
            continue
        found: list[Demand] = []
        for words, lacks in parts:
            phrase = _Phrase(start, end, words, False)
            named = {(t.name, c.name): (t, c) for t in tables for c in _columns(t, phrase, schema)}
            if len(named) != 1:
                break
            ((table, column),) = named.values()
            values = _absent(table, column, schema.dialect, run)
            if not values:
                break
            rest = f"{text[:start]} {text[end:]}"
            found.append(
                Demand(
                    table=table, column=column, values=values, said=text[start:end], rest=rest,
                    negative=True, wanted=lacks,
                )
            )  # fmt: skip
        if len(found) == 2 and found[0].column is not found[1].column:
            asked = {one.this.name for one in tree.find_all(exp.Is)}
            # What is there last: a condition that denies would be taken for what was written of it.
            parted = tuple(sorted(found, key=lambda one: not one.wanted))
            return () if {one.column.name for one in found} <= asked else parted
    return ()


def _pairs(text: str) -> Iterator[tuple[int, int, tuple[tuple[tuple[str, ...], bool], ...]]]:
    """Two names and whether each is to lack a value, with where they stand; longest names first."""
    for pattern in (_PAIR, _BUT):
        for found in pattern.finditer(text):
            last = "y" if pattern is _PAIR else "x"
            how = found["how"] if pattern is _PAIR else "but"
            middle = set(found["mid"].split()) if pattern is _PAIR else set()
            has = how == "but" or (bool(middle & _HAVING) and not middle & _DENYING)
            if how == "but" and middle & _DENYING:
                continue  # "no phone but not an email"
            first = found["x" if last == "y" else "y"].split()
            words = found[last].split()
            for n in range(len(words), 0, -1):
                end = found.start(last) + len(" ".join(words[:n]))
                if _ends(text, end, ENDS):
                    one, other = tuple(first), tuple(words[:n])
                    lacks = (True, not has) if last == "y" else (False, True)
                    yield found.start(), end, ((one, lacks[0]), (other, lacks[1]))


def _missing(
    tree: exp.Expr,
    text: str,
    tables: Sequence[Table],
    schema: Schema,
    run: Callable[[str], Execution],
) -> Demand | None:
    """The one column whose values the question wants to be missing."""
    if any(isinstance(one.expression, exp.Null) for one in tree.find_all(exp.Is)):
        return None
    for phrase in _phrases(text):
        after = _BUT_SOME.sub(" ", text[phrase.end :])
        if not denies_only_there(text[: phrase.end] + after, phrase.start, phrase.end):
            continue
        found = {(t.name, c.name): (t, c) for t in tables for c in _columns(t, phrase, schema)}
        if len(found) != 1 or _is_stored(tree, phrase, text):
            continue
        ((table, column),) = found.values()
        values = _absent(table, column, schema.dialect, run)
        if values and not _has_words(table, phrase, text, schema.dialect, run):
            return Demand(
                table=table,
                column=column,
                values=values,
                said=text[phrase.start : phrase.end],
                rest=f"{text[: phrase.start]} {text[phrase.end :]}",
                negative=True,
            )
    return None


def _phrases(text: str) -> Iterator[_Phrase]:
    """Whatever may be meant, what is named with most words first."""
    for found in _BEFORE.finditer(text):
        words = found["x"].split()
        for n in range(len(words), 0, -1):
            end = found.start("x") + len(" ".join(words[:n]))
            if _ends(text, end, ENDS):
                yield _Phrase(found.start(), end, tuple(words[:n]), False)
    for found in _AFTER.finditer(text):
        words = found["x"].split()
        if {"and", "or", "nor"} & {*words, *text[: found.start()].split()[-1:]}:
            continue  # of two columns, nobody knows whether both
        for n in range(len(words), 0, -1):
            yield _Phrase(found.start(), found.end(), tuple(words[-n:]), False)
    for found in _UNDONE.finditer(text):
        adjective = found[0].startswith("un")
        after = text[found.end() :].split()[:1]
        fits = not set(after) & _PLACES if adjective else _ends(text, found.end(), _UNDONE_ENDS)
        if fits:
            yield _Phrase(found.start(), found.end(), (found["x"],), True)


def _ends(text: str, place: int, ends: frozenset[str]) -> bool:
    """Whether the words before this place are no part of a longer name."""
    after = text[place:].split()[:2]
    listed = len(after) > 1 and after[0] in {"or", "nor", ","}  # what else is missing is not read
    return not after or (after[0] in {*ends, *".?!;"} and not listed)


def _columns(table: Table, phrase: _Phrase, schema: Schema) -> list[Column]:
    """Columns of the table that the words name and that may lack values."""
    some = [one for one in table.columns if one.nullable and not one.primary_key]
    if phrase.undone:
        done = [one for one in some if _is_done(one, phrase.words[0])]
        return [one for one in done if one.kind == "date"] or done
    wanted = [plain(word) for word in phrase.words]
    whole = "".join(wanted)
    refers = {
        key.columns[0]: key.referred_table
        for key in schema.foreign_keys
        if key.table == table.name and len(key.columns) == 1
    }
    if len(wanted) == 1 and whole in _LEADERS:
        own = [one for one in some if refers.get(one.name) == table.name]
        if len(own) == 1:
            return own
    things = next((one for one in schema.tables if plain(one.bare_name) == whole), None)
    if things is not None:
        own = [one for one in some if refers.get(one.name) == things.name]
        own = [one for one in own if [w for w in words_of(one.name) if w not in _GENERAL] == wanted]
        return [] if _have(table, things, schema) else own
    same = [c for c in some if whole in {plain(c.name), plain(f"{table.bare_name} {c.name}")}]
    if same:
        return same
    dated = [c for c in some if c.kind == "date" and _stems(words_of(c.name)) == _stems(wanted)]
    if dated and len(wanted) > 1:  # the shipping date is shipped_date
        return dated
    shorter = [w for w in wanted if w not in _GENERAL] or wanted
    starts = [c for c in table.columns if words_of(c.name)[: len(shorter)] == shorter]
    fits = [c for c in starts if c in some]
    if len(wanted) > len(shorter) or any(one.name in refers for one in fits):
        fits = [c for c in fits if set(words_of(c.name)[len(shorter) :]) <= _GENERAL]
    return fits if len(starts) == 1 else []


def _have(table: Table, things: Table, schema: Schema) -> bool:
    """Whether rows refer to this table that are such things, or that connect it with them."""
    refers: dict[str, set[str]] = {}
    for key in schema.foreign_keys:
        refers.setdefault(key.table, set()).add(key.referred_table)
    return any(
        table.name in to and (name == things.name or things.name in to - {table.name})
        for name, to in refers.items()
        if name != table.name
    )


def _is_done(column: Column, word: str) -> bool:
    """Whether the column says when something was done, or by whom: delivery_date, closed_at.

    What has not expired has a date of expiry all the same.
    """
    words = words_of(column.name)
    rest = [one for one in words if one not in _ABOUT]
    if len(rest) != 1 or (len(words) == 1 and column.kind != "date"):
        return False
    stem = _stem(word)
    done = word != "expired" and word.endswith(("ed", "en", "id", "nt", "ld", "lt", "ht"))
    return done and len(stem) > 2 and _stem(rest[0]) == stem


def _stems(words: Sequence[str]) -> list[str]:
    return [_stem(word) for word in words]


def _stem(word: str) -> str:
    known = _STEMS.get(word, word)
    short = re.sub(r"(?:ment|ing|ion|al|ed|en|y|e)$", "", known) if len(known) > 4 else known
    return re.sub(r"([^aeiouls])\1$", r"\1", short)


def _is_stored(tree: exp.Expr, phrase: _Phrase, text: str) -> bool:
    """Whether the statement compares with a value that the words themselves are: "No Hair"."""
    said = text[phrase.start : phrase.end]
    for value in tree.find_all(exp.Literal):
        words = plainly(value.name)
        if value.is_string and words and not isinstance(value.parent, exp.NEQ):
            if words in said and words.split()[0] in said.split()[:1]:
                return True
    return False


def _absent(
    table: Table, column: Column, dialect: str, run: Callable[[str], Execution]
) -> tuple[object, ...]:
    """What stands for a missing value in this column: NULL, or an empty text beside NULL."""
    name = exp.column(column.name, quoted=True)
    if not _any(table, exp.Is(this=name, expression=exp.Null()), dialect, run):
        return ()
    empty = exp.EQ(this=name.copy(), expression=exp.Literal.string(""))
    texts = declared_kind(column.type) in {"text", None}
    return (None, "") if texts and _any(table, empty, dialect, run) else (None,)


def _has_words(
    table: Table, phrase: _Phrase, text: str, dialect: str, run: Callable[[str], Execution]
) -> bool:
    """Whether a column of the table holds the words as they stand: a status of 'unpaid'."""
    said = text[phrase.start : phrase.end].split()
    word = " ".join(said)
    values = {word, word.replace(" ", ""), word.replace(" ", "_"), word.replace(" ", "-")}
    if not phrase.undone:
        values |= {said[0], said[-1]} & {"missing", "unknown", "empty", "null", "blank"}
    else:
        values |= {f"not {said[-1]}", f"un{said[-1]}", f"un{said[-1].removeprefix('un')}"}
    tests: list[exp.Expr] = [
        exp.In(
            this=exp.Lower(this=exp.column(column.name, quoted=True)),
            expressions=[exp.Literal.string(value) for value in sorted(values)],
        )
        for column in table.columns
        if column.kind == "text" and declared_kind(column.type) in {"text", None}
    ]
    return bool(tests) and _any(table, exp.or_(*tests), dialect, run)


def _any(table: Table, condition: exp.Expr, dialect: str, run: Callable[[str], Execution]) -> bool:
    """Whether the table has such a row."""
    stored = exp.table_(table.bare_name, db=table.schema, quoted=True)
    query = exp.select("1").from_(stored).where(condition).limit(1)
    found = run(query.sql(dialect=dialect, unsupported_level=ErrorLevel.IGNORE))
    return isinstance(found, Rows) and bool(found.rows)
