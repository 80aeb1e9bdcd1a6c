"""How people say the names of a schema: singular, plural, short, and who counts as a person.

What is not covered: languages other than English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quorumsql.domain import ColumnRef, Schema
from quorumsql.naming import readable, stem

__all__ = ["NameKey", "Names", "article", "load_names", "plural", "singular"]

NameKey = tuple[str, str, str]
"""Database, table, column ("" for the table itself), in lower case."""

IRREGULAR = {
    "person": "people", "child": "children", "man": "men", "woman": "women", "foot": "feet",
    "staff": "staff", "series": "series", "species": "species", "information": "information",
    "aircraft": "aircraft", "faculty": "faculty", "media": "media", "news": "news",
    "status": "statuses", "address": "addresses", "bus": "buses", "data": "data",
    "equipment": "equipment", "policy": "policies", "details": "details", "gas": "gas",
    "physics": "physics", "gender": "genders", "press": "press", "furniture": "furniture",
}  # fmt: skip
SINGULAR = {many: one for one, many in IRREGULAR.items()} | {"movies": "movie", "mice": "mouse"}
BEFORE_HEAD = re.compile(r" (?:of|in|for|at|by|on|to|with|per) ")
PERSONS = frozenset(
    "person people student singer employee customer player teacher author actor director artist "
    "member user driver physician patient nurse instructor professor advisor guest client reviewer "
    "visitor pilot wrestler journalist entrepreneur candidate voter coach staff worker manager "
    "owner dog_owner head host captain musician participant athlete swimmer rider climber "
    "poker gymnast editor writer performer cast donator scientist individual teller trainee agent "
    "resident tenant lawyer judge doctor producer perpetrator friend kid rapper composer dancer "
    "friend highschooler inspector technician official faculty tourist investor lender".split()
)
JUNK = frozenset("ref reference tbl table list data info".split())
NO_NOUN = frozenset("in of for to on at by from with booked takes has".split())
"""Words that cannot end a name that stands for rows, and have no plural."""
VERBS = frozenset(
    "prescribes prescribe traverse trained takes teaches visits lives plays played has have own "
    "undergoes undergo affiliated appear writes write likes like perform performs cite drive "
    "belongs works participates manufacture written made directed".split()
)
"""Words that a table of links begins with, so that its name is no noun."""
NO_PLURAL = NO_NOUN | frozenset("held taken won lost sold made paid active".split())
SPELLED = {"num": "number", "nums": "number", "desc": "description", "qty": "quantity",
           "amt": "amount", "addr": "address", "dept": "department"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """The words for the tables (singular) and columns (as declared) of one schema."""

    tables: Mapping[str, str]
    columns: Mapping[ColumnRef, str]

    @classmethod
    def of(cls, schema: Schema, database: str, known: Mapping[NameKey, str]) -> Names:
        """Take the words that Spider's annotators gave, else the identifiers as words."""
        tables, columns = {}, {}
        for table in schema.tables:
            key = (database, table.name.lower(), "")
            tables[table.name] = _table(known.get(key) or readable(table.bare_name))
            for column in table.columns:
                key = (database, table.name.lower(), column.name.lower())
                words = known.get(key) or readable(column.name)
                columns[ColumnRef(table=table.name, column=column.name)] = _column(words)
        return cls(tables, columns)

    def short(self, ref: ColumnRef) -> str:
        """The words of a column without those of its table: "singer name" becomes "name"."""
        own = {stem(word) for word in self.tables[ref.table].split()}
        words = self.columns[ref].split()
        rest = [word for word in words if stem(word) not in own]
        return " ".join(rest) if rest and words[-1] == rest[-1] else self.columns[ref]

    def is_person(self, table: str) -> bool:
        """Whether the rows of `table` are people, so that "who" may ask for them."""
        return head(self.tables[table]) in PERSONS

    def sayable(self, words: str) -> bool:
        """Whether `words` are words: "t1" or "a b c d e" are not."""
        parts = words.split()
        return (
            1 <= len(parts) <= 4
            and parts[-1] not in NO_NOUN
            and all(p.isalpha() and (len(p) > 2 or p in OK) for p in parts)
        )

    def is_noun(self, table: str) -> bool:
        """Whether the name of `table` can stand for its rows."""
        words = self.tables[table]
        return self.sayable(words) and head(words) not in NO_NOUN and words.split()[0] not in VERBS


OK = frozenset("id of in to on by at no".split())


def _table(words: str) -> str:
    parts = words.lower().split()
    while len(parts) > 1 and parts[0] in JUNK:
        parts = parts[1:]
    while len(parts) > 1 and parts[-1] in JUNK:
        parts = parts[:-1]
    return singular(" ".join(parts))


def _column(words: str) -> str:
    parts = [SPELLED.get(part, part) for part in words.lower().split()]
    if len(parts) == 2 and parts[0] == "number" and _plural(parts[1]) == parts[1]:
        parts.insert(1, "of")
    return " ".join(parts)


def head(words: str) -> str:
    """The noun that carries the number: "date" of "date of birth"."""
    before = BEFORE_HEAD.split(words, maxsplit=1)[0]
    return before.split()[-1] if before.split() else words


def _on_head(words: str, count: int) -> str:
    parts = BEFORE_HEAD.split(words, maxsplit=1)
    rest = words[len(parts[0]) :]
    own = parts[0].split()
    if not own:
        return words
    own[-1] = _plural(own[-1]) if count > 1 else _singular(own[-1])
    return " ".join(own) + rest


def plural(words: str) -> str:
    """Return `words` for several: "date of birth" becomes "dates of birth"."""
    return _on_head(words, 2)


def singular(words: str) -> str:
    """Return `words` for one: "car makers" becomes "car maker"."""
    return _on_head(words, 1)


def _plural(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in SINGULAR or _singular(word) != word or word in NO_PLURAL or word.endswith("ed"):
        return word
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _singular(word: str) -> str:
    if word in SINGULAR:
        return SINGULAR[word]
    if word in IRREGULAR or len(word) < 4:
        return word[:-1] if word == "ids" else word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def article(text: str) -> str:
    """Return `text` with each "a" and "an" as the next word's sound asks."""

    def fit(match: re.Match[str]) -> str:
        vowel = re.match(r"(?!uni|use|one|eu)[aeiou]|hour|mp3", match[2], re.IGNORECASE)
        return match[1][0] + ("n" if vowel else "") + " " + match[2]

    return re.sub(r"\b([Aa]n?) (\w+)", fit, text)


def load_names(data: Path) -> dict[NameKey, str]:
    """Read the names that Spider's annotators gave its schemas; empty without tables.json."""
    path = data / "tables.json"
    if not path.is_file():
        return {}
    found: dict[NameKey, str] = {}
    for row in json.loads(path.read_text(encoding="utf-8")):
        database = row["db_id"]
        tables = [name.lower() for name in row["table_names_original"]]
        for own, words in zip(tables, row["table_names"], strict=True):
            found[database, own, ""] = words
        pairs = zip(row["column_names_original"], row["column_names"], strict=True)
        for (number, own), (_, words) in pairs:
            if number >= 0:
                found[database, tables[number], own.lower()] = words
    return found
