"""Synthetic questions for training: real ones moved to other schemas, and a small grammar.

Training on Spider alone memorises its schemas. Both sources below show each kind of question
over every schema that is given; SyntaxSQLNet and GraPPa gained several points by it.

What is not covered: schemas without a database file, and languages other than English.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from quorumsql.forms.tree import Query
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.train.data import Example
from quorumsql.train.synthetic_joins import RULES
from quorumsql.train.synthetic_names import article, load_names
from quorumsql.train.synthetic_phrases import Speaker
from quorumsql.train.synthetic_target import Examiner, Rejected, Target
from quorumsql.train.synthetic_templates import Template, templates
from quorumsql.train.synthetic_transplant import fill

__all__ = ["Source", "synthesise"]

TRIES, PERSISTENCE = 6, 5
"""Kinds of question that are tried per question that is wanted, before a database is left with
fewer; and attempts at one kind."""

RARER = 0.65
"""How strongly rare shapes of SQL are preferred: 0 as often as real, 1 all shapes alike."""

IMPERATIVE = re.compile(
    r"^(?:Please )?(?:Show|List|Give|Find|Return|Display|Tell|Give me|Show me|Tell me|Find out)"
    r"(?: me)? (?=(?:the|all) )"
)
VERBS = ("Show", "List", "Give", "Find", "Return", "Give me", "Show me", "Display", "Tell me")


def synthesise(
    examples: Sequence[Example],
    data: Path,
    tokeniser: Tokeniser,
    *,
    count: int,
    seed: int,
    transplanted: float = 0.5,
    tally: Counter[str] | None = None,
) -> list[Example]:
    """Return about `count` new examples over the databases of `examples`, shared evenly.

    The same arguments give the same examples. Only databases of `examples` are opened, so
    whoever holds databases out leaves their examples out. `transplanted` is the share that
    comes from real questions; `tally` counts what was accepted and why others were not.
    """
    counts: Counter[str] = Counter() if tally is None else tally
    first = {example.database: example for example in examples}
    known = load_names(data)
    found = [t for t in templates(examples, known) if t is not None]
    counts["templates"] += len(found)
    examiner = Examiner(tokeniser)
    shares = _shares(sorted(first), count)
    made: list[Example] = []
    for name, share in shares.items():
        with Target.open(first[name], data, known) as target:
            source = Source(target, found, examiner, random.Random(f"{seed}-{name}"), counts)
            made += source.make(share, transplanted)
    return made


def _shares(names: Sequence[str], count: int) -> dict[str, int]:
    """How many questions each database gets: the same, the first ones get the rest."""
    each, rest = divmod(count, max(len(names), 1))
    return {name: each + (number < rest) for number, name in enumerate(names)}


class Source:
    """Makes the examples of one database."""

    def __init__(
        self,
        target: Target,
        found: Sequence[Template],
        examiner: Examiner,
        rng: random.Random,
        counts: Counter[str],
    ) -> None:
        """Take the open `target`; `found` are the templates that real questions left."""
        self._target, self._examiner, self._rng, self._counts = target, examiner, rng, counts
        self._templates = [t for t in found if t.source.database != target.name]
        self._odds = _odds(self._templates)
        self._speaker = Speaker(target, rng)
        self._rules, self._weights = tuple(RULES), tuple(RULES.values())

    def make(self, count: int, transplanted: float) -> Iterator[Example]:
        """Yield up to `count` examples, no question twice."""
        seen: set[str] = set()
        for _ in range(count * TRIES):
            if len(seen) == count:
                return
            real = bool(self._templates) and self._rng.random() < transplanted
            made = self._moved() if real else self._composed()
            if made and made.question not in seen:
                seen.add(made.question)
                yield made

    def _moved(self) -> Example | None:
        (template,) = self._rng.choices(self._templates, cum_weights=self._odds)
        return self._try("transplant", lambda: self._fill(template))

    def _fill(self, template: Template) -> tuple[str, Query]:
        question, tree = fill(template, self._target, self._rng)
        return _reopen(question, self._rng), tree

    def _composed(self) -> Example | None:
        (rule,) = self._rng.choices(self._rules, self._weights)
        return self._try(rule.__name__, lambda: rule(self._speaker))

    def _try(self, name: str, make: Callable[[], tuple[str, Query]]) -> Example | None:
        """Make one question, a few times: what fits seldom should not be asked seldom."""
        for _ in range(PERSISTENCE):
            try:
                question, tree = make()
                tree = tree if tree.compound else self._speaker.query(tree)
                made = self._examiner.accept(polish(question), tree, self._target)
            except Rejected as reason:
                self._counts[f"{name}: {reason}"] += 1
            else:
                self._counts[f"{name}: accepted"] += 1
                return made
        return None


def _odds(found: Sequence[Template]) -> tuple[float, ...]:
    """Running sums of weights that let common shapes of SQL in less often than they occur."""
    often = Counter(template.shape for template in found)
    return tuple(accumulate(often[template.shape] ** -RARER for template in found))


def _reopen(question: str, rng: random.Random) -> str:
    """Another verb at the beginning of a request, half of the time."""
    if rng.random() < 0.5:
        return question
    return IMPERATIVE.sub(rng.choice(VERBS) + " ", question, count=1)


def polish(question: str) -> str:
    """Return `question` with articles, spaces, capitals and its last mark in order."""
    text = " ".join(question.split())
    text = re.sub(r"\s+([?.,])", r"\1", article(text))
    text = re.sub(r"(?<=[?.]) ([a-z])", lambda m: " " + m[1].upper(), text)
    text = text[0].upper() + text[1:]
    if text[-1] in ".?":
        return text
    return text + ("?" if re.match(r"(?:What|Which|Who|How|For)\b", text) else ".")
