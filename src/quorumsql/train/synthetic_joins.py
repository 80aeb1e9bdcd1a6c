"""The grammar's questions about several tables, and about several conditions at once.

What is not covered: a table joined with itself, which the tree does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from quorumsql.domain import ColumnRef
from quorumsql.forms.tree import Ordering, Predicate, Query, Value
from quorumsql.train.synthetic_grammar import ONE_TABLE, Rule, compared, where
from quorumsql.train.synthetic_phrases import COUNT, Speaker, is_name, of_one
from quorumsql.train.synthetic_target import Link, Rejected

__all__ = ["RULES"]


def joined_filter(say: Speaker) -> tuple[str, Query]:
    """Rows of one table by a condition on the table it points to, or that points to it."""
    link = say.link()
    asked, other = link.child.table, link.parent.table
    patterns = ["{rows} that have a {other} {alone}", "{rows} with {others} {phrase}",
                "{rows} for {others} {phrase}", "{rows} that belong to {others} {phrase}",
                "{rows} of the {others} {phrase}"]  # fmt: skip
    upwards = say.rng.random() < 0.4
    if upwards:
        asked, other = other, asked
        patterns = [*patterns[:2], "{rows} that have {others} {phrase}"]
    phrase, predicate = say.filter(other)
    words = {"rows": say.noun(asked), "other": say.noun(other, 1), "others": say.noun(other)}
    who = say.pick(*patterns, phrase=phrase, alone=of_one(phrase), **words)
    condition = where(predicate)
    if say.rng.random() < 0.25:
        counted = Query((COUNT,), tables=(asked,), where=condition)
        return say.pick("How many {who} are there?", "Count the {who}.", who=who), counted
    refs = say.shown(asked, 2)
    distinct = upwards and say.rng.random() < 0.3
    names = ("distinct " if distinct else "") + say.columns(refs)
    return f"{say.open()} {names} of {who}", Query(tuple(refs), distinct, where=condition)


def joined_order(say: Speaker) -> tuple[str, Query]:
    """The row of one table that belongs to the extreme row of another."""
    link = say.link()
    best = say.superlative(link.parent.table)
    refs = say.shown(link.child.table, 2)
    text = say.pick(
        "{open} {keys} of the {row} that belongs to the {best}",
        "{open} {keys} of the {row} of the {best}",
        "{open} {keys} of the {row} for the {best}",
        open=say.open(len(refs)), keys=say.columns(refs, 1), row=say.noun(link.child.table, 1),
        best=best.around(say.noun(link.parent.table, 1)),
    )  # fmt: skip
    return text, say.top(Query(tuple(refs)), best.order)


def joined_columns(say: Speaker) -> tuple[str, Query]:
    """Columns of two tables side by side, in order or not."""
    link = say.link()
    mine, theirs = say.shown(link.child.table), say.shown(link.parent.table)
    text = say.pick(
        "Show the {key} of each {row} and the {key2} of its {other}.",
        "{open} {keys} of {rows} and the {keys2} of their {others}",
        "For each {row}, show its {key} and the {key2} of the {other}.",
        "{open} {keys} of all {rows} along with the corresponding {other} {key2}",
        "{open} {keys} of {rows} and the {keys2} of the {others} they belong to",
        open=say.open(), key=say.columns(mine, 1), keys=say.columns(mine),
        key2=say.columns(theirs, 1), keys2=say.columns(theirs),
        row=say.noun(link.child.table, 1), rows=say.noun(link.child.table),
        other=say.noun(link.parent.table, 1), others=say.noun(link.parent.table),
    )  # fmt: skip
    if say.target.names.is_person(link.child.table):
        text = text.replace("of its ", "of their ").replace("show its ", "show their ")
    query = Query((*mine, *theirs))
    if say.rng.random() < 0.2:
        down, by = say.rng.random() < 0.5, (*mine, *theirs)[say.rng.random() < 0.5]
        way = "descending" if down else "ascending"
        text = f"{text.rstrip('.')}, in {way} order of {say.column(by)}."
        query = replace(query, order=(Ordering(by, down),))
    return text, query


def children_counted(say: Speaker) -> tuple[str, Query]:
    """How many rows of one table each row of another has."""
    link, name = _parent(say)
    text = say.pick(
        "How many {many} does each {row} have? List the {key} and the number of {many}.",
        "Show the {key} of each {row} and the number of {many} it has.",
        "For each {row}, show the {key} and how many {many} it has.",
        "{open} {keys} of {rows} and the number of {many} each has",
        "What are the {keys} of {rows}, and how many {many} does each have?",
        open=say.open(), many=say.noun(link.child.table), key=say.column(name),
        keys=say.column(name, 2), row=say.noun(link.parent.table, 1),
        rows=say.noun(link.parent.table),
    )  # fmt: skip
    if say.target.names.is_person(link.parent.table):
        text = text.replace(" it has", " they have")
    return text, Query((name, COUNT), tables=(link.child.table,), group=(_key(say, link),))


def most_children(say: Speaker) -> tuple[str, Query]:
    """The row that most rows of another table point to."""
    link, name = _parent(say)
    down = say.rng.random() < 0.8
    most = ("most", "most", "largest number of", "greatest number of", "highest number of")
    text = say.pick(
        "What is the {key} of the {row} with the {most} {many}?",
        "Which {row} has the {most} {many}? Give its {key}.",
        "Find the {key} of the {row} that has the {most} {many}.",
        "Return the {key} of the {row} with the {most} {many}.",
        "Which {row} has the {most} {many}? Show the {key}.",
        most=say.rng.choice(most if down else ("fewest", "least number of", "least")),
        many=say.noun(link.child.table), key=say.column(name), row=say.noun(link.parent.table, 1),
    )  # fmt: skip
    if say.target.names.is_person(link.parent.table):
        text = text.replace("Give its ", "Give their ")
    query = Query((name,), tables=(link.child.table,), group=(_key(say, link),))
    return text, say.top(query, Ordering(COUNT, down))


def enough_children(say: Speaker) -> tuple[str, Query]:
    """Rows that enough rows of another table point to."""
    link, name = _parent(say)
    said, value = say.amount()
    operator, more = say.enough()
    patterns = ["What are the {keys} of {rows} with {enough}?",
                "{open} {keys} of {rows} that have {enough}",
                "Which {rows} have {enough}? List their {keys}."]  # fmt: skip
    if say.target.names.is_person(link.parent.table):
        patterns += ["Find the {keys} of the {rows} who have {enough}."]
    many = say.noun(link.child.table, int(value.text))
    text = say.pick(
        *patterns, open=say.open(), keys=say.column(name, 2), rows=say.noun(link.parent.table),
        enough=f"{more} {said} {many}",
    )  # fmt: skip
    condition = where(Predicate(COUNT, operator, (value,)))
    tables, group = (link.child.table,), (_key(say, link),)
    return text, Query((name,), tables=tables, group=group, having=condition)


def childless(say: Speaker) -> tuple[str, Query]:
    """Rows to which no row of another table, or none with a condition, points."""
    link, name = _parent(say)
    many, rows = say.noun(link.child.table), say.noun(link.parent.table)
    condition = None
    if say.rng.random() < 0.25 and not is_name(say.target, name):
        phrase, predicate = say.filter(link.child.table)
        many, condition = f"{many} {phrase}", where(predicate)
    inner = Query((link.child,), tables=(link.child.table,), where=condition)
    outside = where(Predicate(link.parent, "in", (inner,), negated=True))
    if say.rng.random() < 0.3:
        text = say.pick(
            *("How many {rows} do not have any {many}?", "How many {rows} have no {many}?"),
            *("Count the number of {rows} without {many}.", "How many {rows} are without {many}?"),
            rows=rows, many=many,
        )  # fmt: skip
        return text, Query((COUNT,), tables=(link.parent.table,), where=outside)
    none = say.pick(
        *("that do not have any {many}", "with no {many}", "without any {many}"),
        *("that have no {many}", "that do not have {many}", "that have never had any {many}"),
        many=many,
    )
    return f"{say.open()} {say.column(name, 2)} of {rows} {none}", Query((name,), where=outside)


def through_bridge(say: Speaker) -> tuple[str, Query]:
    """Three tables: rows of one by a condition on another, over the table between them."""
    one, two = _bridge(say)
    phrase, predicate = say.filter(two)
    words = {"rows": say.noun(one), "others": say.noun(two), "other": say.noun(two, 1)}
    if say.rng.random() < 0.25:
        text = say.pick("How many {rows} have {others} {phrase}?", phrase=phrase, **words)
        return text, Query((COUNT,), tables=(one,), where=where(predicate))
    refs = say.shown(one, 2)
    text = say.pick(
        *("{open} {keys} of {rows} that have {others} {phrase}",),
        *("{open} {keys} of {rows} with a {other} {alone}",),
        *("{open} {keys} of the {rows} that have a {other} {alone}",),
        *("{open} {keys} of {rows} for {others} {phrase}",),
        open=say.open(), keys=say.columns(refs), phrase=phrase, alone=of_one(phrase), **words,
    )  # fmt: skip
    return text, Query(tuple(refs), where=where(predicate))


def bridge_columns(say: Speaker) -> tuple[str, Query]:
    """Three tables: columns of both ends side by side."""
    one, two = _bridge(say)
    mine, theirs = say.shown(one), say.shown(two)
    text = say.pick(
        "{open} {keys} of {rows} and the {keys2} of their {others}",
        "Show the {keys} of {rows} together with the {keys2} of the {others} they have.",
        "For each {row}, list the {key} and the {keys2} of the corresponding {others}.",
        open=say.open(), key=say.columns(mine, 1), keys=say.columns(mine),
        keys2=say.columns(theirs), row=say.noun(one, 1), rows=say.noun(one), others=say.noun(two),
    )  # fmt: skip
    return text, Query((*mine, *theirs))


def both(say: Speaker) -> tuple[str, Query]:
    """Values that rows with one condition and rows with another share."""
    table = say.table()
    ref = say.category(table)
    one, first = say.filter(table, [ref])
    same = compared(first)
    two, second = say.condition(same[0]) if same else say.filter(table, [ref])
    if first == second or "!=" in {first.operator, second.operator}:
        raise Rejected("no two kinds")
    text = say.pick(
        "{open} {keys} that have both {rows} {one} and {rows} {two}",
        "Which {keys} have both {rows} {one} and {rows} {two}?",
        "{open} {keys} shared by {rows} {one} and {rows} {two}",
        "{open} {keys} of both {rows} {one} and {rows} {two}",
        open=say.open(), keys=say.column(ref, 2), rows=say.noun(table), one=one, two=two,
    )  # fmt: skip
    left, right = (Query((ref,), where=where(predicate)) for predicate in (first, second))
    return text, _compound(say, left, "intersect", right)


def without(say: Speaker) -> tuple[str, Query]:
    """Values that no row with a condition has."""
    table = say.table()
    ref = say.category(table)
    phrase, predicate = say.filter(table, [ref])
    text = say.pick(
        "{open} {keys} that do not have any {rows} {phrase}",
        "Which {keys} have no {rows} {phrase}?",
        "{open} {keys} without {rows} {phrase}",
        "{open} {keys} that have no {rows} {phrase}",
        open=say.open(), keys=say.column(ref, 2), rows=say.noun(table), phrase=phrase,
    )  # fmt: skip
    left, right = Query((ref,), tables=(table,)), Query((ref,), where=where(predicate))
    return text, _compound(say, left, "except", right)


def of_kinds(say: Speaker) -> tuple[str, Query]:
    """Rows that have others of two kinds, or none of a kind."""
    asked, other = _related(say)
    name = say.one([c for c in say.shown(asked) if is_name(say.target, c)])
    ref = say.one(say.target.columns(other, "text", "name"))
    values = say.target.values(ref)
    if len(values) < 2:
        raise Rejected("one value")
    one, two = (Value(text, say.target.is_number(ref)) for text in say.rng.sample(values, 2))
    left, right = (Query((name,), where=where(Predicate(ref, "=", (v,)))) for v in (one, two))
    words = {"open": say.open(), "keys": say.column(name, 2), "rows": say.noun(asked),
             "many": say.noun(other), "of": say.column(ref), "one": say.quoted(one),
             "two": say.quoted(two)}  # fmt: skip
    if say.rng.random() < 0.6:
        text = say.pick(
            "{open} {keys} of {rows} that have both {many} with {of} {one} and with {of} {two}",
            "Which {rows} have {many} with both {of} {one} and {of} {two}? Give their {keys}.",
            "{open} {keys} of {rows} that have {many} with {of} {one} as well as {of} {two}",
            **words,
        )
        return text, _compound(say, left, "intersect", right)
    text = say.pick(
        "{open} {keys} of {rows} that do not have any {many} with {of} {one}",
        "Which {rows} have no {many} whose {of} is {one}? Show their {keys}.",
        "{open} {keys} of {rows} without {many} with {of} {one}",
        "{open} {keys} of all {rows} except those that have {many} with {of} {one}",
        **words,
    )
    return text, _compound(say, Query((name,), tables=(asked,)), "except", left)


def two_tables_filtered(say: Speaker) -> tuple[str, Query]:
    """Rows of one table by a condition on it and one on a related table."""
    asked, other = _related(say)
    one, first = say.filter(asked)
    two, second = say.filter(other)
    words = {"rows": say.noun(asked), "others": say.noun(other), "one": one, "two": two}
    who = say.pick(
        "{rows} {one} that have {others} {two}",
        "{rows} {one} and with {others} {two}",
        "{rows} {one} for {others} {two}",
        **words,
    )
    condition = where(first, second)
    if say.rng.random() < 0.25:
        counted = Query((COUNT,), tables=(asked,), where=condition)
        return say.pick("How many {who} are there?", "Count the {who}.", who=who), counted
    refs = say.shown(asked, 2, compared(first))
    return f"{say.open()} {say.columns(refs)} of {who}", Query(tuple(refs), where=condition)


def counted_of_one(say: Speaker) -> tuple[str, Query]:
    """How many rows of one table belong to the row of another with this name."""
    asked, other = _related(say)
    ref = say.one(say.target.columns(other, "name", "name", "text"))
    value = say.target.value(ref, "=", say.rng)
    words = {"rows": say.noun(asked), "other": say.noun(other, 1), "of": say.column(ref),
             "value": say.quoted(value)}  # fmt: skip
    patterns = ["How many {rows} does the {other} with {of} {value} have?",
                "How many {rows} are there for the {other} with {of} {value}?",
                "Count the number of {rows} of the {other} whose {of} is {value}."]  # fmt: skip
    if is_name(say.target, ref):
        patterns += ["How many {rows} does the {other} {value} have?",
                     "How many {rows} does {value} have?",
                     "Find the number of {rows} of the {other} named {value}."]  # fmt: skip
    condition = where(Predicate(ref, "=", (value,)))
    return say.pick(*patterns, **words), Query((COUNT,), tables=(asked,), where=condition)


def listed_of_one(say: Speaker) -> tuple[str, Query]:
    """What belongs to the row of another table with this name."""
    asked, other = _related(say)
    ref = say.one(say.target.columns(other, "name"))
    value = say.target.value(ref, "=", say.rng)
    refs = say.shown(asked, 2)
    text = say.pick(
        "{open} {keys} of the {rows} of the {other} {value}",
        "{open} {keys} of the {rows} of {value}",
        "{open} {keys} of {rows} that the {other} named {value} has",
        "{open} {keys} of the {rows} for the {other} with {of} {value}",
        open=say.open(), keys=say.columns(refs), rows=say.noun(asked), other=say.noun(other, 1),
        of=say.column(ref), value=say.quoted(value),
    )  # fmt: skip
    return text, Query(tuple(refs), where=where(Predicate(ref, "=", (value,))))


def _compound(say: Speaker, left: Query, word: str, right: Query) -> Query:
    return replace(say.query(left), compound=(word, say.query(right)))


def _parent(say: Speaker) -> tuple[Link, ColumnRef]:
    """A link, and a column to say which row of its parent is meant."""
    link = say.link()
    return link, say.shown(link.parent.table)[0]


def _key(say: Speaker, link: Link) -> ColumnRef:
    """What Spider's annotators group the rows of a join by: either end of the key."""
    return say.rng.choice((link.child, link.parent))


def _related(say: Speaker) -> tuple[str, str]:
    """Two tables that a key connects, in either order, or a table between them."""
    if say.rng.random() < 0.4 and say.target.bridges:
        return _bridge(say)
    link = say.link()
    ends = (link.child.table, link.parent.table)
    return ends if say.rng.random() < 0.5 else ends[::-1]


def _bridge(say: Speaker) -> tuple[str, str]:
    """Two tables with a third between them that points to both."""
    pairs = [pair for pair in say.target.bridges if all(map(say.is_noun, pair))]
    if not pairs:
        raise Rejected("no bridge")
    return say.rng.choice(pairs)


RULES: Mapping[Rule, float] = MappingProxyType({
    **dict(ONE_TABLE),
    joined_filter: 2.2, joined_order: 0.9, joined_columns: 1.2, children_counted: 1.0,
    most_children: 1.3, enough_children: 1.2, childless: 1.5, through_bridge: 2.0,
    bridge_columns: 0.6, both: 1.4, without: 0.9, of_kinds: 2.0,
    two_tables_filtered: 1.8, counted_of_one: 1.0, listed_of_one: 1.2,
})  # fmt: skip
"""Rules by how often they are tried: set operations and joins of three more than people would."""
