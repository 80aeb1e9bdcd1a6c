"""Choose by votes and by reading: a group of equal results is weighed by both.

A reader gives each candidate the log odds that it answers the question (`ports.Reader`). What
its group is worth adds that to its share of the votes, a conditional logit (McFadden 1974) whose
few weights were fitted on questions about databases that neither the members nor the reader had
seen. A pool with one result is not read, as in XiYan-SQL (arXiv 2507.04701, Algorithm 3); what
members agree on is, since it says how sure they may be.

The order of the candidates is never looked at, and no generator is known by name beforehand, so the
rule serves pools of any origin. Where something is known of them, as from `stages.consensus`, votes
may count by it.

What is not covered: calibration; the probability given is among the groups that there are, and
the right result may be in none of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quorumsql.domain import Candidate, Choice, Group, Question, Rows, Schema
from quorumsql.errors import ModelError
from quorumsql.ports import Reader
from quorumsql.stages.choose import choose
from quorumsql.stages.sanity import SIGNS, Sanity
from quorumsql.stages.weighted import Weighted

__all__ = [
    *("FEATURES", "Weigher", "Weights", "contenders", "features", "load_weights", "read_groups"),
    "worth_reading",
]

FEATURES = (
    *("log_share", "share", "best_read", "mean_read", "tops", "empty", "nothing"),
    *SIGNS,
)
"""log_share, share: of the votes. best_read, mean_read: log odds of the best text of the group,
and of all its texts together. tops: share of generators whose first choice is in it. empty: no
rows. nothing: one row of zeros and NULL. bridged: all texts of the group have this sign of
`stages.sanity`. nonsense, undetermined, unheeded: the share of its votes whose texts have it."""

LEAST = 0.05
"""Votes of a group, as a share of the largest one's, below which nobody reads it: it cannot win."""
FAINT = 0.1
"""Votes of a text, as a share of those of its group's heaviest, below which it is not read. On
databases held out of training both together spare three of four texts and change no answer that
could be told apart (docs/experiments.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each feature counts, by name; a feature that is absent counts nothing."""

    of: Mapping[str, float]

    def value(self, row: Mapping[str, float]) -> float:
        """Return what a group with these features is worth."""
        return math.fsum(self.of.get(name, 0.0) * x for name, x in row.items())

    @property
    def read(self) -> bool:
        """Whether what the reader says counts; else nothing is read, and its weights stay away."""
        return not {"best_read", "mean_read"}.isdisjoint(self.of)


class Weigher:
    """A `Selector` that reads, if its weights count what was read."""

    def __init__(
        self,
        reader: Reader,
        weights: Weights,
        *,
        ranks: Mapping[str, int] | None = None,
        votes: Mapping[str, float] | None = None,
    ) -> None:
        """Take a reader and the weights; with `ranks`, members' weights are their votes.

        Without `ranks` every candidate has one vote, times what `votes` gives its generator.
        """
        self._reader, self._weights, self._ranks = reader, weights, ranks
        self._voting, self._sanity = Weighted(votes or {}), Sanity()

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the group that is worth most, and in it the candidate that reads best.

        `confidence` is its probability among the groups, not calibrated.
        """
        choice = (
            self._voting.choose(question, candidates, schema)
            if self._ranks is None
            else choose(candidates, ranks=self._ranks, dialect=schema.dialect)
        )
        if choice.candidate is None or (self._ranks is None and len(choice.groups) == 1):
            return choice
        read: tuple[float, ...] = (-math.inf,) * len(candidates)
        if self._weights.read:
            read = read_groups(self._reader, question, candidates, choice.groups, schema)
        able = contenders(choice.groups)
        signs = self._signs(question, candidates, able, schema)
        rows = features(candidates, able, read, signs)
        values = [self._weights.value(row) for row in rows]
        chances = _softmax(values)
        order = sorted(range(len(values)), key=lambda place: -values[place])
        best = able[order[0]]
        if order[0] == 0 and choice.rule == "unanimous":
            return replace(choice, confidence=chances[0])
        return Choice(
            candidate=_clearest(best, candidates, read),
            groups=(*(able[place] for place in order), *choice.groups[len(able) :]),
            confidence=chances[order[0]],
            rule="vote" if order[0] == 0 else "judged",
        )

    def _signs(
        self,
        question: Question,
        candidates: Sequence[Candidate],
        groups: Sequence[Group],
        schema: Schema,
    ) -> Sequence[Mapping[str, float]]:
        """The signs of the groups' candidates; the others are not looked at."""
        own = sorted(i for group in groups for i in group.members)
        found = self._sanity.each(question, [candidates[i] for i in own], schema)
        known = dict(zip(own, found, strict=True))
        return [known.get(i, {}) for i in range(len(candidates))]


