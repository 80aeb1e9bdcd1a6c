"""Let a language model choose among candidates that have run and disagree.

XiYan-SQL's selection (arXiv 2507.04701, Algorithm 3): a unanimous pool gives its shortest statement
unasked. Otherwise groups of equal results are sorted by size, members of a group by the measured
accuracy of their generators; when the largest group holds half of all candidates the model sees
them all, else the shortest of each group, and replies with one label. The order is part of the
method: models favour what stands first, so it carries the vote as a prior (orders s3, s2; s1 is
the random control). `llm` asks in our words, `xiyan` in those of the released selection prompt;
`duel` compares the two largest groups in both orders, after DeepEye-SQL; `agree` asks what most of
the candidates say.

What is not covered: the embedded selector, and pools that never ran.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Literal, TypeAlias

from quorumsql.domain import Brief, Candidate, Choice, Message, ModelRequest
from quorumsql.prompts import layouts
from quorumsql.prompts.judge import LABELS, Exhibit, agree, choose, exhibit
from quorumsql.prompts.pages import Pages
from quorumsql.replies import label_in
from quorumsql.skeletons import without_literals
from quorumsql.stages.budget import Metered
from quorumsql.stages.choose import preferring
from quorumsql.stages.wording import safe_execution

__all__ = ["METHODS", "ORDERS", "Judge", "Method", "Order", "listed"]

Order: TypeAlias = Literal["s1", "s2", "s3"]
Method: TypeAlias = Literal["llm", "xiyan", "duel", "agree"]
ORDERS: tuple[Order, ...] = ("s1", "s2", "s3")
METHODS: tuple[Method, ...] = ("llm", "xiyan", "duel", "agree")
_LAYOUTS = {"xiyan": layouts.XIYAN}


class Judge:
    """Chooses with a model; asks nothing when there is nothing to choose."""

    def __init__(
        self,
        model: Metered,
        *,
        method: Method = "llm",
        order: Order = "s3",
        pages: Pages | None = None,
    ) -> None:
        """Take who judges and how."""
        self._model, self._method, self._order = model, method, order
        self._pages = pages or Pages()

    def choose(
        self,
        brief: Brief,
        candidates: Sequence[Candidate],
        choice: Choice,
        *,
        ranks: Mapping[str, int],
    ) -> Choice:
        """Return `choice` with the candidate that the model prefers, its group first.

        Args:
            brief: the question and the union of the schemas that the writers saw.
            candidates: the pool.
            choice: the vote on it; it stands when the model's reply cannot be read.
            ranks: place of each generator by accuracy, 0 for the best.

        Raises:
            ModelError: the model does not answer, or the budget is spent.
        """
        if choice.candidate is None or choice.rule == "unanimous" or len(choice.groups) < 2:
            return choice
        if self._method == "duel":
            index = self._duel(brief, candidates, choice)
        else:
            order = listed(candidates, choice, ranks=ranks, order=self._order)
            index = self._label(brief, candidates, order)
        return choice if index is None else preferring(choice, index, rule="judged")

    def _label(
        self, brief: Brief, candidates: Sequence[Candidate], order: Sequence[int]
    ) -> int | None:
        """The candidate whose letter the model writes, or finds likeliest."""
        order = order[: len(LABELS)]
        exhibits = [self._exhibit(brief, candidates[index]) for index in order]
        if self._method == "agree":
            messages = agree(brief, exhibits, self._pages)
        else:
            layout = _LAYOUTS.get(self._method)
            messages = choose(brief, exhibits, self._pages, layout=layout)
        labels = LABELS[: len(order)]
        label = self._answer(messages, labels)
        return order[labels.index(label)] if label is not None else None

    def _duel(self, brief: Brief, candidates: Sequence[Candidate], choice: Choice) -> int | None:
        """The better of the two largest groups; the larger when the order decided."""
        pair = [_shortest(group.members, candidates) for group in choice.groups[:2]]
        exhibits = [self._exhibit(brief, candidates[index]) for index in pair]
        votes: list[int] = []
        for places in ((0, 1), (1, 0)):
            shown = [exhibits[place] for place in places]
            label = self._answer(choose(brief, shown, self._pages), LABELS[:2])
            if label is not None:
                votes.append(places[LABELS.index(label)])
        return pair[1] if votes == [1, 1] else None

    def _exhibit(self, brief: Brief, candidate: Candidate) -> Exhibit:
        sql, execution = candidate.sql, candidate.final.execution
        if self._pages.private:
            if execution is not None:
                execution = safe_execution(execution, sql, brief.schema)
            # An embedded member may have copied the value from a row.
            asked = f"{brief.question.text} {brief.question.evidence}"
            sql = without_literals(sql, brief.schema.dialect, keep=asked)
        return exhibit(sql, execution, private=self._pages.private)

    def _answer(self, messages: tuple[Message, ...], labels: Sequence[str]) -> str | None:
        request = ModelRequest(messages=messages, temperature=0.0, max_tokens=16, logprobs=True)
        reply = self._model.complete(request)[0]
        label = label_in(reply.text, labels)
        if label is not None:
            return label
        likely = {token.strip().upper(): value for token, value in sorted(reply.logprobs.items())}
        known = [one for one in labels if one in likely]
        return max(known, key=lambda one: likely[one]) if known else None


def listed(
    candidates: Sequence[Candidate],
    choice: Choice,
    *,
    ranks: Mapping[str, int],
    order: Order = "s3",
) -> tuple[int, ...]:
    """Return which candidates a selector sees, in which order (Algorithm 3).

    s3 sorts groups by size and their members by the accuracy of their generators, s2 all by
    that accuracy alone, s1 at random, but the same for the same pool.
    """
    voters = [index for group in choice.groups for index in group.members]
    last = len(ranks)

    def by_accuracy(index: int) -> tuple[int, int]:
        return (ranks.get(candidates[index].generator, last), index)

    groups = sorted(
        (sorted(group.members, key=by_accuracy) for group in choice.groups),
        key=lambda members: (-len(members), by_accuracy(members[0])),
    )
    if order == "s1":
        seed = sha256("\0".join(sorted(candidates[i].sql for i in voters)).encode()).digest()
        shuffled = sorted(voters)
        random.Random(seed).shuffle(shuffled)
        return tuple(shuffled)
    if order == "s2":
        return tuple(sorted(voters, key=by_accuracy))
    if groups and len(groups[0]) >= math.ceil(len(voters) / 2):
        return tuple(index for members in groups for index in members)
    return tuple(_shortest(members, candidates) for members in groups)


def _shortest(members: Sequence[int], candidates: Sequence[Candidate]) -> int:
    return min(members, key=lambda i: (len(candidates[i].sql), candidates[i].sql))
