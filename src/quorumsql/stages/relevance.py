"""How likely the answer to a question needs a column: drafts, names and values together.

A logistic regression over features of a column, of its table, and of the question as a whole: how
many drafts of SQL use it, and whether the best ones do; how its name's words stand in the question,
and whether a column that is believed in more explains the same words or the same value already; how
sure the drafts are, so that bounds mean the same for clear questions and for hard ones. Its weights
were fitted on whole databases held out of the members' training (`benchmarks/filter_fit.py`), and
stand beside this file.

What is not covered: generators other than those it was fitted with are believed as much as
those were.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quorumsql.domain import Brief, Column, ColumnRef, Schema, Table
from quorumsql.stages.link import STOP, words_of
from quorumsql.synonyms import Synonyms

__all__ = ["FEATURES", "Beliefs", "Relevance", "features", "load_relevance"]

FEATURES = (
    *(
        "log_belief",
        "belief",
        "best_belief",
        "table_belief",
        "log_table_belief",
        "table_drafted",
    ),
    *(
        "name_share",
        "name_whole",
        "core_share",
        "table_share",
        "value_exact",
        "value_near",
    ),
    *(
        "primary",
        "foreign",
        "number",
        "table_name_share",
        "table_core_share",
        "table_called",
    ),
    *("table_key", "table_date_asked", "core_elsewhere"),
    *("first", "some", "table_first", "table_rank"),
    *(
        "word_left",
        "word_taken",
        "value_left",
        "twin_belief",
        "twin_of_undrafted",
        "partner",
    ),
    *("sure", "sure_log_belief", "sure_undrafted", "sure_first", "spread"),
    *("columns", "columns_of_table"),
)
_TIME = frozenset(
    "when date year day month time recent recently latest newest earliest oldest first last "
    "before after since until young youngest old age born".split()
)
_TAKEN = 0.3
_WEIGHTS = Path(__file__).with_name("relevance.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """The share of the drafts that use each column and table, from 0 to 1; what is absent has 0.

    `best` is the share among the drafts of the one generator that believes most in a column;
    `first` and `some` are the shares of the generators whose best draft, or any draft, uses it,
    `first_tables` those whose best draft reads a table. `sure` is the mean weight of the best
    drafts, `spread` the mean entropy of the weights, in nats.
    """

    columns: Mapping[ColumnRef, float]
    best: Mapping[ColumnRef, float]
    tables: Mapping[str, float]
    first: Mapping[ColumnRef, float] = field(default_factory=dict)
    some: Mapping[ColumnRef, float] = field(default_factory=dict)
    first_tables: Mapping[str, float] = field(default_factory=dict)
    sure: float = 0.0
    spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance:
    """The regression: means and scales of the features, their weights, and the intercept."""

    means: Sequence[float]
    scales: Sequence[float]
    weights: Sequence[float]
    intercept: float

    def __call__(self, row: Sequence[float]) -> float:
        """Return the probability that a column with these features is needed."""
        parts = zip(row, self.means, self.scales, self.weights, strict=True)
        score = self.intercept + sum(w * (x - mean) / scale for x, mean, scale, w in parts)
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))


def load_relevance(path: Path = _WEIGHTS) -> Relevance:
    """Return the regression that ships; a feature that it was not fitted with counts nothing."""
    found = json.loads(path.read_text(encoding="utf-8"))
    fitted = zip(found["means"], found["scales"], found["weights"], strict=True)
    known = dict(zip(found["features"], fitted, strict=True))
    means, scales, weights = zip(*(known.get(f, (0.0, 1.0, 0.0)) for f in FEATURES), strict=True)
    return Relevance(means=means, scales=scales, weights=weights, intercept=found["intercept"])


def features(brief: Brief, beliefs: Beliefs) -> dict[ColumnRef, tuple[float, ...]]:
    """Return the features of every column of the brief's schema, in the order of FEATURES."""
    meant = Synonyms().said(brief.question.text, brief.schema, brief.hits).values()
    asked = frozenset(words_of(" ".join((brief.question.text, brief.question.evidence, *meant))))
    exact: dict[tuple[str, str], float] = {}
    near: dict[tuple[str, str], float] = {}
    for hit in brief.hits:
        scores = exact if hit.match == "exact" else near
        place = (hit.table, hit.column)
        scores[place] = max(scores.get(place, 0.0), hit.score)
    foreign = _foreign(brief.schema)
    names = {
        (table.name, column.name): _Name.of(table, column)
        for table in brief.schema.tables
        for column in table.columns
    }
    rivals = _Rivals(brief, beliefs, asked, names)
    rows: dict[ColumnRef, tuple[float, ...]] = {}
    for table in brief.schema.tables:
        for column in table.columns:
            place = (table.name, column.name)
            ref = ColumnRef(table=table.name, column=column.name)
            name = names[place]
            rows[ref] = (
                *_drafted(table, column, beliefs),
                *_named(name, asked),
                exact.get(place, 0.0),
                near.get(place, 0.0),
                float(column.primary_key),
                float(place in foreign),
                float(column.kind == "number"),
                *_crossed(
                    column,
                    name,
                    asked,
                    beliefs.tables.get(table.name, 0.0),
                    key=column.primary_key or place in foreign,
                ),
                *_chosen(ref, beliefs),
                *rivals.of(ref),
                *_certain(ref, beliefs),
                math.log(rivals.width),
                math.log(len(table.columns) + 1),
            )
    return rows


