"""How good generators are, by how often others agree with them: no right answer is needed.

On each question a generator is worth the share of the *other* generators whose result is equal to
its own; its mean over many questions puts generators in order. Who errs alone stands last. The
ensemble as its own teacher is BossNAS's idea (Li et al. 2021, arXiv 2103.12424).

What is not covered: generators that err together. They stand higher than they deserve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from quorumsql.domain import Candidate
from quorumsql.stages.choose import group, ran

__all__ = ["Consensus"]

FEWEST = 20
"""Questions below which nothing is said of anybody."""
PRIOR = 5.0
"""Questions of average worth that everybody starts with, so that few say little."""


@dataclass(slots=True)
class Consensus:
    """What has been seen so far. `hear` is told one question after another."""

    questions: int = 0
    _worth: dict[str, float] = field(default_factory=dict)
    _heard: dict[str, int] = field(default_factory=dict)

    def hear(self, candidates: Sequence[Candidate], *, dialect: str) -> None:
        """Take candidates of one question, which have run; who failed is worth nothing there."""
        if len(candidates) < 2:
            return
        self.questions += 1
        voters = [place for place, one in enumerate(candidates) if ran(one)]
        agree = dict.fromkeys(range(len(candidates)), 0)
        for part in group(candidates, voters, dialect=dialect):
            agree.update(dict.fromkeys(part, len(part) - 1))
        for place, one in enumerate(candidates):
            share = agree[place] / (len(candidates) - 1)
            self._worth[one.generator] = self._worth.get(one.generator, 0.0) + share
            self._heard[one.generator] = self._heard.get(one.generator, 0) + 1

    def ranks(self) -> dict[str, int]:
        """Return places by name, 0 for the best; nothing after fewer than `FEWEST` questions."""
        if self.questions < FEWEST:
            return {}
        usual = sum(self._worth.values()) / sum(self._heard.values())

        def order(name: str) -> tuple[float, str]:
            mean = (self._worth[name] + PRIOR * usual) / (self._heard[name] + PRIOR)
            return -mean, name

        return {name: place for place, name in enumerate(sorted(self._heard, key=order))}
