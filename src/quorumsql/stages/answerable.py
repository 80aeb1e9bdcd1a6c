"""Whether a database can answer a question at all, and what of it the database knows nothing of.

A logistic regression over cheap features. Every word of the question that says something is looked
up: among the words of names and comments of the schema, among values that were found, and, for
synonyms, by the vectors of a port `Meaning`. A word without a counterpart counts the more, the
farther the nearest name is and the less often such a word stood alone in questions that could be
answered ("old", "highest"). Features of what the generators make of the question are there, too;
the weights that ship leave them out, since they would hold for one selector only
(docs/experiments.md).

Weights and the counts of harmless words are learned by `benchmarks/unanswerable.py` from Spider
train: answerable questions as they are, unanswerable ones with columns that they need removed, or
asked of another database. They stand beside this file.

What is not covered: questions that name what the schema holds and ask for what cannot be told from
it ("why do customers leave?"), and other languages than English.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from quorumsql.domain import Candidate, Choice, Hit, Question, Rows, Schema
from quorumsql.kept import Kept
from quorumsql.ports import Meaning
from quorumsql.sql import names_in
from quorumsql.stages.link import STOP, words_of
from quorumsql.synonyms import synonyms

__all__ = [
    *("FEATURES", "Names", "Refusal", "Refuser", "Regression", "load_regression", "refusal_in"),
    "telling",
]

FEATURES: Final = (
    *("words", "bare", "bare_share", "surprise", "surprise_most", "surprise_second"),
    *("nearness", "nearest_table", "found", "unfound_names"),
    *("votes", "groups", "agreement", "sure", "guessed", "empty", "failed"),
    *("unused", "unused_most"),
)
PRIOR: Final = 0.1
"""Share of people's questions that a database cannot answer, taken for granted; half of those that
the regression learns from are such."""
NEAR: Final = 0.6
"""Cosine from which a word is as good as a synonym."""
_NOTHING: Final = "Nothing in this database seems to be about"
_TOLD: Final = 3
"""Words that a refusal names at most."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_PLAIN = frozenset(
    "average maximum minimum mean total sum count highest lowest top bottom most least first last "
    "order sorted sort descending ascending alphabetical alphabetically group grouped distinct "
    "different unique between than more less at over under above below per same other another "
    "only both either neither whether can could should would will shall may might must am being "
    "about after again against because before down during few further he her here him his if into "
    "just my no nor now off once out own she so some such then through too until up very "
    "since till within ago yesterday onwards upon across among beyond besides except excluding "
    "versus vs compare compared comparison overall "
    "while why yes yet tell know want see get got like one two three four five six seven eight "
    "nine ten along together ever kind type display provide compute calculate identify retrieve "
    "include including based using used use "
    "january february march april june july august september october november december jan feb mar "
    "apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday "
    "second minute hour day week month quarter year decade date today percent percentage dollar "
    "euro long longer longest short shorter shortest everything anything something".split()
)
_EARNED = frozenset("revenue turnover sale spend spending spent income earning proceeds".split())
"""Words for what `_MONEY` adds up to, whatever a database calls it."""
_MONEY = frozenset("amount total price cost revenue sale payment paid fee charge invoice".split())
_WEIGHTS = Path(__file__).with_name("answerable.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word as written and in the singular; whether a value has it, whether it is a name."""

    text: str
    stem: str
    known: bool
    name: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A word of the question that says something.

    `near` is how near the schema comes to it, 1 for a word that stands in it; `weight` how much it
    counts when nothing does; `name` whether it is written as a name inside the question.
    """

    text: str
    stem: str
    near: float
    weight: float
    name: bool = False

    @property
    def surprise(self) -> float:
        """0 for a word that the database knows, up to 1."""
        return self.weight * (1.0 - self.near)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """How likely a question cannot be answered, and the words that the database knows nothing of.

    `refused` says that this is likely enough to say so, and that there are words to say it with.
    """

    chance: float
    refused: bool
    words: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The refusal in a sentence."""
        if not self.words:
            return f"{_NOTHING} this question."
        *most, last = (f"“{word}”" for word in self.words)
        named = f"{', '.join(most)} or {last}" if most else last
        return f"{_NOTHING} {named}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Means and scales of FEATURES, their weights, the intercept.

    `harmless` counts, by word, the databases in which a question with it was answerable although
    nothing there is called so. From `threshold` on a question is refused.
    """

    means: Sequence[float]
    scales: Sequence[float]
    weights: Sequence[float]
    intercept: float
    threshold: float
    harmless: Mapping[str, int]

    def __call__(self, row: Sequence[float]) -> float:
        """Return the probability that a question with these features cannot be answered."""
        parts = zip(row, self.means, self.scales, self.weights, strict=True)
        score = self.intercept + math.fsum(w * (x - mean) / scale for x, mean, scale, w in parts)
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))

    def weight(self, word: str) -> float:
        """How much a word counts when the database knows nothing of it, in (0, 1]."""
        return 1.0 / (1.0 + self.harmless.get(word, 0))


def load_regression(path: Path = _WEIGHTS) -> Regression:
    """Return the regression that ships."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Regression(
        means=found["means"],
        scales=found["scales"],
        weights=found["weights"],
        intercept=found["intercept"],
        threshold=found["threshold"],
        harmless=found["harmless"],
    )


