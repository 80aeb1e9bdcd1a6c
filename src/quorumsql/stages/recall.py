"""A question that somebody has solved already: its approved SQL answers it, and no model is asked.

The words have to be the same, or differ only in values that stand in the SQL as well: names that
the database stores in the same column, quoted texts, numbers, dates and years. Each has to be found
in the SQL in one way only; whatever is not sure is left to the generators.

What is not covered: other words for the same question, and numbers that are spelled out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.domain import Attempt, Candidate, Choice, Execution, Group, Hit, Question
from quorumsql.prompts.write import Shot
from quorumsql.skeletons import skeleton_of

__all__ = ["APPROVED", "EXAMPLES", "LIKE_APPROVED", "Recall", "Recalled"]

EXAMPLES: Final = "examples"
"""What the candidate's generator is called."""
APPROVED: Final = 0.99
"""How sure an answer is whose SQL somebody approved for this very question."""
LIKE_APPROVED: Final = 0.97
"""The same with other values. `benchmarks/recall.py` finds all right where only a value differs."""

_SLOT = re.compile(r"<[^<>]+>")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d(?!\d)")
_RELATIVE = re.compile(
    r"\b(?:ago|current(?:ly)?|last|next|now|past|previous|recent(?:ly)?|so far|this|to ?day|"
    r"to ?morrow|yesterday)\b",
    re.IGNORECASE,
)


class Approved(Protocol):
    """The solved questions of one database that somebody approved."""

    def approved(self) -> Sequence[Shot]:
        """Return them, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Recalled:
    """The SQL that answers a question, and the question that it was approved for.

    `same` tells whether that has the same words; else values were exchanged.
    """

    sql: str
    question: str
    same: bool

    def voted(self, found: Execution) -> tuple[tuple[Candidate, ...], Choice]:
        """Return the one candidate, which has run, and that it is chosen."""
        one = Candidate(generator=EXAMPLES, attempts=(Attempt(sql=self.sql, execution=found),))
        return (one,), Choice(
            candidate=0,
            groups=(Group(members=(0,), votes=1.0),),
            confidence=APPROVED if self.same else LIKE_APPROVED,
            rule="approved",
        )


class Recall:
    """Finds the approved question that asks the same."""

    def __init__(self, approved: Approved) -> None:
        """Take what is approved; it is read again for every question, so that it may grow."""
        self._approved = approved

    def like(self, question: Question, hits: Sequence[Hit]) -> Recalled | None:
        """Return what answers `question`, the last approved first; `hits` are its values."""
        shots = [s for s in self._approved.approved() if _fits(s, question)]
        shots.reverse()
        wanted = _plain(question.text)
        for shot in shots:
            if _plain(shot.question) == wanted:
                return Recalled(shot.sql, shot.question, same=True)
        skeleton = skeleton_of(question.text, hits)
        for shot in shots:
            if _plain(shot.skeleton) == _plain(skeleton):
                sql = _exchanged(shot, question.text, skeleton, hits)
                if sql is not None:
                    return Recalled(sql, shot.question, same=False)
        return None


def _fits(shot: Shot, question: Question) -> bool:
    """Whether the SQL still means what the words say: not where they count from today on."""
    if question.evidence.strip() not in {"", shot.evidence.strip()}:
        return False
    return not (_RELATIVE.search(shot.question) and _YEAR.search(shot.sql))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(" .?!")


def _exchanged(shot: Shot, text: str, skeleton: str, hits: Sequence[Hit]) -> str | None:
    """The shot's SQL with the values of another question; None where it is not clear."""
    before, after = _values(shot.question, shot.skeleton), _values(text, skeleton)
    kinds = _SLOT.findall(skeleton)
    if not len(kinds) == len(before) == len(after) > 0:
        return None
    slots = list(zip(kinds, before, after, strict=True))
    values = _changes(slots, text, hits)
    if values is None:
        return None
    try:
        tree = sqlglot.parse_one(shot.sql, read=shot.dialect or None)
    except (SqlglotError, RecursionError):
        return None
    found = Counter[str]()
    changed = tree.transform(partial(_replaced, values=values, found=found))
    numbers = {_bare(old) for kind, old, _ in slots if kind == "<number>"}
    if any(not found[key] or (found[key] > 1 and key in numbers) for key in values):
        return None
    if any(map(_YEAR.fullmatch, values)) and not all(_of_years(changed, set(after))):
        return None
    return changed.sql(dialect=shot.dialect or None)


def _changes(
    slots: Sequence[tuple[str, str, str]], text: str, hits: Sequence[Hit]
) -> dict[str, str] | None:
    """What stands where now, by what stood there before; None where one stands for two."""
    changed = [slot for slot in slots if slot[1].casefold() != slot[2].casefold()]
    kept = {_bare(old).casefold() for _, old, new in slots if old.casefold() == new.casefold()}
    values: dict[str, str] = {}
    for kind, old, new in changed:
        stored, key = _stored(kind, text, new, hits), _bare(old).casefold()
        if stored is None or key in kept or values.setdefault(key, stored) != stored:
            return None
    return values


def _values(text: str, skeleton: str) -> tuple[str, ...]:
    """What stands in a question where its skeleton has `<…>`; nothing where they do not match."""
    parts = [re.escape(part) for part in _SLOT.split(skeleton)]
    found = re.fullmatch("(.+?)".join(parts), " ".join(text.split()), re.DOTALL)
    return found.groups() if found else ()


def _stored(kind: str, text: str, words: str, hits: Sequence[Hit]) -> str | None:
    """How words of a question stand in SQL: as it is stored, where the kind is a column."""
    if kind in {"<number>", "<year>", "<date>", "<text>"}:
        return _bare(words)
    for hit in sorted(hits, key=lambda h: -h.score):
        column = "_".join(hit.column.split()).lower()
        if f"<{column}>" == kind and text[hit.start : hit.end] == words:
            return str(hit.value)
    return None


def _bare(words: str) -> str:
    """A value without quotation marks, a number without thousands separators."""
    bare = words.strip("'\"“”‘’«»")
    return bare.replace(",", "") if _NUMBER.fullmatch(bare) else bare


def _replaced(node: exp.Expr, values: Mapping[str, str], found: Counter[str]) -> exp.Expr:
    """A literal with the new value for its old one; `found` counts how often there was one."""
    if not isinstance(node, exp.Literal):
        return node
    whole = node.name
    core = whole.strip("%") if node.is_string else whole
    key = core.casefold()
    if key in values and (node.is_string or _NUMBER.fullmatch(values[key])):
        found[key] += 1
        return _literal(node, whole.replace(core, values[key]))
    years = [(old, new) for old, new in values.items() if _YEAR.fullmatch(old)]
    for old, new in years if node.is_string else ():
        if len(years) == 1 and whole.startswith(f"{int(old) + 1}-01-01"):  # the end of that year
            found[old] += 1
            return _literal(node, f"{int(new) + 1}{whole[4:]}")
        if re.match(rf"{old}(?=\D|$)", whole):
            found[old] += 1
            return _literal(node, new + whole[4:])
    return node


def _literal(node: exp.Literal, text: str) -> exp.Literal:
    return exp.Literal(this=text, is_string=node.is_string)


def _of_years(tree: exp.Expr, years: Collection[str]) -> Iterator[bool]:
    """Whether each literal with a year is about one of `years`; the end of one counts."""
    for node in tree.find_all(exp.Literal):
        if found := _YEAR.match(node.name):
            ends = node.name[4:].startswith("-01-01") and str(int(found[0]) - 1) in years
            yield ends or found[0] in years
