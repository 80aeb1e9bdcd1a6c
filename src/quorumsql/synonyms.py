"""What a schema calls otherwise than a question: "clients" for `customer`, "born on" for `dob`.

Whoever asks does not know how columns are called. What reads a schema beside a question reads
such names in the question's words, so that both say the same. A word of the question that the
schema has stays as it is, and so does one that could stand for several of its words.

The groups of words of like meaning are our own (`synonyms.txt`). How much a parser loses where
questions and names differ was measured first by Gan et al. 2021 (Spider-Syn, arXiv 2106.01065).

What is not covered: meanings that the rest of a question decides, verbs, and other languages
than English.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

from quorumsql.domain import Hit, Schema
from quorumsql.kept import Kept
from quorumsql.naming import readable, singular, stem

__all__ = ["Place", "Synonyms", "Thesaurus", "synonyms", "thesaurus"]

Place: TypeAlias = tuple[str, str | None]
"""A table and a column of it, or None for the table itself."""
Phrase: TypeAlias = tuple[str, ...]

_WORDS = Path(__file__).with_name("synonyms.txt")
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ASKING = frozenset(
    "show list order record make start end begin finish win lose share sort group set draw pass "
    "run number count sum total average mean time call answer question request return report "
    "display second hold live work play act like first last top best most part can use charge way "
    "line type kind result".split()
)
"""Words that ask for something as often as they name it; alone they stand for no name."""
_GENERAL = frozenset("name title type code number date id".split())
"""Words that end many names: only a name that is no more than this says the same."""


class Thesaurus:
    """Groups of phrases that mean the same; never changes after it is made."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read groups, one per line, in lower case: `customer, client / cust | shopper`.

        What stands after "/" is only a name, what stands after "|" is only said.
        """
        self._groups: list[tuple[Phrase, ...]] = []
        self._said: defaultdict[Phrase, list[int]] = defaultdict(list)
        self._spelt: dict[Phrase, str] = {}
        for line in lines:
            if line.strip() and not line.startswith("#"):
                self._add(line)
        self.longest = max(map(len, self._spelt), default=0)
        self.known = frozenset(self._spelt).union(*self._groups)

    def _add(self, line: str) -> None:
        rest, _, said = line.partition("|")
        both, _, short = rest.partition("/")
        names = dict(_phrases(both))
        for phrase, spelt in (names | dict(_phrases(said))).items():
            if len(phrase) > 1 or phrase[0] not in _ASKING:
                self._spelt.setdefault(phrase, spelt)
                self._said[phrase].append(len(self._groups))
        self._groups.append((*names, *dict(_phrases(short))))

    def names_for(self, phrase: Phrase) -> Iterable[Phrase]:
        """Return what a phrase may be called, in the singular."""
        groups = self._said.get(phrase, ())
        return dict.fromkeys(n for group in groups for n in self._groups[group] if n != phrase)

    def spelt(self, phrase: Phrase) -> str:
        """Return a phrase as the thesaurus spells it."""
        return self._spelt[phrase]

    def __contains__(self, phrase: Phrase) -> bool:
        return phrase in self._spelt


def _phrases(text: str) -> Iterator[tuple[Phrase, str]]:
    for part in text.split(","):
        if words := part.split():
            yield tuple(map(singular, words)), " ".join(words)


def _phrase(words: Iterable[str]) -> Phrase:
    return tuple(singular(word.lower()) for word in words)


@cache
def thesaurus() -> Thesaurus:
    """Return the one that ships."""
    return Thesaurus(_WORDS.read_text(encoding="utf-8").splitlines())


class _Names:
    """The names of a schema: which phrases are in them, and which they consist of.

    Of phrases that the thesaurus does not know nothing is kept; a schema has thousands.
    """

    def __init__(self, schema: Schema, words: Thesaurus) -> None:
        self._words = words
        self.names: dict[Place, str] = {}
        self.whole: set[Phrase] = set()
        self.places: defaultdict[Phrase, list[Place]] = defaultdict(list)
        for table in schema.tables:
            own = self._add((table.name, None), table.bare_name)
            for column in table.columns:
                phrase = self._add((table.name, column.name), column.name)
                if phrase[: len(own)] == own:  # singer.singer_name
                    self.whole.add(phrase[len(own) :])

    def _add(self, place: Place, name: str) -> Phrase:
        self.names[place] = name
        phrase = _phrase(_words_of(name))
        self.whole.add(phrase)
        for first in range(len(phrase)):
            for end in range(first + 1, min(first + self._words.longest, len(phrase)) + 1):
                if phrase[first:end] in self._words.known:
                    self.places[phrase[first:end]].append(place)
        return phrase


def _words_of(name: str) -> list[str]:
    return (readable(name) or name).split()


class Synonyms:
    """Finds other words for the names of one schema after another. Safe for threads."""

    def __init__(self, words: Thesaurus | None = None) -> None:
        """Take a thesaurus, or the one that ships."""
        self._words = thesaurus() if words is None else words
        self._names = Kept(self._of_schema)

    def _of_schema(self, schema: Schema) -> _Names:
        return _Names(schema, self._words)

    def said(self, question: str, schema: Schema, hits: Sequence[Hit] = ()) -> dict[str, str]:
        """Return words of `question` that stand for words of `schema`, with those.

        What the question mentions of the data says nothing of names.
        """
        names = self._names.of(schema)
        found: dict[str, str] = {}
        for text, _, name in self._meant(question, names, hits):
            words = _words_of(names.names[names.places[name][0]])
            first = _place(name, _phrase(words)) or 0
            found.setdefault(text, " ".join(words[first : first + len(name)]))
        return found

    def names(self, question: str, schema: Schema, hits: Sequence[Hit] = ()) -> dict[Place, str]:
        """Return names of `schema` as words, the question's in the place of the schema's.

        Those are missing of which the question says nothing in other words.
        """
        names = self._names.of(schema)
        found: dict[Place, str] = {}
        for _, phrase, name in self._meant(question, names, hits):
            for place in names.places[name]:
                words = found[place].split() if place in found else _words_of(names.names[place])
                first = _place(name, _phrase(words))
                if first is not None:
                    found[place] = " ".join((*words[:first], phrase, *words[first + len(name) :]))
        return found

    def _meant(
        self, question: str, names: _Names, hits: Sequence[Hit]
    ) -> Iterator[tuple[str, str, Phrase]]:
        """Yield words of the question, as the thesaurus spells them, and what they stand for."""
        places = [match.span() for match in _WORD.finditer(question)]
        asked = _phrase(question[start:end] for start, end in places)
        values = [match.span() for match in _QUOTED.finditer(question)]
        values += [(hit.start, hit.end) for hit in hits if hit.match == "exact"]
        here = 0
        while here < len(asked):
            end, found = self._longest(asked, here, names)
            start, stop = places[here][0], places[end - 1][1]
            free = all(stop <= low or high <= start for low, high in values)
            if found and free and (here == 0 or not question[start].isupper()):
                text = question[start:stop]
                for name in found:
                    yield text, self._spelt(asked[here:end], text), name
            here = here + 1 if found else end  # "name of the nation", and then the nation

    def _spelt(self, phrase: Phrase, text: str) -> str:
        """The words that members find in the question again, in the singular where they can."""
        spelt = self._words.spelt(phrase)
        same = [stem(w) for w in spelt.split()] == [stem(w) for w in text.split()]
        return spelt if same else text.lower()

    def _longest(self, asked: Phrase, here: int, names: _Names) -> tuple[int, list[Phrase]]:
        """Where the longest phrase ends that the schema knows, and what of it that stands for."""
        for end in range(min(here + self._words.longest, len(asked)), here, -1):
            phrase = asked[here:end]
            if phrase in (names.whole if phrase[-1] in _GENERAL else names.places):
                return end, []
            if phrase in self._words and (found := self._found(phrase, asked, names)):
                return end, found
        return here + 1, []

    def _found(self, phrase: Phrase, asked: Phrase, names: _Names) -> list[Phrase]:
        """The one phrase of the schema that `phrase` stands for, and parts of it that stand alone.

        None that the question says itself; none at all where several could be meant.
        """
        found = [name for name in self._words.names_for(phrase)
                 if name in names.places and not _in(name, asked)]  # fmt: skip
        longest = [one for one in found if not any(one != o and _in(one, o) for o in found)]
        if len(longest) > 1:
            longest = [one for one in longest if one in names.whole]
        if len(longest) != 1:
            return []
        return sorted((one for one in found if _in(one, longest[0])), key=len, reverse=True)


@cache
def synonyms() -> Synonyms:
    """Return the one that stages share for whole schemas: what it keeps of a large one costs."""
    return Synonyms()


def _in(phrase: Phrase, text: Phrase) -> bool:
    return _place(phrase, text) is not None


def _place(phrase: Phrase, text: Phrase) -> int | None:
    """Where `phrase` begins in `text`, if it stands there."""
    ends = range(len(text) - len(phrase) + 1)
    return next((n for n in ends if text[n : n + len(phrase)] == phrase), None)