def _drafted(table: Table, column: Column, beliefs: Beliefs) -> tuple[float, ...]:
    ref = ColumnRef(table=table.name, column=column.name)
    own, best = beliefs.columns.get(ref, 0.0), beliefs.best.get(ref, 0.0)
    whole = beliefs.tables.get(table.name, 0.0)
    return (
        math.log(own + 1e-3),
        own,
        best,
        whole,
        math.log(whole + 1e-3),
        float(whole > 0),
    )


def _chosen(ref: ColumnRef, beliefs: Beliefs) -> tuple[float, ...]:
    """What the best drafts say, and how the table stands beside the most believed one."""
    most = max(beliefs.tables.values(), default=0.0) or 1.0
    rank = beliefs.tables.get(ref.table, 0.0) / most
    first, some = beliefs.first.get(ref, 0.0), beliefs.some.get(ref, 0.0)
    return (first, some, beliefs.first_tables.get(ref.table, 0.0), rank)


def _certain(ref: ColumnRef, beliefs: Beliefs) -> tuple[float, ...]:
    """How sure the drafts are of themselves, and what that makes of what they say."""
    own, sure = beliefs.columns.get(ref, 0.0), beliefs.sure
    first = beliefs.first.get(ref, 0.0)
    return (
        sure,
        sure * math.log(own + 1e-3),
        sure * (own == 0),
        sure * first,
        beliefs.spread,
    )


@dataclass(frozen=True, slots=True)
class _Name:
    """The words of a column's name, those beyond its table's name, and those of that."""

    words: Sequence[str]
    core: Sequence[str]
    table: Sequence[str]

    @classmethod
    def of(cls, table: Table, column: Column) -> _Name:
        words, others = words_of(column.name), words_of(table.name)
        return cls(words, [word for word in words if word not in others] or words, others)

    def shares(self, asked: frozenset[str]) -> tuple[float, float]:
        """How much of the name stands in the question, and of that beyond the table's."""
        telling = sum(word in asked and word not in STOP for word in self.core)
        whole = sum(word in asked for word in self.words)
        return whole / max(len(self.words), 1), telling / max(len(self.core), 1)


def _named(name: _Name, asked: frozenset[str]) -> tuple[float, ...]:
    share, core = name.shares(asked)
    tables = sum(word in asked for word in name.table) / max(len(name.table), 1)
    return share, float(share == 1.0), core, tables


