"""How likely the answer to a question needs a column: drafts, names and values together.

A logistic regression over a few features per column: how many drafts of SQL use it and its table,
how its name's words stand in the question, whether the question mentions a value of it, keys.
Its weights were fitted on whole databases held out of the members' training
(`benchmarks/filter_fit.py`), and stand beside this file.

What is not covered: generators other than those it was fitted with are believed as much as
those were.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quorumsql.domain import Brief, Column, ColumnRef, Schema, Table
from quorumsql.stages.link import STOP, words_of

__all__ = ["FEATURES", "Beliefs", "Relevance", "features", "load_relevance"]

FEATURES = (
    *("log_belief", "belief", "best_belief", "table_belief", "log_table_belief", "table_drafted"),
    *("name_share", "name_whole", "core_share", "table_share", "value_exact", "value_near"),
    *("primary", "foreign", "number", "table_name_share", "table_core_share", "table_called"),
    *("table_key", "table_date_asked", "core_elsewhere"),
)
_TIME = frozenset(
    "when date year day month time recent recently latest newest earliest oldest first last "
    "before after since until young youngest old age born".split()
)
_WEIGHTS = Path(__file__).with_name("relevance.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """The share of the drafts that use each column and table, from 0 to 1; what is absent has 0.

    `best` is the share among the drafts of the one generator that believes most in a column.
    """

    columns: Mapping[ColumnRef, float]
    best: Mapping[ColumnRef, float]
    tables: Mapping[str, float]


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
    """Return the regression that ships."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Relevance(
        means=found["means"],
        scales=found["scales"],
        weights=found["weights"],
        intercept=found["intercept"],
    )


def features(brief: Brief, beliefs: Beliefs) -> dict[ColumnRef, tuple[float, ...]]:
    """Return the features of every column of the brief's schema, in the order of FEATURES."""
    asked = frozenset(words_of(f"{brief.question.text} {brief.question.evidence}"))
    exact: dict[tuple[str, str], float] = {}
    near: dict[tuple[str, str], float] = {}
    for hit in brief.hits:
        scores = exact if hit.match == "exact" else near
        place = (hit.table, hit.column)
        scores[place] = max(scores.get(place, 0.0), hit.score)
    foreign = _foreign(brief.schema)
    rows: dict[ColumnRef, tuple[float, ...]] = {}
    for table in brief.schema.tables:
        for column in table.columns:
            place = (table.name, column.name)
            rows[ColumnRef(table=table.name, column=column.name)] = (
                *_drafted(table, column, beliefs),
                *_named(table, column, asked),
                exact.get(place, 0.0),
                near.get(place, 0.0),
                float(column.primary_key),
                float(place in foreign),
                float(column.kind == "number"),
                *_crossed(
                    table, column, asked, beliefs, key=column.primary_key or place in foreign
                ),
            )
    return rows


def _drafted(table: Table, column: Column, beliefs: Beliefs) -> tuple[float, ...]:
    ref = ColumnRef(table=table.name, column=column.name)
    own, best = beliefs.columns.get(ref, 0.0), beliefs.best.get(ref, 0.0)
    whole = beliefs.tables.get(table.name, 0.0)
    return (math.log(own + 1e-3), own, best, whole, math.log(whole + 1e-3), float(whole > 0))


def _named(table: Table, column: Column, asked: frozenset[str]) -> tuple[float, ...]:
    share, core = _shares(table, column, asked)
    tables = words_of(table.name)
    return (share, float(share == 1.0), core, sum(w in asked for w in tables) / max(len(tables), 1))


def _crossed(
    table: Table, column: Column, asked: frozenset[str], beliefs: Beliefs, *, key: bool
) -> tuple[float, ...]:
    """What counts only in a table that is needed."""
    share, core = _shares(table, column, asked)
    whole = beliefs.tables.get(table.name, 0.0)
    called = not {"name", "title"}.isdisjoint(words_of(column.name))
    dated = column.kind == "date" or not {"date", "year", "time"}.isdisjoint(words_of(column.name))
    asks_time = dated and not _TIME.isdisjoint(asked)
    near_core = core if whole == 0.0 else 0.0
    return (whole * share, whole * core, whole * called, whole * key, whole * asks_time, near_core)


def _shares(table: Table, column: Column, asked: frozenset[str]) -> tuple[float, float]:
    """How much of a column's name stands in the question, and of that beyond its table's."""
    words = words_of(column.name)
    table_words = set(words_of(table.name))
    core = [word for word in words if word not in table_words] or words
    telling = sum(word in asked and word not in STOP for word in core)
    return sum(w in asked for w in words) / max(len(words), 1), telling / max(len(core), 1)


def _foreign(schema: Schema) -> set[tuple[str, str]]:
    found = {(key.table, name) for key in schema.foreign_keys for name in key.columns}
    return found | {
        (key.referred_table, name) for key in schema.foreign_keys for name in key.referred_columns
    }