class Names:
    """The words of a schema, and how near they come to others. Keeps what it was asked last."""

    def __init__(self, schema: Schema, meaning: Meaning) -> None:
        """Read names and comments."""
        self._meaning = meaning
        told = [
            text
            for table in schema.tables
            for text in (
                *(table.bare_name, table.comment),
                *(part for column in table.columns for part in (column.name, column.comment)),
            )
            if text
        ]
        self.words = frozenset(word for text in told for word in words_of(text))
        phrases = dict.fromkeys(" ".join(words_of(text)[:6]) for text in told)
        self._names = tuple(dict.fromkeys((*sorted(self.words), *phrases)))
        self._tables = tuple(
            " ".join(word for name in (table.bare_name, *(c.name for c in table.columns))
                     for word in words_of(name))
            for table in schema.tables
        )  # fmt: skip

    def near(self, words: Sequence[str]) -> tuple[float, ...]:
        """Return how near the schema comes to each of `words`, 1 for words that it has."""
        rows = self._meaning.nearness(words, self._names)
        return tuple(
            1.0 if _said(word, self.words) else min(max(row, default=0.0) / NEAR, 0.99)
            for word, row in zip(words, rows, strict=True)
        )

    def nearest_table(self, text: str) -> float:
        """Return how near the nearest table, read with its columns, comes to a whole text."""
        (row,) = self._meaning.nearness([" ".join(words_of(text))], self._tables)
        return max(row, default=0.0)


def _said(word: str, names: frozenset[str]) -> bool:
    """Whether names have a word, or what adds up to it."""
    return word in names or (word in _EARNED and not _MONEY.isdisjoint(names))


def features(
    asked: Sequence[Asked],
    question: Question,
    names: Names,
    hits: Sequence[Hit],
    candidates: Sequence[Candidate],
    choice: Choice,
    *,
    unused: Sequence[float],
) -> tuple[float, ...]:
    """Return FEATURES of one question; `unused` are surprises by what the chosen SQL names."""
    surprises = sorted((one.surprise for one in asked), reverse=True)
    bare = sum(one.near < 1.0 for one in asked)
    count = max(len(asked), 1)
    return (
        math.log1p(len(asked)),
        float(min(bare, 8)),
        bare / count,
        math.fsum(surprises),
        _place(surprises, 0),
        _place(surprises, 1),
        math.fsum(one.near for one in asked) / count,
        names.nearest_table(question.text),
        float(any(hit.match == "exact" for hit in hits)),
        float(min(sum(one.name and one.near < 1.0 for one in asked), 4)),
        *_votes(candidates, choice),
        math.fsum(unused),
        max(unused, default=0.0),
    )