def _crossed(
    column: Column, name: _Name, asked: frozenset[str], whole: float, *, key: bool
) -> tuple[float, ...]:
    """What counts only in a table that is needed; `whole` is the belief in it."""
    share, core = name.shares(asked)
    called = not {"name", "title"}.isdisjoint(name.words)
    dated = column.kind == "date" or not {"date", "year", "time"}.isdisjoint(name.words)
    asks_time = dated and not _TIME.isdisjoint(asked)
    near_core = core if whole == 0.0 else 0.0
    return (
        whole * share,
        whole * core,
        whole * called,
        whole * key,
        whole * asks_time,
        near_core,
    )


class _Rivals:
    """What columns that are believed in more explain already: the set is judged as a set."""

    def __init__(
        self,
        brief: Brief,
        beliefs: Beliefs,
        asked: frozenset[str],
        names: Mapping[tuple[str, str], _Name],
    ) -> None:
        self._belief = beliefs.columns
        self._told: dict[ColumnRef, tuple[list[str], int]] = {}
        self._words: defaultdict[str, float] = defaultdict(float)
        self._twins: defaultdict[str, list[ColumnRef]] = defaultdict(list)
        for table in brief.schema.tables:
            for column in table.columns:
                ref = ColumnRef(table=table.name, column=column.name)
                name = names[table.name, column.name]
                words = [word for word in name.core if word in asked and word not in STOP]
                self._told[ref] = (words, max(len(name.words), 1))
                self._twins[column.name.lower()].append(ref)
                for word in words:
                    self._words[word] = max(self._words[word], self._of(ref))
        self.width = max(len(self._told), 1)
        self._partners = self._partners_of(brief.schema)
        self._values = self._values_of(brief)

    def of(self, ref: ColumnRef) -> tuple[float, ...]:
        """The features of one column; see FEATURES from "word_left" on."""
        own = self._of(ref)
        words, count = self._told[ref]
        better = [self._words[word] for word in words if self._words[word] > own]
        left = len(words) - sum(better)
        taken = sum(belief > own + _TAKEN for belief in better)
        twins = self._twins[ref.column.lower()]
        twin = max((self._of(other) for other in twins if other != ref), default=0.0)
        value = self._values.get(ref, 0.0)
        partner = self._partners.get(ref, 0.0)
        return (left / count, taken / count, value, twin, twin * (own == 0), partner)

    def _of(self, ref: ColumnRef) -> float:
        return self._belief.get(ref, 0.0)

    def _partners_of(self, schema: Schema) -> dict[ColumnRef, float]:
        """The belief in what a key refers to, or is referred to by."""
        found: dict[ColumnRef, float] = {}
        for key in schema.foreign_keys:
            for own, other in zip(key.columns, key.referred_columns, strict=True):
                ends = (
                    ColumnRef(table=key.table, column=own),
                    ColumnRef(table=key.referred_table, column=other),
                )
                for one, partner in (ends, ends[::-1]):
                    found[one] = max(found.get(one, 0.0), self._of(partner))
        return found

    def _values_of(self, brief: Brief) -> dict[ColumnRef, float]:
        """How well a column's values fit words that no believed column's values fit."""
        explained: defaultdict[tuple[int, int], float] = defaultdict(float)
        refs = [ColumnRef(table=hit.table, column=hit.column) for hit in brief.hits]
        for hit, ref in zip(brief.hits, refs, strict=True):
            span = (hit.start, hit.end)
            explained[span] = max(explained[span], self._of(ref))
        found: dict[ColumnRef, float] = {}
        for hit, ref in zip(brief.hits, refs, strict=True):
            left = hit.score * (1.0 - explained[hit.start, hit.end])
            found[ref] = max(found.get(ref, 0.0), left)
        return found


def _foreign(schema: Schema) -> set[tuple[str, str]]:
    found = {(key.table, name) for key in schema.foreign_keys for name in key.columns}
    return found | {
        (key.referred_table, name) for key in schema.foreign_keys for name in key.referred_columns
    }
