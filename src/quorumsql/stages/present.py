"""Show candidates to a selector in the order that helps it, and only where it must choose.

XiYan-SQL's selection (arXiv 2507.04701, Algorithm 3, see `select.listed` for the order): a
unanimous pool gives its shortest statement without asking. Otherwise groups of equal results stand
by size, members of a group by the measured accuracy of their generators; where the largest group
holds half of all candidates the selector sees them all, else the shortest of each group. Who reads
from the top favours what stands there, so the order carries the vote as a prior.

What is not covered: selectors that do not care about order. They lose nothing and gain only the
question that is not asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from quorumsql.domain import Candidate, Choice, Group, Question, Schema
from quorumsql.ports import Selector
from quorumsql.stages.choose import by_length, majority, preferring
from quorumsql.stages.select import listed

__all__ = ["FirstShown", "Presented"]


@dataclass(frozen=True, slots=True)
class FirstShown:
    """The selector that takes what stands first: what the order alone is worth."""

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the first candidate, of which there must be one."""
        del question, candidates, schema
        alone = Group(members=(0,), votes=1.0)
        return Choice(candidate=0, groups=(alone,), confidence=1.0, rule="judged")


@dataclass(frozen=True, slots=True)
class Presented:
    """Algorithm 3 around any selector. `ranks` are places by accuracy, 0 for the best."""

    reader: Selector
    ranks: Mapping[str, int] = field(default_factory=dict)

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the reader's choice among what it was shown, its group first."""
        vote = majority(candidates, dialect=schema.dialect)
        if vote.candidate is None or vote.rule == "unanimous":
            return vote
        # In an order that the caller's cannot change, since equal places keep it.
        places = sorted(range(len(candidates)), key=lambda i: by_length(candidates[i]))
        sorted_pool = [candidates[i] for i in places]
        order = listed(sorted_pool, _moved(vote, places), ranks=self.ranks)
        shown = [sorted_pool[index] for index in order]
        found = self.reader.choose(question, shown, schema)
        if found.candidate is None:
            return vote
        return preferring(vote, places[order[found.candidate]], rule="judged")


def _moved(vote: Choice, places: Sequence[int]) -> Choice:
    """The vote in the numbers of the sorted pool."""
    now = {before: after for after, before in enumerate(places)}
    groups = tuple(
        replace(group, members=tuple(now[index] for index in group.members))
        for group in vote.groups
    )
    return replace(vote, groups=groups)
