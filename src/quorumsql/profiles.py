"""What the values of a column look like, and what that says about its meaning.

The categories are those of XiYan-DBDescGen (arXiv 2502.20657): dates with their granularity,
identifiers, codes, enumerations, measures, free text. There a language model decides; here
types, names, counts and patterns do.

What is not covered: reading the values (`db.profile`), and meanings that only words tell.
"""

from __future__ import annotations

import base64
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from quorumsql.domain import Column, Kind, Schema, Table
from quorumsql.hashes import Sketch
from quorumsql.sql import TRUTHS

__all__ = [
    "ColumnProfile",
    "JoinHint",
    "Meaning",
    "TableProfile",
    "foreign_columns",
    "from_object",
    "is_private",
    "is_secret",
    "join_hints",
    "meaning_of",
    "packed",
    "shape_of",
    "to_object",
    "with_meaning",
]

Meaning: TypeAlias = Literal[
    "identifier", "code", "enumeration", "flag", "measure", "date", "name", "text", "other", "empty"
]
Scalar: TypeAlias = str | int | float | bool | None

_KEPT_HASHES: Final = 128
_SECRET: Final = re.compile(
    r"(^|[^a-z])(pass(word|wd|phrase)?|pwd|secret|token|api_?key|private_?key|salt|hash|ssn|"
    r"social_security\w*|cvv|cvc|pin_?code|iban|(credit_?)?card_?(number|no)|credentials?)([^a-z]|$)"
)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_ID_NAME: Final = re.compile(r"(^|_)(id|key|uuid|guid|no|nr|num|number|code)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column. Counts are of rows; `distinct` is an estimate unless `exact`.

    `top` holds the most frequent values with their counts, `patterns` the shapes of texts with
    their shares (9 digits, a and A letters, runs as one). `private` names the reason why values
    must not leave the machine: "secret", "email" or nothing.
    """

    column: str
    type: str = ""
    kind: Kind = "text"
    rows: int = 0
    nulls: int = 0
    distinct: int = 0
    exact: bool = True
    minimum: Scalar = None
    maximum: Scalar = None
    top: tuple[tuple[Scalar, int], ...] = ()
    shortest: int = 0
    longest: int = 0
    words: float = 0.0
    patterns: tuple[tuple[str, float], ...] = ()
    meaning: Meaning = "other"
    granularity: str = ""
    private: str = ""
    sketch: str = ""

    @property
    def unique(self) -> bool:
        """Whether no two rows have the same value, as far as counts tell."""
        filled = self.rows - self.nulls
        return filled > 0 and self.distinct >= filled * (1.0 if self.exact else 0.95)

    def hashes(self) -> Sketch:
        """The sketch of its values."""
        return Sketch(np.frombuffer(base64.b64decode(self.sketch), np.uint64))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProfile:
    """One table: its rows and columns. `partial` when reading stopped before its end."""

    table: str
    rows: int
    columns: tuple[ColumnProfile, ...] = ()
    partial: bool = False

    def column(self, name: str) -> ColumnProfile | None:
        """Return the profile of this column, or None."""
        return next((c for c in self.columns if c.column.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinHint:
    """Values of `table.column` are found in the unique column `to_table.to_column`."""

    table: str
    column: str
    to_table: str
    to_column: str
    share: float


def packed(sketch: Sketch) -> str:
    """Return the smallest hashes of a sketch as text."""
    return base64.b64encode(sketch.hashes[:_KEPT_HASHES].tobytes()).decode()


def to_object(profile: TableProfile) -> dict[str, Any]:
    """Return what `from_object` takes, of JSON types only."""
    return asdict(profile)


def from_object(found: Mapping[str, Any]) -> TableProfile:
    """Return the profile that `to_object` wrote."""
    columns = tuple(
        ColumnProfile(
            **{
                **one,
                "top": tuple((value, count) for value, count in one["top"]),
                "patterns": tuple((shape, share) for shape, share in one["patterns"]),
            }
        )
        for one in found["columns"]
    )
    return TableProfile(**{**found, "columns": columns})


def is_secret(column: str) -> bool:
    """Whether a column's name says that its values are for nobody to read."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).lower()
    return _SECRET.search(re.sub(r"\W+", "_", spaced)) is not None


def is_private(column: str, values: Iterable[object]) -> str:
    """Why these values of a column must not leave the machine; empty where nothing says so."""
    if is_secret(column):
        return "secret"
    texts = [value for value in values if isinstance(value, str)]
    emails = sum(_EMAIL.fullmatch(text.strip()) is not None for text in texts)
    return "email" if texts and emails >= 0.6 * len(texts) else ""


def with_meaning(profile: ColumnProfile, column: Column, *, referring: bool) -> ColumnProfile:
    """Return `profile` with meaning, granularity and privacy inferred."""
    return replace(
        profile,
        meaning=meaning_of(profile, column, referring=referring),
        granularity=_granularity(profile),
        private=is_private(profile.column, (value for value, _ in profile.top)),
    )


def meaning_of(profile: ColumnProfile, column: Column, *, referring: bool) -> Meaning:
    """Return what the values are for; `referring` when a foreign key starts here."""
    if profile.rows == profile.nulls:
        return "empty"
    if profile.kind == "other":
        return "other"
    if column.primary_key or referring:
        return "identifier"
    if profile.kind == "boolean" or _is_flag(profile):
        return "flag"
    if profile.kind == "date" or _granularity(profile) == "year":
        return "date"
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", profile.column).lower()
    if _ID_NAME.search(name) and profile.unique:
        return "identifier"
    return (
        _meaning_of_number(profile, name)
        if profile.kind == "number"
        else _meaning_of_text(profile, name)
    )


def _meaning_of_number(profile: ColumnProfile, name: str) -> Meaning:
    if _ID_NAME.search(name):
        return "code"
    whole = all(isinstance(value, int) for value, _ in profile.top)
    repeated = profile.distinct <= 12 and profile.rows - profile.nulls >= 8 * profile.distinct
    return "enumeration" if whole and repeated else "measure"


def _meaning_of_text(profile: ColumnProfile, name: str) -> Meaning:
    filled = profile.rows - profile.nulls
    if profile.words > 8 or profile.longest > 120:
        return "text"
    few = profile.distinct <= 20 or profile.distinct <= min(200, filled * 0.02)
    if few and filled >= 2 * profile.distinct:
        return "enumeration"
    shape, share = profile.patterns[0] if profile.patterns else ("", 0.0)
    coded = "9" in shape and "@" not in shape and profile.words < 1.5 and profile.longest <= 20
    if _ID_NAME.search(name) or (share > 0.8 and coded):
        return "code"
    return "name" if profile.words <= 5 else "text"


def _is_flag(profile: ColumnProfile) -> bool:
    values = {str(value).strip().lower() for value, _ in profile.top}
    return profile.distinct == 2 and any(values == set(pair) for pair in TRUTHS)


def _granularity(profile: ColumnProfile) -> str:
    """The smallest unit that the values of a date tell apart; empty for others."""
    name = profile.column.lower()
    if profile.kind == "number" and "year" in name:
        low, high = profile.minimum, profile.maximum
        if isinstance(low, int) and isinstance(high, int) and 1000 <= low <= high <= 2200:
            return "year"
    if profile.kind != "date":
        return ""
    texts = [str(value) for value, _ in profile.top]
    if all(isinstance(value, int) for value, _ in profile.top) and profile.top:
        return "year" if all(len(text) == 4 for text in texts) else "number"
    if any(re.search(r":\d\d[:.]?(?!00)\d\d", text) for text in texts):
        return "second"
    if any(re.search(r"\d:\d\d", text) and not re.search(r"00:00", text) for text in texts):
        return "minute"
    if all(re.fullmatch(r"\d{4}-\d\d", text) for text in texts) and texts:
        return "month"
    if all(re.match(r"\d{4}-01-01", text) for text in texts) and len(texts) > 3:
        return "year"
    return "day"


def shape_of(text: str) -> str:
    """The pattern of a text: 9 for digits, a and A for letters, runs as one."""
    found = re.sub(r"[^\W\d_a-zA-Z]", "a", text[:60])
    found = re.sub(r"[A-Z]+", "A", re.sub(r"[a-z]+", "a", re.sub(r"\d+", "9", found)))
    return re.sub(r"(A?a)( \1)+", r"\1 \1…", found)[:24]


def foreign_columns(table: Table, keys: Iterable[Any]) -> frozenset[str]:
    """Names of the columns of `table` from which a foreign key starts."""
    return frozenset(c for key in keys if key.table == table.name for c in key.columns)


def join_hints(profiles: Sequence[TableProfile], schema: Schema) -> tuple[JoinHint, ...]:
    """Return joins that no foreign key declares: values of one column inside a unique other.

    Numbers from one to many are inside each other by chance, so between whole numbers names
    must agree as well.
    """
    declared = {
        (key.table, own, key.referred_table, other)
        for key in schema.foreign_keys
        for own, other in zip(key.columns, key.referred_columns, strict=True)
    }
    columns = [
        (profile.table, column)
        for profile in profiles
        for column in profile.columns
        if column.distinct >= 3 and not column.private
        if column.meaning not in {"flag", "date", "measure", "text"}
    ]
    hints = [
        hint
        for hint in _inclusions(columns)
        if (hint.table, hint.column, hint.to_table, hint.to_column) not in declared
    ]
    return tuple(sorted(hints, key=lambda h: (h.table, h.column, -h.share, h.to_table)))


def _inclusions(columns: Sequence[tuple[str, ColumnProfile]]) -> Iterator[JoinHint]:
    """Pairs of columns whose smallest hashes are the same: few are compared in full."""
    targets: defaultdict[int, list[int]] = defaultdict(list)
    for place, (_, column) in enumerate(columns):
        if column.unique:
            for value in column.hashes().hashes.tolist():
                targets[value].append(place)
    for table, column in columns:
        own = column.hashes()
        met = Counter(p for value in own.hashes[:16].tolist() for p in targets.get(value, ()))
        for place, count in met.items():
            other_table, other = columns[place]
            share = own.share_in(other.hashes())
            if other_table == table or count < 3 or share is None or share < 0.95:
                continue
            if _names_agree(column, other_table, other):
                yield JoinHint(
                    table=table,
                    column=column.column,
                    to_table=other_table,
                    to_column=other.column,
                    share=round(share, 3),
                )


def _names_agree(column: ColumnProfile, other_table: str, other: ColumnProfile) -> bool:
    """Whether names allow what values suggest; texts need no name."""
    if column.kind == "text":
        return True
    own, theirs = (c.column.lower().replace("_", "") for c in (column, other))
    stem = other_table.lower().replace("_", "").rstrip("s")
    return (own == theirs and own != "id") or (len(stem) > 2 and stem in own)
