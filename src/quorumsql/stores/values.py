"""An index of stored values in memory: which of them does a text mention?

Values are compared as people write them: case, accents, spacing and a plural s do not
count. A text is cut into runs of up to eight words; a run hits a value when it is the
value (exact), its first words (prefix), another word for it ("French" for France), or nearly so
(fuzzy, Levenshtein). A word in small letters is looked up as a typing error where it is no word
that is known, or a letter is doubled or not, and only in columns of few values.

What is not covered: more than a few hundred thousand values, other words than those of
`values_words`, typing errors in the first letter of a word in small letters, and keeping an index
between processes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from quorumsql.domain import Hit, Schema
from quorumsql.ports import Database
from quorumsql.stores.values_words import SAME, is_country, same_words

__all__ = ["MemoryValueIndex", "normalise"]

PER_COLUMN = 5_000
MAX_WORDS = 8
MAX_LENGTH = 80
FUZZY_CUTOFF = 86.0
FUZZY_VALUES = 50_000
MAX_HITS = 40
FEW_VALUES = 500
"""Values of a column in which words in small letters are looked up as typing errors."""
SHORT = 5
"""Letters; a shorter word is near to too many."""
MISSPELT_WORDS = 3
DOUBLED = re.compile(r"(.)\1")
STOP = frozenset(
    "a an and are as at be by do does for from has have he how i in is it its me no not of on or "
    "other she show so that the their them there they this to was we were what when where which "
    "who whose why will with you all any each list find give name number many much more most "
    "than total average".split()
)
WORD = re.compile(r"[^\W_]+(?:['’.&+][^\W_]+)*[.+]?", re.UNICODE)


@lru_cache(4_096)
def normalise(text: str) -> str:
    """Return `text` as it is compared: no case, accents, outer punctuation or extra space."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w\s.&+]", " ", plain).split()).strip(". ")


@dataclass(frozen=True, slots=True)
class _Place:
    table: str
    column: str
    value: str


@dataclass(frozen=True, slots=True)
class _Run:
    start: int
    end: int
    words: int
    text: str


class MemoryValueIndex:
    """Values by their normal form. Build once per database, then only read."""

    def __init__(
        self,
        places: Mapping[str, Sequence[_Place]],
        *,
        complete: bool = True,
        is_known: Callable[[str], bool] | None = None,
    ) -> None:
        self._exact = places
        self.complete = complete
        """Whether no column has more values than are kept here."""
        prefixes: dict[str, list[str]] = defaultdict(list)
        for key in places:
            words = key.split()
            for count in range(1, min(len(words), MAX_WORDS)):
                prefixes[" ".join(words[:count])].append(key)
        self._prefixes = prefixes
        self._keys = [key for key in places if len(key) >= 4][:FUZZY_VALUES]
        self._misspelt = _Misspelt(places, is_known) if is_known else None

    @classmethod
    def build(
        cls, database: Database, schema: Schema, *, is_known: Callable[[str], bool] | None = None
    ) -> MemoryValueIndex:
        """Read up to 5,000 distinct values of every text column of `schema`.

        Args:
            database: read through its port.
            schema: what of it may be read.
            is_known: tells words that are no typing errors; without it, words in small letters
                are not looked up as such.
        """
        places: dict[str, list[_Place]] = defaultdict(list)
        complete = True
        for table in schema.tables:
            for column in table.columns:
                if column.kind in {"number", "boolean"}:
                    continue
                found = database.values(table.name, column.name, limit=PER_COLUMN)
                complete = complete and len(found) < PER_COLUMN
                for value in found:
                    if isinstance(value, str) and len(value) <= MAX_LENGTH:
                        key = normalise(value)
                        if key and not key.replace(".", "").isdigit():
                            places[key].append(_Place(table.name, column.name, value))
        return cls(places, complete=complete, is_known=is_known)

    def close(self) -> None:
        """Nothing is held."""

    def mentions(self, text: str) -> tuple[Hit, ...]:
        """Return what `text` mentions, longest and most exact first, at most 40 hits."""
        hits: list[Hit] = []
        covered: set[int] = set()
        runs = sorted(_runs(text), key=lambda run: (-run.words, run.start))
        for run in runs:
            found = list(self._look_up(run))
            if found:
                hits.extend(found)
                covered.update(range(run.start, run.end))
        for run in runs:
            if covered.intersection(range(run.start, run.end)):
                continue
            if other := list(self._otherwise(run)):
                hits.extend(other)
                covered.update(range(run.start, run.end))
            elif _is_name(run, text):
                hits.extend(self._nearly(run))
            elif self._misspelt is not None and run.words <= MISSPELT_WORDS:
                hits.extend(self._misspelt.look_up(run, normalise(run.text)))
        hits.sort(key=lambda hit: (-hit.score, hit.start - hit.end, hit.start))
        return tuple(dict.fromkeys(hits))[:MAX_HITS]

    def _look_up(self, run: _Run) -> Iterator[Hit]:
        key = normalise(run.text)
        if STOP.issuperset(key.split()) or (run.words == 1 and len(key) < 2):
            if not (len(key) == 1 and run.text.isupper() and key != "i" and key != "a"):
                return
        owner = key.removesuffix(" s")  # "Aerosmith's" albums
        for form, score in ((key, 1.0), (owner, 0.97), (_singular(key), 0.95), (key + "s", 0.93)):
            for place in self._exact.get(form, ())[:8]:
                exact = score if place.value == run.text else score - 0.01
                yield _hit(run, place, exact, "exact")
            if form in self._exact:
                return
        if len(key) >= 3:
            for whole in self._prefixes.get(key, ())[:5]:
                for place in self._exact[whole][:3]:
                    yield _hit(run, place, 0.5 + 0.4 * len(key) / len(whole), "prefix")

    def _otherwise(self, run: _Run) -> Iterator[Hit]:
        """Values that the run means by another word."""
        match = "exact" if is_country(run.text) else "fuzzy"
        for word in same_words(run.text):
            for place in self._exact.get(normalise(word), ())[:8]:
                yield _hit(run, place, SAME, match)

    def _nearly(self, run: _Run) -> Iterator[Hit]:
        key = normalise(run.text)
        if len(key) < 4:
            return
        found = process.extract(
            key, self._keys, scorer=fuzz.ratio, score_cutoff=FUZZY_CUTOFF, limit=3
        )
        for whole, score, _ in found:
            for place in self._exact[whole][:3]:
                yield _hit(run, place, 0.9 * score / 100, "fuzzy")