def _votes(candidates: Sequence[Candidate], choice: Choice) -> tuple[float, ...]:
    """What the generators have to say: votes to failed."""
    if choice.candidate is None:
        return (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    chosen = candidates[choice.candidate]
    group = next((g for g in choice.groups if choice.candidate in g.members), None)
    best: dict[str, int] = {}
    for index, one in enumerate(candidates):
        if one.generator not in best or one.weight > candidates[best[one.generator]].weight:
            best[one.generator] = index
    agreed = sum(index in group.members for index in best.values()) if group else 0
    rows = chosen.final.execution
    nothing = isinstance(rows, Rows) and not any(
        value not in {None, 0} for row in rows.rows[:1] for value in map(_hashable, row)
    )
    return (
        group.votes if group else 0.0,
        math.log1p(len(choice.groups)),
        agreed / len(best),
        math.fsum(candidates[index].weight for index in best.values()) / len(best),
        float(chosen.guessed),
        float(nothing),
        0.0,
    )


class Refuser:
    """Judges questions about one schema after another; keeps what it knows of the last few."""

    def __init__(self, regression: Regression, meaning: Meaning) -> None:
        """Take the weights, and what tells synonyms."""
        self._regression, self._meaning = regression, meaning
        self._names = Kept(partial(Names, meaning=meaning))
        self._synonyms = synonyms()

    def judge(
        self,
        question: Question,
        schema: Schema,
        hits: Sequence[Hit],
        candidates: Sequence[Candidate],
        choice: Choice,
    ) -> Refusal:
        """Return whether to refuse a question about `schema`, all of it."""
        asked, row = self.look(question, schema, hits, candidates, choice)
        found = self._regression(row)
        told = sorted((one for one in asked if one.near < 1.0), key=lambda one: -one.surprise)
        words = tuple(dict.fromkeys(one.text for one in told if one.surprise > 0.2))[:_TOLD]
        return Refusal(
            chance=found * PRIOR / (found * PRIOR + (1.0 - found) * (1.0 - PRIOR)),
            refused=bool(words) and found >= self._regression.threshold,
            words=words,
        )

    def look(
        self,
        question: Question,
        schema: Schema,
        hits: Sequence[Hit],
        candidates: Sequence[Candidate],
        choice: Choice,
    ) -> tuple[tuple[Asked, ...], tuple[float, ...]]:
        """Return the telling words of a question, and its features."""
        names = self._names.of(schema)
        text = f"{question.text} {question.evidence}".strip()
        told = telling(text, hits)
        worded = self._synonyms.said(text, schema, hits)
        said = {word for phrase in worded for word in words_of(phrase)}
        near = names.near([one.stem for one in told])
        asked = tuple(
            Asked(
                text=one.text,
                stem=one.stem,
                near=1.0 if one.known or one.stem in said else close,
                weight=self._regression.weight(one.stem),
                name=one.name,
            )
            for one, close in zip(told, near, strict=True)
        )
        unused = self._unused(asked, schema, candidates, choice, worded)
        return asked, features(asked, question, names, hits, candidates, choice, unused=unused)

    def _unused(
        self,
        asked: Sequence[Asked],
        schema: Schema,
        candidates: Sequence[Candidate],
        choice: Choice,
        worded: Mapping[str, str],
    ) -> tuple[float, ...]:
        """How much each word is at odds with the names and values that the chosen SQL has."""
        if choice.candidate is None or not asked:
            return tuple(one.weight for one in asked)
        sql = candidates[choice.candidate].sql
        tables, refs = names_in(sql, schema.dialect)
        named = [*tables, *(ref.column for ref in refs)]
        said = frozenset(word for name in named for word in words_of(name))
        meant = [
            words_of(phrase) for phrase, name in worded.items() if said.issuperset(words_of(name))
        ]
        said = said.union(*meant)
        values = frozenset(words_of(" ".join(re.findall(r"'([^']*)'", sql))))
        if not said:
            return tuple(one.weight for one in asked)
        rows = self._meaning.nearness([one.stem for one in asked], sorted(said))
        return tuple(
            0.0
            if _said(one.stem, said) or one.stem in values
            else one.weight * (1.0 - min(max(row, default=0.0) / NEAR, 0.99))
            for one, row in zip(asked, rows, strict=True)
        )


def refusal_in(warnings: Sequence[str]) -> str:
    """Return why a question was refused, out of an answer's warnings; else the first of them."""
    first = next(iter(warnings), "")
    return next((warning for warning in warnings if warning.startswith(_NOTHING)), first)


def telling(text: str, hits: Sequence[Hit]) -> list[Word]:
    """Return the words of a question that say something, which "show" and "highest" do not."""
    found = []
    for place, match in enumerate(_WORD.finditer(text)):
        word = match.group()
        stem = "".join(words_of(word.split("'")[0].split("’")[0])[:1])
        if not stem or stem in STOP or stem in _PLAIN or stem.isdigit() or len(stem) < 2:
            continue
        known = any(hit.start <= match.start() and match.end() <= hit.end for hit in hits)
        quoted = match.start() > 0 and text[match.start() - 1] in "\"'“‘`"
        name = quoted or (place > 0 and word[0].isupper())
        found.append(Word(text=word, stem=stem, known=known, name=name))
    return found


def _place(values: Sequence[float], place: int) -> float:
    return values[place] if place < len(values) else 0.0


def _hashable(value: object) -> object:
    return value if isinstance(value, int | float | str | type(None)) else str(value)
