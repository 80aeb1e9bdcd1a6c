"""Phrases that a small grammar of questions is made of: openers, lists, filters, superlatives.

What is not covered: whole questions; `synthetic_grammar` puts them together.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from quorumsql.domain import ColumnRef
from quorumsql.forms.linear import ONE_VALUE
from quorumsql.forms.tree import Call, Ordering, Predicate, Query, Star, Value
from quorumsql.forms.write import path_of
from quorumsql.train.synthetic_names import plural
from quorumsql.train.synthetic_target import Link, Rejected, Target

__all__ = ["COUNT", "Speaker", "Superlative"]

COUNT = Call("count", Star())
SHOWN = ("name", "text", "year", "number", "date", "code")
MEASURES = ("number", "year", "date")

ADJECTIVES: dict[str, tuple[str, str, str, str]] = {
    "age": ("oldest", "youngest", "older than", "younger than"),
    "price": ("most expensive", "cheapest", "more expensive than", "cheaper than"),
    "cost": ("most expensive", "cheapest", "more expensive than", "cheaper than"),
    "height": ("tallest", "shortest", "taller than", "shorter than"),
    "weight": ("heaviest", "lightest", "heavier than", "lighter than"),
    "length": ("longest", "shortest", "longer than", "shorter than"),
    "duration": ("longest", "shortest", "longer than", "shorter than"),
    "population": ("most populous", "least populous", "", ""),
    "area": ("largest", "smallest", "larger than", "smaller than"),
    "capacity": ("largest", "smallest", "", ""),
    "size": ("largest", "smallest", "larger than", "smaller than"),
    "salary": ("best paid", "worst paid", "", ""),
    "speed": ("fastest", "slowest", "faster than", "slower than"),
    "horsepower": ("most powerful", "least powerful", "", ""),
}
"""By the last word of a column: superlatives of max and min, comparatives of > and <."""

NEWEST = ("most recent", "earliest")
SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
AGGREGATES = {
    "avg": ("average", "mean"),
    "max": ("maximum", "highest", "largest"),
    "min": ("minimum", "lowest", "smallest"),
    "sum": ("total",),
}
FEW = 4
"""Numbers with fewer different values are codes, which nobody compares."""
ENOUGH = ((">", "more than"), (">=", "at least"), (">=", "at least"), (">", "over"),
          ("<", "fewer than"), ("<", "less than"), ("=", "exactly"))  # fmt: skip
OPENERS = (
    *("What are", "What are", "What are", "List", "List", "Show", "Show", "Find", "Find"),
    *("Give me", "Give", "Return", "Show me", "Tell me", "Please list", "Display", "Which are"),
)
SINGLE = ("What is", "What is", "What is", "Find", "Give", "Show", "Return", "Tell me", "Show me")


@dataclass(frozen=True, slots=True)
class Superlative:
    """What is sorted, and how: `before` the noun ("oldest") or `most` of it ("highest age")."""

    column: ColumnRef
    descending: bool
    before: str = ""
    most: str = ""

    @property
    def order(self) -> Ordering:
        """The ORDER BY item."""
        return Ordering(self.column, self.descending)

    @property
    def behind(self) -> str:
        """What is said behind the noun."""
        return f"with the {self.most}" if self.most else ""

    def around(self, noun: str) -> str:
        """The phrase with its noun."""
        return " ".join(part for part in (self.before, noun, self.behind) if part)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says parts of a question about `target`, choosing by `rng`."""

    target: Target
    rng: random.Random

    def pick(self, *patterns: str, **words: str) -> str:
        """One of `patterns`, filled with `words`."""
        return self.rng.choice(patterns).format(**words)

    # What to choose -----------------------------------------------------------------------

    def one(self, items: Sequence[ColumnRef]) -> ColumnRef:
        """One of `items`, or no question at all."""
        if not items:
            raise Rejected("no such column")
        return self.rng.choice(items)

    def table(self) -> str:
        """A table with a name that can be said, and columns to ask for."""
        tables = [t.name for t in self.target.schema.tables if self.is_noun(t.name)]
        if not tables:
            raise Rejected("no such table")
        return self.rng.choice(tables)

    def is_noun(self, table: str) -> bool:
        """Whether a question can ask for the rows of `table`."""
        names = self.target.names
        return names.is_noun(table) and bool(self.target.columns(table, *SHOWN))

    def link(self) -> Link:
        """A foreign key between two tables that can both be said."""
        links = [
            link
            for link in self.target.links
            if self.is_noun(link.child.table) and self.is_noun(link.parent.table)
        ]
        if not links:
            raise Rejected("no such link")
        return self.rng.choice(links)

    def shown(
        self, table: str, most: int = 1, besides: Sequence[ColumnRef] = ()
    ) -> list[ColumnRef]:
        """One to `most` columns to select, more often those that name a row."""
        found = [c for c in self.target.columns(table, *SHOWN) if c not in besides]
        if not found:
            raise Rejected("no such column")
        named = [c for c in found if is_name(self.target, c)]
        first = self.rng.choice(named) if named and self.rng.random() < 0.6 else self.one(found)
        rest = [c for c in found if c != first]
        count = min(self.rng.choice((0, 0, 1, 1, 2)), most - 1, len(rest))
        return [first, *self.rng.sample(rest, count)]

    def category(self, table: str) -> ColumnRef:
        """A column of `table` whose values several rows share."""
        return self.one(
            [c for c in self.target.columns(table, "text", "year") if self.target.is_category(c)]
        )

    # Nouns --------------------------------------------------------------------------------

    def noun(self, table: str, count: int = 2) -> str:
        """The table's name, for one or for several."""
        words = self.target.names.tables[table]
        return plural(words) if count > 1 else words

    def column(self, ref: ColumnRef, count: int = 1) -> str:
        """A column's name, with or without the words of its table."""
        names = self.target.names
        short = self.rng.random() < 0.75
        words = names.short(ref) if short else names.columns[ref]
        return plural(words) if count > 1 else words

    def columns(self, refs: Sequence[ColumnRef], count: int = 2) -> str:
        """Several names: "names, ages and cities"."""
        words = [self.column(ref, count) for ref in refs]
        return joined(words)

    def open(self, count: int = 2) -> str:
        """How a question begins that asks for a list, or for one thing."""
        return self.rng.choice(OPENERS if count > 1 else SINGLE) + " the"

    # Conditions ---------------------------------------------------------------------------

    def filter(self, table: str, besides: Sequence[ColumnRef] = ()) -> tuple[str, Predicate]:
        """A condition on `table` to say behind its plural noun: "older than 30"."""
        found = [
            c
            for c in self.target.columns(table, "name", "text", "number", "year", "date", "boolean")
            if c not in besides
        ]
        ref = self.one(found)
        return self.condition(ref)

    def condition(self, ref: ColumnRef) -> tuple[str, Predicate]:
        """A condition on one column, to say behind a plural noun."""
        kind = self.target.classes[ref]
        if kind in {"number", "year"} and self.rng.random() < 0.85:
            return self._compared(ref, kind)
        if kind in {"name", "text"} and self.rng.random() < 0.15:
            return self._pattern(ref)
        value = self.target.value(ref, "=", self.rng)
        name, said = self.column(ref), self.quoted(value)
        be = "are" if many(name) else "is"
        if self.rng.random() < 0.1:
            return f"whose {name} {be} not {said}", Predicate(ref, "!=", (value,))
        phrases = [f"whose {name} {be} {said}", f"with {name} {said}", f"that have {name} {said}",
                   f"whose {name} {be} {said}", f"with the {name} {said}",
                   f"that have {said} as their {name}", f"where the {name} {be} {said}",
                   f"having {said} as {name}"]  # fmt: skip
        if kind == "year":
            phrases = [f"whose {name} is {said}", f"in {said}", f"in the year {said}",
                       f"from {said}", f"with {name} {said}"]  # fmt: skip
        return self.rng.choice(phrases), Predicate(ref, "=", (value,))

    def _compared(self, ref: ColumnRef, kind: str) -> tuple[str, Predicate]:
        name = self.column(ref)
        if len(self.target.values(ref)) < FEW:
            raise Rejected("hardly a number")
        be, a = ("are", "") if many(name) else ("is", "a ")
        if self.rng.random() < 0.2:
            low, high = sorted((self._number(ref), self._number(ref)), key=float)
            if low == high:
                raise Rejected("one value twice")
            phrase = self.rng.choice((f"with {name} between {low} and {high}",
                                      f"whose {name} {be} between {low} and {high}",
                                      f"with {a}{name} between {low} and {high}"))  # fmt: skip
            ends = (Value(low, number=True), Value(high, number=True))
            return phrase, Predicate(ref, "between", ends)
        operator = self.rng.choice((">", ">", ">", "<", "<", ">=", "<="))
        value = self.target.value(ref, operator, self.rng)
        said = value.text
        words = self._comparatives(operator, kind)
        forms = [f"with {name} {w} {said}" for w in words] + [f"whose {name} {be} {w} {said}"
                 for w in words] + [f"with {a}{name} {w} {said}" for w in words]  # fmt: skip
        adjective = ADJECTIVES.get(name.split()[-1], ("",) * 4)[2 if operator == ">" else 3]
        if adjective and operator in {">", "<"} and self.rng.random() < 0.5:
            forms = [f"{adjective} {said}", f"that are {adjective} {said}"]
        return self.rng.choice(forms), Predicate(ref, operator, (value,))

    def _comparatives(self, operator: str, kind: str) -> tuple[str, ...]:
        if kind == "year":
            years = {">": ("after", "later than"), "<": ("before", "earlier than"),
                     ">=": ("since", "no earlier than"), "<=": ("no later than",)}  # fmt: skip
            return years[operator]
        return {
            ">": ("above", "more than", "greater than", "higher than", "over", "larger than"),
            "<": ("below", "less than", "lower than", "smaller than", "under"),
            ">=": ("at least", "of at least", "no less than"),
            "<=": ("at most", "no more than"),
        }[operator]

    def _number(self, ref: ColumnRef) -> str:
        return self.target.value(ref, self.rng.choice(("<", ">")), self.rng).text

    def _pattern(self, ref: ColumnRef) -> tuple[str, Predicate]:
        operator = self.rng.choice(("contains", "contains", "starts", "ends"))
        value = self.target.value(ref, operator, self.rng)
        quote = self.rng.choice(QUOTES)
        name, said = self.column(ref), f"{quote}{value.text}{quote}"
        phrases = {
            "contains": (f"whose {name} contains {said}", f"with {said} in their {name}",
                         f"whose {name} contains the word {said}",
                         f"with the substring {said} in their {name}"),
            "starts": (f"whose {name} starts with {said}", f"with {name} starting with {said}",
                       f"whose {name} begins with the letter {said}"),
            "ends": (f"whose {name} ends with {said}", f"with {name} ending in {said}",
                     f"whose {name} ends with the letter {said}"),
        }[operator]  # fmt: skip
        return self.rng.choice(phrases), Predicate(ref, operator, (value,))

    def quoted(self, value: Value) -> str:
        """The value as written, in quotes at times."""
        if value.number or self.rng.random() < 0.65:
            return value.text
        quote = self.rng.choice("\"'")
        return value.text if quote in value.text else f"{quote}{value.text}{quote}"

    def amount(self, least: int = 1) -> tuple[str, Value]:
        """A small count, as a word or a digit."""
        count = self.rng.choice([n for n in (1, 2, 2, 3, 3, 4, 5) if n >= least])
        said = SMALL[count] if self.rng.random() < 0.5 else str(count)
        return said, Value(str(count), number=True)

    def enough(self) -> tuple[str, str]:
        """An operator that compares a count, and its words."""
        return self.rng.choice(ENOUGH)

    # Orders and aggregates ----------------------------------------------------------------

    def superlative(self, table: str) -> Superlative:
        """The row of `table` that has most or least of something."""
        ref = self.one(self.target.columns(table, *MEASURES))
        down, name = self.rng.random() < 0.65, self.column(ref)
        words = ADJECTIVES.get(self.target.names.columns[ref].split()[-1])
        if words and self.rng.random() < 0.6:
            return Superlative(ref, down, before=words[0 if down else 1])
        if self.target.classes[ref] != "number":
            if self.rng.random() < 0.4:
                return Superlative(ref, down, before=NEWEST[not down])
            return Superlative(ref, down, most=f"{'latest' if down else 'earliest'} {name}")
        if many(name) and self.rng.random() < 0.6:
            return Superlative(ref, down, most=f"{'most' if down else 'fewest'} {name}")
        most = ("highest", "largest", "greatest") if down else ("lowest", "smallest")
        return Superlative(ref, down, most=f"{self.rng.choice(most)} {name}")

    def function(self) -> tuple[str, str]:
        """A word for an aggregate, and its function."""
        function = self.rng.choice(("avg", "avg", "max", "min", "sum"))
        return self.rng.choice(AGGREGATES[function]), function

    # Queries ------------------------------------------------------------------------------

    def query(self, query: Query) -> Query:
        """Return `query` with all of its tables.

        Raises:
            Rejected: they cannot be joined.
        """
        path = path_of(query, self.target.graph)
        if path is None:
            raise Rejected("no join")
        return replace(query, tables=path.tables)

    def top(self, query: Query, order: Ordering, limit: Value = ONE_VALUE) -> Query:
        """`query` cut to the first rows by `order`."""
        return self.query(replace(query, order=(order,), limit=limit))


def many(words: str) -> bool:
    """Whether a column's name is a plural: "details", "number of shops" is not."""
    return words.endswith("s") and plural(words) == words


QUOTES = ("'", '"', "")


def of_one(phrase: str) -> str:
    """A condition to say behind one thing: "that have a as" becomes "that has a as"."""
    return phrase.replace("that have ", "that has ").replace("that are ", "that is ")


def joined(words: Sequence[str]) -> str:
    """Return words in a row: "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def is_name(target: Target, ref: ColumnRef) -> bool:
    """Whether the column says what a row is called."""
    return target.classes[ref] == "name"
