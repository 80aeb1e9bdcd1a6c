"""A small grammar of questions about one table, each with the tree that answers it.

After the synchronous grammars of GraPPa (Yu et al., 2021) and SyntaxSQLNet (Yu et al.,
2018), with wordings of our own and the habits of Spider's annotators for the SQL.

What is not covered: several tables, which `synthetic_joins` adds, and arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from quorumsql.domain import ColumnRef
from quorumsql.forms.tree import Call, Condition, Ordering, Predicate, Query
from quorumsql.train.synthetic_phrases import COUNT, MEASURES, Speaker, joined
from quorumsql.train.synthetic_target import Rejected

__all__ = ["ONE_TABLE", "Rule", "compared", "where"]

Rule: TypeAlias = Callable[[Speaker], tuple[str, Query]]


def where(*predicates: Predicate, word: str = "and") -> Condition:
    """The condition that joins `predicates` by `word`."""
    return Condition(predicates, (word,) * (len(predicates) - 1))


def compared(predicate: Predicate) -> tuple[ColumnRef, ...]:
    """The column that a predicate compares directly."""
    return (predicate.left,) if isinstance(predicate.left, ColumnRef) else ()


def listing(say: Speaker) -> tuple[str, Query]:
    """All rows."""
    table = say.table()
    refs = say.shown(table, 3)
    text = say.pick(
        *("{open} {keys} of all {rows}", "{open} {keys} of {rows}", "{open} {keys} for all {rows}"),
        *("{open} {keys} of all the {rows}", "{open} {key} of each {row}"),
        *("{open} {keys} of the {rows}", "For each {row}, show the {key}."),
        open=say.open(), keys=say.columns(refs), key=say.columns(refs, 1),
        rows=say.noun(table), row=say.noun(table, 1),
    )  # fmt: skip
    return text, Query(tuple(refs))


def different(say: Speaker) -> tuple[str, Query]:
    """Distinct values, listed or counted."""
    table = say.table()
    ref = say.one(say.target.columns(table, "name", "text", "year", "date"))
    words = {
        "word": say.rng.choice(("different", "distinct", "unique")),
        "keys": say.column(ref, 2),
        "rows": say.noun(table),
    }
    if say.rng.random() < 0.5:
        text = say.pick("{open} {word} {keys} of {rows}", open=say.open(), **words)
        return text, Query((ref,), distinct=True)
    text = say.pick(
        "How many {word} {keys} are there for {rows}?",
        "How many {word} {keys} do {rows} have?",
        "Count the number of {word} {keys} of {rows}.",
        "What is the number of {word} {keys} of {rows}?",
        **words,
    )
    return text, Query((Call("count", ref, distinct=True),))


def filtered(say: Speaker) -> tuple[str, Query]:
    """Rows with one condition."""
    table = say.table()
    phrase, predicate = say.filter(table)
    refs = say.shown(table, 3, compared(predicate))
    patterns = ["{open} {keys} of {rows} {phrase}"] * 6
    patterns += ["{open} {keys} of the {rows} {phrase}", "{open} {keys} of all {rows} {phrase}"]
    patterns += ["For {rows} {phrase}, what are the {keys}?"]
    if phrase.startswith("with "):
        patterns += ["Which {rows} have {rest}? {give} their {keys}."] * 2
    if say.target.names.is_person(table):
        patterns += ["Who are the {rows} {phrase}? {give} their {keys}."]
    text = say.pick(
        *patterns, open=say.open(), keys=say.columns(refs), rows=say.noun(table), phrase=phrase,
        rest=phrase.removeprefix("with "), give=say.rng.choice(("Give", "List", "Show", "Return")),
    )  # fmt: skip
    return text, Query(tuple(refs), where=where(predicate))


def two_filters(say: Speaker) -> tuple[str, Query]:
    """Rows with two conditions."""
    table = say.table()
    one, first = say.filter(table)
    word = say.rng.choice(("and", "and", "or"))
    if word == "or" and say.rng.random() < 0.5:
        two, second = say.condition(compared(first)[0])
    else:
        two, second = say.filter(table, compared(first))
    if first == second:
        raise Rejected("one condition twice")
    refs = say.shown(table, 2, [*compared(first), *compared(second)])
    words = {"rows": say.noun(table), "one": one, "two": two, "word": word}
    both = where(first, second, word=word)
    if say.rng.random() < 0.3:
        text = say.pick(
            "How many {rows} are there {one} {word} {two}?",
            "Count the {rows} {one} {word} {two}.",
            "What is the number of {rows} {one} {word} {two}?",
            **words,
        )
        return text, Query((COUNT,), where=both)
    text = f"{say.open()} {say.columns(refs)} of {words['rows']} {one} {word} {two}"
    return text, Query(tuple(refs), where=both)


def how_many(say: Speaker) -> tuple[str, Query]:
    """Rows counted, with or without a condition."""
    table = say.table()
    rows = say.noun(table)
    if say.rng.random() < 0.2:
        text = say.pick(
            *("How many {rows} are there?", "What is the number of {rows}?"),
            *("Count the number of {rows}.", "How many {rows} do we have?"),
            *("What is the total number of {rows}?", "Find the number of {rows}."),
            rows=rows,
        )
        return text, Query((COUNT,), tables=(table,))
    phrase, predicate = say.filter(table)
    text = say.pick(
        *("How many {rows} {phrase} are there?", "How many {rows} are there {phrase}?"),
        *("What is the number of {rows} {phrase}?", "Count the {rows} {phrase}."),
        *("Count the number of {rows} {phrase}.", "Find the number of {rows} {phrase}."),
        *("How many {rows} do we have {phrase}?", "Find the total number of {rows} {phrase}."),
        rows=rows, phrase=phrase,
    )  # fmt: skip
    return text, Query((COUNT,), where=where(predicate))


def aggregated(say: Speaker) -> tuple[str, Query]:
    """One to three aggregates."""
    table = say.table()
    ref = say.one(say.target.columns(table, "number"))
    pairs = {f: word for word, f in (say.function() for _ in range(say.rng.choice((1, 1, 2, 3))))}
    phrase, condition = "", None
    if say.rng.random() < 0.5:
        phrase, predicate = say.filter(table, [ref])
        condition = where(predicate)
    of = say.rng.choice(("of", "of all", "for", "among", "across all", "of the"))
    text = f"{say.open(len(pairs))} {joined(list(pairs.values()))} {say.column(ref)} {of} "
    calls = tuple(Call(function, ref) for function in pairs)
    return f"{text} {say.noun(table)} {phrase}", Query(calls, where=condition)


def ordered(say: Speaker) -> tuple[str, Query]:
    """Rows in order."""
    table = say.table()
    by = say.one(say.target.columns(table, *MEASURES, "text", "name"))
    refs, down = say.shown(table, 3), say.rng.random() < 0.5
    words = {"open": say.open(), "keys": say.columns(refs), "rows": say.noun(table)}
    is_text = say.target.classes[by] in {"text", "name"}
    ways = ("descending", "decreasing") if down else ("ascending", "increasing")
    way = "alphabetical" if is_text and not down else say.rng.choice(ways)
    patterns = ["{open} {keys} of all {rows} ordered by {by} in {way} order",
                "{open} {keys} of {rows} sorted by {by} in {way} order",
                "{open} {keys} of the {rows} in {way} order of {by}",
                "{open} {keys} of all {rows} in {way} order of their {by}",
                "Sort the {rows} by {by} in {way} order and show their {keys}."]  # fmt: skip
    if refs == [by] and way == "alphabetical":
        patterns += ["{open} {keys} of all {rows} in alphabetical order"] * 5
    elif not down:
        patterns += ["{open} {keys} of {rows} ordered by {by}"]
    if down and not is_text:
        patterns += ["{open} {keys} of all {rows} from the highest to the lowest {by}"]
    text = say.pick(*patterns, way=way, by=say.column(by), **words)
    return text, Query(tuple(refs), order=(Ordering(by, down),))


def superlative(say: Speaker) -> tuple[str, Query]:
    """The row with most of something."""
    table = say.table()
    best = say.superlative(table)
    refs = say.shown(table, 2, [best.column])
    row = say.noun(table, 1)
    words = {"key": say.columns(refs, 1), "row": row, "best": best.around(row)}
    patterns = ["{open} {key} of the {best}"] * 4
    if best.before:
        patterns += [f"Which {{row}} is the {best.before}? {{give}} the {{key}}."]
    else:
        patterns += [f"Which {{row}} has the {best.most}? {{give}} its {{key}}.",
                     f"{{open}} {{key}} of the {{row}} that has the {best.most}"]  # fmt: skip
    if say.target.names.is_person(table):
        patterns = [pattern.replace(" its ", " their ") for pattern in patterns]
    give = say.rng.choice(("Give", "Show", "Return"))
    text = say.pick(*patterns, open=say.open(len(refs)), give=give, **words)
    return text, say.top(Query(tuple(refs)), best.order)


def top_few(say: Speaker) -> tuple[str, Query]:
    """The few rows with most of something."""
    table = say.table()
    best = say.superlative(table)
    refs = say.shown(table, 2, [best.column])
    said, limit = say.amount(least=2)
    patterns = ["{open} {keys} of the {said} {before} {rows} {behind}"] * 2
    if not best.before:
        end = "top" if best.order.descending else "bottom"
        patterns += [f"{{open}} {{keys}} of the {end} {{said}} {{rows}} by {{by}}"]
        patterns += [f"{{open}} {{keys}} of the {end} {{said}} {{rows}} {{behind}}"]
    text = say.pick(
        *patterns, open=say.open(), keys=say.columns(refs), said=said, before=best.before,
        behind=best.behind, rows=say.noun(table), by=say.column(best.column),
    )  # fmt: skip
    return text, say.top(Query(tuple(refs)), best.order, limit)


def against_average(say: Speaker) -> tuple[str, Query]:
    """Rows above or below the average, or at the extreme."""
    table = say.table()
    ref = say.one(say.target.columns(table, "number"))
    function, operator = say.rng.choice(
        (("avg", ">"), ("avg", ">"), ("avg", "<"), ("min", ">"), ("max", "<"), ("max", "="))
    )
    word = {"avg": "average", "min": "minimum", "max": "maximum"}[function]
    more = {">": ("above", "higher than", "greater than", "more than"),
            "<": ("below", "lower than", "less than"), "=": ("equal to",)}[operator]  # fmt: skip
    words = {"by": say.column(ref), "rows": say.noun(table), "more": say.rng.choice(more)}
    phrase = say.pick(
        f"whose {{by}} is {{more}} the {word} {{by}}",
        f"with {{by}} {{more}} the {word}",
        f"that have a {{by}} {{more}} the {word}",
        f"with a {{by}} {{more}} the {word} of all {{rows}}",
        **words,
    )
    inner = Query((Call(function, ref),), tables=(table,))
    condition = where(Predicate(ref, operator, (inner,)))
    if say.rng.random() < 0.25:
        return f"How many {words['rows']} are there {phrase}?", Query((COUNT,), where=condition)
    refs = say.shown(table, 2)
    text = f"{say.open()} {say.columns(refs)} of {words['rows']} {phrase}"
    return text, Query(tuple(refs), where=condition)


def grouped(say: Speaker) -> tuple[str, Query]:
    """A count per value of a column."""
    table = say.table()
    by = say.category(table)
    text = say.pick(
        *("How many {rows} are there for each {key}?", "Show each {key} and the number of {rows}."),
        *("For each {key}, how many {rows} are there?", "What is the number of {rows} per {key}?"),
        "What are the {keys} and the number of {rows} for each?",
        "Show all {keys} and the number of {rows} for each {key}.",
        "List the different {keys} along with the number of {rows} in each.",
        "Return the different {keys} of {rows}, as well as the number of {rows} for each.",
        key=say.column(by), keys=say.column(by, 2), rows=say.noun(table),
    )  # fmt: skip
    return text, Query((by, COUNT), group=(by,))


def aggregated_by(say: Speaker) -> tuple[str, Query]:
    """An aggregate per value of a column."""
    table = say.table()
    by = say.category(table)
    ref = say.one([c for c in say.target.columns(table, "number") if c != by])
    word, function = say.function()
    text = say.pick(
        "What is the {word} {of} of {rows} for each {key}?",
        "Show the {key} and the {word} {of} of {rows} for each {key}.",
        "For each {key}, return the {word} {of} of {rows}.",
        "Find the {word} {of} of {rows} for each {key}.",
        "What are the {keys} and {word} {of} of {rows} for each {key}?",
        "How does the {word} {of} of {rows} differ by {key}?",
        word=word, of=say.column(ref), key=say.column(by), keys=say.column(by, 2),
        rows=say.noun(table),
    )  # fmt: skip
    return text, Query((by, Call(function, ref)), group=(by,))


def having(say: Speaker) -> tuple[str, Query]:
    """Values that enough rows have."""
    table = say.table()
    by = say.category(table)
    said, value = say.amount()
    operator, more = say.enough()
    words = {"key": say.column(by), "keys": say.column(by, 2), "open": say.open(),
             "rows": say.noun(table), "enough": f"{more} {said} {say.noun(table, int(value.text))}",
             "times": f"{more} {said} times"}  # fmt: skip
    condition = where(Predicate(COUNT, operator, (value,)))
    if say.rng.random() < 0.25:
        text = say.pick(
            "Show the {keys} and the number of {rows} for each {key} with {enough}.",
            "Which {keys} have {enough}? Also show the number of {rows}.",
            **words,
        )
        return text, Query((by, COUNT), group=(by,), having=condition)
    text = say.pick(
        *("Which {keys} have {enough}?", "{open} {keys} that have {enough}"),
        *("What are the {keys} with {enough}?", "{open} {keys} shared by {enough}"),
        "Show the {key} of {rows} that appears {times}.",
        **words,
    )
    return text, Query((by,), group=(by,), having=condition)


def most_common(say: Speaker) -> tuple[str, Query]:
    """The value that most rows have."""
    table = say.table()
    by = say.category(table)
    down = say.rng.random() < 0.8
    if down:
        patterns = ["What is the most common {key} of {rows}?", "Which {key} has the most {rows}?",
                    "Which {key} has the largest number of {rows}?",
                    "For {rows}, which {key} is the most common?",
                    "Find the {key} that most {rows} have.", "Which {key} do most {rows} have?",
                    "Show the most common {key} among {rows}.",
                    "What is the {key} with the most {rows}?",
                    "Give the {key} shared by the most {rows}."]  # fmt: skip
    else:
        patterns = ["What is the least common {key} of {rows}?",
                    "Which {key} has the fewest {rows}?",
                    "Which {key} has the least number of {rows}?",
                    "What is the {key} with the fewest {rows}?"]  # fmt: skip
    text = say.pick(*patterns, key=say.column(by), rows=say.noun(table))
    return text, say.top(Query((by,), group=(by,)), Ordering(COUNT, down))


ONE_TABLE: tuple[tuple[Rule, float], ...] = (
    *((listing, 0.7), (different, 0.8), (filtered, 2.0), (two_filters, 1.2), (how_many, 1.5)),
    *((aggregated, 1.2), (ordered, 1.2), (superlative, 1.8), (top_few, 0.8), (having, 1.2)),
    *((against_average, 1.5), (grouped, 1.0), (aggregated_by, 0.8), (most_common, 1.2)),
)
"""Rules by how often they are tried."""