class _Misspelt:
    """Values of columns with few of them, by which a word may be a typing error."""

    def __init__(
        self, places: Mapping[str, Sequence[_Place]], is_known: Callable[[str], bool]
    ) -> None:
        self._is_known = is_known
        sizes = Counter((p.table, p.column) for some in places.values() for p in some)
        few = {address for address, size in sizes.items() if size <= FEW_VALUES}
        self._places: dict[str, list[_Place]] = {}
        self._like: dict[tuple[str, int], list[str]] = defaultdict(list)
        self._doubled: dict[str, list[str]] = defaultdict(list)
        for key, some in places.items():
            own = [place for place in some if (place.table, place.column) in few]
            if own and len(key) >= SHORT and len(key.split()) <= MISSPELT_WORDS:
                self._places[key] = own
                self._like[key[0], len(key)].append(key)
                self._doubled[DOUBLED.sub(r"\1", key)].append(key)

    def look_up(self, run: _Run, key: str) -> Iterator[Hit]:
        """Yield the values that `run`, whose normal form is `key`, is but for an error.

        That is one letter, or letters doubled or not.
        """
        words = key.split()
        if len(key) < SHORT or not words or STOP & {words[0], words[-1]}:
            return
        near = self._doubled.get(DOUBLED.sub(r"\1", key), [])
        if not near and not all(self._is_known(word) for word in words):
            like = (o for n in (-1, 0, 1) for o in self._like.get((key[0], len(key) + n), ()))
            near = [other for other in like if OSA.distance(key, other, score_cutoff=1) == 1]
        for other in near[:3]:
            for place in self._places[other][:3]:
                yield _hit(run, place, 0.9 * (1 - 1 / len(other)), "fuzzy")


def _hit(run: _Run, place: _Place, score: float, match: str) -> Hit:
    return Hit(
        table=place.table,
        column=place.column,
        value=place.value,
        start=run.start,
        end=run.end,
        score=round(score, 4),
        match="exact" if match == "exact" else "prefix" if match == "prefix" else "fuzzy",
    )


def _singular(key: str) -> str:
    if key.endswith("ies") and len(key) > 4:
        return key[:-3] + "y"
    return key[:-1] if key.endswith("s") and not key.endswith("ss") and len(key) > 3 else key


def _is_name(run: _Run, text: str) -> bool:
    """Only names are worth a fuzzy look: capitalised inside the sentence, or quoted."""
    before = text[: run.start].rstrip()
    quoted = before.endswith(("'", '"', "“", "‘")) and run.text[-1].isalnum()
    return bool(before) and (quoted or all(w[0].isupper() for w in run.text.split()))


def _runs(text: str) -> Iterator[_Run]:
    words = [(m.start(), m.end()) for m in WORD.finditer(text)]
    for first in range(len(words)):
        for last in range(first, min(first + MAX_WORDS, len(words))):
            start, end = words[first][0], words[last][1]
            yield _Run(start, end, last - first + 1, text[start:end])
            if text[end - 1] in ".":  # a sentence's full stop, or that of an abbreviation
                yield _Run(start, end - 1, last - first + 1, text[start : end - 1])
