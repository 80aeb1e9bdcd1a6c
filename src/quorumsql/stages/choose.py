"""Group candidates by their result, then choose: who agrees, and who is usually right.

`choose` is XiYan-SQL's selection (arXiv 2507.04701, Algorithm 3) without its language
model: a unanimous ensemble gives its shortest SQL; otherwise the order in which the paper
shows candidates to its selector (groups by votes, members of a group by their measured
accuracy) decides by itself. `majority` is the plain vote for pools of unknown origin.
`Ranked` and `Majority` are the two as selectors.

An empty result votes like any other, since no row can be the right answer, but where votes
are equal a result with rows wins: wrong conditions mostly end in nothing.

What is not covered: reading the question. All rules here see SQL, results and weights only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from quorumsql.domain import Candidate, Choice, Group, Question, Rows, Schema
from quorumsql.results import group_results
from quorumsql.sql import is_ordered

__all__ = [
    *("Majority", "Ranked", "by_length", "choose", "group", "majority", "preferring", "ran"),
    "voted",
]

Rule: TypeAlias = Literal["unanimous", "vote", "judged", "approved", "none"]
SLIGHT = 0.1
"""What weighs so little beside the heaviest of its group is not shown for it, however short: it may
have left out a condition that all rows happen to meet."""
_Order: TypeAlias = Callable[[int], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Majority:
    """The plain vote as a `Selector`."""

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the choice of `majority`."""
        del question
        return majority(candidates, dialect=schema.dialect)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The vote by weights and measured places of generators as a `Selector`."""

    ranks: Mapping[str, int] = field(default_factory=dict)

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the choice of `choose`."""
        del question
        return choose(candidates, ranks=self.ranks, dialect=schema.dialect)


def choose(candidates: Sequence[Candidate], *, ranks: Mapping[str, int], dialect: str) -> Choice:
    """Choose among candidates that have run, votes being their weights.

    Args:
        candidates: those that failed or have weight 0 have no vote.
        ranks: place of each generator by accuracy on held-out databases, 0 for the best;
            a generator that is not named comes last.
        dialect: the SQL they are written in.

    Returns:
        The chosen group first, the others by votes. `confidence` is the chosen group's
        share of all votes, not calibrated. Without any vote, `candidate` is None.
    """
    voters = [i for i, c in enumerate(candidates) if ran(c) and c.weight > 0]
    last = len(ranks)

    def order(index: int) -> tuple[Any, ...]:
        one = candidates[index]
        return (ranks.get(one.generator, last), -round(one.weight, 9), *by_length(one))

    groups = _ranked(candidates, voters, order, dialect, lambda i: candidates[i].weight)
    if not groups:
        return Choice(candidate=None)
    together = _unanimous(candidates, voters, groups)
    if together is None:
        return _choice(groups, "vote", groups[0].members[0])
    groups = (together, *(g for g in groups if g is not together))
    least = SLIGHT * max(candidates[i].weight for i in together.members)
    meant = [i for i in together.members if candidates[i].weight >= least]
    shortest = min(meant, key=lambda i: (by_length(candidates[i]), order(i)))
    return _choice(groups, "unanimous", shortest)


def majority(candidates: Sequence[Candidate], *, dialect: str) -> Choice:
    """Choose by one vote per candidate that ran; ties go to the shortest SQL.

    Neither weights, names nor the order of `candidates` matter to the SQL that is chosen.
    """
    return voted(candidates, lambda _: 1.0, dialect=dialect)


def voted(
    candidates: Sequence[Candidate], votes: Callable[[Candidate], float], *, dialect: str
) -> Choice:
    """Choose the group with most votes, in it the shortest SQL; ties go to the shortest SQL.

    Args:
        candidates: those that failed have no vote.
        votes: what one candidate's vote counts, 0 or more. Where nobody's counts, all are equal.
        dialect: the SQL they are written in.
    """
    voters = [i for i, c in enumerate(candidates) if ran(c)]
    if not any(votes(candidates[i]) > 0 for i in voters):
        votes = _alike

    def order(index: int) -> tuple[Any, ...]:
        return (*by_length(candidates[index]), candidates[index].generator)

    groups = _ranked(candidates, voters, order, dialect, lambda i: votes(candidates[i]))
    if not groups:
        return Choice(candidate=None)
    rule: Literal["unanimous", "vote"] = "unanimous" if len(groups) == 1 else "vote"
    return _choice(groups, rule, groups[0].members[0])


def group(
    candidates: Sequence[Candidate], voters: Sequence[int], *, dialect: str
) -> tuple[tuple[int, ...], ...]:
    """Split the indexes `voters` into sets with the same result, in order of appearance.

    A statement that orders its rows agrees only with statements that order them alike:
    whether the question asked for an order is part of what the vote is about. Results of
    one row have no order.
    """
    ran = [(i, rows) for i in voters if isinstance(rows := candidates[i].final.execution, Rows)]
    ordered = [
        # Looking for the word first spares most texts the parsing.
        (len(rows.rows) > 1 or rows.digest is not None)
        and "order" in candidates[i].sql.lower()
        and is_ordered(candidates[i].sql, dialect)
        for i, rows in ran
    ]
    parts = group_results([rows for _, rows in ran], ordered)
    return tuple(tuple(ran[position][0] for position in part) for part in parts)


def preferring(choice: Choice, index: int, *, rule: Rule) -> Choice:
    """Return `choice` with the candidate at `index`, its group first and its votes as confidence.

    The candidate is in one of the groups.
    """
    own = next(one for one in choice.groups if index in one.members)
    groups = (own, *(one for one in choice.groups if one is not own))
    return replace(choice, candidate=index, groups=groups, confidence=own.votes, rule=rule)


def _ranked(
    candidates: Sequence[Candidate],
    voters: Sequence[int],
    order: _Order,
    dialect: str,
    vote: Callable[[int], float],
) -> tuple[Group, ...]:
    """Groups by votes, ties by `order` of their best member; members by `order`."""

    def votes(members: Sequence[int]) -> float:
        return math.fsum(map(vote, members))  # in any order the same

    total = votes(voters)
    groups = [
        Group(members=tuple(sorted(part, key=order)), votes=votes(part) / total)
        for part in group(candidates, voters, dialect=dialect)
    ]

    def place(one: Group) -> tuple[Any, ...]:
        best = one.members[0]
        return (-round(one.votes, 9), candidates[best].status == "empty", order(best))

    return tuple(sorted(groups, key=place))


def _unanimous(
    candidates: Sequence[Candidate], voters: Sequence[int], groups: Sequence[Group]
) -> Group | None:
    """The group that holds every generator's likeliest survivor, if there is one."""
    best: dict[str, int] = {}
    for index in sorted(voters, key=lambda i: (-candidates[i].weight, *by_length(candidates[i]))):
        best.setdefault(candidates[index].generator, index)
    tops = set(best.values())
    return next((g for g in groups if tops <= set(g.members)), None)


def _choice(
    groups: tuple[Group, ...], rule: Literal["unanimous", "vote"], candidate: int
) -> Choice:
    return Choice(candidate=candidate, groups=groups, confidence=groups[0].votes, rule=rule)


def _alike(_: Candidate) -> float:
    return 1.0


def ran(candidate: Candidate) -> bool:
    """Whether the database gave rows, if only none."""
    return isinstance(candidate.final.execution, Rows)


def by_length(candidate: Candidate) -> tuple[int, str, str]:
    """Return what sorts the shortest SQL first, whatever its white space."""
    text = " ".join(candidate.sql.split())
    return (len(text), text, candidate.sql)