def contenders(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Return the groups that are read, of groups by votes: the first, and all that have `LEAST`."""
    most = max((group.votes for group in groups), default=0.0)
    able = [g for place, g in enumerate(groups) if place == 0 or g.votes >= LEAST * most]
    return tuple(able)


def worth_reading(candidates: Sequence[Candidate], groups: Sequence[Group]) -> frozenset[int]:
    """Return which candidates are read: of each of the `contenders` the texts that most wrote."""
    found: set[int] = set()
    for group in contenders(groups):
        votes: dict[str, float] = {}
        for i in group.members:
            votes[candidates[i].sql] = votes.get(candidates[i].sql, 0.0) + candidates[i].weight
        least = FAINT * max(votes.values(), default=0.0)
        found.update(i for i in group.members if votes[candidates[i].sql] >= least)
    return frozenset(found)


def read_groups(
    reader: Reader,
    question: Question,
    candidates: Sequence[Candidate],
    groups: Sequence[Group],
    schema: Schema,
) -> tuple[float, ...]:
    """Return the log odds of each candidate that is `worth_reading`; all others have -inf."""
    wanted = sorted(worth_reading(candidates, groups))
    scores = reader.score(question, [candidates[i] for i in wanted], schema)
    known = dict(zip(wanted, scores, strict=True))
    return tuple(known.get(i, -math.inf) for i in range(len(candidates)))


def features(
    candidates: Sequence[Candidate],
    groups: Sequence[Group],
    read: Sequence[float],
    signs: Sequence[Mapping[str, float]],
) -> list[dict[str, float]]:
    """Return the features of each group, by name; `signs` are those of `Sanity.each`."""
    tops = _tops(candidates, groups)
    rows: list[dict[str, float]] = []
    for group in groups:
        texts = {candidates[i].sql: read[i] for i in group.members if math.isfinite(read[i])}
        scores = list(texts.values()) or [0.0]
        execution = candidates[group.members[0]].final.execution
        found = execution.rows if isinstance(execution, Rows) else ()
        votes = {i: candidates[i].weight for i in group.members}
        weight = math.fsum(votes.values()) or 1.0
        rows.append(
            {
                "log_share": math.log(max(group.votes, 1e-4)),
                "share": group.votes,
                "best_read": max(scores),
                "mean_read": sum(scores) / len(scores),
                "tops": len(tops & set(group.members)) / max(len(tops), 1),
                "empty": float(not found),
                "nothing": float(len(found) == 1 and all(v in (None, 0) for v in found[0])),
                "bridged": min(signs[i]["bridged"] for i in group.members),
                **{
                    name: math.fsum(vote * signs[i][name] for i, vote in votes.items()) / weight
                    for name in SIGNS[1:]
                },
            }
        )
    return rows


def _tops(candidates: Sequence[Candidate], groups: Sequence[Group]) -> set[int]:
    """The heaviest candidate of every generator."""
    best: dict[str, int] = {}
    for index in sorted(i for group in groups for i in group.members):
        name = candidates[index].generator
        if name not in best or candidates[index].weight > candidates[best[name]].weight:
            best[name] = index
    return set(best.values())


def _clearest(group: Group, candidates: Sequence[Candidate], read: Sequence[float]) -> int:
    return max(
        group.members,
        key=lambda i: (round(read[i], 4), -len(candidates[i].sql), candidates[i].sql),
    )


def _softmax(values: Sequence[float]) -> list[float]:
    highest = max(values)
    shares = [math.exp(value - highest) for value in values]
    return [share / math.fsum(shares) for share in shares]


def load_weights(path: Path) -> Weights:
    """Read the weights of features from a JSON object of names and numbers.

    Raises:
        ModelError: the file is not such an object.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        of = {str(name): float(value) for name, value in record["weights"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} holds no weights ({error!r}); fit them again.") from error
    if unknown := sorted(set(of) - set(FEATURES)):
        raise ModelError(f"{path} weighs features that are not known: {', '.join(unknown)}.")
    return Weights(of=of)
