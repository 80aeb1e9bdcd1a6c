"""Two results that are about as likely: in words, where their SQL differs, with the rows that do.

That is the question to ask back: "Do you mean … or …?". Clauses are compared one by one
(`explain.clauses`), and only what one of the two does is said of it.

What is not covered: a third reading; and two statements that differ in how they are written only,
which have one result and are one group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Final

from quorumsql.domain import Candidate, Choice, Group, Reading, Row, Rows
from quorumsql.explain import Clauses, clauses, explain

__all__ = ["TIE", "apart", "missing_rows", "readings", "tied"]

TIE: Final = 0.04
"""Two results tie where their shares of the vote differ by less."""
_RIVAL: Final = 0.5
"""Of an abstention two readings are shown where the second has this much of the first's votes."""
_SHOWN: Final = 5
_COMPARED: Final = 10_000


def tied(choice: Choice) -> bool:
    """Whether another result has about as many votes as the chosen one."""
    votes = [group.votes for group in choice.groups[:2]]
    return len(votes) == 2 and abs(votes[0] - votes[1]) < TIE


def readings(
    choice: Choice, candidates: Sequence[Candidate], dialect: str, *, abstained: bool
) -> tuple[Reading, ...]:
    """Return the two readings that a person should choose between, the chosen one first.

    None where one result stands out. Of an answer they are two that tie; of an abstention also
    two of which the second has at least half of the first's votes.
    """
    if len(choice.groups) < 2:
        return ()
    first, second = choice.groups[:2]
    rival = abstained and second.votes >= _RIVAL * first.votes
    if not (rival or tied(choice)):
        return ()
    here, there = _spokesman(first, choice, candidates), second.members[0]
    one, other = candidates[here].final.execution, candidates[there].final.execution
    if not isinstance(one, Rows) or not isinstance(other, Rows):
        return ()
    words = apart(candidates[here].sql, candidates[there].sql, dialect)
    return (
        _reading(here, candidates, first.votes, words[0], one, missing_rows(one, other)),
        _reading(there, candidates, second.votes, words[1], other, missing_rows(other, one)),
    )


def apart(one: str, other: str, dialect: str) -> tuple[str, str]:
    """Return what each of two statements does that the other does not, in words.

    Where their clauses cannot be compared, each is told in full.
    """
    for named in (False, True):  # with tables named, where columns alone say the same
        pair = clauses(one, dialect, tables=named), clauses(other, dialect, tables=named)
        if pair[0] is None or pair[1] is None:
            break
        here, there = _differences(pair[0], pair[1]), _differences(pair[1], pair[0])
        if here and here != there:
            return _listed(here), _listed(there)
    told = explain(one, dialect), explain(other, dialect)
    if told[0] == told[1]:
        told = " ".join(one.split()), " ".join(other.split())
    one, other = (f"does this: {words.rstrip('.')}" for words in told)
    return one, other


def missing_rows(here: Rows, there: Rows) -> tuple[Row, ...]:
    """Return the first rows that `here` has and `there` has not, repeated rows counted.

    As everywhere, the order of columns makes no difference.
    """
    left = Counter(map(_same, islice(there.rows, _COMPARED)))
    found: list[Row] = []
    for row in islice(here.rows, _COMPARED):
        if left[_same(row)]:
            left[_same(row)] -= 1
        elif len(found) < _SHOWN:
            found.append(row)
    return tuple(found)


def _spokesman(group: Group, choice: Choice, candidates: Sequence[Candidate]) -> int:
    """The chosen candidate where it is in the group, else the group's first."""
    chosen = choice.candidate
    inside = chosen is not None and chosen in group.members and chosen < len(candidates)
    return chosen if inside and chosen is not None else group.members[0]


def _reading(
    place: int,
    candidates: Sequence[Candidate],
    votes: float,
    words: str,
    rows: Rows,
    only: tuple[Row, ...],
) -> Reading:
    return Reading(
        candidate=place,
        sql=candidates[place].sql,
        votes=votes,
        words=words,
        columns=rows.columns,
        row_count=len(rows.rows),
        only_here=only,
    )


def _differences(here: Clauses, there: Clauses) -> list[str]:
    """What `here` does otherwise, one phrase per clause."""
    found = []
    for part, say in _PHRASES.items():
        own, others = here.get(part, ()), there.get(part, ())
        if Counter(own) != Counter(others) or (part == "order" and own != others):
            found.append(say(own, others))
    return found


def _shows(own: Sequence[str], _: Sequence[str]) -> str:
    return f"shows {_joined(own)}"


def _looks(own: Sequence[str], others: Sequence[str]) -> str:
    more, less = _beyond(own, others), _beyond(others, own)
    return f"looks at {_joined(more)}" if more else f"does not look at {_joined(less)}"


def _keeps(what: str) -> Callable[[Sequence[str], Sequence[str]], str]:
    def say(own: Sequence[str], others: Sequence[str]) -> str:
        more, less = _beyond(own, others), _beyond(others, own)
        if more:
            return f"keeps only {what} where {_joined(more)}"
        return f"does not ask that {_joined(less)}"

    return say


def _per(own: Sequence[str], _: Sequence[str]) -> str:
    return f"has one line per {_joined(own)}" if own else "does not group"


def _once(own: Sequence[str], _: Sequence[str]) -> str:
    return "shows each line once" if own else "keeps duplicates"


def _sorts(own: Sequence[str], _: Sequence[str]) -> str:
    return f"sorts by {'; then '.join(own)}" if own else "does not sort"


def _stops(own: Sequence[str], _: Sequence[str]) -> str:
    return f"shows at most {_joined(own)}" if own else "shows all lines"


_PHRASES: Final[Mapping[str, Callable[[Sequence[str], Sequence[str]], str]]] = MappingProxyType(
    {
        "columns": _shows,
        "distinct": _once,
        "tables": _looks,
        "filter": _keeps("rows"),
        "group": _per,
        "having": _keeps("lines"),
        "order": _sorts,
        "limit": _stops,
    }
)


def _beyond(own: Sequence[str], others: Sequence[str]) -> list[str]:
    return list((Counter(own) - Counter(others)).elements())


def _listed(phrases: Sequence[str]) -> str:
    return "; ".join(phrases)


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _same(row: Row) -> str:
    """A text that is equal for equal rows, columns in any order; 1 and 1.0 are one number."""
    cells = (float(v) if isinstance(v, int) and abs(v) < 2**53 else v for v in row)
    return repr(sorted(map(repr, cells)))
